"""The line that a storm of sign-ins leaves behind: everybody who was refused waits, and is served in the order of joining."""

import asyncio
import random
import time

import httpx

from tests.api import Api
from tests.faults.processes import Violation
from tests.make import Person

SERVED_WITHIN = 60.0


class StormLine:
    """Who waits, by e-mail, with the ticket of their latest refusal."""

    def __init__(self, apis: list[Api], seats: int) -> None:
        """Nobody waits yet."""
        self._apis, self._seats = apis, seats
        self._tickets: dict[str, str] = {}

    async def join(self, person: Person, ticket: str) -> None:
        """Go to the end of the line, or stay where one stands."""
        self._tickets[person.email] = ticket
        answer = await self._call("POST", "/seats/queue", json={"ticket": ticket})
        if answer.status_code != 409:
            # 409: another sign-in of the same person was luckier.
            _must({200, 201}, answer, "joining the line")

    async def beat(self, token: str) -> None:
        """A page of a session is there."""
        _must({204, 401}, await self._call("POST", "/session/heartbeat", by=token, json={"page": "storm"}), "a heartbeat")

    async def is_served_in_order(self) -> int:
        """Every seat is free: let in whoever has an offer, wave after wave, until nobody waits. Raises Violation; returns how many got in.

        Those with an offer must be exactly as many of the first in line as there are seats.
        """
        served, give_up = 0, time.monotonic() + SERVED_WITHIN
        while places := await self._places():
            offered = sorted(place for place, held in places.values() if held)
            if offered != list(range(len(offered))) or len(offered) != min(self._seats, len(places)):
                raise Violation(f"of {len(places)} in line those at {offered} had an offer, with {self._seats} seats free")
            served += await self._let_in([email for email, (_, held) in places.items() if held])
            if time.monotonic() > give_up:
                raise Violation("the line was not served in time")
        return served

    async def _places(self) -> dict[str, tuple[int, bool]]:
        """How many are ahead of each, and whether a seat is held for them. Whoever waits no more is forgotten."""
        # The first look serves the line, the second one shows it to everybody alike.
        for _ in range(2):
            emails = [*self._tickets]
            answers = await asyncio.gather(
                *(self._call("GET", "/seats/queue", params={"ticket": self._tickets[email]}) for email in emails)
            )
        places = {}
        for email, answer in zip(emails, answers, strict=True):
            _must({200, 404}, answer, "a look at the line")
            if answer.status_code == 200:
                places[email] = (answer.json()["ahead"], answer.json()["offered_until"] is not None)
        return places

    async def _let_in(self, emails: list[str]) -> int:
        answers = await asyncio.gather(*(self._call("POST", "/login", json={"ticket": self._tickets[email]}) for email in emails))
        for answer in answers:
            _must({201}, answer, "signing in to a seat that was held")
        for email in emails:
            del self._tickets[email]
        for answer in answers:
            _must({204}, await self._call("DELETE", "/session", by=answer.json()["token"]), "signing out")
        return len(answers)

    async def _call(self, method: str, path: str, **extra: object) -> httpx.Response:
        """Through any process; whoever is asked to come back later does."""
        while True:
            answer = await random.choice(self._apis).call(method, path, **extra)  # type: ignore[arg-type]  # whatever httpx takes
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(int(answer.headers["retry-after"]))


def _must(statuses: set[int], answer: httpx.Response, what: str) -> None:
    if answer.status_code not in statuses:
        raise Violation(f"{what}: {answer.status_code}: {answer.text[:300]}")
