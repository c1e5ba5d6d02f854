"""A walk past the pages of roles and settings, in a company that has some of everything."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from tenants import assignments, custom_roles
from tenants.house import House
from tests import make
from tests.console.seller_tour import Send, SignIn
from tests.make import Company

if TYPE_CHECKING:
    from playwright.async_api import Page

_RIGHTS = ["projects.view", "projects.edit", "quotes.view", "quotes.print", "planning.view", "planning.manage", "hours.view"]


async def role_pages(
    page: "Page", url: str, house: House, *, word: str, language: str, sign_in: SignIn, send: Send
) -> AsyncIterator[str]:
    """Drive the browser from page to page, naming each."""
    name = "Chef de chantier" if language == "fr" else "Site manager"
    works = await make.company(house, f"Works {word}", staff=2, language=language)
    role = await _own_role(house, works, name)
    await sign_in(page, url, works.administrator.email, make.PASSWORD)
    for path, called in (
        ("/roles", "roles"),
        ("/roles/new?copy_of=user", "role-new"),
        ("/roles/user", "role-built-in"),
        (f"/roles/{role}", "role"),
    ):
        await page.goto(url + path)
        yield called
    await page.locator('button[value="row.stock"]').click()
    await page.locator('input[value="quotes.print"]').uncheck()
    await page.locator('button[value="review"]').first.click()
    yield "role-review"
    await page.locator('button[value="back"]').click()
    await send(page, f"/roles/{role}", name="")
    yield "role-refused"
    for path, called in (("/settings", "settings"), ("/settings/places", "settings-places")):
        await page.goto(url + path)
        yield called
    await page.goto(f"{url}/settings/visits")
    await page.locator('[value="until"]').check()
    await page.locator('[name="role"]').select_option("simple_administrator")
    await send(page, "/settings/visits", reason="Paramétrage" if language == "fr" else "Setting up")
    yield "settings-visits"
    await page.goto(f"{url}/settings/keys")
    await page.locator('[name="scope"][value="sessions.introspect"]').check()
    await send(page, "/settings/keys", name="Facturation" if language == "fr" else "Invoicing")
    yield "settings-key-made"
    await page.goto(f"{url}/settings/keys")
    yield "settings-keys"


async def _own_role(house: House, works: Company, name: str) -> str:
    admin = await make.actor(house, works, works.administrator)
    async with house.database.transaction(works.account_id) as session:
        role = await custom_roles.create_role(session, house.catalogue, admin, name=name, rights=_RIGHTS, restrictions=["hours"])
        for person in works.staff:
            await assignments.change_user(session, house.catalogue, admin, person.user_id, wanted={"role": role})
    return role
