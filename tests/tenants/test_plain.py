"""Transactions over the driver alone keep the promises of the others: nothing half done, nobody left inside an account."""

import asyncio
from asyncio import gather
from contextlib import suppress

from tenants.effects import EndedSession
from tenants.errors import NotFound, Unavailable
from tenants.house import House
from tests import make

ACCOUNT = "SELECT nullif(current_setting('app.account_id', true), '')"


async def test_an_error_rolls_back_and_leaves_nobody_inside(house: House) -> None:
    acme = await make.company(house, staff=1)
    with suppress(NotFound):
        async with house.database.plain(acme.account_id) as plain:
            await plain.row("UPDATE users SET name = 'changed' WHERE account_id = $1 RETURNING id", acme.account_id)
            raise NotFound
    async with house.database.plain(acme.account_id) as plain:
        assert await plain.rows("SELECT id FROM users WHERE name = 'changed'") == []
    async with house.database.plain() as plain:
        assert (await plain.row(ACCOUNT))[0] is None
        assert await plain.rows("SELECT id FROM users") == []


async def test_callers_that_go_away_leave_no_open_transaction(house: House) -> None:
    acme = await make.company(house, staff=0)

    async def hurried(patience: float) -> None:
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(patience), house.database.plain(acme.account_id) as plain:
                await plain.row("SELECT pg_sleep(0.01)")
                await plain.row("SELECT 1")

    await gather(*(hurried(n / 4000) for n in range(120)))
    for _ in range(house.settings.database_pool * 2):
        async with house.database.plain() as plain:
            assert (await plain.row(ACCOUNT))[0] is None
        async with house.database.transaction() as session:
            assert (await session.connection()) is not None
    async with house.database.plain(acme.account_id) as plain:
        open_ones = await plain.row("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
    assert open_ones[0] == 0


async def test_what_is_owed_to_the_world_is_settled(house: House) -> None:
    acme = await make.company(house, staff=1)
    await house.seats.epoch(acme.account_id)
    user_id = acme.staff[0].user_id
    async with house.database.plain(acme.account_id) as plain:
        plain.effects.ended.append(EndedSession(acme.account_id, user_id, user_id, "test"))
    key = f"s:{{{acme.account_id.hex}}}:{user_id.hex}"
    assert await house.valkey.call(b"HGET", key, b"g") == b"test"
    assert await house.valkey.call(b"HGET", f"p:{{{acme.account_id.hex}}}", b"recheck") is None
