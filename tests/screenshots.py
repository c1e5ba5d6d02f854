"""`make screenshots`: a picture of every page of the demo in both languages, or of the few that the README shows.

python -m tests.screenshots [--readme] [--narrow] [--dark] FOLDER
"""

import argparse
import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from service.console.browser import LANGUAGE_COOKIE
from tests.installation import installation

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

WIDE, NARROW, HEIGHT = 1280, 360, 860
#: Who walks, from their menu through every page that a link leads to.
TOURS: Mapping[str, str] = {
    "client": "claire@atelier-morel.example.com",
    "reseller": "remi@revendo.example.com",
    "operator": "olivia@editions.example.com",
}
#: At work, without a browser that is looked at.
AT_WORK = tuple(f"{name}@atelier-morel.example.com" for name in ("thomas", "nadia"))
REFUSED, THEIR_COMPANY = "sophie@cabinet-durand.example.com", "Atelier Morel"
_CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
_FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
_ONE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
README = {"client-overview", "client-users", "limit"}


class Walk:
    """One walk in one language; every page in which somebody works stays open, as it would."""

    def __init__(self, browser: "Browser", url: str, passwords: Mapping[str, str], **given: Any) -> None:
        """`given` is for the browser: sizes, colours."""
        self._browser, self._url, self._passwords, self._given = browser, url, passwords, given

    async def pages(self, language: str) -> AsyncIterator[tuple[str, "Page"]]:
        """Every page with its name."""
        await self._work()
        for tour, email in TOURS.items():
            page = await self._open(language)
            if tour == "client":
                yield "sign-in", page
                await page.goto(f"{self._url}/forgot")
                yield "forgot", page
                await page.goto(f"{self._url}/login")
            await self._sign_in(page, email)
            async for name in self._every(page):
                yield f"{tour}-{name}", page
        page = await self._open(language)
        await self._sign_in(page, REFUSED)
        yield "choice", page
        async with page.expect_navigation():
            await page.get_by_role("button", name=THEIR_COMPANY).click()
        yield "limit", page

    async def _every(self, page: "Page") -> AsyncIterator[str]:
        await page.goto(self._url)
        waiting, seen = await self._links(page, "nav.side a"), set[str]()
        while waiting:
            path = waiting.pop(0)
            # Of pages that differ in what they are about, the first.
            name = _ONE.sub("one", path).strip("/").replace("/", "-") or "overview"
            if name not in seen:
                seen.add(name)
                await page.goto(f"{self._url}{path}")
                yield name
                waiting += await self._links(page, "main a:not([download])")

    async def _links(self, page: "Page", selector: str) -> list[str]:
        found = await page.locator(selector).evaluate_all("links => links.map(link => link.getAttribute('href'))")
        return [urlsplit(href).path for href in found if href and href.startswith("/")]

    async def _open(self, language: str) -> "Page":
        context = await self._browser.new_context(locale=language, user_agent=_CHROME, **self._given)
        await context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": self._url}])
        page = await context.new_page()
        await page.goto(f"{self._url}/login")
        return page

    async def _sign_in(self, page: "Page", email: str) -> None:
        await page.locator('[name="email"]').fill(email)
        await page.locator('[name="password"]').fill(self._passwords[email])
        async with page.expect_navigation():
            await page.locator('form[action="/login"] button').first.click()

    async def _work(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=30, headers={"User-Agent": _FIREFOX}) as client:
            for email in AT_WORK:
                answer = await client.post("/api/v1/login", json={"email": email, "password": self._passwords[email]})
                answer.raise_for_status()


async def picture(folder: Path, *, readme: bool, narrow: bool, dark: bool) -> None:
    """Write the pictures into the folder."""
    from playwright.async_api import async_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("No Chromium on this machine: apt-get install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    size = {"width": NARROW if narrow else WIDE, "height": HEIGHT}
    with tempfile.TemporaryDirectory(prefix="portillon-pictures-") as data:
        async with installation(Path(data) / "data") as (url, passwords), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            walk = Walk(browser, url, passwords, viewport=size, color_scheme="dark" if dark else "light")
            for language in ("fr",) if readme else ("fr", "en"):
                async for name, page in walk.pages(language):
                    if not readme or name in README:
                        called = name if readme else f"{name}.{language}"
                        await page.screenshot(path=folder / f"{called}.png", full_page=not readme)
            await browser.close()


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description="Pictures of the demo's pages.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--readme", action="store_true", help="only those that the README shows, in French, one screen of each")
    parser.add_argument("--narrow", action="store_true", help="as on a telephone")
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    asyncio.run(picture(given.folder, readme=given.readme, narrow=given.narrow, dark=given.dark))


if __name__ == "__main__":
    _main()
