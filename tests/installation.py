"""A running `portillon up` of its own, for whoever wants to walk through the demo."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_READY_WITHIN = 120


@asynccontextmanager
async def installation(folder: Path) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Its address, and the demo people's passwords by address."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PORTILLON_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.cli", "up",
        env={**own, "PORTILLON_DATA_DIR": str(folder), "PORTILLON_PORT": "0", "LC_ALL": "C.UTF-8", "LANGUAGE": "en"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_READY_WITHIN):
            url = await _address(process)
        passwords: dict[str, str] = json.loads((folder / "demo.json").read_text())["passwords"]
        yield url, passwords
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 60)


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    said = ""
    async for line in process.stdout:
        said += line.decode()
        if found := re.search(r"(http://localhost:\d+)/dev/mail", said):
            return found[1]
    raise AssertionError(f"portillon up did not start:\n{said}")
