"""Rows that the domain made once, brought back for the tests that begin with the same: most tests begin with one company.

They come back as if they had been made now: every moment in them is moved. Only on the empty servers of one test process.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg

from tenants.house import House

#: Where rows may be read and written past the wall, by the address under which the application knows the same servers.
superusers: dict[str, str] = {}

_Kept = tuple[str, Any]
_kept: dict[tuple[object, ...], _Kept] = {}
_seen: set[tuple[object, ...]] = set()
_COLUMNS = """
SELECT table_name, column_name, data_type = 'timestamp with time zone' FROM information_schema.columns
 WHERE table_schema = 'public' AND is_generated = 'NEVER' AND table_name <> 'alembic_version' ORDER BY table_name, ordinal_position
"""


async def is_empty(house: House) -> bool:
    """Whether nobody has made anything yet, on servers of which rows can be kept."""
    if _servers(house) not in superusers:
        return False
    async with house.database.plain() as plain:
        return not (await plain.row("SELECT EXISTS (SELECT FROM accounts)"))[0]


async def keep(house: House, how: tuple[object, ...], made: Any) -> None:
    """Remember every row there is as what this way of making gives; from the second time on, for many are made but once."""
    key = _key(house, how)
    if key not in _seen:
        _seen.add(key)
        return
    schema = f"kept_{uuid4().hex}"
    async with _past_the_wall(house) as connection:
        columns = await _columns(connection)
        full = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in columns)  # noqa: S608 - of the schema itself
        filled = [row[0] for row in await connection.fetch(full)]
        copies = [f"CREATE UNLOGGED TABLE {schema}.{table} AS TABLE {table}" for table in filled]
        mark = f"CREATE UNLOGGED TABLE {schema}.made_at AS SELECT clock_timestamp() AS at"
        await connection.execute(";".join([f"CREATE SCHEMA {schema}", *copies, mark]))
    _kept[key] = (";".join(_insert(schema, table, columns[table]) for table in filled), made)


async def bring_back(house: House, how: tuple[object, ...]) -> Any:
    """What was made so before, with its rows; None when it was not, or when there are rows already."""
    found = _kept.get(_key(house, how))
    if found is None or not await is_empty(house):
        return None
    async with _past_the_wall(house) as connection:
        await connection.execute(found[0])
    return found[1]


def _key(house: House, how: tuple[object, ...]) -> tuple[object, ...]:
    settings = house.settings
    return (_servers(house), settings.secret_key.get_secret_value(), settings.catalogue, *how)


def _servers(house: House) -> str:
    return house.settings.database_url.get_secret_value().replace("postgresql+asyncpg://", "postgresql://")


@asynccontextmanager
async def _past_the_wall(house: House) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(superusers[_servers(house)])
    try:
        # As a replica: foreign keys ask for no order.
        await connection.execute("SET session_replication_role = replica")
        yield connection
    finally:
        await connection.close()


async def _columns(connection: asyncpg.Connection) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for table, column, is_moment in await connection.fetch(_COLUMNS):
        found.setdefault(table, []).append((column, is_moment))
    return found


def _insert(schema: str, table: str, columns: list[tuple[str, bool]]) -> str:
    names = ", ".join(name for name, _ in columns)
    since = f"(clock_timestamp() - (TABLE {schema}.made_at))"
    moved = ", ".join(f"{name} + {since}" if is_moment else name for name, is_moment in columns)
    return f"INSERT INTO public.{table} ({names}) SELECT {moved} FROM {schema}.{table}"  # noqa: S608
