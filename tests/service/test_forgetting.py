"""Redis forgets: whoever was at work comes back before anybody new, by a request or because a page of theirs is open."""

from tenants.house import House
from tests import make
from tests.aging import pass_time
from tests.api import Api


async def test_an_open_page_brings_its_seat_back_before_anybody_new_gets_one(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    one, other = acme.staff
    await api.sign_in(one)
    await house.valkey.call(b"FLUSHALL")
    assert (await api.post("/session/heartbeat", {"page": "p1"}, by=one)).status_code == 204
    assert list((await house.seats.presence(acme.account_id)).leases) == [one.user_id]
    await pass_time(house.valkey, acme.account_id, 6)
    assert (await api.sign_in(other)).status_code == 409
    assert (await api.get("/session", by=one)).status_code == 200


async def test_a_heartbeat_takes_no_seat_that_was_idle_before(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=1)
    one = acme.staff[0]
    await api.sign_in(one)
    await api.post("/session/heartbeat", {"page": "p1"}, by=one)
    await pass_time(house.valkey, acme.account_id, 31 * 60)
    assert (await api.post("/session/heartbeat", {"page": "p1"}, by=one)).status_code == 204
    assert (await house.seats.presence(acme.account_id)).in_use == 0


async def test_the_line_is_served_once_those_at_work_had_time_to_come_back(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    one, other = acme.staff
    await api.sign_in(one)
    ticket = (await api.sign_in(other)).json()["ticket"]
    await house.valkey.call(b"FLUSHALL")
    joined = await api.post("/seats/queue", {"ticket": ticket})
    assert (joined.status_code, joined.json()["offered_until"]) == (201, None)
    for _ in range(2):
        await pass_time(house.valkey, acme.account_id, 16)
        looked = (await api.get("/seats/queue", params={"ticket": ticket})).json()
        assert looked["offered_until"] is None
    # Nobody at work has come back for 35 seconds: the seat is free.
    await pass_time(house.valkey, acme.account_id, 4)
    assert (await api.get("/seats/queue", params={"ticket": ticket})).json()["offered_until"] is not None
