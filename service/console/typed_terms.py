"""Numbers, days and hours as forms send them: read strictly, and what is wrong named by its field."""

import re
from datetime import date

from service.console.forms import Fields
from tenants.errors import Invalid

_NUMBER = re.compile(r"[0-9]{1,9}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def number(fields: Fields, name: str) -> int | None:
    """A whole number; None for an empty field."""
    text = fields.text(name).strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise Invalid(name, "number")
    return int(text)


def needed_number(fields: Fields, name: str) -> int:
    """A whole number that must be there."""
    found = number(fields, name)
    if found is None:
        raise Invalid(name, "number")
    return found


def day(fields: Fields, name: str) -> date | None:
    """A day; None for an empty field."""
    text = fields.text(name).strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(name, "day") from error


def minute(fields: Fields, name: str) -> int:
    """A time of day as minutes since midnight."""
    found = _CLOCK.fullmatch(fields.text(name).strip())
    if found is None:
        raise Invalid(name, "malformed")
    return int(found[1]) * 60 + int(found[2])
