"""What a page of the history is asked for: the filters in its address, what can be chosen for each, and how they are said."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.console.history_words import RESULTS
from service.console.view import View
from tenants.activity_around import Actors, search_actors
from tenants.activity_filters import read_filters
from tenants.activity_search import BY_KEY, SYSTEM, Filters, find_named
from tenants.activity_vocabulary import choices, label_of
from tenants.actors import Actor
from tenants.errors import Invalid


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


FIELDS = ("text", "from", "to", "actor", "action", "result", "target", "ip")
# Of more people, nobody would look through a list: their names are searched for instead.
_MOST_PEOPLE = 200
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LABELS = {
    "text": _("Words"),
    "from": _("First day"),
    "to": _("Last day"),
    "actor": _("Who"),
    "action": _("Action"),
    "result": _("Result"),
    "target": _("What about"),
    "ip": _("Network address"),
}

Option = tuple[str, str]
#: Groups of options, each with its heading; those without one come first.
Groups = list[tuple[str, list[Option]]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address, or a form, asks for. `words` are only those that say something; both days are included."""

    words: Mapping[str, str]
    cursor: str | None = None

    @classmethod
    def of(cls, given: Callable[[str], str | None]) -> "Asked":
        """From wherever each field's words come. A result that is none is as if it were not there."""
        words = {name: text for name in FIELDS if (text := (given(name) or "").strip())}
        if words.get("result") not in RESULTS:
            words.pop("result", None)
        return cls(words, given("cursor") or None)

    def only(self, *names: str) -> "Asked":
        """Without the filters that a page does not have."""
        return replace(self, words={name: text for name, text in self.words.items() if name in names})

    def word(self, name: str) -> str:
        """As typed; "" for nothing."""
        return self.words.get(name, "")

    @property
    def narrows(self) -> bool:
        """Whether something may be left out."""
        return bool(self.words)

    def address(self, path: str, **other: str) -> str:
        """A page with the same filters, but for what is said otherwise; the first of its list."""
        wanted = {name: text for name, text in {**self.words, **other}.items() if text}
        return f"{path}?{urlencode(wanted)}" if wanted else path

    async def filters(self, session: AsyncSession) -> Filters:
        """For the domain. Raises Invalid."""
        since, until = self.words.get("from"), self.words.get("to")
        for name in ("from", "to"):
            if name in self.words and not _DAY.fullmatch(self.words[name]):
                raise Invalid(name, "neither_day_nor_moment")
        if since and until and until < since:
            raise Invalid("to", "before_start")
        other: dict[str, Any] = {name: text for name, text in self.words.items() if name not in {"from", "to"}}
        return await read_filters(session, since=since, until=None if until is None else _day_after(until), **other)


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be chosen: people and keys as far as the reader sees their lines, every action by its family, every result."""

    actors: Groups
    actions: Groups
    results: list[Option]
    #: Whether there are too many people to list.
    crowded: bool

    def said(self, view: View, asked: Asked) -> list[tuple[str, str]]:
        """The filters in words: what each is called, and what is chosen."""
        known = {
            "actor": dict(_flat(self.actors)),
            "action": dict(_flat(self.actions)),
            "result": dict(self.results),
        }
        return [(view.say(_LABELS[name]), known.get(name, {}).get(text, text)) for name, text in asked.words.items()]


async def read_choices(view: View, session: AsyncSession, actor: Actor, asked: Asked) -> Choices:
    """For a page that shows the account's history to this reader. What is chosen now is always among them."""
    found = await search_actors(session, departments=actor.departments, viewer=actor.user_id, most=_MOST_PEOPLE)
    actors = _actors(view, found)
    chosen = asked.word("actor")
    if _is_id(chosen) and chosen not in dict(_flat(actors)):
        # Somebody deleted, a visitor, or one of very many: only whoever sees everybody's lines is told a name.
        named = await find_named(session, [chosen]) if actor.departments is None else {}
        actors[0][1].append((chosen, named.get(chosen) or view.say("Somebody")))
    return Choices(actors, action_choices(view, asked.word("action")), result_choices(view), crowded=not found.people)


def action_choices(view: View, chosen: str) -> Groups:
    """Every family, with its events."""
    groups: Groups = [("", [("", view.say("Everything"))])]
    for family, label, events in choices(view.language):
        whole = (family, view.say("%(family)s: everything", family=label))
        groups.append((label, [whole, *events]))
    if chosen and chosen not in dict(_flat(groups)):
        # The vendor's application has verbs of its own.
        groups[0][1].append((chosen, chosen if chosen.startswith("document.") else label_of(chosen, view.language)))
    return groups


def result_choices(view: View) -> list[Option]:
    """Every result."""
    return [("", view.say("All")), *((key, view.say(words)) for key, (_shape, words) in RESULTS.items())]


def _actors(view: View, found: Actors) -> Groups:
    groups: Groups = [("", [("", view.say("Everybody")), (SYSTEM, view.say("Portillon, by itself"))])]
    if found.people:
        groups.append((view.say("People"), [(str(user_id), name) for user_id, name in found.people]))
    if found.keys:
        groups.append((view.say("API keys"), [(f"{BY_KEY}{key_id}", name) for key_id, name in found.keys]))
    return groups


def _flat(groups: Groups) -> list[Option]:
    return [option for _heading, options in groups for option in options]


def _is_id(text: str) -> bool:
    try:
        UUID(text.removeprefix(BY_KEY))
    except ValueError:
        return False
    return True


def _day_after(day: str) -> str:
    # The domain's periods end before their last moment; people mean the whole of the last day.
    try:
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return day
