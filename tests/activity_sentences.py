"""Every sentence of the history with facts as they come, in both languages. `python -m tests.activity_sentences` prints them to be read."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tenants.activity_sentences import sentence
from tenants.activity_values import Reader
from tenants.activity_vocabulary import ANYTHING, ITSELF, NOTHING, VOCABULARY, Entry, label_of
from tenants.catalogue import LANGUAGES, load_catalogue

ADA = UUID("01890000-0000-7000-8000-00000000000a")
PAUL = UUID("01890000-0000-7000-8000-00000000000b")
NORA = UUID("01890000-0000-7000-8000-00000000000c")
LYON = UUID("01890000-0000-7000-8000-00000000000d")
SELLER = UUID("01890000-0000-7000-8000-00000000000e")
NAMES = {str(ADA): "Ada Martin", str(PAUL): "Paul", str(NORA): "Nora", str(LYON): "Lyon", str(SELLER): "Vendeur"}
CATALOGUE = load_catalogue()
LABELS = {
    "account": "Acme",
    "role": "Vendeur",
    "department": "Lyon",
    "api_key": "Facturation",
    "visit": "Opérateur",
    "brand": "Acme",
}
DOCUMENT = ("invoice", "F-2026-117", "Facture F-2026-117")

#: A fact of each kind, and the other side of a change.
VALUES: dict[str, tuple[Any, Any]] = {
    "text": ("Congé", "Retour"),
    "number": (5, 7),
    "moment": ("2026-03-03T13:30:00+00:00", "2026-04-01T08:00:00+00:00"),
    "day": ("2026-03-01", "2026-12-31"),
    "month": ("2025-03-01", "2025-04-01"),
    "user": (str(NORA), str(ADA)),
    "users": ([str(NORA), str(PAUL)], []),
    "role": ("user", str(SELLER)),
    "rights": (["invoices.view"], ["invoices.view", "quotes.print"]),
    "departments": ([str(LYON)], None),
    "sections": (["stock"], []),
    "plan": ("pro", "enterprise"),
    "language": ("fr", "en"),
    "weekly": ({"days": [1, 2], "from_minute": 480, "to_minute": 1440}, None),
    "id": (str(SELLER), str(LYON)),
    "ids": ([str(SELLER)], []),
}


@dataclass
class Line:
    """A line as the history keeps it; by Ada about Paul unless it says otherwise."""

    event: str
    facts: dict[str, Any] = field(default_factory=dict)
    target_type: str | None = "user"
    target_id: str | None = str(PAUL)
    target_label: str | None = "Paul"
    actor_kind: str = "user"
    actor_user_id: UUID | None = ADA
    actor_name: str | None = "Ada Martin"
    actor_email: str | None = "ada@acme.example.com"
    actor_account_name: str | None = None


def reader(language: str) -> Reader:
    """Somebody in Paris."""
    return Reader(language, "Europe/Paris", CATALOGUE)


def lines_of(entry: Entry) -> Iterator[Line]:
    """A full line, a bare one, and one for each of its cases, about each kind of thing."""
    event = entry.event.replace(ANYTHING, "approved")
    for kind in sorted(entry.on):
        about = _about(kind)
        facts = {name: _value(entry, name, kind) for name, kind in (entry.facts or {}).items()}
        yield Line(event, facts, **about)
        yield Line(event, {}, **about)
        for case in entry.cases if entry.by not in {None, "target_type"} else ():
            yield Line(event, {**facts, str(entry.by): case}, **about)


def every_line() -> Iterator[Line]:
    """Of every event."""
    for entry in VOCABULARY.entries.values():
        yield from lines_of(entry)


def _about(kind: str) -> dict[str, Any]:
    if kind == NOTHING:
        return {"target_type": None, "target_id": None, "target_label": None}
    if kind == ANYTHING:
        return dict(zip(("target_type", "target_id", "target_label"), DOCUMENT, strict=True))
    return {} if kind == "user" else {"target_type": kind, "target_id": str(LYON), "target_label": LABELS.get(kind, "Acme")}


def _value(entry: Entry, name: str, kind: str) -> Any:
    side = name == "after"
    if kind != "changes":
        return VALUES[kind][side] if kind in VALUES else next(iter(VOCABULARY.words[kind]))
    found = {name: _sides(field.kind)[side] for name, field in entry.fields.items()}
    return found.get(ITSELF, found)


def _sides(kind: str) -> tuple[Any, Any]:
    if kind in VALUES:
        return VALUES[kind]
    first, second = list(VOCABULARY.words[kind])[:2]
    return first, second


def main() -> None:
    """Print them, by event."""
    for line in every_line():
        said = [f"  {language}  {sentence(line, reader(language), NAMES)}" for language in LANGUAGES]
        labels = " / ".join(label_of(line.event, language) for language in LANGUAGES)
        sys.stdout.write("\n".join([f"{line.event} ({labels})", *said, ""]))


if __name__ == "__main__":
    main()
