"""The life of a licence: before its first day, running, read-only for a week after its last, then over; all on the account's clocks."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

Phase = Literal["not_started", "running", "grace", "over"]

#: Days after the last one in which everybody may still look at everything.
GRACE = timedelta(days=7)
#: Phases in which everybody may enter; in the others administrators alone.
OPEN_TO_ALL: frozenset[Phase] = frozenset({"running", "grace"})


class Stage(NamedTuple):
    """A phase, and the moment at which another one follows; None when none does."""

    phase: Phase
    changes_at: datetime | None


def stage_at(starts_on: date, ends_on: date | None, time_zone: str, moment: datetime) -> Stage:
    """Where a licence stands at the moment. `ends_on` is its last day, None when it has none."""
    begins = day_begins(starts_on, time_zone)
    if moment < begins:
        return Stage("not_started", begins)
    if ends_on is None:
        return Stage("running", None)
    ends = licence_end(ends_on, time_zone)
    if moment < ends:
        return Stage("running", ends)
    over = grace_end(ends_on, time_zone)
    return Stage("grace", over) if moment < over else Stage("over", None)


def licence_end(ends_on: date, time_zone: str) -> datetime:
    """The first moment after the licence's last day."""
    return day_begins(ends_on + timedelta(days=1), time_zone)


def grace_end(ends_on: date, time_zone: str) -> datetime:
    """The first moment at which administrators alone may enter."""
    return day_begins(ends_on + timedelta(days=1) + GRACE, time_zone)


def day_begins(day: date, time_zone: str) -> datetime:
    """The first moment of a day in the zone: midnight, or when the clocks skip it, the moment they do."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


def day_of(moment: datetime, time_zone: str) -> date:
    """The day that clocks in the zone show at the moment."""
    return moment.astimezone(ZoneInfo(time_zone)).date()
