"""Seat requests in the console: the seller's link decides only by a button, and the limit page asks for more."""

import re
from asyncio import gather
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from service.embedded import Addresses
from tenants import seat_requests
from tenants.house import House
from tests import make
from tests.console.links import seat_request_tokens
from tests.console.tab import Tab
from tests.make import Company
from tests.tenants.rows import every_row, sql

Trade = tuple[Company, Company]


@pytest.fixture
async def trade(house: House, servers: Addresses) -> Trade:
    """North, with ten places and two people who sell, and Acme, which has six of them."""
    north = await make.company(house, "North", kind="reseller", staff=1, roles=("simple_administrator",))
    await sql(servers, "UPDATE licences SET pool_seats = 10 WHERE account_id = $1", north.account_id)
    return north, await make.company(house, "Acme", plan="pro", parent=north, staff=1)


async def ask(house: House, acme: Company, seats: int = 2, until: datetime | None = None) -> UUID:
    """A request of Acme's administrator."""
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        made = await seat_requests.ask(
            session, house.catalogue, admin, seats=seats, until=until, reason="Two <b>new</b> colleagues"
        )
    return made.id


async def seats_of(servers: Addresses, company: Company) -> int:
    """Of the licence."""
    return int((await sql(servers, "SELECT seats FROM licences WHERE account_id = $1", company.account_id))[0][0])


async def test_the_link_shows_the_request_and_a_button_grants_it(tab: Tab, house: House, servers: Addresses, trade: Trade) -> None:
    north, acme = trade
    tokens = await seat_request_tokens(house, north, await ask(house, acme))
    assert tokens.keys() == {person.user_id for person in north.people}
    page = await tab.open(f"/seat-request?token={tokens[north.administrator.user_id]}")
    assert (page.status_code, page.headers["referrer-policy"]) == (200, "no-referrer")
    for words in ("Acme asks for more places", "2 more places", "for good", "6 places", "Ada of Acme", "Ada of North"):
        assert words in page.text
    assert "Two &lt;b&gt;new&lt;/b&gt; colleagues" in page.text
    done = await tab.submit("/seat-request", decision="approve", seats="1", message="One for now")
    assert (done.status_code, tab.session) == (200, None)
    assert "The places are given" in done.text
    assert "1 more place," in done.text
    assert await seats_of(servers, acme) == 7
    told = "SELECT DISTINCT actor_name, actor_account_name FROM activity WHERE account_id = $1 AND event = ANY($2)"
    [line] = await sql(servers, told, acme.account_id, ["seat_request.decided", "licence.changed"])
    assert tuple(line) == ("Ada of North", "North")
    rows = await sql(servers, "SELECT decided_by, message, granted_seats FROM seat_requests")
    assert tuple(rows[0]) == ("Ada of North", "One for now", 1)
    lines = await sql(servers, "SELECT actor_name, actor_kind FROM activity WHERE event = 'seat_request.decided'")
    assert {tuple(line) for line in lines} == {("Ada of North", "user")}


async def test_programs_that_open_links_decide_nothing(tab: Tab, house: House, servers: Addresses, trade: Trade) -> None:
    north, acme = trade
    tokens = await seat_request_tokens(house, north, await ask(house, acme))
    before = await every_row(servers)
    for token in tokens.values():
        for method in ("GET", "HEAD"):
            answer = await Tab(tab.client).send(method, f"/seat-request?token={token}")
            assert answer.status_code == 200
    assert await every_row(servers) == before
    # A form of another site, or without the page's own token, is none of ours.
    token = tokens[north.administrator.user_id]
    for fields, headers in (
        ({"token": token, "decision": "approve", "seats": "2"}, {}),
        ({"token": token, "decision": "refuse"}, {"sec-fetch-site": "cross-site", "origin": "https://evil.example.com"}),
    ):
        assert (await tab.post("/seat-request", fields, **headers)).status_code == 403
    assert await every_row(servers) == before


async def test_a_page_sent_twice_decides_once_and_the_second_says_what_happened(
    tab: Tab, house: House, servers: Addresses, trade: Trade
) -> None:
    north, acme = trade
    tokens = await seat_request_tokens(house, north, await ask(house, acme))
    await tab.open(f"/seat-request?token={tokens[north.administrator.user_id]}")
    fields = {**tab.form("/seat-request"), "decision": "approve"}
    assert (await tab.post("/seat-request", fields)).status_code == 200
    for again in (fields, {**fields, "decision": "refuse"}):
        answer = await tab.post("/seat-request", again)
        assert answer.status_code == 410
        assert "This request was accepted already" in answer.text
        assert "Ada of North" in answer.text
    other = await Tab(tab.client, accept_language="fr").open(f"/seat-request?token={tokens[north.staff[0].user_id]}")
    assert other.status_code == 410
    assert "Cette demande a déjà été acceptée" in other.text
    assert await seats_of(servers, acme) == 8


