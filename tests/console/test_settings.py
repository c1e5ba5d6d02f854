"""The settings of the account: each card saves by itself and says what it changed; visits and keys are given and taken back."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tenants.accounts import Account
from tenants.house import House
from tenants.restrictions import find_hidden
from tests import make
from tests.console.tab import Tab
from tests.console.test_roles import own_role, take_option
from tests.make import Company


async def stored(house: House, company: Company) -> Account:
    async with house.database.transaction(company.account_id) as session:
        return await session.get_one(Account, company.account_id)


async def send(tab: Tab, to: str, /, **typed: Any) -> httpx.Response:
    """Post a form with its token, what makes it act once, and what is typed."""
    if 'action="/logout"' not in tab.page.text:
        await tab.open("/settings")
    once = re.search(r'name="once" value="([^"]+)"', tab.page.text)
    return await tab.post(to, {"form_token": tab.form("/logout")["form_token"], **({"once": once[1]} if once else {}), **typed})


async def test_each_card_saves_by_itself_and_says_what_changed(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    await tab.sign_in(acme.administrator)
    page = await tab.open("/settings")
    assert '<option value="Europe/Paris" selected>' in page.text
    saved = await send(tab, "/settings", name=" Acme & Sons ", language="en", time_zone="America/Argentina/Buenos_Aires")
    assert saved.headers["location"] == "/settings?done=name.time_zone"
    page = await tab.open("/settings?done=name.time_zone.nonsense")
    assert "Saved: name of the account, time zone." in page.text
    assert '<option value="America/Argentina/Buenos_Aires" selected>' in page.text
    again = await send(tab, "/settings", name="Acme & Sons", language="en", time_zone="America/Argentina/Buenos_Aires")
    assert again.headers["location"] == "/settings?done=same"
    assert "Nothing differs" in (await tab.open("/settings?done=same")).text
    for typed, words in (({"name": ""}, "Write a name."), ({"time_zone": "Nowhere"}, "Choose a time zone from the list.")):
        page = await send(tab, "/settings", **{"name": "Typed", "language": "fr", "time_zone": "Europe/Paris", **typed})
        assert (page.status_code, words in page.text) == (422, True)
        assert '<option value="fr" selected>' in page.text
    assert (
        (await send(tab, "/settings/passwords", admin_sets_password="1")).headers["location"].endswith("done=admin_sets_password")
    )
    assert (await send(tab, "/settings/hidden", section=["stock", "hours"])).headers["location"].endswith("done=restrictions")
    page = await tab.open("/settings")
    assert "Hidden now: Stock, Working hours" in page.text
    assert (await send(tab, "/settings/hidden", section=["no_such"])).status_code == 422
    assert (await send(tab, "/settings/passwords")).status_code == 303
    kept = await stored(house, acme)
    assert (kept.name, kept.time_zone, kept.language, kept.admin_sets_password) == (
        "Acme & Sons",
        "America/Argentina/Buenos_Aires",
        "en",
        False,
    )
    async with house.database.transaction(acme.account_id) as session:
        assert await find_hidden(session, "account") == {"stock", "hours"}


async def test_the_policy_of_places_holds_its_limits(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    await tab.sign_in(acme.administrator)
    await tab.open("/settings/places")
    where = "/settings/places"
    taken = await send(tab, where, card="taken", seat_unit="session", sessions_per_user="10")
    assert taken.headers["location"] == "/settings/places?done=seat_unit.sessions_per_user"
    for idle, away, status in (
        ("5", "240", 303),
        ("240", "1", 303),
        ("4", "9", 422),
        ("241", "9", 422),
        ("9", "0", 422),
        ("9", "241", 422),
    ):
        page = await send(tab, where, card="freed", idle_timeout=idle, reclaims="after", reclaim_after=away)
        assert page.status_code == status, (idle, away)
    assert "Write a number from 1 to 240." in page.text
    assert 'value="241"' in page.text
    for number in ("", "ten", "0", "11"):
        page = await send(tab, where, card="taken", seat_unit="user", sessions_per_user=number)
        assert page.status_code == 422
    assert (await send(tab, where, card="taken", seat_unit="chair", sessions_per_user="1")).status_code == 422
    assert (await send(tab, where, card="freed", idle_timeout="20", reclaims="never", reclaim_after="x")).status_code == 303
    assert (await send(tab, where, card="shown")).headers["location"].endswith("done=show_holders")
    kept = await stored(house, acme)
    assert (kept.seat_unit, kept.sessions_per_user, kept.idle_timeout, kept.reclaim_after, kept.show_holders) == (
        "session",
        10,
        20,
        None,
        False,
    )


async def test_whoever_may_only_look_sees_no_form_and_others_nothing(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=2, roles=("simple_administrator", "user"))
    await tab.sign_in(acme.staff[0])
    for path in ("/settings", "/settings/places", "/settings/visits"):
        page = await tab.open(path)
        assert page.status_code == 200
        assert f'action="{path}' not in page.text
        assert "Your role lets you look at these settings." in page.text
    assert "/settings/keys" not in page.text
    user = Tab(client, accept_language="en")
    await user.sign_in(acme.staff[1])
    assert 'href="/settings"' not in (await user.open("/")).text
    for tab_of, paths in (
        (tab, ("/settings", "/settings/passwords", "/settings/hidden", "/settings/places", "/settings/visits")),
        (tab, ("/settings/keys", f"/settings/keys/{uuid4()}/revoke", f"/settings/visits/{uuid4()}/revoke")),
        (user, ("/settings", "/settings/keys")),
    ):
        await tab_of.open("/")
        token = tab_of.form("/logout")["form_token"]
        assert [(await tab_of.post(path, {"form_token": token})).status_code for path in paths] == [403] * len(paths)
    for path in ("/settings", "/settings/places", "/settings/visits", "/settings/keys"):
        assert (await user.open(path)).status_code == 403
    assert (await tab.open("/settings/keys")).status_code == 403


async def test_a_visit_is_allowed_once_and_taken_back(tab: Tab, house: House) -> None:
    seller = await make.company(house, "Resale", kind="reseller", staff=0)
    acme = await make.company(house, "Client", parent=seller, staff=0)
    await tab.sign_in(acme.administrator)
    page = await tab.open("/settings/visits")
    assert "Nobody may visit, and nobody has." in page.text
    form = {"visitor": "reseller", "how": "until", "role": "accountant", "reason": "The yearly accounts"}
    for missing, words in (("visitor", "Choose who may visit."), ("role", "Choose a role.")):
        page = await send(tab, "/settings/visits", **{**form, missing: ""})
        assert (page.status_code, words in page.text, "The yearly accounts" in page.text) == (422, True, True)
    once = re.search(r'name="once" value="([^"]+)"', page.text)
    assert once
    for _ in range(2):
        sent = await send(tab, "/settings/visits", **form, once=once[1])
        assert sent.headers["location"] == "/settings/visits?done=allowed"
    page = await tab.open("/settings/visits?done=allowed")
    assert page.text.count("Until it is taken back.") == 1
    assert "12 rights, 0 visits" in page.text
    page = await send(tab, "/settings/visits", **form)
    assert (page.status_code, "A visit from there is allowed already." in page.text) == (409, True)
    way = re.search(r'action="(/settings/visits/[^"]+/revoke)"', page.text)
    assert way
    assert [(await send(tab, way[1])).status_code for _ in range(2)] == [303, 303]
    assert "Taken back by Ada of Client" in (await tab.open("/settings/visits")).text
    other = await make.company(house, "Other", staff=0)
    theirs = Tab(tab.client, accept_language="en")
    await theirs.sign_in(other.administrator)
    assert (await send(theirs, way[1])).status_code == 404
    operator = Tab(tab.client, accept_language="en")
    await operator.sign_in((await make.operator(house)).administrator)
    assert "/settings/visits" not in (await operator.open("/settings")).text
    assert (await operator.open("/settings/visits")).status_code == 404


async def test_a_key_is_shown_once_and_revoked(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=1)
    await tab.sign_in(acme.administrator)
    today = datetime.now(UTC).date()
    await tab.open("/settings/keys")
    form = {"name": "Invoicing", "scope": ["sessions.introspect"], "expires_on": (today + timedelta(days=9)).isoformat()}
    for wrong, words in (
        ({"name": ""}, "Write a name."),
        ({"scope": []}, "Tick at least one."),
        ({"scope": ["all"]}, "Tick at least one."),
        ({"expires_on": "soon"}, "Choose a day, or leave it empty."),
        ({"expires_on": (today - timedelta(days=2)).isoformat()}, "This day is past."),
        ({"expires_on": "9999-12-31"}, "This day is too far away."),
    ):
        page = await send(tab, "/settings/keys", **{**form, **wrong})
        assert (page.status_code, words in html.unescape(page.text)) == (422, True), wrong
        assert wrong.get("name") == "" or 'value="Invoicing"' in page.text
    once = re.search(r'name="once" value="([^"]+)"', page.text)
    assert once
    made = await send(tab, "/settings/keys", **form, once=once[1])
    key = re.search(r'<textarea id="key"[^>]*>(ptk_[^<]+)<', made.text)
    assert key
    answer = await client.post("/oauth/introspect", data={"token": "x"}, headers={"Authorization": f"Bearer {key[1]}"})
    assert (answer.status_code, answer.json()) == (200, {"active": False})
    assert (await send(tab, "/settings/keys", **form, once=once[1])).headers["location"] == "/settings/keys?done=made"
    page = await tab.open("/settings/keys")
    assert key[1] not in page.text
    assert page.text.count("In force") == 1
    way = re.search(r'action="(/settings/keys/[^"]+/revoke)"', page.text)
    assert way
    other = await make.company(house, "Other", staff=0)
    theirs = Tab(client, accept_language="en")
    await theirs.sign_in(other.administrator)
    assert (await send(theirs, way[1])).status_code == 404
    assert (await send(tab, way[1])).status_code == 303
    answer = await client.post("/oauth/introspect", data={"token": "x"}, headers={"Authorization": f"Bearer {key[1]}"})
    assert answer.status_code == 401
    await take_option(house, acme, "api")
    page = await tab.open("/settings/keys")
    assert "frozen, not lost" in page.text
    assert 'action="/settings/keys"' not in page.text
    assert (await send(tab, "/settings/keys", **form)).status_code == 403


@pytest.mark.parametrize("given", ["own", "all"])
async def test_nobody_shows_or_gives_what_they_lack(tab: Tab, house: House, given: str) -> None:
    acme = await make.company(house, staff=1)
    rights = ["account.view", "account.manage", "integrations.view", "integrations.manage", "stock.view"]
    if given == "all":
        rights += ["stock.edit", "stock.delete", "sessions.view", "activity.view"]
    await own_role(house, acme, "Keeper", *rights, people=tuple(acme.staff))
    await tab.sign_in(acme.administrator)
    assert (await send(tab, "/settings/hidden", section=["stock"])).status_code == 303
    keeper = Tab(tab.client, accept_language="en")
    await keeper.sign_in(acme.staff[0])
    # Stock is hidden from them, too: what they lack, they do not show.
    assert (await send(keeper, "/settings/hidden")).status_code == 403
    assert (await send(keeper, "/settings/hidden", section=["stock", "hours"])).status_code == 303
    page = await keeper.open("/settings/keys")
    assert ("You lack the right for it" in page.text) == (given == "own")
    key = await send(keeper, "/settings/keys", name="K", scope=["sessions.introspect"])
    assert key.status_code == (403 if given == "own" else 200)
    visit = await send(keeper, "/settings/visits", visitor="operator", how="once", role="administrator")
    assert visit.status_code == 403
