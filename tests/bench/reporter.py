"""`python -m tests.bench.reporter PORT SECONDS A_SECOND SIZE CONNECTIONS`: the vendor's application, which reports what happens in it.

Reads API keys, one a line; A_SECOND events in batches of SIZE, 0 for as many as are taken. Prints events and seconds as JSON.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from uuid_utils import uuid4


@dataclass
class _Turn:
    """What all connections share: whose turn it is, and what was taken."""

    keys: list[str]
    size: int
    every: float
    until: float
    following: float
    batches: int = 0
    accepted: int = 0

    async def next(self) -> int | None:
        """The next batch's number, when its time has come; None after the end."""
        number, at = self.batches, self.following
        self.batches += 1
        self.following += self.every
        if max(at, now := time.monotonic()) >= self.until:
            return None
        if now < at:
            await asyncio.sleep(at - now)
        return number


async def main(port: int, seconds: float, per_second: float, size: int, connections: int) -> None:
    """Send until the time is over; whatever is refused ends it."""
    began = time.monotonic()
    turn = _Turn(sys.stdin.read().split(), size, size / per_second if per_second else 0, began + seconds, began)
    await asyncio.gather(*(_send(turn, port) for _ in range(connections)))
    sys.stdout.write(json.dumps({"events": turn.accepted, "seconds": time.monotonic() - began}))


async def _send(turn: _Turn, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (number := await turn.next()) is not None:
        body = _batch(turn.size)
        key = turn.keys[number % len(turn.keys)]
        head = (
            "POST /api/v1/activity HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        status, answer = await _answer(reader)
        if status != 202:
            raise SystemExit(f"{status} instead of 202: {answer[:500]!r}")
        turn.accepted += json.loads(answer)["accepted"]
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


def _batch(size: int) -> bytes:
    at = datetime.now(UTC).isoformat()
    events = [
        {
            "action": "document.changed",
            "target": {"type": "invoice", "id": f"{number:08}", "label": f"Facture n° 2026-{number:05} de l'été"},
            "key": str(uuid4()),
            "at": at,
            "details": {"total": 1200.5, "currency": "EUR", "before": {"status": "draft"}, "after": {"status": "sent"}},
        }
        for number in range(size)
    ]
    return json.dumps({"events": events}).encode()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
