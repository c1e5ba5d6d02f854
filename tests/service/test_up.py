"""`portillon up` from outside: an empty folder to a summary, Ctrl-C, SIGKILL, a busy port."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.embedded import command_of, free_port
from service.ports import bind
from tenants.settings import PREFIX

WITHIN = 60.0


class Up:
    """One run of the command; its output goes to a file that is read while it runs."""

    def __init__(self, folder: Path, port: int, **variables: str) -> None:
        self.folder, self.port = folder / "data", port
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | {
            "LC_ALL": "fr_FR.UTF-8", "PORTILLON_DATA_DIR": str(self.folder), "PORTILLON_PORT": str(port),
            "PORTILLON_ARGON2_TIME_COST": "1", "PORTILLON_ARGON2_MEMORY_KIB": "8",
        }  # fmt: skip
        self.output = folder / f"output-{time.monotonic_ns()}"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "up"], stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                env=environment | variables, start_new_session=True,
            )  # fmt: skip

    def ready(self) -> str:
        """Wait for the summary, and return everything said."""
        give_up = time.monotonic() + WITHIN
        while "Commencez par la console" not in (said := self.output.read_text(encoding="utf-8")):
            assert self.process.poll() is None, said
            assert time.monotonic() < give_up, said
            time.sleep(0.05)
        return said

    def stop(self, sign: signal.Signals) -> int:
        if self.process.poll() is None:
            self.process.send_signal(sign)
        return self.process.wait(WITHIN)

    def alive(self) -> list[str]:
        """Command lines of whatever works for this folder: servers name it, children are remembered in it."""
        try:
            children = [pid for pid, _ in json.loads((self.folder / "children.json").read_text(encoding="utf-8"))]
        except FileNotFoundError:
            children = []
        everyone = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        found = {pid: command_of(pid) for pid in everyone}
        return [command for pid, command in found.items() if f"{self.folder}/" in command or (pid in children and command)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Starts `up` on one folder; nothing of it is left at the end, whatever the test found."""
    started: list[Up] = []

    def start_up(port: int, **variables: str) -> Up:
        started.append(Up(tmp_path, port, **variables))
        return started[-1]

    yield start_up
    for up in started:
        up.stop(signal.SIGTERM)
    environment = {**os.environ, "PORTILLON_DATA_DIR": str(tmp_path / "data")}
    subprocess.run([sys.executable, "-m", "service.cli", "down"], env=environment, capture_output=True, check=False, timeout=60)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for leftover processes in /proc")
@pytest.mark.long
def test_up_from_an_empty_folder_to_ctrl_c_and_back_from_sigkill(start: Callable[..., Up]) -> None:
    port = free_port()
    first = start(port)
    said = first.ready()
    _shows_the_way(said, port)
    token = _meets_the_cap(first)
    _has_a_history(first)
    second = start(free_port())
    assert second.process.wait(WITHIN) == 1
    assert (
        f"Portillon tourne déjà à l'adresse http://localhost:{port} (processus {first.process.pid})." in second.output.read_text()
    )

    assert first.stop(signal.SIGINT) == 0
    assert first.alive() == []
    assert not (first.folder / "lock").exists()

    killed = start(port)
    assert _people(killed.ready()) == _people(said)
    assert killed.stop(signal.SIGKILL) == -signal.SIGKILL
    assert killed.alive() != []

    again = start(port)
    assert "Un démarrage précédent a été tué." in again.ready()
    assert _name_behind(token, again) == "James Whitfield"
    assert again.stop(signal.SIGTERM) == 0
    assert again.alive() == []


def test_a_busy_port_is_told_before_anything_starts(start: Callable[..., Up]) -> None:
    with bind("127.0.0.1", 0, again="") as taken:
        port = taken.getsockname()[1]
        up = start(port)
        assert up.process.wait(WITHIN) == 1

    assert up.output.read_text().splitlines() == [
        f"Un autre programme utilise déjà le port {port}. Arrêtez-le, ou prenez un autre port :",
        f"  PORTILLON_PORT={port + 1} make up",
    ]
    assert list(up.folder.iterdir()) == []


