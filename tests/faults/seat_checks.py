"""What must hold of a pool, whatever happened: held against its snapshots and against what its people were answered."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

from tests.faults.seat_record import Asked, Record, Span, covers
from tests.faults.seat_snapshots import Around, Snapshot

Unit = Literal["user", "session"]
Found = Iterator[str]


class Case(NamedTuple):
    """One pool: what holds a seat, what was seen and what was answered."""

    unit: Unit
    record: Record
    film: list[Snapshot]

    def holder(self, one: Span | Asked) -> str:
        """Who holds the seat of a session."""
        return one.user if self.unit == "user" else one.session

    def steady(self, one: Asked) -> tuple[list[Snapshot], int]:
        """Snapshots around a call, and the least seats in force meanwhile; none if time passed for the account, or nobody looked."""
        around = Around(self.film).of(one.began, one.ended)
        if not around:
            return [], 0
        since, until = around[0].began, around[-1].ended
        if any(began <= until and ended >= since for began, ended in self.record.everybody):
            return [], 0
        return around, min(self.record.caps.possible(since, until))


def never_more_than_the_cap(case: Case) -> Found:
    """Seats held, and seats held or offered, are at most the cap; above a cap that was lowered they only become fewer."""
    for before, now in pairwise(case.film):
        cap = max(case.record.caps.possible(before.began, now.ended))
        if len(now.holders) > max(cap, len(before.holders)):
            yield f"{len(now.holders)} seats were held at once under a cap of {cap}"
        if now.spoken_for > max(cap, before.spoken_for):
            yield f"{len(now.holders)} seats held and {len(now.offers)} offered under a cap of {cap}"


def never_more_at_work(case: Case) -> Found:
    """Answers alone never prove more holders of the pool at work at once than there ever were seats."""
    edges: list[tuple[float, int, str]] = []
    for spans in case.record.spans().values():
        for span in spans:
            if span.kind == "pool":
                edges += [(span.since, 1, case.holder(span)), (span.until, -1, case.holder(span))]
    at_work: dict[str, int] = {}
    most = 0
    for _, step, holder in sorted(edges):
        at_work[holder] = at_work.get(holder, 0) + step
        if not at_work[holder]:
            del at_work[holder]
        most = max(most, len(at_work))
    if most > case.record.caps.highest:
        yield f"{most} were at work at once where there were never more than {case.record.caps.highest} seats"


def whoever_works_holds_a_seat(case: Case) -> Found:
    """Whoever certainly has a seat is among the holders that Valkey has."""
    began = [one.began for one in case.film]
    for spans in case.record.spans().values():
        for span in spans:
            for one in _within(case.film, began, span):
                if case.holder(span) not in one.holders | one.allowance:
                    yield f"somebody at work held no seat ({span.kind})"
                    break


def nobody_at_work_is_refused(case: Case) -> Found:
    """Whoever made a request a moment ago, and was not put out by anybody, is neither refused nor told that it is over."""
    spans = case.record.spans()
    for said, calls in (("refused", case.record.refused), ("told that their session is over", case.record.over)):
        for one in calls:
            if one.session and covers(spans.get(one.session, []), one.began, one.ended):
                yield f"somebody at work was {said}"


def line_is_served_in_order(case: Case) -> Found:
    """Of those in line, nobody is offered a seat before somebody who came earlier, but for who asked for it or was put out for room."""
    privileged: set[str] = set()
    for before, now in pairwise(case.film):
        privileged &= now.offers
        for user in now.offers - before.offers - privileged:
            just_put_out = case.record.disturbed_between(user, before.began, now.ended)
            if just_put_out or user in before.returning | before.asking | now.asking:
                privileged.add(user)
        first = next((place for place, user in enumerate(now.line) if user not in now.offers), len(now.line))
        for place, user in enumerate(now.line):
            if place > first and user in now.offers - privileged:
                yield f"the {place + 1}. in line had an offer, the {first + 1}. had none"


def nobody_jumps_the_line(case: Case) -> Found:
    """Whoever just signs in gets no seat while somebody who came before waits for one."""
    for one in case.record.entered:
        around, _ = case.steady(one)
        ahead = set.intersection(*(set(seen.waiting) & seen.present for seen in around)) - {one.user} if around else set()
        # Whoever comes back from another account finds the seat that they left there a moment ago.
        if ahead and not any(one.user in {*seen.line, *seen.offers, *seen.returning, *seen.holders} for seen in around):
            yield "somebody got a seat at once while others waited in line for one"


def every_free_seat_is_offered(case: Case) -> Found:
    """Whoever looks where they stand in line, while more seats are free than there are people before them, has an offer."""
    for one in case.record.waited:
        around, cap = case.steady(one)
        if around and all(_would_be_offered(seen, one.user, cap) for seen in around):
            yield "a seat was free, and whoever was next in line was not offered it"


def no_ghost_stands_in_line(case: Case) -> Found:
    """Whoever gave no sign of life for 30 seconds is out of the line as soon as anybody looks at it."""
    for one in case.record.waited:
        around, _ = case.steady(one)
        if around and set.intersection(*(set(seen.line) - seen.present for seen in around)):
            yield "somebody who was long gone still stood in line"


def nobody_is_refused_what_is_theirs(case: Case) -> Found:
    """Whoever has an offer, or shares a seat that they hold, or finds one free and nobody before them, is not refused."""
    for one in case.record.refused:
        around, cap = case.steady(one)
        for said, theirs in _THEIRS.items():
            if around and all(theirs(case, seen, one, cap) for seen in around):
                yield f"somebody was refused though {said}"


def _would_be_offered(seen: Snapshot, user: str, cap: int) -> bool:
    waiting = seen.waiting
    return user in waiting and not seen.returning and waiting.index(user) < cap - seen.spoken_for


_THEIRS: dict[str, Callable[[Case, Snapshot, Asked, int], bool]] = {
    "a seat was held for them": lambda _, seen, one, cap: one.user in seen.offers and len(seen.holders) < cap,
    "they held the seat already": lambda case, seen, one, _: case.unit == "user" and one.user in seen.holders,
    "a seat was free": lambda _, seen, one, cap: seen.spoken_for < cap and not seen.line and not seen.returning - {one.user},
}


def _within(film: list[Snapshot], began: list[float], span: Span) -> Iterator[Snapshot]:
    for one in film[bisect_right(began, span.since) :]:
        if one.ended >= span.until:
            return
        yield one


CHECKS = (
    never_more_than_the_cap,
    never_more_at_work,
    whoever_works_holds_a_seat,
    nobody_at_work_is_refused,
    line_is_served_in_order,
    nobody_jumps_the_line,
    every_free_seat_is_offered,
    no_ghost_stands_in_line,
    nobody_is_refused_what_is_theirs,
)
