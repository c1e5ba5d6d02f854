"""Headings and words of the tables that are exported, in the reader's language."""

from collections.abc import Iterable
from datetime import UTC, datetime

from service.problems import say
from tenants.client_figures import Reason
from tenants.client_lists import Client
from tenants.licence_phases import day_of


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
#: As a filter; of one client, `attention` knows more.
REASONS: dict[Reason, str] = {
    "refusals": _("Sign-ins refused"),
    "near_cap": _("Almost all places in use"),
    "licence_ending": _("Licence ending or ended"),
    "no_sign_in": _("No sign-in for 30 days"),
}
_ENDING, _ENDED = _("Licence ending"), _("Licence ended")


def headings(language: str, texts: Iterable[str]) -> list[str]:
    """The first line of a table."""
    return [say(language, text) for text in texts]


def attention(language: str, client: Client) -> list[str]:
    """Why a client needs attention, most urgent first; whether its licence ends or has ended, by its own calendar."""
    own = {"licence_ending": _ENDED if _has_ended(client) else _ENDING}
    return [say(language, own.get(reason, REASONS[reason])) for reason in client.attention]


def reasons(language: str, client: Client) -> str:
    """The same in one cell."""
    return ", ".join(attention(language, client))


def _has_ended(client: Client) -> bool:
    return client.ends_on is not None and client.ends_on < day_of(datetime.now(UTC), client.time_zone)
