"""The vocabulary of the history: every event with its words, what it may be about and the facts that it carries, read from TOML."""

import re
import tomllib
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from tenants.catalogue import LANGUAGES

#: How facts are told that have no table of words of their own.
KINDS = frozenset({
    "text", "number", "moment", "day", "month", "user", "users", "role", "rights", "departments", "sections", "plan", "language",
    "weekly", "id", "ids", "changes",
})  # fmt: skip
#: Facts of any line: the visit under which somebody acts.
_ALWAYS: Mapping[str, str] = {"visit": "id"}
#: What a sentence may name besides the facts.
_NAMED = frozenset({"actor", "target", "person", "other", "changes", "verb"})
#: Instead of the name of a thing: a line about none, and one about anything.
NOTHING, ANYTHING = "nothing", "*"
#: The field of a change whose `before` and `after` are values themselves.
ITSELF = "itself"
_PLACEHOLDER = re.compile(r"\{(\w+)(?::[^{}|]+\|[^{}|]+)?\}")
_PART = re.compile(r"\[[^\[\]]*\]")


class VocabularyError(Exception):
    """The vocabulary cannot be used, or a line is not as it says; the text names the event and what is wrong."""


class _Field(msgspec.Struct, forbid_unknown_fields=True):
    fr: str
    en: str
    kind: str = "text"
    none: dict[str, str] = msgspec.field(default_factory=dict)


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    label: dict[str, str]
    on: list[str]
    fr: str
    en: str
    facts: dict[str, str] | Literal["*"] = msgspec.field(default_factory=dict)
    fields: dict[str, _Field] = msgspec.field(default_factory=dict)
    by: str | None = None
    cases: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    families: dict[str, dict[str, str]]
    events: dict[str, _Entry]
    words: dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Field:
    """Something that a change changes: its label, the kind of its values, and what is said where there is none."""

    label: Mapping[str, str]
    kind: str
    none: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """An event: `facts` None are any. `sentences` are by language; so are those of `cases`, which the value of `by` chooses."""

    event: str
    label: Mapping[str, str]
    on: frozenset[str]
    facts: Mapping[str, str] | None
    fields: Mapping[str, Field]
    sentences: Mapping[str, str]
    by: str | None
    cases: Mapping[str, Mapping[str, str]]

    def must_allow(self, target_type: str | None, facts: Mapping[str, Any]) -> None:
        """Raise VocabularyError for a line about something else, or with a fact or a field that is not declared."""
        if (target_type or NOTHING) not in self.on and ANYTHING not in self.on:
            raise VocabularyError(f"{self.event}: is not about {target_type or NOTHING!r}")
        if self.facts is None:
            return
        for name in facts.keys() - self.facts.keys():
            raise VocabularyError(f"{self.event}: has no fact {name!r}")
        for name in _fields_in(facts) - self.fields.keys() if self.fields else ():
            raise VocabularyError(f"{self.event}: has no field {name!r}")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All of it, immutable."""

    entries: Mapping[str, Entry]
    families: Mapping[str, Mapping[str, str]]
    words: Mapping[str, Mapping[str, Mapping[str, str]]]

    def find_entry(self, event: str) -> Entry | None:
        """The entry of an event, or the one of its family for all that have none of their own."""
        return self.entries.get(event) or self.entries.get(f"{family_of(event)}.*")

    def must_match(self, events: Collection[str]) -> None:
        """Raise VocabularyError unless these are the events with an entry, but for those that the vendor's application reports."""
        own = {event for event in self.entries if family_of(event) != "document"}
        for event in sorted(own.symmetric_difference(events)):
            raise VocabularyError(f"{event}: {'nobody writes it' if event in own else 'has no entry'}")


def family_of(event: str) -> str:
    """The first word of an event."""
    return event.partition(".")[0]


def label_of(event: str, language: str) -> str:
    """A short label of an event, or of a family; the word itself for one that is not known here, as one of a later release."""
    if "." not in event:
        return VOCABULARY.families.get(event, {}).get(language, event)
    entry = VOCABULARY.find_entry(event)
    return event if entry is None else entry.label[language]


