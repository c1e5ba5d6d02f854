"""Exports in a worker's hand: leased and written part by part, so that whoever is killed is followed by somebody who goes on.

What is done here with an export happens in its account, which the session has entered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants.accounts import get_account
from tenants.activity_exports import KEPT_FOR, Export, ExportPart, close, drop_parts, is_within
from tenants.activity_files import Position
from tenants.catalogue import Catalogue
from tenants.outbox import Letter, post
from tenants.restrictions import find_hidden
from tenants.roles import read_palette
from tenants.users import User

RIGHT = "activity.export"
#: Tries in a row without a part written, until it is given up.
MOST_ATTEMPTS = 5
_SOME = 20

Place = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class Lease:
    """An export in a worker's hand, until another lease raises its fence."""

    account_id: UUID
    id: UUID
    fence: int


async def find_due(session: AsyncSession) -> Sequence[Place]:
    """Account and id of exports to go on with, of all accounts, whoever waits longest first. Call inside the sorting room."""
    query = (
        select(Export.account_id, Export.id)
        .where(_is_due())
        .order_by(func.coalesce(Export.leased_until, Export.created_at), Export.id)
        .limit(_SOME)
    )
    return [(row.account_id, row.id) for row in await session.execute(query.execution_options(across_accounts=True))]


async def find_closed(session: AsyncSession) -> Sequence[Place]:
    """Account and id of exports whose time is over, and of those that are closed and have parts left. Call inside the sorting room."""
    over = and_(Export.state.in_(("waiting", "running", "ready")), Export.expires_at <= func.now())
    left = and_(Export.state.in_(("cancelled", "failed", "expired")), Export.parts > 0)
    query = select(Export.account_id, Export.id).where(or_(over, left)).limit(_SOME)
    return [(row.account_id, row.id) for row in await session.execute(query.execution_options(across_accounts=True))]


async def take(session: AsyncSession, place: Place, *, lease_seconds: int) -> Lease | None:
    """Lease it, raise its fence and count a try; None when somebody else was faster."""
    fence = await session.scalar(
        update(Export)
        .where(Export.account_id == place[0], Export.id == place[1], _is_due())
        .values(
            state="running",
            fence=Export.fence + 1,
            attempts=Export.attempts + 1,
            leased_until=func.now() + timedelta(seconds=lease_seconds),
        )
        .returning(Export.fence)
        .execution_options(synchronize_session=False)
    )
    return None if fence is None else Lease(*place, fence)


async def lock_in_hand(session: AsyncSession, lease: Lease) -> Export | None:
    """The export, locked, as long as it is in this hand; None once it was cancelled, or leased to somebody else."""
    return await session.scalar(
        select(Export)
        .where(Export.account_id == lease.account_id, Export.id == lease.id, Export.fence == lease.fence, Export.state == "running")
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def may_still(session: AsyncSession, catalogue: Catalogue, export: Export) -> bool:
    """Whether whoever asked for it is still here and may take the history away, of every department that is in it."""
    user = await session.get_one(User, (export.account_id, export.user_id))
    if user.standing != "active" or not is_within(export, user.departments):
        return False
    palette = await read_palette(session, catalogue, (await get_account(session, export.account_id)).kind)
    return RIGHT in palette.gives(user.role, hidden=await find_hidden(session, "user", str(user.id)))


def add_part(
    session: AsyncSession, export: Export, *, content: bytes, lines: int, position: Position | None, lease_seconds: int
) -> None:
    """Put down some more lines and where to go on; the lease begins anew. `content` is a whole gzip member."""
    session.add(ExportPart(account_id=export.account_id, id=uuid7(), export_id=export.id, number=export.parts, content=content))
    export.parts += 1
    export.written += lines
    export.bytes += len(content)
    if position is not None:
        export.position = {"at": position[0].isoformat(), "id": str(position[1])}
    export.attempts = 0
    export.leased_until = func.now() + timedelta(seconds=lease_seconds)


def set_lines(export: Export, lines: int, *, lease_seconds: int) -> None:
    """So many are to be written; the lease begins anew."""
    export.lines = lines
    export.leased_until = func.now() + timedelta(seconds=lease_seconds)


def position_in(export: Export) -> Position | None:
    """Behind which line to go on; None at the beginning."""
    kept = export.position
    return None if kept is None else (datetime.fromisoformat(kept["at"]), UUID(kept["id"]))


def finish(session: AsyncSession, export: Export) -> None:
    """Nothing is left to write: from now on the file can be fetched, and whoever asked for it gets a letter."""
    export.state, export.leased_until, export.lines = "ready", None, export.written
    export.ready_at, export.expires_at = func.now(), func.now() + KEPT_FOR
    post(session, Letter.ACTIVITY_EXPORT_READY, to=export.user_id, about=export.id)


def put_back(export: Export, *, again_in: float = 0) -> None:
    """Somebody goes on with it, in so many seconds at the soonest, and behind whoever waits longer."""
    export.leased_until = func.now() + timedelta(seconds=again_in)


def give_up_or_put_back(export: Export, *, again_in: float) -> None:
    """Writing it went wrong."""
    if export.attempts >= MOST_ATTEMPTS:
        close(export, "failed")
    else:
        put_back(export, again_in=again_in)


async def clear_away(session: AsyncSession, place: Place) -> None:
    """Close one whose time is over, and delete some parts of one that is closed."""
    export = await session.get_one(Export, place, with_for_update=True)
    if export.state in {"waiting", "running", "ready"}:
        if export.standing != "expired":
            return
        close(export, "expired")
    await drop_parts(session, export)


def _is_due() -> ColumnElement[bool]:
    return and_(
        Export.state.in_(("waiting", "running")),
        Export.expires_at > func.now(),
        or_(Export.leased_until.is_(None), Export.leased_until <= func.now()),
    )
