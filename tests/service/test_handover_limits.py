"""Who can be asked for a seat, who can ask, and when no seat can change hands."""

import asyncio
from uuid import uuid4

from tenants.house import House
from tests import make
from tests.api import Api
from tests.full_pool import ask, asks, change_account, enters, let_pass, questions, refusal, says, ticket_of, works

MINUTE = 60


async def test_rule_12_while_the_pool_drains_no_seat_changes_hands(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    one, two, asker = acme.staff
    await api.sign_in(one)
    await api.sign_in(two)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, one)
    await make.set_seats(house, acme, 1)
    assert refusal(await says(api, one, handover, "release")) == (409, "not_in_state", "draining")
    assert [await works(api, person) for person in (one, two)] == [200, 200]
    assert refusal(await ask(api, ticket, two)) == (409, "not_in_state", "draining")
    assert "ask_holder" not in (await api.sign_in(asker)).json()["choices"]


async def test_nobody_needs_to_be_asked_while_a_seat_is_free(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    one, two, asker = acme.staff
    await api.sign_in(one)
    await api.sign_in(two)
    ticket = await ticket_of(api, asker)
    await api.delete("/session", by=two)
    assert refusal(await ask(api, ticket, one)) == (409, "not_in_state", "room")
    assert await questions(api, one) == []


async def test_whoever_has_a_seat_asks_for_none(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=2)
    one, two = acme.staff
    await api.sign_in(one)
    await api.sign_in(two)
    assert refusal(await api.post("/seats/handovers", {}, by=one)) == (409, "not_in_state", "seated")
    assert await questions(api, two) == []


async def test_where_sessions_hold_seats_the_session_asked_gives_its_own(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=2)
    await change_account(api, acme, seat_unit="session", sessions_per_user=2)
    holder, asker = acme.staff
    kept, given = [(await api.sign_in(holder)).json() for _ in range(2)]
    ticket = await ticket_of(api, asker)
    handover = (await api.post("/seats/handovers", {"ticket": ticket, "session_id": given["session"]["id"]})).json()
    assert await questions(api, kept["token"]) == []
    assert len(await questions(api, given["token"])) == 1
    assert (await says(api, kept["token"], handover, "release")).status_code == 404
    assert (await says(api, given["token"], handover, "release")).status_code == 204
    assert await enters(api, asker, ticket) == 201
    assert await works(api, asker) == 200
    assert (await api.get("/session", by=kept["token"])).status_code == 200
    assert (await api.get("/session", by=given["token"])).status_code == 409


async def test_nobody_asks_themselves(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=2)
    await change_account(api, acme, seat_unit="session", sessions_per_user=3)
    asker, other = acme.staff
    own = (await api.sign_in(asker)).json()
    await api.sign_in(other)
    ticket = await ticket_of(api, asker)
    answer = await api.post("/seats/handovers", {"ticket": ticket, "session_id": own["session"]["id"]})
    assert refusal(answer) == (409, "not_in_state", "own")
    assert (await asks(api, ticket))["asked"] == 1
    assert await questions(api, own["token"]) == []


async def test_a_session_that_lost_its_seat_asks_by_itself(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    sleeper, other = acme.staff
    await api.sign_in(sleeper)
    await let_pass(house, acme, 31 * MINUTE)
    session = (await api.sign_in(other)).json()["session"]["id"]
    handover = (await api.post("/seats/handovers", {"session_id": session}, by=sleeper)).json()
    assert (handover["asked"], handover["ticket"]) == (1, None)
    assert (await says(api, other, handover, "release")).status_code == 204
    assert (await api.get(f"/seats/handovers/{handover['id']}", by=sleeper)).json()["state"] == "released"
    assert await works(api, sleeper) == 200
    assert await works(api, other) == 409


async def test_sessions_and_hand_overs_of_others_are_nobodys(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    zeta = await make.company(house, "Zeta", staff=1, seats=1)
    holder, asker, colleague = acme.staff
    await api.sign_in(holder)
    foreign = (await api.sign_in(zeta.staff[0])).json()["session"]["id"]
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    for session in (foreign, str(uuid4())):
        answer = await api.post("/seats/handovers", {"ticket": ticket, "session_id": session})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    theirs = await ticket_of(api, zeta.administrator)
    others = await ticket_of(api, colleague)
    for wrong in (theirs, others):
        for method in ("GET", "DELETE"):
            answer = await api.call(method, f"/seats/handovers/{handover['id']}", params={"ticket": wrong})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await says(api, zeta.staff[0], handover, "release")).status_code == 404
    assert await questions(api, zeta.staff[0]) == []
    assert len(await questions(api, holder)) == 1


async def test_whoever_has_no_seat_and_was_not_asked_answers_nothing(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    holder, bystander, asker = acme.staff
    await api.sign_in(holder)
    await api.sign_in(bystander)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    assert (await says(api, bystander, handover, "release")).status_code == 404
    assert (await says(api, bystander, {"id": uuid4()}, "no")).status_code == 404
    assert (await says(api, holder, handover, "perhaps")).status_code == 422
    assert (await says(api, holder, handover, "release")).status_code == 204
    assert refusal(await says(api, holder, handover, "no")) == (409, "not_in_state", "answered")
    assert await works(api, bystander) == 200


async def test_accountants_on_their_own_allowance_are_not_asked(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1, roles=("accountant", "user", "user"))
    accountant, holder, asker = acme.staff
    session = (await api.sign_in(accountant)).json()["session"]["id"]
    await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    answer = await api.post("/seats/handovers", {"ticket": ticket, "session_id": session})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await asks(api, ticket))["asked"] == 1
    assert await questions(api, accountant) == []


async def test_of_two_colleagues_who_give_at_once_one_goes_on_working(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    *holders, asker = acme.staff
    for person in holders:
        await api.sign_in(person)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket)
    answers = await asyncio.gather(*(says(api, person, handover, "release") for person in holders))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert await enters(api, asker, ticket) == 201
    assert sorted([await works(api, person) for person in holders]) == [200, 409]


async def test_of_two_who_ask_the_same_colleague_one_gets_the_seat(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, first, second = acme.staff
    await api.sign_in(holder)
    one, other = await ticket_of(api, first), await ticket_of(api, second)
    ours, theirs = await asks(api, one, holder), await asks(api, other, holder)
    assert [question["name"] for question in await questions(api, holder)] == [first.name, second.name]
    assert (await says(api, holder, theirs, "release")).status_code == 204
    assert await questions(api, holder) == []
    seen = await api.get(f"/seats/handovers/{ours['id']}", params={"ticket": one})
    assert seen.json()["state"] == "over"
    assert await enters(api, first, one) == 409
    assert await enters(api, second, other) == 201
