"""Boosts: more seats for an account, from a date to a date or in a weekly pattern; they begin and end by the database's clock."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Integer, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants import outbox, pools
from tenants.accounts import Account, get_account, get_child
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.boost_terms import Weekly, checked_timing
from tenants.boost_times import Timing, overlap, seats_at
from tenants.database import AccountOwned, Base, enter, entered
from tenants.effects import raise_epoch
from tenants.errors import BoostOverlaps, NotFound, NotInState
from tenants.licences import get_licence, terms
from tenants.outbox import Letter
from tenants.texts import one_line
from tenants.users import active_administrators

State = Literal["planned", "live", "ended"]
#: Planned or live, for one account: all of them are looked through whenever it is asked how many seats there are.
MOST_AT_ONCE = 50


class Boost(AccountOwned, Base):
    """Seats on top of a licence. Boosts of an account never overlap; one that was given is never changed, only ended."""

    __tablename__ = "boosts"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        CheckConstraint("seats >= 1", name="seats"),
        CheckConstraint("ends_at > starts_at", name="dates"),
        CheckConstraint(
            "num_nonnulls(days, from_minute, to_minute) IN (0, 3) AND (days IS NOT NULL OR ends_at IS NOT NULL)", name="weekly"
        ),
        CheckConstraint("from_minute >= 0 AND to_minute > from_minute AND to_minute <= 1440", name="minutes"),
    )

    seats: Mapped[int] = mapped_column()
    starts_at: Mapped[datetime] = mapped_column()
    ends_at: Mapped[datetime | None] = mapped_column()
    days: Mapped[list[int] | None] = mapped_column(ARRAY(Integer), comment="of a weekly pattern: 1 Monday to 7 Sunday")
    from_minute: Mapped[int | None] = mapped_column(comment="of the account's day")
    to_minute: Mapped[int | None] = mapped_column()
    reason: Mapped[str | None] = mapped_column()
    by_account_id: Mapped[UUID | None] = mapped_column()
    by_user_id: Mapped[UUID | None] = mapped_column()
    by_name: Mapped[str] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None] = mapped_column(comment="ended before its time")
    ended_by: Mapped[str | None] = mapped_column()
    ended_by_user_id: Mapped[UUID | None] = mapped_column()

    @property
    def timing(self) -> Timing:
        """When it adds seats, as long as nobody ends it."""
        return Timing(self.seats, self.starts_at, self.ends_at, self.days, self.from_minute, self.to_minute)

    def state_at(self, now: datetime) -> State:
        """Planned until its first date and live until its last, in the pauses of a weekly pattern too."""
        if self.ended_at is not None or (self.ends_at is not None and self.ends_at <= now):
            return "ended"
        return "live" if self.starts_at <= now else "planned"

    @property
    def facts(self) -> dict[str, Any]:
        """For the history, and for whoever asks for another boost at the same time."""
        weekly = {"days": self.days, "from_minute": self.from_minute, "to_minute": self.to_minute} if self.days else None
        return {
            "boost": str(self.id),
            "seats": self.seats,
            "starts_at": self.starts_at.isoformat(),
            "ends_at": self.ends_at.isoformat() if self.ends_at else None,
            "weekly": weekly,
        }


def search_boosts(account_id: UUID) -> Select[Boost]:
    """Every boost of an account, those that are over too."""
    return select(Boost).where(Boost.account_id == account_id)


async def find_current(session: AsyncSession) -> list[Boost]:
    """Boosts of the account entered that are planned or live, the first to begin first."""
    query = search_boosts(entered(session)).where(
        Boost.ended_at.is_(None), or_(Boost.ends_at.is_(None), Boost.ends_at > func.now())
    )
    return list(await session.scalars(query.order_by(Boost.starts_at)))


async def get_boost(session: AsyncSession, boost_id: UUID) -> Boost:
    """A boost of the account entered, over or not; anyone else's is NotFound."""
    boost = await session.scalar(search_boosts(entered(session)).where(Boost.id == boost_id))
    if boost is None:
        raise NotFound
    return boost


