"""Where the walk takes place: companies of every kind, who sells to them, and processes that are killed and started again."""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tenants import invitations
from tenants.house import House
from tests import make
from tests.api import Api
from tests.faults.browsers import Browser, Pool, Town
from tests.faults.processes import Stage, Violation
from tests.faults.seat_checks import Unit
from tests.faults.seat_record import Caps, Record
from tests.faults.seat_snapshots import SEEN, Snapshot, snapshot
from tests.make import Company, Person

TERMS = {"plan": "enterprise", "accountant_seats": 1}
ROLES = ("user", "user", "user", "administrator", "user", "accountant", "user")
STAFF = 8
# A boost's end is read on the database's clock and counted on Valkey's.
SLACK = 1.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What a company is like. `changes`: its seller changes the cap all the time."""

    name: str
    seats: int
    unit: Unit
    sessions_per_user: int
    reclaim_after: int | None
    idle_timeout: int
    changes: bool


KINDS = (
    Kind("Plain", 3, "user", 1, None, 30, changes=False),
    Kind("Tight", 4, "session", 2, 1, 5, changes=False),
    Kind("Sold", 3, "user", 2, 1, 30, changes=True),
    Kind("Resold", 4, "session", 1, None, 5, changes=True),
)


@dataclass
class Walk:
    """Everything that moves, and how often it did. The first process is never killed: who sells knows what was answered."""

    on: Stage
    town: Town
    browsers: list[Browser]
    seller: Person
    changing: list[Pool] = field(default_factory=list)
    kills: int = 0
    cap_changes: int = 0
    leaps: int = 0

    async def must(self, status: int, method: str, path: str, *, by: Person, **extra: Any) -> Any:
        """A call through the process that is never killed; its body."""
        answer = await self.town.apis[0].call(method, path, by=by, **extra)
        if answer.status_code != status:
            raise Violation(f"{method} {path} was answered {answer.status_code}, not {status}: {answer.text[:300]}")
        return answer.json() if answer.content else None


async def build(on: Stage, house: House, apis: list[Api], browsers: int) -> Walk:
    """Companies with their settings; some people belong to two of them, some have two browsers."""
    word = time.monotonic_ns()
    seller = await make.company(house, f"Seller {word}", kind="reseller", staff=0)
    walk = Walk(on, Town(apis, []), [], seller.administrator)
    await _signed_in(apis[0], seller.administrator)
    for kind in KINDS:
        company = await make.company(house, f"{kind.name} {word}", parent=seller, staff=STAFF, roles=ROLES)
        pool = Pool(company, kind.unit, kind.sessions_per_user, Record(Caps(kind.seats)))
        walk.town.pools.append(pool)
        if kind.changes:
            walk.changing.append(pool)
        await _settle(walk, pool, kind)
    places = [[(pool, person)] for pool in walk.town.pools for person in pool.company.people]
    for one, other in zip(walk.town.pools, walk.town.pools[1:] + walk.town.pools[:1], strict=True):
        for number in (0, 1):
            person = one.company.staff[number]
            joined = await _join(house, other.company, person)
            next(place for place in places if place[0][1] is person).append((other, joined))
    random.shuffle(places)
    walk.browsers = [Browser(walk.town, places[number % len(places)]) for number in range(browsers)]
    return walk


async def sell(stop: asyncio.Event, walk: Walk, pool: Pool) -> None:
    """Raise and lower the cap, give boosts that end by themselves or are ended."""
    lowest, highest = pool.record.caps.seats - 2, pool.record.caps.seats + 2
    while not stop.is_set():
        await asyncio.sleep(random.uniform(1, 5))
        if random.random() < 0.5:
            await _set_cap(walk, pool, random.randint(lowest, highest))
        else:
            await _boost(walk, pool, random.randint(1, 2), ends_early=random.random() < 0.5)
        walk.cap_changes += 1


async def kill(stop: asyncio.Event, walk: Walk, *, every: float) -> None:
    """SIGKILL of one process after the other but for the first; each is back at the same address after a moment."""
    while not stop.is_set():
        try:
            async with asyncio.timeout(every * random.uniform(0.5, 1.5)):
                await stop.wait()
        except TimeoutError:
            number = random.randrange(1, len(walk.town.apis))
            walk.town.down.add(number)
            process = walk.on.apis[number]
            if random.random() < 0.7:
                walk.town.down.discard(number)  # some calls still try it
            await asyncio.to_thread(walk.on.kill_api, process)
            walk.kills += 1
            await asyncio.sleep(random.uniform(0.1, 0.5))
            walk.town.down.add(number)
            await asyncio.to_thread(walk.on.start_api_again, process)
            walk.town.down.discard(number)


async def listen(stop: asyncio.Event, walk: Walk, pool: Pool) -> None:
    """Somebody's browser listens for a few seconds to what it is told, then somebody else's."""
    while not stop.is_set():
        await asyncio.sleep(random.uniform(0.1, 1))
        tokens = [pool.record.tokens[session] for session in pool.record.alive]
        if not tokens:
            continue
        headers = {"Authorization": f"Bearer {random.choice(tokens)}"}
        with suppress(TimeoutError, httpx.TransportError):
            async with (
                asyncio.timeout(random.uniform(1, 4)),
                walk.town.any_api.client.stream("GET", "/api/v1/session/events", headers=headers) as answer,
            ):
                walk.town.note("listen", answer.status_code, expected={200, 401})
                async for line in answer.aiter_lines():
                    if line.startswith("event:"):
                        walk.town.told[line.removeprefix("event:").strip()] += 1


async def end_what_nobody_knows(walk: Walk, pool: Pool) -> None:
    """The administrator ends every session of everybody, their own at last."""
    boss = pool.company.administrator
    await _signed_in(walk.town.apis[0], boss, account=pool.company.slug, management=True)
    everybody = await walk.on.ask("SELECT id FROM users WHERE account_id = $1", pool.company.account_id)
    for row in everybody:
        if row["id"] != boss.user_id:
            await walk.must(200, "DELETE", f"/users/{row['id']}/sessions", by=boss, params={"reason": "Closing time"})
    own = await walk.must(200, "GET", "/sessions", by=boss)
    for session in own["items"]:
        if not session["current"]:
            await walk.must(204, "DELETE", f"/sessions/{session['id']}", by=boss)
    await walk.must(204, "DELETE", "/session", by=boss)


async def look_once_more(walk: Walk, pool: Pool) -> None:
    """An administrator comes and goes: whoever comes clears away what has run out."""
    await _signed_in(walk.town.apis[0], pool.company.administrator, account=pool.company.slug)
    await walk.must(204, "DELETE", "/session", by=pool.company.administrator)


def look_at(walk: Walk, pool: Pool) -> Snapshot:
    """The pool at this instant."""
    with walk.on.valkey() as client:
        return snapshot(client.register_script(SEEN), pool.company.account_id)


async def _set_cap(walk: Walk, pool: Pool, seats: int) -> None:
    began = time.monotonic()
    path = f"/accounts/{pool.company.account_id}/licence"
    await walk.must(200, "PUT", path, by=walk.seller, json={**TERMS, "seats": seats}, headers={"If-Match": "*"})
    pool.record.caps.change(seats, began, time.monotonic())


async def _boost(walk: Walk, pool: Pool, more: int, *, ends_early: bool) -> None:
    path, before = f"/accounts/{pool.company.account_id}/boosts", pool.record.caps.seats
    began, length = time.monotonic(), random.uniform(2, 5)
    ends_at = datetime.now(UTC) + timedelta(seconds=length)
    boost = await walk.must(201, "POST", path, by=walk.seller, json={"seats": more, "ends_at": ends_at.isoformat()})
    pool.record.caps.change(before + more, began, time.monotonic())
    await asyncio.sleep(length / 2)
    if ends_early:
        ending = time.monotonic()
        answer = await walk.town.apis[0].delete(f"{path}/{boost['id']}", by=walk.seller)
        if answer.status_code == 204:
            pool.record.caps.change(before, ending, time.monotonic())
            return
        walk.town.note("end boost", answer.status_code, expected={409}, said=answer.text)  # it ended by itself meanwhile
    await asyncio.sleep(length / 2 + 2 * SLACK)
    pool.record.caps.change(before, began + length - SLACK, began + length + SLACK)


async def _settle(walk: Walk, pool: Pool, kind: Kind) -> None:
    await _set_cap(walk, pool, kind.seats)
    boss = pool.company.administrator
    await _signed_in(walk.town.apis[0], boss)
    settings = {
        "seat_unit": kind.unit,
        "sessions_per_user": kind.sessions_per_user,
        "reclaim_after": kind.reclaim_after,
        "idle_timeout": kind.idle_timeout,
        "show_holders": True,
    }
    await walk.must(200, "PATCH", "/account", by=boss, json=settings)
    await walk.must(204, "DELETE", "/session", by=boss)


async def _join(house: House, company: Company, person: Person) -> Person:
    """The same person in another company as well."""
    administrator = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        user = await invitations.invite(session, house.catalogue, administrator, email=person.email, role="user")
    joined = await make.accept(house, company.account_id, user.id)
    company.people.append(joined)
    return joined


async def _signed_in(api: Api, person: Person, **extra: Any) -> None:
    answer = await api.sign_in(person, **extra)
    if answer.status_code != 201:
        raise Violation(f"signing in was answered {answer.status_code}: {answer.text[:300]}")
