"""The whole walk on `portillon up`: the mailbox, the link in the mail, a password, the limit, a free place, the way out."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.console.links import NEW_PASSWORD

if TYPE_CHECKING:
    from playwright.async_api import Browser

_READY_WITHIN = 120
DOMAIN = "atelier-dubois.example.com"


@asynccontextmanager
async def installation(folder: Path) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """A running `portillon up` of its own: its address, and the demo people's passwords by address."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PORTILLON_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.cli", "up",
        env={**own, "PORTILLON_DATA_DIR": str(folder), "PORTILLON_PORT": "0", "LC_ALL": "C.UTF-8", "LANGUAGE": "en"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_READY_WITHIN):
            url = await _address(process)
        passwords: dict[str, str] = json.loads((folder / "demo.json").read_text())["passwords"]
        yield url, passwords
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 60)


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    said = ""
    async for line in process.stdout:
        said += line.decode()
        if found := re.search(r"(http://localhost:\d+)/dev/mail", said):
            return found[1]
    raise AssertionError(f"portillon up did not start:\n{said}")


@pytest.mark.timeout(300)
async def test_from_the_mail_to_work_and_out_again(chromium: "Browser", tmp_path: Path) -> None:
    async with installation(tmp_path / "data") as (url, passwords):
        await _fill(url, [(f"{name}@{DOMAIN}", passwords[f"{name}@{DOMAIN}"]) for name in ("alice", "benoit", "chloe")])
        context = await chromium.new_context(java_script_enabled=False, locale="en")
        context.set_default_timeout(30_000)
        page = await context.new_page()
        await page.goto(await _link_in_the_mail(url, f"gael@{DOMAIN}"))
        await page.get_by_role("heading", name="Join Atelier Dubois").wait_for()
        await page.get_by_label("Choose a password").fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Accept the invitation").click()
        await page.get_by_label("Password").fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="All places are taken").wait_for()

        chloe = await (await chromium.new_context(java_script_enabled=False, locale="fr")).new_page()
        await chloe.goto(url)
        await chloe.get_by_label("Adresse e-mail").fill(f"chloe@{DOMAIN}")
        await chloe.get_by_label("Mot de passe").fill(passwords[f"chloe@{DOMAIN}"])
        await chloe.get_by_role("button", name="Se connecter").click()
        await chloe.get_by_role("button", name="Se déconnecter").click()
        await chloe.get_by_text("Vous êtes déconnecté(e)").wait_for()

        await page.get_by_role("button", name="Try again").click()
        # Until here the browser's language; from here on the person's own.
        await page.get_by_role("heading", name="Bonjour, Gaël Morvan").wait_for()
        await page.get_by_role("button", name="Se déconnecter").click()
        await page.get_by_text("You are signed out").wait_for()


async def _fill(url: str, people: list[tuple[str, str]]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        for email, password in people:
            answer = await client.post("/api/v1/login", json={"email": email, "password": password})
            assert answer.status_code == 201, answer.text


async def _link_in_the_mail(url: str, address: str) -> str:
    """As a person finds it: in the list of the mailbox, in the mail, in its links."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        for _ in range(60):
            rows = (await client.get("/dev/mail")).text.split("<li>")
            mine = [row for row in rows if address in row]
            if mine and (mail := re.search(r'href="(/dev/mail/[^"]+)"', mine[0])):
                links = re.findall(rf'href="({re.escape(url)}/invitation\?token=[^"]+)"', (await client.get(mail[1])).text)
                return str(links[0])
            await asyncio.sleep(0.5)
    raise AssertionError(f"no mail to {address}")
