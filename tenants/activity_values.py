"""How facts of the history are told: moments on the reader's clock, roles and rights by their labels, people by their names of today."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.core import Locale
from babel.dates import format_date, get_day_names

from tenants.activity_vocabulary import VOCABULARY
from tenants.catalogue import Catalogue
from tenants.languages import customs, written_day

#: What users, departments and own roles are called now, by their ids.
Names = Mapping[str, str]
_PSEUDONYM = re.compile(r"deleted-([0-9a-f]{12})")
_KNOWN_DAYS = 4096
# What is said of somebody or something whose name is not there.
_UNKNOWN = {
    "user": {"fr": "une personne inconnue", "en": "somebody unknown"},
    "role": {"fr": "un rôle supprimé", "en": "a deleted role"},
    "department": {"fr": "un département inconnu", "en": "an unknown department"},
}
_DELETED = {"fr": "utilisateur supprimé {}", "en": "deleted user {}"}
_AT = {"fr": "{} à {:%H:%M}", "en": "{} at {:%H:%M}"}
_FROM_TO = {"fr": "{} de {} à {}", "en": "{} from {} to {}"}
_COLON = {"fr": "\N{NO-BREAK SPACE}: ", "en": ": "}


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """To whom lines are told: in which language, by which clock, and with the labels of which catalogue."""

    language: str
    time_zone: str
    catalogue: Catalogue


def told(kind: str, value: Any, reader: Reader, names: Names) -> str | None:
    """A fact in the reader's words; None when there is nothing to tell."""
    if value is None or value == []:
        return None
    teller = _TELLERS.get(kind)
    if teller is not None:
        return teller(value, reader, names)
    words = VOCABULARY.words.get(kind, {})
    if isinstance(value, list):
        return ", ".join(words.get(str(each), {}).get(reader.language, str(each)) for each in value)
    found = words.get(str(value).lower() if isinstance(value, bool) else str(value))
    return None if found is None else found[reader.language]


def person_called(name: str, reader: Reader) -> str:
    """A name as it is shown: a deleted user's pseudonym in the reader's words."""
    pseudonym = _PSEUDONYM.fullmatch(name) if name.startswith("deleted-") else None
    return name if pseudonym is None else _DELETED[reader.language].format(pseudonym[1])


def unknown(what: str, reader: Reader) -> str:
    """What is said in place of the name of a `user`, a `role` or a `department` that nobody knows."""
    return _UNKNOWN[what][reader.language]


def role_called(key: str, reader: Reader, names: Names) -> str:
    """The label of a built-in role, or the name of the account's own."""
    built_in = reader.catalogue.roles.get(key)
    return built_in.label[reader.language] if built_in else names.get(key) or unknown("role", reader)


def _text(value: Any, reader: Reader, _: Names) -> str | None:
    # Words that were erased, or never said, are none.
    return person_called(str(value), reader) or None


def _number(value: Any, _: Reader, __: Names) -> str:
    return str(value)


def _moment(value: Any, reader: Reader, _: Names) -> str:
    there = datetime.fromisoformat(value).astimezone(ZoneInfo(reader.time_zone))
    return _AT[reader.language].format(_written(there.date(), reader.language), there)


def _day(value: Any, reader: Reader, _: Names) -> str:
    return _written(date.fromisoformat(value), reader.language)


def _month(value: Any, reader: Reader, _: Names) -> str:
    first = date.fromisoformat(f"{value[:7]}-01")
    return format_date(first, "MMMM y", locale=customs(reader.language))


@lru_cache(maxsize=_KNOWN_DAYS)
def _written(day: date, language: str) -> str:
    return written_day(day, language)


def _user(value: Any, reader: Reader, names: Names) -> str:
    return person_called(names.get(value) or unknown("user", reader), reader)


def _users(value: Any, reader: Reader, names: Names) -> str:
    return ", ".join(_user(each, reader, names) for each in value)


def _role(value: Any, reader: Reader, names: Names) -> str:
    return role_called(value, reader, names)


def _departments(value: Any, reader: Reader, names: Names) -> str:
    return ", ".join(names.get(each) or unknown("department", reader) for each in value)


def _sections(value: Any, reader: Reader, _: Names) -> str:
    labels = {section.key: section.label[reader.language] for section in reader.catalogue.sections}
    return ", ".join(labels.get(each, each) for each in value)


def _rights(value: Any, reader: Reader, _: Names) -> str:
    labels = {section.key: section.label[reader.language] for section in reader.catalogue.sections}
    actions, said = reader.catalogue.actions, []
    for right in value:
        section, _, action = right.partition(".")
        said.append(
            f"{labels.get(section, section)}{_COLON[reader.language]}{actions.get(action, {}).get(reader.language, action)}"
        )
    return ", ".join(said)


def _plan(value: Any, reader: Reader, _: Names) -> str:
    plan = reader.catalogue.plans.get(value)
    return value if plan is None else plan.label[reader.language]


def _language(value: Any, reader: Reader, _: Names) -> str:
    return Locale(value).get_language_name(reader.language) or str(value)


def _weekly(value: Any, reader: Reader, _: Names) -> str:
    names = get_day_names("wide", locale=customs(reader.language))
    days = ", ".join(names[day - 1] for day in value["days"])
    clocks = (f"{minute // 60:02}:{minute % 60:02}" for minute in (value["from_minute"], value["to_minute"]))
    return _FROM_TO[reader.language].format(days, *clocks)


def _untold(_: Any, __: Reader, ___: Names) -> None:
    return None


_TELLERS: dict[str, Callable[[Any, Reader, Names], str | None]] = {
    "text": _text,
    "number": _number,
    "moment": _moment,
    "day": _day,
    "month": _month,
    "user": _user,
    "users": _users,
    "role": _role,
    "departments": _departments,
    "sections": _sections,
    "rights": _rights,
    "plan": _plan,
    "language": _language,
    "weekly": _weekly,
    "id": _untold,
    "ids": _untold,
    "changes": _untold,
}
