"""The whole walk on `portillon up`: the mailbox, the link in the mail, a password, the limit, a free place, the way out."""

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.console.links import NEW_PASSWORD
from tests.installation import installation

if TYPE_CHECKING:
    from playwright.async_api import Browser

DOMAIN = "atelier-morel.example.com"


@pytest.mark.timeout(300)
async def test_from_the_mail_to_work_and_out_again(chromium: "Browser", tmp_path: Path) -> None:
    async with installation(tmp_path / "data") as (url, passwords):
        await _fill(url, [(f"{name}@{DOMAIN}", passwords[f"{name}@{DOMAIN}"]) for name in ("claire", "thomas", "nadia")])
        context = await chromium.new_context(java_script_enabled=False, locale="en")
        context.set_default_timeout(30_000)
        page = await context.new_page()
        await page.goto(await _link_in_the_mail(url, f"julie@{DOMAIN}"))
        await page.get_by_role("heading", name="Join Atelier Morel").wait_for()
        await page.get_by_label("Choose a password").fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Accept the invitation").click()
        await page.get_by_label("Password").fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="All places are taken").wait_for()

        nadia = await (await chromium.new_context(java_script_enabled=False, locale="fr")).new_page()
        await nadia.goto(url)
        await nadia.get_by_label("Adresse e-mail").fill(f"nadia@{DOMAIN}")
        await nadia.get_by_label("Mot de passe").fill(passwords[f"nadia@{DOMAIN}"])
        await nadia.get_by_role("button", name="Se connecter").click()
        await nadia.get_by_role("button", name="Se déconnecter").click()
        await nadia.get_by_text("Vous êtes déconnecté(e)").wait_for()

        await page.get_by_role("button", name="Try again").click()
        # Until here the browser's language; from here on the person's own.
        await page.get_by_role("heading", name="Bonjour, Julie Renaud").wait_for()
        await page.get_by_role("button", name="Se déconnecter").click()
        await page.get_by_text("You are signed out").wait_for()


async def _fill(url: str, people: list[tuple[str, str]]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30, verify=False) as client:  # noqa: S501 - plain http
        for email, password in people:
            answer = await client.post("/api/v1/login", json={"email": email, "password": password})
            assert answer.status_code == 201, answer.text


async def _link_in_the_mail(url: str, address: str) -> str:
    """As a person finds it: in the list of the mailbox, in the mail, in its links."""
    async with httpx.AsyncClient(base_url=url, timeout=30, verify=False) as client:  # noqa: S501 - plain http
        for _ in range(60):
            rows = (await client.get("/dev/mail")).text.split("<li>")
            mine = [row for row in rows if address in row]
            if mine and (mail := re.search(r'href="(/dev/mail/[^"]+)"', mine[0])):
                links = re.findall(rf'href="({re.escape(url)}/invitation\?token=[^"]+)"', (await client.get(mail[1])).text)
                return str(links[0])
            await asyncio.sleep(0.5)
    raise AssertionError(f"no mail to {address}")
