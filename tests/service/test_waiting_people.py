"""Who may stand in the waiting line, by what they are known, and what administrators see of it."""

import io
from time import time
from uuid import UUID

import asyncpg
import pytest
from msgspec import structs

from service.access_log import AccessLog
from service.embedded import Addresses
from tenants.errors import InvalidCredentials
from tenants.house import House
from tenants.settings import Settings
from tenants.tickets import Candidate, make_ticket, read_ticket
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.full_pool import (
    beat,
    change_account,
    enters,
    history,
    in_use,
    is_offered,
    let_pass,
    look_at_line,
    refusal,
    ticket_of,
    waits,
    works,
)


async def test_a_session_that_lost_its_seat_waits_by_itself_and_works_on_when_one_is_free(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    sleeper, other = acme.staff
    await api.sign_in(sleeper)
    await beat(api, sleeper)
    await let_pass(house, acme, 91)
    await api.sign_in(other)
    joined = await api.post("/seats/queue", by=sleeper)
    assert (joined.status_code, joined.json()["position"], joined.json()["ticket"]) == (201, 1, None)
    assert await works(api, sleeper) == 409
    assert (await api.get("/seats/queue", by=sleeper)).json()["offered_until"] is None
    await api.delete("/session", by=other)
    # To look takes no seat: it stays held.
    assert (await api.get("/seats/queue", by=sleeper)).json()["offered_until"] is not None
    assert await in_use(house, acme) == 0
    assert await works(api, sleeper) == 200
    assert (await api.get("/seats/queue", by=sleeper)).status_code == 404
    assert (await api.delete("/seats/queue", by=sleeper)).status_code == 204


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_whoever_has_a_seat_waits_for_none(api: Api, house: House, unit: str) -> None:
    acme = await make.company(house, staff=2, seats=1)
    await change_account(api, acme, seat_unit=unit)
    holder, other = acme.staff
    await api.sign_in(holder)
    ticket = await ticket_of(api, other)
    assert refusal(await api.post("/seats/queue", by=holder)) == (409, "not_in_state", "seated")
    await api.delete("/session", by=holder)
    assert await enters(api, other, ticket) == 201
    if unit == "user":
        assert refusal(await api.post("/seats/queue", {"ticket": ticket})) == (409, "not_in_state", "seated")


async def test_a_ticket_that_is_used_while_waiting_is_renewed(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, waiting = acme.staff
    await api.sign_in(holder)
    ticket = await waits(api, waiting)
    renewed = (await look_at_line(api, ticket)).json()["ticket"]
    await api.delete("/session", by=holder)
    assert await is_offered(api, renewed)
    assert await enters(api, waiting, renewed) == 201


async def test_a_ticket_works_no_more_once_the_password_has_changed(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=2, seats=1)
    await api.sign_in(acme.staff[0])
    ticket = await waits(api, acme.staff[1])
    connection = await asyncpg.connect(servers.superuser_url)
    change = "UPDATE identities SET credentials_version = credentials_version + 1 WHERE email = $1"
    await connection.execute(change, acme.staff[1].email)
    await connection.close()
    for answer in (await look_at_line(api, ticket), await api.post("/seats/queue", {"ticket": ticket})):
        assert refusal(answer)[:2] == (401, "invalid_credentials")


async def test_who_may_not_sign_in_any_more_may_not_wait_either(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=2)
    ada, (holder, waiting) = acme.administrator, acme.staff
    await api.sign_in(ada)
    await api.sign_in(holder)
    ticket = await waits(api, waiting)
    await api.patch(f"/users/{waiting.user_id}", {"status": "suspended", "reason": "Holidays"}, by=ada)
    for answer in (await look_at_line(api, ticket), await api.post("/seats/queue", {"ticket": ticket})):
        assert refusal(answer)[:2] == (403, "user_suspended")
        assert answer.json()["contact"] == ada.email
    await api.patch(f"/users/{waiting.user_id}", {"status": "struck_off"}, by=ada)
    assert refusal(await look_at_line(api, ticket))[:2] == (401, "invalid_credentials")


@pytest.mark.parametrize("ticket", ["x", "A" * 80, ""])
async def test_what_is_no_ticket_opens_nothing(api: Api, house: House, ticket: str) -> None:
    acme = await make.company(house, staff=1, seats=1)
    await api.sign_in(acme.staff[0])
    expected = 401 if ticket else 422
    assert (await api.post("/seats/queue", {"ticket": ticket})).status_code == expected
    assert (await look_at_line(api, ticket)).status_code == expected
    # Nobody is told more for being signed in: the ticket decides.
    assert (await api.get("/seats/queue", params={"ticket": ticket}, by=acme.staff[0])).status_code == expected
    for method in ("POST", "GET", "DELETE"):
        assert refusal(await api.call(method, "/seats/queue"))[:2] == (401, "not_signed_in")


async def test_the_lines_of_two_accounts_know_nothing_of_each_other(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    zeta = await make.company(house, "Zeta", staff=2, seats=2)
    await api.sign_in(acme.staff[0])
    ours = await waits(api, acme.staff[1])
    await api.sign_in(zeta.administrator)
    await api.sign_in(zeta.staff[0])
    theirs = await waits(api, zeta.staff[1])
    assert (await look_at_line(api, ours)).json()["position"] == 1
    assert (await look_at_line(api, theirs)).json()["position"] == 1
    line = (await api.get("/account/queue", by=zeta.administrator)).json()["items"]
    assert [each["user"]["email"] for each in line] == [zeta.staff[1].email]
    foreign = await api.delete(f"/account/queue/{acme.staff[1].user_id}", by=zeta.administrator)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")
    assert (await api.delete("/account/queue", by=zeta.administrator)).json() == {"cleared": 1}
    assert (await look_at_line(api, ours)).json()["position"] == 1
    assert (await look_at_line(api, theirs)).status_code == 404


async def test_administrators_see_the_line_and_clear_it(api: Api, house: House) -> None:
    acme = await make.company(house, staff=4, seats=2)
    ada, (holder, *others) = acme.administrator, acme.staff
    await api.sign_in(ada)
    await api.sign_in(holder)
    tickets = [await waits(api, person) for person in others]
    items = (await api.get("/account/queue", by=ada)).json()["items"]
    assert [(item["position"], item["user"]["id"], item["user"]["name"], item["offered_until"]) for item in items] == [
        (number, str(person.user_id), person.name, None) for number, person in enumerate(others, 1)
    ]
    assert (await api.delete(f"/account/queue/{others[0].user_id}", by=ada)).json() == {"cleared": 1}
    assert (await api.delete(f"/account/queue/{others[0].user_id}", by=ada)).json() == {"cleared": 0}
    assert (await look_at_line(api, tickets[0])).status_code == 404
    assert (await look_at_line(api, tickets[1])).json()["position"] == 1
    assert (await api.post("/seats/queue", {"ticket": tickets[0]})).json()["position"] == 3
    assert (await api.delete("/account/queue", by=ada)).json() == {"cleared": 3}
    assert (await api.get("/account/queue", by=ada)).json() == {"items": []}
    assert (await api.delete("/account/queue", by=ada)).json() == {"cleared": 0}
    assert await history(house, acme, "seat.line_cleared") == [
        (ada.name, others[0].name, {"users": [str(others[0].user_id)]}),
        (ada.name, "Acme", {"users": [str(others[n].user_id) for n in (1, 2, 0)]}),
    ]


async def test_a_seat_held_for_somebody_who_is_sent_away_is_the_next_ones(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    ada, (holder, first, second) = acme.administrator, acme.staff
    await api.sign_in(ada)
    await api.sign_in(holder)
    one, other = await waits(api, first), await waits(api, second)
    await api.delete("/session", by=holder)
    assert await is_offered(api, one)
    assert (await api.delete(f"/account/queue/{first.user_id}", by=ada)).json() == {"cleared": 1}
    assert await is_offered(api, other)
    assert await enters(api, first, one) == 409
    assert await enters(api, second, other) == 201


async def test_whoever_may_not_see_sessions_sees_no_line(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    await api.sign_in(acme.staff[0])
    for method, path in (("GET", ""), ("DELETE", ""), ("DELETE", f"/{acme.staff[0].user_id}")):
        answer = await api.call(method, f"/account/queue{path}", by=acme.staff[0])
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_no_ticket_is_written_into_the_access_log(house: House, settings: Settings) -> None:
    acme = await make.company(house, staff=2, seats=1)
    lines = io.StringIO()
    log = AccessLog(lines)
    async with open_client(application(house, beside=1, access_log=log)) as client:
        api = Api(client)
        await api.sign_in(acme.staff[0])
        ticket = await waits(api, acme.staff[1])
        assert (await look_at_line(api, ticket)).status_code == 200
        assert (await api.delete("/seats/queue", params={"ticket": ticket})).status_code == 204
    log.flush()
    assert "/api/v1/seats/queue" in lines.getvalue()
    assert ticket not in lines.getvalue()


def test_no_ticket_lives_longer_than_two_hours_after_the_password(house: House) -> None:
    nobody = Candidate(UUID(int=1), UUID(int=2), UUID(int=3), 1, "nobody@nowhere.example.com")
    now = int(time())
    for ago, good in ((0, True), (7190, True), (7201, False)):
        ticket = make_ticket(house.signer, structs.replace(nobody, proven_at=now - ago))
        if good:
            assert read_ticket(house.signer, ticket).proven_at == now - ago
        else:
            with pytest.raises(InvalidCredentials):
                read_ticket(house.signer, ticket)


async def test_a_visitor_waits_for_no_seat_and_asks_nobody(api: Api, house: House) -> None:
    seller = await make.operator(house)
    acme = await make.company(house, staff=1, seats=2)
    for person in (*acme.people, seller.administrator):
        await api.sign_in(person)
    await api.post("/account/visits", {"visitor": "operator", "once": True, "role": "user"}, by=acme.administrator)
    visit = await api.post(f"/accounts/{acme.account_id}/visits", {"reason": "Help", "minutes": 10}, by=seller.administrator)
    for path in ("/seats/queue", "/seats/handovers"):
        answer = await api.post(path, {}, by=visit.json()["token"])
        assert (answer.status_code, answer.json()["closed_to"]) == (403, "visitors")