def choices(language: str) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """What lines can be looked for by: each family with its label, and its events with theirs, both in the order of their labels."""
    found = []
    for family, label in VOCABULARY.families.items():
        events = [event for event in VOCABULARY.entries if family_of(event) == family and not event.endswith(ANYTHING)]
        named = sorted(((event, label_of(event, language)) for event in events), key=lambda each: _sorted_as(each[1]))
        found.append((family, label[language], named))
    return sorted(found, key=lambda each: _sorted_as(each[1]))


def placeholders(sentence: str) -> set[str]:
    """What a sentence names."""
    return set(_PLACEHOLDER.findall(sentence))


def load_vocabulary(path: Path | None = None) -> Vocabulary:
    """Read and check the vocabulary; raises VocabularyError with a precise sentence."""
    source = path or Path(__file__).with_name("activity.toml")
    try:
        file = msgspec.convert(tomllib.loads(source.read_text(encoding="utf-8")), _File)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise VocabularyError(f"{source}: {error}") from error
    vocabulary = Vocabulary({event: _entry(event, given) for event, given in file.events.items()}, file.families, file.words)
    for problem in _problems(vocabulary):
        raise VocabularyError(f"{source}: {problem}")
    return vocabulary


def _sorted_as(label: str) -> str:
    # As a dictionary sorts: É beside E.
    return unicodedata.normalize("NFD", label).encode("ascii", "ignore").decode().lower()


def _entry(event: str, given: _Entry) -> Entry:
    fields = {name: Field({"fr": field.fr, "en": field.en}, field.kind, field.none) for name, field in given.fields.items()}
    facts = None if isinstance(given.facts, str) else {**given.facts, **_ALWAYS}
    return Entry(event, given.label, frozenset(given.on), facts, fields, {"fr": given.fr, "en": given.en}, given.by, given.cases)


def _fields_in(facts: Mapping[str, Any]) -> set[str]:
    return {name for side in ("before", "after") if isinstance(facts.get(side), dict) for name in facts[side]}


def _problems(vocabulary: Vocabulary) -> Iterator[str]:
    kinds = KINDS | vocabulary.words.keys()
    for family in sorted({family_of(event) for event in vocabulary.entries} ^ vocabulary.families.keys()):
        yield f"{family}: a family has a label and events"
    for family, label in vocabulary.families.items():
        yield from _missing(family, label)
    for table, words in vocabulary.words.items():
        for word, said in words.items():
            yield from _missing(f"words.{table}.{word}", said)
    for entry in vocabulary.entries.values():
        yield from _problems_of(entry, kinds)


def _problems_of(entry: Entry, kinds: Collection[str]) -> Iterator[str]:
    yield from _missing(entry.event, entry.label)
    for name, kind in [*(entry.facts or {}).items(), *((name, field.kind) for name, field in entry.fields.items())]:
        if kind not in kinds:
            yield f"{entry.event}: {name} is of the unknown kind {kind!r}"
    if bool(entry.cases) != (entry.by is not None) or entry.by not in {None, "target_type", *(entry.facts or {})}:
        yield f"{entry.event}: cases are chosen by a fact or by target_type"
    for sentences in (entry.sentences, *entry.cases.values()):
        yield from _missing(entry.event, sentences)
        yield from _wrong_placeholders(entry, sentences)


def _wrong_placeholders(entry: Entry, sentences: Mapping[str, str]) -> Iterator[str]:
    french, english = (placeholders(sentences[language]) for language in ("fr", "en"))
    if different := french ^ english:
        yield f"{entry.event}: {min(different)!r} is said in one language alone"
    if unknown := (french | english) - _NAMED - (entry.facts or {}).keys():
        yield f"{entry.event}: {min(unknown)!r} is no fact of it"
    for sentence in sentences.values():
        parts = _PART.findall(sentence)
        if any(not placeholders(part) for part in parts) or set("[]{}") & set(_PLACEHOLDER.sub("", _PART.sub("", sentence))):
            yield f"{entry.event}: {sentence!r} is not well formed"


def _missing(where: str, texts: Mapping[str, str]) -> Iterator[str]:
    for language in LANGUAGES:
        if not texts.get(language, "").strip():
            yield f"{where}: has no text in {language!r}"


VOCABULARY = load_vocabulary()
