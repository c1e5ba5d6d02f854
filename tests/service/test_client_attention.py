"""Which clients need attention, and why: both edges of every rule, and figures that are never those of an older licence."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from service.embedded import Addresses
from tenants.client_figures import reckon
from tenants.house import House
from tests import make
from tests.api import Api
from tests.clients import cards, licence_ends, names, old, reckoned, use
from tests.make import Company
from tests.tenants.rows import sql

_SEATS = text("UPDATE licences SET seats = :seats")


@pytest.fixture
async def seller(api: Api, house: House) -> Company:
    """A reseller whose administrator has signed in."""
    made = await make.company(house, "Resale", kind="reseller", staff=0)
    await api.sign_in(made.administrator)
    return made


EDGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "refused six days ago": ({"days_ago": 6, "refused": 1}, ["refusals"]),
    "refused a week ago": ({"days_ago": 7, "refused": 9}, []),
    "nine of ten": ({"days_ago": 6, "peak": 9}, ["near_cap"]),
    "eight of ten": ({"days_ago": 0, "peak": 8}, []),
    "all of them": ({"days_ago": 0, "peak": 10}, ["near_cap"]),
    "all of them, a week ago": ({"days_ago": 7, "peak": 10}, []),
}


@pytest.mark.parametrize("edge", EDGES)
async def test_use_of_the_last_seven_days_calls_for_attention(
    api: Api, house: House, servers: Addresses, seller: Company, edge: str
) -> None:
    acme = await make.company(house, parent=seller, seats=10, staff=0)
    day, expected = EDGES[edge]
    await use(servers, acme.account_id, **day)
    await reckoned(house, acme.account_id)
    (card,) = await cards(api, seller.administrator)
    assert card["attention"] == expected
    assert (card["peak"], card["refused"]) == (day.get("peak", 0), day.get("refused", 0))


@pytest.mark.parametrize("edge", [(1, 1, True), (1, 0, False), (11, 9, False), (11, 10, True), (20, 18, True)])
async def test_near_the_cap_begins_at_nine_tenths(
    api: Api, house: House, servers: Addresses, seller: Company, edge: tuple[int, int, bool]
) -> None:
    seats, peak, near = edge
    acme = await make.company(house, parent=seller, seats=seats, staff=0)
    await use(servers, acme.account_id, days_ago=0, peak=peak)
    await reckoned(house, acme.account_id)
    assert [card["attention"] for card in await cards(api, seller.administrator)] == [["near_cap"] if near else []]


@pytest.mark.parametrize("edge", [(31, False), (30, True), (0, True), (-1, True), (-400, True)])
async def test_a_licence_that_ends_within_thirty_days_or_is_over_calls_for_attention(
    api: Api, house: House, servers: Addresses, seller: Company, edge: tuple[int, bool]
) -> None:
    days, ending = edge
    acme = await make.company(house, parent=seller, staff=0)
    await licence_ends(servers, acme.account_id, days)
    await reckoned(house, acme.account_id)
    (card,) = await cards(api, seller.administrator)
    assert card["attention"] == (["licence_ending"] if ending else [])
    assert card["ends_on"] is not None


@pytest.mark.parametrize(
    "edge",
    [
        ("31 days", "30 days", True),
        ("31 days", "29 days 23 hours", False),
        ("31 days", None, True),
        ("29 days 23 hours", None, False),
    ],
)
async def test_thirty_days_without_a_sign_in_call_for_attention_unless_the_account_is_younger(
    api: Api, house: House, servers: Addresses, seller: Company, edge: tuple[str, str | None, bool]
) -> None:
    opened, seen, quiet = edge
    acme = await make.company(house, parent=seller, staff=1)
    await old(servers, acme.account_id, opened=opened, seen=seen)
    await reckoned(house, acme.account_id)
    (card,) = await cards(api, seller.administrator)
    assert card["attention"] == (["no_sign_in"] if quiet else [])
    assert (card["last_sign_in_at"] is None) == (seen is None)


async def test_reasons_stand_in_the_order_of_their_urgency_and_clients_in_that_of_their_reasons(
    api: Api, house: House, servers: Addresses, seller: Company
) -> None:
    clients = {}
    for name in ("All", "Refused", "Full", "Ending", "Quiet", "Fine", "Newest"):
        clients[name] = (await make.company(house, name, parent=seller, seats=10, staff=0)).account_id
    for name in ("All", "Refused"):
        await use(servers, clients[name], days_ago=1, refused=4)
    for name in ("All", "Full"):
        await use(servers, clients[name], days_ago=2, peak=10)
    for name in ("All", "Ending"):
        await licence_ends(servers, clients[name], 3)
    for name in ("All", "Quiet"):
        await old(servers, clients[name], opened="40 days", seen=None)
    await reckoned(house, *clients.values())
    found = await cards(api, seller.administrator)
    assert [(card["name"], card["attention"]) for card in found] == [
        ("All", ["refusals", "near_cap", "licence_ending", "no_sign_in"]),
        ("Refused", ["refusals"]),
        ("Full", ["near_cap"]),
        ("Ending", ["licence_ending"]),
        ("Quiet", ["no_sign_in"]),
        ("Newest", []),
        ("Fine", []),
    ]
    assert await names(api, seller.administrator, sort="-attention") == [card["name"] for card in found][::-1]
    assert await names(api, seller.administrator, attention="any", sort="name") == ["All", "Ending", "Full", "Quiet", "Refused"]
    for reason, name in (("refusals", "Refused"), ("near_cap", "Full"), ("licence_ending", "Ending"), ("no_sign_in", "Quiet")):
        assert await names(api, seller.administrator, attention=reason) == ["All", name]
    assert await names(api, seller.administrator, attention="any", q="ul") == ["Full"]
    assert (await api.get("/accounts?attention=all", by=seller.administrator)).status_code == 422


async def test_a_sale_and_a_closing_are_told_at_once(api: Api, house: House, servers: Addresses, seller: Company) -> None:
    acme = await make.company(house, parent=seller, seats=10, staff=0)
    await use(servers, acme.account_id, days_ago=0, peak=10)
    await old(servers, acme.account_id, opened="40 days", seen=None)
    await reckoned(house, acme.account_id)
    path, star = f"/accounts/{acme.account_id}", {"If-Match": "*"}
    terms = {"plan": "enterprise", "seats": 20}
    answer = await api.put(f"{path}/licence", terms, by=seller.administrator, headers=star)
    assert answer.status_code == 200, answer.text
    assert (await cards(api, seller.administrator))[0]["attention"] == ["no_sign_in"]
    closed = await api.patch(path, {"status": "closed"}, by=seller.administrator)
    assert closed.json()["attention"] == []
    assert await names(api, seller.administrator, attention="any") == []
    assert await names(api, seller.administrator, status="closed") == ["Acme"]


async def test_figures_reckoned_while_a_licence_changes_are_those_of_the_new_one(
    house: House, servers: Addresses, seller: Company
) -> None:
    acme = await make.company(house, parent=seller, seats=10, staff=0)
    await use(servers, acme.account_id, days_ago=0, peak=10)
    for seats in (20, 10, 20, 10, 20):
        async with house.database.transaction(acme.account_id) as session:
            await session.execute(_SEATS, {"seats": seats})
            await reckon(session)
            # Begun before the change is committed, and done after it.
            beside = asyncio.create_task(reckoned(house, acme.account_id))
            await asyncio.sleep(0.05)
        await beside
        (row,) = await sql(servers, "SELECT urgency FROM client_figures WHERE account_id = $1", acme.account_id)
        assert row["urgency"] == (4 if seats == 10 else 0)


async def test_the_operator_has_no_figures(house: House, servers: Addresses) -> None:
    boss = await make.operator(house)
    await reckoned(house, boss.account_id)
    assert await sql(servers, "SELECT * FROM client_figures") == []
