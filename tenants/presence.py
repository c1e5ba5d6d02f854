"""Who is at work, for lists that people look at: what Redis knows of an account's sessions, in words."""

from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import get_account
from tenants.database import entered
from tenants.seats import Presence
from tenants.sessions import SignedInSession
from tenants.users import User

SeatState = Literal["working", "idle", "lost", "lingering", "none"]
# Holding a seat without a request for this long is shown as idle.
IDLE_AFTER = timedelta(minutes=5)
# As `seating.lua` has it.
LINGERS_FOR = timedelta(seconds=60)


def seat_state(presence: Presence, holder: UUID, row: SignedInSession) -> SeatState:
    """Whether the session's holder has a seat, and whether somebody is there (seat rule 5)."""
    lease, now = presence.lease_of(holder), datetime.now(UTC)
    if row.management or lease is None:
        return "none"
    closed, safe = presence.closed.get(holder), presence.safe.get(row.id)
    # A lease that was prolonged after the page was closed is no longer about to end.
    if closed is not None and lease <= closed + LINGERS_FOR:
        return "lingering"
    if safe is not None and safe <= now:
        return "lost"
    return "idle" if now - presence.seen.get(row.id, row.started_at) > IDLE_AFTER else "working"


async def seat_states(session: AsyncSession, presence: Presence, rows: list[tuple[SignedInSession, User]]) -> dict[UUID, SeatState]:
    """For each session of the account entered: whether it holds a seat, and whether its person works."""
    unit = (await get_account(session, entered(session))).seat_unit
    return {row.id: seat_state(presence, user.id if unit == "user" else row.id, row) for row, user in rows}


async def search_at_work(session: AsyncSession, presence: Presence, *, most: int) -> list[tuple[SignedInSession, User]]:
    """The newest live sessions of the account entered that hold a seat now, with their users: at `most` so many."""
    unit = (await get_account(session, entered(session))).seat_unit
    query = (
        select(SignedInSession, User)
        .join(User, (User.account_id == SignedInSession.account_id) & (User.id == SignedInSession.user_id))
        .where(
            SignedInSession.account_id == entered(session),
            SignedInSession.ended_at.is_(None),
            SignedInSession.expires_at > func.now(),
            SignedInSession.management.is_(False),
            (SignedInSession.user_id if unit == "user" else SignedInSession.id).in_(_holders(presence)),
        )
        .order_by(SignedInSession.id.desc())
        .limit(most)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def find_at_work(session: AsyncSession, presence: Presence) -> list[UUID]:
    """Users of the account entered who have a live session that holds a seat now."""
    unit = (await get_account(session, entered(session))).seat_unit
    found = await session.scalars(
        select(SignedInSession.user_id)
        .distinct()
        .where(
            SignedInSession.account_id == entered(session),
            SignedInSession.ended_at.is_(None),
            SignedInSession.expires_at > func.now(),
            (SignedInSession.user_id if unit == "user" else SignedInSession.id).in_(_holders(presence)),
        )
    )
    # Visits have no user.
    return [user_id for user_id in found if user_id is not None]


def _holders(presence: Presence) -> list[UUID]:
    return [holder for holder in presence.leases | presence.allowance if presence.lease_of(holder) is not None]
