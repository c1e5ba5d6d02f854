"""A reseller's pool: the sum over its clients never passes it, whichever way it would."""

from asyncio import gather
from typing import Any

import httpx
import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company
from tests.tenants.rows import sql


@pytest.fixture
async def north(api: Api, house: House, servers: Addresses) -> Company:
    """A reseller with a pool of ten places, signed in beside the operator."""
    reseller = await make.company(house, "North", kind="reseller", staff=0)
    await sql(servers, "UPDATE licences SET pool_seats = 10 WHERE account_id = $1", reseller.account_id)
    await api.sign_in(reseller.administrator)
    await api.sign_in((await make.operator(house)).administrator)
    return reseller


async def sell(api: Api, reseller: Company, name: str, plan: str = "pro") -> httpx.Response:
    """A new client; `pro` has six places."""
    body = {"name": name, "plan": plan, "administrator": {"email": f"a@{name.lower()}.example.com"}}
    return await api.post("/accounts", body, by=reseller.administrator)


async def given(servers: Addresses, reseller: Company) -> int:
    """Places of all clients that are not closed."""
    rows = await sql(
        servers,
        "SELECT coalesce(sum(l.seats), 0) FROM licences l JOIN accounts a ON a.id = l.account_id WHERE a.parent_id = $1 AND a.status <> 'closed'",
        reseller.account_id,
    )
    return int(rows[0][0])


async def licence(api: Api, by: Company, account: str, **terms: Any) -> httpx.Response:
    """Replace a licence, whatever is there."""
    return await api.put(f"/accounts/{account}/licence", {"plan": "pro", **terms}, by=by.administrator, headers={"If-Match": "*"})


def exceeded(answer: httpx.Response) -> tuple[int, int, int]:
    """The facts of the refusal."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "pool_exceeded"), answer.text
    return body["pool"], body["given"], body["asked"]


async def test_new_and_larger_licences_stay_inside(api: Api, north: Company, servers: Addresses) -> None:
    first = (await sell(api, north, "First")).json()["id"]
    assert exceeded(await sell(api, north, "Second")) == (10, 6, 6)
    assert (await sell(api, north, "Third", "standard")).status_code == 201
    assert exceeded(await licence(api, north, first, seats=8)) == (10, 3, 8)
    assert (await licence(api, north, first, seats=7)).status_code == 200
    assert await given(servers, north) == 10


async def test_a_closed_client_returns_only_while_its_places_are_there(api: Api, north: Company, servers: Addresses) -> None:
    first = (await sell(api, north, "First")).json()["id"]
    await api.patch(f"/accounts/{first}", {"status": "closed"}, by=north.administrator)
    second = (await sell(api, north, "Second")).json()["id"]
    assert exceeded(await api.patch(f"/accounts/{first}", {"status": "active"}, by=north.administrator)) == (10, 6, 6)
    await api.patch(f"/accounts/{second}", {"status": "closed"}, by=north.administrator)
    assert (await api.patch(f"/accounts/{first}", {"status": "active"}, by=north.administrator)).status_code == 200
    assert await given(servers, north) == 6


async def test_a_pool_is_not_made_smaller_than_what_was_sold(api: Api, north: Company, house: House) -> None:
    await sell(api, north, "First")
    operator = await make.operator(house)
    assert exceeded(await licence(api, operator, str(north.account_id), pool_seats=5)) == (5, 6, 0)
    assert (await licence(api, operator, str(north.account_id), pool_seats=6)).status_code == 200


async def test_a_preview_changes_nothing_and_refuses_the_same(api: Api, north: Company, servers: Addresses) -> None:
    first = (await sell(api, north, "First")).json()["id"]
    path = f"/accounts/{first}/licence?preview=true"
    shown = await api.put(path, {"plan": "pro", "seats": 9}, by=north.administrator)
    assert (shown.status_code, shown.json()["changes"]) == (200, {"seats": [6, 9]})
    assert (await api.put(path, {"plan": "pro", "seats": 11}, by=north.administrator)).json()["code"] == "pool_exceeded"
    assert await given(servers, north) == 6


async def test_r6_parallel_sales_never_pass_the_pool(api: Api, north: Company, servers: Addresses) -> None:
    first = (await sell(api, north, "First", "standard")).json()["id"]
    answers = await gather(
        *(sell(api, north, f"New{number}", "standard") for number in range(8)),
        *(licence(api, north, first, seats=seats) for seats in (4, 5, 6, 7)),
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 409}, [answer.text for answer in answers]
    assert await given(servers, north) <= 10
