"""Pools as Valkey has them, seen as a whole every 50 ms: who holds, who waits, for whom a seat is held."""

import threading
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import redis

from tenants.seat_keys import account_keys
from tests.faults.processes import Stage

EVERY = 0.05  # seconds
_WHERE = {letter: place for place, letter in enumerate("pchndwvbloiqzakjmer")}
SEEN = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local after = '(' .. string.format('%.0f', now)
local function lasting(key) return redis.call('ZRANGEBYSCORE', key, after, '+inf') end
local h, i, q, z, a, k, j = unpack(KEYS)
local there = redis.call('ZRANGEBYSCORE', z, '(' .. string.format('%.0f', now - 30000), '+inf')
local asking = {}
for _, text in ipairs(redis.call('HVALS', j)) do asking[#asking + 1] = cjson.decode(text).by end
return { lasting(h), lasting(i), redis.call('ZRANGE', q, 0, -1), there, lasting(a), lasting(k), asking }
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One pool at an instant between `began` and `ended`. What has run out is not in it."""

    began: float
    ended: float
    holders: frozenset[str]
    allowance: frozenset[str]
    line: tuple[str, ...]
    present: frozenset[str]
    offers: frozenset[str]
    returning: frozenset[str]
    asking: frozenset[str]

    @property
    def spoken_for(self) -> int:
        """Seats that are held by somebody, or for somebody."""
        return len(self.holders) + len(self.offers)

    @property
    def waiting(self) -> list[str]:
        """Who stands in line without an offer, in order."""
        return [user for user in self.line if user not in self.offers]


class Film:
    """Snapshots of some pools, taken from a thread of its own while it is entered."""

    def __init__(self, stage: Stage, account_ids: list[UUID]) -> None:
        """Nothing is seen before it is entered."""
        self._stage = stage
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="film")
        self.seen: dict[UUID, list[Snapshot]] = {account_id: [] for account_id in account_ids}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        with self._stage.valkey() as client:
            seen = client.register_script(SEEN)
            while not self._done.wait(EVERY):
                for account_id, snapshots in self.seen.items():
                    snapshots.append(snapshot(seen, account_id))


def snapshot(script: Any, account_id: UUID) -> Snapshot:
    """The pool at this instant."""
    keys = account_keys(account_id)
    began = time.monotonic()
    holders, allowance, line, present, offers, returning, asking = (
        tuple(member.decode() for member in members) for members in script(keys=[keys[_WHERE[letter]] for letter in "hiqzakj"])
    )
    return Snapshot(
        began,
        time.monotonic(),
        frozenset(holders),
        frozenset(allowance),
        line,
        frozenset(present),
        frozenset(offers),
        frozenset(returning),
        frozenset(asking),
    )


def left_over(client: "redis.Redis", account_id: UUID) -> dict[str, int]:
    """How much the pool still keeps of what must be gone when everybody is: seats, line, offers, returners and hand-overs."""
    keys = account_keys(account_id)
    names = {"h": "seats", "i": "seats of the allowance", "q": "in line", "a": "offers", "k": "returners"}
    counts: dict[str, Any] = {name: client.zcard(keys[_WHERE[letter]]) for letter, name in names.items()}
    counts["hand-overs"] = client.hlen(keys[_WHERE["j"]].decode())
    return {name: int(count) for name, count in counts.items() if count}


class Around:
    """Finds the snapshots of a pool around a moment."""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        """In the order in which they were taken."""
        self._snapshots = snapshots
        self._began = [one.began for one in snapshots]
        self._ended = [one.ended for one in snapshots]

    def of(self, since: float, until: float) -> list[Snapshot]:
        """From the last one before, to the first one after; empty when one of the two was never taken."""
        first, last = bisect_left(self._ended, since) - 1, bisect_right(self._began, until)
        return self._snapshots[first : last + 1] if first >= 0 and last < len(self._snapshots) else []
