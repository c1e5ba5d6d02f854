"""Letters about seat requests: each reader's own language, own link and own clock, and none once there is nothing to answer."""

from datetime import UTC, datetime
from email.message import EmailMessage
from uuid import UUID

import pytest

from service.embedded import Addresses
from tenants import seat_decisions, seat_requests
from tenants.house import House
from tenants.seat_reminders import remind_and_expire
from tests import make
from tests.conftest import MailServer
from tests.make import Company
from tests.workers.post import change, deliver, html_of, mails, text_of, token_in

Trade = tuple[Company, Company]
FAR = datetime(2999, 6, 30, 21, 30, tzinfo=UTC)


@pytest.fixture
async def trade(house: House, servers: Addresses) -> Trade:
    """North and its client Acme; the mail that their making owed is out of the way."""
    north = await make.company(
        house, "North", kind="reseller", staff=3, roles=("simple_administrator", "user", "simple_administrator")
    )
    acme = await make.company(house, "Acme", plan="pro", parent=north, staff=1)
    await change(servers, "TRUNCATE outbox")
    await change(servers, "UPDATE identities SET language = 'en'")
    return north, acme


async def ask(house: House, acme: Company, *, until: datetime | None = None, reason: str | None = "Two new colleagues") -> UUID:
    """A request of Acme's administrator for two more places."""
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        return (await seat_requests.ask(session, house.catalogue, admin, seats=2, until=until, reason=reason)).id


async def decide(house: House, north: Company, request: UUID, *, seats: int | None, message: str | None = None) -> None:
    """By North's administrator; without seats it is refused."""
    admin = await make.actor(house, north, north.administrator)
    async with house.database.transaction(north.account_id) as session:
        if seats is None:
            await seat_decisions.refuse(session, admin, request, message=message)
        else:
            await seat_decisions.approve(session, house.catalogue, admin, request, seats=seats, message=message)


def sent(mail_server: MailServer) -> dict[str, EmailMessage]:
    """What arrived, by address; then nothing is there."""
    found = {recipients[0]: message for _, recipients, message in mail_server.messages}
    assert len(found) == len(mail_server.messages)
    mail_server.clear()
    return found


async def test_everybody_who_sells_is_asked_in_their_language_with_a_link_of_their_own(
    house: House, trade: Trade, mail_server: MailServer, servers: Addresses
) -> None:
    north, acme = trade
    french, suspended = north.staff[0], north.staff[2]
    await change(servers, "UPDATE identities SET language = 'fr' WHERE email = $1", french.email)
    await change(servers, "UPDATE users SET status = 'suspended' WHERE email = $1", suspended.email)
    await ask(house, acme, until=FAR)
    await deliver(house)
    letters = sent(mail_server)
    assert letters.keys() == {north.administrator.email, french.email}
    english, other = letters[north.administrator.email], letters[french.email]
    assert (english["Subject"], other["Subject"]) == ("Acme asks for 2 more seats", "Acme demande 2 places de plus")
    for told in (text_of(english), html_of(english)):
        for words in ("Ada of Acme", "Acme", "2 more seats", "6 seats", "30 June 2999, 23:30", "Two new colleagues"):
            assert words in told, words
        assert "http://localhost:8000/seat-request?token=" in told
    for words in ("Ada of Acme (Acme)", "2 places de plus", "6 places", "30 juin 2999", "Two new colleagues"):
        assert words in text_of(other), words
    assert token_in(english) != token_in(other)
    assert {row.account_id for row in await mails(house, north)} == {north.account_id}


async def test_for_good_and_without_a_reason(house: House, trade: Trade, mail_server: MailServer) -> None:
    await ask(house, trade[1], reason=None)
    await deliver(house)
    text = text_of(sent(mail_server)[trade[0].administrator.email])
    assert "For how long: for good" in text
    assert "Until:" not in text
    assert "Reason:" not in text


