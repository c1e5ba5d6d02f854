"""5,000 people who only listen: what they cost one process, and how soon the end of a session reaches its own."""

import asyncio
import resource
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
from uuid_utils.compat import uuid7

from tenants.house import House
from tests.bench.figures import Figures, Number, Ratio
from tests.bench.people import hire, sign_in
from tests.faults.processes import Process, Stage
from tests.make import Company

LISTENERS, ACCOUNTS = 5_000, 10
GOAL_MB = 300
_AT_ONCE, _ENDED, _IDLE_SECONDS = 50, 40, 10
_COLUMNS = ("account_id", "id", "user_id", "token_digest", "expires_at")


@dataclass
class _Ear(asyncio.Protocol):
    """One browser: asks, and notes when it heard that its session is over."""

    port: int
    account_id: UUID
    session_id: UUID
    token: str
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ended_at: float = 0.0
    transport: asyncio.WriteTransport | None = None

    async def connect(self) -> None:
        """Listen; returns when the first numbers came."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)
        async with asyncio.timeout(60):
            await self.begun.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        request = f"GET /api/v1/session/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        if b"event: seats" in data:
            self.begun.set()
        if b"event: ended" in data:
            self.ended_at = time.perf_counter()
            self.ended.set()


async def measure(on: Stage) -> Figures:
    """One process, one round: memory is what it is."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    async with on.house() as house:
        companies = await hire(house, on, companies=ACCOUNTS, staff=4, name="Listening")
        tokens = {company.account_id: (await sign_in(house, [company.administrator]))[0] for company in companies}
        (api,) = on.start_apis(1, quiet=True)
        ears = await _sessions(on, house, companies, api.port)
    # What every process holds once it has worked at all is no listener's doing.
    for token in tokens.values():
        httpx.get(f"{api.url}/api/v1/session", headers={"Authorization": f"Bearer {token}"}, trust_env=False).raise_for_status()
    before = _resident_mb(api)
    began = time.perf_counter()
    async with _listening(ears):
        connected = time.perf_counter() - began
        used = api.cpu_seconds()
        await asyncio.sleep(_IDLE_SECONDS)
        idle = (api.cpu_seconds() - used) / _IDLE_SECONDS
        delays = await _ends(api, ears[:: len(ears) // _ENDED], tokens)
        after = _resident_mb(api)
    return Figures(
        [
            Ratio(
                "listeners_mb",
                f"Memory of a process with {LISTENERS:,} idle listeners, MB",
                "at most",
                GOAL_MB,
                [after],
                drawn=False,
            )
        ],
        [
            Number("listener_kb", "Memory of one idle listener", (after - before) * 1024 / len(ears), "KiB"),
            Number("listeners_before", "Memory of the process before", before, "MB"),
            Number("listeners_idle", "Processor of the process while nothing happens", idle * 100, "%"),
            Number("listeners_connect", "Listeners who come in a second", len(ears) / connected, "/s"),
            Number("ended_ms", "From asking to end a session to its event", statistics.median(delays) * 1000, "ms"),
            Number("ended_slowest_ms", "The slowest of them", max(delays) * 1000, "ms"),
        ],
    )


async def _sessions(on: Stage, house: House, companies: list[Company], port: int) -> list[_Ear]:
    # Rows alone: a process reads them when their people come.
    until = datetime.now(UTC) + timedelta(hours=12)
    ears, rows = [], []
    for number in range(LISTENERS):
        company = companies[number % ACCOUNTS]
        person = company.people[number // ACCOUNTS % len(company.people)]
        session_id = uuid7()
        token = house.tokens.new(company.account_id, session_id)
        ears.append(_Ear(port, company.account_id, session_id, token.text))
        rows.append((company.account_id, session_id, person.user_id, token.digest, until))
    connection = await asyncpg.connect(on.addresses.superuser_url)
    try:
        await connection.copy_records_to_table("sessions", records=rows, columns=_COLUMNS)
    finally:
        await connection.close()
    return ears


@asynccontextmanager
async def _listening(ears: list[_Ear]) -> AsyncIterator[None]:
    doors = asyncio.Semaphore(_AT_ONCE)

    async def come(ear: _Ear) -> None:
        async with doors:
            await ear.connect()

    await asyncio.gather(*(come(ear) for ear in ears))
    try:
        yield
    finally:
        for ear in ears:
            if ear.transport is not None:
                ear.transport.abort()


async def _ends(api: Process, ears: list[_Ear], tokens: dict[UUID, str]) -> list[float]:
    """Seconds from an administrator's request to the event, one session after the other."""
    delays = []
    async with httpx.AsyncClient(base_url=api.url, trust_env=False, timeout=30) as client:
        for ear in ears:
            began = time.perf_counter()
            headers = {"Authorization": f"Bearer {tokens[ear.account_id]}"}
            (await client.delete(f"/api/v1/sessions/{ear.session_id}", headers=headers)).raise_for_status()
            async with asyncio.timeout(30):
                await ear.ended.wait()
            delays.append(ear.ended_at - began)
    return delays


def _resident_mb(process: Process) -> float:
    text = Path(f"/proc/{process.popen.pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024
