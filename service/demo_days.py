"""What working days would have been like: who came when, who found all seats taken, and what the seat script would have counted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from heapq import heapify, heappop, heappush
from itertools import count
from random import Random
from typing import Literal

from service.demo_people import DemoPerson, Habit

_CLOSING_FROM, _CLOSING_UNTIL, _SATURDAY = 27, 2, 5
# Whoever was refused looks in again after so many minutes, and stays away when hardly anything of their time is left.
_AGAIN, _WORTH_IT = 70, 60
_IDLE_SHARE, _MISTYPED = 0.07, 0.02
# From so many minutes on, nobody counts as waiting any more.
_PATIENCE = 30
# So many more seats than there are, it is counted which refusals they would have avoided.
_ADVISED = 5
_MILLISECONDS = 60_000

What = Literal["in", "out", "refused", "mistyped"]


@dataclass(frozen=True, slots=True)
class Coming:
    """What somebody did at a minute of the day, when so many seats were taken of so many."""

    minute: int
    person: DemoPerson
    what: What
    held: int
    seats: int


@dataclass(slots=True)
class Day:
    """A day of an account: what happened in it, and its figures by the names that the seat script has for them."""

    seats: int
    comings: list[Coming] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    _held: list[tuple[int, DemoPerson]] = field(default_factory=list)
    _waiting: dict[str, int] = field(default_factory=dict)

    def come(self, start: int, end: int, person: DemoPerson) -> bool:
        """Somebody wants to work until `end`; tells whether they got in. Accountants on their allowance pass beside the pool."""
        self.leave(start)
        if person.in_pool and len(self._held) >= self.seats:
            self._refuse(start, person)
            return False
        self.note(start, person, "in")
        self.figures["s"] += 1
        self.figures["w"] += min(start - self._waiting.pop(person.email, start), _PATIENCE) * _MILLISECONDS
        if person.in_pool:
            self._held.append((end, person))
            self.figures[f"t{len(self._held)}"] += 1
            self.figures["i"] += int((end - start) * _IDLE_SHARE * _MILLISECONDS)
            self.figures["p"] = max(self.figures["p"], len(self._held))
        return True

    def leave(self, minute: int) -> None:
        """Whoever wanted to work until then is gone."""
        for gone in sorted((each for each in self._held if each[0] <= minute), key=lambda each: each[0]):
            self._held.remove(gone)
            self.note(*gone, "out")

    def note(self, minute: int, person: DemoPerson, what: What) -> None:
        """It happened."""
        self.comings.append(Coming(minute, person, what, len(self._held), self.seats))

    def _refuse(self, minute: int, person: DemoPerson) -> None:
        self.note(minute, person, "refused")
        self.figures["r"] += 1
        self._waiting.setdefault(person.email, minute)
        least = self.seats + 1 + list(self._waiting).index(person.email)
        for seats in range(least, least + _ADVISED):
            self.figures[f"a{seats}"] += 1


def live(day: date, people: Sequence[DemoPerson], seats: int, random: Random) -> Day:
    """A day of these people under a cap of `seats`."""
    lived, number = Day(seats), count()
    visits = [(start, next(number), end, person) for start, end, person in _visits(day, people, random)]
    heapify(visits)
    while visits:
        start, _, end, person = heappop(visits)
        if random.random() < _MISTYPED:
            lived.note(start - 1, person, "mistyped")
        if not lived.come(start, end, person) and end - start - _AGAIN > _WORTH_IT:
            heappush(visits, (start + _AGAIN, next(number), end, person))
    lived.leave(24 * 60)
    return lived


def _visits(day: date, people: Sequence[DemoPerson], random: Random) -> Iterator[tuple[int, int, DemoPerson]]:
    for person in people:
        if _comes(day, person.habit, random):
            for start, end in person.habit.hours:
                yield start + random.randint(-12, 22), end + random.randint(-15, 20), person


def _comes(day: date, habit: Habit, random: Random) -> bool:
    closing = habit.closing and day.weekday() < _SATURDAY and (day.day >= _CLOSING_FROM or day.day <= _CLOSING_UNTIL)
    return (day.weekday() in habit.days or closing) and random.random() < habit.chance
