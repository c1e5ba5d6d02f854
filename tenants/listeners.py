"""Who listens to what happens in an account, and what one entry of its stream is."""

import asyncio
import math
import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol
from uuid import UUID

#: The most who may listen for one session in one process: the oldest gives way to the next.
MOST_PER_SESSION = 6
_POSITION = re.compile(r"([0-9]{1,15})-([0-9]{1,10})")


#: Where an entry stands in its stream: milliseconds, and a number among those of one millisecond.
Position = tuple[int, int]
BEGINNING: Position = (0, 0)


class Happening(NamedTuple):
    """One entry. `to` is the hex id of a session or of a user; empty for everyone in the account. `data` is JSON."""

    at: Position
    to: str
    kind: str
    data: bytes


class Listener(Protocol):
    """Somebody who is told what is for their session, their user or everyone in the account: each entry once, in order.

    `heard` is where they are in the stream; None before they have joined. `turn` is any number that differs from one to the next: not
    all are kept awake in the same second. None of the calls may wait.
    """

    account_id: UUID
    session: str
    user: str
    heard: Position | None
    turn: int

    def tell(self, happening: Happening) -> None:
        """It happened."""

    def count(self, in_use: int, seats: int) -> None:
        """So many seats are held now, of so many."""

    def look(self, within: float) -> None:
        """Something may have been missed: see whether the session lives, within so many seconds."""

    def keep_awake(self) -> None:
        """Nothing happened for a while."""

    def give_way(self) -> None:
        """Too many listen for the session: end, and do not come back at once."""

    def end(self) -> None:
        """This process is about to end: listen elsewhere."""


class Room:
    """The listeners of one account, how far its stream is read, and who is reading it."""

    def __init__(self, account_id: UUID) -> None:
        """Nobody listens yet."""
        name = account_id.hex.encode()
        self.account_id = account_id
        self.stream, self.mark, self.policy, self.holders = (kind + b":{%b}" % name for kind in (b"e", b"r", b"p", b"h"))
        self.listeners: dict[str, list[Listener]] = {}
        self.heard: Position | None = None
        self.marked_at, self.was_marked = -math.inf, False
        self.counted_at = -math.inf
        self.rung = False
        self.reading: asyncio.Task[None] | None = None
        self.counting: asyncio.Task[None] | None = None

    def everybody(self) -> Iterable[Listener]:
        """All, in a list of their own: whoever is told may leave meanwhile."""
        return [listener for of_session in self.listeners.values() for listener in of_session]

    def add(self, listener: Listener) -> Listener | None:
        """Take somebody in. Returns who must give way."""
        of_session = self.listeners.setdefault(listener.session, [])
        of_session.append(listener)
        return of_session[0] if len(of_session) > MOST_PER_SESSION else None

    def remove(self, listener: Listener) -> None:
        """They left; perhaps before."""
        of_session = self.listeners.get(listener.session, [])
        if listener in of_session:
            of_session.remove(listener)
        if not of_session:
            self.listeners.pop(listener.session, None)

    def hand(self, entries: list[Happening]) -> None:
        """Give each listener what is for them and new to them."""
        for listener in self.everybody():
            if listener.heard is not None:
                hand(listener, entries)


def position_of(text: str) -> Position | None:
    """Where an entry's id stands; None for anything else."""
    found = _POSITION.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None


def hand(listener: Listener, entries: list[Happening]) -> None:
    """Tell the listener those of the entries that are for them and new to them."""
    for entry in entries:
        if listener.heard is None or entry.at <= listener.heard:
            continue
        listener.heard = entry.at
        if entry.kind != "seats" and entry.to in {"", listener.session, listener.user}:
            listener.tell(entry)


def happening_of(at: bytes, fields: list[bytes]) -> Happening:
    """An entry as the server gives it."""
    found: dict[bytes, bytes] = dict(zip(fields[::2], fields[1::2], strict=True))
    position = position_of(at.decode()) or BEGINNING
    return Happening(position, found.get(b"to", b"").decode(), found.get(b"kind", b"").decode(), found.get(b"data", b"{}"))
