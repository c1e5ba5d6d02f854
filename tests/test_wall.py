"""The wall between accounts, as PostgreSQL itself tells it: policies, grants, keys, and the schema against the migrations."""

# ruff: noqa: S608 - tables are named by the tests and by the schema itself

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from uuid_utils.compat import uuid7

from service.embedded import Addresses
from tenants import idempotency
from tenants.database import enter
from tenants.house import House
from tenants.tables import Base
from tenants.users import User
from tests import make

APPLICATION = "portillon_app"
# Looked at before anyone is inside: which accounts know an address. It holds ids and a status, and nothing else.
BEFORE_THE_WALL = {"directory"}
READ_BY_PARENTS = {"visit_permissions", "visits", "licences", "boosts", "seat_requests", "client_figures", "usage_days"}


@pytest.fixture
async def superuser(emptied: Addresses) -> AsyncIterator[asyncpg.Connection]:
    """A connection that the wall does not hold."""
    connection = await asyncpg.connect(emptied.superuser_url)
    yield connection
    await connection.close()


async def account_tables(superuser: asyncpg.Connection) -> list[str]:
    """Tables with an account in them, by their column."""
    rows = await superuser.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id' "
        "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    return [row[0] for row in rows]


async def test_every_table_of_an_account_is_walled_in(superuser: asyncpg.Connection) -> None:
    tables = await account_tables(superuser)
    assert {"users", "invitations", "sessions", "licences", "licence_changes", "activity", "outbox", "directory"} <= set(tables)
    for table in set(tables) - BEFORE_THE_WALL:
        walled = await superuser.fetchrow(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::regclass", table
        )
        assert tuple(walled) == (True, True), f"{table}: row-level security is not forced"
        policies = await superuser.fetch("SELECT policyname, cmd, qual, with_check FROM pg_policies WHERE tablename = $1", table)
        wall = next((policy for policy in policies if policy["policyname"] == "wall"), None)
        assert wall is not None, f"{table}: no wall"
        assert wall["cmd"] == "ALL"
        assert "app.account_id" in wall["qual"]
        assert wall["qual"] == wall["with_check"]
    for table in BEFORE_THE_WALL:
        columns = await superuser.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = $1", table)
        assert {row[0] for row in columns} == {"identity_id", "account_id", "user_id", "status"}


async def test_the_doors_in_the_wall_are_these_and_no_others(superuser: asyncpg.Connection) -> None:
    doors = await superuser.fetch("SELECT tablename, policyname, cmd FROM pg_policies WHERE policyname <> 'wall' ORDER BY 1, 2")
    assert [tuple(door) for door in doors] == [
        ("activity_erasures", "sorting_room", "SELECT"),
        ("activity_exports", "sorting_room", "SELECT"),
        ("activity_heads", "sorting_room", "SELECT"),
        ("activity_keys", "sorting_room", "SELECT"),
        ("activity_keys", "sorting_room_forgets", "DELETE"),
        ("activity_seals", "sorting_room", "SELECT"),
        ("activity_unsealed", "sorting_room", "SELECT"),
        ("boosts", "children", "SELECT"),
        ("brands", "offered", "SELECT"),
        ("client_figures", "children", "SELECT"),
        ("idempotency_keys", "sorting_room", "SELECT"),
        ("idempotency_keys", "sorting_room_forgets", "DELETE"),
        ("licences", "children", "SELECT"),
        ("licences", "sorting_room", "SELECT"),
        ("outbox", "sorting_room", "SELECT"),
        ("outbox", "sorting_room_leases", "UPDATE"),
        ("seat_requests", "children", "SELECT"),
        ("seat_requests", "sorting_room", "SELECT"),
        ("usage_days", "children", "SELECT"),
        ("visit_permissions", "visitors", "SELECT"),
        ("visits", "visitors", "SELECT"),
    ]


