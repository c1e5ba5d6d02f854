"""X12: what a superuser writes that nothing of ours can have written is found as well, and never keeps verification from looking."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from service.embedded import Addresses
from tenants.activity_checks import What
from tenants.house import House
from tests import make
from tests.chains import add_lines, add_old, first_moment, id_at, month_ago, past_the_wall, seal, wrong
from tests.make import Company

_DEEP = "('[' || repeat('[', 5000) || repeat(']', 5001))::jsonb"


@pytest.fixture
async def acme(house: House) -> Company:
    """A company with two seals of a few lines each."""
    company = await make.company(house, staff=1)
    for _ in range(2):
        await add_lines(house, company, 2)
        await seal(house, company)
    return company


@pytest.mark.parametrize(
    "changed",
    [
        "lines = ARRAY[NULL::uuid] || lines[2:]",
        "lines = ARRAY[lines, lines]",
        "digests = ''",
        "month = 'infinity'",
        "month = '4713-01-01 BC'",
        "sealed_at = 'infinity'",
        "sealed_at = '-infinity'",
        "sealed_at = '0044-01-01 BC'",
        "sealed_at = '294000-01-01'",
    ],
)
async def test_a_seal_that_cannot_be_read_is_named(house: House, servers: Addresses, acme: Company, changed: str) -> None:
    await past_the_wall(servers, f"UPDATE activity_seals SET {changed} WHERE number = 2")  # noqa: S608 - of constants
    assert await wrong(house, acme) == (What.SEAL_CHANGED, None)


@pytest.mark.parametrize(
    "changed", ["at = 'infinity'", "at = '0044-01-01 BC'", "recorded_at = '294000-01-01'", f"facts = {_DEEP}", "facts = 'null'"]
)
async def test_a_line_that_cannot_be_read_is_named(house: House, servers: Addresses, acme: Company, changed: str) -> None:
    await past_the_wall(servers, f"UPDATE activity SET {changed} WHERE event = 'user.suspended'")  # noqa: S608 - of constants
    assert (await wrong(house, acme))[0] is What.LINE_CHANGED


@pytest.mark.parametrize("through", ['"9999-12"', '"0001-01"', '{"a": 1}', "null", '"2026"'])
async def test_a_history_that_says_nonsense_of_what_goes_is_no_evidence(
    house: House, servers: Addresses, acme: Company, through: str
) -> None:
    await past_the_wall(
        servers,
        f"UPDATE activity SET event = 'history.forgotten', facts = '{{\"through\": {through}}}'"  # noqa: S608 - of constants
        " WHERE event = 'user.suspended'",
    )
    assert (await wrong(house, acme))[0] is What.LINE_CHANGED


async def test_columns_that_lost_what_they_must_hold_are_named(house: House, servers: Addresses, acme: Company) -> None:
    found = []
    for table, column in (("seals", "month"), ("seals", "lines"), ("seals", "key"), ("seals", "content"), ("heads", "number")):
        connection = await asyncpg.connect(servers.superuser_url)
        try:
            before = await connection.fetchval(f"SELECT {column} FROM activity_{table} ORDER BY number DESC LIMIT 1")  # noqa: S608
            await connection.execute(f"ALTER TABLE activity_{table} ALTER {column} DROP NOT NULL")
            last = "" if table == "heads" else " WHERE number = 2"
            await connection.execute(f"UPDATE activity_{table} SET {column} = NULL{last}")  # noqa: S608
            found.append((await wrong(house, acme))[0])
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(f"UPDATE activity_{table} SET {column} = $1{last}", before)  # noqa: S608
            await connection.execute(f"ALTER TABLE activity_{table} ALTER {column} SET NOT NULL")
        finally:
            await connection.close()
    assert found == [What.SEAL_CHANGED] * 4 + [What.HEAD_CHANGED]
    assert await wrong(house, acme) == (None, None)


async def test_a_line_from_the_future_cannot_say_that_todays_months_are_over(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    [line] = await add_old(servers, acme.account_id, first_moment(month_ago(2)))
    await seal(house, acme)
    told = id_at(datetime.now(UTC) + timedelta(days=300))
    await past_the_wall(
        servers,
        "INSERT INTO activity (account_id, id, event, result, actor_kind, facts) SELECT account_id,"  # noqa: S608
        f" '{told}', 'history.forgotten', 'done', 'system', '{{\"through\": \"{month_ago(0).isoformat()[:7]}\"}}'"
        f" FROM activity WHERE id = '{line}'",
        f"INSERT INTO activity_unsealed SELECT account_id, id FROM activity WHERE id = '{told}'",  # noqa: S608
    )
    await seal(house, acme)
    await past_the_wall(servers, "DELETE FROM activity WHERE event <> 'history.forgotten'")
    assert await wrong(house, acme) == (What.LINE_POSTDATED, told)
