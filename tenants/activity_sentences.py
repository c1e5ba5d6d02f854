"""Lines of the history as people read them: a sentence, and what a change changed, in the reader's language."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from tenants.activity_values import Names, Reader, person_called, role_called, told, unknown
from tenants.activity_vocabulary import ANYTHING, ITSELF, VOCABULARY, Entry, Field, family_of

# Beyond this a value stands beside the sentence, not in it.
_LONGEST_VALUE = 60
_NOTHING = "–"
_OWN_WORDS = {
    # Whom the account does not name to this reader.
    "somebody": {"fr": "quelqu’un", "en": "somebody"},
    "system": {"fr": "le système", "en": "the system"},
    "api_key": {"fr": "la clé d’API «\N{NO-BREAK SPACE}{}\N{NO-BREAK SPACE}»", "en": "the API key “{}”"},
}
_PARTS = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_PIECES = re.compile(r"\{(\w+)(?::([^{}|]+)\|([^{}|]+))?\}|([^{}]+)")
_VOWELS = frozenset("aàâäeéèêëiîïoôöuùûühœæAÀÂÄEÉÈÊËIÎÏOÔÖUÙÛÜHŒÆ")
_UNREADABLE: dict[str, Any] = {}


class Line(Protocol):
    """Columns of `Activity`, however they were read."""

    @property
    def event(self) -> str: ...
    @property
    def actor_kind(self) -> str: ...
    @property
    def actor_user_id(self) -> UUID | None: ...
    @property
    def actor_name(self) -> str | None: ...
    @property
    def actor_email(self) -> str | None: ...
    @property
    def actor_account_name(self) -> str | None: ...
    @property
    def target_type(self) -> str | None: ...
    @property
    def target_id(self) -> str | None: ...
    @property
    def target_label(self) -> str | None: ...
    @property
    def facts(self) -> Any: ...


class Change(NamedTuple):
    """One thing that a change changed. `before` and `after` are None where there was nothing, and nothing is called otherwise."""

    field: str
    label: str
    before: str | None
    after: str | None


_Teller = Callable[[Line, Reader, Names], str | None]


def sentence(line: Line, reader: Reader, names: Names) -> str:
    """Who did what to what, in one sentence without a full stop. `names` are those of the ids that `named_in` gives."""
    entry = _entry_of(line.event)
    case = None
    if entry.by is not None:
        value = line.target_type if entry.by == "target_type" else _facts(line).get(entry.by)
        case = value if isinstance(value, str) and value in entry.cases else None
    said = []
    for needs_all, pieces in _compiled(entry.event, case, reader.language):
        words = [piece if isinstance(piece, str) else piece(line, reader, names) for piece in pieces]
        if not needs_all:
            said.append("".join([word or _NOTHING for word in words]))
        elif all(words):
            said.append("".join(words))  # type: ignore[arg-type]  # none is None
    return "".join(said)


def changes(line: Line, reader: Reader, names: Names) -> list[Change]:
    """What a change changed, in words; empty for whatever is no change."""
    entry, facts = _entry_of(line.event), _facts(line)
    before, after = facts.get("before"), facts.get("after")
    if ITSELF in entry.fields:
        return [_change(ITSELF, entry.fields[ITSELF], (before, after), reader, names)]
    sides = tuple(side if isinstance(side, dict) else {} for side in (before, after))
    found = []
    for name in [*entry.fields, *sorted((sides[0].keys() | sides[1].keys()) - entry.fields.keys())]:
        old, new = (side.get(name) for side in sides)
        if old != new:
            field = entry.fields.get(name) or Field({reader.language: name}, "text", {})
            found.append(_change(name, field, (old, new), reader, names))
    return found if entry.fields else []


def named_in(line: Line) -> Iterator[str]:
    """Ids of users, departments and own roles that the line names by their id alone: their names are looked up when it is shown."""
    entry, facts = _entry_of(line.event), _facts(line)
    if line.target_type == "user" and not line.target_label and line.target_id:
        yield line.target_id
    for name, kind in (entry.facts or {}).items():
        if name in facts and kind in _NAMES:
            yield from _ids(facts[name])
    for side in ("before", "after"):
        if isinstance(values := facts.get(side), dict):
            for name, value in values.items():
                if name in entry.fields and entry.fields[name].kind in _NAMES:
                    yield from _ids(value)


def actor_of(line: Line, reader: Reader) -> str:
    """Who did it, with the account from which a visitor or a seller comes."""
    if line.actor_kind in _OWN_WORDS:
        return _OWN_WORDS[line.actor_kind][reader.language].format(line.actor_name)
    name = line.actor_name or line.actor_email
    shown = unknown("user", reader) if name is None else person_called(name, reader)
    return f"{shown} ({line.actor_account_name})" if line.actor_account_name else shown


def target_of(line: Line, reader: Reader, names: Names) -> str | None:
    """What it was done to; None for a line about nothing."""
    label = line.target_label or names.get(line.target_id or "")
    if label and line.target_type == "role" and label in reader.catalogue.roles:
        return role_called(label, reader, names)
    if label:
        return person_called(label, reader)
    if line.target_type == "user":
        return unknown("user", reader)
    return None if line.target_type == "visit" else line.target_id


_NAMES = frozenset({"user", "users", "role", "departments"})


def _ids(value: Any) -> Iterator[str]:
    yield from [value] if isinstance(value, str) else value or ()


def _facts(line: Line) -> Mapping[str, Any]:
    return line.facts if isinstance(line.facts, dict) else _UNREADABLE


def _entry_of(event: str) -> Entry:
    # A line of a later release is told as the vendor's events are that nobody foresaw.
    return VOCABULARY.find_entry(event) or VOCABULARY.entries[f"document.{ANYTHING}"]


def _change(name: str, field: Field, values: tuple[Any, Any], reader: Reader, names: Names) -> Change:
    none = field.none.get(reader.language)
    old, new = (told(field.kind, value, reader, names) or none for value in values)
    return Change(name, field.label[reader.language], old, new)


@cache
def _compiled(event: str, case: str | None, language: str) -> tuple[tuple[bool, tuple[str | _Teller, ...]], ...]:
    # The parts of a sentence; of those in brackets, every piece must have something to say.
    entry = VOCABULARY.entries[event]
    text = (entry.sentences if case is None else entry.cases[case])[language]
    parts = []
    for part in _PARTS.finditer(text):
        optional, plain = part.groups()
        pieces = _pieces(entry, plain if optional is None else optional, language, begins=part.start() == 0)
        parts.append((optional is not None, tuple(pieces)))
    return tuple(parts)


def _pieces(entry: Entry, text: str, language: str, *, begins: bool) -> Iterator[str | _Teller]:
    before = ""
    for piece in _PIECES.finditer(text):
        name, one, many, literal = piece.groups()
        if literal is not None:
            before = literal
            # What comes next decides between `de` and its other forms.
            yield literal.removesuffix("de ") if _elides(literal, language) else literal
            continue
        teller = _teller(entry, name, one, many, first=begins and piece.start() == 0)
        yield _after_de(teller) if _elides(before, language) else teller
        before = ""


def _elides(literal: str, language: str) -> bool:
    return language == "fr" and (literal == "de " or literal.endswith(" de "))


def _after_de(teller: _Teller) -> _Teller:
    def with_de(line: Line, reader: Reader, names: Names) -> str | None:
        said = teller(line, reader, names)
        if said is None:
            return None
        if said == _OWN_WORDS["system"]["fr"]:
            return f"du {said.removeprefix('le ')}"
        return f"d’{said}" if said[:1] in _VOWELS else f"de {said}"

    return with_de


def _teller(entry: Entry, name: str, one: str | None, many: str | None, *, first: bool) -> _Teller:
    if name in _TELLERS:
        return _capital(_TELLERS[name]) if first else _TELLERS[name]
    kind = (entry.facts or {}).get(name, "text")
    if one is None or many is None:
        return lambda line, reader, names: told(kind, _facts(line).get(name), reader, names)

    def counted(line: Line, _: Reader, __: Names) -> str | None:
        number = _facts(line).get(name)
        return f"{number} {one if number == 1 else many}" if isinstance(number, int) and number else None

    return counted


def _capital(teller: _Teller) -> _Teller:
    # Words of ours begin a sentence with a capital; names and addresses stay as they are.
    def begin(line: Line, reader: Reader, names: Names) -> str | None:
        said = teller(line, reader, names)
        if not said or not said[0].islower():
            return said
        theirs = tuple(
            name for name in (line.actor_name, line.actor_email, line.target_label, names.get(line.target_id or "")) if name
        )
        return said if said.startswith(theirs) else said[0].upper() + said[1:]

    return begin


def _person(line: Line, reader: Reader, _: Names) -> str | None:
    return None if line.actor_kind == "system" else actor_of(line, reader)


def _other(line: Line, reader: Reader, names: Names) -> str | None:
    return None if line.target_id == str(line.actor_user_id) else target_of(line, reader, names)


def _what_changed(line: Line, reader: Reader, names: Names) -> str | None:
    # Where only one thing can change, the sentence has named it.
    alone = len(_entry_of(line.event).fields) == 1
    said = []
    for change in changes(line, reader, names):
        label = change.label if change.label[1:2].isupper() else change.label[0].lower() + change.label[1:]
        old, new = change.before or _NOTHING, change.after or _NOTHING
        values = f"{old} → {new}" if len(old) <= _LONGEST_VALUE and len(new) <= _LONGEST_VALUE else None
        said.append(values or "" if alone else f"{label} ({values})" if values else label)
    return ", ".join(said) or None


def _verb(line: Line, _: Reader, __: Names) -> str:
    return line.event.removeprefix("document.") if family_of(line.event) == "document" else line.event


_TELLERS: dict[str, _Teller] = {
    "actor": lambda line, reader, _: actor_of(line, reader),
    "target": target_of,
    "person": _person,
    "other": _other,
    "changes": _what_changed,
    "verb": _verb,
}
