"""Hand-overs: whoever finds every seat taken asks a colleague for theirs, in their page, and sees what comes of it (seat rule 8)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from tenants.actors import Actor
from tenants.door import Door
from tenants.errors import Invalid, NotFound, NotInState
from tenants.seat_keys import account_keys, script
from tenants.seat_verdicts import Reread, befallen_of
from tenants.valkey import Valkey

_HANDOVER, _FORGET = script("handover"), script("forget")

Reply = Literal["release", "later", "no"]
REPLIES: tuple[Reply, ...] = get_args(Reply)
#: asked: nobody gave their seat yet; released: a seat is held for the asker; refused: everybody said no; over: those asked have left.
State = Literal["asked", "released", "refused", "over"]


class AskedHolder(msgspec.Struct):
    """One colleague: asked, later (is asked once more in five minutes), no, released, or gone (holds no seat any more)."""

    holder: str = msgspec.field(name="m")
    state: Literal["asked", "later", "no", "released", "gone"] = msgspec.field(name="s")
    at: float = msgspec.field(name="t")
    times: int = msgspec.field(name="n")


class _Stored(msgspec.Struct):
    by: str
    name: str
    at: float
    seen: float
    state: State
    to: list[AskedHolder]
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Handover:
    """What its asker sees. `offered_until` is until when the seat is held for them, once somebody gave theirs."""

    id: UUID
    user_id: UUID
    state: State
    asked_at: datetime
    offered_until: datetime | None
    holders: list[AskedHolder]

    def count(self, state: str) -> int:
        """How many of those asked are in this state."""
        return sum(each.state == state for each in self.holders)


@dataclass(frozen=True, slots=True)
class Question:
    """What a holder is asked. `again`: they said later before, and cannot say so twice."""

    id: UUID
    name: str
    asked_at: datetime
    again: bool
    may_later: bool


async def ask(door: Door, account_id: UUID, user_id: UUID, *, name: str, own: list[UUID], holder: UUID | None) -> Handover:
    """Ask one holder for their seat, or everybody who can be asked: twenty of them, those first who were idle longest.

    One hand-over a person, and a hundred an account: who is asked later is added to it, while fewer than twenty have yet to answer.

    A holder is a user, or a session where sessions hold the seats; `own` are those of the asker. Raises NotFound for who holds no
    seat, and NotInState: `room` (a seat is free), `draining` (the cap was lowered, no seat can change hands), `answered` (left alone
    for `retry_after` seconds), `own`, `nobody` (there is nobody to ask).
    """
    owned = (each.hex for each in own)
    answer = await _run(door, account_id, "ask", uuid7().hex, user_id.hex, name, *owned, holder.hex if holder else "")
    return _handover(_allowed(answer))


async def look(door: Door, account_id: UUID, user_id: UUID, handover_id: UUID) -> Handover:
    """What became of it, for its asker alone; who does not look for two minutes asks no more. Raises NotFound."""
    return _handover(_allowed(await _run(door, account_id, "see", handover_id.hex, user_id.hex)))


async def withdraw(door: Door, account_id: UUID, user_id: UUID, handover_id: UUID) -> None:
    """Ask no more. A seat that was given already stays held. Raises NotFound."""
    _allowed(await _run(door, account_id, "withdraw", handover_id.hex, user_id.hex))


async def search_questions(door: Door, actor: Actor) -> list[Question]:
    """What the actor is asked at this moment, as the holder of a seat."""
    answer = await _run(door, actor.account_id, "asked", actor.user_id.hex, actor.session_id.hex)
    found = answer[1]
    return [
        Question(UUID(ask_id.decode()), asked["name"], _moment(asked["at"]), asked["again"], asked["may_later"])
        for ask_id, asked in ((ask_id, msgspec.json.decode(text)) for ask_id, text in zip(found[::2], found[1::2], strict=True))
    ]


async def reply(door: Door, actor: Actor, handover_id: UUID, answer: str) -> None:
    """Say what becomes of the actor's seat. To `release` it ends no session: the seat is held for whoever asked.

    Raises Invalid, NotFound for what the actor is not asked, NotInState: `answered`, `later_once`, `draining`.
    """
    if answer not in REPLIES:
        raise Invalid("answer", "unknown", known=list(REPLIES))
    found = await _run(door, actor.account_id, "answer", handover_id.hex, actor.user_id.hex, actor.session_id.hex, answer)
    _allowed(found)


async def _run(door: Door, account_id: UUID, *arguments: str) -> list[Any]:
    async def once() -> list[Any] | Reread:
        answer: list[Any] = await door.seats.run(_HANDOVER, account_keys(account_id), arguments)
        return "reread" if answer[0] == b"stale" else answer

    answer = await door.current(account_id, once)
    door.seats.saw(account_id, befallen_of(answer[-1]))
    return answer


def _allowed(answer: list[Any]) -> list[Any]:
    if answer[0] == b"none":
        raise NotFound
    if answer[0] == b"refused":
        why = answer[1].decode()
        if why == "not_holding":
            raise NotFound
        raise NotInState(state=why, **({"retry_after": -(-answer[2] // 1000)} if answer[2] else {}))
    return answer


def _handover(answer: list[Any]) -> Handover:
    stored = msgspec.json.decode(answer[2], type=_Stored)
    offered_until = _moment(stored.until) if stored.until is not None else None
    return Handover(UUID(answer[1].decode()), UUID(stored.by), stored.state, _moment(stored.at), offered_until, stored.to)


def _moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


async def forget_asker(valkey: Valkey, account_id: UUID, user_id: UUID) -> None:
    """Somebody who was deleted waits in no line, and asks nobody for a seat."""
    await valkey.run(_FORGET, account_keys(account_id), (user_id.hex,))
