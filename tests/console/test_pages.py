"""What the pages say and where they lead: each refusal has a way on, in the reader's language."""

import re
from datetime import UTC, datetime, timedelta

import httpx

from tenants import assignments, boosts, custom_roles, invitations, statuses
from tenants.house import House
from tests import make
from tests.console.tab import Tab
from tests.make import Person


async def test_a_stranger_is_sent_to_sign_in_and_then_on(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    answer = await tab.open("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    answer = await tab.sign_in(acme.administrator)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    page = await tab.open("/")
    assert page.status_code == 200
    for fact in (
        "Ada of Acme",
        "admin@acme.example.com",
        "Administrator",
        "Acme",
        "Places in use: 1 of",
        "this session",
        "At work",
    ):
        assert fact in page.text
    assert (await tab.open("/login")).headers["location"] == "/"


async def test_the_first_page_calls_an_own_role_by_its_name(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        role = await custom_roles.create_role(session, house.catalogue, admin, name="Storekeeper", rights=["stock.view"])
        await assignments.change_user(session, house.catalogue, admin, acme.staff[0].user_id, wanted={"role": role})
    await tab.sign_in(acme.staff[0])
    page = (await tab.open("/")).text
    assert "Storekeeper" in page
    assert role not in page


async def test_a_wrong_password_and_an_unknown_address_read_the_same(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    pages = []
    for email in (acme.administrator.email, "nobody@acme.example.com"):
        await tab.open("/login")
        answer = await tab.submit("/login", email=email, password="not the password")
        assert answer.status_code == 401
        pages.append(answer.text.replace(email, "EMAIL"))
    assert pages[0] == pages[1]
    assert "Wrong address or password" in pages[0]


async def test_staff_see_the_numbers_and_their_own_sessions_only(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=1)
    await Tab(client).sign_in(acme.administrator)
    await tab.sign_in(acme.staff[0])
    page = (await tab.open("/")).text
    assert "Places in use: 2 of" in page
    assert "Ada of Acme" not in page


async def test_the_places_of_a_live_boost_are_counted(tab: Tab, house: House) -> None:
    north = await make.company(house, "North", kind="reseller", staff=0)
    acme = await make.company(house, parent=north, staff=0, seats=2)
    seller = await make.actor(house, north, north.administrator)
    async with house.database.transaction(north.account_id) as session:
        ends = datetime.now(UTC) + timedelta(days=1)
        await boosts.give_boost(session, seller, acme.account_id, seats=3, starts_at=None, ends_at=ends, weekly=None, reason=None)
    await tab.sign_in(acme.administrator)
    assert "Places in use: 1 of 5" in (await tab.open("/")).text


async def test_an_administrator_ends_a_session_and_its_person_reads_who_and_when(
    tab: Tab, client: httpx.AsyncClient, house: House
) -> None:
    acme = await make.company(house, staff=1)
    other = Tab(client, accept_language="en")
    await other.sign_in(acme.staff[0])
    await tab.sign_in(acme.administrator)
    await tab.open("/connections")
    action = re.findall(r'action="(/sessions/[^"]+/end)"', tab.page.text)[0]
    assert (await tab.submit(action)).headers["location"] == "/connections?done=ended"
    assert (await other.open("/")).headers["location"] == "/login"
    assert "Ada of Acme ended your session, just now." in (await other.open("/login")).text
    assert (await tab.post(action, (await _home(tab)).form("/logout"))).status_code == 303


async def test_staff_cannot_end_another_s_session(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=2, roles=("user",))
    admin = Tab(client, accept_language="en")
    await admin.sign_in(acme.administrator)
    await tab.sign_in(acme.staff[0])
    await admin.open("/connections")
    action = re.findall(r'action="(/sessions/[^"]+/end)"', admin.page.text)[0]
    other = Tab(client, accept_language="en")
    await other.sign_in(acme.staff[1])
    await other.open("/")
    await other.post(action, other.form("/logout"))
    assert (await tab.open("/")).status_code == 200


async def test_full_tab_by_tab_until_a_colleague_leaves(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=1, seats=1)
    first = Tab(client, accept_language="en")
    await first.sign_in(acme.administrator)
    refused = await tab.sign_in(acme.staff[0])
    assert refused.status_code == 409
    for words in ("All places are taken", "Places in use: 1 of 1", "Ada of Acme", "last active just now", "Ask an administrator"):
        assert words in refused.text
    assert "Take this place" not in refused.text
    assert make.PASSWORD not in refused.text
    again = await tab.submit("/login")
    assert again.status_code == 409
    await first.open("/")
    await first.submit("/logout")
    assert (await tab.submit("/login")).status_code == 303
    assert (await tab.open("/")).status_code == 200


async def test_whoever_has_the_right_takes_a_place_from_the_limit_page(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=1, seats=1)
    first = Tab(client, accept_language="en")
    await first.sign_in(acme.staff[0])
    refused = await tab.sign_in(acme.administrator)
    found = re.search(r'name="replace" value="([^"]+)"', refused.text)
    assert found
    assert (await tab.submit("/login", replace=found[1])).status_code == 303
    await first.open("/")
    assert "Ada of Acme needed a place and ended your session" in (await first.open("/login")).text


async def test_a_place_lost_while_away_shows_the_limit_and_the_ways_out(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=1, seats=2)
    await tab.sign_in(acme.staff[0])
    # Idle for longer than the account allows: the lease is over, the session lives on.
    await house.valkey.call(b"DEL", b"h:{" + acme.account_id.hex.encode() + b"}")
    await make.set_seats(house, acme, 1)
    await Tab(client).sign_in(acme.administrator)
    page = await tab.open("/")
    assert page.status_code == 409
    assert "You are still signed in" in page.text
    assert 'href="/"' in page.text
    assert (await tab.submit("/logout")).status_code == 303


async def test_several_accounts_are_a_choice_and_the_password_is_asked_once(tab: Tab, house: House) -> None:
    person = await in_two_accounts(house)
    chosen = await tab.sign_in(person)
    assert chosen.status_code == 409
    assert "Choose an account" in chosen.text
    tickets = dict(re.findall(r'name="ticket" value="([^"]+)">\s*<button[^>]*><bdi>([^<]+)', chosen.text))
    assert sorted(tickets.values()) == ["Acme", "Beta"]
    ticket = next(ticket for ticket, name in tickets.items() if name == "Beta")
    assert (await tab.submit("/login", ticket=ticket)).status_code == 303
    page = await tab.open("/")
    assert "Switch to Acme" in page.text
    assert (await tab.submit("/switch", account="acme")).status_code == 303
    assert "Switch to Beta" in (await tab.open("/")).text
    assert (await tab.submit("/switch", account="no-such-account")).headers["location"] == "/"


async def in_two_accounts(house: House) -> Person:
    """Somebody of Acme whom Beta has invited too."""
    acme = await make.company(house, staff=1)
    beta = await make.company(house, "Beta", staff=0)
    person = acme.staff[0]
    admin = await make.actor(house, beta, beta.administrator)
    async with house.database.transaction(beta.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email=person.email, role="user", name=person.name)
    await make.accept(house, beta.account_id, user.id)
    return person


async def test_a_suspended_person_reads_until_when_why_and_whom_to_ask(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await statuses.suspend(
            session,
            house.catalogue,
            admin,
            acme.staff[0].user_id,
            until=datetime(2040, 3, 1, 9, 30, tzinfo=UTC),
            reason="Holidays <b>",
        )
    answer = await tab.sign_in(acme.staff[0])
    assert answer.status_code == 403
    for words in ("Access suspended", "1 March 2040 at 10:30 (Europe/Paris)", "Holidays &lt;b&gt;", "admin@acme.example.com"):
        assert words in answer.text
    await tab.open("/login")
    wrong = await tab.submit("/login", email=acme.staff[0].email, password="not the password")
    assert wrong.status_code == 401
    assert "suspended" not in wrong.text.lower()


async def _home(tab: Tab) -> Tab:
    await tab.open("/")
    return tab
