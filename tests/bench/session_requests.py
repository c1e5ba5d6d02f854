"""P1: what a request that is recognised, checked and seated costs, against a bare JSON route on the same server."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from service.embedded import free_port
from tests.bench.figures import Figures, Number, Ratio
from tests.bench.load import Load, run
from tests.bench.people import hire, sign_in, working_script
from tests.faults.processes import TOP, Process, Stage

CONNECTIONS, TOKENS = 32, 32
#: What the script of a request calls inside Valkey, without another round trip; and what this measurement itself calls.
_INSIDE = {"evalsha", "hmget", "time", "zscore", "zadd", "zremrangebyscore", "zcard"}
_OURS = {"info", "ping", "auth", "client|setinfo", "client|setname", "select", "hello"}


@dataclass
class Asked:
    """One kind of request and what its rounds found: loads, round trips to Valkey each, statements to PostgreSQL in all."""

    key: str
    title: str
    path: str
    loads: list[Load] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    statements: list[float] = field(default_factory=list)


async def measure(on: Stage, *, rounds: int, seconds: float) -> Figures:
    """Interleaved rounds of all."""
    async with on.house() as house:
        company = (await hire(house, on, companies=1, staff=TOKENS, name="Requests"))[0]
        tokens = await sign_in(house, company.people)
    script = working_script(on.folder / "requests.lua", tokens)
    bares: list[Load] = []
    ours = [
        Asked("session_request", "GET /session", "/api/v1/session"),
        Asked("gate_request", "GET /gate/check", "/gate/check?right=invoices.view"),
    ]
    (api,) = on.start_apis(1, quiet=True)
    with _bare() as bare:
        run([bare], "/bare", connections=CONNECTIONS, seconds=1)
        for asked in ours:
            run([api], asked.path, connections=CONNECTIONS, seconds=1, script=script)
        for _ in range(rounds):
            bares.append(run([bare], "/bare", connections=CONNECTIONS, seconds=seconds))
            for asked in ours:
                await _round(on, api, asked, seconds, script)
    on.stop_apis()
    figures = Figures()
    for asked in ours:
        figures.add(_figures(bares, asked))
    return figures


async def _round(on: Stage, api: Process, asked: Asked, seconds: float, script: Path) -> None:
    before, since = _calls(on), await _now(on)
    load = run([api], asked.path, connections=CONNECTIONS, seconds=seconds, script=script)
    asked.calls.append(_since(before, _calls(on), load))
    asked.statements.append(float(await _statements(on, since)))
    asked.loads.append(load)


def _figures(bares: list[Load], asked: Asked) -> Figures:
    throughput = [mine.per_second / bare.per_second for mine, bare in zip(asked.loads, bares, strict=True)]
    cpu = [mine.cpu_us / bare.cpu_us for mine, bare in zip(asked.loads, bares, strict=True)]
    middle = sorted(asked.loads, key=lambda load: load.per_second)[len(asked.loads) // 2]
    key, title = asked.key, asked.title
    return Figures(
        [
            Ratio(f"{key}s", f"{title}: throughput against a bare Litestar route", "at least", 0.6, throughput),
            Ratio(f"{key}s_cpu", f"{title}: server CPU against a bare Litestar route", "at most", 1 / 0.6, cpu, drawn=False),
            Ratio(f"{key}s_valkey", f"Round trips to Valkey per {title}", "at most", 1.01, asked.calls, drawn=False),
            Ratio(
                f"{key}s_postgresql", f"Statements to PostgreSQL in a round of {title}", "at most", 0, asked.statements, drawn=False
            ),
        ],
        [
            Number(f"{key}s_per_second", f"{title}, one process", middle.per_second, "requests/s"),
            Number(f"{key}_cpu", f"Server CPU per {title}", middle.cpu_us, "µs"),
        ],
    )


@contextmanager
def _bare() -> Iterator[Process]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "tests.bench.bare:app",
        "--port",
        str(port),
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    ]
    popen = subprocess.Popen(
        [*command, "--ws", "none", "--no-access-log", "--no-server-header", "--log-level", "warning"],
        cwd=TOP,
        stdin=subprocess.DEVNULL,
    )
    process = Process("bare", popen, port)
    try:
        for _ in range(600):
            with suppress(httpx.HTTPError):
                httpx.get(f"{process.url}/bare", trust_env=False)
                break
            time.sleep(0.05)
        yield process
    finally:
        process.stop()


def _calls(on: Stage) -> dict[str, int]:
    """How often each command was called so far, inside scripts included."""
    with on.valkey() as client:
        said = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(one["calls"]) for name, one in said.items()}


def _since(before: dict[str, int], after: dict[str, int], load: Load) -> float:
    """Round trips per request. Requests that wrk had begun and did not count are less than one in a hundred."""
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    others = sum(count for name, count in grown.items() if name not in _INSIDE | _OURS)
    return (grown.get("evalsha", 0) + others) / load.requests


async def _now(on: Stage) -> datetime:
    (row,) = await on.ask("SELECT clock_timestamp() AS now")
    found: datetime = row["now"]
    return found


async def _statements(on: Stage, since: datetime) -> int:
    """Connections of the application that have begun a statement since then."""
    (row,) = await on.ask(
        "SELECT count(*) AS count FROM pg_stat_activity WHERE usename = 'portillon_app' AND query_start > $1", since
    )
    return int(row["count"])
