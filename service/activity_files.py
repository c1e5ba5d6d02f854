"""The history as an answer that a browser saves: written while it is read, or fetched from where a worker wrote it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from zoneinfo import ZoneInfo

from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants.accounts import Account, get_account
from tenants.activity import Event, record
from tenants.activity_exports import Export, named_filters, read_part
from tenants.activity_files import READ_AT_ONCE, Extract, Format, count_lines, opening, pieces, position_of, read_lines
from tenants.activity_search import Filters
from tenants.activity_values import Reader
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.database import Database
from tenants.errors import ExportTooLarge

# Lines are counted on for the refusal, but not for ever.
_COUNTED = 5
_SUFFIXES: dict[Format, str] = {"csv": "csv", "json": "jsonl"}
_TYPES: dict[Format, str] = {"csv": "text/csv", "json": "application/x-ndjson"}


async def begin_export(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    *,
    filters: Filters,
    format: Format,  # noqa: A002 - the API's word
    language: str,
    most: int,
) -> Extract:
    """What the answer will carry, counted and written into the history. Raises ExportTooLarge for more than `most` lines."""
    account = await get_account(session, actor.account_id)
    extract = Extract(
        account_id=account.id,
        filters=filters,
        departments=actor.departments,
        viewer=actor.user_id,
        # Younger than every line there is, and older than the one that is about to say so.
        below=uuid7(),
        format=format,
        reader=Reader(language, account.time_zone, catalogue),
    )
    lines = await count_lines(session, extract, at_most=_COUNTED * most)
    if lines > most:
        raise ExportTooLarge(lines=lines, limit=most)
    record(session, Event.ACTIVITY_EXPORTED, by=actor, format=format, lines=lines, filters=named_filters(filters))
    return extract


async def streamed(database: Database, extract: Extract, *, name: str) -> Stream:
    """The answer with these lines, newest first. Memory holds a few hundred of them, and no connection waits for the reader.

    What the first lines raise is a refusal; if later ones fail, the transfer breaks off: nobody takes a part for the whole.
    """
    written = _written(database, extract)
    first = [await anext(written, b"")]

    async def whole() -> AsyncIterator[bytes]:
        yield first.pop()
        async for piece in written:
            yield piece

    return _saved(whole(), _TYPES[extract.format], f"{name}.{_SUFFIXES[extract.format]}")


def fetched(database: Database, export: Export, *, name: str) -> Stream:
    """The answer with the file of an export that is ready. It breaks off if the file is deleted meanwhile."""

    async def parts() -> AsyncIterator[bytes]:
        for number in range(export.parts):
            async with database.transaction(export.account_id) as session:
                part = await read_part(session, export.id, number)
            yield part

    answer = _saved(parts(), "application/gzip", f"{name}.{_SUFFIXES[export.format]}.gz")
    answer.headers["content-length"] = str(export.bytes)
    return answer


def file_name(account: Account, asked_at: datetime) -> str:
    """What the file is called, without its ending: whose history, and of which day."""
    return f"activity-{account.slug}-{asked_at.astimezone(ZoneInfo(account.time_zone)):%Y-%m-%d}"


async def _written(database: Database, extract: Extract) -> AsyncIterator[bytes]:
    # Every piece is a turn of the event loop: the server waits for its reader, and serves others, between two of them.
    begun, position = opening(extract), None
    if begun:
        yield begun
    more = True
    while more:
        async with database.transaction(extract.account_id) as session:
            lines, names = await read_lines(session, extract, position)
        for piece in pieces(extract, lines, names):
            yield piece
            await asyncio.sleep(0)
        more = len(lines) == READ_AT_ONCE
        position = position_of(lines[-1]) if lines else None


def _saved(content: AsyncIterator[bytes], media_type: str, name: str) -> Stream:
    return Stream(content, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})
