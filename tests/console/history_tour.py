"""A walk past the pages of the history, in a company where something of everything has happened."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenants import account_settings, activity_exports, assignments, statuses
from tenants.activity import Event, record
from tenants.activity_search import EVERYTHING
from tenants.house import House
from tests import make
from tests.console.seller_tour import Send, SignIn
from tests.make import Company

if TYPE_CHECKING:
    from playwright.async_api import Page


async def history_pages(
    page: "Page", url: str, house: House, *, word: str, language: str, sign_in: SignIn, send: Send
) -> AsyncIterator[str]:
    """Drive the browser from page to page, naming each."""
    studio = await make.company(house, f"Studio {word}", staff=2, language=language)
    await _deeds(house, studio, "Congé" if language == "fr" else "Holidays")
    await page.context.clear_cookies()
    await sign_in(page, url, studio.administrator.email, "not the password")
    await sign_in(page, url, studio.administrator.email, make.PASSWORD)
    about = studio.staff[0].user_id
    for path, name in (
        ("/activity", "history"),
        ("/activity?text=nobody+has+this+name", "history-nothing-found"),
        ("/activity?from=2026-11-09&to=2026-11-08&ip=here", "history-refused"),
        ("/activity/exports?action=user&result=done", "history-export"),
        (f"/users/{about}/activity", "user-activity"),
        ("/me/activity", "me-activity"),
    ):
        await page.goto(url + path)
        yield name
    await page.goto(f"{url}/activity?action=user.changed")
    await page.locator(".line a").first.click()
    await page.wait_for_load_state()
    yield "history-line"
    await page.goto(f"{url}/settings")
    await send(page, "/settings/history", activity_months="6")
    yield "settings-history-fewer"


async def _deeds(house: House, studio: Company, reason: str) -> None:
    admin, (first, second) = await make.actor(house, studio, studio.administrator), studio.staff
    async with house.database.transaction(studio.account_id) as session:
        change = {"role": "simple_administrator", "name": "Zoé Marchand"}
        await assignments.change_user(session, house.catalogue, admin, first.user_id, wanted=change)
        until = datetime.now(UTC) + timedelta(days=9)
        await statuses.suspend(session, house.catalogue, admin, second.user_id, until=until, reason=reason)
        await account_settings.change_account(session, house.catalogue, admin, wanted={"idle_timeout": 45, "show_holders": False})
        record(
            session,
            Event.SEAT_REFUSED,
            by=admin,
            on=("user", first.user_id, first.name),
            result="refused",
            in_use=3,
            seats=3,
            held=0,
        )
        await activity_exports.ask_for(session, admin, filters=EVERYTHING, format="csv", language="en")
