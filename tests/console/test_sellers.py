"""The pages of whoever sells: their clients first, what each has, what a change would do, and nobody else's clients."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.clients import licence_ends, reckoned, use
from tests.console.tab import Tab
from tests.console.test_seat_requests import ask
from tests.make import Company
from tests.tenants.rows import sql

Trade = tuple[Company, Company]
MENU = ("/clients", "/requests", "/pool", "/branding", "/system")


@pytest.fixture
async def trade(house: House, servers: Addresses) -> Trade:
    """North, with ten places and somebody without rights, and Acme, which has six of them."""
    north = await make.company(house, "North", kind="reseller", staff=2, roles=("user", "simple_administrator"))
    await sql(servers, "UPDATE licences SET pool_seats = 10 WHERE account_id = $1", north.account_id)
    return north, await make.company(house, "Acme", plan="pro", parent=north, staff=1)


async def count(servers: Addresses, query: str, *values: object) -> int:
    """A number from the database."""
    return int((await sql(servers, query, *values))[0][0])


def menu(tab: Tab) -> list[str]:
    """Which of the sellers' parts the page's menu names."""
    return [path for path in MENU if f'<li><a href="{path}"' in tab.page.text]


async def test_only_sellers_with_the_right_find_the_pages_and_nobody_finds_the_clients_of_others(
    tab: Tab, house: House, servers: Addresses, trade: Trade
) -> None:
    north, acme = trade
    south = await make.company(house, "South", kind="reseller", staff=0)
    theirs = await make.company(house, "Theirs", plan="basic", parent=south, staff=0)
    request = await ask(house, theirs, 1)
    assert (await tab.sign_in(north.administrator)).status_code == 303
    await tab.open("/clients")
    assert (tab.page.status_code, menu(tab)) == (200, list(MENU[:4]))
    assert "Theirs" not in tab.page.text
    assert (await tab.open("/system")).status_code == 403
    token = {"form_token": (await tab.open("/")).text.split('name="form_token" value="')[1].split('"')[0]}
    for client in (theirs.account_id, north.account_id, south.account_id, uuid4()):
        for part in ("", "/licence", "/boosts"):
            assert (await tab.open(f"/clients/{client}{part}")).status_code == 404
        for part, fields in (
            ("/name", {"name": "Mine"}),
            ("/status", {"status": "close"}),
            ("/licence", {"plan": "pro", "seats": "1", "accountant_seats": "0", "decision": "preview"}),
            ("/boosts", {"seats": "1", "ends_at": "2030-01-01"}),
            (f"/boosts/{uuid4()}/end", {}),
            ("/visit", {"reason": "Why not", "minutes": "15"}),
        ):
            assert (await tab.post(f"/clients/{client}{part}", {**token, **fields})).status_code == 404, part
    for address in (f"/requests/{request}", f"/requests/{uuid4()}"):
        assert (await tab.open(address)).status_code == 404
        assert (await tab.post(address, {**token, "decision": "approve", "seats": "1"})).status_code == 404
    assert await count(servers, "SELECT count(*) FROM seat_requests WHERE state = 'open'") == 1
    for person, parts in ((north.staff[0], []), (north.staff[1], list(MENU[:4])), (acme.administrator, [])):
        each = Tab(tab.client, accept_language="en")
        await each.sign_in(person)
        await each.open("/")
        assert menu(each) == parts, person.role
        for path in ("/clients", "/clients/export", f"/clients/{acme.account_id}", "/requests", "/pool"):
            assert (await each.open(path)).status_code == (200 if parts else 403), path
    # A client has nobody to show a brand to.
    assert (await each.open("/branding")).status_code == 404
    operator = Tab(tab.client, accept_language="en")
    await operator.sign_in((await make.operator(house)).administrator)
    await operator.open("/clients?kind=reseller")
    assert menu(operator) == list(MENU)
    assert ("North" in operator.page.text, "Acme" in operator.page.text) == (True, False)


async def test_the_list_begins_with_whoever_needs_attention_and_goes_into_a_spreadsheet(
    tab: Tab, house: House, servers: Addresses, trade: Trade
) -> None:
    north, acme = trade
    calm = await make.company(house, "Calm", plan="basic", parent=north, staff=0)
    await use(servers, acme.account_id, days_ago=1, peak=6, refused=3)
    await reckoned(house, acme.account_id, calm.account_id)
    await tab.sign_in(north.administrator)
    page = (await tab.open("/clients")).text
    assert page.index("Acme") < page.index("Calm")
    assert ("Sign-ins refused" in page, "Almost all places in use" in page) == (True, True)
    for query, found in (
        ("q=calm", ["Calm"]),
        ("reason=refusals", ["Acme"]),
        ("status=closed", []),
        ("status=nonsense&reason=nonsense", ["Acme", "Calm"]),
        ("sort=name", ["Acme", "Calm"]),
        ("kind=reseller", []),
    ):
        shown = (await tab.open(f"/clients?{query}")).text.partition("<table")[2]
        assert [name for name in ("Acme", "Calm") if name in shown] == found, query
    assert "No client is like that" in (await tab.open("/clients?q=zzz")).text
    table = await tab.open("/clients/export?q=acme")
    assert table.headers["content-type"].startswith("text/csv")
    assert '"Acme","acme","Active","pro",6,0,0,2,6,3,"Sign-ins refused, Almost all places in use"' in table.text
    assert "Calm" not in table.text
    for days, words in ((0, "Licence ending"), (-1, "Licence ended")):
        await licence_ends(servers, acme.account_id, days)
        await reckoned(house, acme.account_id)
        for path in ("/clients?q=acme", f"/clients/{acme.account_id}", "/clients/export?q=acme"):
            assert re.findall(r"Licence end(?:ing|ed)(?! or| as)", (await tab.open(path)).text) == [words], path
    assert ">Licence ending or ended</option>" in (await tab.open("/clients?reason=licence_ending")).text
    client = (await tab.open(f"/clients/{acme.account_id}")).text
    assert "At most 6 places in use at once, of 6; 3 refusals." in client


async def test_a_new_client_is_shown_before_it_is_made_and_made_once(
    tab: Tab, house: House, servers: Addresses, trade: Trade
) -> None:
    north, _ = trade
    clients = "SELECT count(*) FROM accounts WHERE parent_id = $1"
    await tab.sign_in(north.administrator)
    page = await tab.open("/clients/new")
    for words in ("4 of the 10 places of your pool are free.", "Leaves 1 free.", "Does not fit into your pool."):
        assert words in page.text
    typed = {"name": "Atelier Morel", "slug": "", "kind": "client", "plan": "standard", "language": "fr"}
    typed |= {"email": "claire@morel.example.com", "person": "Claire"}
    for change, status, words in (
        ({"name": ""}, 422, "Write a name."),
        ({"email": "claire"}, 422, "Write the whole e-mail address"),
        ({"slug": "Atelier Morel"}, 422, "Small letters, digits and hyphens"),
        ({"slug": "acme"}, 409, "This short name is taken. acme-2 is free."),
        ({"plan": "none"}, 422, "Choose a plan."),
        ({"plan": "pro"}, 409, "The pool holds 10 places: 6 given to others, 4 free, 6 asked for."),
    ):
        await tab.open("/clients/new")
        answer = await tab.submit("/clients/new", **{**typed, **change}, decision="check")
        assert (answer.status_code, words in answer.text) == (status, True), (change, answer.text)
        assert 'value="Claire"' in answer.text
    await tab.open("/clients/new")
    review = await tab.submit("/clients/new", **typed, decision="check")
    assert review.status_code == 200
    for words in ("atelier-morel", "Standard, 3 places", "claire@morel.example.com", "9 of 10 given afterwards"):
        assert words in review.text
    assert await count(servers, clients, north.account_id) == 1
    fields = {**tab.form("/clients/new"), "decision": "create"}
    places = {(await tab.post("/clients/new", fields)).headers["location"] for _ in range(2)}
    assert len(places) == 1
    assert await count(servers, clients, north.account_id) == 2
    followed = await tab.open(places.pop())
    assert (followed.status_code, "The client is created" in followed.text) == (200, True)
    assert await count(servers, "SELECT count(*) FROM outbox WHERE letter = 'invitation' AND state = 'owed'") >= 1


async def test_a_licence_is_changed_after_its_preview_and_never_over_somebody_else_s_change(
    tab: Tab, house: House, servers: Addresses, trade: Trade
) -> None:
    north, acme = trade
    path = f"/clients/{acme.account_id}/licence"
    await sql(
        servers,
        "INSERT INTO usage_days (account_id, day, part, peak, refused, sign_ins, waited_ms, idle_ms, taken, avoided) "
        "VALUES ($1, current_date - 1, '1', 5, 0, 9, 0, 0, '{\"4\": 2, \"5\": 1}', '{}')",
        acme.account_id,
    )
    await tab.sign_in(north.administrator)
    await tab.open(path)
    typed = {**tab.form(path), "plan": "pro", "options": "api", "reason": "Fewer people"}
    for change, status, words in (
        ({"seats": "0"}, 422, "From 1 to 1000000."),
        ({"seats": "many"}, 422, "Write a whole number."),
        ({"seats": "11"}, 409, "The pool holds 10 places"),
        ({"ends_on": "2020-01-01"}, 422, "The last day comes before the first one."),
        ({"ends_on": "soon"}, 422, "Choose a day."),
    ):
        answer = await tab.post(path, {**typed, **change, "decision": "preview"})
        assert (answer.status_code, words in answer.text) == (status, True), (change, answer.text)
        assert f'value="{next(iter(change.values()))}"' in answer.text
    preview = await tab.post(path, {**typed, "seats": "3", "decision": "preview"})
    assert preview.status_code == 200
    for words in ("3 sign-ins would have been refused", "on 1 day", "3 of 10 places given afterwards", "Nobody at work now"):
        assert words in preview.text
    assert await count(servers, "SELECT seats FROM licences WHERE account_id = $1", acme.account_id) == 6
    fields = {**tab.form(path), "decision": "save"}
    # Somebody is faster.
    await sql(servers, "UPDATE licences SET version = version + 1, users = 7 WHERE account_id = $1", acme.account_id)
    late = await tab.post(path, fields)
    assert (late.status_code, "Somebody changed this licence meanwhile" in late.text) == (412, True)
    assert 'name="seats" type="number" value="3"' in late.text
    saved = await tab.post(path, {**fields, "version": tab.form(path)["version"]})
    assert saved.headers["location"] == f"{path}?done=saved"
    page = (await tab.open(f"{path}?done=saved")).text
    assert ("The licence is changed." in page, "Reason: Fewer people" in page, "Ada of North" in page) == (True, True, True)
    assert await count(servers, "SELECT seats FROM licences WHERE account_id = $1", acme.account_id) == 3
    assert (await tab.post(path, fields)).status_code == 412
    filled = await tab.post(path, {**typed, "plan": "standard", "decision": "plan"})
    assert ('name="seats" type="number" value="3"' in filled.text, 'name="users" type="number" value=""' in filled.text) == (
        True,
        True,
    )


async def test_a_boost_is_given_once_or_weekly_and_ended_before_its_time(
    tab: Tab, house: House, servers: Addresses, trade: Trade
) -> None:
    north, acme = trade
    path = f"/clients/{acme.account_id}/boosts"
    later = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    await tab.sign_in(north.administrator)
    await tab.open(path)
    typed = {"form_token": tab.form(path)["form_token"], "seats": "2", "how": "once", "ends_at": later, "reason": "Year's end"}
    weekly = {"how": "weekly", "days": "1", "from": "08:00", "to": "12:00", "ends_at": ""}
    for change, status, words in (
        ({"seats": "5"}, 409, "The pool holds 10 places"),
        ({"seats": ""}, 422, "Write a whole number."),
        ({"ends_at": ""}, 422, "only a weekly boost can go on"),
        ({"ends_at": "9999-12-31"}, 422, "This day is too far away."),
        ({"starts_at": "2020-01-01"}, 422, "This day is past."),
        ({**weekly, "days": ""}, 422, "Choose at least one day of the week."),
        ({**weekly, "to": "07:00"}, 422, "The hours end before they begin."),
    ):
        answer = await tab.post(path, {**typed, **change})
        assert (answer.status_code, words in answer.text) == (status, True), (change, answer.text)
        assert 'value="Year&#39;s end"' in answer.text
    assert (await tab.post(path, typed)).headers["location"] == f"{path}?done=given"
    # The same form once more: the first boost stands in its way.
    again = await tab.post(path, typed)
    assert (again.status_code, "Another boost at the same time" in again.text) == (409, True)
    begins = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    assert (await tab.post(path, {**typed, **weekly, "to": "00:00", "starts_at": begins})).status_code == 303
    page = (await tab.open(path)).text
    for words in ("live, working now", "planned", "Monday, from 08:00 to 24:00", "Until somebody ends it"):
        assert words in page
    rows = await sql(servers, "SELECT id FROM boosts ORDER BY starts_at")
    for _ in range(2):
        assert (await tab.post(f"{path}/{rows[0][0]}/end", typed)).status_code == 303
    assert "ended by Ada of North" in (await tab.open(path)).text
    assert await count(servers, "SELECT count(*) FROM boosts WHERE ended_at IS NOT NULL") == 1


async def test_an_account_is_renamed_suspended_closed_and_opened_again(
    tab: Tab, house: House, servers: Addresses, trade: Trade
) -> None:
    north, acme = trade
    path = f"/clients/{acme.account_id}"
    await tab.sign_in(north.administrator)
    await tab.open(path)
    token = {"form_token": tab.form(f"{path}/name")["form_token"]}
    assert "Write a name." in (await tab.post(f"{path}/name", {**token, "name": " "})).text
    assert (await tab.post(f"{path}/name", {**token, "name": "Acme & Sons"})).status_code == 303
    assert "Acme &amp; Sons" in (await tab.open(path)).text
    for wanted, words in (
        ("suspend", "End the suspension"),
        ("close", "It can be opened again until"),
        ("reopen", "Close the account"),
    ):
        # Twice is as good as once.
        for _ in range(2):
            assert (await tab.post(f"{path}/status", {**token, "status": wanted})).status_code == 303
        assert words in (await tab.open(path)).text
    assert (await tab.post(f"{path}/status", {**token, "status": "struck_off"})).status_code == 422
    await tab.post(f"{path}/status", {**token, "status": "close"})
    refused = await tab.post(f"{path}/status", {**token, "status": "suspend"})
    assert (refused.status_code, "Not possible in this state" in refused.text) == (409, True)
    await sql(servers, "UPDATE accounts SET closed_at = now() - interval '31 days' WHERE id = $1", acme.account_id)
    over = (await tab.open(path)).text
    assert ("create a new client instead" in over, "Open it again" in over) == (True, False)
    late = await tab.post(f"{path}/status", {**token, "status": "reopen"})
    assert (late.status_code, "It was closed more than 30 days ago" in late.text) == (409, True)


async def test_the_inbox_answers_a_request_once(tab: Tab, house: House, servers: Addresses, trade: Trade) -> None:
    north, acme = trade
    request = await ask(house, acme, 5, datetime.now(UTC) + timedelta(days=4))
    path = f"/requests/{request}"
    await tab.sign_in(north.administrator)
    inbox = (await tab.open("/requests")).text
    assert ("Acme" in inbox, "5 more places" in inbox, "Two &lt;b&gt;new&lt;/b&gt; colleagues" in inbox) == (True, True, True)
    for typed, status, words in (
        ({"seats": "6"}, 422, "From 1 to 5."),
        ({"seats": "0"}, 422, "From 1 to 5."),
        ({"seats": "5"}, 409, "The pool holds 10 places"),
        ({"seats": "1", "ends_at": "2020-01-01"}, 422, "This day is past."),
        ({"seats": "1", "message": "x" * 301}, 422, "This message is too long"),
    ):
        await tab.open(path)
        answer = await tab.submit(path, decision="approve", **typed)
        assert (answer.status_code, words in answer.text) == (status, True), (typed, answer.text)
        assert f'value="{typed["seats"]}"' in answer.text
    await tab.open(path)
    fields = {**tab.form(path), "decision": "approve", "seats": "2", "message": "Two for now"}
    assert (await tab.post(path, fields)).headers["location"] == "/requests?done=approved"
    for again in (fields, {**fields, "decision": "refuse"}):
        answer = await tab.post(path, again)
        assert (answer.status_code, "Ada of North accepted this request already" in answer.text) == (409, True)
    assert await count(servers, "SELECT sum(seats) FROM boosts") == 2
    assert "Nothing waits for an answer" in (await tab.open("/requests")).text
    assert "Accepted" in (await tab.open("/requests?show=all")).text
    second = await ask(house, acme, 1)
    await tab.open(f"/requests/{second}")
    refused = await tab.submit(f"/requests/{second}", decision="refuse", seats="", message="No")
    assert refused.headers["location"] == "/requests?done=refused"


async def test_the_pool_says_in_words_that_it_is_oversold(tab: Tab, house: House, servers: Addresses, trade: Trade) -> None:
    north, _ = trade
    await tab.sign_in(north.administrator)
    page = (await tab.open("/pool")).text
    assert ("4 free" in page, "more is given" in page) == (True, False)
    for overselling, words in (("refuse", "nothing more can be given until it fits again"), ("warn", "Your licence allows it.")):
        change = "UPDATE licences SET pool_seats = 5, overselling = $2 WHERE account_id = $1"
        await sql(servers, change, north.account_id, overselling)
        page = (await tab.open("/pool")).text
        assert ("1 place more is given than your pool has" in page, words in page) == (True, True)
