"""R6: resellers that raise, boost, open, close and reopen clients at once over several processes, each from one pool.

`python -m tests.faults.reseller_pool --rounds 10`
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import asyncpg
import click
import httpx

from tenants.house import House
from tenants.licences import Overselling
from tests import make
from tests.api import Api
from tests.faults.processes import Stage, Violation, stage
from tests.make import Company

POOL, CLIENTS, AT_ONCE = 40, 8, 150
EVERY = 0.02  # seconds
#: Counted from the rules, by this experiment itself, in one snapshot: what is given, the pool, and the most that was told beyond it.
COUNTED = """
SELECT (SELECT coalesce(sum(l.seats + CASE WHEN a.kind = 'reseller' THEN l.pool_seats ELSE 0 END + coalesce(
            (SELECT max(b.seats) FROM boosts b
              WHERE b.account_id = a.id AND b.ended_at IS NULL AND (b.ends_at IS NULL OR b.ends_at > now())), 0)), 0)
          FROM accounts a JOIN licences l ON l.account_id = a.id WHERE a.parent_id = $1 AND a.status <> 'closed'),
       (SELECT pool_seats FROM licences WHERE account_id = $1),
       (SELECT coalesce(max((facts->>'over')::int), 0) FROM activity WHERE account_id = $1 AND event = 'pool.oversold')
