"""A reseller's pool: the sum over its children never passes it, whichever way it would."""

from asyncio import gather
from datetime import UTC, datetime, timedelta
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


async def sell(api: Api, reseller: Company, name: str, plan: str = "pro", **more: Any) -> httpx.Response:
    """A new client; `pro` has six places and six users, `standard` three, `basic` one."""
    body = {"name": name, "plan": plan, "administrator": {"email": f"a@{name.lower()}.example.com"}, **more}
    return await api.post("/accounts", body, by=reseller.administrator)


async def boost(api: Api, reseller: Company, account: str, seats: int, **more: Any) -> httpx.Response:
    """More places for a day, from now on."""
    ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    return await api.post(f"/accounts/{account}/boosts", {"seats": seats, "ends_at": ends, **more}, by=reseller.administrator)


async def given(servers: Addresses, reseller: Company) -> int:
    """Places of all children that are not closed: licences, the largest boost of each, and pools of resellers among them."""
    rows = await sql(
        servers,
        "SELECT coalesce(sum(l.seats + coalesce(l.pool_seats, 0) + coalesce((SELECT max(b.seats) FROM boosts b WHERE b.account_id = a.id"
        " AND b.ended_at IS NULL AND coalesce(b.ends_at > now(), true)), 0)), 0)"
        " FROM licences l JOIN accounts a ON a.id = l.account_id WHERE a.parent_id = $1 AND a.status <> 'closed'",
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
    assert body["free"] == max(0, body["pool"] - body["given"])
    return body["pool"], body["given"], body["asked"]


def invalid(answer: httpx.Response) -> tuple[str, str]:
    """Field and code of the one value that is refused."""
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    return error["field"], error["code"]


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
    first = (await sell(api, north, "First")).json()["id"]
    operator = await make.operator(house)
    answer = await licence(api, operator, str(north.account_id), pool_seats=5)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "pool_exceeded")
    assert (body["what"], body["pool"], body["given"], body["free"], body["asked"]) == ("seats", 5, 6, 0, 0)
    assert (body["why"], "Choose 6 or more" in body["detail"]) == ("pool_lowered", True)
    assert (await licence(api, operator, str(north.account_id), pool_seats=6)).status_code == 200
    assert (await licence(api, operator, str(north.account_id), pool_seats=None)).status_code == 200
    assert (await boost(api, north, first, 2)).status_code == 201
    assert (await licence(api, operator, str(north.account_id), pool_seats=7)).json()["given"] == 8


async def test_whoever_sells_reads_what_is_given_and_free(api: Api, north: Company, house: House) -> None:
    first = (await sell(api, north, "First")).json()["id"]
    operator, path = (await make.operator(house)).administrator, f"/accounts/{north.account_id}/licence"
    for card in ((await api.get("/account/licence", by=north.administrator)).json(), (await api.get(path, by=operator)).json()):
        assert card["overselling"] == "refuse"
        assert card["pools"] == [
            {"what": "seats", "pool": 10, "given": 6, "free": 4},
            {"what": "users", "pool": None, "given": 6, "free": None},
        ]
    clients = (await api.get(f"/accounts/{first}/licence", by=north.administrator)).json()
    assert (clients["pools"], clients["overselling"]) == ([], None)


async def test_a_sale_beyond_the_pool_says_what_to_do(api: Api, north: Company) -> None:
    await sell(api, north, "First")
    answer = await api.post(
        "/accounts",
        {"name": "Second", "plan": "pro", "administrator": {"email": "a@second.example.com"}},
        by=north.administrator,
        headers={"Accept-Language": "fr"},
    )
    assert "d\u00e9j\u00e0 attribu\u00e9es \u00e0 d'autres : 6" in answer.json()["detail"]
    assert "faites agrandir la r\u00e9serve" in answer.json()["detail"]


async def test_a_boost_takes_from_the_pool_until_it_is_over(api: Api, north: Company, servers: Addresses) -> None:
    first = (await sell(api, north, "First")).json()["id"]
    assert exceeded(await boost(api, north, first, 5)) == (10, 0, 11)
    later = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    given_now = await boost(api, north, first, 4)
    assert given_now.status_code == 201
    assert exceeded(await sell(api, north, "Second", "basic")) == (10, 10, 1)
    assert exceeded(await licence(api, north, first, seats=7)) == (10, 0, 11)
    # Boosts of one client follow each other: only the largest counts.
    more = {"starts_at": (datetime.now(UTC) + timedelta(days=2)).isoformat(), "ends_at": later}
    assert (await boost(api, north, first, 4, **more)).status_code == 201
    await api.delete(f"/accounts/{first}/boosts/{given_now.json()['id']}", by=north.administrator)
    # The one that is planned still counts.
    assert exceeded(await sell(api, north, "Second", "basic")) == (10, 10, 1)
    await sql(servers, "UPDATE boosts SET starts_at = now() - interval '2 hours', ends_at = now() - interval '1 hour'")
    assert (await sell(api, north, "Second", "standard")).status_code == 201
    assert await given(servers, north) == 9


