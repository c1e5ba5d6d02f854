"""What must be true of a seal, of a line in it and of the chain's end, and what is said when it is not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from tenants.activity_digests import NOTHING, SIZE, Form, content_digest, written_at
from tenants.erasures import pseudonym
from tenants.retention import FEWEST_MONTHS, months_after
from tenants.sealing import Link, key_name
from tenants.tokens import Signer

#: The sealer takes what is committed. No transaction is open so long that a line could be that much older than one sealed before it.
LATEST = timedelta(minutes=15)


class What(StrEnum):
    """What is wrong."""

    SEAL_MISSING = "seal_missing"
    SEAL_CHANGED = "seal_changed"
    SEAL_EMPTIED = "seal_emptied"
    HEAD_MISSING = "head_missing"
    HEAD_CHANGED = "head_changed"
    TAIL_CUT = "tail_cut"
    KEPT_HEAD_CUT = "kept_head_cut"
    KEPT_HEAD_DIFFERS = "kept_head_differs"
    LINE_MISSING = "line_missing"
    LINE_GONE_BEFORE = "line_gone_before"
    LINE_CHANGED = "line_changed"
    LINE_BACKDATED = "line_backdated"
    LINE_POSTDATED = "line_postdated"
    LINE_NOT_SEALED = "line_not_sealed"
    LINE_IN_NO_SEAL = "line_in_no_seal"
    ACTOR_CHANGED = "actor_changed"
    TARGET_CHANGED = "target_changed"
    NOT_ERASED = "not_erased"
    NOBODY_ASKED = "nobody_asked"


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is not as it was sealed: which line or which seal, and when the line says that it happened."""

    account_id: UUID
    what: What
    seal: int | None = None
    line: UUID | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class People:
    """Keys of the people in some lines; and whose erasure was asked for: users by their own ids, and by their identities'."""

    keys: Mapping[UUID, bytes]
    erased: Mapping[UUID, set[UUID]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Through which month the account's history says that its lines are gone; None for none."""

    through: date | None

    @classmethod
    def of(cls, line: UUID, through: str | None) -> "Evidence":
        """As the line says, if its month can have been forgotten when it was written."""
        try:
            month = date.fromisoformat(f"{(through or '')[:7]}-01")
            over = months_after(month, 1 + FEWEST_MONTHS)
        except ValueError:
            return cls(None)
        return cls(month if over <= written_at(line).date() else None)

    def covers(self, month: date) -> bool:
        """Whether lines of that month may be missing."""
        return self.through is not None and month <= self.through


class Seen:
    """How far a chain was followed."""

    def __init__(self, account_id: UUID, signer: Signer, kept: Mapping[int, bytes]) -> None:
        """Nothing yet."""
        self.account_id, self.signer, self.kept = account_id, signer, kept
        self.key = key_name(signer)
        self.number = self.lines = self.strange = 0
        self.strange_key: str | None = None
        self.digest = b""
        self.emptied = False
        self.newest = written_at(UUID(int=0))

    def check_head(self, head: Any) -> Finding | None:
        """The head where the account's chain ends, once all of its seals were followed; then the one that was kept elsewhere."""
        if head is None and self.number:
            return Finding(self.account_id, What.HEAD_MISSING, seal=self.number)
        if head is not None and head["number"] > self.number:
            return Finding(self.account_id, What.TAIL_CUT, seal=self.number + 1)
        if head is not None and not self._ends_at(head):
            return Finding(self.account_id, What.HEAD_CHANGED, seal=self.number)
        if max(self.kept, default=0) > self.number:
            return Finding(self.account_id, What.KEPT_HEAD_CUT, seal=self.number + 1)
        return None

    def _ends_at(self, head: Any) -> bool:
        # Of months that are forgotten nobody can count the lines any more.
        counted = head["lines"] >= self.lines if self.emptied else head["lines"] == self.lines
        return bool(head["number"] == self.number and head["digest"] == self.digest and counted)


def check_seal(seen: Seen, seal: Any, evidence: Evidence) -> Finding | None:
    """The next seal of the chain: none is missing before it, and nothing in it was changed. Moves `seen` on."""
    number = seal["number"]
    if number != seen.number + 1:
        return Finding(seen.account_id, What.SEAL_MISSING, seal=seen.number + 1)
    if not seal["readable"] or seal["previous"] != seen.digest or not _is_genuine(seen, seal) or not _fits_content(seal):
        return Finding(seen.account_id, What.SEAL_CHANGED, seal=number)
    if not seal["lines"] and not evidence.covers(seal["month"]):
        return Finding(seen.account_id, What.SEAL_EMPTIED, seal=number)
    seen.emptied = seen.emptied or not seal["lines"]
    seen.number, seen.digest = number, seal["digest"]
    seen.lines += len(seal["lines"])
    if seen.kept.get(number, seal["digest"]) != seal["digest"]:
        return Finding(seen.account_id, What.KEPT_HEAD_DIFFERS, seal=number)
    return None


def check_line(
    seen: Seen, seal: Any, place: int, line: tuple[Form, datetime] | None, *, people: People, evidence: Evidence
) -> Finding | None:
    """A line of a seal that is genuine: there, as it was, and with nothing personal of whoever was erased."""
    line_id: UUID = seal["lines"][place]
    what: What | None = None
    if line is not None:
        what = _wrong_with(line[0], seal, place, people)
    elif not evidence.covers(seal["month"]):
        what = What.LINE_GONE_BEFORE if _sealed(seal["digests"], place) == NOTHING else What.LINE_MISSING
    if what is None and written_at(line_id) < seen.newest - LATEST:
        what = What.LINE_BACKDATED
    # Whoever writes from the future could say of today's months that they are over.
    if what is None and written_at(line_id) > seal["sealed_at"] + LATEST:
        what = What.LINE_POSTDATED
    seen.newest = max(seen.newest, written_at(line_id))
    return None if what is None else Finding(seen.account_id, what, seal=seal["number"], line=line_id, at=line and line[1])


def _fits_content(seal: Any) -> bool:
    if seal["lines"]:
        return bool(content_digest(seal["lines"], seal["digests"], seal["actors"], seal["targets"]) == seal["content"])
    return not (seal["digests"] or seal["actors"] or seal["targets"])


def _is_genuine(seen: Seen, seal: Any) -> bool:
    link = Link(*(seal[name] for name in ("account_id", "id", "number", "month", "content", "previous", "sealed_at")))
    if seal["digest"] == link.digest(seen.signer, seal["key"]) and seal["key"] == seen.key:
        return True
    if seal["key"] == seen.key or seal["digest"] == link.digest(seen.signer, seen.key):
        return False
    # Made with another SECRET_KEY, or by somebody who has none: said apart, for nothing can be said of it here.
    seen.strange += 1
    seen.strange_key = seen.strange_key or seal["key"]
    return True


def _wrong_with(form: Form, seal: Any, place: int, people: People) -> What | None:
    actor, target = _sealed(seal["actors"], place), _sealed(seal["targets"], place)
    if form.digest(actor=actor, target=target) != _sealed(seal["digests"], place):
        return What.LINE_CHANGED
    return (
        _wrong_person(form.actor, form.actor_digest, actor, form.actor_shows_only, people, changed=What.ACTOR_CHANGED)
        or _wrong_person(form.target, form.target_digest, target, form.target_shows_only, people, changed=What.TARGET_CHANGED)
    )  # fmt: skip


def _wrong_person(
    person: UUID | None,
    digest: Callable[[bytes], bytes],
    sealed: bytes,
    shows_only: Callable[[frozenset[str]], bool],
    people: People,
    *,
    changed: What,
) -> What | None:
    if person is None:
        return None
    key, users = people.keys.get(person), people.erased.get(person, set())
    if key is not None and digest(key) == sealed:
        return None
    # While somebody is erased, some of their lines are done and their key is still there.
    if shows_only(frozenset(map(pseudonym, users))):
        return None
    if key is not None:
        return changed
    return What.NOT_ERASED if users else What.NOBODY_ASKED


def _sealed(digests: bytes, place: int) -> bytes:
    return digests[place * SIZE : (place + 1) * SIZE]
