"""The folder of one development installation: who runs on it, its key, and what of it may be wiped."""

import fcntl
import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from service.embedded import command_of, stop_leftovers
from service.terminal import Refusal, _

_LOCK, _CHILDREN, _KEY = "lock", "children.json", "secret-key"
# Everything that an installation writes. Wiping touches nothing else: somebody may have named their home folder.
_OURS = (
    _LOCK, _CHILDREN, "secret-*", "demo.json*", "mail", "postgresql", "postgresql.unfinished", "valkey", "created", "initdb-password", "*.log",
)  # fmt: skip
_STOPS_WITHIN = 40.0


@contextmanager
def hold(folder: Path, *, url: str) -> Iterator[None]:
    """Be the only one who runs on the folder. Raises Refusal with the other's address. The kernel lets go when the process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _LOCK
    while True:
        with path.open("a+", encoding="utf-8") as file:
            if not _locked(file.fileno()):
                raise Refusal(_already_running(folder))
            if not _is_still(path, file.fileno()):
                # Its holder left between our opening and our locking, and took the file away.
                continue
            path.write_text(json.dumps({"pid": os.getpid(), "url": url}), encoding="utf-8")
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def running(folder: Path) -> dict[str, Any] | None:
    """`pid` and `url` of the `up` that runs on the folder now, if one does."""
    path = folder / _LOCK
    try:
        with path.open("r+", encoding="utf-8") as file:
            return None if _locked(file.fileno()) else dict(json.loads(file.read() or "{}"))
    except FileNotFoundError:
        return None


def stop(folder: Path) -> int:
    """Stop the `up` that runs on the folder, and whatever a killed one left there; returns how many processes were stopped."""
    stopped = 0
    if (holder := running(folder)) and "pid" in holder:
        os.kill(holder["pid"], signal.SIGTERM)
        stopped += 1
        give_up = time.monotonic() + _STOPS_WITHIN
        while running(folder) is not None:
            if time.monotonic() > give_up:
                raise Refusal(_("Process {pid} does not stop.").format(pid=holder["pid"]))
            time.sleep(0.05)
    return stopped + stop_what_was_left(folder)


def stop_what_was_left(folder: Path) -> int:
    """Stop children and servers of an `up` that was killed; returns how many there were."""
    left = [pid for pid, command in _remembered(folder) if command and command_of(pid).endswith(command)]
    for pid in left:
        _end(pid)
    (folder / _CHILDREN).unlink(missing_ok=True)
    return len(left) + len(stop_leftovers(folder))


def remember_children(folder: Path, commands: dict[int, str]) -> None:
    """Write down the process ids and the end of the command line of each, so that the next start knows them again."""
    path = folder / _CHILDREN
    if commands:
        path.write_text(json.dumps(sorted(commands.items())), encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def secret_key(folder: Path) -> str:
    """The installation's key, made at random once and readable by its owner alone."""
    path = folder / _KEY
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48), encoding="ascii")
    return path.read_text(encoding="ascii")


def exists(folder: Path) -> bool:
    """Whether an installation was ever started there."""
    return (folder / _KEY).exists() or (folder / "created").exists()


def wipe(folder: Path) -> None:
    """Remove data, passwords, mail and logs; the folder too if nothing else is in it. Raises Refusal while it runs."""
    if holder := running(folder):
        raise Refusal(
            _("Portillon is running at {url}. Stop it first: Ctrl-C there, or `portillon down`.").format(url=holder.get("url", "?"))
        )
    stop_what_was_left(folder)
    for pattern in _OURS:
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    with suppress(OSError):
        folder.rmdir()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _already_running(folder: Path) -> str:
    try:
        holder = json.loads((folder / _LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        holder = {}
    text = _("Portillon is already running at {url} (process {pid}). Stop it with Ctrl-C there, or with `portillon down`.")
    return text.format(url=holder.get("url", "?"), pid=holder.get("pid", "?"))


def _remembered(folder: Path) -> list[tuple[int, str]]:
    try:
        return [(int(pid), str(command)) for pid, command in json.loads((folder / _CHILDREN).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        give_up = time.monotonic() + 10
        while command_of(pid):
            if time.monotonic() > give_up:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
