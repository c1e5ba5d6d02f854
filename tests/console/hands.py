"""What people have to use a page with: a mouse, or a keyboard alone, which also checks that a reader always sees where they are."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from tests.console.focus import Focus

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page


class Hands(Protocol):
    """Everything that the walk does to a page; whatever leads elsewhere is done when the next page is there."""

    async def press(self, button: "Locator") -> None:
        """A button that sends its form."""

    async def follow(self, link: "Locator") -> None:
        """A link."""

    async def unfold(self, summary: "Locator") -> None:
        """What is folded away, on the same page."""

    async def write(self, field: "Locator", text: str) -> None:
        """In a field, instead of what is in it."""

    async def choose(self, option: "Locator") -> None:
        """One of several round buttons."""

    async def rest(self, place: "Locator") -> None:
        """Be there, and do nothing yet."""

    async def stayed(self, place: "Locator") -> None:
        """Check that what happened to the page meanwhile led nobody away from there."""


class Mouse:
    """Clicks; types where it must."""

    async def press(self, button: "Locator") -> None:
        """A click, and the next page."""
        async with _next_page(button.page):
            await button.click()

    async def follow(self, link: "Locator") -> None:
        """A click, and the next page."""
        await self.press(link)

    async def unfold(self, summary: "Locator") -> None:
        """A click."""
        await summary.click()

    async def write(self, field: "Locator", text: str) -> None:
        """As pasted."""
        await field.fill(text)

    async def choose(self, option: "Locator") -> None:
        """A click."""
        await option.check()

    async def rest(self, place: "Locator") -> None:
        """The pointer lies on it."""
        await place.hover()

    async def stayed(self, place: "Locator") -> None:
        """Nothing moves a pointer."""


class Keyboard:
    """Tab and Shift+Tab to get there, then Enter, Space, arrows or letters."""

    async def press(self, button: "Locator") -> None:
        """Space, as the platform has it for buttons."""
        await Focus(button.page).move_to(button)
        async with _next_page(button.page):
            await button.page.keyboard.press("Space")

    async def follow(self, link: "Locator") -> None:
        """Enter, as the platform has it for links."""
        await Focus(link.page).move_to(link)
        async with _next_page(link.page):
            await link.page.keyboard.press("Enter")

    async def unfold(self, summary: "Locator") -> None:
        """Whoever opened it stays where they are, and Tab leads into what came out."""
        focus = Focus(summary.page)
        await focus.move_to(summary)
        await summary.page.keyboard.press("Enter")
        assert await focus.is_at(summary)
        await summary.page.keyboard.press("Tab")
        assert await focus.is_within(summary.locator("xpath=..")), "the next stop lies outside of what was opened"
        await summary.page.keyboard.press("Shift+Tab")
        assert await focus.is_at(summary)

    async def write(self, field: "Locator", text: str) -> None:
        """Tab selects what is in a field, so that typing replaces it."""
        await Focus(field.page).move_to(field)
        await field.page.keyboard.type(text)

    async def choose(self, option: "Locator") -> None:
        """Tab leads into the group, arrows to the one that is meant."""
        focus = Focus(option.page)
        await focus.move_into(option.locator("xpath=ancestor::fieldset[1]"))
        for _ in range(await option.page.get_by_role("radio").count()):
            if await focus.is_at(option):
                break
            await option.page.keyboard.press("ArrowDown")
        assert await focus.is_at(option)
        await option.page.keyboard.press("Space")
        assert await option.is_checked()

    async def rest(self, place: "Locator") -> None:
        """The focus lies on it."""
        await Focus(place.page).move_to(place)

    async def stayed(self, place: "Locator") -> None:
        """The focus lies on it still."""
        assert await Focus(place.page).is_at(place)


def _next_page(page: "Page") -> AbstractAsyncContextManager[Any]:
    # What is looked for right after a form was sent might be found in the page before.
    return page.expect_navigation()
