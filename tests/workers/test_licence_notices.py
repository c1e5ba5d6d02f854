"""Notices that a licence ends: each once, whoever posts it and however late, in its reader's words."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import date
from html import escape
from pathlib import Path

import pytest
from sqlalchemy import text

from service.embedded import Addresses
from tenants import outbox
from tenants.house import House, open_house
from tenants.licence_notices import mail_about, post_due_notice, post_due_notices
from tenants.outbox import Letter
from tests import make
from tests.conftest import MailServer
from tests.make import Company
from tests.tenants.rows import sql
from tests.workers.post import altered, change, deliver, html_of, mails, text_of
from tests.workers.process import running_worker


@pytest.fixture
async def other(house: House) -> AsyncIterator[House]:
    """Another worker's house."""
    opened = open_house(house.settings)
    yield opened
    await opened.close()


async def ends(servers: Addresses, company: Company, days: int) -> None:
    """Let the licence end in so many days; those before today are past."""
    await change(servers, "UPDATE accounts SET time_zone = 'UTC' WHERE id = $1", company.account_id)
    await change(
        servers,
        "UPDATE licences SET starts_on = current_date - 400, ends_on = current_date + $2::int WHERE account_id = $1",
        company.account_id,
        days,
    )


async def notices(servers: Addresses, company: Company) -> list[int]:
    """Which were posted, or passed over, for the present last day."""
    rows = await sql(
        servers,
        "SELECT n.days FROM licence_notices n JOIN licences l USING (account_id, ends_on) WHERE account_id = $1 ORDER BY 1 DESC",
        company.account_id,
    )
    return [row[0] for row in rows]


async def owed(house: House, company: Company) -> list[str]:
    """Letters about the licence's end, oldest first."""
    return [mail.letter for mail in await mails(house, company) if mail.letter.startswith("licence_")]


async def test_each_notice_is_posted_once_day_after_day(house: House, acme: Company, servers: Addresses) -> None:
    posted = []
    for left in range(31, -9, -1):
        # Instead of today the last day moves, and the notices with it: for them it stays the same one.
        await ends(servers, acme, left)
        await change(servers, "UPDATE licence_notices n SET ends_on = l.ends_on FROM licences l WHERE n.account_id = l.account_id")
        before = len(await owed(house, acme))
        for _ in range(2):
            await post_due_notices(house.database)
        posted += [(left, letter) for letter in (await owed(house, acme))[before:]]
    assert posted == [
        (30, "licence_ending"),
        (14, "licence_ending"),
        (7, "licence_ending"),
        (1, "licence_ending"),
        (-1, "licence_ended"),
    ]


async def test_several_workers_at_once_post_one(house: House, other: House, acme: Company, servers: Addresses) -> None:
    await ends(servers, acme, 7)
    await asyncio.gather(*(post_due_notices(who.database) for who in (house, other) * 4))
    assert await owed(house, acme) == ["licence_ending"]
    assert await notices(servers, acme) == [30, 14, 7]


@pytest.mark.parametrize(
    ("left", "letter", "marked"),
    [
        (31, [], []),
        (30, ["licence_ending"], [30]),
        (10, ["licence_ending"], [30, 14]),
        (1, ["licence_ending"], [30, 14, 7, 1]),
        (0, ["licence_ending"], [30, 14, 7, 1]),
        (-1, ["licence_ended"], [30, 14, 7, 1, 0]),
        (-7, ["licence_ended"], [30, 14, 7, 1, 0]),
        (-8, [], []),
    ],
)
async def test_of_missed_notices_only_the_nearest_is_sent(
    house: House, acme: Company, servers: Addresses, *, left: int, letter: list[str], marked: list[int]
) -> None:
    await ends(servers, acme, left)
    for _ in range(2):
        await post_due_notices(house.database)
    assert await owed(house, acme) == letter
    assert await notices(servers, acme) == marked


async def test_a_worker_that_dies_before_the_commit_has_posted_nothing(house: House, acme: Company, servers: Addresses) -> None:
    await ends(servers, acme, 7)

    async def killed() -> None:
        async with house.database.transaction(acme.account_id) as session:
            await post_due_notice(session)
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await killed()
    assert (await owed(house, acme), await notices(servers, acme)) == ([], [])
    await post_due_notices(house.database)
    assert await owed(house, acme) == ["licence_ending"]


