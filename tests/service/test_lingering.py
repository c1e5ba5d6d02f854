"""Seat rules 5 and 6: who is not there any more keeps a seat only until somebody needs it."""

import asyncio
import time

import pytest

from tenants.house import House
from tests import make
from tests.api import Api
from tests.full_pool import beat, change_account, enters, history, in_use, let_pass, ticket_of, works

MINUTE = 60


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_rule_5_a_browser_that_fell_silent_for_90_seconds_loses_its_seat_to_whoever_needs_one(
    api: Api, house: House, unit: str
) -> None:
    acme = await make.company(house, staff=2, seats=1)
    await change_account(api, acme, seat_unit=unit)
    away, newcomer = acme.staff
    await api.sign_in(away)
    await beat(api, away)
    await let_pass(house, acme, 89)
    assert (await api.sign_in(newcomer)).status_code == 409
    await let_pass(house, acme, 1.5)
    assert (await api.sign_in(newcomer)).status_code == 201
    assert await in_use(house, acme) == 1
    assert await history(house, acme, "seat.taken") == [(None, away.name, {"why": "lost", "user": str(newcomer.user_id)})]


async def test_rule_5_a_lost_seat_that_nobody_needs_is_kept(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=2)
    away, other = acme.staff
    await api.sign_in(away)
    await beat(api, away)
    await let_pass(house, acme, 20 * MINUTE)
    assert (await api.sign_in(other)).status_code == 201
    assert await in_use(house, acme) == 2
    assert await works(api, away) == 200
    assert await history(house, acme, "seat.taken") == []


