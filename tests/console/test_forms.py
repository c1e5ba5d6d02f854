"""Forms and cookies of the console: only our own forms change anything (X6), and what the session's cookie is worth (X5)."""

import asyncpg
import httpx
import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.console.tab import SAME_ORIGIN, Tab

FORM = "application/x-www-form-urlencoded"
FORMS_OF_SIGNED_IN = (
    "/logout", "/switch", "/account/email", "/sessions/019a8b3c-0000-7000-8000-000000000000/end", "/heartbeat", "/asked",
    "/connections/end", "/licence/requests", "/licence/requests/019a8b3c-0000-7000-8000-000000000000/withdraw",
    "/line/clear", "/line/019a8b3c-0000-7000-8000-000000000000/remove", "/users/selected/change", "/invite", "/me", "/me/password",
    "/me/data", "/activity/export",
)  # fmt: skip
FORMS_OF_STRANGERS = (
    "/login", "/forgot", "/reset", "/invitation", "/invitation/renew", "/email-change", "/email-change/revoke", "/language",
    "/wait", "/wait/leave", "/ask", "/full",
)  # fmt: skip
PAGES = (
    "/", "/login", "/forgot", "/reset?token=x", "/invitation?token=x", "/account/email", "/email-change?token=x",
    "/email-change/revoke?token=x", "/static/portillon.css", "/static/portillon.svg",
    "/static/seat.js", "/asked", "/wait", "/connections", "/licence", "/users", "/invite", "/invite/many",
    "/invite/pending", "/departments", "/static/lists.js", "/me", "/me/rights", "/activity", "/activity/exports", "/me/activity",
)  # fmt: skip


async def everything(servers: Addresses) -> dict[str, list[str]]:
    """Every row of every table."""
    connection = await asyncpg.connect(servers.superuser_url)
    try:
        tables = [r["tablename"] for r in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {t: sorted(str(r) for r in await connection.fetch(f'SELECT * FROM "{t}"')) for t in tables}  # noqa: S608 - our tables
    finally:
        await connection.close()


@pytest.fixture
async def signed_in(tab: Tab, house: House) -> Tab:
    acme = await make.company(house, staff=2)
    assert (await tab.sign_in(acme.administrator)).status_code == 303
    await tab.open("/")
    return tab


@pytest.mark.parametrize("action", FORMS_OF_SIGNED_IN)
async def test_x6_forms_of_a_session_work_in_that_session_only(
    signed_in: Tab, client: httpx.AsyncClient, house: House, emptied: Addresses, action: str
) -> None:
    other = Tab(client, accept_language="en")
    beta = await make.company(house, "Beta", staff=0)
    await other.sign_in(beta.administrator)
    await other.open("/")
    mine, others, public = signed_in.form("/logout"), other.form("/logout"), signed_in.form("/language")
    before = await everything(emptied)
    attempts: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"form_token": ""}, {}),
        ({"form_token": "AAAA"}, {}),
        (others, {}),
        ({"form_token": public["form_token"]}, {}),
        (mine, {"sec-fetch-site": "cross-site"}),
        (mine, {"sec-fetch-site": "same-site"}),
        (mine, {"origin": "https://evil.example"}),
        (mine, {"origin": "http://localhost:8001"}),
        (mine, {"content-type": "text/plain"}),
        (mine, {"content-type": "multipart/form-data; boundary=x"}),
        (mine, {"content-type": "application/json"}),
    ]
    for fields, headers in attempts:
        answer = await signed_in.post(action, fields, **headers)
        assert answer.status_code == 403, (fields, headers)
        assert "The form is no longer valid" in answer.text
    no_site = await signed_in.send("POST", action, data=mine, headers={"origin": "null"})
    assert no_site.status_code == 403
    assert await everything(emptied) == before
    assert signed_in.session


@pytest.mark.parametrize("action", FORMS_OF_STRANGERS)
async def test_x6_forms_of_strangers_work_in_that_browser_only(
    tab: Tab, client: httpx.AsyncClient, house: House, emptied: Addresses, action: str
) -> None:
    acme = await make.company(house, staff=0)
    other = Tab(client, accept_language="en")
    await other.open("/login")
    await tab.open("/login")
    mine = {**tab.form("/login"), "email": acme.administrator.email, "password": make.PASSWORD, "token": "x", "language": "fr"}
    before = await everything(emptied)
    theirs = {**mine, "form_token": other.form("/login")["form_token"]}
    for fields, headers in [
        ({k: v for k, v in mine.items() if k != "form_token"}, {}),
        (theirs, {}),
        (mine, {"sec-fetch-site": "cross-site"}),
        (mine, {"sec-fetch-site": "same-site"}),
        (mine, {"origin": "https://evil.example"}),
        (mine, {"content-type": "text/plain"}),
    ]:
        answer = await tab.post(action, fields, **headers)
        assert answer.status_code == 403, (fields, headers)
        assert not {"__Host-portillon", "portillon-language"} & set(tab.set)
    del tab.cookies["__Host-portillon-form"]
    assert (await tab.post(action, mine)).status_code == 403
    assert await everything(emptied) == before


