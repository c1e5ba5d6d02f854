"""X4: whoever may not be told apart gets the same status, headers and body, in the same time.

`python -m tests.faults.equal_answers --tries 2000`
"""

import asyncio
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import click
import httpx

from tenants import invitations
from tenants.accounts import change_settings, get_account
from tenants.actors import Actor
from tenants.house import House
from tests import make
from tests.faults.processes import Stage, Violation, stage

#: Medians may differ by this much of the median over all.
TOLERANCE = 0.05
#: Default hashes: what a real installation computes.
REAL_HASHES = {"argon2_time_cost": 2, "argon2_memory_kib": 19456, "hash_threads": 1}
WRONG = "a password that nobody has"
FIRST = "seven kites above the harbour"


@dataclass(frozen=True, slots=True)
class Try:
    """One request of one state."""

    state: str
    ask: Callable[[], Awaitable[httpx.Response]]


async def equal_answers(house: House, client: httpx.AsyncClient, *, tries: int) -> list[str]:
    """Interleave `tries` requests over the states, for sign-in and for forgotten passwords. Raises Violation; one line per endpoint."""
    people = await _people(house)
    lines = []
    for name, path, body in (
        ("POST /login", "/api/v1/login", _both),
        ("POST /password-resets", "/api/v1/password-resets", _address),
    ):
        asks = [Try(state, partial(client.post, path, json=body(email, password))) for state, (email, password) in people.items()]
        lines.append(await _compare(name, asks, tries))
    return lines


def _both(email: str, password: str) -> dict[str, str]:
    return {"email": email, "password": password}


def _address(email: str, _: str) -> dict[str, str]:
    return {"email": email}


async def _people(house: House) -> dict[str, tuple[str, str]]:
    acme = await make.company(house, "Acme", staff=5)
    zeta = await make.company(house, "Zeta", staff=1)
    administrator = await make.actor(house, acme, acme.administrator)
    api_changes = {1: "suspended", 2: "struck_off", 3: "deleted"}
    for number, status in api_changes.items():
        await _set(house, acme, administrator, acme.staff[number], status)
    async with house.database.transaction(acme.account_id) as session:
        invited = await invitations.invite(session, house.catalogue, administrator, email="invited@acme.example.com", role="user")
    await _with_first_passwords(house, acme, administrator)
    return {
        "unknown": ("nobody@acme.example.com", WRONG),
        "active": (acme.staff[0].email, WRONG),
        "invited": (invited.email, WRONG),
        "invited with a first password": ("first@acme.example.com", WRONG),
        "first password lapsed, right password": ("late@acme.example.com", FIRST),
        "suspended": (acme.staff[1].email, WRONG),
        "struck off": (acme.staff[2].email, WRONG),
        "struck off, right password": (acme.staff[2].email, make.PASSWORD),
        "deleted": (acme.staff[3].email, WRONG),
        "deleted, right password": (acme.staff[3].email, make.PASSWORD),
        "other account": (zeta.staff[0].email, WRONG),
    }


async def _with_first_passwords(house: House, company: make.Company, administrator: Actor) -> None:
    """Two people are invited with one; the second one's invitation is over."""
    first_hash = await house.hasher.hash(FIRST)
    async with house.database.transaction(company.account_id) as session:
        await change_settings(session, await get_account(session, company.account_id), wanted={"admin_sets_password": True})
    for name in ("first", "late"):
        async with house.database.transaction(company.account_id) as session:
            email = f"{name}@acme.example.com"
            user = await invitations.invite(
                session, house.catalogue, administrator, email=email, role="user", first_hash=first_hash
            )
    async with house.database.transaction(company.account_id) as session:
        await invitations.withdraw(session, house.catalogue, administrator, user.id)


async def _set(house: House, company: make.Company, actor: object, person: make.Person, status: str) -> None:
    from tenants import statuses

    async with house.database.transaction(company.account_id) as session:
        if status == "suspended":
            await statuses.suspend(session, house.catalogue, actor, person.user_id, until=None, reason=None)  # type: ignore[arg-type]  # an Actor
        elif status == "struck_off":
            await statuses.strike_off(session, house.catalogue, actor, person.user_id)  # type: ignore[arg-type]  # an Actor
        else:
            await statuses.delete_user(session, house.catalogue, actor, person.user_id)  # type: ignore[arg-type]  # an Actor


async def _compare(name: str, asks: list[Try], tries: int) -> str:
    times: dict[str, list[float]] = defaultdict(list)
    shapes: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for _ in range(max(1, tries // len(asks))):
        for each in random.sample(asks, len(asks)):
            started = time.perf_counter()
            answer = await each.ask()
            times[each.state].append(time.perf_counter() - started)
            shapes[each.state].add(_shape(answer))
    if len(set.union(*shapes.values())) != 1:
        raise Violation(f"X4 {name}: the answers differ: {dict(shapes)}")
    medians = {state: statistics.median(found) for state, found in times.items()}
    overall = statistics.median(medians.values())
    furthest = max(medians, key=lambda state: abs(medians[state] - overall))
    apart = abs(medians[furthest] - overall) / overall
    line = f"X4 {name}: {tries} tries over {len(asks)} states, median {overall * 1000:.1f} ms, furthest {furthest}: {apart:.1%}"
    if tries >= 1000 and apart > TOLERANCE:
        raise Violation(line)
    return line


def _shape(answer: httpx.Response) -> tuple[object, ...]:
    body = (answer.json() if answer.content else None) or {}
    body.pop("request_id", None)
    varying = {"x-request-id", "date", "content-length"}
    return answer.status_code, tuple(sorted(n for n in answer.headers if n not in varying)), str(sorted(body.items()))


async def _run(on: Stage, tries: int) -> None:
    async with on.house() as house, httpx.AsyncClient(base_url=on.apis[0].url, timeout=60, trust_env=False) as client:
        for line in await equal_answers(house, client, tries=tries):
            click.echo(line)


@click.command()
@click.option("--tries", default=2000, show_default=True)
def main(tries: int) -> None:
    """Compare the answers that must not be told apart."""
    with stage(**REAL_HASHES) as on:
        on.start_apis(1, quiet=True)
        asyncio.run(_run(on, tries))


if __name__ == "__main__":
    main()
