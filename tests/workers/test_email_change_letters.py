"""The two letters of a change of address: a link to the new one, a notice and a way back to the old one."""

import pytest
from sqlalchemy import select

from service.embedded import Addresses
from tenants import email_changes
from tenants.house import House
from tenants.identities import Identity
from tests import make
from tests.conftest import MailServer
from tests.make import Company
from tests.workers.post import change, deliver, html_of, invite, mails, text_of, token_in

NEW = "claire@new.example.com"


async def ask(house: House, acme: Company, email: str = NEW) -> None:
    """The company's first person asks for another address, with the right password."""
    actor = await make.actor(house, acme, acme.staff[0])
    async with house.database.transaction(acme.account_id) as session:
        identity = (await session.scalars(select(Identity).where(Identity.id == actor.identity_id))).one()
        await email_changes.ask(session, actor, email=email, verified_hash=identity.password_hash or "")


@pytest.mark.parametrize(
    ("language", "first", "second", "says"),
    [
        (
            "en",
            "Confirm your new address",
            "Your address was changed",
            ["Before: p0@acme.example.com", f"Now: {NEW}", "The link works once, until ", "Revoke the change"],
        ),
        (
            "fr",
            "Confirmez votre nouvelle adresse",
            "Votre adresse a été changée",
            [
                "Avant\u00a0: p0@acme.example.com",
                f"Maintenant\u00a0: {NEW}",
                "Ce lien fonctionne une seule fois, jusqu’au ",
                "Annulez le changement",
            ],
        ),
    ],
)
async def test_the_new_address_gets_the_link_and_the_old_one_the_way_back(
    house: House,
    acme: Company,
    mail_server: MailServer,
    servers: Addresses,
    *,
    language: str,
    first: str,
    second: str,
    says: list[str],
) -> None:
    person = acme.staff[0]
    await change(servers, "UPDATE identities SET language = $1 WHERE email = $2", language, person.email)
    await ask(house, acme)
    await deliver(house)
    [(_, recipients, message)] = mail_server.messages
    assert (recipients, message["Subject"], message["Content-Language"]) == ([NEW], first, language)
    assert "http://localhost:8000/email-change?token=" in text_of(message)
    assert "http://localhost:8000/email-change?token=" in html_of(message)
    for told in (text_of(message), html_of(message), message["To"]):
        assert NEW in told
        assert person.name not in told, "whoever reads there may be a stranger"
        assert person.email not in told
    async with house.database.transaction() as session:
        await email_changes.confirm(session, house.signer, token_in(message))
    mail_server.clear()
    await deliver(house)
    [(_, recipients, notice)] = mail_server.messages
    assert (recipients, notice["Subject"]) == ([person.email], second)
    assert "http://localhost:8000/email-change/revoke?token=" in html_of(notice)
    for line in says:
        assert line in text_of(notice)
        assert line.replace("Annulez", "Annuler") in html_of(notice) or line in html_of(notice)
    mail_server.clear()
    async with house.database.transaction() as session:
        await email_changes.revoke(session, house.signer, token_in(notice), new_hash="a hash")
    await deliver(house)
    [(_, recipients, reset)] = mail_server.messages
    assert recipients == [person.email]
    assert "http://localhost:8000/reset?token=" in text_of(reset)


async def test_nothing_is_written_to_an_address_that_is_somebodys(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses
) -> None:
    await ask(house, acme, acme.administrator.email)
    await ask(house, acme, "soon@acme.example.com")
    await invite(house, acme, "soon@acme.example.com")
    await change(servers, "DELETE FROM outbox WHERE letter = 'invitation'")
    await deliver(house)
    assert mail_server.messages == []
    assert [row.state for row in await mails(house, acme)] == ["cancelled"] * 2


async def test_only_the_newest_request_is_mailed_and_only_while_it_is_good(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses
) -> None:
    await ask(house, acme, "first@new.example.com")
    await ask(house, acme, "second@new.example.com")
    await deliver(house)
    assert [recipients for _, recipients, _ in mail_server.messages] == [["second@new.example.com"]]
    mail_server.clear()
    await ask(house, acme, "third@new.example.com")
    await change(servers, "UPDATE email_changes SET expires_at = now()")
    await deliver(house)
    assert mail_server.messages == []
    assert [row.state for row in await mails(house, acme)] == ["cancelled", "sent", "cancelled"]


async def test_a_notice_that_comes_too_late_to_revoke_is_not_sent(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses
) -> None:
    await ask(house, acme)
    await deliver(house)
    token = token_in(mail_server.messages[0][2])
    mail_server.clear()
    async with house.database.transaction() as session:
        await email_changes.confirm(session, house.signer, token)
    await change(servers, "UPDATE email_changes SET revocable_until = now()")
    await deliver(house)
    assert mail_server.messages == []