@pytest.mark.parametrize(
    ("seats", "message", "subject", "says"),
    [
        (
            1,
            "One for now",
            "Your request was accepted: 1 more seat",
            ["was accepted", "Asked for: 2 more seats", "Given: 1 more seat", "for good"],
        ),
        (2, None, "Your request was accepted: 2 more seats", ["was accepted", "Given: 2 more seats"]),
        (None, "Not this year", "Your request for more seats was refused", ["was refused", "Asked for: 2 more seats"]),
    ],
)
async def test_the_client_is_told_what_was_decided(
    house: House, trade: Trade, mail_server: MailServer, *, seats: int | None, message: str | None, subject: str, says: list[str]
) -> None:
    north, acme = trade
    request = await ask(house, acme)
    await deliver(house)
    sent(mail_server)
    await decide(house, north, request, seats=seats, message=message)
    await deliver(house)
    letters = sent(mail_server)
    assert letters.keys() == {acme.administrator.email}, "only one letter about it, and none to the staff"
    letter = letters[acme.administrator.email]
    assert letter["Subject"] == subject
    for words in (*says, "Ada of North", message or "Acme"):
        assert words in text_of(letter), words
    assert (message or "Acme") in html_of(letter)


async def test_a_decision_is_told_in_french_to_whoever_reads_french(
    house: House, trade: Trade, mail_server: MailServer, servers: Addresses
) -> None:
    north, acme = trade
    await change(servers, "UPDATE identities SET language = 'fr' WHERE email = $1", acme.administrator.email)
    request = await ask(house, acme)
    await change(servers, "TRUNCATE outbox")
    await decide(house, north, request, seats=2)
    await deliver(house)
    letter = sent(mail_server)[acme.administrator.email]
    assert letter["Subject"] == "Votre demande est acceptée : 2 places de plus"
    assert "La demande de places pour Acme a été acceptée." in text_of(letter)


@pytest.mark.parametrize(
    ("language", "subject", "says"),
    [
        ("en", "Nobody answered your request for more seats", "The request for more seats for Acme has expired"),
        ("fr", "Votre demande de places est restée sans réponse", "La demande de places pour Acme a expiré"),
    ],
)
async def test_the_client_is_told_once_that_nobody_answered(
    house: House, trade: Trade, mail_server: MailServer, servers: Addresses, *, language: str, subject: str, says: str
) -> None:
    _, acme = trade
    await change(servers, f"UPDATE identities SET language = '{language}'")  # noqa: S608 - the test's own
    await ask(house, acme)
    await deliver(house)
    sent(mail_server)
    await change(servers, "UPDATE seat_requests SET expires_at = now()")
    for _ in range(2):
        await remind_and_expire(house.database, house.catalogue)
    await deliver(house)
    letters = sent(mail_server)
    assert letters.keys() == {acme.administrator.email}
    letter = letters[acme.administrator.email]
    assert letter["Subject"] == subject
    for body in (text_of(letter), html_of(letter)):
        assert says in body
        assert "Decided by" not in body
        assert "Décision de" not in body


@pytest.mark.parametrize(
    "over",
    [
        "UPDATE seat_requests SET state = 'withdrawn', decided_at = now()",
        "UPDATE seat_requests SET state = 'refused', decided_at = now()",
        "UPDATE seat_requests SET expires_at = now()",
        "UPDATE users SET status = 'struck_off' WHERE email LIKE '%@north.example.com'",
    ],
)
async def test_nobody_is_asked_about_what_is_over(
    house: House, trade: Trade, mail_server: MailServer, servers: Addresses, over: str
) -> None:
    await ask(house, trade[1])
    await change(servers, over)
    await deliver(house)
    assert mail_server.messages == []
    assert {row.state for row in await mails(house, trade[0])} == {"cancelled"}


async def test_the_reminder_comes_once_with_the_same_right_to_decide(
    house: House, trade: Trade, mail_server: MailServer, servers: Addresses
) -> None:
    north, acme = trade
    await ask(house, acme)
    await deliver(house)
    first = sent(mail_server)[north.administrator.email]
    for past, expected in (("1 day 23 hours", 0), ("2 days", 3), ("5 days", 0)):
        await change(servers, f"UPDATE seat_requests SET created_at = now() - interval '{past}'")  # noqa: S608 - the test's own
        await remind_and_expire(house.database, house.catalogue)
        await deliver(house)
        letters = sent(mail_server)
        assert len(letters) == expected, past
        if letters:
            reminder = letters[north.administrator.email]
            assert reminder["Subject"] == "Still waiting for your answer: Acme asks for 2 more seats"
            assert "nobody has answered it yet" in text_of(reminder)
            assert token_in(reminder) != token_in(first)
