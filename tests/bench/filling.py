"""Millions of rows in little time, past every check, with a bar on a terminal."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Row = tuple[Any, ...]


@asynccontextmanager
async def filler(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection for which no trigger runs and no foreign key is looked up: rows fit each other because they are made together."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off; SET statement_timeout = 0")
        yield connection
    finally:
        await connection.close()


async def copy(connection: asyncpg.Connection, table: str, columns: Sequence[str], rows: list[Row]) -> None:
    """Add rows to a table."""
    await connection.copy_records_to_table(table, records=rows, columns=columns)


async def settle(connection: asyncpg.Connection) -> None:
    """As autovacuum does by itself in a server that lives on."""
    await connection.execute("VACUUM (ANALYZE)")


def bar() -> Progress:
    """On standard error; where that is no terminal, only how it ended."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
