"""R3: everything that takes a user's place at once, against a licence that has a few left; and departments against theirs.

`python -m tests.faults.user_quota --rounds 10`
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import click
import httpx

from tenants.house import House
from tests import make
from tests.api import Api
from tests.faults.processes import Stage, Violation, stage
from tests.make import Company

USERS, DEPARTMENTS, AT_ONCE = 50, 5, 200
EVERY = 0.02  # seconds
#: Counted from the rules, by this experiment itself: who takes a place in the licence.
COUNTED = """
SELECT count(*) FROM users WHERE account_id = $1
   AND (status IN ('active', 'suspended') OR (status = 'invited' AND invited_until > now()))
"""
IN_USE = "SELECT count(*) FROM departments WHERE account_id = $1 AND archived_at IS NULL"
Shot = Callable[[Api], Awaitable[httpx.Response]]


@dataclass
class Crowd:
    """An account with people in every state that matters, and room for a few more."""

    company: Company
    struck_off: list[UUID]
    withdrawn: list[UUID]
    suspended: list[UUID]
    links: list[str]

    @property
    def account_id(self) -> UUID:
        """Whose licence it is."""
        return self.company.account_id


class Samples:
    """The most that was ever counted in PostgreSQL, looked at every 20 ms."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.most: dict[str, int] = {}
        self.count = 0

    @asynccontextmanager
    async def watching(self, on: Stage, account_id: UUID) -> AsyncIterator[None]:
        """While it is entered."""
        connection = await asyncpg.connect(on.addresses.superuser_url)
        task = asyncio.create_task(self._look(connection, account_id))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await connection.close()

    async def _look(self, connection: asyncpg.Connection, account_id: UUID) -> None:
        while True:
            for what, query in (("users", COUNTED), ("departments", IN_USE)):
                self.most[what] = max(self.most.get(what, 0), await connection.fetchval(query, account_id))
            self.count += 1
            await asyncio.sleep(EVERY)


