"""An account's whole history taken away in one answer: what it costs the process in memory, and whoever works meanwhile in time."""

import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click

from tests.bench.figures import Figures, Number, Ratio
from tests.bench.hashing import COST, MEMORY
from tests.bench.long_history import History, Span, write_history
from tests.faults.processes import Process, Stage, stage

# With those that its own people write meanwhile, a million at most: so many one answer carries.
LINES = 999_900
MOST_MEGABYTES = 100
FORMATS = ("csv", "json")
# A reader who looks away first, and then reads at the pace of an office's line.
PAUSE, BYTES_A_SECOND, PIECE = 10.0, 12_500_000, 65_536
PROBES_A_SECOND, IDLE_SECONDS = 50, 10
P99_GOAL = 3.0


@dataclass
class Taken:
    """What one export came to."""

    lines: int
    bytes: int
    seconds: float
    #: Of the process, over what it had before.
    megabytes: float


async def measure(on: Stage, *, lines: int = LINES) -> Figures:
    """Each format by a fast reader and a slow one, from a fresh process; and `GET /session` beside a fast one."""
    history = await write_history(on, Span(accounts=1, lines=lines))
    figures = Figures()
    growth = [_one(on, history, format_, slow=slow, into=figures) for format_ in FORMATS for slow in (False, True)]
    goal = Ratio("export-memory", "Export of the history: memory, of 100 MB", "at most", 1.0, [g / MOST_MEGABYTES for g in growth])
    figures.ratios.insert(0, goal)
    figures.ratios.append(_beside(on, history, into=figures))
    return figures


def _one(on: Stage, history: History, format_: str, *, slow: bool, into: Figures) -> float:
    (api,) = on.start_apis(1, quiet=True)
    taken = _take(api, history, format_, slow=slow)
    on.stop_apis()
    if taken.lines < history.span.lines:
        raise RuntimeError(f"{format_}: {taken.lines} lines of {history.span.lines}")
    name = f"{format_}, {'slow' if slow else 'fast'} reader"
    key = f"export-{format_}-{'slow' if slow else 'fast'}"
    into.numbers += [
        Number(f"{key}-megabytes", f"Export, {name}: memory of the process, over before", taken.megabytes, "MB"),
        Number(
            f"{key}-rate",
            f"Export, {name}: {taken.bytes / 1e6:,.0f} MB in {taken.seconds:,.0f} s",
            taken.lines / taken.seconds,
            "lines/s",
        ),
    ]
    return taken.megabytes


def _take(api: Process, history: History, format_: str, *, slow: bool) -> Taken:
    # What the process needs for answers of any kind is not the export's.
    _ask(api, history, "/activity?limit=200")
    before, peak, done = _resident(api), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, _resident(api))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    try:
        lines, size = _read(api, history, format_, slow=slow)
    finally:
        done.set()
        watcher.join()
    return Taken(lines, size, time.monotonic() - began, peak - before)


def _read(api: Process, history: History, format_: str, *, slow: bool) -> tuple[int, int]:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=120)
    headers = {"Authorization": f"Bearer {history.token}"}
    connection.request("GET", f"/api/v1/activity/export?format={format_}", headers=headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} {answer.read()[:500]!r}")
    if slow:
        time.sleep(PAUSE)
    lines = size = 0
    while piece := answer.read(PIECE):
        lines += piece.count(b"\n")
        size += len(piece)
        if slow:
            time.sleep(len(piece) / BYTES_A_SECOND)
    connection.close()
    return lines, size


def _beside(on: Stage, history: History, *, into: Figures) -> Ratio:
    (api,) = on.start_apis(1, quiet=True)
    _ask(api, history, "/session")
    idle = _p99(_probe(api, history, IDLE_SECONDS).communicate()[0])
    prober = _probe(api, history, 3 * IDLE_SECONDS)
    reader = subprocess.Popen(
        [sys.executable, "-c", _TAKE, str(api.port), history.token], cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL
    )
    busy = _p99(prober.communicate()[0])
    reader.kill()
    reader.wait()
    on.stop_apis()
    into.numbers += [
        Number("export-p99-idle", "GET /session, p99 with nothing else to do", idle, "ms"),
        Number("export-p99", "GET /session, p99 while the history is taken away", busy, "ms"),
    ]
    return Ratio(
        "export-beside", "GET /session while the history is taken away: p99 against idle", "at most", P99_GOAL, [busy / idle]
    )


_TAKE = """
import http.client, sys
while True:
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=120)
    connection.request("GET", "/api/v1/activity/export", headers={"Authorization": f"Bearer {sys.argv[2]}"})
    answer = connection.getresponse()
    while answer.read(65536):
        pass
"""


def _probe(api: Process, history: History, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.bench.prober", str(api.port), str(seconds), str(PROBES_A_SECOND), "/api/v1/session"]
    prober = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert prober.stdin is not None
    prober.stdin.write(f"{history.token}\n")
    prober.stdin.flush()
    return prober


def _p99(printed: str) -> float:
    (found,) = json.loads(printed)
    return float(statistics.quantiles(found, n=100)[98])


def _ask(api: Process, history: History, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
    connection.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {history.token}"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {answer.read()[:500]!r}")
    connection.close()


def _resident(api: Process) -> float:
    # Megabytes of the server itself: the processes between it and us have their own.
    pages = int(Path(f"/proc/{api.popen.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@click.command()
@click.option("--lines", default=LINES, show_default=True, help="Lines of the account.")
def main(lines: int) -> None:
    """Measure and print."""
    with stage(environment="development", argon2_time_cost=COST, argon2_memory_kib=MEMORY) as on:
        figures = asyncio.run(measure(on, lines=lines))
    for ratio in figures.ratios:
        click.echo(f"{'held  ' if ratio.held else 'MISSED'}  {ratio.title}: {ratio.shown()}")
    for number in figures.numbers:
        click.echo(f"        {number.title}: {number.shown()}")


if __name__ == "__main__":
    main()