async def test_x6_reading_changes_no_row_and_opens_no_session(signed_in: Tab, house: House, emptied: Addresses) -> None:
    beta = await make.company(house, "Beta", staff=0)
    admin = await make.actor(house, beta, beta.administrator)
    from tenants import invitations

    async with house.database.transaction(beta.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email="new@beta.example.com", role="user")
    token = await make.invitation_token(house, beta.account_id, user.id)
    before = await everything(emptied)
    stranger = Tab(signed_in.client)
    for visitor in (signed_in, stranger):
        for path in (
            *PAGES,
            f"/invitation?token={token}",
            "/logout",
            "/switch",
            "/language",
            "/invitation/renew",
            "/heartbeat",
            "/ask",
        ):
            for method in ("GET", "HEAD"):
                answer = await visitor.send(method, path)
                assert answer.status_code in {200, 303, 405, 410}, (method, path, answer.status_code)
                assert "__Host-portillon" not in visitor.set
    assert await everything(emptied) == before


async def test_a_page_of_one_origin_may_send_its_forms_with_or_without_the_newer_headers(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    for headers in (SAME_ORIGIN, {}, {"origin": "http://localhost:8000"}, {"sec-fetch-site": "none", "origin": "null"}):
        await tab.open("/login")
        fields = {**tab.form("/login"), "email": acme.administrator.email, "password": make.PASSWORD}
        answer = await tab.send("POST", "/login", data=fields, headers=headers)
        assert answer.status_code == 303
        tab.cookies.pop("__Host-portillon")


async def test_x5_cookies_stay_on_this_host_over_tls_and_out_of_scripts(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    lines = (await tab.open("/login")).headers.get_list("set-cookie")
    lines += (await tab.submit("/login", email=acme.administrator.email, password=make.PASSWORD)).headers.get_list("set-cookie")
    assert [line.partition("=")[0] for line in lines] == ["__Host-portillon-form", "__Host-portillon"]
    for line in lines:
        assert {part.strip().lower() for part in line.split(";")[1:]} == {"path=/", "secure", "httponly", "samesite=lax"}


async def test_x5_every_sign_in_makes_a_new_token_and_ends_the_browser_s_older_session(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    await tab.open("/login")
    form = tab.form("/login")
    await tab.post("/login", {**form, "email": acme.administrator.email, "password": make.PASSWORD})
    first = tab.session
    await tab.post("/login", {**form, "email": acme.staff[0].email, "password": make.PASSWORD})
    assert tab.session not in {None, first}
    assert acme.staff[0].email in (await tab.open("/")).text
    tab.cookies["__Host-portillon"] = first or ""
    assert (await tab.open("/")).headers["location"] == "/login"
    assert "A newer sign-in took the place of this session, just now." in (await tab.open("/login")).text


async def test_x5_a_token_chosen_beforehand_is_worth_nothing(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    tab.cookies["__Host-portillon"] = "ptl_" + "A" * 96
    await tab.sign_in(acme.administrator)
    assert tab.session
    assert tab.session != "ptl_" + "A" * 96


async def test_x5_after_sign_out_the_token_is_worth_nothing(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    await tab.sign_in(acme.administrator)
    token = tab.session
    await tab.open("/")
    answer = await tab.submit("/logout")
    assert answer.status_code == 303
    assert tab.set["__Host-portillon"]["max-age"] == "0"
    assert tab.session is None
    assert "You are signed out" in (await tab.open(answer.headers["location"])).text
    tab.cookies["__Host-portillon"] = token or ""
    assert (await tab.open("/")).headers["location"] == "/login"
    api = await tab.client.get("/api/v1/session", headers={"authorization": f"Bearer {token}"})
    assert api.status_code == 401


async def test_the_api_takes_no_cookie(signed_in: Tab) -> None:
    assert (await signed_in.open("/api/v1/session")).status_code == 401
