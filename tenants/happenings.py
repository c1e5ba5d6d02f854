"""What happens to sessions and seats, told at once to whoever listens in this process, on whichever process it was done.

The scripts write it into a stream of the account, as long as somebody listens, and ring; this reads the stream once for all who do.
"""

import asyncio
import math
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import hiredis

from tenants.bells import Bells
from tenants.errors import Unavailable
from tenants.listeners import BEGINNING, Happening, Listener, Position, Room, hand, happening_of
from tenants.valkey import Part, Valkey

# Seconds. Scripts write for an account as long as its mark says that somebody listens.
_MARK_LASTS, _MARK_AGAIN = 120, 40
_TRY_AGAIN, _NUMBERS_EVERY, _AWAKE_EVERY = 1.0, 1.0, 15
# After the server forgot, those who listen look at their sessions within this time: not all in the same moment.
_LOOK_WITHIN = 30.0


class Happenings:
    """Of one process: one subscription, and one reading of a stream for all who listen in its account."""

    def __init__(self, url: str, valkey: Valkey) -> None:
        """Nothing connects before somebody joins. `url` is that of the server that `valkey` calls."""
        self._valkey = valkey
        self._bells = Bells(url, self._ring)
        self._rooms: dict[bytes, Room] = {}
        self._tending: asyncio.Task[None] | None = None
        self._stopped = False

    async def join(self, listener: Listener, *, after: Position | None) -> None:
        """Tell the listener everything from now on, and first what came `after` the entry that they heard last, and the numbers.

        Raises Unavailable; `leave` is theirs to call in any case.
        """
        if self._stopped:
            raise Unavailable(retry_after=1)
        room = self._room_of(listener.account_id)
        crowded = room.add(listener)
        if crowded is not None:
            room.remove(crowded)
            crowded.give_way()
        missed, last, numbers, _ = await asyncio.gather(
            _nothing() if after is None else self._entries(room, after),
            self._call(b"XREVRANGE", room.stream, b"+", b"-", b"COUNT", 1),
            self._numbers(room),
            self._mark(room),
        )
        newest = happening_of(*last[0]).at if last else BEGINNING
        # Nobody is ahead of the stream, whatever they say that they heard.
        listener.heard = newest if after is None else min(after, newest)
        hand(listener, missed)
        if numbers is not None:
            listener.count(*numbers)
        room.heard = listener.heard if room.heard is None else min(room.heard, listener.heard)
        self._read_soon(room)

    def leave(self, listener: Listener) -> None:
        """They hear no more; nothing is kept of an account where nobody listens."""
        room = self._rooms.get(b"e:{%b}" % listener.account_id.hex.encode())
        if room is None:
            return
        room.remove(listener)
        if not room.listeners:
            del self._rooms[room.stream]
            self._bells.remove(room.stream)
            for task in (room.reading, room.counting):
                if task is not None:
                    task.cancel()

    def stop(self) -> None:
        """End every listener, and take in no more."""
        self._stopped = True
        for room in self._rooms.values():
            for listener in room.everybody():
                listener.end()

    async def close(self) -> None:
        """Stop, and hang up."""
        self.stop()
        if self._tending is not None:
            self._tending.cancel()
            with suppress(asyncio.CancelledError):
                await self._tending
        await self._bells.close()

    def _room_of(self, account_id: UUID) -> Room:
        room = Room(account_id)
        found = self._rooms.get(room.stream)
        if found is not None:
            return found
        self._rooms[room.stream] = room
        self._bells.add(room.stream)
        if self._tending is None:
            self._tending = asyncio.get_running_loop().create_task(self._tend())
        return room

    def _ring(self, channel: bytes, anew: bool) -> None:
        room = self._rooms.get(channel)
        if room is None:
            return
        if anew:
            # The server was away, and may have forgotten that somebody listens.
            room.marked_at = -math.inf
        self._read_soon(room)

    def _read_soon(self, room: Room) -> None:
        room.rung = True
        if room.reading is None and room.heard is not None:
            room.reading = asyncio.get_running_loop().create_task(self._read(room))

    async def _read(self, room: Room) -> None:
        # However often it rings meanwhile, one reading after this one is enough.
        try:
            while room.rung and room.heard is not None:
                room.rung, since = False, room.heard
                try:
                    entries = await self._entries(room, since)
                except Unavailable:
                    room.rung = True
                    await asyncio.sleep(_TRY_AGAIN)
                    continue
                if entries and room.heard == since:
                    room.heard = entries[-1].at
                room.hand(entries)
                if any(entry.kind == "seats" for entry in entries):
                    self._count_soon(room)
        finally:
            room.reading = None

    def _count_soon(self, room: Room) -> None:
        if room.counting is None and room.listeners:
            room.counting = asyncio.get_running_loop().create_task(self._count(room))

    async def _count(self, room: Room) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, room.counted_at + _NUMBERS_EVERY - loop.time()))
        room.counted_at = loop.time()
        # What changes while this is read is counted again, a second later.
        room.counting = None
        try:
            numbers = await self._numbers(room)
        except Unavailable:
            self._count_soon(room)
            return
        for listener in room.everybody() if numbers is not None else ():
            if listener.heard is not None and numbers is not None:
                listener.count(*numbers)

    async def _numbers(self, room: Room) -> tuple[int, int] | None:
        # Seats held now, and seats; None while the server does not know the account's policy.
        now = b"(%d" % int(datetime.now(UTC).timestamp() * 1000)
        in_use, seats = await asyncio.gather(
            self._call(b"ZCOUNT", room.holders, now, b"+inf"), self._call(b"HGET", room.policy, b"seats")
        )
        return None if seats is None else (int(in_use), int(seats))

    async def _entries(self, room: Room, after: Position) -> list[Happening]:
        found = await self._call(b"XRANGE", room.stream, b"(%d-%d" % after, b"+")
        return [happening_of(*entry) for entry in found]

    async def _mark(self, room: Room) -> None:
        loop = asyncio.get_running_loop()
        if room.marked_at + _MARK_AGAIN > loop.time():
            return
        known = await self._call(b"SET", room.mark, 1, b"EX", _MARK_LASTS, b"GET")
        forgotten = room.was_marked and known is None
        room.marked_at, room.was_marked = loop.time(), True
        for listener in room.everybody() if forgotten else ():
            listener.look(_LOOK_WITHIN)

    async def _call(self, *parts: Part) -> Any:
        try:
            return await self._valkey.call(*parts)
        except hiredis.ReplyError as error:
            # A server that is still loading, or out of memory.
            raise Unavailable(retry_after=2) from error

    async def _tend(self) -> None:
        for second in count():
            await asyncio.sleep(1)
            rooms = list(self._rooms.values())
            await asyncio.gather(*(self._mark(room) for room in rooms), return_exceptions=True)
            for room in rooms:
                for listener in room.everybody():
                    if (listener.turn - second) % _AWAKE_EVERY == 0:
                        listener.keep_awake()


async def _nothing() -> list[Any]:
    return []
