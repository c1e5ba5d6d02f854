"""What somebody is told who finds every seat taken: the cap, who holds seats, and the choices they really have (seat rule 7)."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.database import entered
from tenants.errors import SeatsFull
from tenants.seats import Full, Seats
from tenants.sessions import search_alive


async def find_holders(session: AsyncSession, seats: Seats, *, unit: str, user_id: UUID) -> list[dict[str, Any]]:
    """Sessions of the account entered that hold a seat now; `mine` are those of `user_id`."""
    alive = await search_alive(session)
    presence = await seats.presence(entered(session))
    now = datetime.now(UTC)
    holding = {holder for holder, until in presence.leases.items() if until > now}
    return [
        {
            "session_id": row.id,
            "name": user.label,
            "since": row.started_at,
            "last_activity": presence.seen.get(row.id, row.started_at),
            "mine": user.id == user_id,
        }
        for row, user in alive
        if (user.id if unit == "user" else row.id) in holding
    ]


def seats_full(full: Full, holders: list[dict[str, Any]], *, may_end: bool, shows: bool, may_request: bool) -> SeatsFull:
    """The refusal. Colleagues are named where the account `shows` them, and always to whoever `may_end` their sessions."""
    choices = ["retry"]
    if any(holder["mine"] for holder in holders):
        choices.append("end_own")
    if may_end and any(not holder["mine"] for holder in holders):
        choices.append("end_other")
    if may_request:
        choices.append("request_seats")
    shown = holders if shows or may_end else [holder for holder in holders if holder["mine"]]
    return SeatsFull(seats=full.seats, in_use=full.in_use, holders=shown, choices=choices)
