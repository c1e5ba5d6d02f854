"""What the pages say and where they lead: each refusal has a way on, in the reader's language."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tenants import invitations, password_resets, statuses
from tenants.house import House
from tenants.identities import normal_email
from tenants.invitations import Invitation
from tenants.password_resets import PasswordReset
from tenants.tokens import Purpose
from tests import make
from tests.console.tab import Tab
from tests.make import Company, Person

NEW_PASSWORD = "seven purple kites over Brest"


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
        "at work",
    ):
        assert fact in page.text
    assert (await tab.open("/login")).headers["location"] == "/"


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


async def test_an_administrator_ends_a_session_and_its_person_reads_who_and_when(
    tab: Tab, client: httpx.AsyncClient, house: House
) -> None:
    acme = await make.company(house, staff=1)
    other = Tab(client, accept_language="en")
    await other.sign_in(acme.staff[0])
    await tab.sign_in(acme.administrator)
    await tab.open("/")
    action = re.findall(r'action="(/sessions/[^"]+/end)"', tab.page.text)[0]
    assert (await tab.submit(action)).status_code == 303
    assert (await other.open("/")).headers["location"] == "/login"
    assert "Ada of Acme ended your session, just now." in (await other.open("/login")).text
    assert (await tab.post(action, (await _home(tab)).form("/logout"))).status_code == 303


async def test_staff_cannot_end_another_s_session(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=2, roles=("user",))
    admin = Tab(client, accept_language="en")
    await admin.sign_in(acme.administrator)
    await tab.sign_in(acme.staff[0])
    await admin.open("/")
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
    assert "Ada of Acme ended your session to take its place" in (await first.open("/login")).text


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
    for words in ("Access suspended", "March 1, 2040 at 9:30", "Holidays &lt;b&gt;", "admin@acme.example.com"):
        assert words in answer.text
    await tab.open("/login")
    wrong = await tab.submit("/login", email=acme.staff[0].email, password="not the password")
    assert wrong.status_code == 401
    assert "suspended" not in wrong.text.lower()


async def test_too_many_tries_say_how_long_to_wait(settings: Any, house: House) -> None:
    from service.app import create_app
    from tenants.house import open_house
    from tests.api import open_client

    strict = open_house(settings.model_copy(update={"attempts_per_identity": 1}))
    try:
        async with open_client(create_app(strict.settings, house=strict)) as client:
            tab = Tab(client, accept_language="en")
            await tab.open("/login")
            await tab.submit("/login", email="claire@example.com", password="one")
            answer = await tab.submit("/login", email="claire@example.com", password="two")
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= 900
            assert "Try again in 15 minutes." in answer.text
    finally:
        await strict.close()


async def test_joining_by_an_invitation_ends_at_a_filled_in_sign_in(tab: Tab, house: House) -> None:
    acme, token = await invited(house)
    page = await tab.open(f"/invitation?token={token}")
    assert page.status_code == 200
    for words in ("Join Acme", "Ada of Acme", "new@acme.example.com", "At least 12 characters"):
        assert words in page.text
    weak = await tab.submit("/invitation", name="Nina", password="acme acme acme")
    assert weak.status_code == 422
    assert "too easy to guess" in weak.text
    assert 'value="Nina"' in weak.text
    short = await tab.submit("/invitation", name="Nina", password="short")
    assert short.status_code == 422
    assert "at least 12 characters" in short.text
    joined = await tab.submit("/invitation", name="Nina", password=NEW_PASSWORD)
    assert joined.status_code == 200
    assert "You have joined Acme" in joined.text
    assert tab.session is None
    assert tab.form("/login")["email"] == "new@acme.example.com"
    assert (await tab.submit("/login", password=NEW_PASSWORD)).status_code == 303
    assert "Nina" in (await tab.open("/")).text
    again = await Tab(tab.client, accept_language="en").open(f"/invitation?token={token}")
    assert again.status_code == 410
    assert "no longer works" in again.text
    assert len(acme.people) == 1


async def test_an_existing_person_joins_with_the_password_they_have(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    beta = await make.company(house, "Beta", staff=0)
    admin = await make.actor(house, beta, beta.administrator)
    async with house.database.transaction(beta.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email=acme.staff[0].email, role="user")
    token = await make.invitation_token(house, beta.account_id, user.id)
    await tab.open(f"/invitation?token={token}")
    wrong = await tab.submit("/invitation", name="Person", password="not the password")
    assert wrong.status_code == 401
    assert "This is not the password of this address." in wrong.text
    assert (await tab.submit("/invitation", name="Person", password=make.PASSWORD)).status_code == 200


async def test_an_expired_invitation_can_be_asked_for_again(tab: Tab, house: House) -> None:
    acme, token = await invited(house)
    async with house.database.transaction(acme.account_id) as session:
        await session.execute(update(Invitation).values(expires_at=datetime.now(UTC) - timedelta(hours=1)))
    page = await tab.open(f"/invitation?token={token}")
    assert page.status_code == 410
    asked = await tab.submit("/invitation/renew")
    fields = {**(await tab.open(f"/invitation?token={token}") and tab.form("/invitation/renew")), "token": "never one of ours"}
    unknown = await tab.post("/invitation/renew", fields)
    assert asked.status_code == unknown.status_code == 200
    assert asked.text == unknown.text


async def invited(house: House) -> tuple[Company, str]:
    """Acme, and the token in the mail to somebody it invites."""
    acme = await make.company(house, staff=0)
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email="new@acme.example.com", role="user")
    return acme, await make.invitation_token(house, acme.account_id, user.id)


async def test_forgotten_password_from_the_page_to_the_next_sign_in(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    pages = []
    for email in (acme.administrator.email, "nobody@acme.example.com"):
        await tab.open("/forgot")
        answer = await tab.submit("/forgot", email=email)
        assert answer.status_code == 200
        pages.append(answer.text.replace(email, "EMAIL"))
    assert pages[0] == pages[1]
    token = await reset_token(house, acme.administrator.email)
    for _ in range(2):
        assert (await tab.open(f"/reset?token={token}")).status_code == 200
    weak = await tab.submit("/reset", password="passwordpassword")
    assert weak.status_code == 422
    assert 'aria-describedby="password-hint password-wrong"' in weak.text
    done = await tab.submit("/reset", password=NEW_PASSWORD)
    assert done.status_code == 200
    assert "Your password is changed" in done.text
    assert tab.session is None
    assert (await tab.open(f"/reset?token={token}")).status_code == 410
    await tab.open("/login")
    assert (await tab.submit("/login", email=acme.administrator.email, password=NEW_PASSWORD)).status_code == 303


async def reset_token(house: House, email: str) -> str:
    """The token of the newest reset mail to the address."""
    from sqlalchemy import select

    async with house.database.transaction() as session:
        await password_resets.ask(session, email_key=normal_email(email)[1])
    async with house.database.transaction() as session:
        reset = (await session.scalars(select(PasswordReset).order_by(PasswordReset.id.desc()).limit(1))).one()
    return house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=reset.id, nonce=reset.nonce)


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
    from tenants import accounts, users

    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await users.change_user(session, house.catalogue, admin, acme.administrator.user_id, name=name)
        await accounts.change_settings(session, await accounts.get_account(session, acme.account_id), wanted={"name": name})
    await tab.sign_in(acme.administrator)
    page = (await tab.open("/")).text
    assert "<script" not in page
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


async def _home(tab: Tab) -> Tab:
    await tab.open("/")
    return tab


def _settled(page: str) -> str:
    return re.sub(r'name="form_token" value="[^"]*"', "", page)
