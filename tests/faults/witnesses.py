"""Who saw what: the number of seats held, sampled in Valkey; and what answers alone prove about the number at work."""

import threading
import time
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

import redis

from tests.faults.processes import Stage, Violation

EVERY = 0.05  # seconds


class Watch:
    """Counts the seats held in some pools every 50 ms, from a thread of its own, while it is entered."""

    def __init__(self, stage: Stage, caps: dict[UUID, int]) -> None:
        """`caps` are the most seats that each account may ever have held."""
        self._stage = stage
        self._caps = caps
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")
        self.most: dict[UUID, int] = dict.fromkeys(caps, 0)
        self.samples = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Raise Violation if a pool ever held more than its cap."""
        for account_id, most in self.most.items():
            if most > self._caps[account_id]:
                raise Violation(f"{most} seats were held at once under a cap of {self._caps[account_id]}")
        if not self.samples:
            raise Violation("nobody watched")

    def _look(self) -> None:
        with self._stage.valkey() as client:
            while not self._done.wait(EVERY):
                try:
                    for account_id in self._caps:
                        self.most[account_id] = max(self.most[account_id], self._stage.held(client, account_id))
                except redis.RedisError:
                    continue  # killed, or starting again: nothing is held
                self.samples += 1


@dataclass
class _Holder:
    served: list[tuple[float, float]] = field(default_factory=list)
    freed: list[tuple[float, float]] = field(default_factory=list)


class Ledger:
    """What answers prove of one pool, whatever Valkey says of itself.

    A request answered 200 held a seat at some instant between its beginning and its end, and the seat stays until something
    may free it: a sign-out, a replacement, a Valkey that forgets (leases of 30 minutes outlast every experiment). So from the
    end of that request to the beginning of the next such thing, the holder certainly has a seat. More holders in such spans at
    one instant than there are seats: the cap was passed. Times are this process's monotonic clock.
    """

    def __init__(self, seats: int) -> None:
        """A pool of so many seats."""
        self.seats = seats
        self._holders: dict[str, _Holder] = defaultdict(_Holder)
        self._forgotten: list[tuple[float, float]] = []

    def served(self, holder: str, began: float, ended: float | None = None) -> None:
        """A request of this holder was answered 200. It has `ended` now unless that is said."""
        self._holders[holder].served.append((began, ended or time.monotonic()))

    def freed(self, holder: str, began: float, ended: float | None = None) -> None:
        """Something happened that may have freed this holder's seat, and has `ended` now unless that is said."""
        self._holders[holder].freed.append((began, ended or time.monotonic()))

    def forgotten(self, began: float, ended: float) -> None:
        """Every seat was forgotten between these moments."""
        self._forgotten.append((began, ended))

    def most(self) -> int:
        """The most holders that certainly had a seat at one instant."""
        edges = [
            edge for holder in self._holders.values() for start, end in self._spans(holder) for edge in ((start, 1), (end, -1))
        ]
        now = most = 0
        for _, step in sorted(edges):
            now += step
            most = max(most, now)
        return most

    def check(self) -> None:
        """Raise Violation if more were certainly at work at once than there are seats."""
        if self.most() > self.seats:
            raise Violation(f"{self.most()} were at work at once under a cap of {self.seats}")

    def _spans(self, holder: _Holder) -> list[tuple[float, float]]:
        """Spans in which the holder certainly had a seat, apart from each other."""
        endings = sorted([*holder.freed, *self._forgotten])
        starts = [start for start, _ in endings]
        found: list[tuple[float, float]] = []
        for began, answered in sorted(holder.served, key=lambda one: one[1]):
            if any(start <= began <= end for start, end in endings):
                continue
            following = bisect_right(starts, began)
            until = starts[following] if following < len(starts) else float("inf")
            if answered >= until:
                continue
            if not found or found[-1][1] != until:
                found.append((answered, until))
        return found
