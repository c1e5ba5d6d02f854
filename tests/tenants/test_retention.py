"""Retention: each account keeps its own months, to the last moment of them, and its history says what went."""

# ruff: noqa: S608 - months are named by the tests

from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.embedded import Addresses
from tenants.activity_checks import What
from tenants.activity_months import months_made
from tenants.house import House
from tenants.retention import accounts_due, announce, drop_months, forget_old
from tests import make
from tests.chains import add_old, first_moment, id_at, just_before, month_ago, past_the_wall, seal, wrong
from tests.make import Company
from tests.tenants.rows import sql


async def keep(servers: Addresses, company: Company, months: int) -> None:
    """The company's setting."""
    await past_the_wall(servers, "UPDATE accounts SET activity_months = $1 WHERE id = $2", values=(months, company.account_id))


async def with_old_lines(house: House, servers: Addresses, company: Company, months: int) -> tuple[UUID, UUID]:
    """Sealed lines of the last moment that need not be kept, and of the first that must be."""
    await keep(servers, company, months)
    edge = first_moment(month_ago(months))
    gone, kept = await add_old(servers, company.account_id, just_before(edge), edge)
    await seal(house, company)
    return gone, kept


async def lines_of(servers: Addresses, company: Company) -> set[UUID]:
    """Ids of the lines there are."""
    return {row[0] for row in await sql(servers, "SELECT id FROM activity WHERE account_id = $1", company.account_id)}


async def said(servers: Addresses, company: Company) -> list[str]:
    """What the history says is gone."""
    query = "SELECT facts->>'through' FROM activity WHERE account_id = $1 AND event = 'history.forgotten' ORDER BY id"
    return [row[0] for row in await sql(servers, query, company.account_id)]


async def make_month(servers: Addresses, month: date) -> None:
    """A month of the past, as it was made in its time."""
    await sql(servers, "SELECT activity_make_month($1)", month)


async def test_a_line_is_kept_to_the_last_moment_and_gone_the_moment_after(house: House, servers: Addresses) -> None:
    acme, bistro = await make.company(house, "Acme", staff=0), await make.company(house, "Bistro", staff=0)
    gone, kept = await with_old_lines(house, servers, acme, 6)
    old, older = await with_old_lines(house, servers, bistro, 36)
    assert await forget_old(house.database, house.signer) == 2
    assert await lines_of(servers, acme) & {gone, kept} == {kept}
    assert await lines_of(servers, bistro) & {old, older} == {older}
    assert (await said(servers, acme), await said(servers, bistro)) == (
        [month_ago(7).isoformat()[:7]],
        [month_ago(37).isoformat()[:7]],
    )
    for company in (acme, bistro):
        assert await wrong(house, company) == (None, None)
    assert await accounts_due(house.database) == []
    assert await forget_old(house.database, house.signer) == 0
    assert len(await said(servers, acme)) == 1


async def test_an_account_that_keeps_its_history_longer_holds_the_month_for_itself_alone(house: House, servers: Addresses) -> None:
    acme, bistro = await make.company(house, "Acme", staff=0), await make.company(house, "Bistro", staff=0)
    month = month_ago(8)
    await make_month(servers, month)
    await keep(servers, acme, 6)
    await keep(servers, bistro, 12)
    for company in (acme, bistro):
        await add_old(servers, company.account_id, *(first_moment(month) for _ in range(3)))
        await seal(house, company)
    await forget_old(house.database, house.signer)
    name = f"activity_months.y{month.year}m{month.month:02}"
    assert {row[0] for row in await sql(servers, f"SELECT account_id FROM {name}")} == {bistro.account_id}
    assert month in await months_made(house.database)
    await keep(servers, bistro, 6)
    await keep(servers, await make.operator(house), 6)
    await forget_old(house.database, house.signer)
    assert month not in await months_made(house.database)
    for company in (acme, bistro):
        assert await wrong(house, company) == (None, None)


async def test_a_month_that_nobody_keeps_is_dropped_whole_once_every_history_says_so(house: House, servers: Addresses) -> None:
    acme, bistro = await make.company(house, "Acme", staff=0), await make.company(house, "Bistro", staff=0)
    month = month_ago(20)
    await make_month(servers, month)
    for company in (acme, bistro):
        await add_old(servers, company.account_id, first_moment(month))
    await seal(house, acme)
    # Bistro's line is not sealed, then sealed and not told: the month stays.
    assert await drop_months(house.database) == []
    await seal(house, bistro)
    await announce(house.database, house.signer, acme.account_id)
    assert await drop_months(house.database) == []
    await announce(house.database, house.signer, bistro.account_id)
    # Killed between the telling and the deleting: what is told and still there is no fault.
    assert await wrong(house, acme) == (None, None)
    assert await drop_months(house.database) == [month]
    assert await wrong(house, acme) == (None, None)
    assert await forget_old(house.database, house.signer) == 2
    assert await accounts_due(house.database) == []
    for company in (acme, bistro):
        assert await wrong(house, company) == (None, None)
        assert len(await said(servers, company)) == 1


