"""Every row of the database and every key of Valkey, for tests that ask what changed."""

# ruff: noqa: S608 - tables are named by the tests and by the schema itself

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg
import redis.asyncio as redis

from service.embedded import Addresses
from tests import kept

# Tables of a server, which are the same as long as it lives.
_tables: dict[str, list[str]] = {}
#: What was read last: it is read again only after somebody has written.
_read: WeakKeyDictionary[asyncpg.Connection, tuple[tuple[object, ...], dict[str, list[str]]]] = WeakKeyDictionary()


async def sql(servers: Addresses, statement: str, *arguments: Any) -> list[Any]:
    """Run one statement as a superuser, whom no wall holds."""
    async with kept.superuser(servers.superuser_url) as connection:
        return list(await connection.fetch(statement, *arguments))


async def every_row(servers: Addresses) -> dict[str, list[str]]:
    """All rows of all tables, as JSON."""
    async with kept.superuser(servers.superuser_url) as connection:
        if servers.superuser_url not in _tables:
            found = await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
            _tables[servers.superuser_url] = [table for (table,) in found]
        return await rows_of(connection, dict.fromkeys(_tables[servers.superuser_url], "true"))


async def rows_of(connection: asyncpg.Connection, tables: Mapping[str, str], *values: Any) -> dict[str, list[str]]:
    """Rows of these tables as JSON, of each those that its condition picks. One statement: whoever asks does so hundreds of times."""
    key = (await kept.state(connection), tuple(tables.items()), values)
    if connection in _read and _read[connection][0] == key:
        return _read[connection][1]
    parts = (f"SELECT '{table}', row_to_json(t)::text FROM {table} t WHERE {where}" for table, where in tables.items())
    found: dict[str, list[str]] = {table: [] for table in tables}
    for table, row in await connection.fetch(" UNION ALL ".join(parts), *values):
        found[table].append(row)
    _read[connection] = key, {table: sorted(rows) for table, rows in found.items()}
    return _read[connection][1]


async def every_key(servers: Addresses) -> dict[bytes, Any]:
    """All keys of Valkey with their values, whatever their type."""
    readers = {b"string": "get", b"hash": "hgetall", b"set": "smembers"}
    found: dict[bytes, Any] = {}
    async with redis.Redis.from_url(servers.redis_url) as client:
        async for key in client.scan_iter("*"):
            kind = await client.type(key)
            if kind == b"zset":
                found[key] = await client.zrange(key, 0, -1, withscores=True)
            elif kind == b"list":
                found[key] = await client.lrange(key, 0, -1)
            else:
                found[key] = await getattr(client, readers[kind])(key)
    return found


async def events(servers: Addresses, account_id: UUID) -> list[str]:
    """The account's history: names of events, oldest first."""
    return [row[0] for row in await sql(servers, "SELECT event FROM activity WHERE account_id = $1 ORDER BY id", account_id)]
