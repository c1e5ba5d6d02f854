"""Signing in, seats and sessions through the front door; each seat rule by its number."""

from asyncio import gather

from tests import make
from tests.api import Api
from tenants.house import House


async def test_signing_in_tells_who_one_is(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    answer = await api.sign_in(acme.staff[0])
    assert answer.status_code == 201, answer.text
    me = await api.get("/session", by=acme.staff[0])
    assert me.status_code == 200, me.text
    assert me.json()["user"]["email"] == acme.staff[0].email
    assert me.json()["account"]["slug"] == "acme"
    assert me.json()["seat"]["kind"] == "pool"
    assert "invoices.view" in me.json()["rights"]
    assert me.json()["departments"] is None


async def test_rule_1_last_seat_is_taken_once(api: Api, house: House) -> None:
    acme = await make.company(house, staff=9, seats=3)
    answers = await gather(*(api.sign_in(person) for person in acme.people))
    assert sorted(a.status_code for a in answers) == [201] * 3 + [409] * 7
    refused = next(a for a in answers if a.status_code == 409).json()
    assert refused["code"] == "seats_full"
    assert (refused["seats"], refused["in_use"]) == (3, 3)
    assert len(refused["holders"]) == 3