async def user_quota(on: Stage, *, rounds: int, at_once: int = AT_ONCE, users: int = USERS) -> str:
    """R3. Raises Violation; returns the result in one line."""
    answers: Counter[str] = Counter()
    samples = Samples()
    async with on.house() as house, on.callers() as apis:
        for number in range(1, rounds + 1):
            crowd = await _prepared(house, apis, users=users, states=at_once // 16)
            before = await _counted(on, crowd)
            async with samples.watching(on, crowd.account_id):
                answers += await _everybody_at_once(apis, crowd, at_once)
            await _check(on, apis[0], crowd, users=users)
            click.echo(f"  round {number}: {before} users and {at_once} more at once; {users} at the end")
    if samples.most["users"] > users or samples.most["departments"] > DEPARTMENTS or not samples.count:
        raise Violation(f"{samples.most} were counted at once under {users} users and {DEPARTMENTS} departments")
    return (
        f"R3: {rounds} rounds of {at_once} at once over {len(apis)} processes: exactly {users} users and {DEPARTMENTS} departments "
        f"each time, never more in {samples.count} samples, as the licence says; {_shown(answers)}"
    )


async def _prepared(house: House, apis: list[Api], *, users: int, states: int) -> Crowd:
    """`states` people each struck off, withdrawn, suspended and invited; then a licence with room for some more."""
    company = await make.company(house, f"Quota {time.monotonic_ns()}", staff=0)
    ada = company.administrator
    for api in apis:
        _must({201}, await api.sign_in(ada), "signing in")
        for other in apis:
            other.tokens[ada.email] = api.tokens[ada.email]
    word = uuid4().hex
    people = [{"email": f"{word}{number}@quota.example.com", "role": "user"} for number in range(4 * states)]
    made = [await apis[0].post("/users", person, by=ada) for person in people]
    for answer in made:
        _must({201}, answer, "preparing")
    ids = [UUID(answer.json()["id"]) for answer in made]
    struck, withdrawn, suspended, invited = (ids[turn * states : (turn + 1) * states] for turn in range(4))
    links = [await make.invitation_token(house, company.account_id, user_id) for user_id in invited]
    for user_id in [*struck, *suspended]:
        await make.accept(house, company.account_id, user_id)
    for user_id in struck:
        _must({200}, await apis[0].patch(f"/users/{user_id}", {"status": "struck_off"}, by=ada), "preparing")
    for user_id in suspended:
        _must({200}, await apis[0].patch(f"/users/{user_id}", {"status": "suspended"}, by=ada), "preparing")
    for user_id in withdrawn:
        _must({204}, await apis[0].delete(f"/users/{user_id}/invitation", by=ada), "preparing")
    operator = await make.operator(house)
    _must({201}, await apis[0].sign_in(operator.administrator), "the operator signing in")
    limits = {"plan": "pro", "users": users, "departments": DEPARTMENTS, "seats": 20}
    licence = await apis[0].put(
        f"/accounts/{company.account_id}/licence", limits, by=operator.administrator, headers={"If-Match": "*"}
    )
    _must({200}, licence, "setting the licence")
    return Crowd(company, struck, withdrawn, suspended, links)


async def _everybody_at_once(apis: list[Api], crowd: Crowd, at_once: int) -> Counter[str]:
    shots = [*_shots(crowd, at_once)]
    random.shuffle(shots)
    answers = await asyncio.gather(*(_fire(apis[turn % len(apis)], name, shot) for turn, (name, shot) in enumerate(shots)))
    return Counter(answers)


def _shots(crowd: Crowd, at_once: int) -> Iterator[tuple[str, Shot]]:
    """All that takes a place, or takes none but stands in the same queue; strangers for the rest."""
    ada = crowd.company.administrator

    def call(method: str, path: str, body: Any = None) -> Shot:
        return lambda api: api.call(method, path, by=ada, json=body)

    yield from (("restored", call("PATCH", f"/users/{one}", {"status": "active"})) for one in crowd.struck_off[::2])
    yield from (("restored, suspended", call("PATCH", f"/users/{one}", {"status": "suspended"})) for one in crowd.struck_off[1::2])
    yield from (("un-suspended", call("PATCH", f"/users/{one}", {"status": "active"})) for one in crowd.suspended)
    yield from (("resent", call("POST", f"/users/{one}/invitation")) for one in crowd.withdrawn)
    accepting = ({"token": link, "password": make.PASSWORD} for link in crowd.links)
    yield from (("accepted", call("POST", "/invitations/accept", body)) for body in accepting)
    yield from (("department", call("POST", "/departments", {"name": f"Place {number}"})) for number in range(2 * DEPARTMENTS))
    batches = at_once // 20
    yield from (("batch of 3", call("POST", "/users/batch", {"users": [_stranger() for _ in range(3)]})) for _ in range(batches))
    rest = at_once - 4 * len(crowd.links) - batches
    yield from (("invited", call("POST", "/users", _stranger())) for _ in range(rest))


def _stranger() -> dict[str, Any]:
    return {"email": f"{uuid4().hex}@quota.example.com", "role": "user"}


async def _fire(api: Api, name: str, shot: Shot) -> str:
    for _ in range(10):
        answer = await shot(api)
        if answer.status_code != 503:
            break
        await asyncio.sleep(int(answer.headers["retry-after"]))
    if answer.is_success:
        return name
    if answer.status_code != 409 or answer.json()["code"] != "quota_reached":
        raise Violation(f"{name} was answered {answer.status_code}: {answer.text[:300]}")
    return f"{name} refused"


async def _check(on: Stage, api: Api, crowd: Crowd, *, users: int) -> None:
    # What is left when batches of three no longer fit: single invitations fill it, and the next one is refused.
    found = await _counted(on, crowd)
    if found > users:
        raise Violation(f"{found} users are counted under a licence for {users}")
    while (answer := await api.post("/users", _stranger(), by=crowd.company.administrator)).status_code == 201:
        found += 1
    licence = (await api.get("/account/licence", by=crowd.company.administrator)).json()
    recount = await _counted(on, crowd)
    if answer.status_code != 409 or not users == found == recount == licence["users"]["used"]:
        raise Violation(
            f"{recount} users are counted, {licence['users']} says the licence, {answer.status_code} was the next one told"
        )
    rows = (await on.ask(IN_USE, crowd.account_id))[0][0]
    if not rows == DEPARTMENTS == licence["departments"]["used"]:
        raise Violation(f"{rows} departments are in use, {licence['departments']} says the licence")


async def _counted(on: Stage, crowd: Crowd) -> int:
    return int((await on.ask(COUNTED, crowd.account_id))[0][0])


def _must(statuses: set[int], answer: httpx.Response, what: str) -> None:
    if answer.status_code not in statuses:
        raise Violation(f"{what}: {answer.status_code}: {answer.text[:300]}")


def _shown(answers: Counter[str]) -> str:
    return ", ".join(f"{word}: {count}" for word, count in sorted(answers.items()))


@click.command()
@click.option("--rounds", default=10, show_default=True)
@click.option("--apis", default=4, show_default=True, help="API processes.")
def main(rounds: int, apis: int) -> None:
    """Run the long form."""
    with stage(apis=apis) as on:
        click.echo(asyncio.run(user_quota(on, rounds=rounds)))


if __name__ == "__main__":
    main()
