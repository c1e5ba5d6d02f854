"""The waiting line of a full pool: first come, first served; a seat that comes free is held for its head (seat rule 9).

It lives beside the seats in Redis: it outlives any process, and is lost with them. Whoever waits gives a sign of life by looking where
they stand, and is out of the line 30 seconds after the last one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tenants.door import Door
from tenants.errors import Unavailable
from tenants.seat_keys import account_keys, script
from tenants.seat_verdicts import Reread, befallen_of

_LINE = script("line")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where somebody stands: `ahead` is how many came before. With `offered_until` a seat is held for them."""

    ahead: int
    since: datetime
    offered_until: datetime | None

    @property
    def position(self) -> int:
        """1 is the head of the line."""
        return self.ahead + 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody in line."""

    user_id: UUID
    since: datetime
    offered_until: datetime | None


async def join(door: Door, account_id: UUID, user_id: UUID) -> Spot:
    """Go to the end of the line; whoever stands in it already stays where they are."""
    spot = await _spot(door, account_id, "join", user_id)
    if spot is None:
        raise Unavailable(retry_after=1)
    return spot


async def look(door: Door, account_id: UUID, user_id: UUID) -> Spot | None:
    """Where the user stands, and that they are still there; None when they do not wait and no seat is held for them."""
    return await _spot(door, account_id, "see", user_id)


async def leave(door: Door, account_id: UUID, user_id: UUID) -> None:
    """Out of the line. A seat that was held for them is the next one's."""
    await _spot(door, account_id, "leave", user_id)


async def everybody(door: Door, account_id: UUID) -> list[Waiting]:
    """All who wait, in their order."""
    found = (await _run(door, account_id, "list"))[1]
    return [
        Waiting(UUID(user.decode()), _moment(since), _held(until))
        for user, since, until in zip(found[::3], found[1::3], found[2::3], strict=True)
    ]


async def clear(door: Door, account_id: UUID, user_id: UUID | None = None) -> list[UUID]:
    """Send everybody away, or one of them. Returns whom. They may come again."""
    found = (await _run(door, account_id, "clear", user_id.hex if user_id else ""))[1]
    return [UUID(user.decode()) for user in found]


async def _spot(door: Door, account_id: UUID, what: str, user_id: UUID) -> Spot | None:
    answer = await _run(door, account_id, what, user_id.hex)
    return Spot(answer[1], _moment(answer[3]), _held(answer[2])) if answer[0] == b"place" else None


async def _run(door: Door, account_id: UUID, *arguments: str) -> list[Any]:
    async def ask() -> list[Any] | Reread:
        answer: list[Any] = await door.seats.run(_LINE, account_keys(account_id), arguments)
        return "reread" if answer[0] == b"stale" else answer

    answer = await door.current(account_id, ask)
    door.seats.saw(account_id, befallen_of(answer[-1]))
    return answer


def _held(until: bytes) -> datetime | None:
    return None if until == b"0" else _moment(until)


def _moment(milliseconds: bytes) -> datetime:
    return datetime.fromtimestamp(float(milliseconds) / 1000, UTC)
