"""One line of JSON per request, from an allow-list: no address, token, query or body can get into it."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

_EVERY = 0.2  # seconds between writes


class Line(msgspec.Struct, omit_defaults=True):
    """All that is ever logged of a request."""

    at: datetime
    request_id: str
    method: str
    route: str
    status: int
    ms: float
    account: str | None = None


class AccessLog:
    """Collects lines and writes them a few times a second: a write per request would cost more than a seat check."""

    def __init__(self, stream: Any = None) -> None:
        """Write to standard output unless told otherwise; None of the lines is kept back at the end."""
        self._stream = stream or sys.stdout
        self._encode = msgspec.json.Encoder().encode
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, *, request_id: str, method: str, route: str, status: int, seconds: float, account: str | None) -> None:
        """One finished request. `route` is the template, never the path."""
        self._lines.append(
            self._encode(Line(datetime.now(UTC), request_id, method, route, status, round(seconds * 1000, 1), account))
        )
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self.flush)

    def flush(self) -> None:
        """Write what is there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            out, self._lines = b"\n".join(self._lines) + b"\n", []
            self._stream.write(out.decode())
            self._stream.flush()
