"""What the scripts are told of a session and its account, and what they answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

#: Which seat a session holds: the licence's, the accountants' own, or none, outside of the count: to manage, on a visit, or seen by a look.
SeatKind = Literal["pool", "allowance", "management", "visit", "none"]
#: Which seat a session asks for: the pool's, the accountants' own before it, or none, to manage.
Wanted = Literal["pool", "allowance", "management"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the pool must know of an account: seats, boosts included, for how long that number holds, and the account's clock.

    `reclaim` is when an idle seat may be taken, None is never; `accountants` is how many seats the accountants' allowance has.
    """

    seats: int
    idle: timedelta
    holds_for: timedelta
    utc_offset: timedelta
    reclaim: timedelta | None = None
    accountants: int = 0


@dataclass(frozen=True, slots=True)
class HotCopy:
    """A session as the scripts keep it. `member` is who holds its seat; None needs none. A visit's `user_id` is its own id."""

    account_id: UUID
    session_id: UUID
    user_id: UUID
    member: UUID | None
    digest: bytes
    blob: bytes
    expires_at: datetime
    wanted: Wanted = "pool"


@dataclass(frozen=True, slots=True)
class Befallen:
    """Somebody lost their seat by what a script did. `holder` is a user, or a session where sessions hold the seats.

    Why: `lost` (their browser fell silent), `lingering` (their page was closed), `idle` (beyond `reclaim_after`), `handed_over` or
    `not_answered` (asked by a colleague). `user_id` is who gets the seat.
    """

    holder: UUID
    why: str
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Seated:
    """The session works. `blob` is its hot copy, `since` when its seat was taken (milliseconds)."""

    blob: bytes
    since: int
    kind: SeatKind = "pool"
    befallen: tuple[Befallen, ...] = ()


@dataclass(frozen=True, slots=True)
class Full:
    """No seat is free: all are in use, or held for those who wait. `blob` is the session's hot copy; empty for a sign-in."""

    in_use: int
    seats: int
    held: int = 0
    blob: bytes = b""
    befallen: tuple[Befallen, ...] = ()


@dataclass(frozen=True, slots=True)
class Promoted:
    """A session that was there to manage has a seat now; its row does not say so yet."""

    befallen: tuple[Befallen, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """The session is over."""

    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A seat for a sign-in (none to manage), and the sessions that made room for it."""

    epoch: str
    ended: list[UUID]
    kind: SeatKind = "pool"
    befallen: tuple[Befallen, ...] = ()


@dataclass(frozen=True, slots=True)
class Soon:
    """A page was closed this very moment: in so many seconds it is known that it was no reload, and its seat can be taken."""

    seconds: float


#: The hot copy is missing, or older than the last change: PostgreSQL must be asked.
Reread = Literal["reread"]
Verdict = Seated | Full | Gone | Reread


def befallen_of(answer: list[Any]) -> tuple[Befallen, ...]:
    """Three by three, as `seating.lua` lists them."""
    return tuple(
        Befallen(UUID(holder.decode()), why.decode(), UUID(user.decode()))
        for holder, why, user in zip(answer[::3], answer[1::3], answer[2::3], strict=True)
    )


def kept_of(answer: Any) -> Verdict | Promoted:
    """What `keep` answers."""
    return Promoted(befallen_of(answer[2])) if answer[0] == b"promoted" else verdict_of(answer)


def verdict_of(answer: Any) -> Verdict:
    """What `open` and `beat` answer."""
    match answer[0]:
        case b"ok":
            return Seated(answer[1], int(answer[2]), answer[3].decode(), befallen_of(answer[4]))
        case b"full":
            return Full(int(answer[2]), int(answer[3]), int(answer[4]), blob=answer[1], befallen=befallen_of(answer[5]))
        case b"gone":
            return Gone(answer[1].decode())
        case _:
            return "reread"
