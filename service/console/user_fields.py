"""What forms about users say, read: a role, departments, days of a suspension. Days are those of the account's clocks."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from service.console.forms import Fields
from tenants.errors import Invalid
from tenants.licence_phases import day_begins, licence_end
from tenants.licences import FIRST_DAY, LAST_DAY


def departments_of(fields: Fields) -> list[UUID] | None:
    """Those that are ticked, None for all of them. Raises Invalid when some are wanted and none is ticked."""
    if fields.text("where") != "some":
        return None
    return [_uuid(text) for text in fields.several("department")]


def suspension_of(fields: Fields, zone: str) -> dict[str, Any]:
    """When it begins (None is at once), when it ends (None is when somebody ends it), and why. The last day is part of it."""
    since, last = _day(fields, "suspended_from"), _day(fields, "suspended_until")
    return {
        "since": None if since is None else day_begins(since, zone),
        "until": None if last is None else licence_end(last, zone),
        "reason": fields.text("reason").strip() or None,
    }


def last_day(until: datetime | None, zone: str) -> str:
    """The day that a form shows for the end of a suspension, as `suspension_of` reads it; empty for none."""
    if until is None:
        return ""
    return (until.astimezone(ZoneInfo(zone)) - timedelta(microseconds=1)).date().isoformat()


def first_day(since: datetime | None, zone: str) -> str:
    """The day that a form shows for the beginning of a suspension."""
    return "" if since is None else since.astimezone(ZoneInfo(zone)).date().isoformat()


def number_of(fields: Fields, name: str) -> int | None:
    """A whole number, None for none. Raises Invalid."""
    text = fields.text(name).strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Invalid(name, "malformed")
    return int(text)


def _day(fields: Fields, name: str) -> date | None:
    text = fields.text(name).strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(name, "malformed") from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Invalid(name, "out_of_range", min=FIRST_DAY.isoformat(), max=LAST_DAY.isoformat())
    return day


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid("departments", "unknown") from error
