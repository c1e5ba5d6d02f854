"""What hostile people try where seats are short: to keep one without working, to come back uninvited, to fill the memory of the pool."""

import asyncio
from uuid import uuid4

import msgspec
import pytest

from tenants import handovers
from tenants.errors import NotInState
from tenants.house import House
from tenants.tokens import Purpose, encoded
from tests import make
from tests.api import Api
from tests.full_pool import ask, asks, change_account, enters, in_use, let_pass, questions, refusal, ticket_of, waits, works


@pytest.mark.parametrize("end", ["signed out", "ended"])
async def test_the_ticket_of_a_session_opens_nothing_once_that_session_is_over(api: Api, house: House, end: str) -> None:
    acme = await make.company(house, staff=2, seats=2)
    away, colleague = acme.staff
    await api.sign_in(acme.administrator)
    session = (await api.sign_in(away)).json()["session"]["id"]
    await let_pass(house, acme, 31 * 60)
    await api.sign_in(colleague)
    assert await works(api, acme.administrator) == 200
    refused = await api.get("/users", by=away)
    assert refusal(refused)[:2] == (409, "seats_full"), refused.text
    ticket = refused.json()["ticket"]
    renewed = (await api.post("/seats/queue", {"ticket": ticket})).json()["ticket"]
    if end == "signed out":
        await api.delete("/session", by=away)
    else:
        await api.delete(f"/sessions/{session}?reason=stolen", by=acme.administrator)
    await api.delete("/session", by=colleague)
    assert [await enters(api, away, each) for each in (ticket, renewed)] == [401, 401]
    assert (await api.get("/seats/queue", params={"ticket": ticket})).status_code == 401


async def test_a_change_of_the_seat_unit_leaves_no_seat_behind_that_nobody_holds(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=4)
    await change_account(api, acme, seat_unit="session", sessions_per_user=2)
    holder = acme.staff[0]
    tokens = [(await api.sign_in(holder)).json()["token"] for _ in range(2)]
    assert await in_use(house, acme) == 2
    await change_account(api, acme, seat_unit="user")
    assert [(await api.get("/session", by=token)).status_code for token in tokens] == [200, 200]
    assert await in_use(house, acme) == 1


async def test_a_sign_in_that_was_refused_leaves_nothing_behind_for_a_day(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    one, two = acme.staff
    await api.sign_in(one)
    ticket = await ticket_of(api, two)
    for wanted in ({"replace_session": str(uuid4())}, {"management": True}):
        assert (await api.post("/login", {"ticket": ticket} | wanted)).status_code in {403, 404}
    left = await house.valkey.call(b"KEYS", b"s:{%b}:*" % acme.account_id.hex.encode())
    lives = [await house.valkey.call(b"TTL", key) for key in left if await house.valkey.call(b"HEXISTS", key, b"g")]
    assert max(lives, default=0) <= 60


async def test_whoever_works_holds_no_second_seat_by_waiting_for_it(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    await change_account(api, acme, seat_unit="session")
    greedy, one, two = acme.staff
    await api.sign_in(one)
    await api.sign_in(two)
    ticket = await waits(api, greedy)
    await api.delete("/session", by=one)
    assert await enters(api, greedy, ticket) == 201
    assert refusal(await api.post("/seats/queue", {"ticket": ticket})) == (409, "not_in_state", "seated")
    assert refusal(await api.post("/seats/handovers", {"ticket": ticket})) == (409, "not_in_state", "seated")


async def test_whoever_asks_everybody_asks_the_twenty_who_are_idle_longest(api: Api, house: House) -> None:
    acme = await make.company(house, staff=22, seats=21)
    *holders, asker = acme.staff
    for holder in holders:
        await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    assert (await asks(api, ticket))["asked"] == 20
    assert (await asks(api, ticket))["asked"] == 20
    assert refusal(await ask(api, ticket, holders[20])) == (409, "not_in_state", "nobody")
    assert [len(await questions(api, holder)) for holder in holders] == [1] * 20 + [0]


async def test_of_hand_overs_a_hundred_are_kept(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=1)
    await api.sign_in(acme.staff[0])
    for _ in range(100):
        await handovers.ask(house.door, acme.account_id, uuid4(), name="Somebody", own=[], holder=None)
    with pytest.raises(NotInState, match="not_in_state"):
        await handovers.ask(house.door, acme.account_id, uuid4(), name="Somebody", own=[], holder=None)
    await let_pass(house, acme, 121)
    await handovers.ask(house.door, acme.account_id, uuid4(), name="Somebody", own=[], holder=None)


async def test_rule_10_of_management_sessions_that_begin_at_once_one_is_left(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=1)
    await change_account(api, acme, sessions_per_user=5)
    await api.sign_in(acme.staff[0])
    ticket = await ticket_of(api, acme.administrator)
    answers = await asyncio.gather(*(api.post("/login", {"ticket": ticket, "management": True}) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [201] * 5
    work = [(await api.get("/session", by=answer.json()["token"])).status_code for answer in answers]
    assert work.count(200) == 1


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_whoever_signs_out_while_making_room_for_themselves_inherits_no_seat(api: Api, house: House, unit: str) -> None:
    acme = await make.company(house, staff=1, seats=1)
    await change_account(api, acme, seat_unit=unit)
    held = (await api.sign_in(acme.staff[0])).json()["session"]["id"]
    manager = (await api.sign_in(acme.administrator, management=True)).json()["token"]
    leaving = (api.delete("/session", by=manager), api.delete(f"/sessions/{held}", by=manager))
    assert {answer.status_code for answer in await asyncio.gather(*leaving)} <= {204, 401}
    assert await in_use(house, acme) == 0


async def test_a_ticket_that_another_release_made_is_none(api: Api, house: House) -> None:
    body = msgspec.msgpack.encode([[str(uuid4())] * 9, 4_000_000_000])
    ticket = encoded(house.signer.tag(Purpose.TICKET, body) + body)
    assert (await api.post("/login", {"ticket": ticket})).status_code == 401
    assert (await api.get("/seats/queue", params={"ticket": ticket})).status_code == 401
