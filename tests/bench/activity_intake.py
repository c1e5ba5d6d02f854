"""2,000 events a second from the vendor's application: how long people at work wait meanwhile, and how many one process takes."""

import json
import math
import statistics
import subprocess
import sys
from dataclasses import dataclass

from tenants.api_keys import KeyScope, create_key
from tenants.house import House
from tests import make
from tests.bench.figures import Figures, Number, Ratio
from tests.bench.people import hire, sign_in
from tests.faults.processes import TOP, Process, Stage
from tests.make import Company

PER_SECOND, SIZES = 2_000, (500, 100)
COMPANIES, CONNECTIONS = 4, 4
ASKED, ASKED_PER_SECOND = "/api/v1/session", 100
# Of a round; the idle one is shorter.
LONGER = 5


@dataclass(frozen=True, slots=True)
class _Report:
    """What the application got rid of, and what the process that took it used for it."""

    events: int
    per_second: float
    cpu_us: float


async def measure(on: Stage, *, rounds: int, seconds: float) -> Figures:
    """Idle and with events, interleaved, on one process with a worker beside it; then as fast as the process takes them."""
    on.alter(activity_rate=100_000_000)
    async with on.house() as house:
        companies = await hire(house, on, companies=COMPANIES, staff=2, name="Reports")
        keys = [await _key(house, on, company) for company in companies]
        (token,) = await sign_in(house, companies[0].people[1:])
    (api,) = on.start_apis(1, quiet=True)
    on.start_worker()
    for size in SIZES:
        _finish(_reporter(api, keys, seconds=1, per_second=PER_SECOND, size=size), api, 0)
    idle: list[list[float]] = []
    busy: dict[int, list[list[float]]] = {size: [] for size in SIZES}
    taken: dict[int, list[_Report]] = {size: [] for size in SIZES}
    most: dict[int, list[_Report]] = {size: [] for size in SIZES}
    for _ in range(rounds):
        idle.append(_probe(api, token, LONGER * seconds / 2))
        for size in SIZES:
            used = api.cpu_seconds()
            sending = _reporter(api, keys, seconds=LONGER * seconds, per_second=PER_SECOND, size=size)
            busy[size].append(_probe(api, token, LONGER * seconds - 1))
            taken[size].append(_finish(sending, api, used))
        for size in SIZES:
            used = api.cpu_seconds()
            most[size].append(_finish(_reporter(api, keys, seconds=seconds, per_second=0, size=size), api, used))
    on.stop_apis()
    figures = Figures()
    for size in SIZES:
        figures.add(_figures(size, idle, busy[size], taken[size], most[size]))
    figures.numbers.append(Number("intake_idle_p99", "p99 of GET /session when idle", _middle(idle, 99), "ms"))
    return figures


def _figures(size: int, idle: list[list[float]], busy: list[list[float]], taken: list[_Report], most: list[_Report]) -> Figures:
    title, p99 = f"GET /session while {PER_SECOND:,} events/s come in batches of {size}", _percentile
    ratios = [p99(rough, 99) / p99(calm, 99) for rough, calm in zip(busy, idle, strict=True)]
    middle = statistics.median
    return Figures(
        [Ratio(f"intake_{size}", f"{title}: p99 against idle", "at most", 3, ratios)],
        [
            Number(f"intake_{size}_p99", f"p99 of {title}", _middle(busy, 99), "ms"),
            Number(f"intake_{size}_taken", f"Events accepted in batches of {size}", middle(t.per_second for t in taken), "/s"),
            Number(f"intake_{size}_cpu", "Processor of the API process for one", middle(t.cpu_us for t in taken), "µs"),
            Number(
                f"intake_{size}_most",
                f"Most events in batches of {size} that a process takes",
                middle(t.per_second for t in most),
                "/s",
            ),
        ],
    )


async def _key(house: House, on: Stage, company: Company) -> str:
    await on.ask("UPDATE accounts SET activity_documents = 'kept' WHERE id = $1", company.account_id)
    ada = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        made = await create_key(session, house.signer, ada, name="Reports", scopes=[KeyScope.ACTIVITY_WRITE])
    return made.text


def _reporter(api: Process, keys: list[str], *, seconds: float, per_second: float, size: int) -> "subprocess.Popen[str]":
    given = (api.port, seconds, per_second, size, CONNECTIONS)
    popen = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.reporter", *map(str, given)],
        cwd=TOP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert popen.stdin is not None
    popen.stdin.write("\n".join(keys))
    popen.stdin.close()
    popen.stdin = None
    return popen


def _finish(popen: "subprocess.Popen[str]", api: Process, used: float) -> _Report:
    said, _ = popen.communicate()
    if popen.returncode:
        raise RuntimeError("events were refused")
    found = json.loads(said)
    return _Report(found["events"], found["events"] / found["seconds"], (api.cpu_seconds() - used) / max(1, found["events"]) * 1e6)


def _probe(api: Process, token: str, seconds: float) -> list[float]:
    command = [sys.executable, "-m", "tests.bench.prober", str(api.port), str(seconds), str(ASKED_PER_SECOND), ASKED]
    said = subprocess.run(command, cwd=TOP, check=True, input=f"{token}\n", stdout=subprocess.PIPE, text=True).stdout
    found: list[list[float]] = json.loads(said)
    return found[0]


def _middle(rounds: list[list[float]], percent: float) -> float:
    return statistics.median(_percentile(found, percent) for found in rounds)


def _percentile(found: list[float], percent: float) -> float:
    return sorted(found)[min(len(found) - 1, math.ceil(len(found) * percent / 100) - 1)]
