"""A walk past the pages of whoever sells: a reseller with clients of every kind, and the operator."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, update

from tenants import boosts, outbox, seat_requests, visit_permissions
from tenants.boost_terms import Weekly
from tenants.client_figures import reckon
from tenants.house import House
from tenants.licences import lock_licence
from tenants.outbox import Letter, OwedMail
from tenants.usage import UsageDay
from tests import make
from tests.make import Company

if TYPE_CHECKING:
    from playwright.async_api import Page

SignIn = Callable[["Page", str, str, str], Awaitable[None]]
Send = Callable[..., Awaitable[None]]


async def seller_pages(
    page: "Page", url: str, house: House, *, word: str, language: str, sign_in: SignIn, send: Send
) -> AsyncIterator[str]:
    """Drive the browser from page to page, naming each."""
    revendo, morel = await sellers_world(house, word=word, language=language)
    # Whoever used this browser before is gone.
    await page.context.clear_cookies()
    await sign_in(page, url, revendo.administrator.email, make.PASSWORD)
    here = f"{url}/clients/{morel.account_id}"
    for path, name in (
        ("/clients", "clients"),
        ("/clients/new", "client-new"),
        (f"/clients/{morel.account_id}", "client"),
        (f"/clients/{morel.account_id}/licence", "client-licence"),
        (f"/clients/{morel.account_id}/boosts", "client-boosts"),
        ("/visits", "visits"),
        (f"/visits/{morel.account_id}", "visit"),
        ("/requests", "requests"),
        ("/pool", "pool"),
        ("/branding", "branding"),
    ):
        await page.goto(url + path)
        yield name
    await send(page, "/branding", name="Revendo & Cie", colour="#f2c14e", support="aide@revendo.example.com")
    yield "branding-saved"
    await page.goto(f"{url}/clients/new")
    await send(page, "/clients/new", name="Maçonnerie Le Gall", email=f"anne@legall-{word}.example.com", person="Anne Le Gall")
    yield "client-review"
    await page.goto(f"{here}/licence")
    await page.locator('[name="seats"]').fill("2")
    await page.locator('.actions [value="preview"]').click()
    yield "client-licence-preview"
    await page.goto(f"{here}/boosts")
    await send(page, f"/clients/{morel.account_id}/boosts", seats="0")
    yield "client-boosts-refused"
    await page.goto(f"{url}/requests")
    await page.locator(".rows .button").first.click()
    yield "request"
    await send(page, "/logout")
    operator = await make.operator(house)
    await sign_in(page, url, operator.administrator.email, make.PASSWORD)
    await page.locator(f'form[action="/language"] [value="{language}"]').click()
    await page.goto(f"{url}/system")
    yield "system"


async def sellers_world(house: House, *, word: str, language: str) -> tuple[Company, Company]:
    """Revendo, with a pool of 30 places, three clients and a reseller below; and the client of which most is to be told."""
    revendo = await make.company(house, f"Revendo {word}", kind="reseller", staff=0, language=language)
    async with house.database.transaction(revendo.account_id) as session:
        (await lock_licence(session)).pool_seats = 30
    morel = await make.company(house, f"Atelier Morel {word}", plan="pro", parent=revendo, staff=2, language=language)
    north = await make.company(house, f"Northwind Ltd {word}", plan="standard", parent=revendo, staff=1, language="en")
    await make.company(house, f"Cabinet Durand {word}", plan="basic", parent=revendo, staff=0, language=language)
    for company, seats in ((morel, 6), (north, 3)):
        await _used(house, company, seats)
    await _given(house, revendo, morel)
    for company, seats in ((morel, 2), (north, 3)):
        await _asked(house, company, seats)
    await _undelivered(house, north)
    return revendo, morel


async def _used(house: House, company: Company, seats: int) -> None:
    async with house.database.transaction(company.account_id) as session:
        today = datetime.now(UTC).date()
        for back in range(28):
            day = today - timedelta(days=back)
            # Weekends are quiet, and the last week is full.
            peak = 0 if day.isoweekday() > 5 else min(seats, 2 + back * 7 % seats) if back > 7 else seats
            refused = 3 - back % 3 if peak == seats and back < 8 else 0
            counts = {"refused": refused, "sign_ins": 3 * peak, "waited_ms": 90_000 * refused, "idle_ms": 60_000 * peak}
            avoided = {str(seats + 1): refused} if refused else {}
            session.add(
                UsageDay(
                    account_id=company.account_id, day=day, part="1", peak=peak, taken={str(seats): peak}, avoided=avoided, **counts
                )
            )
        await session.flush()
        await reckon(session)


async def _given(house: House, revendo: Company, morel: Company) -> None:
    seller, now = await make.actor(house, revendo, revendo.administrator), datetime.now(UTC)
    mornings = Weekly([1, 2], 8 * 60, 12 * 60)
    async with house.database.transaction(revendo.account_id) as session:
        await boosts.give_boost(
            session, seller, morel.account_id, seats=2, starts_at=None, ends_at=now + timedelta(days=5), reason="Fin de trimestre"
        )
        ends = now + timedelta(days=90)
        await boosts.give_boost(
            session, seller, morel.account_id, seats=1, starts_at=now + timedelta(days=20), ends_at=ends, weekly=mornings
        )
    admin = await make.actor(house, morel, morel.administrator)
    async with house.database.transaction(morel.account_id) as session:
        await visit_permissions.allow_visits(
            session, house.catalogue, admin, visitor="reseller", once=False, rights=["users.view", "licence.view"]
        )


async def _asked(house: House, company: Company, seats: int) -> None:
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        await seat_requests.ask(session, house.catalogue, admin, seats=seats, reason="Deux nouvelles embauches au bureau d’études")


async def _undelivered(house: House, company: Company) -> None:
    async with house.database.transaction(company.account_id) as session:
        outbox.post(session, Letter.PASSWORD_RESET, to=company.administrator.user_id)
        await session.flush()
        mine = update(OwedMail).where(OwedMail.account_id == company.account_id, OwedMail.letter == Letter.PASSWORD_RESET.value)
        said = "550 5.1.1 <ada@northwind.example.com>: Recipient address rejected: user unknown"
        await session.execute(mine.values(state="refused", attempts=1, settled_at=func.now(), last_reply=said))
