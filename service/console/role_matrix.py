"""A role's rights as a table: sections down, actions across; and what happens to it when a whole row or column is ticked."""

from dataclasses import dataclass

from tenants.actors import Actor
from tenants.catalogue import AccountKind, Catalogue, Section

#: The tables of a page: the vendor's application, and Portillon's own administration.
PARTS = {"application": False, "administration": True}


@dataclass(frozen=True, slots=True)
class Box:
    """One right. `mine` says that the reader could give it, `was` that the role has it as it is kept, `works` that it gives it now."""

    right: str
    action: str
    ticked: bool
    was: bool
    mine: bool
    works: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A section; None where it has no such action."""

    key: str
    label: str
    boxes: list[Box | None]
    #: Whether every box that the reader may tick is ticked.
    whole: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One part of the matrix. `columns` are actions: key, label, and whether every box that the reader may tick is ticked."""

    part: str
    columns: list[tuple[str, str, bool]]
    rows: list[Row]


def rights_to_give(actor: Actor, catalogue: Catalogue) -> frozenset[str]:
    """The rights that the reader may give to a role, which works in every department."""
    return frozenset(right for right in catalogue.rights_of(actor.account_kind) if actor.may_give([right], None))


def tables(
    catalogue: Catalogue,
    kind: AccountKind,
    language: str,
    *,
    ticked: frozenset[str],
    was: frozenset[str],
    mine: frozenset[str],
    works: frozenset[str],
) -> list[Table]:
    """The whole matrix, with these rights ticked."""
    found = []
    for part in PARTS:
        sections = _sections(catalogue, kind, part)
        actions = [action for action in catalogue.actions if any(action in section.actions for section in sections)]
        columns = [
            (action, catalogue.actions[action][language], _whole(_column(sections, action) & mine, ticked)) for action in actions
        ]
        rows = []
        for section in sections:
            boxes = [
                Box(right, columns[place][1], right in ticked, right in was, right in mine, right in works)
                if action in section.actions
                else None
                for place, action in enumerate(actions)
                for right in [f"{section.key}.{action}"]
            ]
            rows.append(Row(section.key, section.label[language], boxes, _whole(mine.intersection(section.rights), ticked)))
        found.append(Table(part, columns, rows))
    return found


def turned(catalogue: Catalogue, kind: AccountKind, ticked: frozenset[str], whole: str, *, mine: frozenset[str]) -> frozenset[str]:
    """The rights ticked once the button of a whole row (`row.section`) or column (`column.part.action`) was pressed.

    All of it, or nothing where all of it was; what the reader may not give stays as it is. A word of no button changes nothing.
    """
    kind_of, _, rest = whole.partition(".")
    part, _, action = rest.partition(".")
    concerned = frozenset[str]()
    if kind_of == "row":
        concerned = catalogue.rights_in([rest]) & catalogue.rights_of(kind)
    elif kind_of == "column" and part in PARTS:
        concerned = _column(_sections(catalogue, kind, part), action)
    concerned &= mine
    return ticked - concerned if concerned <= ticked else ticked | concerned


def by_section(catalogue: Catalogue, language: str, rights: frozenset[str]) -> list[tuple[str, list[str]]]:
    """Rights in words: each section with its actions."""
    return [
        (
            section.label[language],
            [catalogue.actions[action][language] for action in section.actions if f"{section.key}.{action}" in rights],
        )
        for section in catalogue.sections
        if rights.intersection(section.rights)
    ]


def _sections(catalogue: Catalogue, kind: AccountKind, part: str) -> list[Section]:
    return [s for s in catalogue.sections if kind in s.account_kinds and s.administration == PARTS[part]]


def _column(sections: list[Section], action: str) -> frozenset[str]:
    return frozenset(f"{section.key}.{action}" for section in sections if action in section.actions)


def _whole(concerned: frozenset[str], ticked: frozenset[str]) -> bool:
    return bool(concerned) and concerned <= ticked
