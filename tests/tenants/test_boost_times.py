"""When boosts add seats: by the clocks of the account's zone, over changes of the clocks, to the minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.boost_times import Timing, next_occurrence, overlap, seats_at

PARIS = "Europe/Paris"
MINUTE = timedelta(minutes=1)
# Where clocks change at different hours, by different amounts, at midnight, or never.
ZONES = ("UTC", PARIS, "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Asia/Beirut")
# The weeks in which each zone above changes its clocks in 2026, and one in which none does.
WEEKS = tuple(datetime(2026, *day, tzinfo=UTC) for day in ((3, 6), (3, 27), (4, 3), (7, 6), (9, 4), (10, 2), (10, 23), (10, 30)))


def moment(text: str) -> datetime:
    """A moment in UTC, such as 2026-03-29T01:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(days: list[int], start: int, end: int, *, since: str = "2026-01-01", until: str | None = None, seats: int = 3) -> Timing:
    return Timing(seats, moment(since), moment(until) if until else None, days, start, end)


def plain(since: str, until: str, seats: int = 3) -> Timing:
    return Timing(seats, moment(since), moment(until), None, None, None)


def counts(timing: Timing, zone: str, now: datetime) -> bool:
    """What the words say, minute by minute: inside the dates, and the clock on the wall shows such a day and minute."""
    if now < timing.starts_at or (timing.ends_at is not None and now >= timing.ends_at):
        return False
    wall = now.astimezone(ZoneInfo(zone))
    if timing.days is None or timing.from_minute is None or timing.to_minute is None:
        return True
    return wall.isoweekday() in timing.days and timing.from_minute <= wall.hour * 60 + wall.minute < timing.to_minute


@st.composite
def timings(draw: st.DrawFn, week: datetime) -> Timing:
    starts = week + timedelta(minutes=draw(st.integers(-3000, 8000)))
    if draw(st.booleans()):
        return Timing(draw(st.integers(1, 9)), starts, starts + draw(st.integers(1, 6000)) * MINUTE, None, None, None)
    start = draw(st.integers(0, 1439) | st.sampled_from((0, 60, 119, 120, 150, 180)))
    end = draw(st.integers(start + 1, 1440) | st.just(1440))
    days = draw(st.lists(st.integers(1, 7), min_size=1, max_size=7, unique=True))
    ends = draw(st.none() | st.integers(1, 9000).map(lambda minutes: starts + minutes * MINUTE))
    return Timing(draw(st.integers(1, 9)), starts, ends, days, start, end)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, datetime, list[Timing]]:
    week = draw(st.sampled_from(WEEKS))
    now = week + timedelta(seconds=draw(st.integers(0, 4 * 86_400)))
    return draw(st.sampled_from(ZONES)), now, draw(st.lists(timings(week), min_size=1, max_size=3))


@given(case=cases())
@settings(max_examples=150, deadline=None)
def test_seats_and_their_next_change_agree_with_a_reckoning_minute_by_minute(case: tuple[str, datetime, list[Timing]]) -> None:
    zone, now, boosts = case

    def expected(at: datetime) -> int:
        return max((boost.seats for boost in boosts if counts(boost, zone, at)), default=0)

    seats, change = seats_at(boosts, zone, now)
    assert seats == expected(now)
    assert change is None or change > now
    # Nothing changes before the change that was told.
    minute = now.replace(second=0, microsecond=0) + MINUTE
    for step in range(3 * 1440):
        at = minute + step * MINUTE
        if change is not None and at >= change:
            break
        assert expected(at) == seats


@given(case=cases())
@settings(max_examples=150, deadline=None)
def test_the_next_window_is_the_first_run_of_minutes_that_count(case: tuple[str, datetime, list[Timing]]) -> None:
    zone, now, (boost, *_) = case
    now = now.replace(second=0)
    found = next_occurrence(boost, zone, now)
    if found is None:
        assert not any(counts(boost, zone, now + step * MINUTE) for step in range(8 * 1440))
        return
    start, end = found
    assert start < end
    assert end > now
    assert counts(boost, zone, start)
    assert counts(boost, zone, end - MINUTE)
    assert not any(counts(boost, zone, now + step * MINUTE) for step in range(int((start - now) / MINUTE)))


@given(case=cases(), other=st.data())
@settings(max_examples=100, deadline=None)
def test_two_boosts_overlap_when_one_minute_counts_for_both(case: tuple[str, datetime, list[Timing]], other: st.DataObject) -> None:
    zone, now, (a, *_) = case
    b = other.draw(timings(now.replace(second=0)))
    last = max(a.starts_at, b.starts_at) + timedelta(days=15)
    first = min(a.starts_at, b.starts_at)
    both = any(
        counts(a, zone, first + step * MINUTE) and counts(b, zone, first + step * MINUTE)
        for step in range(int((last - first) / MINUTE))
    )
    assert overlap(a, b, zone) == both
    assert overlap(b, a, zone) == both


