"""The history's lines of seats that scripts took from somebody: whose, why, and who got it."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Activity, Event, write
from tenants.actors import Person
from tenants.database import Database, entered
from tenants.errors import Unavailable
from tenants.seat_verdicts import Befallen
from tenants.sessions import SignedInSession
from tenants.users import User

_TRIES = 5
# Later on, a seat that ran out since is likelier to be the reason.
_NEWS = timedelta(hours=1)
_BY_CONSENT = frozenset({"handed_over", "not_answered"})


@dataclass(frozen=True, slots=True)
class Loss:
    """A seat that went to somebody: why, as in `Befallen`, when, and the name of who got it."""

    why: str
    at: datetime
    taker: str | None


async def write_befallen(database: Database, account_id: UUID, befallen: tuple[Befallen, ...]) -> None:
    """A line for each, in the account. Tried again for a while when PostgreSQL is away."""
    for pause in range(1, _TRIES + 1):
        try:
            async with database.transaction(account_id) as session:
                for each in befallen:
                    await _write(session, each)
        except Unavailable:
            if pause == _TRIES:
                raise
            await asyncio.sleep(pause)
        else:
            return


async def find_loss(session: AsyncSession, session_id: UUID) -> Loss | None:
    """How the person of a live session of the account entered last lost their seat to somebody, within the last hour."""
    row = (
        await session.execute(
            select(Activity.facts, Activity.at)
            .join(
                SignedInSession,
                (SignedInSession.account_id == Activity.account_id) & (cast(SignedInSession.user_id, Text) == Activity.target_id),
            )
            .where(
                Activity.account_id == entered(session),
                SignedInSession.id == session_id,
                Activity.event.in_((Event.SEAT_TAKEN.value, Event.SEAT_HANDED_OVER.value)),
                Activity.at >= SignedInSession.started_at,
                Activity.id >= _first_id(datetime.now(UTC) - _NEWS),
            )
            .order_by(Activity.id.desc())
            .limit(1)
        )
    ).one_or_none()
    if row is None:
        return None
    taker = row.facts.get("user") and await session.get(User, (entered(session), UUID(row.facts["user"])))
    return Loss(row.facts["why"], row.at, taker.label if taker else None)


def _first_id(at: datetime) -> UUID:
    # Ids begin with their moment (UUIDv7): the key itself leads to what is recent, however long the history.
    return UUID(int=int(at.timestamp() * 1000) << 80)


async def _write(session: AsyncSession, each: Befallen) -> None:
    holder, taker = await _user(session, each.holder), await _user(session, each.user_id)
    if holder is None:
        return
    event = Event.SEAT_HANDED_OVER if each.why in _BY_CONSENT else Event.SEAT_TAKEN
    facts: dict[str, Any] = {"why": each.why, "user": taker and taker.id}
    # Whoever gives their seat does so themselves; all else the rules do.
    gives = each.why == "handed_over"
    by = Person(holder.id, holder.identity_id, holder.label, holder.email) if gives else None
    await write(session, event, by=by, on=("user", holder.id, holder.label), **facts)


async def _user(session: AsyncSession, holder: UUID) -> User | None:
    # A user, or whoever has the session: their ids are never the same.
    account_id = entered(session)
    found = await session.get(User, (account_id, holder))
    if found is not None:
        return found
    whose = select(SignedInSession.user_id).where(SignedInSession.account_id == account_id, SignedInSession.id == holder)
    return await session.scalar(select(User).where(User.account_id == account_id, User.id == whose.scalar_subquery()))
