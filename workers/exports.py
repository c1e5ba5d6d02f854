"""Writes exports of the history that are too large for one answer: in parts, each of which is kept once it is written."""

import asyncio
import gzip
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity_exports import Export, close, extract_of
from tenants.activity_files import READ_AT_ONCE, Extract, Position, count_lines, opening, pieces, position_of, read_lines
from tenants.export_writing import (
    MOST_ATTEMPTS,
    Lease,
    add_part,
    clear_away,
    find_closed,
    find_due,
    finish,
    give_up_or_put_back,
    lock_in_hand,
    may_still,
    position_in,
    put_back,
    set_lines,
    take,
)
from tenants.house import House
from tenants.outbox import step_into_sorting_room

log = logging.getLogger("portillon.exports")

#: What one part may take; whoever takes longer was killed.
LEASE_SECONDS = 120
LINES_OF_A_PART = 5_000
#: Parts of one export before others get their turn.
PARTS_AT_ONCE = 20
_AGAIN_IN = 30.0
_MOST_COUNTED = 2**62
_LONGEST_SEARCH_MS = 30_000
# Fast rather than small: it takes a twentieth of the time of the lines themselves.
_LEVEL = 5


async def write_exports(house: House) -> None:
    """Go on with every export that waits, in turn, until none does; then clear away what is over."""
    while await _write_some(house):
        pass
    async with house.database.transaction() as session:
        await step_into_sorting_room(session)
        closed = await find_closed(session)
    for place in closed:
        async with house.database.transaction(place[0]) as session:
            await clear_away(session, place)


async def _write_some(house: House) -> bool:
    async with house.database.transaction() as session:
        await step_into_sorting_room(session)
        due = await find_due(session)
    for place in due:
        async with house.database.transaction(place[0]) as session:
            lease = await take(session, place, lease_seconds=LEASE_SECONDS)
        if lease is not None:
            await _write_or_put_back(house, lease)
            return True
    return False


async def _write_or_put_back(house: House, lease: Lease) -> None:
    try:
        await _write(house, lease)
    except Exception as error:  # noqa: BLE001 - one that cannot be written must not hold up the others
        place = traceback.extract_tb(error.__traceback__)[-1]
        # A traceback could carry what somebody looked for: the error's kind and place are enough to find it.
        log.error("an export failed: %s in %s, line %s", type(error).__name__, place.name, place.lineno)  # noqa: TRY400
        async with house.database.transaction(lease.account_id) as session:
            export = await lock_in_hand(session, lease)
            if export is not None:
                give_up_or_put_back(export, again_in=_AGAIN_IN)


async def _write(house: House, lease: Lease) -> None:
    async with house.database.transaction(lease.account_id) as session:
        export = await lock_in_hand(session, lease)
        if export is None or not await _is_wanted(house, session, export):
            return
        extract, position = extract_of(export, house.catalogue), position_in(export)
        counted = export.lines is not None
    if not counted:
        await _count(house, lease, extract)
    for _ in range(PARTS_AT_ONCE):
        position = await _write_part(house, lease, extract, position)
        if position is None:
            return
    async with house.database.transaction(lease.account_id) as session:
        export = await lock_in_hand(session, lease)
        if export is not None:
            put_back(export)


async def _is_wanted(house: House, session: AsyncSession, export: Export) -> bool:
    # Whatever killed the workers before this one would kill it too.
    if export.attempts > MOST_ATTEMPTS:
        close(export, "failed")
    elif not await may_still(session, house.catalogue, export):
        close(export, "cancelled")
    return export.state == "running"


async def _count(house: House, lease: Lease, extract: Extract) -> None:
    async with _reading(house, extract) as session:
        lines = await count_lines(session, extract, at_most=_MOST_COUNTED)
    async with house.database.transaction(lease.account_id) as session:
        export = await lock_in_hand(session, lease)
        if export is not None:
            set_lines(export, lines, lease_seconds=LEASE_SECONDS)


async def _write_part(house: House, lease: Lease, extract: Extract, position: Position | None) -> Position | None:
    """Write the part behind the position; returns where to go on, None when it was the last one or the export is another's."""
    written, lines, last = await _read_part(house, extract, position)
    # In a thread: mail is sent meanwhile.
    content = await asyncio.to_thread(gzip.compress, written, _LEVEL, mtime=0)
    async with house.database.transaction(lease.account_id) as session:
        export = await lock_in_hand(session, lease)
        if export is None or not await _is_wanted(house, session, export):
            return None
        if lines or position is None:
            add_part(session, export, content=content, lines=lines, position=last, lease_seconds=LEASE_SECONDS)
        if lines < LINES_OF_A_PART:
            finish(session, export)
            return None
    return last


async def _read_part(house: House, extract: Extract, position: Position | None) -> tuple[bytes, int, Position | None]:
    written, lines = [opening(extract) if position is None else b""], 0
    while lines < LINES_OF_A_PART:
        async with _reading(house, extract) as session:
            some, names = await read_lines(session, extract, position)
        for piece in pieces(extract, some, names):
            written.append(piece)
            await asyncio.sleep(0)
        lines += len(some)
        if some:
            position = position_of(some[-1])
        if len(some) < READ_AT_ONCE:
            break
    return b"".join(written), lines, position


@asynccontextmanager
async def _reading(house: House, extract: Extract) -> AsyncIterator[AsyncSession]:
    # Nobody waits for the answer: a search may take long.
    async with house.database.transaction(extract.account_id) as session:
        await session.execute(text(f"SET LOCAL statement_timeout = {_LONGEST_SEARCH_MS}"))
        yield session
