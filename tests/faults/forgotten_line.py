"""People who wait for a seat, and one who asks for it, while Valkey forgets: they come again, and nobody at work has lost anything by it."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.api import Api
from tests.faults.processes import Violation
from tests.make import Company, Person

LOOKS_EVERY = 0.5  # seconds
# Seats are kept for those who were at work for five seconds, in which nobody need be asked for one.
SETTLES_WITHIN = 15.0


@dataclass
class Waiter:
    """Somebody with a ticket. `found` counts what they waited by, once and again: their place in line, or their question."""

    person: Person
    ticket: str
    asks: bool = False
    handover: str = ""
    found: int = 0


@dataclass
class Line:
    """Those who wait for a seat of a company in which everybody works."""

    apis: list[Api]
    broken: list[str]
    waiters: list[Waiter] = field(default_factory=list)

    async def form(self, company: Company, people: list[Person]) -> None:
        """All of them find the pool full; the last asks everybody for a seat, the others stand in line."""
        for person in people:
            answer = await self._call(
                "POST", "/login", {"email": person.email, "password": person.password, "account": company.slug}
            )
            if answer.status_code != 409:
                raise Violation(f"a full pool answered {answer.status_code}: {answer.text[:300]}")
            self.waiters.append(Waiter(person, answer.json()["ticket"], asks=person is people[-1]))
        for waiter in self.waiters:
            await self._begin(waiter)
            if not waiter.found:
                raise Violation(f"{waiter.person.name} could not wait")

    async def wait(self, stop: asyncio.Event) -> None:
        """Everybody looks where they stand, and begins again when they are forgotten."""
        while not stop.is_set():
            await asyncio.gather(*(self._look(waiter) for waiter in self.waiters))
            await asyncio.sleep(LOOKS_EVERY * random.uniform(0.8, 1.2))

    async def must_be_there_again(self) -> None:
        """Raise Violation unless everybody who waited waits again."""
        give_up = time.monotonic() + SETTLES_WITHIN
        while missing := [waiter.person.name for waiter in self.waiters if waiter.found < 2]:
            if time.monotonic() > give_up:
                raise Violation(f"{len(missing)} of {len(self.waiters)} people never got back to waiting: {missing}")
            await asyncio.gather(*(self._look(waiter) for waiter in self.waiters))
            await asyncio.sleep(LOOKS_EVERY)

    async def _look(self, waiter: Waiter) -> None:
        way = f"/seats/handovers/{waiter.handover}" if waiter.asks else "/seats/queue"
        answer = await self._call("GET", way, params={"ticket": waiter.ticket})
        if answer.status_code == 404:
            await self._begin(waiter)
        elif answer.status_code == 200 and answer.json()["offered_until"] is not None:
            self.broken.append("a seat was offered of a pool in which everybody works")
        elif answer.status_code not in {200, 503}:
            self.broken.append(f"a look at what one waits for was answered {answer.status_code}")

    async def _begin(self, waiter: Waiter) -> None:
        way, refused = ("/seats/handovers", {409}) if waiter.asks else ("/seats/queue", set())
        answer = await self._call("POST", way, {"ticket": waiter.ticket})
        if answer.is_success:
            waiter.found += 1
            waiter.handover = answer.json().get("id", "")
        elif answer.status_code not in refused | {503}:
            self.broken.append(f"waiting again was answered {answer.status_code}: {answer.text[:200]}")

    async def _call(self, method: str, path: str, body: object = None, **extra: Any) -> httpx.Response:
        return await random.choice(self.apis).call(method, path, json=body, **extra)
