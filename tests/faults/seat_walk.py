"""R2: a long walk of everything that can happen to seats, while caps change, time passes and processes are killed.

`python -m tests.faults.seat_walk --minutes 10`
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import click

from tenants.house import House
from tests.aging import pass_time
from tests.faults import at_the_door, at_work, walk_town
from tests.faults.browsers import Browser, Pool
from tests.faults.processes import Stage, Violation, stage
from tests.faults.seat_checks import CHECKS, Case
from tests.faults.seat_record import Asked
from tests.faults.seat_snapshots import Film, left_over
from tests.faults.walk_town import Walk

PAUSE = 0.35  # seconds between what a browser does, on average
#: How much time may pass at once for an account, so that reloads, offers, lost and lingering seats, leases and hand-overs run out.
LEAPS = {4: 8, 20: 6, 35: 2, 65: 3, 95: 3, 130: 2, 310: 2}
MOST_BUSY = 0.2


async def seat_walk(on: Stage, *, seconds: float, kill_every: float, browsers: int = 36) -> str:
    """R2. Raises Violation; returns the result in one line."""
    async with on.house() as house, on.callers() as apis, AsyncExitStack() as stack:
        walk = await walk_town.build(on, house, apis, browsers)
        film = stack.enter_context(Film(on, [pool.company.account_id for pool in walk.town.pools]))
        async with _running(walk, house, kill_every):
            await asyncio.sleep(seconds)
        await _everybody_leaves(walk, house)
    said = _judged(walk, film)
    return (
        f"R2: {seconds / 60:.1f} minutes, {walk.town.answers.total()} answers of {len(walk.browsers)} browsers over {len(apis)} processes, "
        f"{walk.kills} of them killed, {walk.cap_changes} caps changed, {walk.leaps} leaps of time, {walk.town.told.total()} events heard: {said}"
    )


@asynccontextmanager
async def _running(walk: Walk, house: House, kill_every: float) -> AsyncIterator[None]:
    """Everybody and everything moves; at the end what was begun is finished."""
    stop = asyncio.Event()
    moving = [_live(stop, walk, browser) for browser in walk.browsers]
    moving += [_age(stop, walk, house, pool) for pool in walk.town.pools]
    moving += [walk_town.listen(stop, walk, pool) for pool in walk.town.pools]
    moving += [walk_town.sell(stop, walk, pool) for pool in walk.changing]
    moving.append(walk_town.kill(stop, walk, every=kill_every))
    tasks = [asyncio.create_task(one) for one in moving]
    try:
        yield
    finally:
        stop.set()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, BaseException):
                walk.town.broken[f"the experiment itself: {outcome!r}"] += 1


async def _live(stop: asyncio.Event, walk: Walk, browser: Browser) -> None:
    while not stop.is_set():
        if browser.refusal:
            await at_the_door.step(browser)
        elif browser.token:
            await at_work.step(browser)
        else:
            await at_the_door.arrive(browser)
        await asyncio.sleep(random.expovariate(1 / PAUSE))


async def _age(stop: asyncio.Event, walk: Walk, house: House, pool: Pool) -> None:
    while not stop.is_set():
        await asyncio.sleep(random.uniform(2, 14))
        await _leap(walk, house, pool, random.choices([*LEAPS], weights=[*LEAPS.values()])[0])


async def _leap(walk: Walk, house: House, pool: Pool, seconds: float) -> None:
    began = time.monotonic()
    await pass_time(house.valkey, pool.company.account_id, seconds)
    pool.record.everybody.append((began, time.monotonic()))
    walk.leaps += 1


async def _everybody_leaves(walk: Walk, house: House) -> None:
    """Everybody signs out; what processes that were killed left half done runs out; nothing may be left then."""
    for pool in walk.town.pools:
        for session, token in pool.record.tokens.items():
            reply = await walk.town.call("sign-out", "DELETE", "/session", expected={204, 401}, by=token)
            user = pool.record.alive.get(session)
            if user is not None:
                pool.record.disturb(user, reply.began, reply.ended)
    for pool in walk.town.pools:
        await _leap(walk, house, pool, 150)
        await _nobody_holds_a_seat_without_a_session(walk, pool)
        await walk_town.end_what_nobody_knows(walk, pool)
        await _leap(walk, house, pool, 600)
        await walk_town.look_once_more(walk, pool)
        with walk.on.valkey() as client:
            left = left_over(client, pool.company.account_id)
        if left:
            raise Violation(f"everybody is gone, but there are still {left}")
        rows = await walk.on.ask("SELECT id FROM sessions WHERE account_id = $1 AND ended_at IS NULL", pool.company.account_id)
        if rows:
            raise Violation(f"{len(rows)} sessions are alive in PostgreSQL after everybody left")


async def _nobody_holds_a_seat_without_a_session(walk: Walk, pool: Pool) -> None:
    # A sign-in whose process was killed may have a session that nobody knows: its seat is not leaked, its lease runs out.
    query = "SELECT id, user_id FROM sessions WHERE account_id = $1 AND ended_at IS NULL"
    rows = await walk.on.ask(query, pool.company.account_id)
    known = {(row["user_id"] if pool.unit == "user" else row["id"]).hex for row in rows}
    one = walk_town.look_at(walk, pool)
    leaked = (one.holders | one.allowance) - known
    if leaked:
        raise Violation(f"{len(leaked)} seats are held by nobody's session after everybody left")


def _judged(walk: Walk, film: Film) -> str:
    """What was seen, in words. Raises Violation."""
    violations = Counter(walk.town.broken)
    said = []
    for pool in walk.town.pools:
        case = Case(pool.unit, pool.record, film.seen[pool.company.account_id])
        for check in CHECKS:
            violations.update(f"{pool.company.slug.split('-')[0]}: {what}" for what in check(case))
        said.append(_told(pool, case))
    answers = walk.town.answers
    busy = sum(count for what, count in answers.items() if what.endswith(" 503"))
    click.echo("  " + ", ".join(f"{what}: {count}" for what, count in sorted(answers.items())))
    if busy > MOST_BUSY * answers.total():
        violations[f"{busy} answers were 503"] += 1
    if violations:
        raise Violation("; ".join(f"{what} ({count} times)" for what, count in violations.most_common(12)))
    return f"never over a cap, line in order, 0 offers lost, nobody at work put out, 0 left; {'; '.join(said)}"


def _told(pool: Pool, case: Case) -> str:
    record = pool.record
    most = max((len(one.holders) for one in case.film), default=0)
    offers = sum(len(now.offers - before.offers) for before, now in zip(case.film, case.film[1:], strict=False))
    return (
        f"{pool.unit}/{pool.sessions_per_user} {most} of {record.caps.highest} seats in {len(case.film)} samples, {len(record.served)} served, "
        f"{_count(record.refused)} refused, {_count(record.waited)} looks in line, {offers} offers"
    )


def _count(calls: list[Asked]) -> int:
    return len(calls)


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="How long everybody walks.")
@click.option("--apis", default=4, show_default=True, help="API processes.")
@click.option("--kill-every", default=15.0, show_default=True, help="Seconds between kills, on average.")
def main(minutes: float, apis: int, kill_every: float) -> None:
    """Run the long form."""
    with stage(apis=apis) as on:
        click.echo(asyncio.run(seat_walk(on, seconds=minutes * 60, kill_every=kill_every)))


if __name__ == "__main__":
    main()
