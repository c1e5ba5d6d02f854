"""Load by wrk, and what it cost the servers."""

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.processes import Process

MISSING = "wrk, which makes the load, is not installed. Debian and Ubuntu: apt install wrk. macOS: brew install wrk."


@dataclass(frozen=True, slots=True)
class Load:
    """What a load was answered, and the processor time that its servers used for it."""

    requests: int
    per_second: float
    cpu_seconds: float
    refused: int

    @property
    def cpu_us(self) -> float:
        """Processor time of the servers per request, in microseconds."""
        return self.cpu_seconds / max(1, self.requests) * 1e6


def wrk_is_there() -> bool:
    """Whether loads can be made on this machine."""
    return shutil.which("wrk") is not None


class Wrk:
    """One wrk with one thread for each address, at the same time."""

    def __init__(
        self, servers: Sequence[Process], path: str, *, connections: int, seconds: float, script: Path | None = None
    ) -> None:
        """Start. `connections` are shared out among the servers."""
        self._servers = servers
        self._cpu = [server.cpu_seconds() for server in servers]
        self._began = time.monotonic()
        with_script = ["-s", str(script)] if script else []
        share = max(1, connections // len(servers))
        self._running = [
            subprocess.Popen(
                ["wrk", "-t1", f"-c{share}", f"-d{seconds:g}s", *with_script, f"{server.url}{path}"],
                stdout=subprocess.PIPE,
                text=True,
            )
            for server in servers
        ]

    def finish(self) -> Load:
        """Wait for the end."""
        said = [running.communicate()[0] for running in self._running]
        cpu = sum(server.cpu_seconds() for server in self._servers) - sum(self._cpu)
        return Load(
            requests=sum(int(_found(r"(\d+) requests in", text)) for text in said),
            per_second=sum(float(_found(r"Requests/sec:\s+([\d.]+)", text)) for text in said),
            cpu_seconds=cpu,
            refused=sum(int(_found(r"Non-2xx or 3xx responses: (\d+)", text, otherwise="0")) for text in said),
        )


def run(servers: Sequence[Process], path: str, *, connections: int, seconds: float, script: Path | None = None) -> Load:
    """A load from beginning to end. Raises RuntimeError if anything was refused: the figures would be of something else."""
    load = Wrk(servers, path, connections=connections, seconds=seconds, script=script).finish()
    if load.refused:
        raise RuntimeError(f"{load.refused} of {load.requests} requests for {path} were refused")
    return load


def _found(pattern: str, text: str, *, otherwise: str | None = None) -> str:
    match = re.search(pattern, text)
    if match is None:
        if otherwise is None:
            raise RuntimeError(f"wrk said nothing of use:\n{text}")
        return otherwise
    return match[1]
