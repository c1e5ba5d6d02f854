"""A cap raised, or a boost given, on one process is there at the very next sign-in on another one, while both are under load.

`python -m tests.faults.raised_cap --rounds 100`
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from tenants.house import House
from tests import make
from tests.api import Api
from tests.faults.processes import Stage, Violation, stage
from tests.make import Company, Person

SEATS, BESIDE = 3, 4
A_SECOND = 50  # requests of those at work
WITHIN = 1.0  # seconds
TERMS = {"plan": "enterprise"}


@dataclass
class Scene:
    """A client whose pool is full, its seller, and a company beside it that keeps both processes busy."""

    apis: list[Api]
    client: Company
    seller: Company
    beside: Company
    boost: str = ""

    async def sell(self, api: Api, method: str, path: str, body: Any = None) -> Any:
        """A sale to the client; what it was answered."""
        way = f"/accounts/{self.client.account_id}{path}"
        answer = await api.call(method, way, by=self.seller.administrator, json=body, headers={"If-Match": "*"})
        if not answer.is_success:
            raise Violation(f"{method} {way} was answered {answer.status_code}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    async def seats(self, api: Api, seats: int) -> None:
        """The licence has so many from now on."""
        await self.sell(api, "PUT", "/licence", {**TERMS, "seats": seats})


async def _raise(scene: Scene, api: Api) -> None:
    await scene.seats(api, SEATS + 1)


async def _lower(scene: Scene, api: Api) -> None:
    await scene.seats(api, SEATS)


async def _boost(scene: Scene, api: Api) -> None:
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    scene.boost = (await scene.sell(api, "POST", "/boosts", {"seats": 1, "ends_at": until}))["id"]


async def _end_boost(scene: Scene, api: Api) -> None:
    await scene.sell(api, "DELETE", f"/boosts/{scene.boost}")


Change = Callable[[Scene, Api], Awaitable[None]]
#: How there comes to be a seat more, and how it goes again.
RAISES: dict[str, tuple[Change, Change]] = {"licence": (_raise, _lower), "boost": (_boost, _end_boost)}


@dataclass
class Tries:
    """Somebody refused who tries again at once, until they are in: when each try began and ended, and how it was answered."""

    api: Api
    person: Person
    made: list[tuple[float, float, int]] = field(default_factory=list)

    async def until_in(self) -> None:
        """Comes to an end with the first sign-in that succeeds."""
        while not self.made or self.made[-1][2] != 201:
            began = time.monotonic()
            answer = await self.api.sign_in(self.person)
            self.made.append((began, time.monotonic(), answer.status_code))
            if answer.status_code not in {201, 409}:
                raise Violation(f"signing in was answered {answer.status_code}: {answer.text[:300]}")


async def raised_cap(on: Stage, *, rounds: int) -> str:
    """Raises Violation; returns the result in one line."""
    slowest, tried = 0.0, 0
    async with on.house() as house, on.callers() as apis:
        scene = await _scene(house, apis)
        async with _load(scene):
            for number in range(rounds):
                way = list(RAISES)[number % len(RAISES)]
                here, there = (apis[(number + other) % len(apis)] for other in (0, 1))
                waited, tries = await _round(scene, way, here, there)
                slowest, tried = max(slowest, waited), tried + tries
    return (
        f"Raised cap: {rounds} licences raised or boosts given on one of {len(apis)} processes under load: each time the next of {tried} "
        f"sign-ins on another succeeded, {slowest * 1000:.0f} ms after the answer at most"
    )


async def _round(scene: Scene, way: str, here: Api, there: Api) -> tuple[float, int]:
    more, less = RAISES[way]
    person = scene.client.people[SEATS]
    tries = Tries(there, person)
    trying = asyncio.create_task(tries.until_in())
    try:
        while len(tries.made) < 3 and not trying.done():
            await asyncio.sleep(0.001)
        if trying.done():
            raise Violation(f"{way}: somebody got into a full pool: {tries.made}")
        await more(scene, here)
        answered = time.monotonic()
        await asyncio.wait_for(trying, WITHIN * 10)
    finally:
        trying.cancel()
    after = [made for made in tries.made if made[0] > answered]
    if len(after) > 1 or (after and after[0][2] != 201):
        raise Violation(f"{way}: tries that began after its answer were answered {[status for _, _, status in after]}")
    waited = max(0.0, tries.made[-1][1] - answered)
    if waited > WITHIN:
        raise Violation(f"{way}: the first sign-in succeeded {waited:.2f} s after the answer")
    await there.delete("/session", by=person)
    await less(scene, here)
    return waited, len(tries.made)


@asynccontextmanager
async def _load(scene: Scene) -> AsyncIterator[None]:
    """Those at work send requests, and people beside them sign in and out, through every process."""
    workers = [asyncio.create_task(_work(scene, turn)) for turn in range(SEATS)]
    workers += [asyncio.create_task(_come_and_go(scene, person)) for person in scene.beside.staff]
    try:
        yield
    finally:
        for worker in workers:
            worker.cancel()
        ends = await asyncio.gather(*workers, return_exceptions=True)
    for end in ends:
        if isinstance(end, Violation):
            raise end


async def _work(scene: Scene, turn: int) -> None:
    while True:
        answer = await scene.apis[turn % len(scene.apis)].get("/session", by=scene.client.people[turn % SEATS])
        if answer.status_code != 200:
            raise Violation(f"somebody at work was answered {answer.status_code}: {answer.text[:300]}")
        turn += SEATS
        await asyncio.sleep(SEATS / A_SECOND)


async def _come_and_go(scene: Scene, person: Person) -> None:
    turn = 0
    while True:
        api = scene.apis[turn % len(scene.apis)]
        answer = await api.sign_in(person)
        if answer.status_code != 201:
            raise Violation(f"signing in beside it was answered {answer.status_code}: {answer.text[:300]}")
        await api.delete("/session", by=person)
        turn += 1


async def _scene(house: House, apis: list[Api]) -> Scene:
    word = f"{time.monotonic_ns()}"
    seller = await make.company(house, f"Raises {word}", kind="reseller", staff=0)
    client = await make.company(house, f"Raised {word}", parent=seller, seats=SEATS, staff=SEATS)
    beside = await make.company(house, f"Beside {word}", seats=BESIDE + 1, staff=BESIDE)
    for api in apis:
        # One memory of tokens: everybody may call through every process.
        api.tokens = apis[0].tokens
    for person in (seller.administrator, *client.people[:SEATS]):
        answer = await apis[0].sign_in(person)
        if answer.status_code != 201:
            raise Violation(f"signing in was answered {answer.status_code}: {answer.text[:300]}")
    return Scene(apis, client, seller, beside)


@click.command()
@click.option("--rounds", default=100, show_default=True)
@click.option("--apis", default=2, show_default=True, help="API processes.")
def main(rounds: int, apis: int) -> None:
    """Run the long form."""
    with stage(apis=apis) as on:
        click.echo(asyncio.run(raised_cap(on, rounds=rounds)))


if __name__ == "__main__":
    main()
