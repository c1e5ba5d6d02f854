"""People in front of real browsers: each has their own, signs in, and remembers what their browser complained about."""

from typing import TYPE_CHECKING

from tests.make import Person

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page


class Someone:
    """One person, one browser, one tab at first."""

    def __init__(self, page: "Page", url: str) -> None:
        self.page = page
        self.url = url
        #: What the console of the browser said is wrong, but for pages that are refusals themselves.
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def sign_in(self, person: Person) -> None:
        """By the form of the page to sign in."""
        await self.page.goto(f"{self.url}/login")
        await self.page.locator('[name="email"]').fill(person.email)
        await self.page.locator('[name="password"]').fill(person.password)
        await self.page.keyboard.press("Enter")
        await self.page.locator('h1:not(:text-is("Sign in"))').wait_for()

    async def press(self, name: str) -> None:
        """A button."""
        await self.page.get_by_role("button", name=name, exact=True).first.click()

    async def reads(self, text: str) -> None:
        """Until the page shows it, without anybody doing anything."""
        await self.page.get_by_text(text).first.wait_for()

    def _hear(self, message: "ConsoleMessage") -> None:
        if message.type in {"error", "warning"} and "409 (Conflict)" not in message.text:
            self.complaints.append(message.text)


async def someone(browser: "Browser", url: str, *, scripts: bool = True, language: str = "en") -> Someone:
    """Somebody with a new browser."""
    context = await browser.new_context(java_script_enabled=scripts, locale=language)
    context.set_default_timeout(20_000)
    return Someone(await context.new_page(), url)
