"""Usage: what the seat scripts counted of an account, day by day, kept for 25 months, and the present day as it stands."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Select, any_, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, array_of, entered
from tenants.seat_figures import Figures

KEPT_MONTHS = 25


class UsageDay(Base):
    """One day of an account's clock, as one life of the counters saw it: Redis may forget them during a day."""

    __tablename__ = "usage_days"
    __table_args__ = (ForeignKeyConstraint(["account_id"], ["accounts.id"]),)

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True, comment="one per life of the counters: Redis may forget them during a day")
    peak: Mapped[int] = mapped_column()
    refused: Mapped[int] = mapped_column()
    sign_ins: Mapped[int] = mapped_column()
    waited_ms: Mapped[int] = mapped_column(BigInteger)
    idle_ms: Mapped[int] = mapped_column(BigInteger)
    taken: Mapped[dict[str, int]] = mapped_column(JSONB, comment="seats taken, by how many were held then")
    avoided: Mapped[dict[str, int]] = mapped_column(JSONB, comment="refusals that so many seats would have avoided, by seats")


@dataclass(frozen=True, slots=True)
class Day:
    """One day. `peak` is the most seats that were held at one instant; `taken` and `avoided` as in UsageDay."""

    day: date
    peak: int = 0
    refused: int = 0
    sign_ins: int = 0
    waited: timedelta = timedelta(0)
    idle: timedelta = timedelta(0)
    taken: Counter[int] = field(default_factory=Counter)
    avoided: Counter[int] = field(default_factory=Counter)

    def __add__(self, other: "Day") -> "Day":
        """Two parts of the same day."""
        return Day(
            self.day,
            max(self.peak, other.peak),
            self.refused + other.refused,
            self.sign_ins + other.sign_ins,
            self.waited + other.waited,
            self.idle + other.idle,
            self.taken + other.taken,
            self.avoided + other.avoided,
        )


def search_days(account_ids: Sequence[UUID], *, since: date, until: date | None = None) -> Select[UsageDay]:
    """What is written down of these accounts, from the day `since` on."""
    query = select(UsageDay).where(UsageDay.account_id == any_(array_of(account_ids)), UsageDay.day >= since)
    return query if until is None else query.where(UsageDay.day <= until)


async def read_days(session: AsyncSession, figures: Figures | None, *, since: date) -> list[Day]:
    """Every day of the account entered on which anything happened, oldest first, with what `figures` tell of this moment."""
    rows = await session.scalars(search_days([entered(session)], since=since))
    return summed(rows, figures, since=since)


def summed(rows: Iterable[UsageDay], figures: Figures | None, *, since: date) -> list[Day]:
    """One account's days from their parts, oldest first. `figures` replace what was written down of the same life earlier."""
    parts = {(row.day, row.part): _of_row(row) for row in rows}
    if figures is not None:
        parts |= {(day, figures.life): _of_figures(day, values) for day, values in figures.by_day.items() if day >= since}
    days: dict[date, Day] = {}
    for (day, _), part in sorted(parts.items(), key=lambda item: item[0]):
        days[day] = days[day] + part if day in days else part
    return list(days.values())


async def write_down(session: AsyncSession, figures: Figures) -> None:
    """Keep the figures of the account entered. The same life again replaces what was kept of it, unless that is newer."""
    if not figures.by_day:
        return
    query = insert(UsageDay).values(
        [
            {"account_id": entered(session), "day": day, "part": figures.life, **_columns(_of_figures(day, values))}
            for day, values in sorted(figures.by_day.items())
        ]
    )
    names = ("peak", "refused", "sign_ins", "waited_ms", "idle_ms")
    # Within one life every figure only grows, so their sum tells which of two readings is the later one.
    before, now = (sum((getattr(of, name) for name in names[1:]), getattr(of, names[0])) for of in (UsageDay, query.excluded))
    changed = {name: getattr(query.excluded, name) for name in (*names, "taken", "avoided")}
    await session.execute(
        query.on_conflict_do_update(index_elements=["account_id", "day", "part"], set_=changed, where=before <= now)
    )


async def forget_old(session: AsyncSession) -> None:
    """Days of the account entered that are older than 25 months go."""
    oldest = func.current_date() - func.make_interval(0, KEPT_MONTHS)
    await session.execute(delete(UsageDay).where(UsageDay.account_id == entered(session), UsageDay.day < oldest))


def _of_row(row: UsageDay) -> Day:
    return Day(
        row.day,
        row.peak,
        row.refused,
        row.sign_ins,
        timedelta(milliseconds=row.waited_ms),
        timedelta(milliseconds=row.idle_ms),
        Counter({int(nth): count for nth, count in row.taken.items()}),
        Counter({int(seats): count for seats, count in row.avoided.items()}),
    )


def _of_figures(day: date, values: dict[str, int]) -> Day:
    return Day(
        day,
        values.get("p", 0),
        values.get("r", 0),
        values.get("s", 0),
        timedelta(milliseconds=values.get("w", 0)),
        timedelta(milliseconds=values.get("i", 0)),
        _counted(values, "t"),
        _counted(values, "a"),
    )


def _counted(values: dict[str, int], kind: str) -> Counter[int]:
    return Counter({int(name[1:]): count for name, count in values.items() if name[0] == kind and name[1:].isdigit()})


def _columns(day: Day) -> dict[str, Any]:
    return {
        "peak": day.peak,
        "refused": day.refused,
        "sign_ins": day.sign_ins,
        "waited_ms": day.waited // timedelta(milliseconds=1),
        "idle_ms": day.idle // timedelta(milliseconds=1),
        "taken": {str(nth): count for nth, count in day.taken.items()},
        "avoided": {str(seats): count for seats, count in day.avoided.items()},
    }
