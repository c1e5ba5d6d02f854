"""A walk past every page of the console in one language, for whoever wants to look at each."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import update

from tenants import activity_exports, invitations, statuses, waiting_line
from tenants.activity_search import EVERYTHING
from tenants.house import House
from tenants.invitations import Invitation
from tenants.seat_requests import find_open
from tenants.tokens import Purpose
from tests import make
from tests.console.history_tour import history_pages
from tests.console.invite_tour import inviting_pages
from tests.console.links import NEW_PASSWORD, email_change_token, reset_token, seat_request_tokens
from tests.console.role_tour import role_pages
from tests.console.seller_tour import seller_pages
from tests.make import Company
from workers.exports import write_exports

if TYPE_CHECKING:
    from playwright.async_api import Page

SESSION = "__Host-portillon"


async def every_page(page: "Page", url: str, house: House, *, word: str, language: str) -> AsyncIterator[str]:
    """Drive the browser from page to page, naming each. `word` keeps the companies of two tours apart."""
    acme = await make.company(house, f"Acme {word}", staff=3, seats=2, language=language)
    steps = (_strangers(page, url, house, acme), _doors(page, url, house, acme), _inside(page, url, house, acme, word))
    for names in steps:
        async for name in names:
            yield name
    async for name in inviting_pages(page, url, house, word=word, language=language, sign_in=_sign_in, send=_send):
        yield name
    async for name in role_pages(page, url, house, word=word, language=language, sign_in=_sign_in, send=_send):
        yield name
    async for name in seller_pages(page, url, house, word=word, language=language, sign_in=_sign_in, send=_send):
        yield name
    async for name in _places(page, url, word):
        yield name
    async for name in history_pages(page, url, house, word=word, language=language, sign_in=_sign_in, send=_send):
        yield name


async def _strangers(page: "Page", url: str, house: House, acme: Company) -> AsyncIterator[str]:
    await page.goto(f"{url}/login")
    yield "login"
    await _sign_in(page, url, acme.administrator.email, "not the password")
    yield "login-refused"
    await _send(page, "/login", email="claire@example", password="x")
    yield "login-malformed"
    await page.goto(f"{url}/forgot")
    yield "forgot"
    await _send(page, "/forgot", email=acme.administrator.email)
    yield "sent"
    await page.goto(f"{url}/reset?token=half")
    yield "reset-over"
    await page.goto(f"{url}/reset?token={await reset_token(house, acme.staff[2].email)}")
    yield "reset"
    await _send(page, "/reset", password="passwordpassword")
    yield "reset-guessable"
    await _send(page, "/reset", password=NEW_PASSWORD)
    yield "changed"
    await page.goto(f"{url}/nothing-here")
    yield "not-found"


async def _doors(page: "Page", url: str, house: House, acme: Company) -> AsyncIterator[str]:
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        user = await invitations.invite(
            session, house.catalogue, admin, email=f"nina@{acme.slug}.example.com", role="user", name="Nina"
        )
    token = await make.invitation_token(house, acme.account_id, user.id)
    await page.goto(f"{url}/invitation?token={token}")
    yield "invitation"
    await _send(page, "/invitation", password="short")
    yield "invitation-too-short"
    async with house.database.transaction(acme.account_id) as session:
        await session.execute(update(Invitation).values(expires_at=datetime.now(UTC) - timedelta(hours=1)))
    await page.goto(f"{url}/invitation?token={token}")
    yield "invitation-expired"
    await _send(page, "/invitation/renew")
    yield "renewal-asked"
    await page.goto(f"{url}/invitation?token=half")
    yield "invitation-invalid"
    async with house.database.transaction(acme.account_id) as session:
        await statuses.suspend(
            session, house.catalogue, admin, acme.staff[2].user_id, until=datetime.now(UTC) + timedelta(days=9), reason="Holidays"
        )
    await _sign_in(page, url, acme.staff[2].email, NEW_PASSWORD)
    yield "suspended"


async def _inside(page: "Page", url: str, house: House, acme: Company, word: str) -> AsyncIterator[str]:
    beta = await make.company(house, f"Beta {word}", staff=0)
    admin = await make.actor(house, beta, beta.administrator)
    async with house.database.transaction(beta.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email=acme.administrator.email, role="user", name="Ada")
    await make.accept(house, beta.account_id, user.id)
    await _sign_in(page, url, acme.staff[0].email, make.PASSWORD)
    yield "home-staff"
    await page.goto(f"{url}/settings")
    yield "forbidden"
    async for name in _another_address(page, url, house, f"staff@{word}.example.com", acme.administrator.email):
        yield name
    first = await _step_aside(page, url, house, acme)
    await _sign_in(page, url, acme.administrator.email, make.PASSWORD)
    yield "choice"
    await page.get_by_role("button", name="Acme").click()
    yield "home-administrator"
    async for name in _export(page, url, house, acme):
        yield name
    async for name in _me(page, url):
        yield name
    async for name in _users(page, url, acme):
        yield name
    administrator = await _step_aside(page, url, house, acme)
    await _sign_in(page, url, acme.staff[1].email, make.PASSWORD)
    yield "full"
    async for name in _waiting(page, url, house, acme, administrator):
        yield name
    await _come_back(page, url, administrator)
    await _send(page, "/logout")
    await _sign_in(page, url, acme.staff[1].email, make.PASSWORD)
    second = await _step_aside(page, url, house, acme)
    await _sign_in(page, url, acme.administrator.email, make.PASSWORD)
    await page.get_by_role("button", name="Acme").click()
    yield "full-for-an-administrator"
    await page.locator('button[name="management"]').click()
    yield "home-managing"
    await _step_aside(page, url, house, acme)
    await _sign_in(page, url, acme.administrator.email, make.PASSWORD)
    await page.get_by_role("button", name="Acme").click()
    async for name in _seat_request(page, url, house, acme):
        yield name
    # Everybody was idle, one place is left, and somebody else has taken it.
    await house.valkey.call(b"DEL", b"h:{" + acme.account_id.hex.encode() + b"}")
    await make.set_seats(house, acme, 1)
    await _come_back(page, url, second)
    await _come_back(page, url, first)
    yield "full-without-a-place"


async def _users(page: "Page", url: str, acme: Company) -> AsyncIterator[str]:
    await page.goto(f"{url}/users")
    yield "users"
    for box in await page.locator('[name="user"]').all():
        await box.check()
    await page.locator('[name="action"]').select_option("role")
    await page.locator('form[action="/users/selected"] button').click()
    yield "users-selected"
    await page.locator('[name="role"][value="user"]').check()
    await _send(page, "/users/selected/change")
    yield "users-result"
    about = f"{url}/users/{acme.staff[2].user_id}"
    for part in ("", "/rights", "/sessions"):
        await page.goto(f"{about}{part}")
        yield f"user{part.replace('/', '-')}"


async def _me(page: "Page", url: str) -> AsyncIterator[str]:
    await page.goto(f"{url}/me")
    yield "me"
    await page.locator(".confirm > summary").first.click()
    await _send(page, "/me/password", current="not the password", password="passwordpassword")
    yield "me-refused"
    await page.goto(f"{url}/users/019a8b3c-0000-7000-8000-000000000000")
    yield "not-found-inside"
    await page.goto(f"{url}/me/rights")
    yield "me-rights"


async def _places(page: "Page", url: str, word: str) -> AsyncIterator[str]:
    # A client of the sellers' walk: with a month of figures, boosts, and a request that is open.
    await page.context.clear_cookies(name=SESSION)
    await _sign_in(page, url, f"admin@atelier-morel-{word}.example.com", make.PASSWORD)
    yield "overview"
    await page.goto(f"{url}/connections?days=90")
    for each in await page.locator("details").all():
        await each.evaluate("details => details.open = true")
    yield "connections"
    await page.goto(f"{url}/licence")
    yield "licence"


async def _waiting(page: "Page", url: str, house: House, acme: Company, administrator: str) -> AsyncIterator[str]:
    # From the limit page of somebody whom two colleagues keep out, one of them the administrator.
    await _send(page, "/wait")
    yield "wait-in-line"
    await _sign_in(page, url, acme.staff[1].email, make.PASSWORD)
    await page.locator('form[action="/ask"] button').last.click()
    yield "wait-asked"
    waiting = page.url
    await waiting_line.join(house.door, acme.account_id, acme.staff[2].user_id)
    await _come_back(page, url, administrator)
    yield "home-asked"
    await page.goto(f"{url}/asked")
    yield "asked"
    await _send(page, "/asked")
    await page.wait_for_url("**/asked?after=release")
    yield "asked-given"
    await page.goto(waiting)
    yield "wait-held"
    await waiting_line.leave(house.door, acme.account_id, acme.staff[1].user_id)
    await waiting_line.clear(house.door, acme.account_id)
    await page.goto(f"{url}/wait")
    yield "wait-over"


async def _seat_request(page: "Page", url: str, house: House, acme: Company) -> AsyncIterator[str]:
    await page.locator("summary", has=page.locator('xpath=following-sibling::form[@action="/seat-requests"]')).click()
    await _send(page, "/seat-requests", seats="0")
    yield "seat-request-ask"
    await _send(page, "/seat-requests", seats="2", reason="Two new colleagues")
    yield "seat-request-asked"
    async with house.database.transaction(acme.account_id) as session:
        request = await find_open(session)
    assert request is not None
    seller = await make.operator(house)
    tokens = await seat_request_tokens(house, seller, request.id)
    await page.goto(f"{url}/seat-request?token={tokens[seller.administrator.user_id]}")
    yield "seat-request"
    await _send(page, "/seat-request", seats="3")
    yield "seat-request-too-many"
    await _send(page, "/seat-request", seats="1", message="One for now")
    yield "seat-request-decided"
    await page.goto(f"{url}/seat-request?token={tokens[seller.administrator.user_id]}")
    yield "seat-request-over"


async def _export(page: "Page", url: str, house: House, acme: Company) -> AsyncIterator[str]:
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        export = await activity_exports.ask_for(session, admin, filters=EVERYTHING, format="csv", language="en")
    path = f"/activity/exports/{export.id}"
    await page.goto(f"{url}{path}")
    yield "activity-export-waiting"
    await write_exports(house)
    await page.goto(f"{url}{path}")
    yield "activity-export-ready"
    await _send(page, f"{path}/delete")
    yield "activity-export-cancelled"


async def _another_address(page: "Page", url: str, house: House, new: str, taken: str) -> AsyncIterator[str]:
    for email, name in ((taken, "email-change-taken"), (new, "email-changed")):
        await page.goto(f"{url}/account/email")
        if email == taken:
            yield "email-address"
            await _send(page, "/account/email", email=email, password="not the password")
            yield "email-address-refused"
        await _send(page, "/account/email", email=email, password=make.PASSWORD)
        if email == taken:
            yield "email-change-asked"
        await page.goto(f"{url}/email-change?token={await email_change_token(house, Purpose.EMAIL_CHANGE)}")
        if email == taken:
            yield "email-change"
        await _send(page, "/email-change")
        yield name
    await page.goto(f"{url}/email-change/revoke?token={await email_change_token(house, Purpose.EMAIL_REVOKE)}")
    yield "email-change-revoke"
    await page.goto(f"{url}/email-change/revoke?token=half")
    yield "email-change-over"


async def _step_aside(page: "Page", url: str, house: House, acme: Company) -> str:
    # To work on in a browser that sends no heartbeats: one that did would be taken for closed while others are looked at.
    async with page.expect_response("**/heartbeat"):
        await page.goto(url)
    session = next(cookie["value"] for cookie in await page.context.cookies() if cookie["name"] == SESSION)
    await page.context.clear_cookies(name=SESSION)
    for key in (b"b", b"l"):
        await house.valkey.call(b"DEL", key + b":{" + acme.account_id.hex.encode() + b"}")
    return session


async def _come_back(page: "Page", url: str, session: str) -> None:
    await page.context.add_cookies(
        [{"name": SESSION, "value": session, "url": url.replace("http:", "https:"), "secure": True, "httpOnly": True}]
    )
    await page.goto(url)


async def _sign_in(page: "Page", url: str, email: str, password: str) -> None:
    await page.goto(f"{url}/login")
    await _send(page, "/login", email=email, password=password)


async def _send(page: "Page", action: str, **typed: str) -> None:
    form = page.locator(f'form[action="{action}"]').first
    for name, value in typed.items():
        await form.locator(f'[name="{name}"]').fill(value)
    # Not by the button: the browser's own checks would keep malformed values from the server, whose answer is looked at here.
    await form.evaluate("form => form.noValidate = true")
    await form.locator("button").first.click()
    await page.wait_for_load_state()