def test_a_child_that_dies_ends_everything_with_its_last_words(start: Callable[..., Up]) -> None:
    up = start(free_port(), PORTILLON_DEMO="0")
    give_up = time.monotonic() + WITHIN
    while up.process.poll() is None and not (up.folder / "children.json").exists():
        assert time.monotonic() < give_up
        time.sleep(0.05)
    api = next(pid for pid, command in json.loads((up.folder / "children.json").read_text()) if "serve" in command)
    os.kill(api, signal.SIGKILL)

    assert up.process.wait(WITHIN) == 1
    assert "s'est terminé de lui-même" in up.output.read_text()
    assert up.alive() == []


def _shows_the_way(said: str, port: int) -> None:
    for address in ("/login", "/api/docs", "/dev/mail"):
        assert f"http://localhost:{port}{address}" in said
    assert "Portillon est prêt." in said
    assert "make reset" in said
    assert "PORTILLON_DATABASE_URL" in said
    last = said.splitlines()[-1]
    assert last.startswith(f"Commencez par la console : http://localhost:{port}/login avec claire@atelier-morel.example.com")


def _people(said: str) -> dict[str, str]:
    """Passwords by address, as the summary shows them."""
    words = [line.split() for line in said.splitlines() if line.startswith("    ") and "@" in line and "curl" not in line]
    return {found[0]: found[1] for found in words if found[0].endswith(".example.com")}


def _meets_the_cap(up: Up) -> str:
    """Two come in, the third is refused, and the pending invitation is in the mailbox. Returns the first one's token."""
    people = _people(up.output.read_text(encoding="utf-8"))
    assert len(people) == 12
    answers = [_sign_in(up, f"{name}@northwind.example.com", people) for name in ("james", "priya", "oliver")]
    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert answers[2].json()["code"] == "seats_full"
    give_up = time.monotonic() + WITHIN
    while "julie@atelier-morel.example.com" not in (page := httpx.get(f"http://127.0.0.1:{up.port}/dev/mail").text):
        assert time.monotonic() < give_up, page
        time.sleep(0.1)
    token: str = answers[0].json()["token"]
    return token


def _has_a_history(up: Up) -> None:
    """90 days that hold as if they had been lived: figures, people, a pool with a request to answer, and a chain that nobody bent."""
    people = _people(up.output.read_text(encoding="utf-8"))
    claire, remi = ("claire@atelier-morel.example.com", "remi@revendo.example.com")
    morel = _asker(up, _sign_in(up, claire, people).json()["token"])
    assert morel("/account/licence")["users"] == {"limit": 6, "used": 6}
    assert sorted(user["status"] for user in morel("/users")["items"]) == ["active"] * 4 + ["invited", "struck_off", "suspended"]
    assert len(morel("/departments")["items"]) == 5
    assert len(morel("/activity?limit=200")["items"]) == 200
    seller = _asker(up, _sign_in(up, remi, people).json()["token"])
    assert [each["reason"] for each in seller("/seat-requests?state=open")["items"]] == [
        "Two people are turned away nearly every afternoon"
    ]
    pid = json.loads((up.folder / "children.json").read_text(encoding="utf-8"))[0][0]
    theirs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    environment = dict(each.split("=", 1) for each in theirs if each)
    verify = subprocess.run(
        [sys.executable, "-m", "service.cli", "verify-activity"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert verify.returncode == 0, verify.stdout + verify.stderr


def _asker(up: Up, token: str) -> Callable[[str], dict[str, Any]]:
    def ask(path: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{up.port}/api/v1{path}"
        answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return ask


def _name_behind(token: str, up: Up) -> str:
    answer = httpx.get(f"http://127.0.0.1:{up.port}/api/v1/session", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    name: str = answer.json()["user"]["name"]
    return name


def _sign_in(up: Up, email: str, people: dict[str, str]) -> httpx.Response:
    body = {"email": email, "password": people[email]}
    return httpx.post(f"http://127.0.0.1:{up.port}/api/v1/login", json=body, timeout=30)
