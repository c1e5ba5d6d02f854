"""Real servers and real API processes for experiments: started in a folder of their own, stopped by their process ids."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import asyncpg
import httpx
import redis

from service.embedded import Addresses, EmbeddedServers, command_of, free_port
from tenants.house import House, open_house
from tenants.schema import migrate
from tenants.settings import PREFIX, Settings
from tests.api import Api
from tests.conftest import settings_on

TOP = Path(__file__).resolve().parents[2]
READY_WITHIN = 60.0  # seconds, on a machine that has other things to do
# Nobody is throttled, nobody waits for a hash: experiments are about what comes after them.
ROOMY: dict[str, Any] = {
    "hash_queue": 1000,
    "attempts_per_identity": 100_000,
    "attempts_per_address": 1_000_000,
    "database_pool": 20,
}

_HELD = """
local t = redis.call('TIME')
return redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), '+inf')
"""


class Violation(AssertionError):
    """What must never happen has happened."""


@dataclass
class Process:
    """One process of Portillon. `port` 0 listens nowhere."""

    name: str
    popen: "subprocess.Popen[bytes]"
    port: int = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """Processor time that it has used so far, its threads included."""
        return cpu_seconds(self.popen.pid)

    def stop(self) -> None:
        """Ask, then insist."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(30)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self.popen.wait()


