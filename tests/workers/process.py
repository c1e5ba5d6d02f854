"""A real worker process, started and ended by a test."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from tenants.settings import Settings

_RUN = "from workers.main import run_worker; from tenants.settings import load_settings; run_worker(load_settings())"
_READY_WITHIN = 30.0


class WorkerProcess:
    """Runs from `start` to `kill` or `stop`; what it logs is in `log`."""

    def __init__(self, settings: Settings, log: Path, **environment: str) -> None:
        self._environment = {**os.environ, **_as_environment(settings), **environment}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin; what was logged before is forgotten."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen([sys.executable, "-c", _RUN], stdout=log, stderr=log, env=self._environment)

    async def ready(self) -> None:
        """Wait until it says so."""
        async with asyncio.timeout(_READY_WITHIN):
            while "worker is ready" not in self.log.read_text(encoding="utf-8"):
                assert self._running.poll() is None, self.log.read_text(encoding="utf-8")
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: nothing in it runs any more when this returns."""
        self._running.kill()
        self._running.wait(10)

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        self._running.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._running.wait, 30)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._running.poll() is None

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process


@asynccontextmanager
async def running_worker(settings: Settings, log: Path) -> AsyncIterator[WorkerProcess]:
    """A worker that is ready; killed at the end if it still runs."""
    worker = WorkerProcess(settings, log)
    worker.start()
    try:
        await worker.ready()
        yield worker
    finally:
        if worker.runs:
            worker.kill()


def _as_environment(settings: Settings) -> dict[str, str]:
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {
        f"PORTILLON_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in given.items()
        if value is not None
    }
