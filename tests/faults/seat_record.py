"""What browsers were answered in one pool, and what answers alone prove: which sessions certainly had a seat, and from when until when.

Times are this process's monotonic clock. People and sessions are the hexadecimal form of their ids, as Valkey has them.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

# Nothing takes a seat from somebody who made a request less than this long ago, and was not disturbed since: the shortest
# `reclaim_after` is 60 seconds, a silent browser is safe for 90.
PROTECTED = 45.0  # seconds
# What a killed process may leave half done takes effect after ten seconds, when its announcement is given up.
UNKNOWN_FOR = 12.0


class Asked(NamedTuple):
    """A call and its answer. `session` is '' for whoever has none."""

    user: str
    session: str
    began: float
    ended: float


class Span(NamedTuple):
    """The session's holder certainly has a seat of this kind."""

    user: str
    session: str
    since: float
    until: float
    kind: str


class Cap(NamedTuple):
    """So many seats may be in force between these moments."""

    seats: int
    since: float
    until: float


FOREVER = float("inf")


class Caps:
    """The seats of a pool as they change. While a change is under way both numbers may be in force."""

    def __init__(self, seats: int) -> None:
        """So many, from the beginning."""
        self.seats = seats
        self._known = [Cap(seats, 0.0, FOREVER)]

    def change(self, seats: int, began: float, ended: float) -> None:
        """Another number: perhaps since the call `began`, certainly since it `ended`."""
        self._known[-1] = self._known[-1]._replace(until=ended)
        self._known.append(Cap(seats, began, FOREVER))
        self.seats = seats

    def possible(self, since: float, until: float) -> list[int]:
        """Every number that may have been in force at some instant between these."""
        return [cap.seats for cap in self._known if cap.since <= until and cap.until >= since]

    @property
    def highest(self) -> int:
        """The most there ever were."""
        return max(cap.seats for cap in self._known)


@dataclass
class Record:
    """One pool's answers. `disturbed` is when something may have cost a person their seat or a session; `everybody`, when all."""

    caps: Caps
    served: list[tuple[Asked, str]] = field(default_factory=list)
    refused: list[Asked] = field(default_factory=list)
    over: list[Asked] = field(default_factory=list)
    #: Sign-ins of people who had no session, no offer and no privilege.
    entered: list[Asked] = field(default_factory=list)
    #: Looks at the line that showed no offer.
    waited: list[Asked] = field(default_factory=list)
    disturbed: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    everybody: list[tuple[float, float]] = field(default_factory=list)
    #: Sessions that were opened and have not ended as far as is known, with their users.
    alive: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    #: People of whom some sign-in got no answer: they may have sessions that nobody knows.
    unclear: set[str] = field(default_factory=set)
    #: Where people are who are suspended at the moment.
    suspended: set[str] = field(default_factory=set)

    def disturb(self, user: str, began: float, ended: float, *, answered: bool = True) -> None:
        """A call that may cost the user a seat or a session."""
        self.disturbed[user].append((began, ended if answered else ended + UNKNOWN_FOR))

    def opened(self, session: str, user: str, token: str) -> None:
        """A sign-in was answered 201."""
        self.alive[session] = user
        self.tokens[session] = token

    def closed(self, session: str) -> None:
        """The session is known to be over."""
        self.alive.pop(session, None)

    def has_session(self, user: str) -> bool:
        """Whether the user may have a live session."""
        return user in self.unclear or user in self.alive.values()

    def disturbed_between(self, user: str, since: float, until: float) -> bool:
        """Whether anything may have happened to the user or to everybody."""
        happened = (*self.everybody, *self.disturbed.get(user, ()))
        return any(began <= until and ended >= since for began, ended in happened)

    def spans(self) -> dict[str, list[Span]]:
        """For each session, spans apart from each other in which its holder certainly has a seat."""
        found: dict[str, list[Span]] = defaultdict(list)
        by_session: dict[str, list[tuple[Asked, str]]] = defaultdict(list)
        for asked, kind in self.served:
            by_session[asked.session].append((asked, kind))
        endings = {
            user: _Endings([*self.everybody, *self.disturbed.get(user, ())]) for user in {one.user for one, _ in self.served}
        }
        for session, served in by_session.items():
            spans = found[session]
            for asked, kind in sorted(served, key=lambda one: one[0].ended):
                until = endings[asked.user].after(asked.began, asked.ended, asked.ended + PROTECTED)
                if until is None:
                    continue
                if spans and spans[-1].until >= asked.ended and spans[-1].kind == kind:
                    spans[-1] = spans[-1]._replace(until=until)
                else:
                    spans.append(Span(asked.user, session, asked.ended, until, kind))
        return found


class _Endings:
    """What may end a certainty, by when it began; and for each moment, when the last that began before it has ended."""

    def __init__(self, happened: list[tuple[float, float]]) -> None:
        self._happened = sorted(happened)
        self._starts = [began for began, _ in self._happened]
        self._ends: list[float] = []
        for _, ended in self._happened:
            self._ends.append(max(ended, self._ends[-1]) if self._ends else ended)

    def after(self, began: float, ended: float, latest: float) -> float | None:
        """Until when a request between these moments proves a seat; None when it proves nothing."""
        before = bisect_right(self._starts, began)
        if before and self._ends[before - 1] >= began:
            return None
        until = min(self._starts[before], latest) if before < len(self._starts) else latest
        return until if until > ended else None


def covers(spans: list[Span], since: float, until: float) -> bool:
    """Whether one of the spans, in their order, holds all of the time between."""
    place = bisect_left(spans, since, key=lambda span: span.since) - 1
    return place >= 0 and spans[place].until > until