async def test_of_two_people_who_press_at_once_one_decides(tab: Tab, house: House, servers: Addresses, trade: Trade) -> None:
    north, acme = trade
    tokens = await seat_request_tokens(house, north, await ask(house, acme))
    tabs = []
    for token in tokens.values():
        each = Tab(tab.client, accept_language="en")
        await each.open(f"/seat-request?token={token}")
        tabs.append((each, {**each.form("/seat-request"), "decision": "approve"}))
    answers = await gather(*(each.post("/seat-request", fields) for each, fields in tabs for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200] + [410] * 5
    assert await seats_of(servers, acme) == 8


async def test_what_is_wrong_is_said_and_what_was_typed_stays(tab: Tab, house: House, servers: Addresses, trade: Trade) -> None:
    north, acme = trade
    tokens = await seat_request_tokens(house, north, await ask(house, acme, 5))
    path = f"/seat-request?token={tokens[north.administrator.user_id]}"
    for typed, status, words in (
        ({"seats": "6"}, 422, "The number of places must be from 1 to 5."),
        ({"seats": "0"}, 422, "The number of places must be from 1 to 5."),
        ({"seats": "two"}, 422, "Write how many places as a whole number."),
        ({"seats": ""}, 422, "Write how many places."),
        ({"ends_at": "2020-01-01"}, 422, "This day is past."),
        ({"ends_at": "9999-12-31"}, 422, "This day is too far away."),
        ({"ends_at": "soon"}, 422, "Choose a day, or leave it empty."),
        ({"message": "a\r\nb"}, 422, "This message contains invisible characters."),
        ({"seats": "5", "message": "Yes"}, 409, "Your pool has 10 places, of which 4 are free for this client."),
    ):
        await tab.open(path)
        answer = await tab.submit("/seat-request", decision="approve", **typed)
        assert (answer.status_code, words in answer.text) == (status, True), (typed, answer.text)
        for name in typed.keys() - {"message"}:
            assert f'value="{typed[name]}"' in answer.text
    assert [row[0] for row in await sql(servers, "SELECT state FROM seat_requests")] == ["open"]
    await tab.open(path)
    assert (await tab.submit("/seat-request", decision="approve", seats="4")).status_code == 200
    assert await seats_of(servers, acme) == 10


async def test_a_day_left_as_it_stood_is_the_moment_that_was_asked_for(
    tab: Tab, house: House, servers: Addresses, trade: Trade
) -> None:
    north, acme = trade
    until = (datetime.now(UTC) + timedelta(days=4)).replace(hour=15, minute=30, second=0, microsecond=0)
    for typed, expected in (
        (None, until),
        ("2030-06-30", datetime(2030, 6, 30, 22, tzinfo=UTC)),
        ("", None),
    ):
        await sql(servers, "DELETE FROM boosts")
        tokens = await seat_request_tokens(house, north, await ask(house, acme, 1, until))
        await tab.open(f"/seat-request?token={tokens[north.administrator.user_id]}")
        assert tab.form("/seat-request")["ends_at"] == until.date().isoformat()
        answer = await tab.submit("/seat-request", decision="approve", **({} if typed is None else {"ends_at": typed}))
        assert answer.status_code == 200, answer.text
        rows = await sql(servers, "SELECT granted_until FROM seat_requests ORDER BY id DESC LIMIT 1")
        assert rows[0][0] == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE seat_requests SET state = 'withdrawn', decided_at = now(), decided_by = 'Bob'", "This request was withdrawn"),
        ("UPDATE seat_requests SET state = 'refused', decided_at = now(), decided_by = 'Bob'", "This request was refused already"),
        ("UPDATE seat_requests SET expires_at = now()", "This request has expired"),
        ("UPDATE users SET role = 'user' WHERE email = 'admin@north.example.com'", "You can no longer answer this request"),
        ("UPDATE users SET status = 'suspended' WHERE email = 'admin@north.example.com'", "You can no longer answer this request"),
        ("UPDATE users SET status = 'struck_off' WHERE email = 'admin@north.example.com'", "You can no longer answer this request"),
        ("UPDATE accounts SET status = 'suspended' WHERE slug = 'north'", "You can no longer answer this request"),
        ("UPDATE seat_requests SET nonce = 'another'", "This link no longer works"),
    ],
)
async def test_a_link_that_decides_no_more_says_why(
    tab: Tab, house: House, servers: Addresses, trade: Trade, *, change: str, words: str
) -> None:
    north, acme = trade
    tokens = await seat_request_tokens(house, north, await ask(house, acme))
    await tab.open(f"/seat-request?token={tokens[north.administrator.user_id]}")
    fields = {**tab.form("/seat-request"), "decision": "approve"}
    await sql(servers, change)
    shown = await tab.open(f"/seat-request?token={tokens[north.administrator.user_id]}")
    posted = await tab.post("/seat-request", fields)
    for answer in (shown, posted):
        assert answer.status_code == 410
        assert words in answer.text
        assert ("Acme" in answer.text) == ("This request" in words)
        assert ("Bob" in answer.text) == ("Bob" in change)
    assert await seats_of(servers, acme) == 6


