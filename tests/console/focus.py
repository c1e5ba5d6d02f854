"""Where the keyboard is on a page, and the way from there: every stop must be seen, and no stop may be a surprise."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

MOST_STOPS = 60
SKIP = "Aller au contenu"

# Of the element that has the focus: what a reader sees of it. `fresh` is a page in which no key was pressed yet.
_LOOK = """() => {
  const now = document.activeElement, fresh = now === document.body && !window.walked;
  window.walked = true;
  const style = getComputedStyle(now), box = now.getClientRects()[0] ?? new DOMRect();
  const over = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return {
    fresh, lost: now === document.body,
    name: (now.labels?.[0] ?? now).textContent.trim().replace(/\\s+/g, " "),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    open: box.width > 1 && box.height > 1 && over !== null && (now.contains(over) || over.contains(now)),
    inMain: document.querySelector("main").contains(now),
  };
}"""
_WAY = """(wanted) => {
  const now = document.activeElement, way = now.compareDocumentPosition(wanted);
  if (now === wanted) return "here";
  return now !== document.body && way & Node.DOCUMENT_POSITION_PRECEDING && !(way & Node.DOCUMENT_POSITION_CONTAINS) ? "back" : "on";
}"""
_AT = "(wanted) => document.activeElement === wanted"
_WITHIN = "(wanted) => wanted !== document.activeElement && wanted.contains(document.activeElement)"


class Focus:
    """Moves by Tab and Shift+Tab alone."""

    def __init__(self, page: "Page") -> None:
        self._page = page

    async def is_at(self, wanted: "Locator") -> bool:
        """Whether this has the focus."""
        return bool(await wanted.evaluate(_AT))

    async def is_within(self, wanted: "Locator") -> bool:
        """Whether something in this has it."""
        return bool(await wanted.evaluate(_WITHIN))

    async def move_to(self, wanted: "Locator") -> None:
        """Until this has the focus; past the menu by the link that every page with one begins with."""
        await wanted.wait_for()
        await self._begin(wanted)
        stops: list[str] = []
        while (way := await wanted.evaluate(_WAY)) != "here":
            stops.append(await self._step("Shift+Tab" if way == "back" else "Tab"))
            assert len(stops) < MOST_STOPS, stops

    async def move_into(self, group: "Locator") -> None:
        """Until something in this has the focus."""
        await self._begin(group)
        stops: list[str] = []
        while not await self.is_within(group):
            stops.append(await self._step("Tab"))
            assert len(stops) < MOST_STOPS, stops

    async def _begin(self, wanted: "Locator") -> None:
        # Whoever opens a page hears first how to get past what stands on every page, and is then where the page's own begins.
        look: dict[str, Any] = await self._page.evaluate(_LOOK)
        if not look["fresh"]:
            assert not look["lost"], "what had the focus is gone, and the focus with it"
            return
        if not await self._page.get_by_role("link", name=SKIP).count():
            return
        assert await self._step("Tab") == SKIP
        if await wanted.evaluate("(wanted) => document.querySelector('main').contains(wanted)"):
            await self._page.keyboard.press("Enter")
            await self._step("Tab")
            assert (await self._page.evaluate(_LOOK))["inMain"], "the link past the menu leads elsewhere"

    async def _step(self, key: str) -> str:
        await self._page.keyboard.press(key)
        look: dict[str, Any] = await self._page.evaluate(_LOOK)
        assert not look["lost"], "the page ends without it"
        assert look["ring"], f"nothing shows that the focus is on “{look['name']}”"
        assert look["open"], f"“{look['name']}” has the focus and is hidden"
        return str(look["name"])
