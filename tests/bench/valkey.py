"""P5 and P6: what the pool costs in Valkey itself: bytes for each live session, and the scripts' time in small and large pools."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import redis

from tenants.house import House
from tenants.seats import Full, HotCopy, Policy, Seated, Seats, Taken, session_key
from tests.bench.figures import Figures, Number, Ratio
from tests.bench.people import hire, sign_in
from tests.faults.processes import Stage

SESSIONS, ACCOUNTS = 2000, 20
SMALL, LARGE = 5, 5000
CALLS = 2000


async def measure(on: Stage, *, rounds: int) -> Figures:
    """Through the functions that requests use, one at a time; the times are Valkey's own."""
    async with on.house() as house:
        company = (await hire(house, on, companies=1, staff=2, name="Memory"))[0]
        (token,) = await sign_in(house, company.people[:1])
        key = house.tokens.read(token)
        assert key is not None
        blob = (await house.door.find(key)).blob
        with on.valkey() as client:
            bytes_each = await _bytes(house, client, blob)
            takes: list[float] = []
            keeps: list[float] = []
            for _ in range(rounds):
                times = [await _times(house.seats, client, blob, of=of) for of in (SMALL, LARGE)]
                takes.append(times[1][0] / times[0][0])
                keeps.append(times[1][1] / times[0][1])
    words = f"{LARGE:,} seats against {SMALL}"
    return Figures(
        [
            Ratio("take", f"Taking a seat: script time, {words}", "at most", 1.5, takes),
            Ratio("keep", f"Keeping a seat: script time, {words}", "at most", 1.5, keeps),
        ],
        [
            Number("session_bytes", "Valkey memory for each live session", bytes_each, "bytes"),
            Number("take_us", f"Taking a seat, {LARGE:,} seats", times[1][0], "µs in Valkey"),
            Number("keep_us", f"Keeping a seat, {LARGE:,} seats", times[1][1], "µs in Valkey"),
        ],
    )


async def _bytes(house: House, client: "redis.Redis", blob: bytes) -> float:
    """Growth of Valkey's memory by 2,000 sessions of 2,000 people in 20 accounts, divided by 2,000."""
    client.flushall()
    await house.valkey.call(b"PING")
    before = _used(client)
    for _ in range(ACCOUNTS):
        account_id = await _account(house.seats, room=SESSIONS // ACCOUNTS)
        for _ in range(SESSIONS // ACCOUNTS):
            await _seat(house.seats, account_id, blob)
    return (_used(client) - before) / SESSIONS


async def _times(seats: Seats, client: "redis.Redis", blob: bytes, *, of: int) -> tuple[float, float]:
    """Microseconds of the script that takes a seat and of the one that keeps it, in a pool with one seat left."""
    client.flushall()
    account_id = await _account(seats, room=of)
    for _ in range(of - 1):
        copy = await _seat(seats, account_id, blob)
    keys = [f"{letter}:{{{account_id.hex}}}" for letter in "hn"]

    async def take() -> None:
        user_id, session_id = uuid4(), uuid4()
        found = await _take(seats, account_id, user_id, session_id)
        if not isinstance(found, Taken):
            raise TypeError(f"{found} instead of a seat")
        client.zrem(keys[0], user_id.hex)
        client.zrem(keys[1], session_id.hex)

    key = session_key(account_id, copy.session_id, copy.digest)

    async def keep() -> None:
        found = await seats.keep(key)
        if not isinstance(found, Seated):
            raise TypeError(f"{found} instead of a seat")

    return await _microseconds(client, take), await _microseconds(client, keep)


async def _microseconds(client: "redis.Redis", act: Callable[[], Awaitable[None]]) -> float:
    client.config_resetstat()
    for _ in range(CALLS):
        await act()
    said: Any = client.info("commandstats")
    return float(said["cmdstat_evalsha"]["usec_per_call"])


async def _account(seats: Seats, *, room: int) -> UUID:
    account_id = uuid4()
    epoch = await seats.epoch(account_id)
    await seats.load_policy(
        account_id, Policy(room, timedelta(minutes=30), holds_for=timedelta(days=1), utc_offset=timedelta(0)), epoch=epoch, alive=0
    )
    return account_id


async def _seat(seats: Seats, account_id: UUID, blob: bytes) -> HotCopy:
    """Somebody new, at work."""
    user_id, session_id = uuid4(), uuid4()
    taken = await _take(seats, account_id, user_id, session_id)
    if not isinstance(taken, Taken):
        raise TypeError(f"{taken} instead of a seat")
    copy = HotCopy(account_id, session_id, user_id, user_id, b"d" * 32, blob, datetime.now(UTC) + timedelta(hours=12))
    await seats.open("open", copy, epoch=taken.epoch)
    return copy


async def _take(seats: Seats, account_id: UUID, user_id: UUID, session_id: UUID) -> Taken | Full | str:
    return await seats.take(account_id, user_id=user_id, session_id=session_id, unit="user", sessions_per_user=1, alive=[])


def _used(client: "redis.Redis") -> int:
    said: Any = client.info("memory")
    return int(said["used_memory"])
