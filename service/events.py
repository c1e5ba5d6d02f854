"""Streams of server-sent events (WHATWG HTML): one raw answer for each listener, and no task of its own besides the request's."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from litestar.types import Receive, Scope, Send

from service.authentication import Caller
from service.sign_in_address import sign_in_address
from tenants.errors import NotSignedIn, Unavailable
from tenants.house import House
from tenants.listeners import Happening, Position, position_of

log = logging.getLogger("portillon")

MEDIA_TYPE = "text/event-stream"
_HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    # nginx would keep the events back until it has a bufferful.
    (b"x-accel-buffering", b"no"),
]
# Seconds. A session that nobody ended is looked at all the same, at a time that differs from listener to listener.
_LOOK_AFTER, _LOOK_BEFORE = 60.0, 90.0
_LOOK_AGAIN = 1.0
# How long the last words may wait for a reader that takes nothing.
_LAST_WORDS = 1.0
# Milliseconds after which a browser comes back: not all of a process that ended at the same moment; one stream too many, late.
_BACK_AFTER, _BACK_SPREAD, _BACK_LATE = 1_000, 3_000, 60_000


async def stream(house: House, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the caller's events until their session ends, they leave, or this process does."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    listening = _Stream(caller, send)
    listening.write(b"retry: %d\n\n" % (_BACK_AFTER + listening.turn % _BACK_SPREAD))
    ended: NotSignedIn | None = None
    try:
        await house.happenings.join(listening, after=_last_event(scope))
        ended = await listening.until_over(receive, lambda: house.door.look(caller.key))
    except Unavailable:
        # Whoever is refused gives up; whoever is cut off comes back by itself.
        pass
    finally:
        house.happenings.leave(listening)
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS):
            last = b"" if ended is None else _ended(house, ended)
            await send({"type": "http.response.body", "body": last, "more_body": False})


class _Stream:
    """One listener. Whoever has something to tell writes it at once; the request's own task only waits for the end."""

    __slots__ = (
        "_alarm",
        "_due",
        "_ends_at",
        "_looks",
        "_loop",
        "_over",
        "_send",
        "account_id",
        "heard",
        "session",
        "turn",
        "user",
    )

    def __init__(self, caller: Caller, send: Send) -> None:
        blob = caller.known.blob
        self.account_id: UUID = blob.account_id
        self.session, self.user = blob.session_id.hex, blob.caller_id.hex
        self.heard: Position | None = None
        # An id ends in random bits: sessions differ, and one session's answers do not.
        self.turn = blob.session_id.int & 0xFFFF
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + (blob.expires_at - datetime.now(UTC)).total_seconds()
        self._due = math.inf
        self._looks = 0
        self._over = False
        self._alarm: asyncio.Timeout | None = None
        self._schedule()

    def tell(self, happening: Happening) -> None:
        if happening.kind == "ended":
            # It is told by whom and why once that is written; the answer to whoever ended it does not wait for us.
            self._looks = 3
            self._wake(0.0)
        else:
            self.write(_written(happening))

    def count(self, in_use: int, seats: int) -> None:
        at = b"%d-%d" % (self.heard or (0, 0))
        self.write(b'id: %b\nevent: seats\ndata: {"in_use":%d,"seats":%d}\n\n' % (at, in_use, seats))

    def look(self, within: float) -> None:
        self._wake(random.uniform(0.0, within))  # noqa: S311 - spreads, hides nothing

    def keep_awake(self) -> None:
        self.write(b":\n\n")

    def give_way(self) -> None:
        self.write(b"retry: %d\n\n" % _BACK_LATE)
        self.end()

    def end(self) -> None:
        self._over = True
        self._wake(0.0)

    def write(self, text: bytes) -> None:
        """Send this without waiting. A reader that takes nothing more is cut off: it comes back, and is told what it missed."""
        if self._over:
            return
        # The server's `send` returns at once as long as the connection takes what is written. Where it would wait, we do not.
        sending: Any = self._send({"type": "http.response.body", "body": text, "more_body": True}).__await__()
        try:
            next(sending)
        except StopIteration:
            return
        except (OSError, RuntimeError):
            # It broke in this moment: the others are told all the same.
            log.warning("a stream of events broke", exc_info=True)
        else:
            sending.close()
        self.end()

    async def until_over(self, receive: Receive, look: Callable[[], Awaitable[Any]]) -> NotSignedIn | None:
        """Return when the listener left or must; or with what is to be said, once the session is over."""
        while await self._waited(receive):
            if self._over:
                return None
            self._schedule()
            try:
                await look()
            except NotSignedIn as ended:
                return ended
            except Unavailable:
                self._due = min(self._due, self._loop.time() + _LOOK_BEFORE / 10)
                continue
            if self._looks:
                # It was said to be over, and is not yet.
                self._looks -= 1
                self._due = min(self._due, self._loop.time() + _LOOK_AGAIN)
        return None

    async def _waited(self, receive: Receive) -> bool:
        # Until it is time to look. False when the listener has left.
        try:
            async with asyncio.timeout_at(self._due) as self._alarm:
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return True
        finally:
            self._alarm = None
        return False

    def _schedule(self) -> None:
        now = self._loop.time()
        regular = now + random.uniform(_LOOK_AFTER, _LOOK_BEFORE)  # noqa: S311 - spreads, hides nothing
        self._due = min(regular, max(self._ends_at, now + _LOOK_AGAIN))

    def _wake(self, within: float) -> None:
        self._due = min(self._due, self._loop.time() + within)
        if self._alarm is not None and not self._alarm.expired():
            self._alarm.reschedule(self._due)


def _last_event(scope: Scope) -> Position | None:
    for name, value in scope["headers"]:
        if name == b"last-event-id":
            return position_of(value.decode("latin-1"))
    return None


@lru_cache(maxsize=256)
def _written(happening: Happening) -> bytes:
    data = msgspec.json.encode({name: _shown(name, value) for name, value in msgspec.json.decode(happening.data).items()})
    return b"id: %d-%d\nevent: %b\ndata: %b\n\n" % (*happening.at, happening.kind.encode(), data)


def _shown(name: str, value: Any) -> Any:
    # The scripts know milliseconds and bare digits; whoever reads the API knows moments and ids.
    if name == "until":
        return datetime.fromtimestamp(value / 1000, UTC)
    return UUID(value) if name == "id" else value


def _ended(house: House, over: NotSignedIn) -> bytes:
    ended = over.facts.get("ended")
    said = {**(ended or {"reason": "unknown", "by": None, "at": None}), "sign_in": sign_in_address(house.settings, ended)}
    return b"event: ended\ndata: %b\n\n" % msgspec.json.encode(said)
