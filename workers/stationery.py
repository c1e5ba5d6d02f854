"""What letters are written on: templates compiled once per language, dates as readers say them, and the headers of every mail."""

from copy import copy
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import mrml
from babel.dates import format_time, get_timezone_gmt
from email_validator import validate_email
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from tenants.brands import Look
from tenants.catalogue import LANGUAGES
from tenants.colours import accent
from tenants.languages import SOURCE_LANGUAGE, customs, translations, written_day
from tenants.outbox import Letter
from tenants.settings import Settings

_HERE = Path(__file__).parent
# Web fonts would be fetched from a third party whenever somebody reads a mail.
_COLOUR, _PAPER = "#1f5f8b", ("#eef2f5", "#ffffff")
_NO_WEB_FONTS = mrml.RenderOptions(disable_comments=False, fonts={})


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a letter is for, and how they read dates."""

    name: str
    email: str
    language: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant in the reader's words: `friday 28 november 2025`, `14:32`, `UTC+01:00`."""

    day: str
    time: str
    zone: str


class Stationery:
    """Writes mails from templates and words. Every template is compiled at the start: a broken one stops the worker, not a mail."""

    def __init__(self, settings: Settings) -> None:
        """Compile all letters in all languages."""
        self.public_url = settings.public_url
        self._domain = urlsplit(settings.public_url).hostname or "localhost"
        name, address = parseaddr(settings.mail_from)
        self._from = Address(display_name=name, addr_spec=address)
        self._brand: Look | None = None
        self._templates = {(letter, language): _compiled(letter, language) for letter in Letter for language in LANGUAGES}

    @property
    def sender(self) -> str:
        """The envelope's sender."""
        return self._from.addr_spec

    def under(self, brand: Look | None) -> "Stationery":
        """The same, with the looks of a brand."""
        branded = copy(self)
        branded._brand = brand  # noqa: SLF001 - its own, a moment old
        return branded

    def write(self, letter: Letter, reader: Reader, *, mail: tuple[UUID, UUID], **words: Any) -> EmailMessage:
        """The whole mail. `mail` is its account and row in the outbox: a retry carries the same Message-ID (RFC 5322, 3.6.4).

        Raises ValueError for names that would break out of a header.
        """
        language = known(reader.language)
        brand, colours = self._brand, accent((self._brand and self._brand.colour) or _COLOUR, on=_PAPER)
        facts = {"reader": reader, "language": language, "public_url": self.public_url, "brand": brand, "colours": colours, **words}
        subject, text, mjml = (template.render(facts) for template in self._templates[letter, language])
        account_id, row_id = mail
        message = EmailMessage(policy=SMTP)
        message["Subject"] = subject.strip()
        self._sign(message)
        message["To"] = Address(display_name=reader.name, addr_spec=_on_the_wire(reader.email))
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{row_id.hex}.{account_id.hex[-8:]}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text.strip() + "\n", cte="quoted-printable")
        message.add_alternative(mrml.to_html(mjml, render_options=_NO_WEB_FONTS).content, subtype="html", cte="quoted-printable")
        # Last: new content takes away every Content- header that was there before.
        message["Content-Language"] = language
        return message

    def _sign(self, message: EmailMessage) -> None:
        # RFC 5322, 3.6.2: whom the mail is from, and who sends it where that is another. Bounces come to the installation in any case.
        brand = self._brand
        if brand is None:
            message["From"] = self._from
            return
        message["From"] = Address(display_name=brand.name, addr_spec=_on_the_wire(brand.sender) if brand.sender else self.sender)
        if brand.sender is not None:
            message["Sender"] = self._from
        if brand.reply_to is not None:
            message["Reply-To"] = Address(addr_spec=_on_the_wire(brand.reply_to))


def recipient_of(message: EmailMessage) -> str:
    """The envelope's recipient."""
    address: str = message["To"].addresses[0].addr_spec
    return address


def moment(when: datetime, reader: Reader) -> Moment:
    """An instant on the reader's clock and in their language."""
    local = when.astimezone(ZoneInfo(reader.time_zone))
    locale = locale_of(reader)
    return Moment(
        day=written_day(local, known(reader.language), width="full"),
        time=format_time(local, "short", locale=locale),
        zone=get_timezone_gmt(local, width="long", locale="fr"),
    )


def locale_of(reader: Reader) -> str:
    """By whose customs dates, hours and lists are written for the reader."""
    return customs(known(reader.language))


def known(language: str) -> str:
    """A language that letters are written in."""
    return language if language in LANGUAGES else SOURCE_LANGUAGE


def _compiled(letter: Letter, language: str) -> tuple[Template, Template, Template]:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(enabled_extensions=("mjml",), default=False),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    words = translations(_HERE / "locale", language)
    environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    subject, text, html = (environment.get_template(f"{letter}/{part}") for part in ("subject.txt", "text.txt", "html.mjml"))
    return subject, text, html


def _on_the_wire(address: str) -> str:
    # A domain with accents has an ASCII form that every mail server takes; a local part with accents has none.
    found = validate_email(address, check_deliverability=False, test_environment=True)
    return found.ascii_email or found.normalized
