"""Pages show the brand of the account that they are about, and strangers learn nothing from it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import update

from tenants import brands, invitations
from tenants.house import House
from tenants.invitations import Invitation
from tenants.logos import checked_logo
from tenants.tokens import Purpose
from tests import make
from tests.console.conftest import Live
from tests.console.links import NEW_PASSWORD, email_change_token, reset_token
from tests.console.tab import Tab
from tests.make import Company
from tests.pictures import picture

if TYPE_CHECKING:
    from playwright.async_api import Browser

CONTACT = '<a href="mailto:aide@horizon.example.com"><bdi>aide@horizon.example.com</bdi></a>'


async def seller_with_brand(house: House, word: str = "Horizon", **wanted: str) -> Company:
    """A reseller whose brand has everything."""
    seller = await make.company(house, word, kind="reseller", staff=0)
    boss = await make.actor(house, seller, seller.administrator)
    looks: dict[str, Any] = {"name": f"{word} & Fils", "colour": "#7a2e8e", "support": "aide@horizon.example.com", **wanted}
    async with house.database.transaction(seller.account_id) as session:
        await brands.set_brand(session, boss, wanted=looks)
        await brands.set_logo(session, boss, checked_logo(picture()))
    return seller


async def invited_to(house: House, company: Company, name: str = "nina") -> str:
    """The token of an invitation's mail."""
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        user = await invitations.invite(
            session, house.catalogue, admin, email=f"{name}@{company.slug}.example.com", role="user", name=name.title()
        )
    return await make.invitation_token(house, company.account_id, user.id)


@pytest.fixture
async def seller(house: House) -> Company:
    """A reseller with a brand."""
    return await seller_with_brand(house)


@pytest.fixture
async def acme(house: House, seller: Company) -> Company:
    """Its client."""
    return await make.company(house, parent=seller, staff=2, seats=1)


def must_be_branded(page: httpx.Response, seller: Company) -> None:
    """The page has the brand's name, logo, colours and contact, and loads them from its own origin."""
    where = f"{page.url}: {page.text}"
    assert "– Horizon &amp; Fils</title>" in page.text, where
    assert f'<img class="logo" src="/brands/{seller.account_id}/logo?v=' in page.text, where
    assert f'<link rel="stylesheet" href="/brands/{seller.account_id}/style.css?v=' in page.text, where
    assert CONTACT in page.text, where
    assert "Portillon</" not in page.text, where


def must_be_plain(page: httpx.Response) -> None:
    """The page looks like the installation's."""
    assert "– Portillon</title>" in page.text
    assert "/brands/" not in page.text
    assert "aide@" not in page.text


async def test_an_invitation_is_branded_from_its_link_to_the_first_page(
    tab: Tab, house: House, acme: Company, seller: Company
) -> None:
    token = await invited_to(house, acme)
    must_be_branded(await tab.open(f"/invitation?token={token}"), seller)
    must_be_branded(await tab.submit("/invitation", password="short"), seller)
    page = await tab.submit("/invitation", password=NEW_PASSWORD)
    assert "You have joined Acme" in page.text
    must_be_branded(page, seller)
    await tab.submit("/login", password=NEW_PASSWORD)
    must_be_branded(await tab.open("/"), seller)
    must_be_branded(await tab.open("/account/email"), seller)
    must_be_branded(await tab.submit("/account/email", email="nina2@acme.example.com", password="wrong"), seller)
    must_be_branded(await tab.submit("/account/email", email="nina2@acme.example.com", password=NEW_PASSWORD), seller)
    must_be_branded(await tab.open(f"/email-change?token={await email_change_token(house, Purpose.EMAIL_CHANGE)}"), seller)
    must_be_branded(await tab.submit("/email-change"), seller)
    must_be_branded(await tab.open(f"/email-change/revoke?token={await email_change_token(house, Purpose.EMAIL_REVOKE)}"), seller)
    must_be_branded(await tab.submit("/email-change/revoke"), seller)
    must_be_branded(await tab.open(f"/invitation?token={token}"), seller)


async def test_an_expired_invitation_is_branded_and_a_made_up_one_is_not(
    tab: Tab, house: House, acme: Company, seller: Company
) -> None:
    token = await invited_to(house, acme)
    async with house.database.transaction(acme.account_id) as session:
        await session.execute(update(Invitation).values(expires_at=datetime.now(UTC) - timedelta(hours=1)))
    page = await tab.open(f"/invitation?token={token}")
    assert (page.status_code, "This invitation has expired" in page.text) == (410, True)
    must_be_branded(page, seller)
    must_be_branded(await tab.submit("/invitation/renew"), seller)
    must_be_plain(await tab.open("/invitation?token=half"))
    must_be_plain(await tab.open(f"/invitation?token={token[:-40]}{'A' * 40}"))


async def test_a_reset_is_branded_and_asking_for_one_is_not(tab: Tab, house: House, acme: Company, seller: Company) -> None:
    email = acme.staff[0].email
    await tab.open("/forgot")
    must_be_plain(await tab.submit("/forgot", email=email))
    must_be_branded(await tab.open(f"/reset?token={await reset_token(house, email)}"), seller)
    must_be_branded(await tab.submit("/reset", password="password"), seller)
    form = tab.form("/reset")
    must_be_branded(await tab.submit("/reset", password=NEW_PASSWORD), seller)
    page = await tab.post("/reset", {**form, "password": NEW_PASSWORD})
    assert page.status_code == 410
    must_be_branded(page, seller)
    must_be_plain(await tab.open("/reset?token=half"))


