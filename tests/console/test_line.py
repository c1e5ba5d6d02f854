"""The waiting line in the console, without scripts: the page tells where one stands, and a place that is held is entered by a button."""

import re
from datetime import UTC, datetime
from uuid import UUID

import httpx
import msgspec
import pytest

from tenants.house import House
from tenants.tickets import Candidate, lasting_ticket, make_ticket, read_ticket
from tenants.tokens import Purpose, decoded, encoded
from tests import make
from tests.aging import pass_time
from tests.console.tab import Tab
from tests.make import Company

WAITING = "__Host-portillon-wait"


@pytest.fixture
async def acme(house: House) -> Company:
    """One place, and three people besides the administrator."""
    return await make.company(house, staff=3, seats=1)


def another(tab: Tab) -> Tab:
    """Another browser."""
    return Tab(tab.client, accept_language="en")


async def at_work(tab: Tab, company: Company) -> Tab:
    """The administrator, in a browser of their own, on the page of connections."""
    first = another(tab)
    assert (await first.sign_in(company.administrator)).status_code == 303
    await first.open("/connections")
    return first


async def in_line(tab: Tab, company: Company, number: int) -> httpx.Response:
    """Somebody of the staff waits; the page that they see."""
    assert (await tab.sign_in(company.staff[number])).status_code == 409
    answer = await tab.submit("/wait")
    assert (answer.status_code, answer.headers["location"]) == (303, "/wait")
    return await tab.open("/wait")


async def test_the_line_is_served_in_order_and_a_held_place_is_entered_by_a_button(tab: Tab, acme: Company) -> None:
    admin, second, third = await at_work(tab, acme), another(tab), another(tab)
    page = await in_line(tab, acme, 0)
    assert "You are next in line" in page.text
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in page.text
    assert "1 person is before you in line" in (await in_line(second, acme, 1)).text
    assert "2 people are before you in line" in (await in_line(third, acme, 2)).text
    await admin.submit("/logout")
    held = await tab.open("/wait")
    assert "A place is held for you – Portillon</title>" in held.text
    assert re.search(r"It is yours until <time [^>]+>\d\d:\d\d:\d\d \(Europe/Paris\)</time>", held.text)
    assert "1 person is before you in line" in (await second.open("/wait")).text
    refused = await another(tab).sign_in(acme.administrator)
    assert refused.status_code == 409
    assert "1 place is free, and held for somebody who waits." in refused.text
    entered = await tab.submit("/login")
    assert (entered.status_code, entered.headers["location"], WAITING in tab.cookies) == (303, "/", False)
    assert (await tab.open("/")).status_code == 200
    assert "You are next in line" in (await second.open("/wait")).text


async def test_the_ticket_is_in_no_address_and_its_cookie_is_out_of_reach(tab: Tab, acme: Company) -> None:
    await at_work(tab, acme)
    await tab.open("/login?next=/account/email")
    await tab.submit("/login", email=acme.staff[0].email, password=make.PASSWORD)
    answer = await tab.submit("/wait")
    assert answer.headers["location"] == "/wait?next=/account/email"
    line = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(WAITING))
    attributes = {part.strip().lower() for part in line.split(";")[1:]}
    assert attributes == {"path=/", "secure", "httponly", "samesite=lax"}
    page = await tab.open("/wait?next=/account/email")
    assert tab.cookies[WAITING] not in " ".join(re.findall(r'(?:href|action|data-live)="([^"]+)"', page.text))
    assert tab.form("/login")["next"] == "/account/email"


async def test_whoever_closes_the_page_is_out_of_the_line_half_a_minute_later(tab: Tab, house: House, acme: Company) -> None:
    admin, second = await at_work(tab, acme), another(tab)
    await in_line(tab, acme, 0)
    await in_line(second, acme, 1)
    await pass_time(house.valkey, acme.account_id, 29)
    assert "1 person is before you in line" in (await second.open("/wait")).text
    await pass_time(house.valkey, acme.account_id, 2)
    assert "You are next in line" in (await second.open("/wait")).text
    gone = await tab.open("/wait")
    assert "You are not waiting" in gone.text
    assert (await tab.submit("/wait")).status_code == 303
    assert "1 person is before you in line" in (await tab.open("/wait")).text
    assert (await admin.open("/")).status_code == 200


async def test_whoever_leaves_makes_room_at_once(tab: Tab, acme: Company) -> None:
    await at_work(tab, acme)
    second = another(tab)
    await in_line(tab, acme, 0)
    await in_line(second, acme, 1)
    left = await tab.submit("/wait/leave")
    assert (left.headers["location"], WAITING in tab.cookies) == ("/login", False)
    assert "You are next in line" in (await second.open("/wait")).text
    assert (await tab.open("/wait")).headers["location"] == "/login"