async def test_another_last_day_has_notices_of_its_own_and_old_mail_lapses(
    house: House, acme: Company, servers: Addresses, mail_server: MailServer
) -> None:
    await ends(servers, acme, 7)
    await post_due_notices(house.database)
    await ends(servers, acme, 14)
    await post_due_notices(house.database)
    await deliver(house)
    assert [mail.state for mail in await mails(house, acme)] == ["cancelled", "sent"]
    assert [message["Subject"] for _, _, message in mail_server.messages] == ["The licence of Acme ends in 14 days"]
    await ends(servers, acme, 400)
    await post_due_notices(house.database)
    assert await owed(house, acme) == ["licence_ending"] * 2


async def test_whoever_is_not_served_gets_no_notice(house: House, acme: Company, servers: Addresses) -> None:
    operator = await make.operator(house)
    await ends(servers, operator, 7)
    await post_due_notices(house.database)
    assert await owed(house, operator) == []
    await ends(servers, acme, 7)
    for status, closed_at in (("suspended", "NULL"), ("closed", "now()")):
        await change(servers, f"UPDATE accounts SET status = '{status}', closed_at = {closed_at} WHERE id = $1", acme.account_id)  # noqa: S608
        await post_due_notices(house.database)
        assert await owed(house, acme) == []
    await change(
        servers, "UPDATE accounts SET status = 'active', closed_at = NULL, above = 'suspended' WHERE id = $1", acme.account_id
    )
    await post_due_notices(house.database)
    assert await owed(house, acme) == []
    await change(servers, "UPDATE accounts SET above = 'active' WHERE id = $1", acme.account_id)
    await post_due_notices(house.database)
    assert await owed(house, acme) == ["licence_ending"]


async def test_only_active_administrators_get_one(house: House, acme: Company, servers: Addresses) -> None:
    await change(servers, "UPDATE users SET role = 'administrator' WHERE id = $1", acme.staff[0].user_id)
    await ends(servers, acme, 7)
    await post_due_notices(house.database)
    assert {mail.user_id for mail in await mails(house, acme)} == {person.user_id for person in acme.people}
    await change(servers, "TRUNCATE outbox, licence_notices")
    await change(servers, "UPDATE users SET status = 'suspended' WHERE id = $1", acme.staff[0].user_id)
    await post_due_notices(house.database)
    assert [mail.user_id for mail in await mails(house, acme)] == [acme.administrator.user_id]


async def test_what_fails_in_one_account_does_not_hold_up_the_others(house: House, acme: Company, servers: Addresses) -> None:
    bistro = await make.company(house, "Bistro", staff=0)
    for company in (acme, bistro):
        await ends(servers, company, 7)
    await change(servers, "UPDATE accounts SET time_zone = 'Nowhere/Atall' WHERE id = $1", acme.account_id)
    with pytest.raises(LookupError):
        await post_due_notices(house.database)
    assert await owed(house, bistro) == ["licence_ending"]
    await change(servers, "UPDATE accounts SET time_zone = 'UTC' WHERE id = $1", acme.account_id)
    await post_due_notices(house.database)
    assert (len(await owed(house, acme)), len(await owed(house, bistro))) == (1, 1)


async def test_looking_across_accounts_shows_licences_and_no_notices(house: House, acme: Company, servers: Addresses) -> None:
    await ends(servers, acme, 7)
    await post_due_notices(house.database)
    async with house.database.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM licence_notices")) == 0
        assert await session.scalar(text("SELECT count(*) FROM licences")) == 0