async def test_made_up_links_are_none(tab: Tab, house: House, trade: Trade) -> None:
    north, acme = trade
    token = (await seat_request_tokens(house, north, await ask(house, acme)))[north.administrator.user_id]
    for wrong in ("", "half", token[:-3], token[:-4] + "AAAA", "x" * 2000):
        answer = await tab.open(f"/seat-request?token={wrong}")
        assert answer.status_code == 410
        assert "Copy the whole link from the mail." in answer.text
        assert "Acme" not in answer.text


async def to_the_limit(tab: Tab, house: House, acme: Company, *, administrator: bool) -> Tab:
    """One place, held by somebody else: the page that says so."""
    await make.set_seats(house, acme, 1)
    first, second = (acme.staff[0], acme.administrator) if administrator else (acme.administrator, acme.staff[0])
    await Tab(tab.client, accept_language="en").sign_in(first)
    page = await tab.sign_in(second)
    assert page.status_code == 409
    return tab


async def test_the_limit_page_asks_for_more_without_signing_in(tab: Tab, house: House, servers: Addresses, trade: Trade) -> None:
    north, acme = trade
    await to_the_limit(tab, house, acme, administrator=True)
    assert "Ask for more places" in tab.page.text
    for seats, words in (("", "Write how many places."), ("-1", "as a whole number"), ("0", "must be from 1 to 1000000")):
        wrong = await tab.submit("/seat-requests", seats=seats, reason="We are two")
        assert (wrong.status_code, words in wrong.text) == (422, True), wrong.text
        assert 'value="We are two"' in wrong.text
    done = await tab.submit("/seat-requests", seats="1", reason="We are two")
    assert done.status_code == 200
    assert "Your request is on its way" in done.text
    again = await tab.submit("/login")
    assert (again.status_code, "Ask for these places" in again.text) == (409, False)
    assert "1 more place is asked for already" in again.text
    assert "Ask an administrator of your account" not in again.text
    [request] = [row[0] for row in await sql(servers, "SELECT id FROM seat_requests")]
    mailbox = Tab(tab.client, accept_language="en")
    await mailbox.open(f"/seat-request?token={(await seat_request_tokens(house, north, request))[north.administrator.user_id]}")
    assert (await mailbox.submit("/seat-request", decision="approve")).status_code == 200
    assert (await tab.submit("/login")).status_code == 303
    assert tab.session is not None


async def test_a_second_request_from_the_limit_page_is_told_of_the_first(tab: Tab, house: House, trade: Trade) -> None:
    _, acme = trade
    await to_the_limit(tab, house, acme, administrator=True)
    await ask(house, acme)
    answer = await tab.submit("/seat-requests", seats="1")
    assert answer.status_code == 409
    assert "More places are asked for already" in answer.text


async def test_the_limit_page_offers_no_request_to_whoever_may_not_buy(
    tab: Tab, house: House, servers: Addresses, trade: Trade
) -> None:
    _, acme = trade
    await to_the_limit(tab, house, acme, administrator=False)
    assert "Ask for these places" not in tab.page.text
    assert "Ask an administrator of your account" in tab.page.text
    ticket = tab.form("/login")
    answer = await tab.post("/seat-requests", {**ticket, "seats": "1"})
    assert answer.status_code == 403
    assert await sql(servers, "SELECT 1 FROM seat_requests") == []
    over = await tab.post("/seat-requests", {**ticket, "ticket": "made-up", "seats": "1"})
    assert (over.status_code, bool(re.search("Your time to choose is over", over.text))) == (401, True)