async def test_rule_5_a_browser_that_never_sent_a_heartbeat_is_there_until_it_is_idle(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    quiet, newcomer = acme.staff
    await api.sign_in(quiet)
    await let_pass(house, acme, 30 * MINUTE - 2)
    assert (await api.sign_in(newcomer)).status_code == 409
    await let_pass(house, acme, 3)
    assert (await api.sign_in(newcomer)).status_code == 201
    # The lease ran out by itself: nobody took it.
    assert await history(house, acme, "seat.taken") == []


async def test_rule_5_heartbeats_keep_nobody_at_work(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    away, newcomer = acme.staff
    await api.sign_in(away)
    for _ in range(21):
        await beat(api, away)
        await let_pass(house, acme, 85)
    await beat(api, away)
    assert (await api.sign_in(newcomer)).status_code == 409
    await let_pass(house, acme, 20)
    assert (await api.sign_in(newcomer)).status_code == 201


async def test_rule_5_a_heartbeat_takes_no_seat(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=1)
    await api.sign_in(acme.staff[0])
    await let_pass(house, acme, 31 * MINUTE)
    await beat(api, acme.staff[0])
    assert await in_use(house, acme) == 0


async def test_rule_5_a_closed_page_lingers_for_60_seconds_and_then_its_seat_is_free(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=2)
    closed, other = acme.staff
    await api.sign_in(closed)
    await api.sign_in(other)
    await beat(api, closed)
    await beat(api, closed, closing=True)
    await let_pass(house, acme, 59)
    assert await in_use(house, acme) == 2
    await let_pass(house, acme, 1.5)
    assert await in_use(house, acme) == 1
    # The session lives on.
    assert await works(api, closed) == 200
    assert await in_use(house, acme) == 2


async def test_rule_5_whoever_comes_back_while_their_seat_lingers_keeps_it(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    closed, newcomer = acme.staff
    await api.sign_in(closed)
    await beat(api, closed)
    await beat(api, closed, closing=True)
    await let_pass(house, acme, 59)
    await beat(api, closed, "p2")
    await let_pass(house, acme, 60)
    assert (await api.sign_in(newcomer)).status_code == 409
    assert await works(api, closed) == 200


async def test_rule_5_a_request_alone_ends_the_lingering(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    closed, newcomer = acme.staff
    await api.sign_in(closed)
    await beat(api, closed, closing=True)
    await let_pass(house, acme, 50)
    assert await works(api, closed) == 200
    await let_pass(house, acme, 20)
    assert (await api.sign_in(newcomer)).status_code == 409


async def test_rule_5_a_lingering_seat_goes_to_whoever_needs_one(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    closed, newcomer = acme.staff
    await api.sign_in(closed)
    await beat(api, closed)
    await beat(api, closed, closing=True)
    await let_pass(house, acme, 4)
    assert (await api.sign_in(newcomer)).status_code == 201
    assert await history(house, acme, "seat.taken") == [(None, closed.name, {"why": "lingering", "user": str(newcomer.user_id)})]


async def test_rule_5_in_the_first_3_seconds_after_closing_a_sign_in_waits_and_gets_in(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    closed, newcomer = acme.staff
    await api.sign_in(closed)
    await beat(api, closed)
    await beat(api, closed, closing=True)
    began = time.monotonic()
    assert (await api.sign_in(newcomer)).status_code == 201
    assert 2.5 < time.monotonic() - began < 6
    assert await in_use(house, acme) == 1


async def test_rule_5_a_reload_keeps_the_seat_from_whoever_asks_in_the_same_moment(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    reloading, newcomer = acme.staff
    await api.sign_in(reloading)
    await beat(api, reloading, "before")
    await beat(api, reloading, "before", closing=True)
    asks = asyncio.create_task(api.sign_in(newcomer))
    await asyncio.sleep(0.5)
    await beat(api, reloading, "after")
    assert (await asks).status_code == 409
    assert await works(api, reloading) == 200


async def test_rule_5_a_second_tab_keeps_the_seat_and_takes_no_second_one(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    busy, newcomer = acme.staff
    await api.sign_in(busy)
    await beat(api, busy, "one")
    await beat(api, busy, "two")
    assert await in_use(house, acme) == 1
    await beat(api, busy, "one", closing=True)
    await let_pass(house, acme, 30)
    assert (await api.sign_in(newcomer)).status_code == 409
    await beat(api, busy, "two", closing=True)
    await let_pass(house, acme, 4)
    assert (await api.sign_in(newcomer)).status_code == 201


async def test_rule_5_to_close_without_naming_a_page_closes_them_all(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    closed, newcomer = acme.staff
    await api.sign_in(closed)
    await beat(api, closed, "one")
    await beat(api, closed, "two")
    assert (await api.post("/session/heartbeat", {"closing": True}, by=closed)).status_code == 204
    await let_pass(house, acme, 4)
    assert (await api.sign_in(newcomer)).status_code == 201


async def test_rule_5_a_second_browser_keeps_the_seat_that_a_user_shares(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    await change_account(api, acme, sessions_per_user=2)
    person, newcomer = acme.staff
    first = (await api.sign_in(person)).json()["token"]
    second = (await api.sign_in(person)).json()["token"]
    await beat(api, first)
    await beat(api, second)
    await beat(api, first, closing=True)
    await let_pass(house, acme, 20)
    assert (await api.sign_in(newcomer)).status_code == 409
    await let_pass(house, acme, 71)
    assert (await api.sign_in(newcomer)).status_code == 201


async def test_rule_6_a_lost_seat_goes_before_a_lingering_one_and_that_before_the_longest_idle(api: Api, house: House) -> None:
    acme = await make.company(house, staff=8, seats=4)
    await change_account(api, acme, reclaim_after=10)
    longest, idle, lingering, lost, *newcomers = acme.staff
    await api.sign_in(longest)
    await let_pass(house, acme, 20)
    await api.sign_in(idle)
    await let_pass(house, acme, 11 * MINUTE)
    for person in (lingering, lost):
        await api.sign_in(person)
        await beat(api, person)
    await let_pass(house, acme, 91)
    await beat(api, lingering)
    await beat(api, lingering, closing=True)
    await let_pass(house, acme, 4)
    for person in newcomers:
        assert (await api.sign_in(person)).status_code == 201
    assert (await api.sign_in(acme.administrator)).status_code == 409
    assert [(whose, facts["why"], facts["user"]) for _, whose, facts in await history(house, acme, "seat.taken")] == [
        (lost.name, "lost", str(newcomers[0].user_id)),
        (lingering.name, "lingering", str(newcomers[1].user_id)),
        (longest.name, "idle", str(newcomers[2].user_id)),
        (idle.name, "idle", str(newcomers[3].user_id)),
    ]
    assert await in_use(house, acme) == 4


async def test_rule_6_idle_seats_are_taken_from_reclaim_after_on(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    await change_account(api, acme, reclaim_after=10)
    idle, newcomer = acme.staff
    await api.sign_in(idle)
    await let_pass(house, acme, 10 * MINUTE - 2)
    # A page that is open and says so does not make somebody busy.
    await beat(api, idle)
    assert (await api.sign_in(newcomer)).status_code == 409
    await let_pass(house, acme, 2.5)
    assert (await api.sign_in(newcomer)).status_code == 201


async def test_rule_6_whoever_makes_a_request_is_not_idle(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    await change_account(api, acme, reclaim_after=10)
    busy, newcomer = acme.staff
    await api.sign_in(busy)
    for _ in range(3):
        await let_pass(house, acme, 9 * MINUTE)
        assert (await api.sign_in(newcomer)).status_code == 409
        assert await works(api, busy) == 200


async def test_rule_6_without_reclaim_after_no_idle_seat_is_taken(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    await change_account(api, acme, reclaim_after=None)
    idle, newcomer = acme.staff
    await api.sign_in(idle)
    await let_pass(house, acme, 29 * MINUTE)
    assert (await api.sign_in(newcomer)).status_code == 409
    assert await works(api, idle) == 200


async def test_a_laptop_that_slept_resumes_silently_when_a_seat_is_free(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    sleeper, other = acme.staff
    await api.sign_in(sleeper)
    await beat(api, sleeper)
    await let_pass(house, acme, 91)
    await api.sign_in(other)
    await api.delete("/session", by=other)
    assert await works(api, sleeper) == 200
    assert await in_use(house, acme) == 1


async def test_a_laptop_that_slept_finds_the_limit_and_a_ticket_that_works(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    sleeper, other = acme.staff
    await api.sign_in(sleeper)
    await beat(api, sleeper)
    await let_pass(house, acme, 91)
    await api.sign_in(other)
    full = await api.get("/session", by=sleeper)
    assert (full.status_code, full.json()["code"]) == (409, "seats_full")
    assert [(holder["name"], holder["state"], holder["mine"]) for holder in full.json()["holders"]] == [
        (other.name, "working", False)
    ]
    assert {"retry", "ask_holder", "wait"} <= set(full.json()["choices"])
    ticket = full.json()["ticket"]
    assert await enters(api, sleeper, ticket) == 409
    await api.delete("/session", by=other)
    assert await enters(api, sleeper, ticket) == 201
    assert await works(api, sleeper) == 200


async def test_the_list_of_sessions_and_the_refusal_show_who_is_not_there_any_more(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=3)
    lost, lingering, newcomer = acme.staff
    for person in (lost, lingering):
        await api.sign_in(person)
        await beat(api, person)
    await let_pass(house, acme, 91)
    await beat(api, lingering)
    await beat(api, lingering, closing=True)
    await api.sign_in(acme.administrator)
    items = (await api.get("/sessions", by=acme.administrator)).json()["items"]
    states = {item["user"]["email"]: item["seat"] for item in items}
    assert states == {lost.email: "lost", lingering.email: "lingering", acme.administrator.email: "working"}
    # Whoever asks now takes the lost seat: there is nothing left to show but who works.
    assert (await api.sign_in(newcomer)).status_code == 201


async def test_a_heartbeat_needs_a_session_and_a_page_that_can_be_one(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    await api.sign_in(acme.staff[0])
    assert (await api.post("/session/heartbeat", {})).status_code == 401
    for page in ("a b", "x" * 41, "é", 7):
        assert (await api.post("/session/heartbeat", {"page": page}, by=acme.staff[0])).status_code == 422
    assert (await api.post("/session/heartbeat", {"page": "x" * 40}, by=acme.staff[0])).status_code == 204
    await api.delete("/session", by=acme.staff[0])
    assert (await api.post("/session/heartbeat", {}, by=acme.staff[0])).status_code == 401


async def test_no_heartbeat_revives_a_seat_that_somebody_took(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    away, newcomer = acme.staff
    await api.sign_in(away)
    await beat(api, away)
    await let_pass(house, acme, 91)
    assert (await api.sign_in(newcomer)).status_code == 201
    for _ in range(3):
        await beat(api, away)
    assert await in_use(house, acme) == 1
    assert await works(api, newcomer) == 200
    ticket = await ticket_of(api, acme.administrator)
    assert await enters(api, acme.administrator, ticket) == 409
