"""A walk past the pages that invite, and those about departments, as the administrator of a company of six."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from sqlalchemy import func, update

from tenants import departments, invitations
from tenants.accounts import Account
from tenants.house import House
from tenants.invitations import Invitation
from tenants.outbox import Letter, OwedMail
from tests import make
from tests.console.seller_tour import Send, SignIn
from tests.make import Company

if TYPE_CHECKING:
    from playwright.async_api import Page


async def inviting_pages(
    page: "Page", url: str, house: House, *, word: str, language: str, sign_in: SignIn, send: Send
) -> AsyncIterator[str]:
    """Drive the browser from page to page, naming each."""
    atelier = await make.company(house, f"Atelier {word}", plan="pro", staff=1, language=language)
    await page.context.clear_cookies(name="__Host-portillon")
    await sign_in(page, url, atelier.administrator.email, make.PASSWORD)
    await page.goto(f"{url}/departments")
    yield "departments-none"
    await _world(house, atelier)
    for path, name in (
        ("/departments", "departments"),
        ("/invite", "invite"),
        ("/invite/many", "invite-many"),
        ("/invite/pending", "invite-pending"),
    ):
        await page.goto(url + path)
        yield name
    async with house.database.transaction(atelier.account_id) as session:
        await session.execute(update(Account).where(Account.id == atelier.account_id).values(admin_sets_password=True))
    await page.reload()
    await page.locator(".unfolds summary").first.click()
    await page.locator('form[action$="/link"] button').first.click()
    await page.wait_for_load_state()
    yield "invite-link"
    await page.goto(f"{url}/departments")
    await page.locator(".table a").last.click()
    await page.locator(".confirm summary").click()
    yield "department"
    await page.goto(f"{url}/invite")
    await send(page, "/invite", email="lea@example", name="Léa Martin")
    yield "invite-refused"
    await page.goto(f"{url}/invite/many")
    lines = f"jean@{word}.example.com; Jean Petit\nzoé\n{atelier.staff[0].email}"
    await send(page, "/invite/many", list=lines)
    yield "invite-preview"
    await send(page, "/invite/many")
    yield "invite-result"
    await page.context.clear_cookies(name="__Host-portillon")


async def _world(house: House, company: Company) -> None:
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        workshop, _ = [
            await departments.create_department(session, admin, name=name, code=code)
            for name, code in (("Bureau d’études", "BE"), ("Chantiers", None))
        ]
        old = await departments.create_department(session, admin, name="Agence de Nantes", code="44")
        await departments.change_department(session, admin, old.id, wanted={"archived": True})
        for name, where in (("Nina", [workshop.id]), ("Oscar", None)):
            email = f"{name.lower()}@{company.slug}.example.com"
            await invitations.invite(session, house.catalogue, admin, email=email, role="user", name=name, departments=where)
    async with house.database.transaction(company.account_id) as session:
        said = "550 5.1.1 <oscar@example.com>: Recipient address rejected: user unknown"
        mine = update(OwedMail).where(OwedMail.account_id == company.account_id, OwedMail.letter == Letter.INVITATION.value)
        await session.execute(mine.values(state="refused", attempts=1, settled_at=func.now(), last_reply=said))
        # One of the two has opened the link all the same.
        one = update(Invitation).where(Invitation.account_id == company.account_id, Invitation.accepted_at.is_(None))
        first = min((await session.scalars(one.returning(Invitation.id).values(language="fr"))).all())
        await session.execute(update(Invitation).where(Invitation.id == first).values(opened_at=func.now()))
