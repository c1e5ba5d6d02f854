"""Advice against what really happens: the same sign-ins again, through the real seat script, with so many seats."""

import random
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tenants.advice import advise, avoided_by, refused_under
from tenants.house import House
from tenants.seat_verdicts import Full, HotCopy, Policy, Taken
from tenants.seats import Seats
from tenants.usage import Day, summed

Happening = tuple[str, int]


async def play(seats: Seats, story: list[Happening], *, cap: int) -> tuple[int, list[Day], list[Happening]]:
    """Sign-ins and sign-outs of numbered people in an account of their own.

    Returns how many were refused, what was counted, and what really happened: only those who are inside sign out.
    """
    account_id, people, refused = uuid4(), [uuid4() for _ in range(20)], 0
    sessions: dict[UUID, UUID] = {}
    happened: list[Happening] = []
    epoch = await seats.epoch(account_id)
    policy = Policy(cap, timedelta(minutes=30), holds_for=timedelta(days=1), utc_offset=timedelta(0))
    await seats.load_policy(account_id, policy, epoch=epoch, alive=0)
    for what, number in story:
        user_id = people[number]
        if what == "out":
            if user_id in sessions:
                await seats.end(account_id, user_id=user_id, session_id=sessions.pop(user_id), why="signed_out", remember=60)
                happened.append((what, number))
            continue
        happened.append((what, number))
        session_id = uuid4()
        taken = await seats.take(account_id, user_id=user_id, session_id=session_id, unit="user", sessions_per_user=1, alive=[])
        if isinstance(taken, Full):
            refused += 1
            continue
        assert isinstance(taken, Taken)
        expires = datetime.now(UTC) + timedelta(hours=1)
        await seats.open("open", HotCopy(account_id, session_id, user_id, user_id, b"t", b"b", expires), epoch=taken.epoch)
        sessions[user_id] = session_id
    return refused, summed([], await seats.figures(account_id), since=date.min), happened


def a_morning(chance: random.Random, *, people: int, happenings: int) -> list[Happening]:
    """More coming than going; whoever is refused tries again now and then."""
    return [(chance.choice(("in", "in", "out")), chance.randrange(people)) for _ in range(happenings)]


@pytest.mark.parametrize("seed", range(6))
async def test_each_number_of_seats_avoids_exactly_the_refusals_that_advice_says(house: House, seed: int) -> None:
    chance = random.Random(seed)
    cap = chance.randint(1, 4)
    story = a_morning(chance, people=chance.randint(5, 16), happenings=120)
    refused, days, happened = await play(house.seats, story, cap=cap)
    advice = advise(days, seats=cap)
    assert refused > 0
    assert advice.refused == refused
    assert sum(day.refused for day in days) == refused
    for seats in range(cap + 1, cap + 13):
        again, _, _ = await play(house.seats, happened, cap=seats)
        assert refused - again == avoided_by(days, seats), f"{seats} seats instead of {cap}"
    assert [step.seats for step in advice.steps] == sorted({step.seats for step in advice.steps})
    assert advice.steps[-1].avoided == refused


async def test_a_monday_morning_says_how_many_seats_would_have_been_enough(house: House) -> None:
    refused, days, _ = await play(house.seats, [("in", number) for number in range(12)], cap=5)
    advice = advise(days, seats=5)
    assert refused == 7
    assert [(step.seats, step.avoided) for step in advice.steps] == [(6, 1), (7, 2), (8, 3), (9, 4), (10, 5), (11, 6), (12, 7)]
    assert advice.wanted is not None
    assert advice.wanted.seats == 12
    assert advice.peak == 5


def test_refusals_of_a_lower_cap_that_was_raised_since_count_no_longer() -> None:
    monday = Day(date(2026, 3, 2), peak=5, refused=3)
    monday.avoided.update({6: 1, 7: 2, 8: 3})
    assert advise([monday], seats=8).refused == 0
    assert advise([monday], seats=8).steps == []
    advice = advise([monday], seats=7)
    assert (advice.refused, [(step.seats, step.avoided) for step in advice.steps]) == (1, [(8, 1)])
    # The script looked at no more than twenty more; more seats than that avoid no less.
    assert avoided_by([monday], 500) == 3


def test_ten_paid_for_and_never_more_than_four_used_is_worth_a_word_only_after_a_while() -> None:
    days = [Day(date(2026, 3, 1) + timedelta(days=number), peak=4 if number == 3 else 2) for number in range(10)]
    assert advise(days, seats=10).spare == 6
    assert advise(days, seats=4).spare == 0
    assert advise(days[:9], seats=10).spare == 0
    refused_once = [*days, Day(date(2026, 3, 20), peak=2, refused=1)]
    assert advise(refused_once, seats=10).spare == 0
    assert advise([], seats=10).spare == 0


async def test_a_lower_cap_would_have_refused_those_who_came_when_it_was_full(house: House) -> None:
    _, days, _ = await play(house.seats, [("in", number) for number in range(6)], cap=8)
    assert refused_under(days, 8) == (0, 0)
    assert refused_under(days, 6) == (0, 0)
    assert refused_under(days, 4) == (2, 1)
    assert refused_under(days, 1) == (5, 1)
