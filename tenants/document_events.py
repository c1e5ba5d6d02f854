"""Events about documents as the vendor's application sends them, and what each must be before it becomes a line."""

import hashlib
import re
from asyncio import sleep
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any
from unicodedata import is_normalized
from uuid import UUID

import msgspec
from uuid_utils import uuid7

from tenants.errors import Invalid
from tenants.texts import one_line

#: Events of one batch.
MOST_EVENTS = 500
#: Characters of a target's id and label, and of a key.
LONGEST = 200
#: Bytes of an event's details as JSON, and levels of objects and lists in them, the outermost included.
LARGEST_DETAILS = 4096
DEEPEST = 4
#: Target types that stand for something of Portillon's own: a line about a `user` is found by the user's id when they are deleted.
RESERVED = frozenset({"user"})

_ACTION = r"document\.[a-z][a-z0-9_]{0,39}"
_KIND = r"[a-z][a-z0-9_]{0,39}"
_FULL_ACTION, _FULL_KIND = re.compile(_ACTION), re.compile(_KIND)
# Of a number; at worst it stands in a text, and is counted too.
_POWER = re.compile(rb"(?<=[0-9])e([+-]?[0-9]{1,3})(?=[,\]}])")
_NO_FACTS = msgspec.Raw(b"{}")
# Events that are looked at before others have their turn on the event loop.
_AT_ONCE = 50

Line = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class DocumentTarget(msgspec.Struct, forbid_unknown_fields=True):
    """What was acted on, by the application's own ids. `label` is what people call it, such as `Invoice 2026-117`."""

    type: Annotated[str, msgspec.Meta(pattern=f"^{_KIND}$", max_length=40)]
    id: Line
    label: Line


class DocumentEvent(msgspec.Struct, forbid_unknown_fields=True):
    """One thing that happened in the application.

    `key` is the application's own name for this event: the same key is written once. `user_id` is who did it, a user of the account;
    without one it is the API key itself. `at` is when it happened; now without it. `details` are shown as they are.
    """

    action: Annotated[str, msgspec.Meta(pattern=f"^{_ACTION}$", max_length=49)]
    target: DocumentTarget
    key: Line
    user_id: UUID | None = None
    at: Moment | None = None
    details: dict[str, Any] | None = None


class Row(msgspec.Struct):
    """One event, ready to be written. `key` is a digest; `id` begins with this moment, and ids are in order."""

    id: str
    key: str
    action: str
    type: str
    target_id: str
    label: str
    user_id: UUID | None
    at: datetime | None
    facts: msgspec.Raw


async def rows_of(events: Sequence[DocumentEvent]) -> list[Row]:
    """Check every event by itself; of a key that comes twice the first one counts.

    Raises Invalid for the first one that breaks a rule, naming its field as `events[3].target.id`.
    """
    rows: dict[str, Row] = {}
    for number, event in enumerate(events):
        if number % _AT_ONCE == 0:
            await sleep(0)
        try:
            row = _row(event)
        except Invalid as error:
            raise Invalid(field_of(number, error.field), error.problem, **error.facts) from None
        rows.setdefault(row.key, row)
    return list(rows.values())


def field_of(number: int, name: str) -> str:
    """A field of the event with this number, as whoever sent the batch knows it."""
    return f"events[{number}].{name}"


def _row(event: DocumentEvent) -> Row:
    target = event.target
    if not _FULL_ACTION.fullmatch(event.action):
        raise Invalid("action", "malformed")
    if not _FULL_KIND.fullmatch(target.type):
        raise Invalid("target.type", "malformed")
    if target.type in RESERVED:
        raise Invalid("target.type", "reserved")
    target_id, label = _line("target.id", target.id), _line("target.label", target.label)
    _line("key", event.key)
    return Row(
        id=str(uuid7()),
        # Of the key as it came: two that merely look alike are two events.
        key=hashlib.sha256(event.key.encode()).hexdigest()[:32],
        action=event.action,
        type=target.type,
        target_id=target_id,
        label=label,
        user_id=event.user_id,
        at=event.at,
        facts=_NO_FACTS if event.details is None else _facts(event.details),
    )


def _line(field: str, text: str) -> str:
    # Nearly all are so, and the full look costs more than all the rest of an event. What is printable has no other space than this.
    if text.isprintable() and is_normalized("NFC", text) and text[:1] != " " != text[-1:] and text:
        return text
    return one_line(field, text, longest=LONGEST)


def _facts(details: dict[str, Any]) -> msgspec.Raw:
    # Depth first: what lies deeper than it may is never walked through.
    if not _within(details, DEEPEST):
        raise Invalid("details", "too_nested", max=DEEPEST)
    encoded = msgspec.json.encode(details)
    if len(encoded) + _unfolded(encoded) > LARGEST_DETAILS:
        raise Invalid("details", "too_long", max=LARGEST_DETAILS)
    # PostgreSQL keeps every character but this one.
    if b"\\u0000" in encoded and any("\0" in text for text in _texts(details)):
        raise Invalid("details", "control_characters")
    return msgspec.Raw(b'{"details":%b}' % encoded)


def _unfolded(encoded: bytes) -> int:
    # PostgreSQL writes 1e308 with all of its digits, to everybody who reads the line.
    return sum(abs(int(power)) for power in _POWER.findall(encoded))


def _within(value: Any, levels: int) -> bool:
    inner = _inside(value)
    if inner is None:
        return True
    return levels > 0 and all(_within(each, levels - 1) for each in inner if isinstance(each, dict | list))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
    for each in _inside(value) or ():
        yield from _texts(each)


def _inside(value: Any) -> Iterable[Any] | None:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else None
