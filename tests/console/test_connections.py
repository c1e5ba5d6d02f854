"""Connections: who is shown to whom, and how sessions are ended: one, several, all others, with a reason that is not lost."""

import re

import pytest

from service.embedded import Addresses
from tenants import accounts
from tenants.house import House
from tests import make
from tests.console.tab import Tab
from tests.make import Company
from tests.tenants.rows import sql


@pytest.fixture
async def acme(house: House) -> Company:
    """Six places, and three people besides the administrator."""
    return await make.company(house, staff=3, seats=6)


async def at_work(tab: Tab, company: Company) -> list[Tab]:
    """Everybody of the staff, each in a browser of their own."""
    tabs = [Tab(tab.client, accept_language="en") for _ in company.staff]
    for each, person in zip(tabs, company.staff, strict=True):
        assert (await each.sign_in(person)).status_code == 303
    return tabs


def sessions_of(page: str) -> dict[str, str]:
    """Sessions that the page lets end, by their person."""
    found = re.findall(r'action="/sessions/([^"]+)/end".*?class="unseen"> \(([^)]+)\)', page, re.DOTALL)
    return {name: session_id for session_id, name in found}


async def ended(servers: Addresses, company: Company) -> list[tuple[str, str, str | None]]:
    """Whose session ended, why and for which reason, as the history has it."""
    rows = await sql(
        servers,
        "SELECT target_label, facts->>'why', facts->>'reason' FROM activity"
        " WHERE account_id = $1 AND event = 'session.ended' ORDER BY target_label",
        company.account_id,
    )
    return [tuple(row) for row in rows]


async def working(tabs: list[Tab]) -> list[bool]:
    """Who is still signed in."""
    return [(await each.open("/")).status_code == 200 for each in tabs]


async def test_several_are_ended_with_one_reason_and_a_second_time_changes_nothing(
    tab: Tab, servers: Addresses, acme: Company
) -> None:
    tabs = await at_work(tab, acme)
    await tab.sign_in(acme.administrator)
    page = (await tab.open("/connections")).text
    for words in ("Places in use: 4 of 6", "At work", "this session", "127.0.0.1"):
        assert words in page
    ids = sessions_of(page)
    assert set(ids) == {person.name for person in acme.staff}
    nobody = await tab.submit("/connections/end", which="ticked", reason="Audit")
    assert (nobody.status_code, "Tick at least one session first." in nobody.text) == (422, True)
    assert 'value="Audit"' in nobody.text
    chosen = [ids[person.name] for person in acme.staff[:2]]
    form = tab.form("/connections/end") | {"which": "ticked", "session": [*chosen, "x"], "reason": "Audit"}
    refused = await tab.post("/connections/end", form | {"reason": "a\u0007b"})
    assert refused.status_code == 422
    assert "This reason contains invisible characters." in refused.text
    assert [f'value="{each}" checked' in refused.text for each in ids.values()].count(True) == 2
    for _ in range(2):
        done = await tab.post("/connections/end", form)
        assert (done.status_code, done.headers["location"]) == (303, "/connections?done=several")
    assert await working(tabs) == [False, False, True]
    assert "Ada of Acme ended your session" in (await tabs[0].open("/login")).text
    assert await ended(servers, acme) == [(person.name, "ended_by_administrator", "Audit") for person in acme.staff[:2]]


async def test_all_others_end_and_one_s_own_does_not(tab: Tab, house: House, acme: Company) -> None:
    beta = await make.company(house, "Beta", staff=0)
    stranger = Tab(tab.client, accept_language="en")
    await stranger.sign_in(beta.administrator)
    tabs = await at_work(tab, acme)
    await tab.sign_in(acme.administrator)
    await tab.open("/connections")
    done = await tab.post("/connections/end", tab.form("/connections/end") | {"which": "others"})
    assert done.headers["location"] == "/connections?done=several"
    assert await working([*tabs, tab, stranger]) == [False, False, False, True, True]
    page = (await tab.open("/connections?done=several")).text
    assert ("These sessions have ended." in page, "Places in use: 1 of 6" in page, "End all others" in page) == (True, True, False)


