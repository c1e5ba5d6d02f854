"""Thousands of invitations hold up nobody: whatever is not bulk goes first, and accounts take turns."""

import asyncio
from uuid import UUID

import pytest

from service.embedded import Addresses
from tenants import batches, outbox, password_resets
from tenants.batches import Line
from tenants.house import House
from tenants.outbox import Lease
from tests import make
from tests.make import Company
from tests.workers.post import altered, change, deliver, invite, mails
from tests.workers.scripted_smtp import ScriptedServer, Visit
from workers.mail import LANES, MailRoom
from workers.smtp import PostOffice


async def invite_many(house: House, company: Company, count: int, *, word: str) -> None:
    """So many invitations in one batch, to `word0@example.com` and on."""
    actor = await make.actor(house, company, company.administrator)
    batch = await batches.check_lines([Line(number, f"{word}{number}@example.com", role="user") for number in range(count)])
    async with house.database.transaction(company.account_id) as session:
        report = await batches.invite_many(session, house.catalogue, actor, batch)
    assert report.accepted == count


async def ask_for_reset(house: House, company: Company) -> str:
    """The company's first colleague forgot the password; their address."""
    person = company.staff[0]
    actor = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        await password_resets.ask_for(session, house.catalogue, actor, person.user_id)
    return person.email


async def claim(house: House, *, limit: int = 100, bulk: int | None = None, after: UUID | None = None) -> list[Lease]:
    async with house.database.transaction() as session:
        await outbox.step_into_sorting_room(session)
        return await outbox.claim(session, limit=limit, lease_seconds=60, bulk=bulk, after=after)


@pytest.fixture
async def zeta(house: House, servers: Addresses) -> Company:
    """Another company, nothing owed to it."""
    company = await make.company(house, "Zeta", staff=1)
    await change(servers, "TRUNCATE outbox")
    return company


async def test_what_is_not_bulk_is_claimed_first_and_bulk_only_fills_the_rest(house: House, acme: Company, zeta: Company) -> None:
    await invite_many(house, acme, 10, word="n")
    await ask_for_reset(house, zeta)
    await invite(house, zeta, "kim@example.com")
    assert [lease.bulk for lease in await claim(house, limit=5, bulk=2)] == [False, False, True, True]
    assert [lease.bulk for lease in await claim(house, limit=5)] == [True] * 5


async def test_accounts_take_turns_with_their_bulk_mail(house: House, acme: Company, zeta: Company) -> None:
    beta = await make.company(house, "Beta", staff=0)
    await claim(house)  # what the making of a company owes is out of the way
    for company, word in ((acme, "a"), (beta, "b"), (zeta, "z")):
        await invite_many(house, company, 6, word=word)
    turns, after = [], None
    for _ in range(6):
        leases = await claim(house, limit=2, after=after)
        assert len({lease.account_id for lease in leases}) == 1
        after = leases[-1].account_id
        turns.append(after)
    in_order = sorted(company.account_id for company in (acme, beta, zeta))
    assert turns == [*in_order, *in_order]


async def test_a_few_invitations_of_another_account_do_not_wait_for_thousands(
    house: House, acme: Company, zeta: Company, scripted: ScriptedServer
) -> None:
    await invite_many(house, acme, 60, word="many")
    await invite_many(house, zeta, 5, word="few")
    await deliver(house, port=scripted.port)
    few = [position for position, taken in enumerate(scripted.taken) if taken.recipient.startswith("few")]
    assert (len(scripted.taken), len(few)) == (65, 5)
    assert max(few) < 30


async def test_a_reset_leaves_while_every_bulk_mail_in_hand_is_stuck(
    house: House, acme: Company, zeta: Company, scripted: ScriptedServer
) -> None:
    go_on = asyncio.Event()
    stuck: set[str] = set()

    async def wait(visit: Visit) -> str | None:
        if visit.recipient.startswith("many"):
            stuck.add(visit.recipient)
            await go_on.wait()
        return None

    scripted.at["dot"] = wait
    await invite_many(house, acme, 40, word="many")
    room = MailRoom(house, PostOffice(altered(house.settings, smtp_url=f"smtp+plain://127.0.0.1:{scripted.port}")))
    room.wake()
    while len(stuck) < LANES - 1:
        await asyncio.sleep(0.01)
    email = await ask_for_reset(house, zeta)
    room.wake()
    async with asyncio.timeout(20):
        while not scripted.taken:
            await asyncio.sleep(0.01)
    assert [taken.recipient for taken in scripted.taken] == [email]
    assert len(stuck) == LANES - 1
    go_on.set()
    await room.rest()
    await room.close(within=5)
    assert len(scripted.taken) == 41
    assert {row.state for row in await mails(house, acme)} == {"sent"}


async def test_on_a_slow_server_few_bulk_mails_overtake_a_reset(
    house: House, acme: Company, zeta: Company, scripted: ScriptedServer
) -> None:
    async def dawdle(_: Visit) -> str | None:
        await asyncio.sleep(0.1)
        return None

    scripted.at["dot"] = dawdle
    await invite_many(house, acme, 60, word="many")
    room = MailRoom(house, PostOffice(altered(house.settings, smtp_url=f"smtp+plain://127.0.0.1:{scripted.port}")))
    room.wake()
    while len(scripted.taken) < 8:
        await asyncio.sleep(0.01)
    email = await ask_for_reset(house, zeta)
    room.wake()
    asked_after = len(scripted.taken)
    await room.rest()
    await room.close(within=5)
    order = [taken.recipient for taken in scripted.taken]
    assert len(order) == 61
    # Those in hand, and what other lanes hand over while the reset is written and read by the server.
    assert order.index(email) - asked_after <= 3 * (LANES - 1)


async def test_stopping_gives_back_the_bulk_mail_that_was_not_begun(house: House, acme: Company, scripted: ScriptedServer) -> None:
    async def stick(_: Visit) -> str | None:
        await asyncio.sleep(60)
        return None

    scripted.at["mail"] = stick
    await invite_many(house, acme, 20, word="many")
    room = MailRoom(house, PostOffice(altered(house.settings, smtp_url=f"smtp+plain://127.0.0.1:{scripted.port}")))
    room.wake()
    while len(scripted.visits) < LANES - 1:
        await asyncio.sleep(0.01)
    await room.close(within=0.1)
    rows = await mails(house, acme)
    assert len(rows) == 20
    assert {(row.state, row.leased_until) for row in rows} == {("owed", None)}