"""
REFUSALS = {"pool_exceeded", "boost_overlaps", "not_in_state", "still_running", "answer_lost"}
Shot = Callable[[Api], Awaitable[httpx.Response]]


@dataclass
class Shop:
    """A reseller with its clients, and what its pool does when it is empty."""

    reseller: Company
    overselling: Overselling
    clients: list[str]
    boosts: list[tuple[str, str]]
    keyed: dict[str, "Keyed"] = field(default_factory=dict)
    warned: int = 0
    most: int = 0

    @property
    def account_id(self) -> UUID:
        """Whose pool it is."""
        return self.reseller.account_id


@dataclass
class Keyed:
    """A POST with its Idempotency-Key, and every answer to it."""

    path: str
    body: dict[str, Any]
    answers: list[httpx.Response] = field(default_factory=list)


async def reseller_pool(on: Stage, *, rounds: int, at_once: int = AT_ONCE) -> str:
    """R6. Raises Violation; returns the result in one line."""
    answers: Counter[str] = Counter()
    samples = warned = 0
    beyond: Counter[str] = Counter()
    async with on.house() as house, on.callers() as apis:
        operator = await make.operator(house)
        for number in range(1, rounds + 1):
            shops = [await _opened(house, apis, operator, how) for how in get_args(Overselling)]
            async with _watching(on, shops) as seen:
                answers += await _everybody_at_once(apis, operator, shops, at_once)
            samples += seen["samples"]
            for shop in shops:
                await _check(on, apis, shop)
                warned += shop.warned
                beyond[shop.overselling] = max(beyond[shop.overselling], shop.most)
            click.echo(f"  round {number}: {at_once} at once for each of {len(shops)} resellers")
    return (
        f"R6: {rounds} rounds of {at_once} at once for each of 3 resellers over {len(apis)} processes, keyed POSTs sent three times: "
        f"given never passed the pool in {samples} samples but by what was told (refuse {beyond['refuse']}, warn {beyond['warn']}, "
        f"allow {beyond['allow']} at most); {warned} warnings, each with its lines and mails; one effect a key; {_shown(answers)}"
    )


async def _opened(house: House, apis: list[Api], operator: Company, how: Overselling) -> Shop:
    """A reseller with clients of one place each, some of them closed, and some with a boost."""
    reseller = await make.company(house, f"Pool {how} {time.monotonic_ns()}", kind="reseller", parent=operator, staff=0)
    for person in (reseller.administrator, operator.administrator):
        _must({201}, await apis[0].sign_in(person), "signing in")
        for api in apis:
            api.tokens[person.email] = apis[0].tokens[person.email]
    shop = Shop(reseller, how, [], [])
    _must({200}, await _pool(apis[0], operator, shop, POOL), "setting the pool")
    for number in range(CLIENTS):
        answer = await apis[0].post("/accounts", _client(), by=reseller.administrator)
        _must({201}, answer, "preparing")
        account = answer.json()["id"]
        shop.clients.append(account)
        if number < 2:
            boost = await apis[0].post(f"/accounts/{account}/boosts", _boost(), by=reseller.administrator)
            _must({201}, boost, "preparing")
            shop.boosts.append((account, boost.json()["id"]))
        elif number < 4:
            closed = await apis[0].patch(f"/accounts/{account}", {"status": "closed"}, by=reseller.administrator)
            _must({200}, closed, "preparing")
    return shop


async def _everybody_at_once(apis: list[Api], operator: Company, shops: list[Shop], at_once: int) -> Counter[str]:
    shots = [(shop, *named) for shop in shops for named in _shots(operator, shop, at_once)]
    random.shuffle(shots)
    found = await asyncio.gather(
        *(_fire(apis[turn % len(apis)], shop, name, shot) for turn, (shop, name, shot) in enumerate(shots))
    )
    return Counter(found)


def _shots(operator: Company, shop: Shop, at_once: int) -> Iterator[tuple[str, Shot]]:
    seller = shop.reseller.administrator

    def call(method: str, path: str, body: Any = None) -> Shot:
        return lambda api: api.call(method, path, by=seller, json=body, headers={"If-Match": "*"})

    def pool(size: int) -> Shot:
        return lambda api: _pool(api, operator, shop, size)

    yield from (("boost ended", call("DELETE", f"/accounts/{account}/boosts/{boost}")) for account, boost in shop.boosts)
    for _ in range(at_once // 6):
        path = f"/accounts/{random.choice(shop.clients)}"
        yield "licence", call("PUT", f"{path}/licence", {"plan": "basic", "seats": random.randint(1, 8)})
        yield from [("boost", _keyed(shop, f"{path}/boosts", _boost()))] * 2
        yield from [("opened", _keyed(shop, "/accounts", _client(random.choice(("client", "reseller")))))] * 2
        yield "closed", call("PATCH", path, {"status": "closed"})
        yield "reopened", call("PATCH", f"/accounts/{random.choice(shop.clients)}", {"status": "active"})
        yield "pool", pool(random.randint(POOL - 10, POOL + 2))


def _keyed(shop: Shop, path: str, body: dict[str, Any]) -> Shot:
    key = uuid4().hex
    sent = shop.keyed[key] = Keyed(path, body)

    async def send(api: Api) -> httpx.Response:
        answer = await api.post(path, body, by=shop.reseller.administrator, headers={"Idempotency-Key": key})
        sent.answers.append(answer)
        return answer

    return send


def _client(kind: str = "client") -> dict[str, Any]:
    name = uuid4().hex
    return {"name": name, "kind": kind, "plan": "basic", "administrator": {"email": f"{name}@pool.example.com"}}


def _boost() -> dict[str, Any]:
    # Weekly in part, and on days of their own: such boosts of one client do not overlap.
    day = random.choice(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))
    ends = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    weekly = {"days": [day], "from": f"{random.randint(0, 11):02}:00", "to": f"{random.randint(12, 24):02}:00"}
    return {"seats": random.randint(1, 6), "ends_at": ends, "reason": uuid4().hex, "weekly": weekly}


async def _pool(api: Api, operator: Company, shop: Shop, size: int) -> httpx.Response:
    terms = {"plan": "basic", "pool_seats": size, "overselling": shop.overselling}
    return await api.put(f"/accounts/{shop.account_id}/licence", terms, by=operator.administrator, headers={"If-Match": "*"})


async def _fire(api: Api, shop: Shop, name: str, shot: Shot) -> str:
    for _ in range(20):
        answer = await shot(api)
        if answer.status_code != 503:
            break
        await asyncio.sleep(int(answer.headers["retry-after"]) * random.random())
    if answer.is_success:
        replayed = "idempotency-replayed" in answer.headers
        told = answer.json().get("warnings", []) if answer.content and not replayed else []
        if told and shop.overselling != "warn":
            raise Violation(f"{name} warned under {shop.overselling}: {told}")
        shop.warned += len(told)
        return f"{name} replayed" if replayed else name
    if answer.status_code != 409 or answer.json()["code"] not in REFUSALS:
        raise Violation(f"{name} was answered {answer.status_code}: {answer.text[:300]}")
    return f"{name} refused"


@asynccontextmanager
async def _watching(on: Stage, shops: list[Shop]) -> AsyncIterator[Counter[str]]:
    """Look every 20 ms at what is given, the pool and what was told, while it is entered."""
    seen: Counter[str] = Counter()
    connection = await asyncpg.connect(on.addresses.superuser_url)

    async def look() -> None:
        while True:
            for shop in shops:
                _hold(shop, await connection.fetchrow(COUNTED, shop.account_id))
            seen["samples"] += 1
            await asyncio.sleep(EVERY)

    task = asyncio.create_task(look())
    try:
        yield seen
    finally:
        task.cancel()
        [ended] = await asyncio.gather(task, return_exceptions=True)
        await connection.close()
    if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
        raise ended
    if not seen["samples"]:
        raise Violation("nobody watched")


def _hold(shop: Shop, row: Any) -> None:
    given, pool, told = row
    shop.most = max(shop.most, given - pool)
    if given > pool + told or (told and shop.overselling == "refuse"):
        raise Violation(f"{given} are given from a pool of {pool} under {shop.overselling}, {told} beyond it were told")


async def _check(on: Stage, apis: list[Api], shop: Shop) -> None:
    await _replay(apis, shop)
    await _one_too_many(apis[0], shop)
    if shop.overselling == "refuse":
        await _both_edges(on, apis[0], shop)
    _hold(shop, (await on.ask(COUNTED, shop.account_id))[0])
    opened = Counter(row[0] for row in await on.ask("SELECT name FROM accounts WHERE parent_id = $1", shop.account_id))
    boosted = Counter(row[0] for row in await on.ask("SELECT reason FROM boosts WHERE by_account_id = $1", shop.account_id))
    for key, sent in shop.keyed.items():
        done = any(answer.status_code == 201 for answer in sent.answers)
        effects = opened[sent.body["name"]] if "name" in sent.body else boosted[sent.body["reason"]]
        if effects != done:
            raise Violation(f"{key} had {effects} effects and was answered {[answer.status_code for answer in sent.answers]}")
    await _check_told(on, shop)


async def _one_too_many(api: Api, shop: Shop) -> None:
    # Whatever the storm left, this passes the pool: refused, warned about or let through, as the licence of the reseller says.
    path, terms = f"/accounts/{shop.clients[0]}/licence", {"plan": "basic", "seats": POOL + 100}
    answer = await api.put(path, terms, by=shop.reseller.administrator, headers={"If-Match": "*"})
    _must({409 if shop.overselling == "refuse" else 200}, answer, f"one too many under {shop.overselling}")
    if shop.overselling == "warn":
        shop.warned += len(answer.json()["warnings"])


async def _both_edges(on: Stage, api: Api, shop: Shop) -> None:
    # A storm seldom ends at the edge itself: the last place is sold, and not one more.
    given, pool, _ = (await on.ask(COUNTED, shop.account_id))[0]
    open_now = (
        "SELECT l.account_id, l.seats FROM licences l JOIN accounts a ON a.id = l.account_id "
        "WHERE a.parent_id = $1 AND a.kind = 'client' AND a.status = 'active'"
    )
    found = await on.ask(open_now, shop.account_id)
    if not found:
        return  # the storm closed every client: there is nobody to sell to
    client, seats = found[0]
    path = f"/accounts/{client}/licence"
    for more, status in ((pool - given + 1, 409), (pool - given, 200)):
        terms = {"plan": "basic", "seats": seats + more}
        answer = await api.put(path, terms, by=shop.reseller.administrator, headers={"If-Match": "*"})
        _must({status}, answer, f"{more} more places where {pool - given} are free")


async def _replay(apis: list[Api], shop: Shop) -> None:
    # Once more, one after the other: what was carried out is answered as it was, and carried out no more.
    for number, (key, sent) in enumerate(shop.keyed.items()):
        first = next((answer for answer in sent.answers if answer.status_code == 201), None)
        if first is None:
            continue
        api = apis[number % len(apis)]
        again = await api.post(sent.path, sent.body, by=shop.reseller.administrator, headers={"Idempotency-Key": key})
        if again.status_code == 409 and again.json()["code"] == "answer_lost":
            continue  # PostgreSQL was too busy to keep it; the effect is counted all the same
        if (again.status_code, again.content, "idempotency-replayed" in again.headers) != (201, first.content, True):
            raise Violation(f"{key} was answered {first.text[:200]} and then {again.status_code}: {again.text[:200]}")


async def _check_told(on: Stage, shop: Shop) -> None:
    lines = "SELECT count(*) FROM activity WHERE event = 'pool.oversold' AND account_id = $1"
    above = "SELECT count(*) FROM activity WHERE event = 'pool.oversold' AND target_id = $1::uuid::text"
    mails = (
        "SELECT count(*) FROM outbox o JOIN activity a ON a.id = o.about WHERE letter = 'pool_oversold' AND a.facts->>'seller' = $1"
    )
    name = (await on.ask("SELECT name FROM accounts WHERE id = $1", shop.account_id))[0][0]
    own, parents = (await on.ask(lines, shop.account_id))[0][0], (await on.ask(above, shop.account_id))[0][0]
    mailed = (await on.ask(mails, name))[0][0]
    wanted = {"refuse": (0, 0, 0), "warn": (shop.warned, shop.warned, 2 * shop.warned), "allow": (own, own, 0)}[shop.overselling]
    if (own, parents, mailed) != wanted or (shop.overselling == "allow" and not own):
        raise Violation(f"{shop.overselling}: {own} and {parents} lines, {mailed} mails, {shop.warned} warnings in answers")


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
        click.echo(asyncio.run(reseller_pool(on, rounds=rounds)))


if __name__ == "__main__":
    main()
