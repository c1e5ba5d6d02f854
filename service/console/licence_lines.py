"""Licences and boosts in words: a change as what it was and what it is, a boost as when it gives how many places."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from babel.dates import get_day_names

from service.console.client_words import FIELD_LABELS, written_terms
from service.console.view import View
from tenants import boosts
from tenants.boosts import Boost
from tenants.catalogue import Catalogue
from tenants.licences import LicenceChange

_DAYS = frozenset({"starts_on", "ends_on"})


def change_line(view: View, catalogue: Catalogue, change: LicenceChange, accounts: Mapping[UUID, str]) -> dict[str, Any]:
    """One line of a licence's history; `accounts` names those that its changers work in."""
    before, after = change.before or {}, change.after
    differs = [name for name in FIELD_LABELS if name in after and change.before and before.get(name) != after[name]]
    return {
        "at": change.at,
        "by": change.by_name,
        "account": accounts.get(change.by_account_id) if change.by_account_id else None,
        "reason": change.reason,
        "first": change.before is None,
        "changes": [
            (
                view.say(FIELD_LABELS[name]),
                written_term(view, catalogue, name, before.get(name)),
                written_term(view, catalogue, name, after[name]),
            )
            for name in differs
        ],
    }


def boost_line(view: View, boost: Boost, time_zone: str, now: datetime) -> dict[str, Any]:
    """One boost of an account with these clocks, as it is at the moment."""
    state = boost.state_at(now)
    names = weekdays(view.language)
    return {
        "boost": boost,
        "state": state,
        "adds_now": state == "live" and boosts.seats_now([boost], time_zone, now) > 0,
        "days": ", ".join(names[each] for each in boost.days or ()),
        "hours": tuple(f"{each // 60:02}:{each % 60:02}" for each in (boost.from_minute or 0, boost.to_minute or 0)),
        "until": boost.ended_at or boost.ends_at,
    }


def weekdays(language: str) -> dict[int, str]:
    """The days of a week from Monday, by their numbers in a boost."""
    # Babel counts from Monday at 0, boosts from 1.
    names = get_day_names("wide", locale=language)
    return {number + 1: str(names[number]) for number in range(7)}


def written_term(view: View, catalogue: Catalogue, name: str, value: Any) -> Any:
    """A term as it is kept in a history, as people read it; days are days again, which templates write."""
    if name in _DAYS and isinstance(value, str):
        return date.fromisoformat(value)
    return written_terms(view, catalogue, name, value)
