"""When boosts add seats: from a date to a date, or in a weekly pattern that follows the clocks of the account's time zone."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

FOREVER = datetime.max.replace(tzinfo=UTC)
_DAY = timedelta(days=1)
# A weekly window lasts a day at most, 25 hours where clocks go back: what began before this is over.
_LOOK_BACK = 2 * _DAY
# A window comes again within a week, unless the clocks jump over it: then a week later.
_LOOK_AHEAD = 22 * _DAY


class Timing(NamedTuple):
    """When how many seats are added. Half open: the last moment is no longer one of it."""

    seats: int
    starts_at: datetime
    ends_at: datetime | None
    days: list[int] | None
    """ISO weekdays, 1 Monday to 7 Sunday; None: all the time."""
    from_minute: int | None
    """Of the account's local day."""
    to_minute: int | None
    """Of the account's local day, at most 1440."""


def seats_at(boosts: Sequence[Timing], time_zone: str, now: datetime) -> tuple[int, datetime | None]:
    """The seats that boosts add now, and the first later moment (UTC) at which that may change; None: never.

    Boosts of one account do not overlap. Should a change of time zone push one onto another, the larger counts alone,
    so no account ever has more than its largest boost.
    """
    seats, changes = 0, list[datetime]()
    for timing in boosts:
        found = next_occurrence(timing, time_zone, now)
        if found is None:
            continue
        start, end = found
        if start <= now:
            seats = max(seats, timing.seats)
        changes.append(end if start <= now else start)
    change = min(changes, default=FOREVER)
    return seats, None if change == FOREVER else change


def overlap(a: Timing, b: Timing, time_zone: str) -> bool:
    """Whether both ever add seats at the same moment."""
    shared = Timing(
        seats=0,
        starts_at=max(a.starts_at, b.starts_at),
        ends_at=min((end for end in (a.ends_at, b.ends_at) if end is not None), default=None),
        days=_shared_days(a.days, b.days),
        from_minute=max((minute for minute in (a.from_minute, b.from_minute) if minute is not None), default=None),
        to_minute=min((minute for minute in (a.to_minute, b.to_minute) if minute is not None), default=None),
    )
    return next_occurrence(shared, time_zone, shared.starts_at) is not None


def next_occurrence(timing: Timing, time_zone: str, after: datetime) -> tuple[datetime, datetime] | None:
    """The first window (UTC) that ends after the moment, inside the boost's own dates; it may have begun before. None: no more.

    A window that the clocks jump over does not happen; the hour that they show twice counts twice.
    """
    ends_at = timing.ends_at or FOREVER
    if ends_at <= max(after, timing.starts_at):
        return None
    if timing.days is None:
        return timing.starts_at.astimezone(UTC), ends_at.astimezone(UTC)
    begin = max(timing.starts_at, after - _LOOK_BACK)
    end = min(ends_at, max(timing.starts_at, after) + _LOOK_AHEAD)
    return next((window for window in _windows(timing, ZoneInfo(time_zone), begin, end) if window[1] > after), None)


def _shared_days(a: list[int] | None, b: list[int] | None) -> list[int] | None:
    if a is None or b is None:
        return b if a is None else a
    return [day for day in a if day in b]


def _windows(timing: Timing, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    # What clocks that go back cut in two is one window, unless the clock showed its end in between.
    held: tuple[date, datetime, datetime] | None = None
    for day, start, stop in _pieces(timing, zone, begin, end):
        if held is not None and (held[0], held[2]) == (day, start):
            held = (day, held[1], stop)
            continue
        if held is not None:
            yield held[1], held[2]
        held = (day, start, stop)
    if held is not None:
        yield held[1], held[2]


def _pieces(timing: Timing, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[tuple[date, datetime, datetime]]:
    opens, closes = timedelta(minutes=timing.from_minute or 0), timedelta(minutes=timing.to_minute or 0)
    for first, last, offset in _steady_spans(zone, begin, end):
        # While the offset holds, clocks tick evenly: reckon with what they show, without a zone.
        shown_first, shown_last = ((moment.astimezone(UTC) + offset).replace(tzinfo=None) for moment in (first, last))
        for day in _days_from(shown_first.date(), shown_last.date()):
            midnight = datetime.combine(day, time())
            start, stop = max(midnight + opens, shown_first), min(midnight + closes, shown_last)
            if day.isoweekday() in (timing.days or ()) and start < stop:
                yield day, (start - offset).replace(tzinfo=UTC), (stop - offset).replace(tzinfo=UTC)


def _steady_spans(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    start = moment = begin
    while moment < end:
        later = min(moment + _DAY, end)
        if _offset(zone, later) == _offset(zone, start):
            moment = later
            continue
        change = _change_of_clocks(zone, moment, later)
        yield start, change, _offset(zone, start)
        start = moment = change
    yield start, end, _offset(zone, start)


def _change_of_clocks(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    # Clocks change at whole seconds.
    old, new = int(before.timestamp()), -int(-after.timestamp() // 1)
    kept = _offset(zone, before)
    while new - old > 1:
        middle = (old + new) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == kept:
            old = middle
        else:
            new = middle
    return datetime.fromtimestamp(new, UTC)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _days_from(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)
