"""`portillon up`: everything on one machine, in one process tree, from an empty folder to a summary."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType
from typing import Any

from service.children import Children
from service.demo import ensure_demo
from service.embedded import EmbeddedError, EmbeddedServers, free_port
from service.installation import hold, secret_key, stop_what_was_left
from service.mail_drop import MailDrop
from service.ports import bind
from service.summary import show_summary
from service.terminal import Refusal, Screen, _
from tenants.errors import Unavailable
from tenants.house import open_house
from tenants.schema import migrate
from tenants.settings import PREFIX, Settings, load_settings

_READY_WITHIN = 60.0  # seconds
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Signals:
    """Turns the first signal into one orderly way out; later ones find it under way."""

    def __init__(self) -> None:
        self._leaving = False
        self._task: asyncio.Task[Any] | None = None

    @contextmanager
    def heard(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._arrive) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def cancel(self, task: "asyncio.Task[Any]") -> None:
        """From now on the first signal cancels this task."""
        self._task = task

    def ignore(self) -> None:
        """Nothing interrupts the way out."""
        self._leaving = True

    def _arrive(self, _number: int, _frame: FrameType | None) -> None:
        if self._leaving:
            return
        self._leaving = True
        if self._task is None:
            raise KeyboardInterrupt
        self._task.get_loop().call_soon_threadsafe(self._task.cancel)


def up() -> None:
    """Run until Ctrl-C, SIGTERM or the end of a child. Raises Refusal, SettingsError, or KeyboardInterrupt before it was ready.

    Leaves nothing behind but data and logs, whichever way it ends; what a SIGKILL leaves, the next start clears away.
    """
    wanted, screen, signals = _wanted(), Screen(), _Signals()
    folder = wanted.data_dir.resolve()
    with signals.heard(), hold(folder, url=wanted.public_url):
        bind(wanted.host, wanted.port, again="PORTILLON_PORT={port} make up").close()
        if left := stop_what_was_left(folder):
            screen.line(_("An earlier start was killed. Processes it had left, now stopped: {count}.").format(count=left))
        servers = EmbeddedServers(folder)
        try:
            environment = _with_servers(wanted, folder, servers, screen)
            asyncio.run(_run(folder, environment, screen, signals))
        except EmbeddedError as error:
            raise Refusal(str(error)) from error
        except asyncio.CancelledError:
            # Asked to stop: what runs inside has ended already.
            pass
        finally:
            signals.ignore()
            servers.stop()
        screen.line(_("Portillon has stopped. Its data is kept in {folder}.").format(folder=folder))


def data_folder() -> Path:
    """Where `up` keeps its data, as the settings say."""
    return _wanted().data_dir.resolve()


def _wanted() -> Settings:
    """The settings as far as they are known before any server runs; addresses that are not given are placeholders."""
    placeholders = {
        "database_url": "postgresql://embedded",
        "redis_url": "redis://embedded",
        "smtp_url": "smtp+plain://localhost",
        "secret_key": "-" * 32,
        "public_url": "http://localhost",
    }
    missing = {name: value for name, value in placeholders.items() if not _given(name)}
    wanted = load_settings(environment="development", **missing)
    port = wanted.port or free_port()
    url = wanted.public_url if _given("public_url") else f"http://localhost:{port}"
    return wanted.model_copy(update={"port": port, "public_url": url})


def _with_servers(wanted: Settings, folder: Path, servers: EmbeddedServers, screen: Screen) -> dict[str, Any]:
    """Start the servers whose addresses are not given; returns the settings that differ from the environment."""
    changed: dict[str, Any] = {
        "environment": "development",
        "port": wanted.port,
        "public_url": wanted.public_url,
        "data_dir": folder,
    }
    if not _given("secret_key"):
        changed["secret_key"] = secret_key(folder)
    if not _given("database_url"):
        with screen.step(_("Starting PostgreSQL")):
            addresses = servers.start_database()
        changed |= {"database_url": addresses.database_url, "migration_database_url": addresses.migration_database_url}
    elif not _given("migration_database_url"):
        raise Refusal(
            _("With PORTILLON_DATABASE_URL, `up` also needs PORTILLON_MIGRATION_DATABASE_URL: it creates the tables."), code=2
        )
    if not _given("redis_url"):
        with screen.step(_("Starting Valkey")):
            changed["redis_url"] = servers.start_redis()
    return changed


async def _run(folder: Path, changed: dict[str, Any], screen: Screen, signals: _Signals) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - asyncio.run made it
    signals.cancel(task)
    drop = MailDrop(folder / "mail")
    if not _given("smtp_url"):
        changed |= {"smtp_url": await drop.start(), "mailbox_dir": folder / "mail"}
    settings = load_settings(**changed)
    children = Children(folder, _environment(changed))
    try:
        people = await _prepare(settings, folder, screen)
        with screen.step(_("Starting the API and the worker")):
            await children.start("api", "service.cli", "serve")
            await children.start("worker", "workers")
            await _ready(children, settings)
        mailbox = settings.mailbox_dir is not None
        show_summary(screen, url=settings.public_url, people=people, mailbox=mailbox, folder=str(folder))
        await children.until_one_ends()
    finally:
        signals.ignore()
        screen.line()
        with screen.step(_("Stopping")):
            await children.end()
            await drop.stop()


async def _prepare(settings: Settings, folder: Path, screen: Screen) -> dict[str, str]:
    """Tables and demo data; returns the demo people's passwords."""
    assert settings.migration_database_url is not None  # noqa: S101 - given, or the embedded server's
    try:
        with screen.step(_("Bringing the tables up to date")):
            await migrate(settings.migration_database_url.get_secret_value())
        if not settings.demo:
            return {}
        with screen.step(_("Looking after the demo data")):
            house = open_house(settings)
            try:
                return await ensure_demo(house, folder)
            finally:
                await house.close()
    except (Unavailable, OSError) as error:
        raise Refusal(_("PostgreSQL or Redis does not answer at the address given: {why}").format(why=error)) from error


async def _ready(children: Children, settings: Settings) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - asked, not listened on
    watch = asyncio.create_task(children.until_one_ends())
    try:
        async with asyncio.timeout(_READY_WITHIN):
            while not watch.done() and not await asyncio.to_thread(_answers, host, settings.port):
                await asyncio.wait([watch], timeout=0.05)
        if watch.done():
            watch.result()
    except TimeoutError as error:
        text = _("The API is not ready after {seconds} seconds; its log is {log}.")
        raise Refusal(text.format(seconds=int(_READY_WITHIN), log=settings.data_dir / "api.log")) from error
    finally:
        watch.cancel()


def _answers(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _environment(changed: dict[str, Any]) -> dict[str, str]:
    """The children's environment: what the person gave, and what was found out. The owner's address is not for them."""
    own = {f"{PREFIX}{name.upper()}": str(value) for name, value in changed.items()}
    without = {f"{PREFIX}MIGRATION_DATABASE_URL", f"{PREFIX}MIGRATION_DATABASE_URL_FILE"}
    return {name: value for name, value in {**os.environ, **own}.items() if name not in without}


def _given(name: str) -> bool:
    return any(os.environ.get(f"{PREFIX}{name.upper()}{suffix}") for suffix in ("", "_FILE"))
