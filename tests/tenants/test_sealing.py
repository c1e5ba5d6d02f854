"""The sealer: each line once in the chain, whoever seals, whenever one is killed, however late a line is committed."""

import asyncio
from typing import Any

from sqlalchemy import event, text

from service.embedded import Addresses
from tenants.activity_digests import Form
from tenants.errors import Unavailable
from tenants.house import House
from tenants.sealing import accounts_owing, seal_account
from tests import make
from tests.api import Api
from tests.chains import add_lines, add_many, past_the_wall, seal, verify, wrong
from tests.make import Company
from tests.tenants.rows import sql
from workers.sealing import seal_all

CHAIN = "SELECT account_id, number, unnest(lines) AS line FROM activity_seals ORDER BY account_id, number"


async def must_hold_each_line_once(house: House, servers: Addresses, *companies: Company) -> None:
    """The chains hold what the history holds, without a gap, and nothing is owed."""
    chained = [row["line"] for row in await sql(servers, CHAIN)]
    assert sorted(chained) == [row[0] for row in await sql(servers, "SELECT id FROM activity ORDER BY id")]
    assert await sql(servers, "SELECT * FROM activity_unsealed") == []
    for company in companies:
        assert await wrong(house, company) == (None, None)


async def test_each_line_is_sealed_in_the_order_in_which_it_was_written(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    await add_lines(house, acme, 5)
    await seal_all(house)
    await add_many(house, acme, 1001)
    await seal_all(house)
    assert await accounts_owing(house.database) == []
    lines = [row["line"] for row in await sql(servers, CHAIN) if row["account_id"] == acme.account_id]
    assert lines == sorted(lines)
    counts = "SELECT cardinality(lines) FROM activity_seals WHERE account_id = $1 ORDER BY number"
    assert [row[0] for row in await sql(servers, counts, acme.account_id)][1:] == [1000, 1]
    await must_hold_each_line_once(house, servers, acme)


async def test_several_sealers_and_writers_at_once_put_each_line_into_the_chain_once(house: House, servers: Addresses) -> None:
    acme, bistro = await make.company(house, "Acme", staff=1), await make.company(house, "Bistro", staff=1)
    writing = asyncio.gather(*(add_lines(house, company, 40) for company in (acme, bistro) for _ in range(2)))
    while not writing.done():
        await asyncio.gather(*(seal(house, company) for company in (acme, bistro) for _ in range(2)))
    await writing
    await seal_all(house)
    await must_hold_each_line_once(house, servers, acme, bistro)


async def test_a_sealer_that_is_killed_anywhere_leaves_nothing_half_done(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    for delay in range(12):
        await add_many(house, acme, 300)
        killed = asyncio.create_task(seal(house, acme))
        await asyncio.sleep(delay * 0.004)
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
    await seal_all(house)
    await must_hold_each_line_once(house, servers, acme)


async def test_a_line_that_is_committed_late_is_sealed_later(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    async with house.database.transaction(acme.account_id) as session:
        from tenants.activity import Event, write

        await write(session, Event.USER_ACTIVATED, by=None, on=("user", acme.administrator.user_id, "Ada"))
        late = (await session.execute(text("SELECT id FROM activity ORDER BY id DESC LIMIT 1"))).scalar_one()
        await add_lines(house, acme, 2)
        # Neither waits for the other.
        assert await asyncio.wait_for(seal(house, acme), 2) > 2
    assert await seal(house, acme) == 1
    assert [row["line"] for row in await sql(servers, CHAIN)][-1:] == [late]
    await seal_all(house)
    await must_hold_each_line_once(house, servers, acme)


async def test_a_sealer_never_holds_up_who_writes(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    await seal(house, acme)
    async with house.database.transaction(acme.account_id) as session:
        await session.execute(text("SELECT * FROM activity_heads FOR UPDATE"))
        await asyncio.wait_for(add_lines(house, acme, 3), 2)


async def test_what_fails_in_one_account_does_not_keep_the_others_from_being_sealed(house: House, servers: Addresses) -> None:
    acme, bistro = await make.company(house, "Acme", staff=0), await make.company(house, "Bistro", staff=0)
    async with house.database.transaction(acme.account_id) as session:
        await session.execute(
            text("INSERT INTO activity_heads (account_id, number, lines, digest, sealed_at) VALUES (:a, 0, 0, '', now())"),
            {"a": acme.account_id},
        )
        try:
            await seal_all(house)
        except Unavailable:
            pass
        else:
            raise AssertionError("the account that is held was sealed")
    assert {acme.account_id} == set(await accounts_owing(house.database))
    await seal_all(house)
    await must_hold_each_line_once(house, servers, acme, bistro)


async def test_a_change_and_its_line_cost_one_statement_for_the_history(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    await api.sign_in(acme.administrator)
    asked: list[str] = []

    def hear(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    event.listen(house.database.engine.sync_engine, "before_cursor_execute", hear)
    try:
        assert (await api.patch("/account", {"idle_timeout": 45}, by=acme.administrator)).status_code == 200
    finally:
        event.remove(house.database.engine.sync_engine, "before_cursor_execute", hear)
    tables = ("INTO activity", "FROM activity", "UPDATE activity")
    about = [statement.split("(")[0] for statement in asked if any(table in statement for table in tables)]
    assert about == ["INSERT INTO activity "]
    assert acme.account_id in await accounts_owing(house.database)


async def test_facts_are_read_whatever_a_superuser_writes_there(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    await add_lines(house, acme, 2)
    await seal(house, acme)
    for facts in ("[]", "3", '"x"', "null", '{"before": 1, "reason": {"a": 1e400}}', '{"n": 1.0}', '{"n": 1.00}'):
        await past_the_wall(servers, "UPDATE activity SET facts = $1::text::jsonb WHERE target_type = 'user'", values=(facts,))
        found = (await verify(house, acme)).finding
        assert found is not None, facts
    line = {"account_id": acme.account_id, "id": acme.account_id, "target_type": None, "target_id": None}
    forms = [Form(_Some(line | {"facts": facts})) for facts in ('{"n": 1.0}', '{"n": 1.00}', '{"n": "1.0"}', '{"n": 1}')]
    assert len({form.digest(actor=b"", target=b"") for form in forms}) == 4


class _Some(dict[str, Any]):
    """A line of which nothing else is known."""

    def __missing__(self, key: str) -> None:
        return None


async def test_an_account_seals_from_whoever_asks(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    owed = len(await sql(servers, "SELECT * FROM activity_unsealed WHERE account_id = $1", acme.account_id))
    assert owed > 0
    assert await seal_account(house.database, house.signer, acme.account_id) == owed
    assert await seal_account(house.database, house.signer, acme.account_id) == 0
