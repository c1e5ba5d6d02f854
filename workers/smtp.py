"""The only code that talks to a mail server: lines that carry one mail after another, and say plainly what became of each."""

import asyncio
import ipaddress
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTPException, SMTPRecipientRefused, SMTPResponseException, SMTPServerDisconnected, SMTPStatus

from tenants.settings import Settings

_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
# The server wants us to sign in, or refuses our password: the settings are wrong, not the mail (RFC 4954, 6).
_OURS_TO_MEND = frozenset({530, 534, 535, 538})
_QUIT_WITHIN = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mail. `later` means that it may be tried again; `reply` is the server's, or says what broke."""

    kind: Literal["accepted", "refused", "later"]
    reply: str

    def __post_init__(self) -> None:
        """Keep what can be stored and shown: servers send any bytes at all."""
        printable = self.reply.encode("utf-8", "replace").decode("utf-8")
        object.__setattr__(self, "reply", " ".join("".join(c if c.isprintable() else " " for c in printable).split())[:500])


class PostOffice:
    """The mail server of the settings. `smtp://` requires STARTTLS and `smtps://` TLS, both verified; `smtp+plain://` has neither.

    Certificates are checked against the system's authorities, or those of `SSL_CERT_FILE`.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing connects yet."""
        address = urlsplit(settings.smtp_url.get_secret_value())
        self._scheme = address.scheme
        self._host = address.hostname or "localhost"
        self._port = address.port or _PORTS[address.scheme]
        self._user = unquote(address.username) if address.username else None
        self._password = unquote(address.password or "")
        self._timeout = settings.smtp_timeout
        self._we_are = _greeting_name(urlsplit(settings.public_url).hostname or "localhost")
        self._tls = None if address.scheme == "smtp+plain" else ssl.create_default_context()

    def line(self) -> "Line":
        """A line of its own to the server; it connects at the first mail."""
        return Line(
            aiosmtplib.SMTP(
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password if self._user else None,
                local_hostname=self._we_are,
                timeout=self._timeout,
                use_tls=self._scheme == "smtps",
                start_tls=self._scheme == "smtp",
                tls_context=self._tls,
            )
        )


class Line:
    """One connection: reused while it lasts, made again when it broke. Carries one mail at a time."""

    def __init__(self, smtp: aiosmtplib.SMTP) -> None:
        """Take a connection that is not open yet."""
        self._smtp = smtp

    async def hand_over(self, message: EmailMessage, *, sender: str, recipient: str, within: float) -> Outcome:
        """Hand one mail over. `accepted` only after the server's 250 to the dot; never longer than `within` seconds."""
        utf8 = not (sender + recipient).isascii()
        try:
            content = message.as_bytes(policy=SMTPUTF8 if utf8 else SMTP)
        except ValueError:
            return Outcome("refused", "this mail cannot be put into the form that mail servers take")
        try:
            async with asyncio.timeout(within):
                return await self._hand_over(content, sender, recipient, utf8=utf8)
        except TimeoutError:
            self._smtp.close()
            return Outcome("later", f"the mail server took longer than {within:.0f} s")
        except BaseException:
            # A reply that was not read would be taken for the answer to the next command.
            self._smtp.close()
            raise

    async def close(self) -> None:
        """Take leave of the server, if it is still there."""
        with suppress(SMTPException, OSError):
            if self._smtp.is_connected:
                await self._smtp.quit(timeout=_QUIT_WITHIN)
        self._smtp.close()

    async def _hand_over(self, content: bytes, sender: str, recipient: str, *, utf8: bool) -> Outcome:
        try:
            await self._begin(sender, utf8=utf8)
            await self._smtp.rcpt(recipient, encoding="utf-8" if utf8 else "ascii")
            accepted = await self._smtp.data(content)
        except _UndeliverableError as error:
            return Outcome("refused", str(error))
        except _NotConnectedError as error:
            self._smtp.close()
            return Outcome("later", str(error))
        except SMTPResponseException as error:
            await self._clear(error)
            kind: Literal["refused", "later"] = "refused" if _for_good(error.code) else "later"
            return Outcome(kind, _said(error))
        except (SMTPException, OSError) as error:
            self._smtp.close()
            return Outcome("later", f"the connection to the mail server broke: {_why(error)}")
        return Outcome("accepted", f"{accepted.code} {accepted.message}")

    async def _begin(self, sender: str, *, utf8: bool) -> None:
        # Servers close lines that were idle or carried enough; before the first command that costs nothing but a new line.
        if self._smtp.is_connected and await self._goes_on(sender, utf8=utf8):
            return
        self._smtp.close()
        await self._connect()
        await self._mail_from(sender, utf8=utf8)

    async def _goes_on(self, sender: str, *, utf8: bool) -> bool:
        try:
            await self._mail_from(sender, utf8=utf8)
        except SMTPServerDisconnected:
            return False
        except SMTPResponseException as error:
            if error.code == SMTPStatus.domain_unavailable:
                return False
            raise
        return True

    async def _mail_from(self, sender: str, *, utf8: bool) -> None:
        if utf8 and not self._smtp.supports_extension("smtputf8"):
            raise _UndeliverableError("this mail server takes no addresses with accents (SMTPUTF8)")
        await self._smtp.mail(sender, options=["SMTPUTF8"] if utf8 else None, encoding="utf-8" if utf8 else "ascii")

    async def _connect(self) -> None:
        # Whatever a server says before the first mail, even for good, is about the line and not about the mail.
        try:
            await self._smtp.connect()
            if self._smtp.is_ehlo_or_helo_needed:
                await self._smtp.ehlo()
        except SMTPResponseException as error:
            raise _NotConnectedError(f"the mail server would not talk to us: {_said(error)}") from error
        except ssl.SSLError as error:
            raise _NotConnectedError(f"the mail server's certificate or encryption is not acceptable: {_why(error)}") from error
        except (SMTPException, OSError) as error:
            raise _NotConnectedError(f"the mail server cannot be reached: {_why(error)}") from error

    async def _clear(self, error: SMTPResponseException) -> None:
        # After a refused recipient the line is as good as before; after anything else a new one is safer.
        try:
            if not isinstance(error, SMTPRecipientRefused) or error.code == SMTPStatus.domain_unavailable:
                self._smtp.close()
            elif self._smtp.is_connected:
                await self._smtp.rset()
        except (SMTPException, OSError):
            self._smtp.close()


class _NotConnectedError(Exception):
    """No line could be made; says why."""


class _UndeliverableError(Exception):
    """This server can never take this mail; says why."""


def _for_good(code: int) -> bool:
    return 500 <= code <= 599 and code not in _OURS_TO_MEND


def _said(error: SMTPResponseException) -> str:
    return f"{error.code} {error.message}".strip()


def _why(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__


def _greeting_name(host: str) -> str:
    # EHLO names a domain, or an address in brackets (RFC 5321, 4.1.3).
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"
