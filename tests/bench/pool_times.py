"""Script time in small and large pools, and before short and long lines: what every request, sign-in and look costs Valkey."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any
from uuid import UUID, uuid4

import redis

from tenants.seat_keys import account_keys, script, session_key, user_key
from tenants.seat_verdicts import Full, HotCopy, Policy, Seated, Taken
from tenants.seats import Seats

BATCHES, CALLS = 8, 250
MINUTE = 60_000
_LINE = script("line")


@dataclass
class Crowd:
    """An account whose seats are held by people whose browsers send heartbeats. Its keys are named as `shared.lua` names them."""

    seats: Seats
    client: "redis.Redis"
    blob: bytes
    account_id: UUID = field(default_factory=uuid4)
    people: list[HotCopy] = field(default_factory=list)

    async def open(self, room: int) -> None:
        """So many seats, none of them held."""
        terms = Policy(
            room,
            timedelta(minutes=30),
            holds_for=timedelta(days=1),
            utc_offset=timedelta(0),
            reclaim=timedelta(minutes=15),
        )
        await self.seats.load_policy(self.account_id, terms, epoch=await self.seats.epoch(self.account_id), alive=0)

    async def seat(self, *, beats: bool = True) -> HotCopy:
        """Somebody new, at work."""
        user_id, session_id = uuid4(), uuid4()
        taken = await self.take(user_id, session_id)
        if not isinstance(taken, Taken):
            raise TypeError(f"{taken} instead of a seat")
        lives_until = datetime.now(UTC) + timedelta(hours=12)
        copy = HotCopy(self.account_id, session_id, user_id, user_id, b"d" * 32, self.blob, lives_until)
        await self.seats.open("open", copy, epoch=taken.epoch)
        if beats:
            await self.seats.beat(session_key(self.account_id, session_id, copy.digest), "beat", uuid4().hex)
        self.people.append(copy)
        return copy

    async def take(self, user_id: UUID, session_id: UUID) -> Any:
        """Ask for a seat as a sign-in does."""
        return await self.seats.take(
            self.account_id, user_id=user_id, session_id=session_id, unit="user", sessions_per_user=1, alive=[]
        )

    def key(self, letter: str) -> str:
        """One of the account's keys."""
        return f"{letter}:{{{self.account_id.hex}}}"

    def forget(self, user_id: UUID, session_id: UUID) -> None:
        """As if a newcomer had never been there."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.zrem(self.key("h"), user_id.hex)
            pipe.zrem(self.key("n"), session_id.hex)
            pipe.zrem(self.key("b"), user_id.hex + session_id.hex)
            pipe.hdel(self.key("o"), user_id.hex)
            pipe.delete(user_key(self.account_id, user_id))
            pipe.execute()

    def put(self, copy: HotCopy, *, lease: float, used: float, safe: float, closed: float | None = None) -> None:
        """A holder as they were so many milliseconds before or after this moment."""
        now = time() * 1000
        with self.client.pipeline(transaction=False) as pipe:
            pipe.zadd(self.key("h"), {copy.user_id.hex: now + lease})
            pipe.zadd(self.key("n"), {copy.session_id.hex: now + used})
            pipe.zadd(self.key("b"), {copy.user_id.hex + copy.session_id.hex: now + safe})
            if closed is not None:
                pipe.zadd(self.key("l"), {copy.user_id.hex: now + closed})
            pipe.execute()


async def pool_times(seats: Seats, client: "redis.Redis", blob: bytes, *, of: int) -> dict[str, float]:
    """Microseconds of each script in a pool of so many seats."""
    client.flushall()
    crowd = Crowd(seats, client, blob)
    await crowd.open(of)
    silent = await crowd.seat(beats=False)
    for _ in range(of - 2):
        await crowd.seat()
    times = {
        "keep": await _microseconds(client, lambda: _keep(crowd, silent)),
        "keep_beating": await _microseconds(client, lambda: _keep(crowd, crowd.people[1])),
        "take": await _microseconds(client, lambda: _come_and_go(crowd)),
    }
    await crowd.seat()
    refused, victim = uuid4(), crowd.people[1]

    async def reclaims(**before: float) -> float:
        async def once() -> None:
            crowd.put(victim, **before)
            user_id, session_id = uuid4(), uuid4()
            taken = await crowd.take(user_id, session_id)
            if not isinstance(taken, Taken) or [each.holder for each in taken.befallen] != [victim.user_id]:
                raise TypeError(f"{taken} instead of the victim's seat")
            crowd.forget(user_id, session_id)

        return await _microseconds(client, once)

    async def turn_away() -> None:
        found = await crowd.take(refused, uuid4())
        if not isinstance(found, Full):
            raise TypeError(f"{found} instead of a refusal")

    times["refused"] = await _microseconds(client, turn_away)
    times["lost"] = await reclaims(lease=20 * MINUTE, used=-10 * MINUTE, safe=-MINUTE)
    times["lingering"] = await reclaims(lease=50_000, used=-MINUTE, safe=-10_000, closed=-10_000)
    times["idle"] = await reclaims(lease=10 * MINUTE, used=-20 * MINUTE, safe=MINUTE)
    return times


async def line_times(seats: Seats, client: "redis.Redis", blob: bytes, *, of: int) -> dict[str, float]:
    """Microseconds of each script while so many wait for five seats."""
    client.flushall()
    crowd = Crowd(seats, client, blob)
    await crowd.open(5)
    for _ in range(5):
        await crowd.seat()
    now, waiting = time() * 1000, [uuid4() for _ in range(of)]
    client.zadd(crowd.key("q"), {user_id.hex: now + place for place, user_id in enumerate(waiting)})
    client.zadd(crowd.key("z"), {user_id.hex: now + 60 * MINUTE for user_id in waiting})

    async def line(what: str, user_id: UUID) -> None:
        answer = await seats.run(_LINE, account_keys(crowd.account_id), (what, user_id.hex))
        if answer[0] != b"place":
            raise TypeError(f"{answer} instead of a place in line")

    async def join() -> None:
        user_id = uuid4()
        await line("join", user_id)
        for letter in "qzw":
            client.zrem(crowd.key(letter), user_id.hex)

    async def leave_a_seat() -> None:
        # The seat is offered to the head of the line, and all is put back.
        copy = crowd.people[0]
        await seats.end(crowd.account_id, user_id=copy.user_id, session_id=copy.session_id, why="signed_out", remember=60)
        if client.zscore(crowd.key("a"), waiting[0].hex) is None:
            raise TypeError("nobody was served")
        client.zrem(crowd.key("a"), waiting[0].hex)
        client.hset(crowd.key("o"), copy.user_id.hex, copy.session_id.hex)
        crowd.put(copy, lease=30 * MINUTE, used=0, safe=MINUTE)

    return {
        "join": await _microseconds(client, join),
        "see": await _microseconds(client, lambda: line("see", waiting[of // 2])),
        "serve": await _microseconds(client, leave_a_seat),
    }


async def _keep(crowd: Crowd, copy: HotCopy) -> None:
    found = await crowd.seats.keep(session_key(crowd.account_id, copy.session_id, copy.digest))
    if not isinstance(found, Seated):
        raise TypeError(f"{found} instead of a seat")


async def _come_and_go(crowd: Crowd) -> None:
    user_id, session_id = uuid4(), uuid4()
    if not isinstance(found := await crowd.take(user_id, session_id), Taken):
        raise TypeError(f"{found} instead of a seat")
    await crowd.seats.end(crowd.account_id, user_id=user_id, session_id=session_id, why="never_began", remember=60)


async def _microseconds(client: "redis.Redis", act: Callable[[], Awaitable[None]]) -> float:
    # The best of some batches: whatever else the machine does only adds to a time.
    await act()
    found = []
    for _ in range(BATCHES):
        client.config_resetstat()
        for _ in range(CALLS):
            await act()
        said: Any = client.info("commandstats")
        found.append(float(said["cmdstat_evalsha"]["usec_per_call"]))
    return min(found)
