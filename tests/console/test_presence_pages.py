"""Whoever holds a place, or none, in the console: heartbeats, sessions of one's own, and a session that is only there to manage."""

import re

import pytest

from tenants.house import House
from tests import make
from tests.aging import pass_time
from tests.api import Api
from tests.console.tab import Tab
from tests.make import Company


@pytest.fixture
async def acme(house: House) -> Company:
    """One place, and two people besides the administrator."""
    return await make.company(house, staff=2, seats=1)


async def beat(tab: Tab, page: str = "one", closing: str = "", **more: str) -> int:
    """A heartbeat, as the script sends it."""
    form = {"form_token": re.findall(r'data-token="([^"]+)"', tab.page.text)[0], "page": page, "closing": closing, **more}
    shown = tab.page
    answer = await tab.post("/heartbeat", form)
    tab.page = shown
    return answer.status_code


async def test_a_heartbeat_is_no_request(tab: Tab, house: House, acme: Company) -> None:
    await tab.sign_in(acme.staff[0])
    await tab.open("/")
    assert await beat(tab) == 204
    for _ in range(30):
        await pass_time(house.valkey, acme.account_id, 60)
        assert await beat(tab) == 204
    # Thirty minutes without a request: the place is free, whatever the browser said.
    assert (await Tab(tab.client).sign_in(acme.staff[1])).status_code == 303
    assert await beat(tab) == 204
    assert (await tab.open("/")).status_code == 409


async def test_what_is_no_page_is_refused_and_a_session_that_is_over_is_sent_to_sign_in(tab: Tab, acme: Company) -> None:
    await tab.sign_in(acme.staff[0])
    await tab.open("/")
    assert await beat(tab, page="a" * 40) == 204
    for wrong in ("a" * 41, "a b", "é", "a\r\n"):
        assert await beat(tab, page=wrong) == 422
    await Tab(tab.client).sign_in(acme.staff[0])
    assert await beat(tab) == 303


async def test_a_closed_page_lingers_and_a_second_one_keeps_the_place(tab: Tab, house: House, acme: Company) -> None:
    await tab.sign_in(acme.staff[0])
    await tab.open("/")
    await beat(tab, "one")
    await beat(tab, "two")
    await beat(tab, "one", closing="1")
    await pass_time(house.valkey, acme.account_id, 4)
    other = Tab(tab.client, accept_language="en")
    assert (await other.sign_in(acme.staff[1])).status_code == 409
    await beat(tab, "two", closing="1")
    await pass_time(house.valkey, acme.account_id, 4)
    assert (await other.submit("/login")).status_code == 303
    await house.finish()
    page = await tab.open("/")
    assert page.status_code == 409
    assert "You had closed your last page, and a colleague needed a place, just now. You are still signed in." in page.text


async def test_whoever_has_another_session_ends_it_and_continues(tab: Tab, api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=2)
    await api.sign_in(acme.administrator)
    settings = {"seat_unit": "session", "sessions_per_user": 3}
    assert (await api.patch("/account", settings, by=acme.administrator)).status_code == 200
    first = Tab(tab.client, accept_language="en")
    await first.sign_in(acme.staff[0])
    page = await tab.sign_in(acme.staff[0])
    session = re.search(r'<button name="replace" value="([^"]+)">End my other session and continue', page.text)
    assert (page.status_code, session is not None) == (409, True)
    assert (await tab.submit("/login", replace=session[1] if session else "")).status_code == 303
    assert (await first.open("/")).headers["location"] == "/login"


async def test_an_administrator_manages_without_a_place_and_says_so_on_every_page(tab: Tab, house: House, acme: Company) -> None:
    worker = Tab(tab.client, accept_language="en")
    await worker.sign_in(acme.staff[0])
    page = await tab.sign_in(acme.administrator)
    assert 'name="management" value="yes">Manage sessions' in page.text
    assert (await tab.submit("/login", management="yes")).headers["location"] == "/"
    page = await tab.open("/")
    assert (page.status_code, "You are here without a place, to manage" in page.text) == (200, True)
    assert "Places in use: 1 of 1" in page.text
    assert "/account/email" not in page.text
    assert (await tab.open("/asked")).status_code == 200
    assert await beat(tab) == 204
    assert (await tab.open("/account/email")).status_code == 403
    await tab.open("/connections")
    action = re.findall(r'action="(/sessions/[^"]+/end)"', tab.page.text)[0]
    assert "Take this place" in tab.page.text
    await tab.submit(action)
    page = await tab.open("/")
    assert (page.status_code, "You are here without a place" in page.text) == (200, False)
    assert "Places in use: 1 of 1" in page.text
    assert "Ada of Acme needed a place and ended your session" in (await worker.open("/login")).text


async def test_a_session_to_manage_becomes_an_ordinary_one_when_a_place_is_free(tab: Tab, acme: Company) -> None:
    worker = Tab(tab.client, accept_language="en")
    await worker.sign_in(acme.staff[0])
    await worker.open("/")
    await tab.sign_in(acme.administrator)
    await tab.submit("/login", management="yes")
    assert "You are here without a place" in (await tab.open("/")).text
    await worker.submit("/logout")
    assert "You are here without a place" not in (await tab.open("/")).text
    assert (await tab.open("/account/email")).status_code == 200


async def test_staff_cannot_manage(tab: Tab, acme: Company) -> None:
    await Tab(tab.client).sign_in(acme.staff[0])
    page = await tab.sign_in(acme.staff[1])
    assert "Manage sessions" not in page.text
    assert (await tab.submit("/login", management="yes")).status_code == 403
    assert tab.session is None


async def test_the_list_says_who_closed_their_page_and_whose_browser_is_silent(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=2, seats=3)
    admin = Tab(tab.client, accept_language="en")
    await admin.sign_in(acme.administrator)
    for number, closing in ((0, "1"), (1, "")):
        other = Tab(tab.client, accept_language="en")
        await other.sign_in(acme.staff[number])
        await other.open("/")
        await beat(other)
        if closing:
            await beat(other, closing=closing)
        await pass_time(house.valkey, acme.account_id, 5)
    page = (await admin.open("/connections")).text
    assert ("Places in use: 3 of 3" in page, "Page closed" in page, "Holds no place" in page) == (True, True, False)
    await pass_time(house.valkey, acme.account_id, 90)
    page = (await admin.open("/connections")).text
    assert ("No sign of life" in page, "Page closed" in page) == (True, False)


async def test_whoever_manages_is_offered_no_accountants_place_and_is_told_what_taking_one_does(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1, roles=("accountant", "user"))
    for person in acme.staff:
        assert (await Tab(tab.client).sign_in(person)).status_code == 303
    await tab.sign_in(acme.administrator)
    assert (await tab.submit("/login", management="yes")).status_code == 303
    page = (await tab.open("/connections")).text
    assert (page.count(">Take this place<"), page.count(">End this session<")) == (1, 1)
    assert page.count("accountants’ place") == 1
    assert "Whoever you put out is told that it was you" in page