async def test_the_application_role_owns_nothing_and_passes_no_wall(superuser: asyncpg.Connection) -> None:
    role = await superuser.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", APPLICATION)
    assert [role[name] for name in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication")] == [False] * 5
    assert await superuser.fetchval("SELECT count(*) FROM pg_class WHERE relowner = $1::regrole", APPLICATION) == 0
    assert await superuser.fetchval("SELECT count(*) FROM pg_proc WHERE proowner = $1::regrole", APPLICATION) == 0
    assert await superuser.fetchval("SELECT count(*) FROM pg_auth_members WHERE member = $1::regrole", APPLICATION) == 0
    assert not await superuser.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", APPLICATION)


async def test_x12_names_of_its_own_lead_no_function_of_the_owner_astray(house: House, superuser: asyncpg.Connection) -> None:
    acme = await make.company(house, staff=1)
    # Without `pg_temp` in the path, it is looked through first: for tables, and for types.
    paths = await superuser.fetch(
        "SELECT proname, prosecdef, array_to_string(proconfig, ' ') AS settings FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND (prosecdef OR proconfig IS NOT NULL)"
    )
    assert paths
    assert [row["proname"] for row in paths if ", pg_temp" not in (row["settings"] or "")] == []
    before = await superuser.fetchval("SELECT count(*) FROM activity")
    async with house.database.transaction(acme.account_id) as session:
        for statement in (
            "CREATE FUNCTION pg_temp.evil(pg_catalog.uuid) RETURNS boolean LANGUAGE plpgsql AS"
            " $$ BEGIN DELETE FROM public.activity; RETURN true; END $$",
            "CREATE DOMAIN pg_temp.uuid AS pg_catalog.uuid CHECK (pg_temp.evil(value))",
            "SELECT activity_make_month('2021-01-01')",
        ):
            await session.execute(text(statement))
    assert await superuser.fetchval("SELECT count(*) FROM activity") == before
    # Whoever drops months later would find one that nobody else made.
    await superuser.execute("DROP TABLE activity_months.y2021m01")


async def test_x12_history_cannot_be_changed_by_the_application(house: House) -> None:
    acme = await make.company(house, staff=0)
    for table in ("activity", "licence_changes"):
        for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(DBAPIError, match="permission denied"):
                async with house.database.transaction(acme.account_id) as session:
                    await session.execute(text(statement))
    for table in ("users", "accounts", "identities", "licences", "sessions", "invitations", "outbox"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with house.database.transaction(acme.account_id) as session:
                await session.execute(text(f"DELETE FROM {table}"))


async def two_companies(house: House) -> tuple[make.Company, make.Company]:
    """Two companies with a row in every table."""
    found = []
    for name in ("Acme", "Bistro"):
        company = await make.company(house, name, staff=1)
        async with house.database.transaction(company.account_id) as session:
            await session.execute(
                text(
                    "INSERT INTO sessions (account_id, id, user_id, token_digest, expires_at) VALUES (:a, :i, :u, 'x', now() + '1 hour')"
                ),
                {"a": company.account_id, "i": uuid7(), "u": company.administrator.user_id},
            )
            await session.execute(
                text(
                    "INSERT INTO seat_requests (account_id, id, seats, user_id, asked_by, nonce, expires_at)"
                    " VALUES (:a, :i, 1, :u, 'Ada', 'x', now() + '1 hour')"
                ),
                {"a": company.account_id, "i": uuid7(), "u": company.administrator.user_id},
            )
            for statement in (
                "INSERT INTO visit_permissions (account_id, id, visitor_account_id, once, rights, given_by)"
                " VALUES (:a, :i, (SELECT parent_id FROM accounts WHERE id = :a), false, '{}', 'Ada')",
                "INSERT INTO visits (account_id, id, permission_id, visitor_account_id, visitor_account_name, visitor_user_id,"
                " visitor_identity_id, visitor_name, visitor_email, reason, ends_at) SELECT :a, :i, p.id, p.visitor_account_id, 'O', :i,"
                " (SELECT id FROM identities LIMIT 1), 'Olga', 'olga@operator.example.com', 'help', now() + interval '1 hour'"
                " FROM visit_permissions p WHERE p.account_id = :a",
                "INSERT INTO roles (account_id, id, name, rights) VALUES (:a, :i, 'Own', '{}')",
                "INSERT INTO departments (account_id, id, name) VALUES (:a, :i, 'Paris')",
                "INSERT INTO api_keys (account_id, id, name, scopes, key_digest, prefix, ending, created_by)"
                " VALUES (:a, :i, 'Own', '{sessions.introspect}', 'x', 'x', 'x', 'Ada')",
                "INSERT INTO activity_heads (account_id, number, lines, digest, sealed_at)"
                " SELECT :a, 0, 0, 'x', now() WHERE CAST(:i AS uuid) IS NOT NULL",
                "INSERT INTO activity_seals"
                " (account_id, id, number, month, lines, digests, actors, targets, content, previous, digest, key, sealed_at)"
                " VALUES (:a, :i, 1, current_date, '{}', '', '', '', '', '', '', '', now())",
                "INSERT INTO activity_people (account_id, id, key) VALUES (:a, :i, 'x')",
                "INSERT INTO activity_keys (account_id, id) VALUES (:a, :i)",
                "INSERT INTO activity_erasures (account_id, id, identity_id) SELECT :a, id, identity_id FROM users WHERE account_id = :a"
                " AND CAST(:i AS uuid) IS NOT NULL LIMIT 1",
                "INSERT INTO activity_exports (account_id, id, user_id, filters, format, language, time_zone, lines, expires_at)"
                " SELECT :a, :i, id, '{}', 'csv', 'fr', 'UTC', 1, now() FROM users WHERE account_id = :a LIMIT 1",
                "INSERT INTO activity_export_parts (account_id, id, export_id, number, content)"
                " SELECT :a, :i, id, 1, 'x' FROM activity_exports WHERE account_id = :a",
                "INSERT INTO boosts (account_id, id, seats, starts_at, ends_at, by_name) VALUES (:a, :i, 1, now(), now() + interval '1 day', 'S')",
                "INSERT INTO licence_notices (account_id, ends_on, days) SELECT :a, current_date, 7 WHERE CAST(:i AS uuid) IS NOT NULL",
                "INSERT INTO usage_days (account_id, day, part, peak, refused, sign_ins, waited_ms, idle_ms, taken, avoided)"
                " VALUES (:a, current_date, CAST(CAST(:i AS uuid) AS text), 1, 0, 1, 0, 0, '{}', '{}')",
                "INSERT INTO brands (account_id, name) VALUES (:a, CAST(CAST(:i AS uuid) AS text))",
                "INSERT INTO restrictions (account_id, scope, subject, sections) VALUES (:a, 'user', CAST(CAST(:i AS uuid) AS text), '{stock}')",
            ):
                await session.execute(text(statement), {"a": company.account_id, "i": uuid7()})
            await idempotency.claim(session, user_id=company.administrator.user_id, key="k", fingerprint=b"x")
        found.append(company)
    return found[0], found[1]


async def count(house: House, table: str, account_id: UUID | None) -> dict[UUID, int]:
    """Rows that the application sees in a table, by account, with no filter of its own."""
    async with house.database.transaction(account_id) as session:
        rows = await session.execute(text(f"SELECT account_id, count(*) FROM {table} GROUP BY 1"))
        return {row[0]: row[1] for row in rows}


async def test_each_account_sees_its_own_rows_and_nobody_sees_any(house: House, superuser: asyncpg.Connection) -> None:
    acme, bistro = await two_companies(house)
    for table in set(await account_tables(superuser)) - BEFORE_THE_WALL:
        there = {row[0] for row in await superuser.fetch(f"SELECT DISTINCT account_id FROM {table}")}
        assert {acme.account_id, bistro.account_id} <= there, f"{table}: nothing to be seen"
        assert await count(house, table, None) == {}, table
        assert (await count(house, table, acme.account_id)).keys() == {acme.account_id}, table
        assert (await count(house, table, bistro.account_id)).keys() == {bistro.account_id}, table


async def test_a_parent_sees_its_childrens_licences_and_nothing_else_of_them(house: House, superuser: asyncpg.Connection) -> None:
    acme, bistro = await two_companies(house)
    operator = await make.operator(house)
    for table in set(await account_tables(superuser)) - BEFORE_THE_WALL:
        expected = {operator.account_id} | ({acme.account_id, bistro.account_id} if table in READ_BY_PARENTS else set())
        assert (await count(house, table, operator.account_id)).keys() <= expected, table
    async with house.database.transaction(operator.account_id) as session:
        changed: Any = await session.execute(text("UPDATE licences SET seats = 999 WHERE account_id = :a"), {"a": acme.account_id})
        assert changed.rowcount == 0


async def test_after_a_transaction_its_connection_is_outside_again(house: House) -> None:
    acme, _ = await two_companies(house)
    async with house.database.engine.connect() as connection:
        for ends in ("commit", "rollback"):
            await connection.execute(text("SELECT set_config('app.account_id', :a, true)"), {"a": str(acme.account_id)})
            assert (await connection.execute(text("SELECT count(*) FROM users"))).scalar_one() == 2
            await getattr(connection, ends)()
            assert (await connection.execute(text("SELECT count(*) FROM users"))).scalar_one() == 0
            await connection.rollback()


async def test_a_row_of_another_account_cannot_be_written(house: House) -> None:
    acme, bistro = await two_companies(house)
    theirs = bistro.staff[0].user_id
    with pytest.raises(DBAPIError, match="row-level security"):
        async with house.database.transaction(acme.account_id) as session:
            session.add(
                User(account_id=bistro.account_id, id=uuid7(), identity_id=uuid7(), email="x", role="user", status="active")
            )
    for statement in (
        "UPDATE users SET role = 'administrator' WHERE id = :id",
        "UPDATE sessions SET ended_by = 'x' WHERE user_id = :id",
    ):
        async with house.database.transaction(acme.account_id) as session:
            done: Any = await session.execute(text(statement), {"id": theirs})
            assert done.rowcount == 0
    with pytest.raises(DBAPIError, match="row-level security"):
        async with house.database.transaction(acme.account_id) as session:
            await session.execute(
                text("UPDATE users SET account_id = :b WHERE account_id = :a"), {"a": acme.account_id, "b": bistro.account_id}
            )


async def test_a_foreign_key_cannot_point_into_another_account(house: House) -> None:
    acme, bistro = await two_companies(house)
    insert = "INSERT INTO sessions (account_id, id, user_id, token_digest, expires_at) VALUES (:a, :i, :u, 'x', now())"
    with pytest.raises(DBAPIError, match="foreign key"):
        async with house.database.transaction(acme.account_id) as session:
            await session.execute(text(insert), {"a": acme.account_id, "i": uuid7(), "u": bistro.staff[0].user_id})


async def test_stepping_from_one_account_into_another_leaves_the_first(house: House) -> None:
    acme, bistro = await two_companies(house)
    async with house.database.transaction(acme.account_id) as session:
        for where, seen in ((bistro.account_id, 2), (None, 0), (acme.account_id, 2)):
            await enter(session, where)
            assert await session.scalar(text("SELECT count(*) FROM users")) == seen


async def test_the_account_comes_first_in_every_key(superuser: asyncpg.Connection) -> None:
    keys = await superuser.fetch(
        "SELECT t.relname, c.relname AS index, a.attname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid "
        "JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0] WHERE i.indisunique AND t.relnamespace = 'public'::regnamespace"
    )
    walled = set(await account_tables(superuser)) - BEFORE_THE_WALL
    assert [tuple(key) for key in keys if key["relname"] in walled and key["attname"] != "account_id"] == []
    foreign = await superuser.fetch(
        "SELECT c.conname, c.conrelid::regclass::text AS t, c.confrelid::regclass::text AS target, a.attname FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'"
    )
    assert [tuple(key) for key in foreign if key["target"] in walled and key["attname"] != "account_id"] == []


async def test_the_migrations_make_what_the_code_describes(emptied: Addresses) -> None:
    engine = create_async_engine(emptied.migration_database_url.replace("postgresql://", "postgresql+asyncpg://"))

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))

    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    assert found == []


async def test_many_at_once_stay_in_their_own_account(house: House) -> None:
    acme, bistro = await two_companies(house)

    async def look(account_id: UUID) -> None:
        async with house.database.transaction(account_id) as session:
            await asyncio.sleep(0)
            assert {row[0] for row in await session.execute(text("SELECT account_id FROM users"))} == {account_id}

    await asyncio.gather(*(look((acme, bistro)[number % 2].account_id) for number in range(60)))