@dataclass
class Stage:
    """PostgreSQL, Valkey and any number of Portillon's processes."""

    folder: Path
    embedded: EmbeddedServers
    addresses: Addresses
    settings: Settings
    apis: list[Process] = field(default_factory=list)
    others: list[Process] = field(default_factory=list)

    def start_apis(self, count: int, *, quiet: bool = False) -> list[Process]:
        """That many API processes more, ready to serve. `quiet` sends their access log to nowhere."""
        started = [
            self._start(f"api-{len(self.apis) + number}", "service.cli", "serve", port=free_port(), quiet=quiet)
            for number in range(count)
        ]
        self.apis.extend(started)
        for process in started:
            self._wait_until_ready(process)
        return started

    def kill_api(self, process: Process) -> None:
        """SIGKILL; it is gone when this returns."""
        process.popen.kill()
        process.popen.wait()

    def start_api_again(self, process: Process) -> None:
        """The same process on the same port, ready to serve when this returns."""
        process.popen = self._start(process.name, "service.cli", "serve", port=process.port).popen
        self._wait_until_ready(process)

    def start_worker(self) -> Process:
        """One worker process."""
        worker = self._start("worker", "workers")
        self.others.append(worker)
        return worker

    def start_server(self, name: str, *module: str) -> Process:
        """Another HTTP server, `python -m module... --port N`, with the settings of the stage; returns when it listens."""
        port = free_port()
        process = self._start(name, *module, "--port", str(port), port=port, quiet=True)
        self.others.append(process)
        give_up = time.monotonic() + READY_WITHIN
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return process
            if process.popen.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"{name} is not ready:\n{(self.folder / f'{name}.err').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop_apis(self) -> None:
        """All of them."""
        for process in self.apis:
            process.stop()
        self.apis.clear()

    def stop(self) -> None:
        """Everything, servers included."""
        for process in self.others:
            process.stop()
        self.stop_apis()
        self.embedded.stop()

    def alter(self, **given: Any) -> None:
        """Other settings for the processes started from now on."""
        self.settings = Settings(**{**self.settings.model_dump(), **given})

    @asynccontextmanager
    async def house(self) -> AsyncIterator[House]:
        """The domain, opened in this process: for builders."""
        house = open_house(self.settings)
        try:
            yield house
        finally:
            await house.close()

    @asynccontextmanager
    async def callers(self) -> AsyncIterator[list[Api]]:
        """A client for each API process, with as many connections as it needs."""
        # Idle connections go before the server closes them (after 5 seconds), so that none is used in the moment of its end.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=200, keepalive_expiry=2)
        async with AsyncExitStack() as stack:
            yield [
                Api(
                    await stack.enter_async_context(
                        httpx.AsyncClient(base_url=process.url, limits=limits, timeout=60, trust_env=False, verify=False)  # noqa: S501 - plain http
                    )
                )
                for process in self.apis
            ]

    def valkey(self) -> "redis.Redis":
        """A client of its own, past Portillon."""
        client: redis.Redis = redis.Redis.from_url(self.addresses.redis_url)
        return client

    def held(self, client: "redis.Redis", account_id: UUID) -> int:
        """Seats of the account that are held at this instant, counted by Valkey on its own clock."""
        return int(client.eval(_HELD, 1, f"h:{{{account_id.hex}}}"))  # type: ignore[arg-type]  # redis-py's Any

    async def ask(self, query: str, *values: Any) -> list[Any]:
        """Rows, read past the wall."""
        connection = await asyncpg.connect(self.addresses.superuser_url)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    def kill_valkey(self) -> list[str]:
        """SIGKILL. Returns the command that started it."""
        client = self.valkey()
        pid = int(client.info("server")["process_id"])  # type: ignore[index]  # redis-py's Any
        client.close()
        command = command_of(pid).split()
        os.kill(pid, signal.SIGKILL)
        while command_of(pid):
            time.sleep(0.005)
        return command

    def start_valkey_again(self, command: list[str]) -> None:
        """The same server on the same port; it remembers nothing. Returns when it answers."""
        with (self.folder / "valkey-again.log").open("ab") as log:
            popen = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.others.append(Process("valkey", popen))
        with self.valkey() as client:
            for _ in range(2000):
                with suppress(redis.ConnectionError):
                    client.ping()
                    return
                time.sleep(0.005)
        raise RuntimeError("Valkey did not start again")

    def _start(self, name: str, *module: str, port: int = 0, quiet: bool = False) -> Process:
        log: IO[bytes]
        with (
            (Path(os.devnull) if quiet else self.folder / f"{name}.log").open("ab") as log,
            (self.folder / f"{name}.err").open("ab") as errors,
        ):
            popen = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=TOP,
                env=environment(self.settings, port=port, processes=1),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=errors,
            )
        return Process(name, popen, port)

    def _wait_until_ready(self, process: Process) -> None:
        give_up = time.monotonic() + READY_WITHIN
        while True:
            with suppress(httpx.HTTPError):
                # Plain HTTP: to read the certificates of the world would take longer than to ask.
                if httpx.get(f"{process.url}/readyz", timeout=5, trust_env=False, verify=False).status_code == 200:  # noqa: S501
                    return
            if process.popen.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"{process.name} is not ready:\n{(self.folder / f'{process.name}.err').read_text()[-2000:]}")
            time.sleep(0.05)


@contextmanager
def stage(*, apis: int = 0, smtp_port: int = 1, **given: Any) -> Iterator[Stage]:
    """Servers with the migrations' schema, in a folder that is removed; `apis` processes. Hashes are cheap unless `given` says otherwise."""
    folder = Path(tempfile.mkdtemp(prefix="portillon-faults-"))
    embedded = EmbeddedServers(folder / "servers", durable=False)
    try:
        addresses = embedded.start()
        settings = settings_on(addresses, smtp_port=smtp_port, data_dir=folder, **{**ROOMY, **given})
        assert settings.migration_database_url is not None
        asyncio.run(migrate(settings.migration_database_url.get_secret_value()))
        made = Stage(folder, embedded, addresses, settings)
        try:
            made.start_apis(apis)
            yield made
        finally:
            made.stop()
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


def environment(settings: Settings, **given: Any) -> dict[str, str]:
    """The environment of a process with these settings."""
    said = {**settings.model_dump(), **given}
    clean = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "COV_CORE"))}
    return {**clean, **{f"{PREFIX}{name.upper()}": _text(value) for name, value in said.items() if value is not None}}


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, from the kernel's accounts (hundredths of a second)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _text(value: Any) -> str:
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)
