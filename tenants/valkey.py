"""One pipelining connection to Redis or Valkey: calls made in one turn of the event loop share one write.

An awaited redis-py call costs more processor time than a whole bare request; this is what keeps a check on every request cheap.
Only the request path uses it; throttles and the queue go through redis-py.
"""

import asyncio
import hashlib
import logging
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

from tenants.errors import Unavailable

log = logging.getLogger("portillon")

ANSWER_WITHIN = 2.0  # seconds; later than that the server counts as away
_RETRY_AFTER = 1.0

Part = bytes | str | int
W = TypeVar("W", bound="Wire")


class Script:
    """A Lua script, called by its digest and loaded where the server does not know it yet."""

    def __init__(self, text: str) -> None:
        """Keep the text and its digest."""
        self.text = text.encode()
        self.digest = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()

    @classmethod
    def of_files(cls, *paths: Path) -> "Script":
        """The files, one after the other."""
        return cls("\n".join(path.read_text(encoding="utf-8") for path in paths))


class Valkey:
    """Connects at the first call, and again whenever the connection broke. Safe for any number of tasks of one loop."""

    def __init__(self, url: str) -> None:
        """`redis://`, `rediss://` or `unix://`, as redis-py reads them."""
        self._url = url
        self._wire: Wire | None = None
        self._connecting: asyncio.Lock = asyncio.Lock()
        self._not_before = 0.0

    async def call(self, *parts: Part) -> Any:
        """One command. Raises Unavailable when the server is away, hiredis.ReplyError when it says no."""
        wire = self._wire
        if wire is None or wire.broken:
            wire = await self._connect()
        answer = await wire.send(packed(*parts))
        if isinstance(answer, hiredis.ReplyError):
            raise answer
        return answer

    async def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Part]) -> Any:
        """One script, one round trip; two at the first call after the server started."""
        wire = self._wire
        if wire is None or wire.broken:
            wire = await self._connect()
        answer = await wire.send(packed(b"EVALSHA", script.digest, len(keys), *keys, *arguments))
        if isinstance(answer, hiredis.ReplyError):
            if not str(answer).startswith("NOSCRIPT"):
                raise _refusal(answer)
            return await self.call(b"EVAL", script.text, len(keys), *keys, *arguments)
        return answer

    async def close(self) -> None:
        """Drop the connection; calls in flight fail as Unavailable."""
        if self._wire is not None:
            self._wire.drop()
            self._wire = None

    async def _connect(self) -> "Wire":
        async with self._connecting:
            if self._wire is not None and not self._wire.broken:
                return self._wire
            if monotonic() < self._not_before:
                raise Unavailable(retry_after=2)
            try:
                self._wire = await asyncio.wait_for(open_wire(self._url, Wire), ANSWER_WITHIN)
            except (OSError, TimeoutError, hiredis.HiredisError) as error:
                self._not_before = monotonic() + _RETRY_AFTER / 10
                raise Unavailable(retry_after=2) from error
            return self._wire


class Wire(asyncio.Protocol):
    """One connection: bytes out in order, answers back in the same order."""

    def __init__(self) -> None:
        self.broken = False
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._outgoing: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._transport: asyncio.WriteTransport | None = None
        self._watch: asyncio.TimerHandle | None = None

    def send(self, packed: bytes) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.broken:
            future.set_exception(Unavailable(retry_after=2))
            return future
        # A caller that goes away leaves its place in the line: its answer is read and dropped, never given to another.
        self._waiting.append((future, self._loop.time() + ANSWER_WITHIN))
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(packed)
        return future

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # a stream's is one; uvloop's only behaves like it
        self._watch = self._loop.call_later(ANSWER_WITHIN / 4, self._look)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        gets: Callable[[], Any] = self._reader.gets
        while (answer := gets()) is not False:
            self.take(answer)

    def take(self, answer: Any) -> None:
        future, _ = self._waiting.popleft()
        if not future.done():
            future.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.drop()

    def drop(self) -> None:
        self.broken = True
        if self._watch is not None:
            self._watch.cancel()
        if self._transport is not None:
            self._transport.abort()
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(Unavailable(retry_after=2))

    def _flush(self) -> None:
        out, self._outgoing = self._outgoing, []
        if self._transport is not None and not self.broken:
            self._transport.write(b"".join(out) if len(out) > 1 else out[0])

    def _look(self) -> None:
        if self._waiting and self._waiting[0][1] < self._loop.time():
            self.drop()
        elif not self.broken:
            self._watch = self._loop.call_later(ANSWER_WITHIN / 4, self._look)


async def open_wire(url: str, make: Callable[[], W]) -> W:
    """A connection that has said who it is. Raises OSError, hiredis.HiredisError or Unavailable."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    query = parse_qs(parts.query)
    if parts.scheme == "unix":
        _, wire = await loop.create_unix_connection(make, parts.path)
        database = query.get("db", ["0"])[0]
    else:
        secure = ssl.create_default_context() if parts.scheme == "rediss" else None
        _, wire = await loop.create_connection(make, parts.hostname or "localhost", parts.port or 6379, ssl=secure)
        database = parts.path.strip("/") or query.get("db", ["0"])[0]
    try:
        if parts.password:
            name = [unquote(parts.username)] if parts.username else []
            await _said_yes(wire, b"AUTH", *name, unquote(parts.password))
        if database != "0":
            await _said_yes(wire, b"SELECT", database)
    except BaseException as error:
        wire.drop()
        if isinstance(error, hiredis.ReplyError):
            log.warning("Redis refuses the connection: %s", error)
        raise
    return wire


async def _said_yes(wire: Wire, *parts: Part) -> None:
    answer = await wire.send(packed(*parts))
    if isinstance(answer, hiredis.ReplyError):
        raise answer


def packed(*parts: Part) -> bytes:
    """A command as the server reads it."""
    command: bytes = hiredis.pack_command(parts)  # type: ignore[arg-type]  # its stub declares a tuple of one
    return command


def _refusal(answer: hiredis.ReplyError) -> Exception:
    # A server that is loading, read-only or out of memory is away, as far as a request can tell.
    away = str(answer).startswith(("LOADING", "READONLY", "OOM", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "BUSY"))
    return Unavailable(retry_after=2) if away else answer
