"""Headings and words of the tables that are exported, in the reader's language."""

from collections.abc import Iterable

from service.problems import say
from tenants.client_figures import Reason


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


CLIENTS = (
    _("Client"),
    _("Short name"),
    _("Status"),
    _("Plan"),
    _("Places"),
    _("Places of boosts"),
    _("Places in use now"),
    _("Users"),
    _("Most places in use (30 days)"),
    _("Refusals (30 days)"),
    _("Needs attention"),
    _("Last sign-in (UTC)"),
    _("End of the licence"),
    _("Created (UTC)"),
)
USE = (
    _("Client"),
    _("Short name"),
    _("Places"),
    _("Most places in use"),
    _("Refusals"),
    _("Sign-ins"),
    _("Minutes waited"),
    _("Minutes of idle places"),
    _("Needs attention"),
)
DAYS = (
    _("Day"),
    _("Most places in use"),
    _("Refusals"),
    _("Sign-ins"),
    _("Minutes waited"),
    _("Minutes of idle places"),
)
STATUSES = {"active": _("Active"), "suspended": _("Suspended"), "closed": _("Closed")}
REASONS: dict[Reason, str] = {
    "refusals": _("Sign-ins refused"),
    "near_cap": _("Almost all places in use"),
    "licence_ending": _("Licence ending"),
    "no_sign_in": _("No sign-in for 30 days"),
}


def headings(language: str, texts: Iterable[str]) -> list[str]:
    """The first line of a table."""
    return [say(language, text) for text in texts]


def reasons(language: str, found: Iterable[Reason]) -> str:
    """Why a client needs attention, in one cell."""
    return ", ".join(say(language, REASONS[reason]) for reason in found)
