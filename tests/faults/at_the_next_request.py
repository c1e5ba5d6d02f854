"""R8: a right is taken away, or a person suspended, while they send 50 requests a second: none that starts after the answer succeeds.

`python -m tests.faults.at_the_next_request --rounds 200`
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import click
import httpx

from tenants import invitations
from tenants.house import House
from tests import make
from tests.api import Api
from tests.faults.processes import Stage, Violation, stage
from tests.make import Company, Person

A_SECOND = 50  # requests of one person
FIRST = 10  # answers before the change
AFTER = 0.25  # seconds of requests after it
RIGHTS = ["invoices.view", "users.view"]
SECTION = "users"  # where the right is that is lost
TERMS = {"plan": "enterprise", "seats": 20}


@dataclass
class Scene:
    """An account, its administrator and its seller, and what they may change."""

    house: House
    apis: list[Api]
    company: Company
    seller: Company
    places: list[str]

    async def change(self, method: str, path: str, body: Any = None, *, by: Person | None = None) -> float:
        """A change through a process taken at random; the moment at which its answer was there."""
        by = by or self.company.administrator
        answer = await random.choice(self.apis).call(method, path, by=by, json=body, headers={"If-Match": "*"})
        arrived = time.monotonic()
        if not answer.is_success:
            raise Violation(f"{method} {path} was answered {answer.status_code}: {answer.text[:300]}")
        return arrived

    async def licence(self, options: list[str]) -> float:
        """Another sale: these options."""
        return await self.change(
            "PUT", f"/accounts/{self.company.account_id}/licence", {**TERMS, "options": options}, by=self.seller.administrator
        )


@dataclass
class Victim:
    """Somebody whose own role lets them read the list of users, in one department."""

    person: Person
    role: str


@dataclass
class Loss:
    """A way to lose it. `asks` is what is asked meanwhile; `undo` is what makes the account as it was."""

    lose: Callable[[Scene, Victim], Awaitable[float]]
    asks: str = "/users?limit=1"
    undo: Callable[[Scene, Victim], Awaitable[float]] | None = None


def _user(**body: Any) -> Callable[[Scene, Victim], Awaitable[float]]:
    return lambda scene, victim: scene.change("PATCH", f"/users/{victim.person.user_id}", body)


def _role(**body: Any) -> Callable[[Scene, Victim], Awaitable[float]]:
    return lambda scene, victim: scene.change("PATCH", f"/roles/{victim.role}", body)


def _account(**body: Any) -> Callable[[Scene, Victim], Awaitable[float]]:
    return lambda scene, _: scene.change("PATCH", "/account", body)


LOSSES: dict[str, Loss] = {
    "role edited": Loss(_role(rights=["invoices.view"])),
    "other role": Loss(_user(role="user")),
    "role deleted": Loss(lambda scene, victim: scene.change("DELETE", f"/roles/{victim.role}?replacement=user")),
    "hidden from the user": Loss(_user(restrictions=[SECTION])),
    "hidden for the role": Loss(_role(restrictions=[SECTION])),
    "hidden in the account": Loss(_account(restrictions=[SECTION]), undo=_account(restrictions=[])),
    "option ended": Loss(lambda scene, _: scene.licence([]), undo=lambda scene, _: scene.licence(["custom_roles"])),
    "other department": Loss(
        lambda scene, victim: scene.change("PATCH", f"/users/{victim.person.user_id}", {"departments": [scene.places[1]]}),
        asks="/gate/check?right=users.view&department={place}",
    ),
    "put out": Loss(lambda scene, victim: scene.change("DELETE", f"/users/{victim.person.user_id}/sessions")),
    "suspended": Loss(_user(status="suspended")),
    "struck off": Loss(_user(status="struck_off")),
    "deleted": Loss(lambda scene, victim: scene.change("DELETE", f"/users/{victim.person.user_id}")),
}


@dataclass
class Sender:
    """Sends requests at a steady pace and keeps when each started and ended, and how it was answered."""

    apis: list[Api]
    person: Person
    way: str
    heard: list[tuple[float, float, int]] = field(default_factory=list)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """While it is entered; every answer is there at the end."""
        tasks: list[asyncio.Task[None]] = []
        pace = asyncio.create_task(self._send(tasks))
        try:
            yield
        finally:
            pace.cancel()
            await asyncio.wait([pace])
            await asyncio.gather(*tasks)

    async def _send(self, tasks: list[asyncio.Task[None]]) -> None:
        while True:
            tasks.append(asyncio.create_task(self._ask(self.apis[len(tasks) % len(self.apis)])))
            await asyncio.sleep(1 / A_SECOND)

    async def _ask(self, api: Api) -> None:
        began = time.monotonic()
        answer: httpx.Response = await api.get(self.way, by=self.person)
        self.heard.append((began, time.monotonic(), answer.status_code))


async def at_the_next_request(on: Stage, *, rounds: int) -> str:
    """R8. Raises Violation; returns the result in one line."""
    counted: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    async with on.house() as house, on.callers() as apis:
        scene = await _scene(house, apis)
        for number in range(rounds):
            name = list(LOSSES)[number % len(LOSSES)]
            counted += await _round(scene, name, LOSSES[name])
            ways[name] += 1
    return (
        f"R8: {rounds} rounds, {len(ways)} ways to lose a right or one's place, {A_SECOND} requests a second over {len(apis)} "
        f"processes: {counted['before']} let through before, 0 of {counted['after']} that started after the answer"
    )


async def _round(scene: Scene, name: str, loss: Loss) -> Counter[str]:
    victim = await _victim(scene)
    sender = Sender(scene.apis, victim.person, loss.asks.format(place=scene.places[0]))
    async with sender.sending():
        while len(sender.heard) < FIRST:
            await asyncio.sleep(1 / A_SECOND)
        asked = time.monotonic()
        arrived = await loss.lose(scene, victim)
        await asyncio.sleep(AFTER)
    before = [status for _, ended, status in sender.heard if ended < asked]
    after = [status for began, _, status in sender.heard if began > arrived]
    if set(before) != {200}:
        raise Violation(f"{name}: before it, answers were {Counter(before)}")
    if not after or not set(after) <= {401, 403}:
        raise Violation(f"{name}: requests that started after its answer were answered {Counter(after)}")
    if loss.undo is not None:
        await loss.undo(scene, victim)
    if name != "deleted":
        await scene.change("DELETE", f"/users/{victim.person.user_id}")
    return Counter(before=len(before), after=len(after))


async def _scene(house: House, apis: list[Api]) -> Scene:
    seller = await make.operator(house)
    company = await make.company(house, f"Next {time.monotonic_ns()}", staff=0)
    for person in (seller.administrator, company.administrator):
        answer = await apis[0].sign_in(person)
        if answer.status_code != 201:
            raise Violation(f"signing in was answered {answer.status_code}: {answer.text[:300]}")
    for api in apis:
        # One memory of tokens: everybody may call through every process.
        api.tokens = apis[0].tokens
    scene = Scene(house, apis, company, seller, [])
    await scene.licence(["custom_roles"])
    for name in ("Paris", "Lyon"):
        made = await apis[0].post("/departments", {"name": name}, by=company.administrator)
        scene.places.append(made.json()["id"])
    return scene


async def _victim(scene: Scene) -> Victim:
    admin, word = scene.company.administrator, f"v{time.monotonic_ns()}"
    role = (await scene.apis[0].post("/roles", {"name": word, "rights": RIGHTS}, by=admin)).json()["id"]
    async with scene.house.database.transaction(scene.company.account_id) as session:
        user = await invitations.invite(
            session,
            scene.house.catalogue,
            await make.actor(scene.house, scene.company, admin),
            email=f"{word}@next.example.com",
            role=role,
            departments=[UUID(scene.places[0])],
        )
    person = await make.accept(scene.house, scene.company.account_id, user.id)
    answer = await scene.apis[0].sign_in(person)
    if answer.status_code != 201:
        raise Violation(f"signing in was answered {answer.status_code}: {answer.text[:300]}")
    return Victim(person, role)


@click.command()
@click.option("--rounds", default=200, show_default=True)
@click.option("--apis", default=4, show_default=True, help="API processes.")
def main(rounds: int, apis: int) -> None:
    """Run the long form."""
    with stage(apis=apis) as on:
        click.echo(asyncio.run(at_the_next_request(on, rounds=rounds)))


if __name__ == "__main__":
    main()
