"""R4: two administrators take each other's rights in the same moment, six ways; one is always left.

`python -m tests.faults.last_administrator --rounds 500`
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import httpx

from tenants.house import House
from tests import make
from tests.api import Api
from tests.faults.processes import Stage, Violation, stage
from tests.make import Company, Person

#: How somebody can be made an administrator no more: method and body. The last of them is also how somebody leaves.
WAYS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "demoted": ("PATCH", {"role": "user"}),
    "limited": ("PATCH", {"departments": ["{department}"]}),
    "suspended": ("PATCH", {"status": "suspended"}),
    "suspended from tomorrow": ("PATCH", {"status": "suspended", "suspended_from": "{tomorrow}"}),
    "struck off": ("PATCH", {"status": "struck_off"}),
    "deleted": ("DELETE", None),
}
# 409: the other would be the last. 403: the other was faster, and whoever asks has the right no more. 401, 404: or is gone.
REFUSALS = {409, 403, 401, 404}
#: An administrator without reserve: whom nothing takes out of the account, now or later, and who is in all departments.
LEFT = """
SELECT count(*) FROM users
 WHERE account_id = $1 AND role = 'administrator' AND departments IS NULL
   AND (status = 'active' OR (status = 'suspended' AND suspended_until <= now()))
"""


@dataclass
class Duel:
    """An account with two administrators, and how its parts are called."""

    company: Company
    both: tuple[Person, Person]
    department: str

    def body(self, way: str) -> dict[str, Any] | None:
        """What is sent to end somebody's rights this way."""
        _, body = WAYS[way]
        if body is None:
            return None
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        filled = {"{department}": self.department, "{tomorrow}": tomorrow}
        return {name: [filled[value[0]]] if isinstance(value, list) else filled.get(value, value) for name, value in body.items()}


async def last_administrator(on: Stage, *, rounds: int) -> str:
    """R4. Raises Violation; returns the result in one line."""
    outcomes: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    async with on.house() as house, on.callers() as apis:
        for api in apis:
            # One memory of tokens: everybody may call through every process.
            api.tokens = apis[0].tokens
        for number in range(rounds):
            duel = await _prepared(house, apis, number)
            # In turn, so that each of the six meets each; and every seventh round both leave by themselves.
            first, second = list(WAYS)[number % 6], list(WAYS)[number // 6 % 6]
            itself = number % 7 == 6
            statuses = await _fight(apis, duel, first, second, itself=itself)
            await _check(on, duel, f"{first} against {second}{', each of themselves' if itself else ''}: {statuses}")
            outcomes[f"{statuses.count(True)} of 2 let through"] += 1
            ways.update((first, second))
    if rounds >= len(WAYS) ** 2 and set(ways) != set(WAYS):
        raise Violation(f"not every way was tried: {dict(ways)}")
    return (
        f"R4: {rounds} rounds of two administrators against each other, {len(WAYS)} ways, {len(on.apis)} processes: "
        f"at least one left in each; {', '.join(f'{word}: {count}' for word, count in sorted(outcomes.items()))}"
    )


async def _prepared(house: House, apis: list[Api], number: int) -> Duel:
    name = f"Duel {number} {time.monotonic_ns()}"
    company = await make.company(house, name, staff=1, roles=("administrator",))
    both = (company.people[0], company.people[1])
    for api, person in zip(_pair(apis), both, strict=True):
        _must(201, await api.sign_in(person), "signing in")
    made = await apis[0].post("/departments", {"name": "Paris"}, by=both[0])
    _must(201, made, "making a department")
    return Duel(company, both, made.json()["id"])


async def _fight(apis: list[Api], duel: Duel, first: str, second: str, *, itself: bool) -> list[bool]:
    """Both at once, at two processes; whether each was let through."""
    one, other = duel.both
    targets = (one, other) if itself else (other, one)
    shots = [
        _shoot(api, way, duel, by=by, against=against)
        for api, way, by, against in zip(_pair(apis), (first, second), duel.both, targets, strict=True)
    ]
    random.shuffle(shots)
    answers = await asyncio.gather(*shots)
    wrong = [f"{answer.status_code} {answer.text[:300]}" for answer in answers if answer.status_code not in {200, 204, *REFUSALS}]
    if wrong:
        raise Violation(f"{first} against {second} was answered {wrong[0]}")
    return [answer.is_success for answer in answers]


async def _shoot(api: Api, way: str, duel: Duel, *, by: Person, against: Person) -> httpx.Response:
    # Up to 3 ms apart: who is first, and by how much, is left to chance.
    await asyncio.sleep(random.random() * 0.003)
    method, _ = WAYS[way]
    return await api.call(method, f"/users/{against.user_id}", by=by, json=duel.body(way))


async def _check(on: Stage, duel: Duel, what: str) -> None:
    left = (await on.ask(LEFT, duel.company.account_id))[0][0]
    if left < 1:
        raise Violation(f"no administrator is left after {what}")


def _pair(apis: list[Api]) -> tuple[Api, Api]:
    """Two processes, where there are two."""
    first, second = random.sample(apis, 2) if len(apis) > 1 else (apis[0], apis[0])
    return first, second


def _must(status: int, answer: httpx.Response, what: str) -> None:
    if answer.status_code != status:
        raise Violation(f"{what}: {answer.status_code}, not {status}: {answer.text[:300]}")


@click.command()
@click.option("--rounds", default=500, show_default=True)
@click.option("--apis", default=4, show_default=True, help="API processes.")
def main(rounds: int, apis: int) -> None:
    """Run the long form."""
    with stage(apis=apis) as on:
        click.echo(asyncio.run(last_administrator(on, rounds=rounds)))


if __name__ == "__main__":
    main()
