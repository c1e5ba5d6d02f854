"""The development mailbox: pages that show the mail that `portillon up` keeps instead of sending. Never mounted in production."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default as modern
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from service.routes import Open, get
from service.terminal import LOCALE
from tenants.languages import SOURCE_LANGUAGE, chosen_language, translations

SHOWN = 200
_ID = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{8}")
_LINK = re.compile(r"https?://[^\s<>\"']+")
_PAGES = Path(__file__).with_name("mailbox_pages")
# What a mail's own HTML may do in its frame: look as it was meant to. No script, no form, no image from elsewhere, no way out.
_FRAME_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as the pages show it. Every text in it is somebody else's."""

    id: str
    sender: str
    to: str
    subject: str
    at: datetime
    headers: list[tuple[str, str]]
    text: str
    html: str | None

    @property
    def links(self) -> list[str]:
        """Web addresses in the text part, once each, in order. Nothing but http and https."""
        return list(dict.fromkeys(found.rstrip(".,;:!?)") for found in _LINK.findall(self.text)))

    @property
    def paragraphs(self) -> list[list[str]]:
        """The text part as paragraphs of lines."""
        return [block.splitlines() for block in re.split(r"\n\s*\n", self.text.replace("\r\n", "\n").strip())]


def mailbox_routes(folder: Path) -> list[HTTPRouteHandler]:
    """The routes under /dev/mail that show the mails of a folder."""

    @get("/dev/mail", right=Open.TO_ANYONE, media_type=MediaType.HTML, include_in_schema=False)
    async def list_mail(request: Request[Any, Any, Any]) -> Response[str]:
        mails = await asyncio.to_thread(_newest, folder)
        return _page(request, "list.html", mails=mails, shown=SHOWN)

    @get("/dev/mail/{mail_id:str}", right=Open.TO_ANYONE, media_type=MediaType.HTML, include_in_schema=False)
    async def show_mail(request: Request[Any, Any, Any], mail_id: FromPath[str]) -> Response[str]:
        return _page(request, "mail.html", mail=await asyncio.to_thread(_get, folder, mail_id))

    @get("/dev/mail/{mail_id:str}/html", right=Open.TO_ANYONE, media_type=MediaType.HTML, include_in_schema=False)
    async def show_html(mail_id: FromPath[str]) -> Response[str]:
        mail = await asyncio.to_thread(_get, folder, mail_id)
        if mail.html is None:
            raise NotFoundException
        return Response(mail.html, media_type=MediaType.HTML, headers={"content-security-policy": _FRAME_POLICY})

    return [list_mail, show_mail, show_html]


def _newest(folder: Path) -> list[Mail]:
    # The names begin with the time: their order is the order in which the mails came.
    names = sorted((path.stem for path in folder.glob("*.eml") if _ID.fullmatch(path.stem)), reverse=True)
    return [mail for name in names[:SHOWN] if (mail := _find(folder, name)) is not None]


def _get(folder: Path, mail_id: str) -> Mail:
    mail = _find(folder, mail_id) if _ID.fullmatch(mail_id) else None
    if mail is None:
        raise NotFoundException
    return mail


def _find(folder: Path, mail_id: str) -> Mail | None:
    path = folder / f"{mail_id}.eml"
    try:
        raw, at = path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    except OSError:
        return None
    message = message_from_bytes(raw, policy=modern)
    headers = _headers(message)
    known = {name.lower(): value for name, value in reversed(headers)}
    return Mail(
        id=mail_id,
        sender=known.get("from", ""),
        to=known.get("to", ""),
        subject=known.get("subject", ""),
        at=at,
        headers=headers,
        text=_part(message, "plain") or "",
        html=_part(message, "html"),
    )


def _headers(message: EmailMessage) -> list[tuple[str, str]]:
    try:
        return [(name, str(value)) for name, value in message.items()]
    except (MessageError, ValueError, LookupError, IndexError):
        # The parser gives up on some malformed headers; the mail is shown without them.
        return [(name, str(value)) for name, value in message.raw_items()]


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        content = part.get_content()
    except (MessageError, ValueError, LookupError):
        content = part.get_payload(decode=True)
    return content if isinstance(content, str) else bytes(content or b"").decode(errors="replace")


def _page(request: Request[Any, Any, Any], name: str, **facts: Any) -> Response[str]:
    language = chosen_language(request.headers.get("accept-language"), default=SOURCE_LANGUAGE)
    return Response(_pages(language).get_template(name).render(language=language, **facts), media_type=MediaType.HTML)


@cache
def _pages(language: str) -> Environment:
    pages = Environment(
        loader=FileSystemLoader(_PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    pages.install_gettext_translations(translations(LOCALE, language), newstyle=True)  # type: ignore[attr-defined]  # the extension's
    return pages
