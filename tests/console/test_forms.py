"""Forms, headers and cookies of the console: only our own forms change anything (X6), every answer carries the security headers (X13),
and what the session's cookie is worth (X5)."""

from typing import Any

import httpx
import pytest

from service.app import build, create_app
from service.embedded import Addresses
from service.routes import Open
from tenants import invitations
from tenants.house import House, open_house
from tenants.settings import Settings
from tests import make
from tests.api import Api, open_client
from tests.console.tab import SAME_ORIGIN, Tab
from tests.tenants.rows import every_row
from tests.test_rights import declared, filled

WITHOUT_TOKEN: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
    ({}, {}),
    ({"form_token": ""}, {}),
    ({"form_token": "AAAA"}, {}),
)
FROM_ELSEWHERE: tuple[dict[str, str], ...] = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "http://localhost:8001"},
    {"content-type": "text/plain"},
    {"content-type": "application/json"},
)
HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
}
#: Answers of these never end.
STREAMS = {"/events", "/api/v1/session/events"}


def routes(house: House, method: str, *, anywhere: bool = False) -> dict[str, Any]:
    """Paths of the console (or of everything) that take this method, filled with identifiers of nobody, and the right that each names."""
    found = {filled(route): right for route, right in declared(build(house)).items()}
    elsewhere = ("/api/", "/gate/", "/oauth/", "/health", "/dev/")
    return {path: right for (verb, path), right in found.items() if verb == method and (anywhere or not path.startswith(elsewhere))}


@pytest.fixture
async def signed_in(tab: Tab, house: House) -> Tab:
    acme = await make.company(house, staff=2)
    assert (await tab.sign_in(acme.administrator)).status_code == 303
    await tab.open("/")
    return tab


async def test_x6_forms_of_a_session_work_in_that_session_only(
    tab: Tab, client: httpx.AsyncClient, house: House, emptied: Addresses
) -> None:
    operator = await make.operator(house)
    client_of_theirs = await make.company(house, "Beta", staff=0, parent=operator)
    other = Tab(client, accept_language="en")
    for who, person in ((tab, operator.administrator), (other, client_of_theirs.administrator)):
        assert (await who.sign_in(person)).status_code == 303
        await who.open("/")
    actions = [path for path, right in routes(house, "POST").items() if right is not Open.TO_ANYONE]
    assert len(actions) > 60
    # Each as somebody who may do it: clients do some things that the operator's account has no use for.
    mine, others, public = tab.form("/logout"), other.form("/logout"), tab.form("/language")
    before = await every_row(emptied)
    for action in actions:
        wrong = (
            *WITHOUT_TOKEN,
            (others, {}),
            ({"form_token": public["form_token"]}, {}),
            *((mine, each) for each in FROM_ELSEWHERE),
        )
        for fields, headers in wrong:
            answer = await tab.post(action, fields, **headers)
            assert (answer.status_code, "The form is no longer valid" in answer.text) == (403, True), (
                action,
                fields,
                headers,
                answer.text,
            )
        # Where a file may be sent, one that is none is told so.
        assert (await tab.post(action, mine, content_type="multipart/form-data; boundary=x")).status_code in {403, 422}, action
        assert (await tab.send("POST", action, data=mine, headers={"origin": "null"})).status_code == 403
    assert await every_row(emptied) == before
    assert tab.session


async def test_x6_forms_of_strangers_work_in_that_browser_only(
    tab: Tab, client: httpx.AsyncClient, house: House, emptied: Addresses
) -> None:
    acme = await make.company(house, staff=0)
    other = Tab(client, accept_language="en")
    await other.open("/login")
    await tab.open("/login")
    mine = {**tab.form("/login"), "email": acme.administrator.email, "password": make.PASSWORD, "token": "x", "language": "fr"}
    theirs = {**mine, "form_token": other.form("/login")["form_token"]}
    without = {name: value for name, value in mine.items() if name != "form_token"}
    actions = [path for path, right in routes(house, "POST").items() if right is Open.TO_ANYONE]
    assert len(actions) > 10
    before, key = await every_row(emptied), tab.cookies["__Host-portillon-form"]
    for action in actions:
        for fields, headers in ((without, {}), (theirs, {}), *((mine, each) for each in FROM_ELSEWHERE)):
            answer = await tab.post(action, fields, **headers)
            assert answer.status_code == 403, (action, fields, headers)
            assert not {"__Host-portillon", "portillon-language"} & set(tab.set)
        del tab.cookies["__Host-portillon-form"]
        assert (await tab.post(action, mine)).status_code == 403, action
        tab.cookies["__Host-portillon-form"] = key
    assert await every_row(emptied) == before


async def test_x6_reading_changes_no_row_and_opens_no_session(signed_in: Tab, house: House, emptied: Addresses) -> None:
    operator = await make.operator(house)
    beta = await make.company(house, "Beta", staff=0)
    admin = await make.actor(house, beta, beta.administrator)
    async with house.database.transaction(beta.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email="new@beta.example.com", role="user")
    token = await make.invitation_token(house, beta.account_id, user.id)
    seller = Tab(signed_in.client)
    await seller.sign_in(operator.administrator)
    await house.finish()
    before = await every_row(emptied)
    pages, forms = routes(house, "GET"), routes(house, "POST")
    assert len(pages) > 60
    for visitor in (signed_in, seller, Tab(signed_in.client)):
        for path in ({*pages, *forms, f"/invitation?token={token}", "/invitation?token=x", "/reset?token=x"}) - STREAMS:
            for method in ("GET", "HEAD"):
                answer = await visitor.send(method, path)
                assert answer.status_code in {200, 303, 403, 404, 405, 409, 410}, (method, path, answer.status_code)
                assert "__Host-portillon" not in visitor.set, path
    await house.finish()
    assert await every_row(emptied) == before


async def test_x13_every_answer_carries_the_security_headers(house: House, settings: Settings) -> None:
    acme = await make.company(house, staff=0)
    secure = settings.model_copy(update={"public_url": "https://portillon.example.com"})
    served = open_house(secure)
    try:
        async with open_client(create_app(secure, house=served)) as client:
            api = Api(client)
            assert (await api.sign_in(acme.administrator)).status_code == 201
            token = {"authorization": f"Bearer {api.tokens[acme.administrator.email]}"}
            seen = set()
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                for path in routes(house, method, anywhere=True).keys() - STREAMS:
                    for headers in (
                        {},
                        {"cookie": "__Host-portillon=x", "accept": "text/html"},
                        token if path.startswith("/api") else {},
                    ):
                        answer = await client.request(method, path, headers=headers)
                        seen.add(answer.status_code)
                        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, (method, path, answer.status_code)
                        policy = answer.headers["content-security-policy"]
                        assert ("unsafe" in policy, "frame-ancestors 'none'" in policy) == (False, True), (method, path, policy)
            assert seen >= {200, 303, 401, 403, 404, 422}
    finally:
        await served.close()


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
