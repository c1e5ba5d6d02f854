"""F2: Valkey forgets everything while people sign in, work, wait, leave and are invited. Nobody at work notices for long.

`python -m tests.faults.redis_forgets --rounds 3`
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import click
import httpx

from tests import make
from tests.api import Api
from tests.conftest import MailServer
from tests.faults.forgotten_line import Line
from tests.faults.processes import Stage, Violation, stage
from tests.faults.witnesses import Ledger, Watch
from tests.make import Company, Person

#: Valkey is emptied while it runs, or killed and started empty on the same port.
How = Literal["flush", "kill"]
REQUESTS_EVERY = 0.25  # seconds, of each person at work
MAIL_WITHIN = 60.0
MOST_AT_ONCE = 24
IN_LINE = 4
BEATS_AFTER = 0.2  # of the requests of somebody at work


@dataclass(frozen=True, slots=True)
class Pace:
    """How much happens in a second, for how many seconds before and after, and how soon whoever was at work must be served again."""

    sign_ins: int
    mails: int
    before: float
    after: float
    back_within: float = 2.0


LONG = Pace(sign_ins=50, mails=20, before=4, after=30)
# Among other tests the machine is not ours: seats are kept for 5 seconds, so anybody who comes by then must have one.
SHORT = Pace(sign_ins=12, mails=3, before=1, after=6, back_within=5.0)


@dataclass
class Pool:
    """A company: those at work all the time, and those who come (and go again, where there is room)."""

    company: Company
    ledger: Ledger
    at_work: list[Person]
    coming: list[Person]


@dataclass
class Seen:
    """What the experiment has noted."""

    answers: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    #: When each person at work was first served again, by address.
    back: dict[str, float] = field(default_factory=dict)
    forgot_at: float | None = None
    again_at: float | None = None
    #: The longest that anybody at work waited for an answer before, in seconds: what the machine itself takes.
    usual: float = 0.0
    #: Tokens whose end was answered.
    ended: list[str] = field(default_factory=list)
    owed: set[str] = field(default_factory=set)


class Experiment:
    """One company full of people at work, one full with room for nobody, one with people who come and go, all under load."""

    def __init__(self, on: Stage, apis: list[Api], pace: Pace) -> None:
        """Nothing happens yet."""
        self._on, self._apis, self._pace = on, apis, pace
        self.seen = Seen()
        self.pools: list[Pool] = []
        self.line = Line(apis, self.seen.broken)

    async def prepare(self) -> None:
        """Companies are made; those who work sign in, others wait; a few are signed out or suspended, and their tokens kept."""
        async with self._on.house() as house:
            for name, seats, at_work, coming in (("Full", 4, 4, 8 + IN_LINE), ("Crowded", 6, 2, 12), ("Roomy", 30, 6, 10)):
                company = await make.company(house, f"{name} {time.monotonic_ns()}", staff=at_work + coming - 1, seats=seats)
                self.pools.append(Pool(company, Ledger(seats), company.people[:at_work], company.people[at_work:]))
        for pool in self.pools:
            for person in pool.at_work:
                _must(201, await self._apis[0].sign_in(person))
        full, _, roomy = self.pools
        await self.line.form(full.company, full.coming[:IN_LINE])
        full.coming = full.coming[IN_LINE:]
        for person in roomy.coming[:4]:
            _must(201, await self._apis[0].sign_in(person))
            self.seen.ended.append(self._apis[0].tokens[person.email])
        for person in roomy.coming[:2]:
            _must(204, await self._apis[0].delete("/session", by=person))
        boss = roomy.company.administrator
        for person in roomy.coming[2:4]:
            _must(200, await self._apis[0].patch(f"/users/{person.user_id}", {"status": "suspended"}, by=boss))
        roomy.coming = roomy.coming[4:]

    async def run(self, how: How) -> dict[UUID, int]:
        """Load, the fault, load. Returns the most seats that were seen held, by account."""
        caps = {pool.company.account_id: pool.ledger.seats for pool in self.pools}
        with Watch(self._on, caps) as watch:
            async with self._load():
                await asyncio.sleep(self._pace.before)
                await self._forget(how)
                await asyncio.sleep(self._pace.after)
        watch.check()
        return watch.most

    @asynccontextmanager
    async def _load(self) -> AsyncIterator[None]:
        stop, tokens = asyncio.Event(), self._apis[0].tokens
        work = [self._work(stop, pool, person, tokens[person.email]) for pool in self.pools for person in pool.at_work]
        bosses = [tokens[pool.company.administrator.email] for pool in self.pools]
        steady = [
            _steadily(stop, self._pace.sign_ins, self._come_and_go),
            _steadily(stop, self._pace.mails, lambda: self._invite(random.choice(bosses))),
            _steadily(stop, 20, self._try_an_ended_one),
        ]
        running = [asyncio.create_task(one) for one in (*work, *steady, self.line.wait(stop))]
        try:
            yield
        finally:
            stop.set()
            for outcome in await asyncio.gather(*running, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    self.seen.broken.append(f"the experiment itself: {outcome!r}")

    async def _forget(self, how: How) -> None:
        began = time.monotonic()
        if how == "flush":
            with self._on.valkey() as client:
                client.flushall()
        else:
            command = await asyncio.to_thread(self._on.kill_valkey)
            await asyncio.to_thread(self._on.start_valkey_again, command)
        ended = time.monotonic()
        self.seen.forgot_at, self.seen.again_at = began, ended
        for pool in self.pools:
            pool.ledger.forgotten(began, ended)

    async def _work(self, stop: asyncio.Event, pool: Pool, person: Person, token: str) -> None:
        while not stop.is_set():
            began = time.monotonic()
            status = await self._call("work", "GET", "/session", by=token)
            if self.seen.forgot_at is None:
                self.seen.usual = max(self.seen.usual, time.monotonic() - began)
            if status == 200:
                pool.ledger.served(person.email, began)
                if self.seen.again_at is not None and began > self.seen.again_at:
                    self.seen.back.setdefault(person.email, time.monotonic())
            elif status != 503:
                self.seen.broken.append(f"{person.name}, who was at work, was answered {status}")
            if random.random() < BEATS_AFTER and await self._beat(token) not in {204, 503}:
                self.seen.broken.append(f"a heartbeat of {person.name} found nobody")
            await asyncio.sleep(REQUESTS_EVERY * random.uniform(0.8, 1.2))

    async def _beat(self, token: str) -> int:
        return await self._call("heartbeat", "POST", "/session/heartbeat", by=token, json={"page": "one"})

    async def _come_and_go(self) -> None:
        pool = random.choice(self.pools)
        person = random.choice(pool.coming)
        answer = await self._answer("sign-in", "POST", "/login", json={"email": person.email, "password": person.password})
        if answer.status_code != 201:
            return
        token = answer.json()["token"]
        for _ in range(2):
            asked = time.monotonic()
            if await self._call("newcomer", "GET", "/session", by=token) == 200:
                pool.ledger.served(person.email, asked)
            await asyncio.sleep(0.1)
        left = time.monotonic()
        if await self._call("sign-out", "DELETE", "/session", by=token) == 204:
            self.seen.ended.append(token)
        pool.ledger.freed(person.email, left)

    async def _invite(self, token: str) -> None:
        address = f"guest{time.monotonic_ns()}@guests.example.com"
        if await self._call("invitation", "POST", "/users", by=token, json={"email": address, "role": "user"}) == 201:
            self.seen.owed.add(address)

    async def _try_an_ended_one(self) -> None:
        token = random.choice(self.seen.ended)
        if await self._call("ended", "GET", "/session", by=token) == 200:
            self.seen.broken.append("a session that had been ended was served")

    async def _call(self, what: str, method: str, path: str, **extra: Any) -> int:
        return (await self._answer(what, method, path, **extra)).status_code

    async def _answer(self, what: str, method: str, path: str, **extra: Any) -> httpx.Response:
        answer = await random.choice(self._apis).call(method, path, **extra)
        self.seen.answers[f"{what} {answer.status_code}"] += 1
        if answer.status_code == 500:
            self.seen.broken.append(f"{what}: 500 {answer.text[:200]}")
        return answer


async def forgets(on: Stage, mail: MailServer, *, how: How, pace: Pace) -> str:
    """F2 once. Raises Violation; returns the result in one line. The stage has a worker that writes to `mail`."""
    async with on.callers() as apis:
        experiment = Experiment(on, apis, pace)
        await experiment.prepare()
        most = await experiment.run(how)
        await experiment.line.must_be_there_again()
        seen = experiment.seen
        click.echo(f"  {how}: {', '.join(f'{what}: {count}' for what, count in sorted(seen.answers.items()))}")
        for pool in experiment.pools:
            pool.ledger.check()
        if seen.broken:
            raise Violation("; ".join(f"{what} ({count} times)" for what, count in Counter(seen.broken).most_common(8)))
        slowest = _slowest(experiment, within=pace.back_within)
        lost = await _lost(mail, seen.owed)
        if lost:
            raise Violation(f"{len(lost)} of {len(seen.owed)} mails were never delivered")
    held = ", ".join(
        f"{most[pool.company.account_id]} (proven {pool.ledger.most()}) of {pool.ledger.seats}" for pool in experiment.pools
    )
    return (
        f"F2 {how} at {_rate(seen, 'sign-in', pace)} sign-ins/s and {_rate(seen, 'invitation', pace)} mails/s: "
        f"seats held at most {held}; {len(seen.back)} people at work served again within {slowest:.2f} s "
        f"(longest before: {seen.usual:.2f} s); "
        f"{len(experiment.line.waiters)} who waited or asked wait and ask again; "
        f"{len(seen.ended)} ended sessions, 0 revived; {len(seen.owed)} mails, 0 lost"
    )


def _slowest(experiment: Experiment, *, within: float) -> float:
    """Seconds until the last of those at work was served again. Raises Violation if that was too long."""
    seen = experiment.seen
    assert seen.again_at is not None
    at_work = [person for pool in experiment.pools for person in pool.at_work]
    missing = [person.name for person in at_work if person.email not in seen.back]
    if missing:
        raise Violation(f"{len(missing)} of {len(at_work)} people at work never got back")
    slowest = max(seen.back.values()) - seen.again_at
    # Half a dozen processes share the machine with the load itself: what a request takes anyway is not counted.
    if slowest > within + seen.usual:
        raise Violation(
            f"somebody at work was served again only after {slowest:.1f} s, not within {within:.0f} s (usual: {seen.usual:.1f} s)"
        )
    return slowest


def _rate(seen: Seen, what: str, pace: Pace) -> str:
    count = sum(count for name, count in seen.answers.items() if name.startswith(what))
    return f"{count / (pace.before + pace.after):.0f}"


async def _lost(mail: MailServer, owed: set[str]) -> set[str]:
    give_up = time.monotonic() + MAIL_WITHIN
    while True:
        lost = owed - {recipient for _, recipients, _ in list(mail.messages) for recipient in recipients}
        if not lost or time.monotonic() > give_up:
            return lost
        await asyncio.sleep(0.2)


async def _steadily(stop: asyncio.Event, per_second: int, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Begin so many acts in a second, fewer when the machine cannot: never are more than `MOST_AT_ONCE` under way."""
    room = asyncio.Semaphore(MOST_AT_ONCE)
    async with asyncio.TaskGroup() as acts:
        following = time.monotonic()
        while not stop.is_set():
            await room.acquire()
            acts.create_task(act()).add_done_callback(lambda _: room.release())
            following = max(following + 1 / per_second, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, following - time.monotonic()))


def _must(status: int, answer: httpx.Response) -> None:
    if answer.status_code != status:
        raise Violation(f"preparing: {answer.status_code}, not {status}: {answer.text[:300]}")


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Rounds of each way to forget.")
@click.option("--apis", default=4, show_default=True, help="API processes.")
def main(rounds: int, apis: int) -> None:
    """Run the long forms."""
    mail = MailServer()
    try:
        with stage(apis=apis, smtp_port=mail.port) as on:
            on.start_worker()
            for _ in range(rounds):
                for how in ("flush", "kill"):
                    click.echo(asyncio.run(forgets(on, mail, how=how, pace=LONG)))
    finally:
        mail.stop()


if __name__ == "__main__":
    main()
