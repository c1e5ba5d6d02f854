"""The pages of the history: who reads what, found by filters that stand in the address, and taken away by a form alone."""

import csv
import html
import io
import json
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx

from service.embedded import Addresses
from tenants import api_keys, assignments, departments, statuses
from tenants.api_keys import KeyScope
from tenants.house import House, open_house
from tenants.sealing import seal_account
from tenants.settings import Settings
from tests import make
from tests.api import open_client
from tests.conftest import application
from tests.console.tab import Tab
from tests.history import add_line
from tests.workers.post import altered
from workers.exports import write_exports

NOBODY = "019a8b3c-0000-7000-8000-000000000000"


def main_of(page: httpx.Response) -> str:
    """The page's main part, without marks of the template."""
    return html.unescape(page.text.partition("<main")[2].partition("</main>")[0])


def sentences(page: httpx.Response) -> list[str]:
    """The lines that are shown, in their order."""
    return re.findall(r"<p><bdi>(.*?)</bdi></p>", main_of(page))


async def test_days_filters_and_pages_stand_in_the_address(tab: Tab, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    here, person = acme.account_id, acme.staff[0]
    on = {"target_type": "user", "target_id": str(person.user_id), "target_label": "Zoé"}
    # 23:30 in Paris is the day before in UTC's words, and half past midnight the next.
    evening = await add_line(
        servers, here, "2026-03-01T22:30:00", event="user.struck_off", actor_name="Ann", actor_kind="user", **on
    )
    night = await add_line(servers, here, "2026-03-01T23:30:00", event="user.activated", result="failed", ip="192.0.2.17", **on)
    other = await make.company(house, "Beta", staff=0)
    theirs = await add_line(servers, other.account_id, "2026-03-01T22:30:00", event="user.struck_off", **on)
    await tab.sign_in(acme.administrator)
    page = await tab.open("/activity?from=2026-03-01&to=2026-03-02")
    assert re.findall(r'<time datetime="(\d{4}-\d\d-\d\d)">([^<]+)</time></h2>', page.text) == [
        ("2026-03-02", "Monday, 2 March 2026"),
        ("2026-03-01", "Sunday, 1 March 2026"),
    ]
    assert re.findall(r'class="at" href="/activity/([^"]+)"', page.text) == [night, evening]
    assert 'name="from" type="date" value="2026-03-01"' in page.text
    assert ('is-failed">Failed' in page.text, 'is-active">Done' in page.text) == (True, True)
    for query, expected in (
        ("to=2026-03-01", [evening]),
        ("from=2026-03-02&to=2026-03-02", [night]),
        ("to=2026-03-02&actor=system", [night]),
        ("to=2026-03-02&action=user.struck_off", [evening]),
        ("to=2026-03-02&action=user", [night, evening]),
        ("to=2026-03-02&result=failed", [night]),
        ("to=2026-03-02&ip=192.0.2.17", [night]),
        (f"to=2026-03-02&target=user:{person.user_id}", [night, evening]),
        ("to=2026-03-02&text=ann", [evening]),
        ("to=2026-03-02&result=nonsense", [night, evening]),
    ):
        page = await tab.open(f"/activity?{query}")
        assert re.findall(r'class="at" href="/activity/([^"]+)"', page.text) == expected, query
    assert theirs not in page.text
    nothing = await tab.open("/activity?text=nobody")
    assert ("Nothing found" in nothing.text, '<a class="button second" href="/activity">Clear' in nothing.text) == (True, True)
    for minute in range(51):
        await add_line(servers, here, f"2026-02-01T12:{minute:02}:00", event="user.struck_off", **on)
    first = await tab.open("/activity?action=user&to=2026-02-28")
    assert len(sentences(first)) == 50
    following = html.unescape(re.findall(r'href="([^"]+)" rel="next"', first.text)[0])
    assert following.startswith("/activity?to=2026-02-28&action=user&cursor=")
    last = await tab.open(following)
    assert (len(sentences(last)), "Back to the first page" in last.text, 'rel="next"' in last.text) == (1, True, False)
    assert (await tab.open("/activity?cursor=made-up")).status_code == 422


async def test_what_is_wrong_with_a_filter_is_said_beside_it_and_the_others_stay(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    await tab.sign_in(acme.administrator)
    for query, words in (
        ("from=yesterday", "Choose a day, or leave it empty."),
        ("from=2026-02-30", "Choose a day, or leave it empty."),
        ("to=9999-12-31", "Choose a day of this century."),
        ("from=2026-03-02&to=2026-03-01", "The last day lies before the first one."),
        ("actor=me", "Choose somebody from the list."),
        ("action=made.up", "Choose an action from the list."),
        ("ip=here", "Write a whole network address"),
        ("target=%00", "Your search contains invisible characters"),
    ):
        page = await tab.open(f"/activity?text=typed&{query}")
        field = query.partition("&")[0].partition("=")[0] if "&" not in query else "to"
        assert page.status_code == 422, query
        assert re.search(rf'id="{field}-wrong">\s*<p>{words}', html.unescape(page.text)), query
        assert 'value="typed"' in page.text
    assert "Nothing was looked for" in page.text


async def test_people_and_keys_can_be_chosen_and_departments_limit_who_is_named(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=2, roles=("simple_administrator",))
    admin, (limited, outside) = await make.actor(house, acme, acme.administrator), acme.staff
    async with house.database.transaction(acme.account_id) as session:
        paris = await departments.create_department(session, admin, name="Paris")
        await assignments.change_user(session, house.catalogue, admin, limited.user_id, wanted={"departments": [paris.id]})
        made = await api_keys.create_key(session, house.signer, admin, name="Invoicing", scopes=[KeyScope.ACTIVITY_WRITE])
    await tab.sign_in(acme.administrator)
    page = await tab.open("/activity")
    assert f'<option value="{outside.user_id}">' in page.text
    assert re.search(r'<option value="api_key:[^"]+">Invoicing</option>', page.text)
    assert any("API key" in each for each in sentences(page)), made
    assert f'<option value="{NOBODY}" selected>Somebody</option>' in (await tab.open(f"/activity?actor={NOBODY}")).text
    line = re.findall(r'class="at" href="(/activity/[^"]+)"', page.text)[0]
    await tab.submit("/logout")
    await tab.sign_in(limited)
    page = await tab.open("/activity")
    assert f'<option value="{limited.user_id}">' in page.text
    assert (str(outside.user_id) in page.text, acme.administrator.name in main_of(page).partition("</form>")[0]) == (False, False)
    assert "Invoicing" not in page.text
    # The administrator's own sign-in concerns no department.
    assert (await tab.open(line)).status_code == 404


async def test_a_line_has_a_page_with_all_that_is_kept_of_it(tab: Tab, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    ada, person = acme.administrator, acme.staff[0]
    admin = await make.actor(house, acme, ada)
    async with house.database.transaction(acme.account_id) as session:
        wanted = {"role": "simple_administrator", "name": "<b>Zoé</b>"}
        await assignments.change_user(session, house.catalogue, admin, person.user_id, wanted=wanted)
        await statuses.suspend(session, house.catalogue, admin, person.user_id, reason="Left <early>")
    await tab.sign_in(ada)
    found = await tab.open(f"/activity?action=user.suspended&target=user:{person.user_id}")
    suspended = re.findall(r'class="at" href="(/activity/[^"]+)"', found.text)[0]
    page = await tab.open(suspended)
    text = main_of(page)
    assert "Left &lt;early&gt;" in page.text
    for words in (
        ada.email,
        f'href="/users/{person.user_id}"',
        f'href="/users/{ada.user_id}"',
        "Not sealed yet",
        "Everything about this",
    ):
        assert words in text, words
    assert f'href="/activity?target=user%3A{person.user_id}"' in page.text or f"target=user:{person.user_id}" in text
    before = re.findall(r'href="(/activity/[^"]+)" rel="prev"', page.text)[0]
    await seal_account(house.database, house.signer, acme.account_id)
    page = await tab.open(before)
    text = main_of(page)
    role = re.search(r'role="rowheader">Role</th>\s*<td[^>]*><bdi>([^<]+)</bdi></td>\s*<td[^>]*><bdi>([^<]+)</bdi>', text)
    assert role is not None
    assert role.groups() == ("User", "Simple administrator")
    assert "&lt;b&gt;Zoé&lt;/b&gt;" in page.text
    assert ("Sealed" in text, f'href="{suspended}" rel="next"' in text) == (True, True)
    reported = await add_line(
        servers,
        acme.account_id,
        "2026-03-01T12:00:00",
        recorded_at="2026-03-01T12:10:00",
        event="document.sent",
        actor_kind="visitor",
        actor_user_id=uuid4(),
        actor_account_id=uuid4(),
        actor_name="Rémi",
        actor_email="remi@example.com",
        actor_account_name="Revendo",
        target_type="invoice",
        target_id="81:27",
        target_label="Invoice 81",
        facts={"details": {"pages": 2, "to": "claire@example.com"}},
        request_id="r-1",
    )
    text = main_of(await tab.open(f"/activity/{reported}"))
    for words in ("from Revendo", "Written down", "claire@example.com", ">pages<", "<code>r-1</code>", "target=invoice%3A81%3A27"):
        assert words in text, words
    other = await make.company(house, "Beta", staff=0)
    theirs = await add_line(servers, other.account_id, "2026-03-01T12:00:00")
    for path in (f"/activity/{theirs}", f"/activity/{NOBODY}", f"/users/{other.administrator.user_id}/activity"):
        assert (await tab.open(path)).status_code == 404
    assert "struck" not in sentences(await tab.open(f"/users/{person.user_id}/activity"))[0]
    assert len(sentences(tab.page)) >= 2
    overview = (await tab.open("/")).text
    assert ("Latest activity" in overview, suspended in overview) == (True, True)


async def test_the_lines_found_are_downloaded_or_prepared_once(tab: Tab, house: House, settings: Settings) -> None:
    acme = await make.company(house, staff=0)
    await tab.sign_in(acme.administrator)
    page = await tab.open("/activity/exports?action=session&text=ada")
    assert ("Sessions: everything" in page.text, 'name="text" value="ada"' in page.text) == (True, True)
    sent = {**tab.form("/activity/export"), "format": "csv"}
    table = await tab.post("/activity/export", sent)
    assert table.headers["content-disposition"].startswith('attachment; filename="activity-acme-')
    rows = list(csv.reader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert {row[6] for row in rows[1:]} == {"session.signed_in"}
    lines = await tab.post("/activity/export", {**sent, "format": "json"})
    assert {json.loads(line)["family"] for line in lines.text.splitlines()} == {"session"}
    refused = await tab.post("/activity/export", {**sent, "format": "xml"})
    assert (refused.status_code, "Choose a format." in refused.text, 'name="text" value="ada"' in refused.text) == (422, True, True)
    assert len(sentences(await tab.open("/activity?action=activity.exported"))) == 2
    await tab.open("/activity/exports?action=session")
    sent = {**tab.form("/activity/exports"), "format": "json"}
    first, again = [await tab.post("/activity/exports", sent) for _ in range(2)]
    assert (first.status_code, first.headers["location"]) == (303, again.headers["location"])
    for _ in range(2):
        await tab.open("/activity/exports")
        await tab.post("/activity/exports", {**tab.form("/activity/exports"), "format": "csv"})
    await tab.open("/activity/exports")
    refused = await tab.post("/activity/exports", {**tab.form("/activity/exports"), "format": "csv"})
    assert (refused.status_code, "are being written already" in refused.text) == (409, True)
    await write_exports(house)
    page = await tab.open("/activity/exports")
    assert (page.text.count("Ready"), f'href="{first.headers["location"]}"' in page.text) == (3, True)
    small = open_house(altered(settings, activity_export_lines=1))
    try:
        async with open_client(application(small)) as client:
            strict = Tab(client, accept_language="en")
            await strict.sign_in(acme.administrator)
            await strict.open("/activity/exports?from=2026-01-01")
            refused = await strict.submit("/activity/export", format="csv")
            assert (refused.status_code, 'name="from" value="2026-01-01"' in refused.text) == (409, True)
            assert "one download carries 1. Have a file prepared instead" in refused.text
    finally:
        await small.close()


async def test_whoever_lacks_the_right_reads_their_own_part_alone_and_takes_it_away(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    admin, person = await make.actor(house, acme, acme.administrator), acme.staff[0]
    async with house.database.transaction(acme.account_id) as session:
        await statuses.suspend(session, house.catalogue, admin, person.user_id, reason="Nobody must read this")
        await statuses.activate(session, house.catalogue, admin, person.user_id)
    await tab.sign_in(person)
    page = await tab.open("/")
    assert ('href="/activity"' in page.text, "Latest activity" in page.text) == (False, False)
    for path in ("/activity", f"/activity/{NOBODY}", "/activity/exports", f"/users/{person.user_id}/activity"):
        assert (await tab.open(path)).status_code == 403, path
    await tab.open("/me/activity")
    sent = {**tab.form("/me/data"), "format": "csv"}
    for action in ("/activity/export", "/activity/exports"):
        assert (await tab.post(action, sent)).status_code == 403
    page = await tab.open("/me/activity?action=user")
    assert any("suspended" in each for each in sentences(page))
    assert ("Nobody must read this" in page.text, 'href="/activity/' in page.text) == (False, False)
    file = await tab.submit("/me/data")
    assert file.headers["content-disposition"] == 'attachment; filename="portillon-personal-data.json"'
    assert (file.json()["identity"]["email"], file.json()["complete"]) == (person.email, True)
    assert any("data" in each for each in sentences(await tab.open("/me/activity?action=person")))
    assert (await tab.open("/me/activity?from=x")).status_code == 422
    today = datetime.now(UTC).date() + timedelta(days=2)
    assert "Nothing of yours is kept for this period." in (await tab.open(f"/me/activity?from={today}")).text


async def test_how_long_it_is_kept_and_what_the_application_reports(tab: Tab, house: House) -> None:
    acme = await make.company(house, plan="basic", staff=0)
    await tab.sign_in(acme.administrator)
    page = await tab.open("/settings")
    assert "Only once the licence includes the history of documents" in page.text
    for months, status in (("5", 422), ("37", 422), ("", 422), ("12", 303), ("36", 303)):
        await tab.open("/settings")
        sent = await tab.submit("/settings/history", activity_months=months, activity_documents="kept")
        assert sent.status_code == status, months
    assert "Kept for 36 months." in (await tab.open("/activity")).text
    await tab.open("/settings")
    asked = await tab.submit("/settings/history", activity_months="6", activity_documents="refused")
    assert asked.status_code == 422
    for words in ("Older months would be gone for good.", 'value="6"', 'name="forget"', 'value="refused" checked'):
        assert words in asked.text, words
    sure = await tab.submit("/settings/history", activity_months="6", activity_documents="refused")
    assert sure.headers["location"] == "/settings?done=activity_documents.activity_months"
    assert "Saved: what the application reports, how long the history is kept." in (await tab.open(sure.headers["location"])).text
    assert "Kept for 6 months." in (await tab.open("/activity")).text
