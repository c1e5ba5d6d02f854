"""Tabs without a browser, and a real server with a real browser where one is installed."""

import asyncio
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn

from service.embedded import Addresses
from service.front import Front
from tenants.house import House, open_house
from tests.api import open_client
from tests.conftest import MailServer, application, settings_on
from tests.console.tab import Tab

if TYPE_CHECKING:
    from playwright.async_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """Requests straight into the application."""
    async with open_client(application(house)) as opened:
        yield opened


@pytest.fixture
def tab(client: httpx.AsyncClient) -> Tab:
    """A browser that asks for English."""
    return Tab(client, accept_language="en")


@dataclass(frozen=True)
class Live:
    """A server that a browser can reach."""

    url: str


class _Server(uvicorn.Server):
    """Ends the streams of events first, as the product's own does."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what has begun."""
        assert isinstance(self.config.app, Front)
        self.config.app.leave()
        await super().shutdown(sockets)


@pytest.fixture
def live(emptied: Addresses, mail_server: MailServer, tmp_path: Path) -> Iterator[Live]:
    """The application under uvicorn on a free port of this machine, in a thread with its own event loop."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        settings = settings_on(emptied, smtp_port=mail_server.port, data_dir=tmp_path, public_url=url)
        house = open_house(settings)
        server = _Server(uvicorn.Config(application(house, beside=2), access_log=False, log_config=None, ws="none"))

        async def serve() -> None:
            await server.serve(sockets=[listener])
            await house.close()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        try:
            yield Live(url)
        finally:
            server.should_exit = True
            thread.join(timeout=20)


@pytest.fixture(scope="session")
async def one_chromium() -> AsyncIterator["Browser"]:
    """Debian's Chromium, without a window: starting it takes longer than most tests do."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield browser
        await browser.close()


@pytest.fixture
async def chromium(one_chromium: "Browser") -> AsyncIterator["Browser"]:
    """The browser, without a page: each test opens people's own in it."""
    yield one_chromium
    for context in one_chromium.contexts:
        await context.close()