async def test_a_held_place_that_nobody_takes_is_the_next_ones(tab: Tab, house: House, acme: Company) -> None:
    admin, second = await at_work(tab, acme), another(tab)
    await in_line(tab, acme, 0)
    await in_line(second, acme, 1)
    await admin.submit("/logout")
    for _ in range(2):
        await pass_time(house.valkey, acme.account_id, 29)
        assert "A place is held for you" in (await tab.open("/wait")).text
        assert "1 person is before you in line" in (await second.open("/wait")).text
    await pass_time(house.valkey, acme.account_id, 3)
    assert "A place is held for you" in (await second.open("/wait")).text
    assert "You are not waiting" in (await tab.open("/wait")).text


async def test_a_bad_ticket_waits_for_nothing(tab: Tab, acme: Company) -> None:
    await at_work(tab, acme)
    await tab.sign_in(acme.staff[0])
    form = tab.form("/wait")
    for action in ("/wait", "/ask", "/wait/leave"):
        for ticket in ("", "x", form["ticket"][:-4] + "AAAA"):
            answer = await tab.post(action, {**form, "ticket": ticket})
            assert answer.status_code == 401, (action, ticket)
            assert WAITING not in tab.cookies
    tab.cookies[WAITING] = "made-up"
    page = await tab.open("/wait")
    assert (page.status_code, "Your time to choose is over" in page.text) == (401, True)


async def test_somebody_suspended_meanwhile_reads_so_and_waits_no_more(tab: Tab, house: House, acme: Company) -> None:
    from tenants import statuses

    await at_work(tab, acme)
    await in_line(tab, acme, 0)
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await statuses.suspend(session, house.catalogue, admin, acme.staff[0].user_id, until=None, reason="Holidays")
    page = await tab.open("/wait")
    assert (page.status_code, "Access suspended" in page.text) == (403, True)


async def test_administrators_see_the_line_and_send_people_away(tab: Tab, house: House, acme: Company) -> None:
    admin = await at_work(tab, acme)
    assert "Who waits for a place" not in admin.page.text
    others = [tab, another(tab), another(tab)]
    for number, each in enumerate(others):
        await in_line(each, acme, number)
    assert "3 people wait in line" in (await admin.open("/")).text
    page = (await admin.open("/connections")).text
    names = [page.index(f"<bdi>{person.name}</bdi>") for person in acme.staff]
    assert names == sorted(names)
    assert (await admin.submit(f"/line/{acme.staff[1].user_id}/remove")).headers["location"] == "/connections?done=removed"
    assert "You are not waiting" in (await others[1].open("/wait")).text
    assert "1 person is before you in line" in (await others[2].open("/wait")).text
    await admin.open("/connections?done=removed")
    assert "This person waits no more." in admin.page.text
    await admin.submit("/line/clear")
    for each in others:
        assert "You are not waiting" in (await each.open("/wait")).text
    assert "Who waits for a place" not in (await admin.open("/connections")).text


async def test_staff_neither_see_nor_clear_the_line(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    worker, waiter = another(tab), another(tab)
    await worker.sign_in(acme.staff[0])
    await in_line(waiter, acme, 1)
    assert "Who waits for a place" not in (await worker.open("/connections")).text
    form = worker.form("/logout")
    for action in ("/line/clear", f"/line/{acme.staff[1].user_id}/remove", "/connections/end"):
        assert (await worker.post(action, form)).status_code == 403
    assert "You are next in line" in (await waiter.open("/wait")).text


async def test_administrators_of_another_account_send_nobody_away(tab: Tab, house: House, acme: Company) -> None:
    await at_work(tab, acme)
    await in_line(tab, acme, 0)
    beta = await make.company(house, "Beta", staff=0)
    stranger = await at_work(tab, beta)
    form = stranger.form("/logout")
    for action in ("/line/clear", f"/line/{acme.staff[0].user_id}/remove"):
        assert (await stranger.post(action, form)).headers["location"].startswith("/connections?done=")
    assert "You are next in line" in (await tab.open("/wait")).text


def test_a_ticket_is_renewed_for_two_hours_after_the_password_and_no_longer(house: House) -> None:
    now = int(datetime.now(UTC).timestamp())
    acme = UUID(int=1)

    def ticket(*, proven: int, expires: int) -> str:
        body = msgspec.msgpack.encode([[acme, acme, acme, 1, "ada@acme.example.com", proven], expires])
        return encoded(house.signer.tag(Purpose.TICKET, body) + body)

    def until(text: str) -> int:
        raw = decoded(text)
        assert raw is not None
        return int(msgspec.msgpack.decode(raw[24:])[1])

    fresh = make_ticket(house.signer, Candidate(acme, acme, acme, 1, "ada@acme.example.com"))
    assert lasting_ticket(house.signer, fresh) == fresh
    assert until(lasting_ticket(house.signer, ticket(proven=now - 400, expires=now + 200))) in range(now + 600, now + 605)
    assert until(lasting_ticket(house.signer, ticket(proven=now - 7000, expires=now + 100))) == now + 200
    assert until(make_ticket(house.signer, read_ticket(house.signer, ticket(proven=now - 7190, expires=now + 5)))) == now + 10
