"""Digests of lines: what a seal says of each, so made that it stays true when the name of a deleted person is taken out of it."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

# Stands first in whatever a digest is made of: another form of lines, or of seals, is another word.
_LINE, _PERSONAL, _SEAL = b"portillon line 1", b"portillon person 1", b"portillon seal 1"
#: Bytes of every digest here.
SIZE = hashlib.sha256().digest_size
#: Stands for the digest of a person where there is none, and for that of a line that was gone before it could be sealed.
NOTHING = bytes(SIZE)

_PLAIN = (
    "account_id", "id", "at", "recorded_at", "event", "result", "actor_kind", "actor_user_id", "actor_identity_id", "actor_key_id",
    "actor_account_id", "actor_account_name", "target_type", "target_id", "request_id",
)  # fmt: skip
_OF_ACTOR = ("actor_name", "actor_email", "ip", "device")


def readable(moment: str) -> str:
    """SQL for a column that only a superuser can have given a moment that Python does not know: it is null then, so not as it was."""
    return f"CASE WHEN {moment} BETWEEN '1900-01-01' AND '9999-01-01' THEN {moment} END"


# What PostgreSQL is asked for: facts as text, for a number must not change its form on the way.
SELECTED = ", ".join(
    (
        *(f"{readable(name)} AS {name}" if name in {"at", "recorded_at"} else name for name in _PLAIN),
        *_OF_ACTOR,
        "target_label",
        "CASE WHEN facts IS NULL THEN 'null' ELSE facts::text END AS facts",
    )
)

# Where a line's facts are about the person acted on: what `activity_facts_without` (in the migrations) changes when they are erased.
_NAMES = (("before", "name"), ("before", "email"), ("after", "name"), ("after", "email"), ("name",), ("email",))
_WORDS = (("reason",), ("message",), ("reply",))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Line = Mapping[str, Any]
"""The columns SELECTED of one line."""


class Form:
    """The one form of a line that digests are made of, taken apart: what is plain, what is the actor's, what is the target's."""

    __slots__ = ("_personal_of_actor", "_personal_of_target", "_plain", "actor", "target")

    def __init__(self, line: Line) -> None:
        """Read every column."""
        #: Whose key the digests of what is personal are made with; None where nothing is.
        self.actor: UUID | None = line["actor_user_id"] or line["actor_identity_id"]
        self.target = _person_acted_on(line)
        of_actor: list[Any] = [line[name] for name in _OF_ACTOR]
        of_target: list[Any] = [line["target_label"]]
        # Numbers stay as they are written, whatever their size: no text of PostgreSQL's JSON contains \0.
        facts = _read(line["facts"])
        places = _taken_out(facts) if self.target is not None and isinstance(facts, dict) else []
        plain: list[Any] = [line[name] for name in _PLAIN]
        plain += [_text(facts), _text([place for place, _ in places])]
        plain += of_actor if self.actor is None else []
        plain += of_target if self.target is None else []
        self._plain = _encoded([_LINE, *plain])
        self._personal_of_actor = (line["id"], of_actor)
        self._personal_of_target = (line["id"], of_target + [value for _, value in places], [place for place, _ in places])

    def actor_digest(self, key: bytes) -> bytes:
        """Of the actor's name, address, IP and device."""
        line_id, values = self._personal_of_actor
        return hmac.digest(key, _encoded([_PERSONAL, line_id, *values]), "sha256")

    def target_digest(self, key: bytes) -> bytes:
        """Of the label and the facts that are about the person acted on."""
        line_id, values, _ = self._personal_of_target
        return hmac.digest(key, _encoded([_PERSONAL, line_id, *values]), "sha256")

    def digest(self, *, actor: bytes, target: bytes) -> bytes:
        """Of the whole line; `actor` and `target` are the digests above, NOTHING where there is no such person."""
        return hashlib.sha256(self._plain + actor + target).digest()

    def actor_shows_only(self, names: frozenset[str]) -> bool:
        """Whether nothing personal of the actor stands there but one of these names."""
        name, email, ip, device = self._personal_of_actor[1]
        return name == email and name in names and ip is None and device is None

    def target_shows_only(self, names: frozenset[str]) -> bool:
        """The same of the person acted on."""
        _, (label, *values), places = self._personal_of_target
        return label in names and all(
            value is None if place in _WORDS else value in names for place, value in zip(places, values, strict=True)
        )


def content_digest(lines: Iterable[UUID], digests: bytes, actors: bytes, targets: bytes) -> bytes:
    """Of what a seal says of its lines."""
    listed = b"".join(line.bytes for line in lines)
    return hashlib.sha256(_encoded([_SEAL, listed, digests, actors, targets])).digest()


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def written_at(line_id: UUID) -> datetime:
    """The moment with which the id begins (RFC 9562, 5.7), to the millisecond."""
    try:
        return _EPOCH + timedelta(milliseconds=line_id.int >> 80)
    except OverflowError:
        # No id of ours: as late as can be.
        return datetime.max.replace(tzinfo=UTC)


def _person_acted_on(line: Line) -> UUID | None:
    if line["target_type"] != "user" or line["target_id"] is None:
        return None
    try:
        person = UUID(line["target_id"])
    except ValueError:
        return None
    # The same spelling as everywhere else, or it is somebody else's id.
    return person if str(person) == line["target_id"] else None


def _taken_out(facts: dict[str, Any]) -> list[tuple[tuple[str, ...], str | None]]:
    # Words become null when the person is erased: null and words are the same to whoever does not have the key.
    taken: list[tuple[tuple[str, ...], str | None]] = []
    for place in (*_NAMES, *_WORDS):
        *way, last = place
        where: Any = facts.get(way[0]) if way else facts
        if not isinstance(where, dict) or last not in where:
            continue
        value = where[last]
        if (isinstance(value, str) and not value.startswith("\0")) or (value is None and place in _WORDS):
            taken.append((place, value))
            del where[last]
    return taken


def _read(facts: str) -> Any:
    try:
        read = json.loads(facts, parse_float=_as_written, parse_int=_as_written)
        _text(read)
    except RecursionError:
        # Nothing of ours is so deep. As a text it is not what it was, whatever that is.
        return facts
    return read


def _as_written(number: str) -> str:
    return f"\0{number}"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _encoded(values: Iterable[Any]) -> bytes:
    # Each value behind its length: no two lists of values look the same.
    return b"".join(map(_with_length, values))


def _with_length(value: Any) -> bytes:
    if value is None:
        return b"-"
    raw = _raw(value)
    return b"%d:%b" % (len(raw), raw)


def _raw(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    if isinstance(value, datetime):
        return b"%d" % microseconds(value)
    written: bytes = value.bytes
    return written
