"""P5 and P6: what the pool costs in Valkey itself: bytes for each live session, and the scripts' time in small and large pools."""

from collections import defaultdict
from typing import Any

import redis

from tenants.house import House
from tests.bench.figures import Figures, Number, Ratio
from tests.bench.people import hire, sign_in
from tests.bench.pool_times import Crowd, line_times, pool_times
from tests.faults.processes import Stage

SESSIONS, ACCOUNTS = 2000, 20
SMALL, LARGE = 5, 5000
POOL = {
    "take": "Taking a free seat and giving it back",
    "keep": "Keeping a seat",
    "keep_beating": "Keeping a seat of a browser that sends heartbeats",
    "refused": "Finding every seat taken",
    "lost": "Taking a seat whose browser fell silent",
    "lingering": "Taking a seat whose page was closed",
    "idle": "Taking the seat that was idle for longest",
}
LINE = {
    "join": "Joining the line",
    "see": "Looking where one stands in line",
    "serve": "Giving a seat back that the next in line gets",
}
SEATS = f"{LARGE:,} seats against {SMALL}"
WAITING = f"{LARGE:,} in line against {SMALL}"


async def measure(on: Stage, *, rounds: int) -> Figures:
    """Through the functions that requests use, one at a time; the times are Valkey's own."""
    async with on.house() as house:
        company = (await hire(house, on, companies=1, staff=2, name="Memory"))[0]
        (token,) = await sign_in(house, company.people[:1])
        key = house.tokens.read(token)
        assert key is not None
        blob = (await house.door.find(key)).blob
        ratios: dict[str, list[float]] = defaultdict(list)
        last: dict[str, float] = {}
        with on.valkey() as client:
            silent, beating = [await _bytes(house, client, blob, beats=beats) for beats in (False, True)]
            for _ in range(rounds):
                for times in (pool_times, line_times):
                    small, large = [await times(house.seats, client, blob, of=of) for of in (SMALL, LARGE)]
                    for what, microseconds in large.items():
                        ratios[what].append(microseconds / small[what])
                    last |= large
    return Figures(
        [
            Ratio(what, f"{words}: script time, {against}", "at most", 1.5, ratios[what], drawn=what in {"take", "keep", "see"})
            for group, against in ((POOL, SEATS), (LINE, WAITING))
            for what, words in group.items()
        ],
        [
            Number("session_bytes", "Valkey memory for each live session", silent, "bytes"),
            Number("beating_session_bytes", "Valkey memory for each live session that sends heartbeats", beating, "bytes"),
            *(
                Number(f"{what}_us", f"{words}, {LARGE:,} {of}", last[what], "µs in Valkey")
                for group, of in ((POOL, "seats"), (LINE, "in line"))
                for what, words in group.items()
            ),
        ],
    )


async def _bytes(house: House, client: "redis.Redis", blob: bytes, *, beats: bool) -> float:
    """Growth of Valkey's memory by 2,000 sessions of 2,000 people in 20 accounts, divided by 2,000."""
    # What was there before must be gone from the memory as well, not only from sight.
    await house.valkey.call(b"FLUSHALL", b"SYNC")
    before = _used(client)
    for _ in range(ACCOUNTS):
        crowd = Crowd(house.seats, client, blob)
        await crowd.open(SESSIONS // ACCOUNTS)
        for _ in range(SESSIONS // ACCOUNTS):
            await crowd.seat(beats=beats)
    return (_used(client) - before) / SESSIONS


def _used(client: "redis.Redis") -> int:
    said: Any = client.info("memory")
    return int(said["used_memory"])
