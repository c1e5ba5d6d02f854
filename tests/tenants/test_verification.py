"""X12: whatever a superuser changes, adds or cuts in a sealed history is found, and the first place of it is named."""

# ruff: noqa: S608 - tables and columns are named by the tests and by the schema itself

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.embedded import Addresses
from tenants.activity_checks import What
from tenants.activity_digests import SELECTED, Form
from tenants.erasing import erase_due
from tenants.house import House
from tenants.tokens import Signer
from tests import make
from tests.api import Api
from tests.chains import add_lines, add_many, id_at, past_the_wall, seal, verify, wrong
from tests.make import Company
from tests.tenants.rows import sql

FLIPPED = {
    "text": "CASE WHEN coalesce({c}, '') = '' THEN '.' ELSE chr(ascii({c}) # 1) || substr({c}, 2) END",
    "uuid": "overlay(coalesce({c}::text, '01890000-0000-7000-8000-000000000000') placing"
    " CASE right({c}::text, 1) WHEN '0' THEN '1' ELSE '0' END from 36)::uuid",
    "timestamp with time zone": "{c} + interval '1 microsecond'",
    "jsonb": "{c} || jsonb '{{\"until\": 1}}'",
    "bytea": "CASE length({c}) WHEN 0 THEN '\\x00'::bytea ELSE set_byte({c}, 0, get_byte({c}, 0) # 1) END",
    "bigint": "{c} + 10",
    "date": "({c} + interval '1 month')::date",
    "ARRAY": "{c}[2:] || {c}[1]",
}
PERSONAL = dict.fromkeys(("actor_name", "actor_email", "ip", "device"), What.ACTOR_CHANGED) | {"target_label": What.TARGET_CHANGED}


@pytest.fixture
async def acme(house: House) -> Company:
    """A company with two seals of a few lines each."""
    company = await make.company(house, staff=1)
    for _ in range(2):
        await add_lines(house, company, 4)
        await seal(house, company)
    return company


async def columns(servers: Addresses, table: str) -> list[tuple[str, str]]:
    """Name and type of each column."""
    query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1"
    return [tuple(row) for row in await sql(servers, query, table)]


async def lines_of(servers: Addresses, company: Company) -> list[UUID]:
    """Ids of the company's lines, oldest first."""
    return [row[0] for row in await sql(servers, "SELECT id FROM activity WHERE account_id = $1 ORDER BY id", company.account_id)]


async def test_x12_a_history_that_nobody_touched_is_as_it_was_sealed(house: House, servers: Addresses, acme: Company) -> None:
    checked = await verify(house, acme)
    assert checked.finding is None
    assert (checked.seals, checked.lines) == (2, len(await lines_of(servers, acme)))


async def test_x12_a_flipped_byte_of_any_column_of_a_line_is_found_and_the_line_named(
    house: House, servers: Addresses, acme: Company
) -> None:
    line = (await lines_of(servers, acme))[-2]
    names = await columns(servers, "activity")
    assert len(names) == 21
    for name, kind in names:
        await past_the_wall(servers, "CREATE TABLE IF NOT EXISTS kept_line AS TABLE activity WITH NO DATA")
        keep = ("INSERT INTO kept_line SELECT * FROM activity WHERE id = $1",)
        await past_the_wall(servers, *keep, values=(line,))
        await past_the_wall(servers, f"UPDATE activity SET {name} = {FLIPPED[kind].format(c=name)} WHERE id = $1", values=(line,))
        expected = What.LINE_MISSING if name in {"id", "account_id"} else PERSONAL.get(name, What.LINE_CHANGED)
        assert await wrong(house, acme) == (expected, line), name
        await past_the_wall(
            servers,
            "DELETE FROM activity a USING kept_line k WHERE a.request_id = k.request_id AND a.recorded_at = k.recorded_at"
            " OR a.id = k.id OR a.id = (overlay(k.id::text placing CASE right(k.id::text, 1) WHEN '0' THEN '1' ELSE '0' END from 36))::uuid",
            "INSERT INTO activity SELECT * FROM kept_line",
            "DROP TABLE kept_line",
        )
        assert await wrong(house, acme) == (None, None), name


