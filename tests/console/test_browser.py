"""The console in a real browser: the walk without scripts and by keyboard, and what axe finds on every page."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from tenants import invitations
from tenants.house import House
from tests import make
from tests.console.conftest import Live
from tests.console.links import NEW_PASSWORD
from tests.console.tour import every_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
# The dark scheme changes colours and nothing else.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
SIZES = ((1280, 800), (320, 640))


async def test_the_walk_without_scripts(live: Live, chromium: "Browser", house: House) -> None:
    acme = await make.company(house, staff=0, seats=1)
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email="nina@acme.example.com", role="user", name="Nina")
    token = await make.invitation_token(house, acme.account_id, user.id)
    at_work = await _page(chromium, scripts=False)
    await at_work.goto(live.url)
    await _type_and_enter(at_work, acme.administrator.email, make.PASSWORD)
    await at_work.get_by_text("Places in use: 1 of 1").wait_for()

    newcomer = await _page(chromium, scripts=False)
    await newcomer.goto(f"{live.url}/invitation?token={token}")
    await newcomer.get_by_label("Choose a password").fill(NEW_PASSWORD)
    await newcomer.get_by_role("button", name="Accept the invitation").click()
    await newcomer.get_by_text("You have joined Acme").wait_for()
    assert await newcomer.get_by_label("E-mail address").input_value() == "nina@acme.example.com"
    await newcomer.get_by_label("Password").fill(NEW_PASSWORD)
    await newcomer.get_by_role("button", name="Sign in").click()
    await newcomer.get_by_role("heading", name="All places are taken").wait_for()
    await newcomer.get_by_text("Ada of Acme", exact=True).wait_for()
    await newcomer.get_by_role("button", name="Try again").click()
    await newcomer.get_by_role("heading", name="All places are taken").wait_for()
    await at_work.get_by_role("button", name="Sign out").click()
    await at_work.get_by_text("You are signed out").wait_for()
    await newcomer.get_by_role("button", name="Try again").click()
    await newcomer.get_by_role("heading", name="Good to see you, Nina").wait_for()
    cookies = {cookie["name"]: cookie for cookie in await newcomer.context.cookies()}
    mine = cookies["__Host-portillon"]
    assert (mine["secure"], mine["httpOnly"], mine["sameSite"], mine["path"]) == (True, True, "Lax", "/")
    await newcomer.get_by_role("button", name="Français").click()
    await newcomer.get_by_role("heading", name="Bonjour, Nina").wait_for()
    await newcomer.get_by_role("button", name="Se déconnecter").click()
    await newcomer.get_by_text("Vous êtes déconnecté(e)").wait_for()


async def test_signing_in_and_out_by_keyboard_alone(live: Live, chromium: "Browser", house: House) -> None:
    acme = await make.company(house, staff=0)
    page = await _page(chromium, scripts=False)
    await page.goto(f"{live.url}/login")
    await page.keyboard.press("Tab")
    assert await page.locator(":focus").inner_text() == "Skip to the content"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type(acme.administrator.email)
    await page.keyboard.press("Tab")
    await page.keyboard.type("not the password")
    await page.keyboard.press("Enter")
    await page.get_by_role("alert").wait_for()
    assert "Wrong address or password" in await page.locator(":focus").inner_text()
    await page.keyboard.press("Tab")
    assert await page.locator(":focus").input_value() == acme.administrator.email
    await page.keyboard.press("Tab")
    await page.keyboard.type(make.PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Good to see you").wait_for()
    await page.wait_for_load_state()
    for _ in range(4):
        await page.keyboard.press("Tab")
    assert await page.locator(":focus").inner_text() == "Sign out"
    await page.keyboard.press("Enter")
    await page.get_by_text("You are signed out").wait_for()


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_axe_finds_nothing_on_any_page_wide_or_narrow_light_or_dark(
    live: Live, chromium: "Browser", house: House, language: str
) -> None:
    page = await _page(chromium, language=language)
    seen: list[str] = []
    found: list[str] = []
    async for name in every_page(page, live.url, house, word=language, language=language):
        seen.append(name)
        assert await page.locator("html").get_attribute("lang") == language, name
        found += [f"{name}: {trouble}" for trouble in await troubles_of(page, dark=language == "fr")]
    assert len(seen) == len(set(seen)) == 102
    assert found == []


async def troubles_of(page: "Page", *, dark: bool = True) -> list[str]:
    """What axe finds on the page, wide and narrow, light and dark; colours are the same in every language, so one is enough for `dark`."""
    from axe_playwright_python.async_playwright import Axe

    await page.evaluate(Axe().axe_script)
    troubles: list[str] = []
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        if await page.evaluate("document.documentElement.scrollWidth") > width:
            troubles.append(f"wider than {width}")
        for scheme, rules in (("light", RULES), ("dark", COLOURS))[: 1 + dark]:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of its two words
            result: dict[str, Any] = await page.evaluate(f"axe.run({json.dumps(rules)})")
            for violation in result["violations"]:
                where = ", ".join(str(node["target"]) for node in violation["nodes"])
                troubles.append(f"{width} {scheme} {violation['id']} at {where}")
    return troubles


async def _type_and_enter(page: "Page", email: str, password: str) -> None:
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.keyboard.press("Enter")


async def _page(browser: "Browser", *, scripts: bool = True, language: str = "en") -> "Page":
    context = await browser.new_context(java_script_enabled=scripts, locale=language)
    context.set_default_timeout(15_000)
    return await context.new_page()