async def test_the_limit_page_is_branded_after_the_right_password_and_for_whoever_lost_their_place(
    tab: Tab, client: httpx.AsyncClient, house: House, acme: Company, seller: Company
) -> None:
    first = Tab(client, accept_language="en")
    await first.sign_in(acme.staff[0])
    page = await tab.sign_in(acme.staff[1])
    assert (page.status_code, "All places are taken" in page.text) == (409, True)
    must_be_branded(page, seller)
    # The first was idle, and the place went to the second.
    await house.valkey.call(b"DEL", b"h:{" + acme.account_id.hex.encode() + b"}")
    await tab.submit("/login")
    assert (await tab.open("/")).status_code == 200
    page = await first.open("/")
    assert (page.status_code, "Your place became free while you were away" in page.text) == (409, True)
    must_be_branded(page, seller)
    assert (await first.send("HEAD", "/")).status_code == 409


async def test_a_wrong_password_tells_no_brand(tab: Tab, acme: Company) -> None:
    await tab.open("/login")
    must_be_plain(await tab.submit("/login", email=acme.staff[0].email, password="not the password"))


async def test_the_page_to_sign_in_shows_a_resellers_brand_by_its_slug_and_keeps_it(
    tab: Tab, acme: Company, seller: Company
) -> None:
    must_be_branded(await tab.open(f"/login?account={seller.slug}"), seller)
    assert f'name="next" value="/login?account={seller.slug}"' in tab.page.text
    page = await tab.submit("/login", email=acme.staff[0].email, password="not the password")
    assert page.status_code == 401
    must_be_branded(page, seller)
    assert (await tab.submit("/login", email=acme.staff[0].email, password=make.PASSWORD)).status_code == 303


async def test_slugs_of_clients_and_of_sellers_without_a_brand_look_like_slugs_of_nobody(
    tab: Tab, house: House, acme: Company
) -> None:
    plain = await make.company(house, "Plain", kind="reseller", staff=0)
    pages = []
    for slug in ("nobody-at-all", acme.slug, plain.slug, "../x", "a" * 70, "A B", ""):
        page = await tab.send("GET", f"/login?account={slug}")
        must_be_plain(page)
        pages.append(page.text)
    assert len(set(pages)) == 1


async def test_other_accounts_see_their_own_sellers_brand(tab: Tab, client: httpx.AsyncClient, house: House, acme: Company) -> None:
    other = await seller_with_brand(house, "Boreal", name="Boreal")
    theirs = await make.company(house, "Theirs", parent=other, staff=0)
    plain = await make.company(house, "Plain", staff=0)
    for company, name in ((acme, "Horizon &amp; Fils"), (theirs, "Boreal"), (plain, "Portillon"), (other, "Boreal")):
        mine = Tab(client, accept_language="en")
        await mine.sign_in(company.administrator)
        page = (await mine.open("/")).text
        assert f"– {name}</title>" in page
        assert {each for each in ("Horizon &amp; Fils", "Boreal") if f"<bdi>{each}</bdi></a>" in page} == {name} - {"Portillon"}


async def test_a_brand_without_a_logo_colour_or_contact_leaves_them_out(tab: Tab, house: House) -> None:
    seller = await make.company(house, "Bare", kind="reseller", staff=0)
    boss = await make.actor(house, seller, seller.administrator)
    async with house.database.transaction(seller.account_id) as session:
        await brands.set_brand(session, boss, wanted={"name": "<b>Bare</b>"})
    await tab.sign_in(seller.administrator)
    page = (await tab.open("/")).text
    assert "<bdi>&lt;b&gt;Bare&lt;/b&gt;</bdi>" in page
    assert "/brands/" not in page
    assert "Contact:" not in page


@pytest.mark.parametrize("colour", ["#ffee00", "#201040"])
async def test_axe_finds_nothing_on_branded_pages_of_any_colour(live: Live, chromium: "Browser", house: House, colour: str) -> None:
    from tests.console.test_browser import troubles_of

    seller = await seller_with_brand(house, colour=colour)
    acme = await make.company(house, parent=seller, staff=0, language="fr")
    context = await chromium.new_context(locale="fr")
    context.set_default_timeout(15_000)
    page = await context.new_page()
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("console", lambda message: failed.append(message.text))
    found = []
    await page.goto(f"{live.url}/invitation?token={await invited_to(house, acme)}")
    assert await page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--accent')") == colour
    assert await page.evaluate("document.querySelector('.logo').naturalWidth") == 120
    found += await troubles_of(page)
    await page.goto(f"{live.url}/login?account={seller.slug}")
    found += await troubles_of(page)
    await page.locator('[name="email"]').fill(acme.administrator.email)
    await page.locator('[name="password"]').fill(make.PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Bonjour").wait_for()
    found += await troubles_of(page)
    assert (found, failed) == ([], [])
