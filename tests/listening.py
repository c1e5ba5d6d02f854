"""A browser that listens to server-sent events, as far as tests need one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec


@dataclass
class Event:
    """What came between two empty lines. A comment, or a mere id, has no name."""

    name: str = ""
    id: str = ""
    data: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """Its data."""
        found: dict[str, Any] = msgspec.json.decode(self.data)
        return found


class Ears:
    """One stream, read by a task of its own."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.heard: list[Event] = []
        self.over = asyncio.Event()
        self._more = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def hear(self, name: str, *, within: float = 10, **facts: Any) -> Event:
        """The first event of this name (and with these facts) that nobody has asked for yet; waits for it."""
        async with asyncio.timeout(within), self._more:
            while True:
                for event in self.heard:
                    if event.name == name and (not facts or facts.items() <= event.facts.items()):
                        self.heard.remove(event)
                        return event
                await self._more.wait()

    async def close(self) -> None:
        """Leave."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    def names(self) -> list[str]:
        """What was heard and not asked for, without the numbers."""
        return [event.name for event in self.heard if event.name not in {"", "seats"}]

    async def _read(self) -> None:
        event = Event()
        try:
            async for line in self.answer.aiter_lines():
                if line:
                    field, _, value = line.partition(": ")
                    if field in {"event", "id", "data"}:
                        setattr(event, "name" if field == "event" else field, value)
                    continue
                async with self._more:
                    self.heard.append(event)
                    self._more.notify_all()
                event = Event()
        finally:
            self.over.set()


@asynccontextmanager
async def listen(
    url: str, token: str = "", *, after: str = "", path: str = "/api/v1/session/events", cookie: str = ""
) -> AsyncIterator[Ears]:
    """Listen at a process, as the session of the token; `after` is the last id heard. Leaves at the end."""
    headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": after, "Cookie": f"__Host-portillon={cookie}" if cookie else ""}
    given = {name: value for name, value in headers.items() if value not in {"", "Bearer "}}
    async with (
        httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, verify=False) as client,  # noqa: S501 - plain http
        client.stream("GET", path, headers=given) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        ears = Ears(answer)
        try:
            yield ears
        finally:
            await ears.close()