async def test_a_shorter_setting_forgets_more_and_a_longer_one_nothing(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    moments = [first_moment(month_ago(months)) for months in (30, 20, 10)]
    oldest, older, old = await add_old(servers, acme.account_id, *moments)
    await seal(house, acme)
    await keep(servers, acme, 24)
    await forget_old(house.database, house.signer)
    assert await lines_of(servers, acme) >= {older, old}
    assert oldest not in await lines_of(servers, acme)
    await keep(servers, acme, 36)
    assert await forget_old(house.database, house.signer) == 0
    await keep(servers, acme, 12)
    await announce(house.database, house.signer, acme.account_id)
    # Longer again before the lines went: what must be kept again stays, though the history said that it would go.
    await keep(servers, acme, 36)
    assert await forget_old(house.database, house.signer) == 0
    assert older in await lines_of(servers, acme)
    await keep(servers, acme, 6)
    await forget_old(house.database, house.signer)
    assert await lines_of(servers, acme) & {oldest, older, old} == set()
    assert await said(servers, acme) == [month_ago(months).isoformat()[:7] for months in (25, 13, 7)]
    assert await wrong(house, acme) == (None, None)


async def test_x12_a_month_deleted_before_its_time_is_found_whatever_the_history_says(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    [line] = await add_old(servers, acme.account_id, first_moment(month_ago(4)))
    await seal(house, acme)
    told = id_at(datetime.now(UTC))
    await past_the_wall(
        servers,
        "INSERT INTO activity (account_id, id, event, result, actor_kind, facts) SELECT account_id,"
        f" '{told}', 'history.forgotten', 'done', 'system', '{{\"through\": \"{month_ago(3).isoformat()[:7]}\"}}'"
        f" FROM activity WHERE id = '{line}'",
        f"INSERT INTO activity_unsealed SELECT account_id, id FROM activity WHERE id = '{told}'",
    )
    await seal(house, acme)
    assert await wrong(house, acme) == (None, None)
    await past_the_wall(servers, "DELETE FROM activity WHERE id = $1", values=(line,))
    assert await wrong(house, acme) == (What.LINE_MISSING, line)
    await past_the_wall(servers, "UPDATE activity_seals SET lines = '{}', digests = '', actors = '', targets = '' WHERE number = 1")
    assert await wrong(house, acme) == (What.SEAL_EMPTIED, None)


async def test_months_still_kept_untold_or_of_others_are_refused_by_postgresql_itself(house: House, servers: Addresses) -> None:
    acme, bistro = await make.company(house, "Acme", staff=0), await make.company(house, "Bistro", staff=0)
    gone, _ = await with_old_lines(house, servers, acme, 6)
    theirs, _ = await with_old_lines(house, servers, bistro, 12)
    for month, why in ((month_ago(6), "still kept"), (month_ago(0), "still kept"), (month_ago(7), "does not say yet")):
        with pytest.raises(DBAPIError, match=why):
            async with house.database.transaction(acme.account_id) as session:
                await session.execute(text("SELECT activity_forget_month(:month, 10)"), {"month": month})
    with pytest.raises(DBAPIError, match="still kept"):
        async with house.database.transaction() as session:
            await session.execute(text("SELECT activity_forget_month('2021-01-01', 10)"))
    await announce(house.database, house.signer, acme.account_id)
    async with house.database.transaction(acme.account_id) as session:
        assert await session.scalar(text("SELECT activity_forget_month(:m, 10)"), {"m": month_ago(13)}) == 0
    assert theirs in await lines_of(servers, bistro)
    assert gone in await lines_of(servers, acme)
    async with house.database.transaction() as session:
        assert await session.scalar(text("SELECT activity_drop_month(:m)"), {"m": month_ago(0)}) is False
        assert await session.scalar(text("SELECT activity_drop_month('2020-01-01')")) is False
    query = text("SELECT activity_erase(:u, :u, :h, 10)")
    for nobody in (acme.administrator.user_id, UUID(int=0)):
        with pytest.raises(DBAPIError, match="nobody asked"):
            async with house.database.transaction(acme.account_id) as session:
                await session.execute(query, {"u": nobody, "h": acme.account_id})


async def test_ten_lines_at_a_time_leave_the_seals_to_the_last_bite(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    await keep(servers, acme, 6)
    await add_old(servers, acme.account_id, *(first_moment(month_ago(9)) for _ in range(25)))
    await seal(house, acme)
    await announce(house.database, house.signer, acme.account_id)
    for gone in (10, 10, 5):
        assert await wrong(house, acme) == (None, None)
        async with house.database.transaction(acme.account_id) as session:
            assert await session.scalar(text("SELECT activity_forget_month(:m, 10)"), {"m": month_ago(9)}) == gone
    assert await wrong(house, acme) == (None, None)
    assert [row[0] for row in await sql(servers, "SELECT cardinality(lines) FROM activity_seals ORDER BY number LIMIT 1")] == [0]
    assert await accounts_due(house.database) == []


async def test_a_month_in_use_is_dropped_another_day_and_its_lines_go_all_the_same(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    month = month_ago(20)
    await make_month(servers, month)
    [line] = await add_old(servers, acme.account_id, first_moment(month))
    await seal(house, acme)
    reader = await asyncpg.connect(servers.superuser_url)
    async with reader.transaction():
        await reader.execute(f"SELECT * FROM activity_months.y{month.year}m{month.month:02}")
        assert await forget_old(house.database, house.signer) == 1
    await reader.close()
    assert line not in await lines_of(servers, acme)
    assert month in await months_made(house.database)
    assert await forget_old(house.database, house.signer) == 0
    assert month not in await months_made(house.database)
    assert await wrong(house, acme) == (None, None)