def seats_now(boosts: Iterable[Boost], time_zone: str, now: datetime) -> int:
    """The seats that these boosts of an account, none of them over, add at the moment."""
    return seats_at([boost.timing for boost in boosts], time_zone, now)[0]


async def give_boost(
    session: AsyncSession,
    actor: Actor,
    account_id: UUID,
    *,
    seats: int,
    starts_at: datetime | None,
    ends_at: datetime | None,
    weekly: Weekly | None = None,
    reason: str | None = None,
    tell: bool = True,
) -> Boost:
    """More seats for a child of the actor's account, inside its pool as long as the boost is planned and live. Stays in the child.

    Begins now when `starts_at` is None. `ends_at` may be None with `weekly` alone: until it is ended. `tell` false owes no letter about
    the boost: another one says it. Raises Invalid, NotFound, BoostOverlaps, PoolExceeded, and NotInState for a child that is closed
    or has `MOST_AT_ONCE` boosts.
    """
    child = await get_child(session, actor.account_id, account_id)
    if child.status == "closed":
        raise NotInState(state="closed")
    timing = checked_timing(
        seats=seats, starts_at=starts_at, ends_at=ends_at, weekly=weekly, time_zone=child.time_zone, now=await database_now(session)
    )
    boost = Boost(
        account_id=child.id,
        id=uuid7(),
        **timing._asdict(),
        reason=None if reason is None else one_line("reason", reason, longest=300, shortest=0) or None,
        by_account_id=actor.account_id,
        by_user_id=actor.user_id,
        by_name=actor.name,
    )
    await enter(session, child.id)
    await _must_be_alone(session, boost, child.time_zone)
    oversold = await pools.fit(session, actor, child, terms(await get_licence(session)), boost=seats)
    await enter(session, child.id)
    session.add(boost)
    await _write(session, actor, child, Event.BOOST_GIVEN, {**boost.facts, "reason": boost.reason})
    if tell:
        await _mail(session, Letter.BOOST_GIVEN, boost)
    await pools.tell(session, actor, child, oversold)
    return boost


async def end_boost(session: AsyncSession, actor: Actor, account_id: UUID, boost_id: UUID, *, tell: bool = True) -> Boost:
    """End a child's boost before its time: nobody is put out, nobody enters until fewer are at work. Stays in the child.

    Raises NotInState when it is over already.
    """
    child = await get_child(session, actor.account_id, account_id)
    await enter(session, child.id)
    boost = await get_boost(session, boost_id)
    now = await database_now(session)
    if boost.state_at(now) == "ended":
        raise NotInState(state="ended", since=(boost.ended_at or boost.ends_at or now).isoformat())
    boost.ended_at, boost.ended_by, boost.ended_by_user_id = now, actor.name, actor.user_id
    await _write(session, actor, child, Event.BOOST_ENDED, boost.facts)
    if tell:
        await _mail(session, Letter.BOOST_ENDED, boost)
    return boost


async def database_now(session: AsyncSession) -> datetime:
    """The database's clock, by which boosts begin and end."""
    return (await session.execute(select(func.now()))).scalar_one()


async def time_zone_of(session: AsyncSession) -> str:
    """By which clocks the account entered has its weekly patterns."""
    return (await get_account(session, entered(session))).time_zone


async def _must_be_alone(session: AsyncSession, boost: Boost, time_zone: str) -> None:
    # Boosts of one child queue at its row, which is locked: the second one sees the first.
    others = await find_current(session)
    if len(others) >= MOST_AT_ONCE:
        raise NotInState(state="too_many_boosts", max=MOST_AT_ONCE)
    for other in others:
        if overlap(boost.timing, other.timing, time_zone):
            raise BoostOverlaps(**other.facts)


async def _write(session: AsyncSession, actor: Actor, child: Account, event: Event, facts: dict[str, Any]) -> None:
    raise_epoch(session, child.id)
    for account_id in (child.id, actor.account_id):
        await enter(session, account_id)
        record(session, event, by=actor, on=("account", child.id, child.name), **facts)
        await session.flush()
    await enter(session, child.id)


async def _mail(session: AsyncSession, letter: Letter, boost: Boost) -> None:
    for administrator in await active_administrators(session):
        outbox.post(session, letter, to=administrator.id, about=boost.id)
