"""What strangers send: addresses, names, languages, targets and headers, none of which gets where it should not."""

import re

import pytest

from tenants.house import House
from tests import make
from tests.console.links import invited
from tests.console.tab import Tab


@pytest.mark.parametrize(
    "email", ["", "claire", "a@b.c,d@e.f", "cla\u0456re@example.com", "claire@example.com\r\nBcc: x@example.com"]
)
async def test_x8_what_is_no_address_is_said_beside_its_field(tab: Tab, emptied: object, email: str) -> None:
    for path in ("/forgot", "/login"):
        await tab.open(path)
        answer = await tab.submit(path, email=email, password="x")
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
        assert 'href="#email"' in answer.text


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "&lt;b&gt;", "'; --"]
)
async def test_names_are_text_and_nothing_else(tab: Tab, house: House, name: str) -> None:
    acme = await make.company(house, staff=0)
    from tenants import accounts, assignments

    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await assignments.change_user(session, house.catalogue, admin, acme.administrator.user_id, wanted={"name": name})
        await accounts.change_settings(session, await accounts.get_account(session, acme.account_id), wanted={"name": name})
    await tab.sign_in(acme.administrator)
    page = (await tab.open("/")).text
    assert "<script" not in re.sub(r'<script type="module" src="/static/seat\.js\?v=\w{12}"></script>', "", page)
    assert "<img src=x" not in page
    assert "49" not in re.sub(r'value="[^"]*"', "", page).split("<main")[1].split("<section")[0]
    from html import unescape

    assert name in unescape(page)


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        ("fr", "en", "fr"),
        ("en", "fr", "en"),
        (None, "fr-CA,en;q=0.5", "fr"),
        (None, "de,en;q=0.5", "en"),
        ("xx", "fr", "fr"),
        (None, "", "en"),
    ],
)
async def test_language_by_cookie_then_by_header(tab: Tab, emptied: object, cookie: str | None, header: str, language: str) -> None:
    if cookie:
        tab.cookies["portillon-language"] = cookie
    page = await tab.open("/login", accept_language=header)
    assert f'<html lang="{language}">' in page.text
    assert {"fr": "Mot de passe", "en": "Password"}[language] in page.text


async def test_a_signed_in_person_s_own_language_comes_before_the_browser_s(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0, language="fr")
    await tab.sign_in(acme.administrator)
    assert '<html lang="fr">' in (await tab.open("/", accept_language="en")).text
    answer = await tab.submit("/language", language="en")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert '<html lang="en">' in (await tab.open("/")).text


async def test_changing_the_language_leads_back_to_where_one_was(tab: Tab, house: House) -> None:
    _, token = await invited(house)
    await tab.open(f"/invitation?token={token}")
    answer = await tab.submit("/language", language="fr")
    assert answer.headers["location"] == f"/invitation?token={token}"
    assert "Rejoindre Acme" in (await tab.open(answer.headers["location"])).text


HOSTILE = [
    "//evil.example", "///evil.example", "////evil.example/", "/\\evil.example", "\\\\evil.example", "\\/evil.example",
    "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "https://evil.example", "HTTPS:evil.example",
    "http:/\\evil.example", "https:///evil.example", "javascript:alert(1)", "data:text/html,x",
    "/%0d%0aLocation: https://evil.example", "/\r\nLocation: https://evil.example", "/x\r\nSet-Cookie: a=b",
    "evil.example", "@evil.example", "/@evil.example//", "/..//evil.example", "/.//evil.example", "/x//..//evil.example",
    "\u2028//evil.example", "/\u3002evil.example", "//localhost:8000@evil.example", "/\x00/evil.example", "?next=//evil.example",
    "#//evil.example", "/" + "a" * 5000,
]  # fmt: skip


async def test_x15_hostile_targets_end_on_this_origin(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    await tab.open("/login")
    form = {**tab.form("/login"), "email": acme.administrator.email, "password": make.PASSWORD, "language": "fr"}
    for wanted in HOSTILE:
        tab.cookies.pop("__Host-portillon", None)
        await tab.send("GET", "/login", params={"next": wanted})
        assert tab.form("/login")["next"] == "/", wanted
        for action in ("/login", "/language"):
            answer = await tab.post(action, {**form, "next": wanted})
            assert (answer.status_code, answer.headers["location"]) == (303, "/"), wanted
            assert not {"a"} & set(tab.set)
        answer = await tab.send("GET", "/login", params={"next": wanted})
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), wanted


async def test_a_path_of_this_origin_is_kept_through_the_sign_in(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    await tab.open("/login?next=/somewhere%3Fa=b")
    assert (await tab.submit("/login", email=acme.administrator.email, password="wrong")).status_code == 401
    answer = await tab.submit("/login", email=acme.administrator.email, password=make.PASSWORD)
    assert answer.headers["location"] == "/somewhere?a=b"


async def test_x7_no_header_of_a_request_gets_into_a_page_or_an_address(tab: Tab, house: House) -> None:
    acme, token = await invited(house)
    plain = _settled((await tab.open(f"/invitation?token={token}")).text)
    for headers in (
        {"host": "evil.example"},
        {"x-forwarded-host": "evil.example"},
        {"x-forwarded-proto": "gopher"},
        {"forwarded": "host=evil.example;proto=https"},
        {"x-original-url": "/evil.example"},
        {"x-forwarded-prefix": "/evil.example"},
    ):
        assert _settled((await tab.send("GET", f"/invitation?token={token}", headers=headers)).text) == plain
        answer = await tab.send("GET", "/", headers=headers)
        assert answer.headers["location"] == "/login"
    assert acme.slug == "acme"


async def test_pages_are_not_kept_and_carry_the_security_headers(tab: Tab, emptied: object) -> None:
    for path in ("/login", "/", "/static/portillon.css", "/nothing-here"):
        answer = await tab.open(path, accept="text/html")
        assert answer.headers["cache-control"] == "no-store"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"


async def test_addresses_that_lead_nowhere_are_pages_for_people_and_problems_for_programs(tab: Tab, emptied: object) -> None:
    page = await tab.open("/nothing-here", accept="text/html")
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>Not found</h1>" in page.text
    for path, accept in (("/nothing-here", "*/*"), ("/api/v1/nothing-here", "text/html")):
        answer = await tab.open(path, accept=accept)
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await tab.open("/static/..%2fpages.py")).status_code == 404


def _settled(page: str) -> str:
    return re.sub(r'name="form_token" value="[^"]*"', "", page)
