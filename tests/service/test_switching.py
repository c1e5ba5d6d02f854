"""From one account of a person to another: the seat moves along, and what it leaves behind lingers."""

from tenants import invitations
from tenants.house import House
from tests import make
from tests.aging import pass_time
from tests.api import Api
from tests.make import Company, Person


async def test_switching_accounts_needs_no_password_and_ends_the_old_session(api: Api, house: House) -> None:
    acme = await make.company(house, staff=0)
    zeta = await make.company(house, "Zeta", staff=0)
    person = await _invited_elsewhere(house, acme, zeta)
    choice = await api.sign_in(person)
    assert choice.status_code == 409
    assert [account["slug"] for account in choice.json()["accounts"]] == ["acme", "zeta"]
    assert (await api.sign_in(person, account="acme")).status_code == 201
    old = api.tokens[person.email]
    moved = await api.post("/session/switch", {"account": "zeta"}, by=person)
    assert moved.status_code == 201
    assert moved.json()["account"]["slug"] == "zeta"
    assert moved.json()["seat"]["kind"] == "allowance"
    assert (await api.get("/session", by=old)).json()["ended"]["reason"] == "switched"
    # They may be back in a moment: the seat there lingers, and then it is free.
    assert (await house.seats.presence(acme.account_id)).in_use == 1
    await pass_time(house.valkey, acme.account_id, 61)
    assert (await house.seats.presence(acme.account_id)).in_use == 0
    assert (await api.get("/session", by=moved.json()["token"])).json()["user"]["role"] == "accountant"
    assert (await api.post("/session/switch", {"account": "operator"}, by=moved.json()["token"])).status_code == 404


async def test_the_seat_that_a_switch_leaves_behind_is_a_colleagues_who_needs_it(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=1)
    zeta = await make.company(house, "Zeta", staff=0)
    person = await _invited_elsewhere(house, acme, zeta)
    await api.sign_in(person, account="acme")
    assert (await api.sign_in(acme.staff[0])).status_code == 409
    moved = await api.post("/session/switch", {"account": "zeta"}, by=person)
    await pass_time(house.valkey, acme.account_id, 4)
    assert (await api.sign_in(acme.staff[0])).status_code == 201
    back = await api.post("/session/switch", {"account": "acme"}, by=moved.json()["token"])
    assert (back.status_code, back.json()["code"]) == (409, "seats_full")
    assert (await api.get("/session", by=moved.json()["token"])).status_code == 200


async def test_whoever_switches_back_while_their_seat_lingers_keeps_it(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=1)
    zeta = await make.company(house, "Zeta", staff=0)
    person = await _invited_elsewhere(house, acme, zeta)
    await api.sign_in(person, account="acme")
    moved = await api.post("/session/switch", {"account": "zeta"}, by=person)
    await pass_time(house.valkey, acme.account_id, 50)
    back = await api.post("/session/switch", {"account": "acme"}, by=moved.json()["token"])
    assert back.status_code == 201
    await pass_time(house.valkey, acme.account_id, 120)
    assert (await api.sign_in(acme.staff[0])).status_code == 409
    assert (await api.get("/session", by=back.json()["token"])).status_code == 200


async def test_switching_into_a_full_account_keeps_the_old_session(api: Api, house: House) -> None:
    acme = await make.company(house, staff=0)
    zeta = await make.company(house, "Zeta", staff=1, seats=1)
    person = await _invited_elsewhere(house, acme, zeta, role="user")
    await api.sign_in(person, account="acme")
    await api.sign_in(zeta.staff[0])
    assert (await api.post("/session/switch", {"account": "zeta"}, by=person)).status_code == 409
    assert (await api.get("/session", by=person)).status_code == 200


async def _invited_elsewhere(house: House, first: Company, second: Company, *, role: str = "accountant") -> Person:
    """The administrator of the first company, who is also an accountant in the second, or whatever is named."""
    admin = await make.actor(house, second, second.administrator)
    async with house.database.transaction(second.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email=first.administrator.email, role=role)
    await make.accept(house, second.account_id, user.id)
    return first.administrator
