"""Visits as the administrators of the account visited read them: who came under which permission, and how it ended."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.database import entered
from tenants.sessions import SignedInSession
from tenants.visits import Visit

#: Of each permission.
MOST_SHOWN = 20


class PastVisit(NamedTuple):
    """A visit and how it ended; `ended_at` None while it is live."""

    visit: Visit
    ended_at: datetime | None
    why: str | None
    ended_by: str | None


async def find_visits(session: AsyncSession, permissions: list[UUID]) -> dict[UUID, list[PastVisit]]:
    """The latest visits under each of these permissions of the account entered, newest first."""
    number = func.row_number().over(partition_by=Visit.permission_id, order_by=Visit.id.desc())
    latest = (
        select(Visit.id, number.label("number"))
        .where(Visit.account_id == entered(session), Visit.permission_id.in_(permissions))
        .subquery()
    )
    rows = await session.execute(
        select(Visit, SignedInSession.ended_at, SignedInSession.ended_reason, SignedInSession.ended_by, Visit.ends_at <= func.now())
        .join(latest, latest.c.id == Visit.id)
        .join(SignedInSession, (SignedInSession.account_id == Visit.account_id) & (SignedInSession.visit_id == Visit.id))
        .where(Visit.account_id == entered(session), latest.c.number <= MOST_SHOWN)
        .order_by(Visit.id.desc())
    )
    found: dict[UUID, list[PastVisit]] = {}
    for visit, ended_at, why, ended_by, past in rows:
        over = PastVisit(visit, visit.ends_at, "expired", None) if past and ended_at is None else None
        found.setdefault(visit.permission_id, []).append(over or PastVisit(visit, ended_at, why, ended_by))
    return found
