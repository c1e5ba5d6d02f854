"""The history as a file, CSV or JSON lines: what is taken away, read and written some lines at a time."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Select, func, literal, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Activity
from tenants.activity_cards import ChangeCard, LineCard, TargetCard, find_names, line_card
from tenants.activity_search import Filters, Line, in_time, search_lines
from tenants.activity_values import Names, Reader
from tenants.csv_text import BOM, Cell, csv_text
from tenants.languages import translations

Format = Literal["csv", "json"]
#: Where reading goes on: when the last line read happened, and its id.
Position = tuple[datetime, UUID]

#: Lines of one statement, and of one piece of writing: what lies between two turns of the others on the event loop.
READ_AT_ONCE = 500
WRITTEN_AT_ONCE = 50
_COUNTED_AT_ONCE = 100_000
_INSTANT = timedelta(microseconds=1)
_LOCALE = Path(__file__).with_name("locale")


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


_MOMENTS = (_("When"), _("Recorded"))
_ONE = _("{what}: {value}")
_HEADINGS = (
    _("Who"), _("Kind of actor"), _("Address"), _("Action"), _("Code"), _("What happened"), _("Kind of object"),
    _("Object"), _("Object's id"), _("Result"), _("Reason"), _("Before"), _("After"), _("Details"), _("IP address"), _("Device"),
    _("Request"), _("Line"),
)  # fmt: skip
_RESULTS = {"done": _("done"), "refused": _("refused"), "failed": _("failed")}
_KINDS = {
    "user": _("user"),
    "visitor": _("visitor"),
    "person": _("person without a place here"),
    "api_key": _("API key"),
    "system": _("system"),
}
_TARGETS = {
    "account": _("account"),
    "api_key": _("API key"),
    "brand": _("brand"),
    "department": _("department"),
    "role": _("role"),
    "seat_request": _("seat request"),
    "user": _("user"),
    "visit": _("visit"),
}


@dataclass(frozen=True, slots=True)
class Extract:
    """Which lines are taken away, and for whom they are written.

    Only lines older than the id `below`: what is written meanwhile shifts nothing. `departments` and `viewer` are the reader's limits, as
    `search_lines` knows them.
    """

    account_id: UUID
    filters: Filters
    departments: frozenset[UUID] | None
    viewer: UUID
    below: UUID
    format: Format
    reader: Reader


async def count_lines(session: AsyncSession, extract: Extract, *, at_most: int) -> int:
    """How many there are. Above `at_most` counting stops within a hundred thousand lines.

    Raises Invalid where a search would take too long.
    """
    counted, position = 0, None
    while counted <= at_most:
        # Some at a time: no statement is so long that PostgreSQL gives it up.
        later = await _position_after(session, extract, position, _COUNTED_AT_ONCE)
        if later is None:
            rest = _lines_after(extract, position).with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
            with in_time():
                return counted + (await session.execute(rest)).scalar_one()
        counted, position = counted + _COUNTED_AT_ONCE, later
    return counted


async def read_lines(session: AsyncSession, extract: Extract, position: Position | None) -> tuple[Sequence[Line], Names]:
    """The next lines behind the position, newest first, `READ_AT_ONCE` of them or the last ones; and the names of those in their facts."""
    with in_time():
        lines = (await session.execute(_lines_after(extract, position).limit(READ_AT_ONCE))).all()
    return lines, await find_names(session, lines)


def position_of(line: Line) -> Position:
    """Where to go on behind this line."""
    return line.at, line.id


def opening(extract: Extract) -> bytes:
    """What the file begins with: the headings of a table, and nothing before JSON lines."""
    if extract.format == "json":
        return b""
    say, zone = translations(_LOCALE, extract.reader.language).gettext, extract.reader.time_zone.replace("_", " ")
    headings = [*(f"{say(heading)} ({zone})" for heading in _MOMENTS), *(say(heading) for heading in _HEADINGS)]
    return (BOM + csv_text(extract.reader.language, [headings])).encode()


def pieces(extract: Extract, lines: Sequence[Line], names: Names) -> Iterator[bytes]:
    """The lines as they stand in the file, `WRITTEN_AT_ONCE` at a time: each piece is written when it is asked for."""
    for first in range(0, len(lines), WRITTEN_AT_ONCE):
        cards = [line_card(line, extract.reader, names) for line in lines[first : first + WRITTEN_AT_ONCE]]
        yield _as_table(cards, extract.reader) if extract.format == "csv" else _ENCODER.encode_lines(cards)


_ENCODER = msgspec.json.Encoder()
_NOTHING = TargetCard("", None, None)


def _as_table(cards: Sequence[LineCard], reader: Reader) -> bytes:
    zone, say = ZoneInfo(reader.time_zone), translations(_LOCALE, reader.language).gettext
    return csv_text(reader.language, [_row(card, zone, say) for card in cards]).encode()


def _row(card: LineCard, zone: ZoneInfo, say: Callable[[str], str]) -> list[Cell]:
    target = card.target or _NOTHING
    return [
        _on_the_clock(card.at, zone),
        _on_the_clock(card.recorded_at, zone),
        card.actor.name,
        say(_KINDS.get(card.actor.kind, card.actor.kind)),
        card.actor.email,
        card.label,
        card.action,
        card.sentence,
        _kind_of_object(card, target, say),
        target.label,
        target.id,
        say(_RESULTS.get(card.result, card.result)),
        card.reason,
        _one_side(card.changes, "before", say(_ONE)),
        _one_side(card.changes, "after", say(_ONE)),
        _details(card),
        card.ip,
        card.device,
        card.request_id,
        str(card.id),
    ]


def _kind_of_object(card: LineCard, target: TargetCard, say: Callable[[str], str]) -> str:
    # The vendor's application has kinds of its own, whose words are unknown here.
    known = None if card.family == "document" else _TARGETS.get(target.type)
    return target.type if known is None else say(known)


def _details(card: LineCard) -> str | None:
    told = card.facts.get("details")
    return None if told is None else json.dumps(told, ensure_ascii=False)


def _on_the_clock(at: datetime, zone: ZoneInfo) -> str:
    # As spreadsheets understand it; the heading names the zone.
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _one_side(changes: Sequence[ChangeCard], side: Literal["before", "after"], one: str) -> str:
    return "; ".join(
        one.format(what=change.label, value=value) for change in changes if (value := getattr(change, side)) is not None
    )


async def _position_after(session: AsyncSession, extract: Extract, position: Position | None, lines: int) -> Position | None:
    places = _lines_after(extract, position).with_only_columns(Activity.at, Activity.id, maintain_column_froms=True)
    with in_time():
        found = (await session.execute(places.offset(lines - 1).limit(1))).one_or_none()
    return None if found is None else (found.at, found.id)


def _lines_after(extract: Extract, position: Position | None) -> Select[*tuple[Any, ...]]:
    filters = extract.filters
    if position is not None:
        # The period ends there: so the search knows which months cannot hold what follows.
        filters = replace(filters, until=position[0] + _INSTANT)
    query = search_lines(extract.account_id, filters, departments=extract.departments, viewer=extract.viewer)
    if position is not None:
        query = query.where(
            tuple_(Activity.at, Activity.id)
            < tuple_(literal(position[0], Activity.at.type), literal(position[1], Activity.id.type))
        )
    return query.where(Activity.id < extract.below).order_by(Activity.at.desc(), Activity.id.desc())