async def test_x12_a_flipped_byte_of_any_column_of_a_seal_is_found_and_the_seal_named(
    house: House, servers: Addresses, acme: Company
) -> None:
    for name, kind in await columns(servers, "activity_seals"):
        await past_the_wall(servers, "CREATE TABLE kept_seals AS TABLE activity_seals")
        await past_the_wall(servers, f"UPDATE activity_seals SET {name} = {FLIPPED[kind].format(c=name)} WHERE number = 1")
        found = (await verify(house, acme)).finding
        assert found is not None, name
        assert (found.what, found.seal) == (What.SEAL_MISSING if name in {"number", "account_id"} else What.SEAL_CHANGED, 1), name
        await past_the_wall(
            servers,
            "DELETE FROM activity_seals",
            "INSERT INTO activity_seals SELECT * FROM kept_seals",
            "DROP TABLE kept_seals",
        )
    assert await wrong(house, acme) == (None, None)


async def test_x12_words_and_names_in_facts_about_a_person_are_covered(house: House, servers: Addresses, acme: Company) -> None:
    await add_many(house, acme, 1)
    await seal(house, acme)
    changed, suspended = (await lines_of(servers, acme))[-1], (await lines_of(servers, acme))[-2]
    for line, place in ((changed, "{before,name}"), (changed, "{after,name}"), (suspended, "{reason}")):
        [(before,)] = await sql(servers, "SELECT facts::text FROM activity WHERE id = $1", line)
        await past_the_wall(servers, "UPDATE activity SET facts = jsonb_set(facts, $2::text[], '\"Eve\"') WHERE id = $1".replace(
            "$2::text[]", f"'{place}'"), values=(line,))  # fmt: skip
        assert await wrong(house, acme) == (What.TARGET_CHANGED, line), place
        await past_the_wall(servers, "UPDATE activity SET facts = $2::text::jsonb WHERE id = $1", values=(line, before))
    assert await wrong(house, acme) == (None, None)


