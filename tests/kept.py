"""What one test leaves for the next: connections, and rows that the domain made once, for most tests begin with one company.

Rows come back as if they had been made now: every moment in them is moved. Only on the empty servers of one test process.
Connections keep what PostgreSQL and the driver have learnt on them, which is half of what a short test's statements would cost.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar, cast
from uuid import uuid4

import asyncpg
from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from tenants.database import Database
from tenants.house import House

T = TypeVar("T")

#: Where rows may be read and written past the wall, by the address under which the application knows the same servers.
superusers: dict[str, str] = {}

_Chain = tuple[tuple[object, ...], ...]


class _Kept(NamedTuple):
    """How rows come back, and what was made with them."""

    statements: list[str]
    made: Any


_idle: dict[tuple[str, asyncio.AbstractEventLoop], list[asyncpg.Connection]] = {}
_engines: dict[str, AsyncEngine] = {}
_kept: dict[_Chain, _Kept] = {}
_seen: set[_Chain] = set()
#: What was made on the servers since they were empty, and their state after it.
_stand: dict[str, tuple[_Chain, str]] = {}
_COLUMNS = """
SELECT table_name, column_name, data_type = 'timestamp with time zone' FROM information_schema.columns
 WHERE table_schema = 'public' AND is_generated = 'NEVER' AND table_name <> 'alembic_version' ORDER BY table_name, ordinal_position
"""


async def made(house: House, how: tuple[object, ...], make: Callable[[], Awaitable[T]], ids: Callable[[T], object]) -> T:
    """What `make` makes, which `how` tells in full: made, or brought back if it was made twice before on servers in the same state.

    `ids` tells one thing that was made from another made in the same way.
    """
    url = superusers.get(house.settings.database_url.get_secret_value().replace("postgresql+asyncpg://", "postgresql://"))
    chain = None if url is None else await _made_so_far(url, house)
    if url is None or chain is None:
        return await make()
    step = (*chain, how)
    if (found := _kept.get(step)) is not None:
        await without_order(url, found.statements)
        fresh: T = copy.deepcopy(found.made)
    else:
        fresh = await make()
        # From the second time on, for many are made but once.
        if step in _seen:
            _kept[step] = _Kept(await _copied(url), copy.deepcopy(fresh))
        _seen.add(step)
    async with superuser(url) as connection:
        _stand[url] = ((*step, (ids(fresh),)), await state(connection))
    return fresh


async def _made_so_far(url: str, house: House) -> _Chain | None:
    async with superuser(url) as connection:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM accounts)"):
            return ((url, house.settings.secret_key.get_secret_value(), house.settings.catalogue),)
        chain, then = _stand.get(url, (None, ""))
        return chain if await state(connection) == then else None


async def _copied(url: str) -> list[str]:
    schema = f"kept_{uuid4().hex}"
    async with superuser(url) as connection:
        columns = await _columns(connection)
        full = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in columns)  # noqa: S608 - of the schema itself
        filled = [row[0] for row in await connection.fetch(full)]
        copies = [f"CREATE UNLOGGED TABLE {schema}.{table} AS TABLE {table}" for table in filled]
        mark = f"CREATE UNLOGGED TABLE {schema}.made_at AS SELECT clock_timestamp() AS at"
        await connection.execute(";".join([f"CREATE SCHEMA {schema}", *copies, mark]))
    emptied = [f"DELETE FROM {table}" for table in filled]  # noqa: S608 - of the schema itself
    return [*emptied, *(_insert(schema, table, columns[table]) for table in filled)]


@asynccontextmanager
async def superuser(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, whom no wall holds; it stays open for the next who needs one."""
    idle = _idle.setdefault((url, asyncio.get_running_loop()), [])
    connection = idle.pop() if idle else await asyncpg.connect(url)
    try:
        yield connection
    finally:
        if not (connection.is_closed() or connection.is_in_transaction()):
            idle.append(connection)


async def without_order(url: str, statements: Iterable[str]) -> None:
    """Carry them out as a superuser for whom neither foreign keys nor triggers hold."""
    async with superuser(url) as connection:
        await connection.execute(";".join(["BEGIN", "SET LOCAL session_replication_role = replica", *statements, "COMMIT"]))


async def state(connection: asyncpg.Connection) -> str:
    """A word that is the same as before when nobody wrote anything in between: what was read then still holds."""
    found: str = await connection.fetchval("SELECT pg_current_snapshot()::text")
    return found


@asynccontextmanager
async def connections(database: Database) -> AsyncIterator[None]:
    """Lend the connections of earlier tests, if all of them are as good as new, and take them back if none is at work."""
    own, url = database.engine, database.engine.url.render_as_string(hide_password=False)
    lent = _engines.pop(url, None)
    if lent is None or not await _as_new(lent):
        lent = Database(url).engine
    _lend(database, lent)
    try:
        yield
    finally:
        _lend(database, own)
        pool = cast("QueuePool", lent.pool)
        if pool.checkedout() == 0:
            _engines[url] = lent


async def _as_new(engine: AsyncEngine) -> bool:
    idle = cast("QueuePool", engine.pool).checkedin()
    taken = [await engine.raw_connection() for _ in range(idle)]
    try:
        for connection in taken:
            # Whatever a test made or set on it stays in that test.
            await cast("asyncpg.Connection", connection.driver_connection).execute("DISCARD TEMP; RESET ALL")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return False
    finally:
        for connection in taken:
            await greenlet_spawn(connection.close)
    return True


def _lend(database: Database, engine: AsyncEngine) -> None:
    database.engine = engine
    database._sessions.configure(bind=engine)  # noqa: SLF001 - nobody else puts other connections under it


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
