"""Channels of Redis or Valkey that ring: one connection of a process, which subscribes, and comes back when it broke.

A ring carries nothing. Whoever hears it reads what there is to know; so a ring that was lost costs nothing but the next one's time.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import hiredis

from tenants.errors import Unavailable
from tenants.valkey import ANSWER_WITHIN, Wire, open_wire, packed

_TRY_AGAIN = 0.2  # seconds
# A connection that was silent for so long is asked whether it lives.
_ASKED_AFTER = 5.0
_PUSHED = frozenset({b"message", b"subscribe", b"unsubscribe", b"pong"})

Rings = Callable[[bytes, bool], None]


class Bells:
    """Every channel that was added rings when somebody published there, and once when the server began to listen to it for us."""

    def __init__(self, url: str, rings: Rings) -> None:
        """Nothing connects before the first channel. `rings` gets the channel, and whether it is only heard from now on."""
        self._url = url
        self._rings = rings
        self._channels: set[bytes] = set()
        self._line: _Line | None = None
        self._staying: asyncio.Task[None] | None = None

    def add(self, channel: bytes) -> None:
        """Hear this one."""
        self._channels.add(channel)
        if self._line is not None:
            self._line.ask(b"SUBSCRIBE", [channel])
        elif self._staying is None:
            self._staying = asyncio.get_running_loop().create_task(self._stay_connected())

    def remove(self, channel: bytes) -> None:
        """Hear it no longer."""
        self._channels.discard(channel)
        if self._line is not None:
            self._line.ask(b"UNSUBSCRIBE", [channel])

    async def close(self) -> None:
        """Hang up."""
        staying, self._staying = self._staying, None
        if staying is not None:
            staying.cancel()
            with suppress(asyncio.CancelledError):
                await staying

    async def _stay_connected(self) -> None:
        while True:
            line = await self._connect()
            self._line = line
            try:
                line.ask(b"SUBSCRIBE", self._channels)
                await line.lost
            finally:
                self._line = None
                line.drop()

    async def _connect(self) -> "_Line":
        while True:
            with suppress(OSError, TimeoutError, hiredis.HiredisError, Unavailable):
                return await asyncio.wait_for(open_wire(self._url, lambda: _Line(self._rings)), ANSWER_WITHIN)
            await asyncio.sleep(_TRY_AGAIN)


class _Line(Wire):
    """A connection on which the server speaks first."""

    def __init__(self, rings: Rings) -> None:
        super().__init__()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._rings = rings
        self._heard = self._loop.time()

    def ask(self, command: bytes, channels: Iterable[bytes] = ()) -> None:
        """Say something whose answer is pushed, if there is one."""
        parts = (command, *channels)
        if self.broken or (len(parts) == 1 and command != b"PING"):
            return
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(packed(*parts))

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        super().data_received(data)

    def take(self, answer: Any) -> None:
        # Without a channel, a PING is answered plainly.
        if answer == b"PONG":
            return
        if not isinstance(answer, list) or answer[0] not in _PUSHED:
            super().take(answer)
        elif answer[0] in {b"message", b"subscribe"}:
            self._rings(answer[1], answer[0] == b"subscribe")

    def drop(self) -> None:
        super().drop()
        if not self.lost.done():
            self.lost.set_result(None)

    def _look(self) -> None:
        silent = self._loop.time() - self._heard
        if silent > _ASKED_AFTER + ANSWER_WITHIN:
            self.drop()
        elif silent > _ASKED_AFTER:
            self.ask(b"PING")
        super()._look()
