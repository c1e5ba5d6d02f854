"""What a page weighs on its way to a browser: the document and everything that it loads, as they travel."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page, Request

#: Bytes, of the first visit: the browser keeps stylesheet, scripts and icons, which are counted for every page all the same.
LIMIT = 60_000


class Scale:
    """Weighs the page that a browser shows."""

    def __init__(self, page: "Page") -> None:
        """From now on."""
        self._loaded: list[Request] = []
        #: What each address weighed when it came over the wire.
        self._known: dict[str, int] = {}
        self._page = page
        page.on("request", self._begin)
        page.on("requestfinished", self._end)

    def _begin(self, request: "Request") -> None:
        # A document may end later than the files that it names.
        if request.is_navigation_request() and request.frame == self._page.main_frame:
            self._loaded.clear()

    def _end(self, request: "Request") -> None:
        self._loaded.append(request)

    async def weigh(self) -> int:
        """Bytes of the bodies, compressed where they came so."""
        for request in self._loaded:
            size = (await request.sizes())["responseBodySize"]
            self._known[request.url] = size if request.is_navigation_request() else max(size, self._known.get(request.url, 0))
        return sum(self._known[url] for url in {request.url for request in self._loaded})
