"""The development mailbox: mail goes in by SMTP, and comes out as pages that trust nothing in it."""

import smtplib
from asyncio import to_thread
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from litestar import Litestar

from service.mail_drop import MailDrop
from service.mailbox import mailbox_routes
from tests.api import open_client


@pytest.fixture
async def drop(tmp_path: Path) -> AsyncIterator[str]:
    """A mail server whose mails the pages show; its address."""
    server = MailDrop(tmp_path / "mail")
    yield await server.start()
    await server.stop()


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The mailbox's pages."""
    async with open_client(Litestar(mailbox_routes(tmp_path / "mail"))) as client:
        yield client


def letter(subject: str, text: str, html: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "gate@example.com", "Anaïs <anais@example.com>", subject
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


async def send(address: str, message: EmailMessage) -> None:
    parts = urlsplit(address)

    def deliver() -> None:
        with smtplib.SMTP(parts.hostname or "", parts.port or 0, timeout=10) as client:
            client.send_message(message)

    await to_thread(deliver)


async def first_mail(pages: httpx.AsyncClient) -> str:
    listing = (await pages.get("/dev/mail")).text
    return listing.split('href="/dev/mail/', 1)[1].split('"', 1)[0]


async def test_an_empty_mailbox_says_so_in_both_languages(pages: httpx.AsyncClient) -> None:
    english = await pages.get("/dev/mail")
    french = await pages.get("/dev/mail", headers={"Accept-Language": "fr"})

    assert "No mail yet." in english.text
    assert "Aucun message pour l'instant." in french.text


async def test_mails_are_listed_newest_first_and_shown_with_their_links(drop: str, pages: httpx.AsyncClient) -> None:
    await send(drop, letter("Première", "Bonjour"))
    await send(drop, letter("Seconde", "Ouvrez https://example.com/a?token=x&y=z, merci.\n\nhttps://example.com/a?token=x&y=z"))

    listing = (await pages.get("/dev/mail")).text
    shown = (await pages.get(f"/dev/mail/{await first_mail(pages)}")).text

    assert listing.index("Seconde") < listing.index("Première")
    assert "Anaïs &lt;anais@example.com&gt;" in listing
    assert shown.count('<a href="https://example.com/a?token=x&amp;y=z"') == 1
    assert "<iframe" not in shown


async def test_nothing_in_a_mail_becomes_markup_of_the_page(drop: str, pages: httpx.AsyncClient) -> None:
    hostile = "<script>alert(1)</script>"
    await send(drop, letter(hostile, f'{hostile} javascript:alert(1) https://example.com/"><script>'))

    for page in ("/dev/mail", f"/dev/mail/{await first_mail(pages)}"):
        text = (await pages.get(page)).text
        assert "<script" not in text
        assert 'href="javascript' not in text


async def test_the_html_part_comes_alone_in_a_sandbox(drop: str, pages: httpx.AsyncClient) -> None:
    await send(drop, letter("Hello", "text", "<p onclick='x()'>rich</p>"))
    mail = await first_mail(pages)

    page, html = await pages.get(f"/dev/mail/{mail}"), await pages.get(f"/dev/mail/{mail}/html")

    assert f'<iframe sandbox src="/dev/mail/{mail}/html"' in page.text
    assert "rich" not in page.text
    assert html.text.strip() == "<p onclick='x()'>rich</p>"
    policy = html.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'self'"} <= set(policy)


async def test_a_mail_that_no_standard_allows_is_shown_all_the_same(tmp_path: Path, pages: httpx.AsyncClient) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    broken = b"Subject: =?utf-9?q?x?=\xff\nTo: <<>>,;\nContent-Type: text/plain; charset=no-such\n\n\xff\xfe"
    (folder / "20260101T000000000000-00000000.eml").write_bytes(broken)

    assert (await pages.get("/dev/mail")).status_code == 200
    assert (await pages.get("/dev/mail/20260101T000000000000-00000000")).status_code == 200


@pytest.mark.parametrize(
    "path", ["nothing", "..%2F..%2Fsecret-key", "20260101T000000000000-00000000", "20260101T000000000000-00000000/html"]
)
async def test_what_is_not_a_mail_is_not_found(pages: httpx.AsyncClient, path: str) -> None:
    assert (await pages.get(f"/dev/mail/{path}")).status_code == 404


async def test_mails_are_readable_by_their_owner_alone(drop: str, tmp_path: Path) -> None:
    await send(drop, letter("Hello", "text"))

    assert (tmp_path / "mail").stat().st_mode & 0o077 == 0
    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "mail").iterdir()] == [0]
