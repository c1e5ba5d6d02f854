"""Going on a visit from the pages: the session that one comes from is kept, and the end of the visit leads back to it."""

from service.embedded import Addresses
from tenants import sessions, visit_permissions
from tenants.house import House
from tests import make
from tests.console.tab import Tab
from tests.make import Company
from tests.tenants.rows import every_row, sql

HOME = "__Host-portillon-home"


async def trade(house: House, *, allowed: bool = True) -> tuple[Company, Company]:
    """A reseller, and a client of it that may let it in."""
    north = await make.company(house, "North", kind="reseller", staff=1, roles=("simple_administrator",))
    acme = await make.company(house, "Acme", parent=north, staff=0)
    if allowed:
        ada = await make.actor(house, acme, acme.administrator)
        async with house.database.transaction(acme.account_id) as session:
            await visit_permissions.allow_visits(
                session, house.catalogue, ada, visitor="reseller", once=False, rights=["users.view", "licence.view"]
            )
    return north, acme


async def visits(tab: Tab, acme: Company, **typed: str) -> None:
    """Begin a visit from the client's page."""
    path = f"/clients/{acme.account_id}"
    await tab.open(path)
    await tab.submit(f"{path}/visit", **{"reason": "Invoice 17", "minutes": "60", **typed})


async def test_a_visit_begins_in_this_browser_and_its_end_leads_back_home(tab: Tab, house: House, servers: Addresses) -> None:
    north, acme = await trade(house)
    await tab.sign_in(north.staff[0])
    home = tab.session
    for typed, words in (({"reason": " "}, "Write why: the client reads it."), ({"minutes": "481"}, "Choose how long.")):
        await visits(tab, acme, **typed)
        assert (tab.page.status_code, words in tab.page.text, tab.session) == (422, True, home)
    await visits(tab, acme)
    assert (tab.page.status_code, tab.page.headers["location"]) == (303, "/")
    assert (tab.cookies[HOME], tab.session == home) == (home, False)
    kept = tab.set[HOME]
    assert (kept["secure"], kept["httponly"], kept["samesite"], kept["path"]) == (True, True, "lax", "/")
    page = (await tab.open("/")).text
    assert "Person 0 of North of North visits Acme" in page
    assert "Sign out" not in page
    assert (await tab.open("/clients")).status_code == 403
    # A visitor goes on no visit, and the session at home was never touched.
    ended = await tab.submit("/logout") if await tab.open("/") else None
    assert ended is not None
    assert ended.headers["location"] == "/clients?done=visited"
    assert (tab.session, HOME in tab.cookies) == (home, False)
    assert "The visit is over. You are back." in (await tab.open("/clients?done=visited")).text
    ends = await sql(servers, "SELECT ended_reason FROM sessions WHERE visit_id IS NOT NULL")
    assert [row[0] for row in ends] == ["signed_out"]
    await tab.submit("/logout")
    assert tab.session is None


async def test_a_visit_that_ends_by_itself_offers_the_way_back_and_opening_a_page_changes_nothing(
    tab: Tab, house: House, servers: Addresses
) -> None:
    north, acme = await trade(house)
    await tab.sign_in(north.administrator)
    home = tab.session
    await visits(tab, acme)
    ada = await make.actor(house, acme, acme.administrator)
    host = Tab(tab.client, accept_language="en")
    await host.sign_in(acme.administrator)
    assert '<a href="/settings/visits">Take a permission back for good</a>' in (await host.open("/connections")).text
    row = (await sql(servers, "SELECT id FROM sessions WHERE visit_id IS NOT NULL"))[0][0]
    async with house.database.transaction(acme.account_id) as session:
        await sessions.end_session(session, ada, row)
    assert (await tab.open("/")).headers["location"] == "/login"
    before = await every_row(servers)
    page = await tab.open("/login")
    assert "Back to my own account" in page.text
    assert (await every_row(servers), tab.session == home) == (before, False)
    back = await tab.submit("/visit/return")
    assert (back.headers["location"], tab.session, HOME in tab.cookies) == ("/clients?done=visited", home, False)
    assert (await tab.open("/clients")).status_code == 200
    # Somebody else who signs in at this browser afterwards finds nothing of it.
    await visits(tab, acme)
    tab.cookies.pop("__Host-portillon")
    await tab.sign_in(acme.administrator)
    assert HOME not in tab.cookies
    assert "Back to my own account" not in (await Tab(tab.client).open("/login")).text
    stranger = Tab(tab.client, accept_language="en")
    await stranger.open("/login")
    sent = await stranger.post("/visit/return", stranger.form("/login"))
    assert (sent.headers["location"], stranger.session) == ("/login", None)


async def test_without_permission_the_page_says_who_can_give_it(tab: Tab, house: House) -> None:
    north, acme = await trade(house, allowed=False)
    await tab.sign_in(north.administrator)
    page = await tab.open(f"/clients/{acme.account_id}")
    assert "have not let you in" in page.text
    fields = {**tab.form(f"/clients/{acme.account_id}/name"), "reason": "Invoice 17", "minutes": "60"}
    answer = await tab.post(f"/clients/{acme.account_id}/visit", fields)
    assert (answer.status_code, "The administrators of Acme have not allowed a visit" in answer.text) == (403, True)
    assert HOME not in tab.cookies


async def test_the_operator_visits_clients_of_its_resellers_that_let_it_in_and_no_others(tab: Tab, house: House) -> None:
    north, acme = await trade(house)
    other = await make.company(house, "Other", parent=north, staff=0)
    ada = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await visit_permissions.allow_visits(
            session, house.catalogue, ada, visitor="operator", once=True, rights=["users.view"], reason="Look at <b>"
        )
    path = f"/visits/{acme.account_id}"
    await tab.sign_in((await make.operator(house)).administrator)
    home, page = tab.session, (await tab.open("/visits")).text
    assert ("Acme" in page, "Look at &lt;b&gt;" in page, "For one visit." in page, f'href="{path}"' in page) == (True,) * 4
    assert "Other" not in page
    assert '<a href="/visits">Who lets you in</a>' in (await tab.open("/clients")).text
    assert (await tab.open(f"/clients/{acme.account_id}")).status_code == 404
    assert (await tab.open(f"/visits/{other.account_id}")).status_code == 404
    await tab.open(path)
    form = tab.form(path)
    assert (await tab.post(f"/visits/{other.account_id}", {**form, "reason": "Why not", "minutes": "15"})).status_code == 404
    wrong = await tab.post(path, {**form, "reason": "Kept as typed", "minutes": "481"})
    assert (wrong.status_code, "Choose how long." in wrong.text, "Kept as typed" in wrong.text) == (422, True, True)
    begun = await tab.submit(path, reason="Invoice 17", minutes="60")
    assert (begun.status_code, begun.headers["location"], tab.cookies[HOME]) == (303, "/", home)
    assert "visits Acme" in (await tab.open("/")).text
    assert (await tab.submit("/logout")).headers["location"] == "/clients?done=visited"
    # It was for one visit.
    assert "Nobody lets you in at present" in (await tab.open("/visits")).text
    assert (await tab.open(path)).status_code == 404
    reseller = Tab(tab.client, accept_language="en")
    await reseller.sign_in(north.staff[0])
    assert f'href="{path}"' in (await reseller.open("/visits")).text
    host = Tab(tab.client, accept_language="en")
    await host.sign_in(acme.administrator)
    assert (await host.open("/visits")).status_code == 403