WORDS = {
    "en": (
        r"The licence of Acme ends in \d+ days",
        "The last day of the licence of Acme is Friday 31 January 2098.",
        "Until the end of Friday 7 February 2098 everybody can still sign in, look at everything, print and export, but change nothing.",
        "From Saturday 8 February 2098 administrators alone can sign in.",
        "To renew it, contact Operator.",
    ),
    "fr": (
        r"La licence du compte Acme prend fin dans \d+ jours",
        "Le dernier jour de la licence du compte Acme est le vendredi 31 janvier 2098.",
        "Jusqu’au vendredi 7 février 2098 inclus, chacun peut encore se connecter, tout consulter, imprimer et exporter, "
        "mais ne peut plus rien modifier.",
        "À partir du samedi 8 février 2098, seuls les administrateurs peuvent se connecter.",
        "Pour la renouveler, contactez Operator.",
    ),
}


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_a_notice_says_what_happens_when_and_whom_to_ask(
    house: House, acme: Company, servers: Addresses, mail_server: MailServer, language: str
) -> None:
    await change(servers, "UPDATE identities SET language = $1 WHERE email = $2", language, acme.administrator.email)
    # A day that the test can name, in a zone where it begins while it is still the day before by the database's clock.
    await change(servers, "UPDATE licences SET ends_on = '2098-01-31' WHERE account_id = $1", acme.account_id)
    await change(servers, "UPDATE accounts SET time_zone = 'Pacific/Auckland' WHERE id = $1", acme.account_id)
    async with house.database.transaction(acme.account_id) as session:
        about = mail_about(acme.account_id, date(2098, 1, 31))
        outbox.post(session, Letter.LICENCE_ENDING, to=acme.administrator.user_id, about=about)
    await deliver(house)
    [(_, recipients, message)] = mail_server.messages
    assert recipients == [acme.administrator.email]
    subject, *sentences = WORDS[language]
    assert re.fullmatch(subject, message["Subject"])
    for part in (text_of(message), html_of(message)):
        shown = re.sub(r"day, (\d)", r"day \1", part)
        for sentence in sentences:
            assert sentence in shown


@pytest.mark.parametrize(
    ("left", "language", "subject", "says"),
    [
        (1, "en", "The licence of Acme ends in 1 day", "If it is not renewed by then:"),
        (1, "fr", "La licence du compte Acme prend fin dans 1 jour", "Si elle n’est pas renouvelée d’ici là :"),
        (0, "en", "The licence of Acme ends today", "If it is not renewed by then:"),
        (0, "fr", "La licence du compte Acme prend fin aujourd’hui", "Si elle n’est pas renouvelée d’ici là :"),
        (-1, "en", "The licence of Acme has ended", "The last day of the licence of Acme was "),
        (-1, "fr", "La licence du compte Acme a pris fin", "Le dernier jour de la licence du compte Acme était le "),
    ],
)
async def test_each_notice_has_its_own_words(
    house: House, acme: Company, servers: Addresses, mail_server: MailServer, *, left: int, language: str, subject: str, says: str
) -> None:
    await change(servers, "UPDATE identities SET language = $1 WHERE email = $2", language, acme.administrator.email)
    await ends(servers, acme, left)
    await post_due_notices(house.database)
    await deliver(house)
    [(_, _, message)] = mail_server.messages
    assert (message["Subject"], says in text_of(message)) == (subject, True)
    assert escape(says.strip(), quote=False) in html_of(message)


async def test_a_notice_names_the_brand_that_the_client_knows(
    house: House, acme: Company, servers: Addresses, mail_server: MailServer
) -> None:
    seller = await make.operator(house)
    await change(
        servers,
        "INSERT INTO brands (account_id, name, support) VALUES ($1, 'Nord Logiciels', 'aide@nord.example.com')",
        seller.account_id,
    )
    await ends(servers, acme, 7)
    await post_due_notices(house.database)
    await deliver(house)
    assert [(mail.state, mail.last_reply) for mail in await mails(house, acme)] == [("sent", "250 taken")]
    [(_, _, message)] = mail_server.messages
    assert "To renew it, contact Nord Logiciels: aide@nord.example.com" in text_of(message)


async def test_a_worker_process_posts_and_sends_notices_by_itself(
    house: House, acme: Company, servers: Addresses, mail_server: MailServer, tmp_path: Path
) -> None:
    await ends(servers, acme, 7)
    settings = altered(house.settings, mail_sweep=0.2, housekeeping_every=0.2)
    async with running_worker(settings, tmp_path / "log") as first, running_worker(settings, tmp_path / "log2") as second:
        async with asyncio.timeout(20):
            while not mail_server.messages:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        assert [await first.stop(), await second.stop()] == [0, 0]
    assert [message["Subject"] for _, _, message in mail_server.messages] == ["The licence of Acme ends in 7 days"]
