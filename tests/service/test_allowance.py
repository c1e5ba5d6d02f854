"""Seat rule 15: external accountants sit on seats of their own before they take one of the pool."""

import pytest

from tenants import licences
from tenants.effects import raise_epoch
from tenants.house import House
from tests import make
from tests.api import Api
from tests.full_pool import beat, change_account, enters, in_use, let_pass, ticket_of, works
from tests.make import Company, Person

MINUTE = 60


async def office(house: House, *, seats: int = 1, accountants: int = 1) -> tuple[Company, list[Person], list[Person]]:
    """A company with two accountants and two users; its licence has so many seats, and so many for accountants."""
    acme = await make.company(house, staff=4, seats=seats, roles=("accountant", "accountant", "user", "user"))
    await allow(house, acme, accountants)
    return acme, acme.staff[:2], acme.staff[2:]


async def allow(house: House, company: Company, seats: int) -> None:
    """Change the allowance as a sale would."""
    async with house.database.transaction(company.account_id) as session:
        (await licences.lock_licence(session)).accountant_seats = seats
        raise_epoch(session, company.account_id)


async def kind(api: Api, person: Person) -> str:
    answer = await api.get("/session", by=person)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["seat"]["kind"])


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_rule_15_an_accountant_takes_no_seat_of_the_pool(api: Api, house: House, unit: str) -> None:
    acme, accountants, users = await office(house)
    await change_account(api, acme, seat_unit=unit)
    entered = await api.sign_in(accountants[0])
    assert (entered.status_code, entered.json()["seat"]["kind"]) == (201, "allowance")
    assert await in_use(house, acme) == 0
    assert (await api.sign_in(users[0])).status_code == 201
    assert await kind(api, accountants[0]) == "allowance"
    assert await kind(api, users[0]) == "pool"
    refused = (await api.sign_in(users[1])).json()
    assert (refused["seats"], refused["in_use"]) == (1, 1)
    assert [holder["name"] for holder in refused["holders"]] == [users[0].name]


async def test_rule_15_a_full_pool_keeps_no_accountant_out(api: Api, house: House) -> None:
    _, accountants, users = await office(house)
    await api.sign_in(users[0])
    assert (await api.sign_in(users[1])).status_code == 409
    assert (await api.sign_in(accountants[0])).json()["seat"]["kind"] == "allowance"
    assert (await api.get("/gate/check", by=accountants[0])).headers["x-portillon-seat"] == "allowance"


async def test_rule_15_when_the_allowance_is_full_the_pool_is_next(api: Api, house: House) -> None:
    acme, accountants, users = await office(house)
    await api.sign_in(accountants[0])
    assert (await api.sign_in(accountants[1])).json()["seat"]["kind"] == "pool"
    assert await in_use(house, acme) == 1
    assert (await api.sign_in(users[0])).status_code == 409
    await api.delete("/session", by=accountants[1])
    await api.sign_in(users[0])
    assert (await api.sign_in(accountants[1])).status_code == 409
    assert await works(api, accountants[0]) == 200


async def test_rule_15_users_never_sit_on_the_allowance(api: Api, house: House) -> None:
    acme, _, users = await office(house, accountants=5)
    await api.sign_in(users[0])
    ticket = await ticket_of(api, users[1])
    await api.post("/seats/queue", {"ticket": ticket})
    assert (await api.get("/seats/queue", params={"ticket": ticket})).json()["offered_until"] is None
    assert await enters(api, users[1], ticket) == 409
    assert await in_use(house, acme) == 1


async def test_rule_15_without_an_allowance_accountants_are_as_everybody_else(api: Api, house: House) -> None:
    _, accountants, users = await office(house, accountants=0)
    assert (await api.sign_in(accountants[0])).json()["seat"]["kind"] == "pool"
    assert (await api.sign_in(users[0])).status_code == 409


async def test_rule_15_a_larger_allowance_works_at_the_next_sign_in(api: Api, house: House) -> None:
    acme, accountants, users = await office(house)
    await api.sign_in(users[0])
    await api.sign_in(accountants[0])
    assert (await api.sign_in(accountants[1])).status_code == 409
    await allow(house, acme, 2)
    assert (await api.sign_in(accountants[1])).json()["seat"]["kind"] == "allowance"


