"""Advice about the cap, from what was counted: how many seats would have avoided how many refusals, and what is paid for and unused."""

from collections.abc import Sequence
from dataclasses import dataclass

from tenants.usage import Day

#: From so many days with anything in them on, seats that were never used are worth a word.
ENOUGH_DAYS = 10
#: The share of refusals that the seats advised avoid.
MOST = 0.9


@dataclass(frozen=True, slots=True)
class Step:
    """With so many seats, so many of the refusals would not have happened."""

    seats: int
    avoided: int


@dataclass(frozen=True, slots=True)
class Advice:
    """What the days say about a cap of `seats`.

    `refused` are refusals that would happen again under today's cap. `steps` name each number of seats that avoids more of them than
    one less, smallest first; `wanted` is the first that avoids nine of ten. `spare` are seats above the highest peak, when nobody
    was refused for long enough to tell.
    """

    seats: int
    refused: int
    peak: int
    steps: list[Step]
    wanted: Step | None
    spare: int


def advise(days: Sequence[Day], *, seats: int) -> Advice:
    """Advice for an account that has `seats` now.

    A refused person is taken to have worked, had they got in, until they got in or for as long as a seat is kept without a request.
    Under that rule the numbers are exact: the seat script counts, at each refusal, for each number of seats up to twenty more
    than were held, whether the person would have been inside.
    """
    refused = sum(day.refused for day in days) - avoided_by(days, seats)
    steps: list[Step] = []
    for more in range(seats + 1, _highest(days) + 1):
        avoided = avoided_by(days, more) - avoided_by(days, seats)
        if avoided > (steps[-1].avoided if steps else 0):
            steps.append(Step(more, avoided))
    peak = max((day.peak for day in days), default=0)
    wanted = next((step for step in steps if step.avoided >= MOST * refused), steps[-1] if steps else None)
    quiet = len(days) >= ENOUGH_DAYS and not any(day.refused for day in days)
    return Advice(seats, refused, peak, steps, wanted, spare=max(0, seats - max(peak, 1)) if quiet else 0)


def avoided_by(days: Sequence[Day], seats: int) -> int:
    """How many of the refusals of these days so many seats would have avoided."""
    # The script looked at twenty more than were held: more than that avoid what any of those did.
    return sum(max((count for tried, count in day.avoided.items() if tried <= seats), default=0) for day in days)


def refused_under(days: Sequence[Day], seats: int) -> tuple[int, int]:
    """How many people a cap of `seats` would have refused, and on how many of these days.

    Seats that were taken while so many were held already, and refusals that happened and would have happened still.
    """
    by_day = [
        sum(count for nth, count in day.taken.items() if nth > seats) + day.refused - avoided_by([day], seats) for day in days
    ]
    return sum(by_day), sum(1 for refusals in by_day if refusals)


def _highest(days: Sequence[Day]) -> int:
    return max((max(day.avoided, default=0) for day in days), default=0)
