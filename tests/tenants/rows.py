"""Every row of the database and every key of Valkey, for tests that ask what changed."""

# ruff: noqa: S608 - tables are named by the tests and by the schema itself

from typing import Any
from uuid import UUID

import asyncpg
import redis.asyncio as redis

from service.embedded import Addresses


async def sql(servers: Addresses, statement: str, *arguments: Any) -> list[Any]:
    """Run one statement as a superuser, whom no wall holds."""
    connection = await asyncpg.connect(servers.superuser_url)
    try:
        return list(await connection.fetch(statement, *arguments))
    finally:
        await connection.close()


async def every_row(servers: Addresses) -> dict[str, list[str]]:
    """All rows of all tables, as JSON."""
    connection = await asyncpg.connect(servers.superuser_url)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        return {
            table: [row[0] for row in await connection.fetch(f"SELECT row_to_json(t)::text FROM {table} t ORDER BY 1")]
            for (table,) in tables
        }
    finally:
        await connection.close()


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