async def test_another_account_s_session_is_out_of_reach(tab: Tab, house: House, acme: Company) -> None:
    tabs = await at_work(tab, acme)
    admin = Tab(tab.client, accept_language="en")
    await admin.sign_in(acme.administrator)
    ids = sessions_of((await admin.open("/connections")).text)
    beta = await make.company(house, "Beta", staff=1)
    await Tab(tab.client).sign_in(beta.staff[0])
    await tab.sign_in(beta.administrator)
    assert acme.staff[0].name not in (await tab.open("/connections")).text
    form = tab.form("/connections/end")
    theirs = ids[acme.staff[0].name]
    assert (await tab.post(f"/sessions/{theirs}/end", form)).status_code == 303
    await tab.post("/connections/end", form | {"which": "ticked", "session": theirs})
    assert await working(tabs) == [True, True, True]


async def test_one_is_ended_with_a_reason_and_what_was_typed_is_not_lost(tab: Tab, servers: Addresses, acme: Company) -> None:
    tabs = await at_work(tab, acme)
    await tab.sign_in(acme.administrator)
    ids = sessions_of((await tab.open("/connections")).text)
    action = f"/sessions/{ids[acme.staff[1].name]}/end"
    refused = await tab.submit(action, reason="x" * 301)
    assert refused.status_code == 422
    assert (
        f'<details class="confirm" open>\n<summary class="button second">End…<span class="unseen"> ({acme.staff[1].name})'
        in refused.text
    )
    assert "x" * 301 in refused.text
    assert (await tab.submit(action, reason="x" * 300)).headers["location"] == "/connections?done=ended"
    assert await working(tabs) == [True, False, True]
    assert await ended(servers, acme) == [(acme.staff[1].name, "ended_by_administrator", "x" * 300)]


async def test_staff_see_their_own_sessions_alone_and_no_figures(tab: Tab, house: House, acme: Company) -> None:
    await at_work(tab, acme)
    await let_two_in(house, acme)
    await tab.sign_in(acme.staff[0])
    page = (await tab.open("/connections")).text
    assert (page.count('<tr role="row">'), page.count('class="tag">this session')) == (3, 1)
    for hidden in (acme.staff[1].name, "End all others", "How the places were used", "Accountants’ places", 'type="checkbox"'):
        assert hidden not in page, hidden
    assert (await tab.open("/connections/export")).status_code == 403
    assert (await tab.open("/licence")).status_code == 403
    await tab.open("/connections")
    [action] = re.findall(r'action="(/sessions/[^"]+/end)"', tab.page.text)
    assert (await tab.submit(action)).headers["location"] == "/connections?done=ended"
    assert "/end" not in (await tab.open("/connections")).text


async def let_two_in(house: House, company: Company) -> None:
    """Two sessions for each person."""
    async with house.database.transaction(company.account_id) as session:
        account = await accounts.get_account(session, company.account_id)
        await accounts.change_settings(session, account, wanted={"sessions_per_user": 2})


async def test_periods_are_those_there_are_and_the_days_come_as_a_table(tab: Tab, acme: Company) -> None:
    await tab.sign_in(acme.administrator)
    for days, shown in (("7", 7), ("90", 90), ("31", 30), ("x", 30)):
        page = (await tab.open(f"/connections?days={days}")).text
        assert re.findall(r'days=(\d+)#use" aria-current="true"', page) == [str(shown)], days
    assert f'href="/connections/export?days={30}"' in page
    table = await tab.open("/connections/export?days=7")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[0].startswith('\ufeff"Day","Most places in use","Refusals"')
    assert len(table.text.splitlines()) == 2
    assert (await tab.open("/connections?cursor=half")).status_code == 422
