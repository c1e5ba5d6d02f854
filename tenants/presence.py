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


async def seat_states(session: AsyncSession, presence: Presence, rows: list[tuple[SignedInSession, User]]) -> dict[UUID, SeatState]:
    """For each session of the account entered: whether it holds a seat, and whether its person works."""
    unit = (await get_account(session, entered(session))).seat_unit
    now = datetime.now(UTC)
    states: dict[UUID, SeatState] = {}
    for row, user in rows:
        lease = presence.leases.get(user.id if unit == "user" else row.id)
        if lease is None or lease <= now:
            states[row.id] = "none"
        else:
            states[row.id] = "idle" if now - presence.seen.get(row.id, row.started_at) > IDLE_AFTER else "working"
    return states


async def find_at_work(session: AsyncSession, presence: Presence) -> list[UUID]:
    """Users of the account entered who have a live session that holds a seat now."""
    unit = (await get_account(session, entered(session))).seat_unit
    now = datetime.now(UTC)
    holders = [holder for holder, until in presence.leases.items() if until > now]
    found = await session.scalars(
        select(SignedInSession.user_id)
        .distinct()
        .where(
            SignedInSession.account_id == entered(session),
            SignedInSession.ended_at.is_(None),
            SignedInSession.expires_at > func.now(),
            (SignedInSession.user_id if unit == "user" else SignedInSession.id).in_(holders),
        )
    )
    # Visits have no user.
    return [user_id for user_id in found if user_id is not None]
