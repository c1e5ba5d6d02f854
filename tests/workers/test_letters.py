"""Letters say who, what and until when, in the reader's language, and their links open."""

from datetime import timedelta
from email.header import decode_header, make_header
from email.utils import parseaddr
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import workers
from service.embedded import Addresses
from tenants import invitation_links, invitations, password_resets, resellers, users
from tenants.house import House
from tests import make
from tests.conftest import MailServer
from tests.make import Company
from tests.workers.post import change, deliver, html_of, invite, mails, text_of, token_in

NBSP = "\u00a0"


async def test_an_invitation_in_french(house: House, acme: Company, mail_server: MailServer) -> None:
    await invite(house, acme, "zoe@example.com", name="Zoé Lefèvre", language="fr", message="Bienvenue !\nÀ lundi <3")
    await deliver(house)
    [(sender, recipients, message)] = mail_server.messages
    assert (sender, recipients) == ("portillon@localhost", ["zoe@example.com"])
    assert message["Subject"] == "Ada of Acme vous invite à rejoindre Acme"
    assert message["To"] == "Zoé Lefèvre <zoe@example.com>"
    assert message["Content-Language"] == "fr"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.tzinfo is not None
    text = text_of(message)
    assert text.startswith("Bonjour Zoé Lefèvre,\n")
    assert "> Bienvenue !\n> À lundi <3\n" in text
    assert "Ce lien fonctionne une seule fois, pour cette adresse uniquement, jusqu’au " in text
    html = html_of(message)
    assert "À lundi &lt;3" in html
    assert "Accepter l’invitation" in html
    assert '<html lang="fr"' in html
    assert "http://localhost:8000/invitation?token=" in html


async def test_an_invitation_in_english_opens_what_it_promises(house: House, acme: Company, mail_server: MailServer) -> None:
    invited = await invite(house, acme, "kim@example.com", language="en")
    await deliver(house)
    [(_, _, message)] = mail_server.messages
    assert message["Subject"] == "Ada of Acme invites you to join Acme"
    assert text_of(message).startswith("Hello,\n")
    assert "The link works once, for this address only, until " in text_of(message)
    async with house.database.transaction() as session:
        found, user, identity, account = await invitation_links.look_up(session, house.signer, token_in(message))
    assert (user.id, identity.email, account.name, found.invited_by) == (invited.id, "kim@example.com", "Acme", "Ada of Acme")


async def test_dates_are_on_the_accounts_clock(house: House, acme: Company, mail_server: MailServer, servers: Addresses) -> None:
    await change(servers, "UPDATE accounts SET time_zone = 'Asia/Tokyo' WHERE id = $1", acme.account_id)
    await invite(house, acme, "kim@example.com", language="en")
    await invite(house, acme, "lea@example.com", language="fr")
    await change(servers, "UPDATE invitations SET expires_at = '2090-03-01 20:30:00+00'")
    await deliver(house)
    said = {message["Content-Language"]: text_of(message) for _, _, message in mail_server.messages}
    assert "until Thursday 2 March 2090 at 05:30 (UTC+09:00)." in said["en"].replace(",", "")
    assert "jusqu’au jeudi 2 mars 2090 à 05:30 (UTC+09:00)." in said["fr"]


async def test_an_expired_link_reaches_the_administrators(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses
) -> None:
    user = await invite(house, acme, "kim@example.com", name="Kim")
    token = await make.invitation_token(house, acme.account_id, user.id)
    await change(servers, "TRUNCATE outbox")
    await change(servers, "UPDATE invitations SET expires_at = now() - interval '1 day' WHERE user_id = $1", user.id)
    async with house.database.transaction() as session:
        await invitation_links.ask_for_renewal(session, house.signer, token)
    await deliver(house)
    [(_, recipients, message)] = mail_server.messages
    assert recipients == ["admin@acme.example.com"]
    assert message["Subject"] == "Kim would like a new invitation"
    assert "Kim (kim@example.com) opened their invitation to Acme, but it expired on " in text_of(message)
    assert "token=" not in text_of(message) + html_of(message)


@pytest.mark.parametrize(
    ("language", "subject", "says"),
    [
        ("en", "Choose a new password", "your password stays as it is"),
        ("fr", "Choisissez un nouveau mot de passe", "votre mot de passe reste le même"),
    ],
)
async def test_a_reset_opens_once_and_a_notice_follows(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses, *, language: str, subject: str, says: str
) -> None:
    person = acme.staff[0]
    await change(servers, "UPDATE identities SET language = $1 WHERE email = $2", language, person.email)
    async with house.database.transaction() as session:
        await password_resets.ask(session, email=person.email)
    await deliver(house)
    [(_, recipients, message)] = mail_server.messages
    assert recipients == [person.email]
    assert message["Subject"] == subject
    assert says in text_of(message)
    assert "http://localhost:8000/reset?token=" in text_of(message)
    async with house.database.transaction() as session:
        await password_resets.confirm(session, house.signer, token_in(message), new_hash="a hash")
    mail_server.clear()
    await deliver(house)
    [(_, recipients, notice)] = mail_server.messages
    assert recipients == [person.email]
    assert notice["Subject"] == {"en": "Your password was changed", "fr": "Votre mot de passe a été changé"}[language]
    assert "http://localhost:8000/forgot" in text_of(notice)
    assert "http://localhost:8000/forgot" in html_of(notice)


