"""P3: how long people at work wait while everybody else signs in, against how long they wait when nobody does."""

import json
import math
import subprocess
import sys

from tests.bench.figures import Figures, Number, Ratio
from tests.bench.load import Load, Wrk, run
from tests.bench.people import hire, send_home, sign_in, signing_in_script
from tests.faults.processes import TOP, Process, Stage

# A hundred questions a second, of each kind fifty.
CONNECTIONS, PER_SECOND = 16, 100
COMPANIES, STAFF = 8, 100
ASKED = {"": "/api/v1/session", "gate_": "/gate/check?right=invoices.view"}


async def measure(on: Stage, *, rounds: int, seconds: float) -> Figures:
    """Idle and storm, interleaved, on one process with its usual hash threads."""
    (api,) = on.start_apis(1, quiet=True)
    idle: list[list[list[float]]] = []
    storm: list[list[list[float]]] = []
    loads: list[Load] = []
    async with on.house() as house:
        companies = await hire(house, on, companies=COMPANIES, staff=STAFF, name="Storm")
        worker = (await hire(house, on, companies=1, staff=1, name="At work"))[0].people
        script = signing_in_script(
            on.folder / "storm.lua", [company.people[number] for number in range(STAFF) for company in companies]
        )
        # Connections to PostgreSQL are opened once in a process's life: not in a round.
        run([api], "/api/v1/login", connections=CONNECTIONS, seconds=1, script=script)
        for _ in range(rounds):
            await send_home(on)
            (token,) = await sign_in(house, worker)
            idle.append(_probe(api, token, seconds))
            load = Wrk([api], "/api/v1/login", connections=CONNECTIONS, seconds=seconds + 1, script=script)
            storm.append(_probe(api, token, seconds))
            loads.append(load.finish())
            if loads[-1].refused:
                raise RuntimeError(f"{loads[-1].refused} sign-ins were refused in the storm")
    on.stop_apis()
    figures = Figures()
    for number, (key, path) in enumerate(ASKED.items()):
        title = f"GET {path.removeprefix('/api/v1').partition('?')[0]}"
        figures.add(_figures(key, title, [found[number] for found in idle], [found[number] for found in storm]))
    middle = sorted(load.per_second for load in loads)[len(loads) // 2]
    figures.numbers.append(Number("storm_sign_ins", "Sign-ins during the storm", middle, "a second"))
    return figures


def _figures(key: str, title: str, idle: list[list[float]], storm: list[list[float]]) -> Figures:
    calm, rough = [_percentile(found, 99) for found in idle], [_percentile(found, 99) for found in storm]
    return Figures(
        [
            Ratio(
                f"{key}storm",
                f"{title} in a storm of sign-ins: p99 against idle",
                "at most",
                3,
                [busy / quiet for busy, quiet in zip(rough, calm, strict=True)],
            ),
            Ratio(
                f"{key}storm_median",
                f"{title} in a storm of sign-ins: median against idle",
                "at most",
                3,
                [_percentile(busy, 50) / _percentile(quiet, 50) for busy, quiet in zip(storm, idle, strict=True)],
                drawn=False,
            ),
        ],
        [
            Number(f"{key}storm_p99", f"p99 of {title} during the storm", sorted(rough)[len(rough) // 2], "ms"),
            Number(f"{key}idle_p99", f"p99 of {title} when idle", sorted(calm)[len(calm) // 2], "ms"),
        ],
    )


def _probe(api: Process, token: str, seconds: float) -> list[list[float]]:
    command = [sys.executable, "-m", "tests.bench.prober", str(api.port), str(seconds), str(PER_SECOND), *ASKED.values()]
    said = subprocess.run(command, cwd=TOP, check=True, input=f"{token}\n", stdout=subprocess.PIPE, text=True).stdout
    found: list[list[float]] = json.loads(said)
    return found


def _percentile(found: list[float], percent: float) -> float:
    return sorted(found)[min(len(found) - 1, math.ceil(len(found) * percent / 100) - 1)]
