"""The mail server of `portillon up`: takes everything, delivers nothing, and keeps each mail as a file for the mailbox."""

import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

LARGEST = 10_000_000  # bytes


class MailDrop:
    """An SMTP server on a free port of the loopback interface."""

    def __init__(self, folder: Path) -> None:
        """The folder is made for its owner alone: the mails hold links that set passwords."""
        self._folder = folder
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; returns the address as a setting spells it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"smtp+plain://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the mail as it came; whole or not at all."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
        await asyncio.to_thread(self._keep, name, content)
        return f"250 2.0.0 kept as {name}"

    def _protocol(self) -> SMTP:
        return SMTP(self, data_size_limit=LARGEST, enable_SMTPUTF8=True, hostname="localhost", ident="Portillon mailbox")

    def _keep(self, name: str, content: bytes) -> None:
        unfinished = self._folder / f".{name}"
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(content)
        unfinished.replace(self._folder / f"{name}.eml")