async def test_only_the_newest_reset_is_mailed(house: House, acme: Company, mail_server: MailServer) -> None:
    for _ in range(2):
        async with house.database.transaction() as session:
            await password_resets.ask(session, email=acme.staff[0].email)
    await deliver(house)
    assert len(mail_server.messages) == 1
    assert [row.state for row in await mails(house, acme)] == ["cancelled", "sent"]
    async with house.database.transaction() as session:
        await password_resets.find_for_reset(session, house.signer, token_in(mail_server.messages[0][2]))


@pytest.mark.parametrize(
    ("language", "subject", "lines"),
    [
        ("en", "Acme now has 1 seat", ["Before: 25 seats", "Now: 1 seat", "Changed by: Olga", "Reason: Winter & sons"]),
        (
            "fr",
            "Acme dispose maintenant de 1 place",
            [f"Avant{NBSP}: 25 places", f"Maintenant{NBSP}: 1 place", f"Changé par{NBSP}: Olga", f"Motif{NBSP}: Winter & sons"],
        ),
    ],
)
async def test_changed_seats(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses, *, language: str, subject: str, lines: list[str]
) -> None:
    await change(servers, "UPDATE identities SET language = $1", language)
    above = await make.operator(house)
    seller = await make.actor(house, above, above.administrator)
    for seats in (25, 1):
        await change(servers, "TRUNCATE outbox")
        async with house.database.transaction(above.account_id) as session:
            await resellers.set_licence(
                session,
                house.catalogue,
                seller,
                acme.account_id,
                wanted={"plan": "enterprise", "seats": seats},
                version=None,
                reason="Winter & sons",
            )
    await deliver(house)
    [(_, recipients, message)] = mail_server.messages
    assert recipients == ["admin@acme.example.com"]
    assert message["Subject"] == subject
    for line in lines:
        assert line in text_of(message)
        assert line.replace("&", "&amp;") in html_of(message)


@pytest.mark.parametrize(
    "name", ["Jürgen Müßig", "Łukasz Żółć", "Ирина Петрова", "山田 太郎", "علي حسن", 'A "quoted", name; <b>', "🐙 & co", "é" * 120]
)
async def test_names_of_every_script_arrive(house: House, acme: Company, mail_server: MailServer, name: str) -> None:
    await invite(house, acme, "someone@example.com", name=name, message=f"Für {name}")
    await deliver(house)
    [(_, _, message)] = mail_server.messages
    # The standard library's new parser puts spaces between encoded words; mail programs and its old one do not (RFC 2047, 6.2).
    written = str(make_header(decode_header(dict(message.raw_items())["To"])))
    assert parseaddr(written) == (name, "someone@example.com")
    assert f"Hello {name}," in text_of(message)
    assert f"> Für {name}" in text_of(message)


async def test_names_cannot_open_headers_or_tags(house: House, acme: Company, mail_server: MailServer, servers: Addresses) -> None:
    await invite(house, acme, "kim@example.com", name="<mj-include path='/etc/passwd' />")
    await deliver(house)
    assert "&lt;mj-include path=" in html_of(mail_server.messages[0][2])
    mail_server.clear()
    sly = await invite(house, acme, "sly@example.com")
    await change(servers, "UPDATE users SET name = E'Sly\\r\\nBcc: all@example.com' WHERE id = $1", sly.id)
    await deliver(house)
    assert mail_server.messages == []
    assert [row.state for row in await mails(house, acme)] == ["sent", "refused"]


async def test_what_is_no_longer_true_is_not_mailed(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses
) -> None:
    administrator = await make.actor(house, acme, acme.administrator)
    people = [await invite(house, acme, f"{name}@example.com") for name in ("withdrawn", "expired", "struck", "deleted", "kept")]
    async with house.database.transaction(acme.account_id) as session:
        await invitations.withdraw(session, house.catalogue, administrator, people[0].id)
    await change(servers, "UPDATE invitations SET expires_at = now() - interval '1 s' WHERE user_id = $1", people[1].id)
    await change(servers, "UPDATE users SET status = 'struck_off' WHERE id = $1", people[2].id)
    await change(servers, "UPDATE users SET status = 'deleted' WHERE id = $1", people[3].id)
    await deliver(house)
    assert [recipients for _, recipients, _ in mail_server.messages] == [["kept@example.com"]]
    assert [row.state for row in await mails(house, acme)] == ["cancelled"] * 4 + ["sent"]


async def test_a_renewal_is_pointless_once_the_invitation_was_sent_again(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses
) -> None:
    user = await invite(house, acme, "kim@example.com")
    token = await make.invitation_token(house, acme.account_id, user.id)
    await change(servers, "UPDATE invitations SET expires_at = now() - interval '1 s' WHERE user_id = $1", user.id)
    async with house.database.transaction() as session:
        await invitation_links.ask_for_renewal(session, house.signer, token)
    administrator = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await invitations.resend(session, house.catalogue, administrator, user.id)
        resent = await users.get_user(session, user.id)
    assert resent.invited_until is not None
    assert resent.invited_until - resent.created_at > timedelta(days=6)
    await deliver(house)
    assert [recipients for _, recipients, _ in mail_server.messages] == [["kim@example.com"]]


def test_every_sentence_is_said_in_french() -> None:
    folder = Path(workers.__file__).parent
    asked = {
        said if isinstance(said, str) else said[0]
        for _, _, said, _, _ in extract_from_dir(
            folder / "templates", method_map=[("**.txt", "jinja2"), ("**.mjml", "jinja2")], options_map={"**": {"trimmed": "true"}}
        )
    }
    translated = {
        message.id if isinstance(message.id, str) else message.id[0]
        for path in (folder / "locale/fr").glob("*.po")
        for message in read_po(BytesIO(path.read_bytes()), locale="fr")
        if message.id and message.string and not message.fuzzy
    }
    assert asked == translated
