"""The processes of `portillon up`: started, watched and ended together."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from service.installation import remember_children
from service.terminal import Refusal, _

# A page that follows the seats keeps its connection open: it is not waited for longer than this.
_DRAIN, _FORCED, _SHOWN_LINES = 5.0, 3.0, 15


class Children:
    """Every child writes into `<name>.log` of the folder; none outlives this process."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Nothing runs yet. The environment is the children's whole one."""
        self._folder = folder
        self._environment = environment
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._commands: dict[int, str] = {}

    async def start(self, name: str, *module: str) -> None:
        """Run `python -m module...`."""
        command = [sys.executable, "-P", "-m", *module]
        with (self._folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "service.leash", str(os.getpid()), *command,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment,
                # Ctrl-C is this process's to hear: it ends the children in order.
                start_new_session=True,
            )  # fmt: skip
        self._running[name] = process
        self._commands[process.pid] = " ".join(command)
        remember_children(self._folder, self._commands)

    async def until_one_ends(self) -> None:
        """Wait as long as all of them live; then raise Refusal with the last lines of the dead one's log."""
        waits = {asyncio.create_task(process.wait()): name for name, process in self._running.items()}
        try:
            ended, _pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        name = waits[ended.pop()]
        raise Refusal(self._obituary(name, self._running[name].returncode))

    async def end(self) -> None:
        """Ask, insist, then kill. Returns when all are gone."""
        for sign, seconds in ((signal.SIGTERM, _DRAIN), (signal.SIGINT, _FORCED), (signal.SIGKILL, None)):
            alive = [process for process in self._running.values() if process.returncode is None]
            if not alive:
                break
            for process in alive:
                with suppress(ProcessLookupError):
                    process.send_signal(sign)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.gather(*(process.wait() for process in alive))
        self._running.clear()
        self._commands.clear()
        remember_children(self._folder, {})

    def _obituary(self, name: str, code: int | None) -> str:
        log = self._folder / f"{name}.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:]
        text = _("The process “{name}” ended by itself (status {code}); everything else was stopped. {log} ends with:")
        return "\n".join((text.format(name=name, code=code, log=log), *(f"  {line}" for line in lines)))
