"""P2: sign-ins a second against argon2-cffi alone on the same cores, and the rows that a sign-in writes."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass

from tests.bench.figures import Figures, Number, Ratio
from tests.bench.load import Load, run
from tests.bench.people import hire, send_home, sign_in, signing_in_script
from tests.faults.processes import TOP, Process, Stage
from tests.make import Company

COMPANIES, STAFF = 8, 100
CONNECTIONS_PER_CORE = 6


@dataclass(frozen=True, slots=True)
class Alone:
    """What argon2-cffi reaches with nothing around it."""

    per_second: float
    cpu_ms: float


async def measure(on: Stage, *, rounds: int, seconds: float) -> Figures:
    """Interleaved rounds: the hash alone, one process with a thread per core, a process per core with one thread each."""
    cores = os.cpu_count() or 1
    async with on.house() as house:
        companies = await hire(house, on, companies=COMPANIES, staff=STAFF, name="Entrance")
    rows = await _rows(on, companies[0])
    # Neighbours in the list are of different companies, as in life.
    people = [company.people[number] for number in range(STAFF) for company in companies]
    script = signing_in_script(on.folder / "sign-ins.lua", people)
    one = on.start_apis(1, quiet=True)
    many = _a_process_per_core(on, cores)
    floor = [on.start_server("floor", "uvicorn", "tests.bench.floor:app", "--lifespan", "off", "--no-access-log")]
    alone: list[Alone] = []
    by_one: list[Load] = []
    by_many: list[Load] = []
    by_floor: list[Load] = []
    for servers in (one, many, floor):
        run(servers, "/api/v1/login", connections=cores, seconds=1, script=script)
    for _ in range(rounds):
        alone.append(_alone(cores, seconds))
        for servers, found in ((one, by_one), (many, by_many), (floor, by_floor)):
            await send_home(on)
            found.append(run(servers, "/api/v1/login", connections=CONNECTIONS_PER_CORE * cores, seconds=seconds, script=script))
    on.stop_apis()
    figures = _figures(cores, alone, by_one, by_many, rows)
    figures.numbers.append(_floor(alone, by_floor))
    return figures


def _a_process_per_core(on: Stage, cores: int) -> list[Process]:
    threads = on.settings.hash_threads
    on.alter(hash_threads=1)
    try:
        return on.start_apis(cores, quiet=True)
    finally:
        on.alter(hash_threads=threads)


def _figures(cores: int, alone: list[Alone], by_one: list[Load], by_many: list[Load], rows: Number) -> Figures:
    middle = sorted(by_one, key=lambda load: load.per_second)[len(by_one) // 2]
    bare = sorted(alone, key=lambda found: found.per_second)[len(alone) // 2]
    return Figures(
        [
            Ratio(
                "sign_ins",
                "Sign-ins a second against argon2-cffi alone, same cores",
                "at least",
                0.9,
                [mine.per_second / hashes.per_second for mine, hashes in zip(by_one, alone, strict=True)],
            ),
            Ratio(
                "sign_ins_by_many",
                f"The same with {cores} processes of one hash thread each",
                "at least",
                0.9,
                [mine.per_second / hashes.per_second for mine, hashes in zip(by_many, alone, strict=True)],
                drawn=False,
            ),
            Ratio(
                "sign_ins_cpu",
                "CPU of the API process per sign-in against that of the hash alone",
                "at most",
                1 / 0.9,
                [mine.cpu_us / 1000 / hashes.cpu_ms for mine, hashes in zip(by_one, alone, strict=True)],
                drawn=False,
            ),
        ],
        [
            Number("sign_ins_per_second", f"Sign-ins on {cores} cores", middle.per_second, "a second"),
            Number("hashes_per_second", f"argon2-cffi alone on {cores} cores", bare.per_second, "a second"),
            Number("sign_in_cpu", "CPU of the API process per sign-in", middle.cpu_us / 1000, "ms"),
            Number("hash_cpu", "CPU of one hash", bare.cpu_ms, "ms"),
            rows,
        ],
    )


def _floor(alone: list[Alone], by_floor: list[Load]) -> Number:
    ratios = sorted(mine.per_second / hashes.per_second for mine, hashes in zip(by_floor, alone, strict=True))
    title = f"The least that a sign-in can be (floor.py) against argon2-cffi alone: {ratios[0]:.3g} to {ratios[-1]:.3g}, median"
    return Number("sign_in_floor", title, ratios[len(ratios) // 2])


def _alone(threads: int, seconds: float) -> Alone:
    said = subprocess.run(
        [sys.executable, "-m", "tests.bench.hashing", str(threads), str(seconds)],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return Alone(**json.loads(said))


async def _rows(on: Stage, company: Company) -> Number:
    # PostgreSQL counts a connection's rows for certain once it is closed, so each step has connections of its own.
    before = await _written(on)
    async with on.house() as house:
        await sign_in(house, company.people)
    written = await _written(on) - before
    return Number("sign_in_rows", "Rows inserted by a sign-in", written / len(company.people), "rows")


async def _written(on: Stage) -> int:
    await asyncio.sleep(0.2)
    (row,) = await on.ask("SELECT sum(n_tup_ins)::bigint AS rows FROM pg_stat_user_tables")
    return int(row["rows"])
