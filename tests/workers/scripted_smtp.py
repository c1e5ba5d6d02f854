"""A mail server that does at any step what a test asks of it: answers, hangs, breaks off, or calls the test."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from typing import Literal

# In the order of a conversation. `content` is after 354 and before the dot was read, `dot` before the mail is kept,
# `kept` between keeping it and the 250, `after` once the 250 has left.
Step = Literal["connect", "ehlo", "starttls", "mail", "rcpt", "data", "content", "dot", "kept", "after"]


@dataclass
class Visit:
    """One connection, and the mail that it is carrying."""

    secure: bool = False
    sender: str = ""
    recipient: str = ""
    commands: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Taken:
    """A mail that the server kept."""

    sender: str
    recipient: str
    message: EmailMessage
    secure: bool


#: What happens at a step: an answer instead of the usual one, or None to go on; raising ConnectionResetError breaks off.
Turn = Callable[[Visit], Awaitable[str | None]]


class ScriptedServer:
    """Listens on loopback while it is entered."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, extensions: tuple[str, ...] = ()) -> None:
        self.at: dict[Step, Turn] = {}
        self.taken: list[Taken] = []
        self.visits: list[Visit] = []
        self.port = 0
        self._tls = tls
        self._extensions = extensions
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ScriptedServer":
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        await self._server.wait_closed()

    def answer(self, step: Step, reply: str, *, times: int = 1_000_000, to: str = "") -> None:
        """Say this at the step, so many times, to mails for this recipient."""
        left = times

        async def turn(visit: Visit) -> str | None:
            nonlocal left
            if left <= 0 or not visit.recipient.startswith(to):
                return None
            left -= 1
            return reply

        self.at[step] = turn

    def break_off(self, step: Step, *, times: int = 1_000_000) -> None:
        """Reset the connection at the step, so many times."""
        left = times

        async def turn(_: Visit) -> str | None:
            nonlocal left
            left -= 1
            if left < 0:
                return None
            raise ConnectionResetError

        self.at[step] = turn

    async def left_alone(self) -> None:
        """Wait until every connection is closed: the next mail comes over a new one."""
        while self._talks:
            await asyncio.sleep(0.02)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        visit = Visit()
        self.visits.append(visit)
        try:
            await self._talk(visit, reader, writer)
            writer.close()
        except (ConnectionError, ssl.SSLError, EOFError):
            pass
        finally:
            self._talks.discard(talk)
            if not writer.is_closing():
                writer.transport.abort()

    async def _talk(self, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")
            await writer.drain()

        await say(await self._turn("connect", visit) or "220 scripted")
        while line := await reader.readline():
            command, _, rest = line.decode().strip().partition(" ")
            visit.commands.append(command.upper())
            if command.upper() == "QUIT":
                return await say("221 bye")
            if command.upper() == "DATA":
                await self._take(visit, reader, say)
            else:
                await say(await self._answer(visit, command.upper(), rest))
            if command.upper() == "STARTTLS":
                assert self._tls is not None
                await writer.start_tls(self._tls)
                visit.secure = True
        return None

    async def _answer(self, visit: Visit, command: str, rest: str) -> str:
        match command:
            case "EHLO":
                return await self._turn("ehlo", visit) or self._extension_lines(visit)
            case "STARTTLS":
                return await self._turn("starttls", visit) or "220 go ahead"
            case "MAIL":
                visit.sender = _address(rest)
                return await self._turn("mail", visit) or "250 ok"
            case "RCPT":
                visit.recipient = _address(rest)
                return await self._turn("rcpt", visit) or "250 ok"
            case "RSET":
                return "250 forgotten"
        return "500 what?"

    async def _take(self, visit: Visit, reader: asyncio.StreamReader, say: Callable[[str], Awaitable[None]]) -> None:
        if refusal := await self._turn("data", visit):
            return await say(refusal)
        await say("354 go ahead")
        content = await reader.readexactly(1)
        await self._turn("content", visit)
        while not content.endswith(b"\r\n.\r\n"):
            content += await reader.readline()
            if reader.at_eof():
                raise ConnectionResetError
        if refusal := await self._turn("dot", visit):
            return await say(refusal)
        message = message_from_bytes(content[:-3].replace(b"\r\n..", b"\r\n."), policy=modern)
        assert isinstance(message, EmailMessage)
        self.taken.append(Taken(visit.sender, visit.recipient, message, visit.secure))
        await self._turn("kept", visit)
        await say("250 taken")
        await self._turn("after", visit)
        return None

    async def _turn(self, step: Step, visit: Visit) -> str | None:
        turn = self.at.get(step)
        return await turn(visit) if turn is not None else None

    def _extension_lines(self, visit: Visit) -> str:
        offered = ["scripted", *self._extensions, *(["STARTTLS"] if self._tls and not visit.secure else [])]
        return "\r\n".join(f"250{'-' if number < len(offered) else ' '}{name}" for number, name in enumerate(offered, 1))


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]