async def test_x12_deleted_swapped_and_forged_lines_are_found(house: House, servers: Addresses, acme: Company) -> None:
    ids = await lines_of(servers, acme)
    middle = ids[len(ids) // 2]
    await past_the_wall(servers, "CREATE TABLE kept_lines AS TABLE activity")
    back = ("DELETE FROM activity", "INSERT INTO activity SELECT * FROM kept_lines")
    await past_the_wall(servers, "DELETE FROM activity WHERE id = $1", values=(middle,))
    assert await wrong(house, acme) == (What.LINE_MISSING, middle)
    await past_the_wall(servers, *back)
    first, second = ids[-3], ids[-1]
    await past_the_wall(
        servers,
        f"UPDATE activity a SET facts = b.facts, target_id = b.target_id, target_label = b.target_label FROM kept_lines b"
        f" WHERE (a.id, b.id) IN (('{first}', '{second}'), ('{second}', '{first}'))",
    )
    assert (await wrong(house, acme))[1] == first
    await past_the_wall(servers, *back)
    forged = id_at(datetime.now(UTC) - timedelta(hours=1))
    add = f"INSERT INTO activity SELECT (jsonb_populate_record(a, jsonb_build_object('id', '{forged}'))).* FROM kept_lines a WHERE id = $1"
    await past_the_wall(servers, add, values=(middle,))
    assert await wrong(house, acme) == (What.LINE_IN_NO_SEAL, forged)
    await past_the_wall(
        servers, "INSERT INTO activity_unsealed SELECT account_id, id FROM activity WHERE id = $1", values=(forged,)
    )
    assert await wrong(house, acme) == (What.LINE_NOT_SEALED, forged)
    await seal(house, acme)
    assert await wrong(house, acme) == (What.LINE_BACKDATED, forged)
    await past_the_wall(servers, "DROP TABLE kept_lines")


async def test_x12_a_line_that_goes_before_it_is_sealed_is_told_for_good(house: House, servers: Addresses, acme: Company) -> None:
    await add_lines(house, acme, 3)
    gone = (await lines_of(servers, acme))[-2]
    await past_the_wall(servers, "DELETE FROM activity WHERE id = $1", values=(gone,))
    await seal(house, acme)
    assert await wrong(house, acme) == (What.LINE_GONE_BEFORE, gone)


async def test_x12_a_line_that_is_never_sealed_is_named(house: House, servers: Addresses, acme: Company) -> None:
    await add_lines(house, acme, 1)
    line = (await lines_of(servers, acme))[-1]
    assert await wrong(house, acme) == (None, None)
    await past_the_wall(servers, "DELETE FROM activity_unsealed")
    assert await wrong(house, acme) == (What.LINE_IN_NO_SEAL, line)


async def test_x12_a_cut_tail_is_found_by_the_head_and_a_cut_head_by_the_one_kept_elsewhere(
    house: House, servers: Addresses, acme: Company
) -> None:
    ids = await lines_of(servers, acme)
    heads = {row["number"]: row["digest"] for row in await sql(servers, "SELECT number, digest FROM activity_seals")}
    last = (await sql(servers, "SELECT lines[1] FROM activity_seals WHERE number = 2"))[0][0]
    await past_the_wall(servers, "DELETE FROM activity WHERE id >= $1", values=(last,))
    assert await wrong(house, acme) == (What.LINE_MISSING, last)
    await past_the_wall(servers, "DELETE FROM activity_seals WHERE number = 2")
    found = (await verify(house, acme)).finding
    assert found is not None
    assert (found.what, found.seal) == (What.TAIL_CUT, 2)
    before = len([line for line in ids if line < last])
    await past_the_wall(
        servers, "UPDATE activity_heads h SET number = 1, digest = s.digest, lines = $1 FROM activity_seals s WHERE s.number = 1",
        values=(before,),
    )  # fmt: skip
    assert await wrong(house, acme) == (None, None)
    assert await wrong(house, acme, kept={2: heads[2]}) == (What.KEPT_HEAD_CUT, None)
    await past_the_wall(servers, "DELETE FROM activity_heads")
    assert await wrong(house, acme) == (What.HEAD_MISSING, None)


async def test_x12_a_chain_made_anew_with_the_key_differs_from_the_head_kept_elsewhere(
    house: House, servers: Addresses, acme: Company
) -> None:
    kept = {row["number"]: row["digest"] for row in await sql(servers, "SELECT number, digest FROM activity_seals")}
    await past_the_wall(
        servers,
        "INSERT INTO activity_unsealed SELECT account_id, id FROM activity WHERE account_id = (SELECT account_id FROM activity_heads)",
        "DELETE FROM activity_seals",
        "DELETE FROM activity_heads",
    )
    await seal(house, acme)
    assert await wrong(house, acme) == (None, None)
    assert await wrong(house, acme, kept=kept) == (What.KEPT_HEAD_DIFFERS, None)


async def test_x12_a_destroyed_key_leaves_room_for_the_pseudonym_of_whoever_was_erased_and_nothing_else(
    house: House, servers: Addresses, acme: Company
) -> None:
    person = acme.staff[0].user_id
    await past_the_wall(servers, "DELETE FROM activity_people WHERE id = $1", values=(person,))
    assert (await wrong(house, acme))[0] == What.NOBODY_ASKED
    await past_the_wall(
        servers,
        "INSERT INTO activity_erasures (account_id, id, identity_id) SELECT account_id, id, identity_id FROM users WHERE id = $1",
        values=(person,),
    )
    assert (await wrong(house, acme))[0] == What.NOT_ERASED
    name = f"deleted-{person.hex[-12:]}"
    await past_the_wall(
        servers,
        f"UPDATE activity SET target_label = '{name}', facts = activity_facts_without(facts, '{name}') WHERE target_id = $1::uuid::text",
        f"UPDATE activity SET actor_name = '{name}', actor_email = '{name}', ip = NULL, device = NULL WHERE actor_user_id = $1::uuid",
        values=(person,),
    )
    left = await wrong(house, acme)
    identities = await sql(servers, "SELECT count(*) FROM activity WHERE actor_user_id IS NULL AND actor_name LIKE 'Person%'")
    assert (left, identities[0][0]) == ((None, None), 0)
    line = (await lines_of(servers, acme))[-1]
    await past_the_wall(servers, "UPDATE activity SET target_label = 'Eve' WHERE id = $1", values=(line,))
    assert await wrong(house, acme) == (What.NOT_ERASED, line)


async def test_what_erasure_changes_is_what_the_digests_leave_to_the_persons_key(
    house: House, servers: Addresses, acme: Company
) -> None:
    facts = '{"name": "A", "email": "B", "reason": "C", "message": null, "reply": "D", "seats": 1.50, "before": {"name": "E", "role": "user"},' \
        ' "after": {"email": "F", "name": 3}}'  # fmt: skip
    line = (await lines_of(servers, acme))[-1]
    await past_the_wall(servers, "UPDATE activity SET facts = $2::text::jsonb WHERE id = $1", values=(line, facts))
    before = Form((await sql(servers, f"SELECT {SELECTED} FROM activity WHERE id = $1", line))[0])
    await past_the_wall(
        servers, "UPDATE activity SET facts = activity_facts_without(facts, 'deleted-1'), target_label = 'deleted-1' WHERE id = $1",
        values=(line,),
    )  # fmt: skip
    after = Form((await sql(servers, f"SELECT {SELECTED} FROM activity WHERE id = $1", line))[0])
    rest = {"actor": bytes(32), "target": bytes(32)}
    assert before.digest(**rest) == after.digest(**rest)
    assert before.target_digest(b"k") != after.target_digest(b"k")
    assert after.target_shows_only(frozenset({"deleted-1"}))
    assert not before.target_shows_only(frozenset({"deleted-1", "A"}))


async def test_another_secret_key_is_said_to_be_one_and_no_change(house: House, servers: Addresses, acme: Company) -> None:
    from tenants.activity_verification import verify_account

    other = Signer("another key that is long enough for this")
    checked = await verify_account(house.database, other, acme.account_id)
    assert (checked.finding, checked.strange) == (None, 2)
    assert checked.strange_key is not None


async def test_x12_the_application_can_change_neither_lines_nor_seals_nor_look_into_a_month(
    house: House, servers: Addresses, acme: Company
) -> None:
    months = [row[0] for row in await sql(servers, "SELECT c.oid::regclass::text FROM pg_class c WHERE relnamespace = 'activity_months'"
                                                   "::regnamespace AND relkind = 'r'")]  # fmt: skip
    assert len(months) >= 5
    refused: list[Any] = [f"{verb} {table}" for table in months for verb in ("SELECT * FROM", "DELETE FROM", "TRUNCATE", "TABLE")]
    for table in (*months, "activity", "activity_seals", "activity_people"):
        refused += [f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table}", f"DROP TABLE {table}"]
    refused += [f"INSERT INTO {months[0]} (account_id) VALUES (gen_random_uuid())", "DELETE FROM activity_heads"]
    refused += ["ALTER TABLE activity DISABLE TRIGGER owe_seals", "SET session_replication_role = replica"]
    for statement in refused:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            async with house.database.transaction(acme.account_id) as session:
                await session.execute(text(statement))
    for statement in ("number = number - 1", "lines = lines - 1", "number = 0", "forgotten_through = '2025-01-01'"):
        if statement.startswith("forgotten"):
            await past_the_wall(servers, "UPDATE activity_heads SET forgotten_through = '2025-02-01'")
        with pytest.raises(DBAPIError, match="never moves back"):
            async with house.database.transaction(acme.account_id) as session:
                await session.execute(text(f"UPDATE activity_heads SET {statement} WHERE account_id = :a"), {"a": acme.account_id})


async def test_the_chain_holds_before_during_and_after_the_erasure_of_a_person(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    person = acme.staff[0]
    for one in acme.people:
        await api.sign_in(one)
    await seal(house, acme)
    assert (await api.delete(f"/users/{person.user_id}", by=acme.administrator)).status_code == 204
    assert await wrong(house, acme) == (None, None)
    await erase_due(house.database, house.signer, house.valkey)
    assert await wrong(house, acme) == (None, None)
    assert await sql(servers, "SELECT FROM activity_people WHERE id = $1", person.user_id) == []
    await seal(house, acme)
    assert await wrong(house, acme) == (None, None)
