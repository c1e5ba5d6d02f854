"""Months of the history: made ahead and on demand, with no line lost; and a history that cannot be written refuses the change."""

# ruff: noqa: S608 - months are named by the tests

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.embedded import Addresses
from tenants.activity_months import make_months, make_months_at_start, months_made
from tenants.errors import Unavailable
from tenants.house import House
from tests import make
from tests.api import Api
from tests.chains import add_lines, add_old, first_moment, just_before, month_ago, past_the_wall, seal, wrong
from tests.tenants.rows import sql

OTHER = "SELECT id FROM activity_months.other ORDER BY id"


@pytest.fixture
async def superuser(emptied: Addresses) -> AsyncIterator[asyncpg.Connection]:
    """A connection that holds locks until it is closed."""
    connection = await asyncpg.connect(emptied.superuser_url)
    yield connection
    await connection.close()


async def drop(servers: Addresses, months_from_now: int) -> str:
    """The month is not there, as if nobody had made it."""
    month = month_ago(-months_from_now)
    name = f"activity_months.y{month.year}m{month.month:02}"
    await past_the_wall(servers, f"DROP TABLE IF EXISTS {name}")
    return name


async def test_this_month_and_three_more_are_made_once(house: House, servers: Addresses) -> None:
    for ahead in range(4):
        await drop(servers, ahead)
    made = await asyncio.gather(*(make_months(house.database) for _ in range(4)))
    assert sorted(made) == [0, 0, 0, 4]
    assert {month_ago(-ahead) for ahead in range(4)} <= set(await months_made(house.database))
    assert month_ago(-4) not in await months_made(house.database)


async def test_lines_of_a_month_that_nobody_made_move_when_it_is_made_while_others_are_written(
    house: House, servers: Addresses
) -> None:
    acme = await make.company(house, staff=1)
    await past_the_wall(servers, "DELETE FROM activity", "DELETE FROM activity_unsealed")
    name = await drop(servers, 0)
    edge = first_moment(month_ago(0))
    [before, first] = await add_old(servers, acme.account_id, just_before(edge), edge)
    await drop(servers, -1)
    await past_the_wall(servers, "UPDATE activity SET facts = facts")
    writers = [asyncio.create_task(add_lines(house, acme, 60)) for _ in range(4)]
    await asyncio.sleep(0.1)
    made = asyncio.create_task(make_months(house.database))
    await asyncio.gather(*writers, made)
    assert await made >= 1
    assert len(await sql(servers, f"SELECT FROM {name}")) == 241
    assert [row[0] for row in await sql(servers, OTHER)] in ([], [before])
    assert first in {row[0] for row in await sql(servers, f"SELECT id FROM {name}")}
    await seal(house, acme)
    assert await wrong(house, acme) == (None, None)
    await past_the_wall(servers, "DELETE FROM activity")


async def test_a_month_waits_a_second_for_who_writes_and_is_made_another_time(
    house: House, servers: Addresses, superuser: asyncpg.Connection
) -> None:
    acme = await make.company(house, staff=0)
    await drop(servers, 3)
    async with superuser.transaction():
        await superuser.execute("LOCK TABLE activity IN ROW EXCLUSIVE MODE")
        began = datetime.now(UTC)
        with pytest.raises(Unavailable):
            await make_months(house.database)
        await make_months_at_start(house.database)
        assert (datetime.now(UTC) - began).total_seconds() < 3
        await add_lines(house, acme, 1)
    assert await make_months(house.database) == 1


@pytest.mark.parametrize("month", ["2019-12-31", "infinity", "1970-01-01", "9000-01-01"])
async def test_months_that_nobody_needs_are_refused(house: House, month: str) -> None:
    with pytest.raises(DBAPIError):
        async with house.database.transaction() as session:
            await session.execute(text(f"SELECT activity_make_month('{month}')"))


async def test_without_a_database_a_process_starts_all_the_same(house: House) -> None:
    from tenants.database import Database

    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    await make_months_at_start(away)
    await away.close()


async def test_a_history_that_is_locked_refuses_the_change_and_nothing_is_half_done(
    api: Api, house: House, servers: Addresses, superuser: asyncpg.Connection
) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    lines = await sql(servers, "SELECT id FROM activity")
    async with superuser.transaction():
        await superuser.execute("LOCK TABLE activity IN EXCLUSIVE MODE")
        refused = await api.patch("/account", {"idle_timeout": 45}, by=acme.administrator)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert "Retry-After" in refused.headers
    assert (await api.get("/account", by=acme.administrator)).json()["idle_timeout"] == 30
    assert await sql(servers, "SELECT id FROM activity") == lines
    assert (await api.patch("/account", {"idle_timeout": 45}, by=acme.administrator)).status_code == 200


async def test_a_disk_that_is_full_under_the_history_refuses_the_change_and_nothing_is_half_done(
    api: Api, house: House, servers: Addresses
) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    await sql(servers, "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS"
                       " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$")  # fmt: skip
    await sql(servers, "CREATE TRIGGER full_disk BEFORE INSERT ON activity FOR EACH ROW EXECUTE FUNCTION disk_full()")
    try:
        refused = await api.patch("/account", {"idle_timeout": 45}, by=acme.administrator)
        invited = await api.post("/users", {"email": "new@acme.example.com", "role": "user"}, by=acme.administrator)
        again = await api.sign_in(acme.administrator)
    finally:
        await sql(servers, "DROP FUNCTION disk_full CASCADE")
    for answer in (refused, invited, again):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert (await api.get("/account", by=acme.administrator)).json()["idle_timeout"] == 30
    assert await sql(servers, "SELECT FROM users WHERE email = 'new@acme.example.com'") == []
    assert await sql(servers, "SELECT FROM outbox WHERE state = 'owed' AND letter = 'invitation' AND account_id = $1"
                              " AND user_id NOT IN (SELECT id FROM users)", acme.account_id) == []  # fmt: skip


async def test_a_month_of_too_many_lines_to_move_stays_where_it_is_and_the_others_are_made(
    house: House, servers: Addresses
) -> None:
    acme = await make.company(house, staff=0)
    await past_the_wall(
        servers,
        "INSERT INTO activity (account_id, id, event, result, actor_kind, facts) SELECT $1, (substr(activity_first_id('2021-03-05')::text, 1, 14)"
        " || '7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'account.changed', 'done', 'system', '{}' FROM generate_series(1, 50001) n",
        values=(acme.account_id,),
    )
    async with house.database.transaction() as session:
        made = [await session.scalar(text("SELECT activity_make_month(:m)"), {"m": date(2021, month, 1)}) for month in (3, 4)]
    assert made == [False, True]
    assert (await sql(servers, "SELECT count(*) FROM activity_months.other"))[0][0] == 50_001
    await sql(servers, "DROP TABLE activity_months.y2021m04")
