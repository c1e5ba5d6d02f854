"""The licence of one's own account: what it says, and the way to more places from there."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from service.embedded import Addresses
from tenants import boosts
from tenants.boost_terms import Weekly
from tenants.house import House
from tests import make
from tests.console.tab import Tab
from tests.make import Company
from tests.tenants.rows import sql


@pytest.fixture
async def north(house: House) -> Company:
    """Who sells."""
    return await make.company(house, "North", kind="reseller", staff=0)


@pytest.fixture
async def acme(house: House, north: Company) -> Company:
    """Its client."""
    return await make.company(house, plan="pro", parent=north, staff=2, roles=("simple_administrator", "user"))


async def open_requests(servers: Addresses, company: Company) -> list[tuple[int, str | None]]:
    """Places asked for, and why."""
    rows = await sql(
        servers, "SELECT seats, reason FROM seat_requests WHERE account_id = $1 AND state = 'open'", company.account_id
    )
    return [tuple(row) for row in rows]


async def test_plan_limits_options_boosts_and_history_are_told(tab: Tab, house: House, north: Company, acme: Company) -> None:
    seller, now = await make.actor(house, north, north.administrator), datetime.now(UTC)
    async with house.database.transaction(north.account_id) as session:
        await boosts.give_boost(
            session, seller, acme.account_id, seats=2, starts_at=None, ends_at=now + timedelta(days=2), reason="Fair <b>"
        )
        mornings = Weekly([1, 2], 8 * 60, 12 * 60)
        await boosts.give_boost(
            session, seller, acme.account_id, seats=1, starts_at=now + timedelta(days=3), ends_at=None, weekly=mornings
        )
    await tab.sign_in(acme.administrator)
    page = (await tab.open("/licence")).text
    for words in (
        "Your licence and places",
        '<p class="figure">Pro</p>',
        "6 users, 5 departments",
        "Places in use: 1 of 8",
        '<p class="figure">3 <small>of 6</small></p>',
        '<li class="is-there"><span>Own roles</span></li>',
        '<li class="is-missing"><span>Own brand <span class="mean">(not included)</span></span></li>',
        "live, working now",
        "Reason: Fair &lt;b&gt;",
        "Monday, Tuesday, from 08:00 to 12:00",
        "Until somebody ends it",
        "First licence",
        "<bdi>Ada of North</bdi>, <bdi>North</bdi>",
        "North gets a mail and can answer at once.",
    ):
        assert words in page, words


async def test_more_places_are_asked_for_once_and_the_request_withdrawn(tab: Tab, servers: Addresses, acme: Company) -> None:
    await tab.sign_in(acme.administrator)
    await tab.open("/licence")
    form = tab.form("/licence/requests")
    for typed, words in (
        ({"seats": "0"}, "The number of places must be from 1 to 1000000."),
        ({"seats": "1000001"}, "The number of places must be from 1 to 1000000."),
        ({"seats": "two"}, "Write how many places as a whole number."),
        ({"seats": " "}, "Write how many places."),
        ({"until": "2020-01-01"}, "This day is past."),
        ({"until": "9999-12-31"}, "This day is too far away."),
        ({"until": "soon"}, "Choose a day, or leave it empty."),
        ({"reason": "x" * 301}, "This reason is too long: it can have 300 characters at most."),
    ):
        refused = await tab.post("/licence/requests", form | {"reason": "Two & more"} | typed)
        assert (refused.status_code, words in refused.text) == (422, True), typed
        assert "Two &amp; more" in refused.text or "x" * 301 in refused.text
        assert "<title>Error" in refused.text
    assert await open_requests(servers, acme) == []
    asked = await tab.post("/licence/requests", form | {"seats": "2", "reason": "Two & more"})
    assert asked.headers["location"] == "/licence?done=asked"
    again = await tab.post("/licence/requests", form | {"seats": "3"})
    assert again.status_code == 409
    assert await open_requests(servers, acme) == [(2, "Two & more")]
    page = (await tab.open("/licence?done=asked")).text
    assert ("Your request is on its way." in page, "Waits for an answer" in page) == (True, True)
    assert 'action="/licence/requests"' not in page
    assert "More places are asked for" in (await tab.open("/")).text
    await tab.open("/licence")
    [action] = re.findall(r'action="(/licence/requests/[^"]+/withdraw)"', tab.page.text)
    withdraw = tab.form(action)
    for _ in range(2):
        assert (await tab.post(action, withdraw)).headers["location"] == "/licence?done=withdrawn"
    assert await open_requests(servers, acme) == []
    page = (await tab.open("/licence")).text
    assert ("Withdrawn" in page, "Earlier requests" in page, 'action="/licence/requests"' in page) == (True, True, True)


async def test_requests_are_for_whoever_manages_the_licence_and_of_one_s_own_account(
    tab: Tab, house: House, servers: Addresses, acme: Company
) -> None:
    await tab.sign_in(acme.administrator)
    await tab.open("/licence")
    await tab.submit("/licence/requests", seats="2")
    [(request,)] = [tuple(row) for row in await sql(servers, "SELECT id FROM seat_requests WHERE account_id = $1", acme.account_id)]
    simple, user, stranger = (Tab(tab.client, accept_language="en") for _ in range(3))
    await simple.sign_in(acme.staff[0])
    page = (await simple.open("/licence")).text
    assert ("Waits for an answer" in page, "Withdraw" in page) == (True, False)
    form = simple.form("/logout")
    for action in ("/licence/requests", f"/licence/requests/{request}/withdraw"):
        assert (await simple.post(action, form | {"seats": "1"})).status_code == 403
    await user.sign_in(acme.staff[1])
    assert 'href="/licence"' not in (await user.open("/")).text
    assert (await user.open("/licence")).status_code == 403
    beta = await make.company(house, "Beta", staff=0)
    await stranger.sign_in(beta.administrator)
    await stranger.open("/licence")
    form = stranger.form("/logout")
    for unknown in (request, uuid4(), UUID(int=1)):
        assert (await stranger.post(f"/licence/requests/{unknown}/withdraw", form)).status_code == 404
    assert await open_requests(servers, acme) == [(2, None)]


async def test_the_end_of_a_licence_is_announced_and_explained(tab: Tab, servers: Addresses, house: House, acme: Company) -> None:
    await tab.sign_in(acme.administrator)
    told = []
    for days, words in (
        (40, None),
        (20, "The licence ends after"),
        (-2, "The licence ended after"),
        (-20, "The licence is over since"),
    ):
        ends = datetime.now(UTC).date() + timedelta(days=days)
        await sql(
            servers, "UPDATE licences SET starts_on = '2020-01-01', ends_on = $2 WHERE account_id = $1", acme.account_id, ends
        )
        pages = [(await tab.open(path)).text for path in ("/licence", "/")]
        told += [words is None or words in page for page in pages]
        assert (words is None) == ('id="phase"' not in pages[0]), days
    assert told == [True] * 8
