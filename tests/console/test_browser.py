"""The console in a real browser: signing in by keyboard, and what axe finds on every page."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from tenants.house import House
from tests import make
from tests.console.conftest import Live
from tests.console.tour import every_page
from tests.console.weight import LIMIT, Scale

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
# The dark scheme changes colours and nothing else.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
SHAPES = {**RULES, "rules": {"target-size": {"enabled": True}, "color-contrast": {"enabled": False}}}
SIZES = ((1280, 800), (320, 640))


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


@pytest.mark.long
@pytest.mark.parametrize("language", ["en", "fr"])
async def test_axe_finds_nothing_on_any_page_wide_or_narrow_light_or_dark(
    live: Live, chromium: "Browser", house: House, language: str
) -> None:
    page = await _page(chromium, language=language)
    scale = Scale(page)
    seen: list[str] = []
    found: list[str] = []
    weights: dict[str, int] = {}
    async for name in every_page(page, live.url, house, word=language, language=language):
        seen.append(name)
        assert await page.locator("html").get_attribute("lang") == language, name
        found += [f"{name}: {trouble}" for trouble in await troubles_of(page, dark=language == "fr")]
        weights[name] = await scale.weigh()
    assert len(seen) == len(set(seen)) == 106
    assert found == []
    # The stylesheet alone, compressed, weighs more than half of the lower bound: what a page loads is counted.
    heaviest = max(weights, key=lambda name: weights[name])
    assert 9_000 < weights[heaviest] <= LIMIT, heaviest


async def troubles_of(page: "Page", *, dark: bool = True) -> list[str]:
    """What axe finds on the page, wide and narrow, light and dark; colours are the same in every language, so one is enough for `dark`."""
    from axe_playwright_python.async_playwright import Axe

    await page.evaluate(Axe().axe_script)
    troubles: list[str] = []
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        if await page.evaluate("document.documentElement.scrollWidth") > width:
            troubles.append(f"wider than {width}")
        for scheme, rules in (("light", RULES if dark else SHAPES), ("dark", COLOURS))[: 1 + dark]:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of its two words
            result: dict[str, Any] = await page.evaluate(f"axe.run({json.dumps(rules)})")
            for violation in result["violations"]:
                where = ", ".join(str(node["target"]) for node in violation["nodes"])
                troubles.append(f"{width} {scheme} {violation['id']} at {where}")
    return troubles


async def _page(browser: "Browser", *, scripts: bool = True, language: str = "en") -> "Page":
    context = await browser.new_context(java_script_enabled=scripts, locale=language)
    context.set_default_timeout(15_000)
    return await context.new_page()