async def test_rule_15_a_smaller_allowance_drains(api: Api, house: House) -> None:
    acme, accountants, users = await office(house, seats=1, accountants=2)
    for person in (*accountants, users[0]):
        assert (await api.sign_in(person)).status_code == 201
    await allow(house, acme, 1)
    assert [await kind(api, person) for person in accountants] == ["allowance", "allowance"]
    await api.delete("/session", by=accountants[0])
    assert (await api.sign_in(accountants[0])).status_code == 409
    await api.delete("/session", by=accountants[1])
    assert (await api.sign_in(accountants[0])).json()["seat"]["kind"] == "allowance"
    assert (await api.sign_in(accountants[1])).status_code == 409


@pytest.mark.parametrize("seats", [1, 2])
async def test_rule_15_who_is_no_accountant_any_more_needs_a_seat_of_the_pool(api: Api, house: House, seats: int) -> None:
    acme, accountants, users = await office(house, seats=seats)
    ada = acme.administrator
    await make.set_seats(house, acme, seats + 1)
    await api.sign_in(ada)
    await api.sign_in(accountants[0])
    await api.sign_in(users[0])
    changed = await api.patch(f"/users/{accountants[0].user_id}", {"role": "user"}, by=ada)
    assert changed.status_code == 200
    assert await works(api, accountants[0]) == (409 if seats == 1 else 200)
    assert await in_use(house, acme) == seats + 1
    # The allowance is free again.
    assert (await api.sign_in(accountants[1])).json()["seat"]["kind"] == "allowance"


async def test_rule_15_who_becomes_an_accountant_keeps_their_seat_and_takes_the_allowance_later(api: Api, house: House) -> None:
    acme, _, users = await office(house, seats=2)
    ada = acme.administrator
    await api.sign_in(ada)
    await api.sign_in(users[0])
    assert (await api.patch(f"/users/{users[0].user_id}", {"role": "accountant"}, by=ada)).status_code == 200
    assert await kind(api, users[0]) == "pool"
    await let_pass(house, acme, 31 * MINUTE)
    assert await kind(api, users[0]) == "allowance"
    assert await in_use(house, acme) == 0


async def test_rule_15_a_lost_seat_of_the_allowance_goes_to_the_next_accountant(api: Api, house: House) -> None:
    acme, accountants, users = await office(house)
    await api.sign_in(accountants[0])
    await api.sign_in(users[0])
    await beat(api, accountants[0])
    await let_pass(house, acme, 89)
    assert (await api.sign_in(accountants[1])).status_code == 409
    await let_pass(house, acme, 2)
    assert (await api.sign_in(accountants[1])).json()["seat"]["kind"] == "allowance"
    assert await works(api, users[0]) == 200
    assert await works(api, accountants[0]) == 409


async def test_rule_15_an_idle_accountant_gives_the_seat_back_and_takes_it_again(api: Api, house: House) -> None:
    acme, accountants, users = await office(house)
    await api.sign_in(accountants[0])
    await let_pass(house, acme, 31 * MINUTE)
    assert (await api.sign_in(accountants[1])).json()["seat"]["kind"] == "allowance"
    await api.sign_in(users[0])
    assert await works(api, accountants[0]) == 409
    await api.delete("/session", by=accountants[1])
    assert await kind(api, accountants[0]) == "allowance"


async def test_rule_15_both_kinds_of_seats_outlive_the_memory_of_them(api: Api, house: House) -> None:
    acme, accountants, users = await office(house)
    await api.sign_in(accountants[0])
    await api.sign_in(users[0])
    await house.valkey.call(b"FLUSHALL")
    assert await kind(api, accountants[0]) == "allowance"
    assert await kind(api, users[0]) == "pool"
    assert await in_use(house, acme) == 1
    assert (await api.sign_in(accountants[1])).status_code in {409, 503}
    assert (await api.sign_in(users[1])).status_code in {409, 503}


async def test_rule_15_an_accountant_who_signs_in_again_replaces_their_own_session(api: Api, house: House) -> None:
    acme, accountants, users = await office(house)
    first = (await api.sign_in(accountants[0])).json()
    await api.sign_in(users[0])
    again = (await api.sign_in(accountants[0])).json()
    assert again["seat"]["kind"] == "allowance"
    assert again["ended"] == [{"session_id": first["session"]["id"], "reason": "replaced"}]
    assert await in_use(house, acme) == 1