async def test_a_client_with_a_boost_that_is_closed_takes_both_back(api: Api, north: Company) -> None:
    first = (await sell(api, north, "First")).json()["id"]
    assert (await boost(api, north, first, 4)).status_code == 201
    await api.patch(f"/accounts/{first}", {"status": "closed"}, by=north.administrator)
    second = (await sell(api, north, "Second", "basic")).json()["id"]
    assert exceeded(await api.patch(f"/accounts/{first}", {"status": "active"}, by=north.administrator)) == (10, 1, 10)
    await api.patch(f"/accounts/{second}", {"status": "closed"}, by=north.administrator)
    assert (await api.patch(f"/accounts/{first}", {"status": "active"}, by=north.administrator)).status_code == 200


async def test_a_sub_reseller_takes_its_licence_and_its_pool(api: Api, north: Company, servers: Addresses) -> None:
    below = (await sell(api, north, "Below", "standard", kind="reseller")).json()["id"]
    [(empty,)] = await sql(servers, "SELECT pool_seats FROM licences l JOIN accounts a ON a.id = account_id WHERE a.slug = 'below'")
    assert empty == 0
    assert invalid(await licence(api, north, below, plan="standard", pool_seats=None)) == ("pool_seats", "required")
    assert exceeded(await licence(api, north, below, plan="standard", pool_seats=8)) == (10, 0, 11)
    assert (await licence(api, north, below, plan="standard", pool_seats=7)).status_code == 200
    assert exceeded(await sell(api, north, "Second", "basic")) == (10, 10, 1)
    await api.patch(f"/accounts/{below}", {"status": "closed"}, by=north.administrator)
    assert (await sell(api, north, "Second", "basic")).status_code == 201
    assert exceeded(await api.patch(f"/accounts/{below}", {"status": "active"}, by=north.administrator)) == (10, 1, 10)


async def test_a_pool_gets_its_limit_after_every_reseller_below_has_one(api: Api, house: House, north: Company) -> None:
    operator = await make.operator(house)
    here = str(north.account_id)
    assert (await licence(api, operator, here, pool_seats=None)).status_code == 200
    below = (await sell(api, north, "Below", "basic", kind="reseller")).json()["id"]
    answer = await licence(api, operator, here, pool_seats=100)
    assert invalid(answer) == ("pool_seats", "children_without_limit")
    assert answer.json()["errors"][0]["facts"] == {"accounts": 1}
    assert (await licence(api, north, below, plan="basic", pool_seats=5)).status_code == 200
    assert exceeded(await licence(api, operator, here, pool_seats=5))[:2] == (5, 6)
    assert (await licence(api, operator, here, pool_seats=6)).status_code == 200


async def test_users_have_a_pool_of_their_own(api: Api, house: House, north: Company) -> None:
    operator, here = await make.operator(house), str(north.account_id)
    assert (await licence(api, operator, here, pool_seats=100, pool_users=10)).status_code == 200
    first = (await sell(api, north, "First")).json()["id"]
    refused = await licence(api, north, first, users=11)
    assert exceeded(refused) == (10, 0, 11)
    assert refused.json()["what"] == "users"
    assert (await licence(api, north, first, users=10)).status_code == 200
    assert exceeded(await sell(api, north, "Second", "basic"))[:2] == (10, 10)
    answer = await licence(api, north, first, users=None)
    assert invalid(answer) == ("users", "required")
    assert answer.json()["errors"][0]["facts"] == {"what": "users", "pool": 10, "given": 0, "free": 10}
    assert exceeded(await licence(api, operator, here, pool_seats=100, pool_users=9))[:2] == (9, 10)


async def test_only_resellers_have_a_pool(api: Api, north: Company) -> None:
    first = (await sell(api, north, "First")).json()["id"]
    for name, value in (("pool_seats", 1), ("pool_users", 0), ("overselling", "warn")):
        assert invalid(await licence(api, north, first, **{name: value})) == (name, "not_possible")
    assert invalid(await licence(api, north, first, overselling="please"))[0] == "overselling"


async def test_what_a_client_gives_back_always_fits(api: Api, north: Company, servers: Addresses) -> None:
    first = (await sell(api, north, "First")).json()["id"]
    await sql(servers, "UPDATE licences SET pool_seats = 2 WHERE account_id = $1", north.account_id)
    assert (await licence(api, north, first, seats=5)).status_code == 200
    assert exceeded(await licence(api, north, first, seats=6)) == (2, 0, 6)


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
        *(boost(api, north, first, seats) for seats in (1, 2, 3, 4)),
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 409}, [answer.text for answer in answers]
    assert await given(servers, north) <= 10
