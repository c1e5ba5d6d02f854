"""Seat rule 9: first come, first served; a freed seat is held 60 seconds for the head of the line, and no ghost stands in it."""

import asyncio
from datetime import UTC, datetime, timedelta

from tenants.house import House, open_house
from tenants.settings import Settings
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.full_pool import beat, enters, history, in_use, is_offered, let_pass, look_at_line, ticket_of, waits
from tests.make import Company


async def keep_looking(api: Api, house: House, company: Company, seconds: int, *tickets: str) -> None:
    """Time goes by, and the pages of those who wait go on asking where they stand."""
    for part in [20] * (seconds // 20) + [seconds % 20]:
        await let_pass(house, company, part)
        for ticket in tickets:
            await look_at_line(api, ticket)


async def test_rule_9_first_come_first_served(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, first, second = acme.staff
    await api.sign_in(holder)
    one = await waits(api, first)
    other = await waits(api, second)
    spot = (await look_at_line(api, other)).json()
    assert (spot["position"], spot["ahead"], spot["offered_until"]) == (2, 1, None)
    assert datetime.now(UTC) - datetime.fromisoformat(spot["since"]) < timedelta(seconds=10)
    await api.delete("/session", by=holder)
    offered = (await look_at_line(api, one)).json()
    assert (offered["position"], offered["ahead"]) == (1, 0)
    assert timedelta(seconds=50) < datetime.fromisoformat(offered["offered_until"]) - datetime.now(UTC) < timedelta(seconds=61)
    assert not await is_offered(api, other)
    assert await enters(api, second, other) == 409
    assert await enters(api, first, one) == 201
    assert (await look_at_line(api, one)).status_code == 404
    assert (await look_at_line(api, other)).json()["position"] == 1
    await api.delete("/session", by=first)
    assert await enters(api, second, other) == 201


async def test_rule_9_nobody_jumps_the_line_by_trying_again(api: Api, house: House) -> None:
    acme = await make.company(house, staff=4, seats=1)
    holder, first, second, stranger = acme.staff
    await api.sign_in(holder)
    one, other = await waits(api, first), await waits(api, second)
    await api.delete("/session", by=holder)
    for _ in range(5):
        assert await enters(api, second, other) == 409
        assert (await api.sign_in(second)).status_code == 409
        assert (await api.sign_in(stranger)).status_code == 409
        # Somebody who had a seat a moment ago has no better claim.
        assert (await api.sign_in(holder)).status_code == 409
    refused = (await api.sign_in(stranger)).json()
    assert (refused["in_use"], refused["held"], refused["seats"]) == (0, 1, 1)
    assert (await api.post("/seats/queue", {"ticket": other})).json()["position"] == 2
    assert await enters(api, first, one) == 201


async def test_rule_9_whoever_stops_looking_is_out_of_the_line_after_30_seconds(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, ghost, patient = acme.staff
    await api.sign_in(holder)
    gone, there = await waits(api, ghost), await waits(api, patient)
    await let_pass(house, acme, 29)
    assert (await look_at_line(api, gone)).json()["position"] == 1
    await look_at_line(api, there)
    await let_pass(house, acme, 29)
    await look_at_line(api, there)
    await let_pass(house, acme, 2)
    assert (await look_at_line(api, there)).json()["position"] == 1
    assert (await look_at_line(api, gone)).status_code == 404
    await api.delete("/session", by=holder)
    assert await enters(api, patient, there) == 201


async def test_rule_9_whoever_leaves_the_page_while_a_seat_is_held_for_them_leaves_it_to_the_next(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, ghost, patient = acme.staff
    await api.sign_in(holder)
    gone, there = await waits(api, ghost), await waits(api, patient)
    await api.delete("/session", by=holder)
    assert await is_offered(api, gone)
    await let_pass(house, acme, 29)
    assert not await is_offered(api, there)
    await let_pass(house, acme, 2)
    assert await is_offered(api, there)
    assert await enters(api, ghost, gone) == 409
    assert await enters(api, patient, there) == 201


async def test_rule_9_a_seat_is_held_for_60_seconds(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, first, second = acme.staff
    await api.sign_in(holder)
    one, other = await waits(api, first), await waits(api, second)
    await api.delete("/session", by=holder)
    assert await is_offered(api, one)
    await keep_looking(api, house, acme, 59, one, other)
    assert await enters(api, second, other) == 409
    assert await enters(api, first, one) == 201


async def test_rule_9_an_offer_that_nobody_takes_passes_on_after_60_seconds(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, first, second = acme.staff
    await api.sign_in(holder)
    one, other = await waits(api, first), await waits(api, second)
    await api.delete("/session", by=holder)
    await keep_looking(api, house, acme, 59, one, other)
    await let_pass(house, acme, 2)
    assert await is_offered(api, other)
    assert (await look_at_line(api, one)).status_code == 404
    assert await enters(api, first, one) == 409
    assert await enters(api, second, other) == 201


async def test_rule_9_the_line_outlives_the_process(api: Api, house: House, settings: Settings) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, first, second = acme.staff
    await api.sign_in(holder)
    one, other = await waits(api, first), await waits(api, second)
    elsewhere = open_house(settings)
    async with open_client(application(elsewhere, beside=1)) as client:
        there = Api(client)
        assert (await look_at_line(there, other)).json()["position"] == 2
        await api.delete("/session", by=holder)
        assert await is_offered(there, one)
        assert await enters(there, second, other) == 409
        assert await enters(there, first, one) == 201
    await elsewhere.close()


async def test_rule_3_and_9_whoever_replaces_their_own_session_does_not_wait(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, waiting = acme.staff
    await api.sign_in(holder)
    ticket = await waits(api, waiting)
    assert (await api.sign_in(holder)).status_code == 201
    assert (await look_at_line(api, ticket)).json()["position"] == 1
    assert await in_use(house, acme) == 1


async def test_rule_11_who_was_put_out_for_room_returns_before_the_line(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    victim, waiting = acme.staff
    await api.sign_in(victim)
    ticket = await waits(api, waiting)
    refused = (await api.sign_in(acme.administrator)).json()
    body = {"ticket": refused["ticket"], "replace_session": refused["holders"][0]["session_id"]}
    ada = (await api.post("/login", body)).json()["token"]
    assert (await api.sign_in(victim)).status_code == 409
    await api.delete("/session", by=ada)
    assert not await is_offered(api, ticket)
    assert await enters(api, waiting, ticket) == 409
    assert (await api.sign_in(victim)).status_code == 201


async def test_rule_11_the_right_to_return_first_lasts_two_minutes(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    victim, waiting = acme.staff
    await api.sign_in(victim)
    refused = (await api.sign_in(acme.administrator)).json()
    body = {"ticket": refused["ticket"], "replace_session": refused["holders"][0]["session_id"]}
    ada = (await api.post("/login", body)).json()["token"]
    ticket = await waits(api, waiting)
    await keep_looking(api, house, acme, 119, ticket)
    await api.delete("/session", by=ada)
    assert await enters(api, waiting, ticket) == 409
    await let_pass(house, acme, 2)
    assert (await api.sign_in(victim)).status_code == 409
    assert await enters(api, waiting, ticket) == 201


async def test_rule_11_who_was_suspended_has_no_right_to_return_first(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=2)
    victim, waiting = acme.staff
    ada = acme.administrator
    await api.sign_in(ada)
    await api.sign_in(victim)
    ticket = await waits(api, waiting)
    await api.patch(f"/users/{victim.user_id}", {"status": "suspended", "reason": "Stolen laptop"}, by=ada)
    await api.patch(f"/users/{victim.user_id}", {"status": "active"}, by=ada)
    assert (await api.sign_in(victim)).status_code == 409
    assert await enters(api, waiting, ticket) == 201


async def test_a_raised_cap_offers_seats_down_the_line_at_once(api: Api, house: House) -> None:
    acme = await make.company(house, staff=4, seats=1)
    holder, *others = acme.staff
    await api.sign_in(holder)
    tickets = [await waits(api, person) for person in others]
    await make.set_seats(house, acme, 3)
    assert [await is_offered(api, ticket) for ticket in tickets] == [True, True, False]
    assert [await enters(api, person, ticket) for person, ticket in zip(others, tickets, strict=True)] == [201, 201, 409]


async def test_a_lowered_cap_takes_offers_back_and_keeps_places_in_line(api: Api, house: House) -> None:
    acme = await make.company(house, staff=4, seats=1)
    holder, *others = acme.staff
    await api.sign_in(holder)
    tickets = [await waits(api, person) for person in others]
    await make.set_seats(house, acme, 3)
    assert await is_offered(api, tickets[1])
    await make.set_seats(house, acme, 2)
    assert [(await look_at_line(api, ticket)).json()["position"] for ticket in tickets] == [1, 2, 3]
    assert [await is_offered(api, ticket) for ticket in tickets] == [True, False, False]
    assert await enters(api, others[1], tickets[1]) == 409
    assert await enters(api, others[0], tickets[0]) == 201


async def test_rule_12_while_the_pool_drains_nobody_in_line_is_offered_a_seat(api: Api, house: House) -> None:
    acme = await make.company(house, staff=4, seats=3)
    *holders, waiting = acme.staff
    for person in holders:
        await api.sign_in(person)
    ticket = await waits(api, waiting)
    await make.set_seats(house, acme, 1)
    for person in holders[:2]:
        await api.delete("/session", by=person)
        assert not await is_offered(api, ticket)
        assert await enters(api, waiting, ticket) == 409
    await api.delete("/session", by=holders[2])
    assert await enters(api, waiting, ticket) == 201


async def test_a_boost_lets_in_whoever_waits_and_its_end_takes_the_offer_back(api: Api, house: House) -> None:
    seller = await make.operator(house)
    acme = await make.company(house, staff=2, seats=1)
    holder, waiting = acme.staff
    await api.sign_in(seller.administrator)
    await api.sign_in(holder)
    ticket = await waits(api, waiting)
    path = f"/accounts/{acme.account_id}/boosts"
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    boost = (await api.post(path, {"seats": 1, "ends_at": ends}, by=seller.administrator)).json()["id"]
    assert await is_offered(api, ticket)
    assert (await api.delete(f"{path}/{boost}", by=seller.administrator)).status_code == 204
    assert not await is_offered(api, ticket)
    assert (await look_at_line(api, ticket)).json()["position"] == 1
    await api.post(path, {"seats": 1, "ends_at": ends}, by=seller.administrator)
    assert await enters(api, waiting, ticket) == 201


async def test_a_lost_seat_is_taken_for_the_head_of_the_line_and_for_nobody_behind(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    away, first, second = acme.staff
    await api.sign_in(away)
    await beat(api, away)
    one, other = await waits(api, first), await waits(api, second)
    await keep_looking(api, house, acme, 88, one, other)
    assert not await is_offered(api, one)
    await let_pass(house, acme, 3)
    assert await enters(api, second, other) == 409
    assert await enters(api, first, one) == 201
    assert await history(house, acme, "seat.taken") == [(None, away.name, {"why": "lost", "user": str(first.user_id)})]


async def test_whoever_leaves_the_line_leaves_the_seat_to_the_next(api: Api, house: House) -> None:
    acme = await make.company(house, staff=4, seats=1)
    holder, first, second, third = acme.staff
    await api.sign_in(holder)
    tickets = [await waits(api, person) for person in (first, second, third)]
    await api.delete("/session", by=holder)
    assert (await api.delete("/seats/queue", params={"ticket": tickets[0]})).status_code == 204
    assert await is_offered(api, tickets[1])
    assert (await api.delete("/seats/queue", json={"ticket": tickets[1]})).status_code == 204
    assert await is_offered(api, tickets[2])
    assert (await api.delete("/seats/queue", params={"ticket": tickets[0]})).status_code == 204
    assert await enters(api, third, tickets[2]) == 201


async def test_a_storm_at_the_door_seats_the_first_in_line_and_never_one_too_many(api: Api, house: House) -> None:
    acme = await make.company(house, staff=12, seats=3)
    holders, others = acme.staff[:3], acme.staff[3:]
    for person in holders:
        await api.sign_in(person)
    tickets = [await waits(api, person) for person in others]
    leaving = [api.delete("/session", by=person) for person in holders]
    entering = [enters(api, person, ticket) for person, ticket in zip(others, tickets, strict=True)]
    await asyncio.gather(*leaving, *entering)
    for person, ticket in zip(others[:3], tickets[:3], strict=True):
        assert person.email in api.tokens or await enters(api, person, ticket) == 201
    assert [person.email in api.tokens for person in others] == [True] * 3 + [False] * 6
    assert await in_use(house, acme) == 3
    assert [(await look_at_line(api, ticket)).json()["position"] for ticket in tickets[3:]] == [1, 2, 3, 4, 5, 6]


async def test_many_who_join_at_once_each_have_a_place_of_their_own(api: Api, house: House) -> None:
    acme = await make.company(house, staff=11, seats=1)
    holder, *others = acme.staff
    await api.sign_in(holder)
    tickets = [await ticket_of(api, person) for person in others]
    await asyncio.gather(*(api.post("/seats/queue", {"ticket": ticket}) for ticket in tickets * 3))
    spots = [(await look_at_line(api, ticket)).json()["position"] for ticket in tickets]
    assert sorted(spots) == list(range(1, 11))
