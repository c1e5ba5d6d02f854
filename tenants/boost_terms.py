"""What a boost may be: how many seats, from when to when, in which weekly pattern. Everything else is refused with its reason."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from tenants.boost_times import Timing, next_occurrence
from tenants.errors import Invalid
from tenants.licences import BEGINS_WITHIN, LAST_DAY, MOST

# Between a caller's clock and the database's: a boost for now may have been meant for half a minute ago.
_TOLERANCE = timedelta(minutes=1)
_LAST_MOMENT = datetime.combine(LAST_DAY, time(), UTC)
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Weekly:
    """A window of some days of every week, 1 Monday to 7 Sunday, on the clocks of the account; minutes of the day, 1440 is its end."""

    days: list[int]
    from_minute: int
    to_minute: int


def checked_timing(
    *, seats: int, starts_at: datetime | None, ends_at: datetime | None, weekly: Weekly | None, time_zone: str, now: datetime
) -> Timing:
    """The timing of a new boost; it begins now unless it says when, and only a weekly one may have no end. Raises Invalid."""
    if not 1 <= seats <= MOST:
        raise Invalid("seats", "out_of_range", min=1, max=MOST)
    starts_at = _checked_start(starts_at or now, now)
    if ends_at is not None:
        _check_end(ends_at, starts_at, now)
    elif weekly is None:
        raise Invalid("ends_at", "required")
    if weekly is None:
        return Timing(seats, starts_at, ends_at, None, None, None)
    _check_weekly(weekly)
    timing = Timing(seats, starts_at, ends_at, sorted(weekly.days), weekly.from_minute, weekly.to_minute)
    if next_occurrence(timing, time_zone, max(now, starts_at)) is None:
        raise Invalid("weekly", "never_happens")
    return timing


def _checked_start(starts_at: datetime, now: datetime) -> datetime:
    if starts_at < now - _TOLERANCE:
        raise Invalid("starts_at", "in_the_past", now=now.isoformat())
    if starts_at > now + BEGINS_WITHIN:
        raise Invalid("starts_at", "out_of_range", min=now.isoformat(), max=(now + BEGINS_WITHIN).isoformat())
    return starts_at


def _check_end(ends_at: datetime, starts_at: datetime, now: datetime) -> None:
    if ends_at <= now:
        raise Invalid("ends_at", "in_the_past", now=now.isoformat())
    if ends_at <= starts_at:
        raise Invalid("ends_at", "before_start")
    if ends_at > _LAST_MOMENT:
        raise Invalid("ends_at", "out_of_range", min=now.isoformat(), max=_LAST_MOMENT.isoformat())


def _check_weekly(weekly: Weekly) -> None:
    if not weekly.days:
        raise Invalid("weekly.days", "required")
    if not set(weekly.days) <= set(range(1, 8)):
        raise Invalid("weekly.days", "unknown")
    if len(set(weekly.days)) < len(weekly.days):
        raise Invalid("weekly.days", "repeated")
    if not 0 <= weekly.from_minute < _DAY:
        raise Invalid("weekly.from", "out_of_range", min="00:00", max="23:59")
    if not 0 <= weekly.to_minute <= _DAY:
        raise Invalid("weekly.to", "out_of_range", min="00:00", max="24:00")
    if weekly.to_minute <= weekly.from_minute:
        raise Invalid("weekly.to", "before_start")
