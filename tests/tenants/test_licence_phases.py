"""The life of a licence on its account's clocks: every edge, where clocks change too, and what remains of each right."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tenants.catalogue import load_catalogue
from tenants.licence_notices import due_notices
from tenants.licence_phases import day_begins, day_of, grace_end, licence_end, stage_at

PARIS = "Europe/Paris"
CATALOGUE = load_catalogue()
MOMENT = timedelta(microseconds=1)


def at(text: str) -> datetime:
    """A moment, written as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# From 10 January to 31 January 2026, in Paris: an hour ahead of UTC.
BEGINS, ENDS, OVER = at("2026-01-09 23:00"), at("2026-01-31 23:00"), at("2026-02-07 23:00")


@pytest.mark.parametrize(
    ("moment", "phase", "changes_at"),
    [
        (at("2020-01-01"), "not_started", BEGINS),
        (BEGINS - MOMENT, "not_started", BEGINS),
        (BEGINS, "running", ENDS),
        (ENDS - MOMENT, "running", ENDS),
        (ENDS, "grace", OVER),
        (OVER - MOMENT, "grace", OVER),
        (OVER, "over", None),
        (at("2090-01-01"), "over", None),
    ],
)
def test_each_phase_begins_and_ends_to_the_moment(moment: datetime, phase: str, changes_at: datetime | None) -> None:
    assert stage_at(date(2026, 1, 10), date(2026, 1, 31), PARIS, moment) == (phase, changes_at)


def test_a_licence_without_an_end_runs_on() -> None:
    assert stage_at(date(2026, 1, 10), None, PARIS, BEGINS) == ("running", None)
    assert stage_at(date(2026, 1, 10), None, PARIS, BEGINS - MOMENT) == ("not_started", BEGINS)


def test_a_licence_of_one_day_lasts_that_day() -> None:
    day = date(2026, 1, 10)
    assert stage_at(day, day, PARIS, BEGINS) == ("running", at("2026-01-10 23:00"))
    assert stage_at(day, day, PARIS, at("2026-01-10 23:00")).phase == "grace"


@pytest.mark.parametrize(
    ("zone", "last_day", "ends", "hours_of_grace"),
    [
        # Clocks go forward on 29 March 2026 and back on 25 October: such a week lasts an hour less, or more.
        (PARIS, date(2026, 3, 27), at("2026-03-27 23:00"), 7 * 24 - 1),
        (PARIS, date(2026, 3, 28), at("2026-03-28 23:00"), 7 * 24 - 1),
        (PARIS, date(2026, 3, 29), at("2026-03-29 22:00"), 7 * 24),
        (PARIS, date(2026, 10, 24), at("2026-10-24 22:00"), 7 * 24 + 1),
        (PARIS, date(2026, 10, 25), at("2026-10-25 23:00"), 7 * 24),
        ("Asia/Tokyo", date(2026, 3, 28), at("2026-03-28 15:00"), 7 * 24),
        ("Pacific/Kiritimati", date(2026, 12, 31), at("2026-12-31 10:00"), 7 * 24),
        ("America/Los_Angeles", date(2026, 12, 31), at("2027-01-01 08:00"), 7 * 24),
    ],
)
def test_days_are_those_of_the_accounts_clocks(zone: str, last_day: date, ends: datetime, hours_of_grace: int) -> None:
    assert licence_end(last_day, zone) == ends
    assert grace_end(last_day, zone) - ends == timedelta(hours=hours_of_grace)
    assert stage_at(date(2026, 1, 1), last_day, zone, ends - MOMENT).phase == "running"
    assert stage_at(date(2026, 1, 1), last_day, zone, ends).phase == "grace"


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        # In Cairo clocks jump from midnight to one o'clock on 24 April 2026; in Havana midnight comes twice on 1 November.
        ("Africa/Cairo", date(2026, 4, 24), at("2026-04-23 22:00")),
        ("America/Havana", date(2026, 11, 1), at("2026-11-01 04:00")),
    ],
)
def test_a_day_begins_once_though_its_midnight_is_missing_or_doubled(zone: str, day: date, begins: datetime) -> None:
    assert day_begins(day, zone) == begins
    assert day_of(begins, zone) == day
    assert day_of(begins - MOMENT, zone) == day - timedelta(days=1)


def test_the_furthest_days_can_be_reckoned_with() -> None:
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles"):
        assert stage_at(date(2000, 1, 1), date(2999, 12, 31), zone, BEGINS).phase == "running"


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        (at("2025-12-31 22:59"), []),
        (at("2025-12-31 23:00"), [30]),
        (at("2026-01-16 22:59"), [30]),
        (at("2026-01-16 23:00"), [14, 30]),
        (at("2026-01-23 22:59"), [14, 30]),
        (at("2026-01-23 23:00"), [7, 14, 30]),
        (at("2026-01-29 22:59"), [7, 14, 30]),
        (at("2026-01-29 23:00"), [1, 7, 14, 30]),
        (at("2026-01-31 22:59"), [1, 7, 14, 30]),
        (at("2026-01-31 23:00"), [0, 1, 7, 14, 30]),
        (at("2026-02-07 22:59"), [0, 1, 7, 14, 30]),
        (at("2026-02-07 23:00"), []),
    ],
)
def test_notices_come_due_day_by_day_the_nearest_first(moment: datetime, due: list[int]) -> None:
    assert due_notices(date(2025, 1, 1), date(2026, 1, 31), PARIS, moment) == due


def test_nothing_is_due_before_a_licence_begins_or_without_an_end() -> None:
    assert due_notices(date(2026, 1, 10), date(2026, 1, 31), PARIS, at("2026-01-09 12:00")) == []
    assert due_notices(date(2026, 1, 10), None, PARIS, at("2026-01-20 12:00")) == []


OURS = {"users", "roles", "departments", "sessions", "activity", "licence", "account", "integrations", "clients", "platform"}


@pytest.mark.parametrize("role", list(CATALOGUE.roles))
@pytest.mark.parametrize("kind", ["operator", "reseller", "client"])
def test_after_the_last_day_only_what_reads_and_our_own_administration_remain(role: str, kind: str) -> None:
    given = {"options": (), "hidden": ()}
    whole = CATALOGUE.effective(kind, role, None, **given)  # type: ignore[arg-type]
    kept = {r for r in whole if r.split(".")[0] in OURS or r.split(".")[1] in {"view", "print", "export", "use"}}
    assert CATALOGUE.effective(kind, role, None, **given, phase="grace") == kept  # type: ignore[arg-type]
    for phase in ("over", "not_started"):
        left = CATALOGUE.effective(kind, role, None, **given, phase=phase)  # type: ignore[arg-type]
        assert left == (kept if role == "administrator" else set())


def test_an_own_role_and_hidden_sections_are_limited_alike() -> None:
    rights = {"invoices.view", "invoices.edit", "users.manage", "reports.export"}
    kept = CATALOGUE.effective("client", "own", rights, options={"custom_roles"}, hidden={"reports"}, phase="grace")
    assert kept == {"invoices.view", "users.manage"}