@pytest.mark.parametrize(
    ("now", "seats", "change"),
    [
        ("2026-07-06T05:59", 0, "2026-07-06T06:00"),
        ("2026-07-06T06:00", 3, "2026-07-06T10:00"),
        ("2026-07-06T09:59", 3, "2026-07-06T10:00"),
        ("2026-07-06T10:00", 0, "2026-07-13T06:00"),
        # Eight in the morning is seven by Greenwich in winter.
        ("2026-12-07T06:59", 0, "2026-12-07T07:00"),
        ("2026-12-07T07:00", 3, "2026-12-07T11:00"),
    ],
)
def test_monday_from_eight_to_twelve_follows_the_clock_on_the_wall(now: str, seats: int, change: str) -> None:
    assert seats_at([weekly([1], 480, 720)], PARIS, moment(now)) == (seats, moment(change))


def test_a_window_that_the_clocks_cut_short_is_an_hour_shorter() -> None:
    sunday = weekly([7], 60, 240)
    assert next_occurrence(sunday, PARIS, moment("2026-03-28T12:00")) == (moment("2026-03-29T00:00"), moment("2026-03-29T02:00"))


def test_a_window_that_the_clocks_jump_over_does_not_happen_that_day() -> None:
    skipped = weekly([7], 120, 180)
    assert next_occurrence(skipped, PARIS, moment("2026-03-28T12:00")) == (moment("2026-04-05T00:00"), moment("2026-04-05T01:00"))
    assert next_occurrence(skipped._replace(ends_at=moment("2026-04-04T00:00")), PARIS, moment("2026-03-28T12:00")) is None


def test_a_window_over_the_hour_shown_twice_is_an_hour_longer() -> None:
    sunday = weekly([7], 60, 240)
    assert next_occurrence(sunday, PARIS, moment("2026-10-24T12:00")) == (moment("2026-10-24T23:00"), moment("2026-10-25T03:00"))


def test_minutes_shown_twice_count_twice() -> None:
    twice = weekly([7], 120, 150)
    assert [
        seats_at([twice], PARIS, moment(f"2026-10-25T{time}"))[0] for time in ("00:00", "00:29", "00:30", "01:00", "01:29", "01:30")
    ] == [3, 3, 0, 3, 3, 0]


def test_a_day_ends_at_midnight_and_sunday_goes_over_into_monday() -> None:
    evening = weekly([7], 1320, 1440)
    morning = weekly([1], 0, 60, seats=5)
    both = [evening, morning]
    assert seats_at(both, PARIS, moment("2026-07-05T21:59")) == (3, moment("2026-07-05T22:00"))
    assert seats_at(both, PARIS, moment("2026-07-05T22:00")) == (5, moment("2026-07-05T23:00"))
    assert seats_at(both, PARIS, moment("2026-07-05T23:00")) == (0, moment("2026-07-12T20:00"))
    assert not overlap(evening, morning, PARIS)


def test_dates_cut_a_window_at_both_ends() -> None:
    cut = weekly([1], 480, 720, since="2026-07-06T07:00", until="2026-07-06T08:30")
    assert next_occurrence(cut, PARIS, moment("2026-07-01T00:00")) == (moment("2026-07-06T07:00"), moment("2026-07-06T08:30"))
    assert next_occurrence(cut, PARIS, moment("2026-07-06T08:30")) is None
    assert seats_at([cut], PARIS, moment("2026-07-06T08:30")) == (0, None)


def test_boosts_that_follow_each_other_do_not_overlap() -> None:
    assert not overlap(plain("2026-07-01T00:00", "2026-07-02T00:00"), plain("2026-07-02T00:00", "2026-07-03T00:00"), PARIS)
    assert overlap(plain("2026-07-01T00:00", "2026-07-02T00:01"), plain("2026-07-02T00:00", "2026-07-03T00:00"), PARIS)


def test_patterns_on_other_days_or_hours_do_not_overlap() -> None:
    assert not overlap(weekly([1, 3], 480, 720), weekly([2, 4], 480, 720), PARIS)
    assert not overlap(weekly([1], 480, 720), weekly([1], 720, 900), PARIS)
    assert overlap(weekly([1], 480, 721), weekly([1], 720, 900), PARIS)
    # From Tuesday to Sunday there is no Monday.
    assert not overlap(weekly([1], 480, 720), plain("2026-07-07T00:00", "2026-07-12T22:00"), PARIS)
