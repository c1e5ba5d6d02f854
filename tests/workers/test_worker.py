"""The worker process and its bell: rung, it comes at once; deaf, it still comes; told to go, it leaves nothing in hand."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest
import redis.asyncio as redis

from service.doorbell import open_bell
from tenants.errors import Unavailable
from tenants.house import House, open_house
from tenants.outbox import BELL_QUEUE
from tests.conftest import MailServer
from tests.make import Company
from tests.workers.post import altered, invite, mails
from tests.workers.process import running_worker
from tests.workers.scripted_smtp import ScriptedServer, Visit
from workers.mail import LANES


class Cable:
    """Between a process and Valkey; can be cut and mended."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._pieces: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self.connections = 0

    @property
    def url(self) -> str:
        return self._target._replace(netloc=f":{self._target.password}@127.0.0.1:{self._port}").geturl()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for piece in self._pieces:
            piece.cancel()
        await asyncio.gather(*self._pieces, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._pieces |= {asyncio.create_task(_copy(reader, other_writer)), asyncio.create_task(_copy(other_reader, writer))}
        # Counted once both halves are laid: what is cut then is cut whole.
        self.connections += 1


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.transport.abort()


@pytest.fixture
async def cable(house: House) -> AsyncIterator[Cable]:
    laid = Cable(house.settings.redis_url.get_secret_value())
    await laid.mend()
    yield laid
    await laid.cut()


async def until(true: Callable[[], bool], *, within: float = 10) -> float:
    """Seconds until it was."""
    began = monotonic()
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.02)
    return monotonic() - began


async def queued(house: House) -> list[dict[str, object]]:
    async with redis.Redis.from_url(house.settings.redis_url.get_secret_value()) as client:
        names = await client.zrange(BELL_QUEUE, 0, -1)
        return [json.loads(await client.get(f"arq:job:{name.decode()}")) for name in names]


async def test_a_commit_rings_and_the_mail_leaves_at_once(
    house: House, acme: Company, mail_server: MailServer, tmp_path: Path
) -> None:
    settings = altered(house.settings, mail_sweep=600)
    ring, close = open_bell(settings)
    front = open_house(settings, bell=ring)
    async with running_worker(settings, tmp_path / "log") as worker:
        for number in range(3):
            await invite(front, acme, f"n{number}@example.com")
            assert await until(lambda sent=number + 1: len(mail_server.messages) == sent) < 3  # type: ignore[misc]
        assert await worker.stop() == 0
    logged = worker.log.read_text(encoding="utf-8")
    assert logged.count(": accepted") == 3
    for secret in ("example.com", "@", "token", "http://"):
        assert secret not in logged
    await front.close()
    await close()


async def test_many_rings_are_one(house: House) -> None:
    ring, close = open_bell(house.settings)
    for _ in range(20):
        await ring()
    await close()
    [job] = await queued(house)
    assert (job["f"], job["a"], job["k"]) == ("deliver", [], {})


async def test_the_worker_outlives_the_queue(
    house: House, acme: Company, mail_server: MailServer, tmp_path: Path, cable: Cable
) -> None:
    settings = altered(house.settings, mail_sweep=0.5, queue_redis_url=cable.url)
    ring, close = open_bell(settings)
    front = open_house(settings, bell=ring)
    async with running_worker(settings, tmp_path / "log") as worker:
        await until(lambda: cable.connections > 0)
        await cable.cut()
        began = monotonic()
        await invite(front, acme, "away@example.com")
        assert monotonic() - began < 2
        await until(lambda: len(mail_server.messages) == 1)
        known = cable.connections
        await cable.mend()
        await until(lambda: cable.connections > known)
        assert worker.runs
        ring_again, close_again = open_bell(settings)
        await ring_again()
        async with asyncio.timeout(5):
            while await queued(house):
                await asyncio.sleep(0.05)
        assert await worker.stop() == 0
    await front.close()
    await close()
    await close_again()


async def test_a_bell_that_cannot_be_heard_is_not_waited_for(house: House) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ring, close = open_bell(altered(house.settings, queue_redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
        began = monotonic()
        for _ in range(50):
            with pytest.raises(Unavailable):
                await ring()
        assert monotonic() - began < 1.5
        await close()


async def test_sigterm_finishes_the_mail_in_hand(house: House, acme: Company, scripted: ScriptedServer, tmp_path: Path) -> None:
    all_lanes = asyncio.Barrier(LANES + 1)

    async def slowly(_: Visit) -> str | None:
        await all_lanes.wait()
        await asyncio.sleep(1)
        return None

    scripted.at["dot"] = slowly
    for number in range(12):
        await invite(house, acme, f"n{number}@example.com")
    settings = altered(house.settings, smtp_url=f"smtp+plain://127.0.0.1:{scripted.port}")
    async with running_worker(settings, tmp_path / "log") as worker:
        await asyncio.wait_for(all_lanes.wait(), 20)
        assert await worker.stop() == 0
    rows = await mails(house, acme)
    assert [row.state for row in rows].count("sent") == len(scripted.taken) == LANES
    assert {row.leased_until for row in rows} == {None}
