"""`python -m tests.bench`: every figure in one run on one machine, as a table, a file and a picture."""

import asyncio
import json
import os
import platform
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from tests.bench import (
    activity_intake,
    activity_lists,
    client_lists,
    events,
    pages,
    session_requests,
    sign_ins,
    storm,
    user_lists,
    valkey,
)
from tests.bench.chart import picture
from tests.bench.figures import Figures
from tests.bench.hashing import COST, MEMORY
from tests.bench.load import MISSING, wrk_is_there
from tests.faults.processes import Stage, stage

DOCS = Path(__file__).resolve().parents[2] / "docs"

Measurement = Callable[[Stage, int, float], Coroutine[Any, Any, Figures]]
MEASUREMENTS: dict[str, Measurement] = {
    "requests": lambda on, rounds, seconds: session_requests.measure(on, rounds=rounds, seconds=seconds),
    "sign-ins": lambda on, rounds, seconds: sign_ins.measure(on, rounds=rounds, seconds=seconds),
    "storm": lambda on, rounds, seconds: storm.measure(on, rounds=rounds, seconds=3 * seconds),
    "valkey": lambda on, rounds, _: valkey.measure(on, rounds=rounds),
    "intake": lambda on, rounds, seconds: activity_intake.measure(on, rounds=rounds, seconds=seconds),
    "events": lambda on, _, __: events.measure(on),
    "lists": lambda on, rounds, _: user_lists.measure(on, rounds=rounds),
    "clients": lambda on, rounds, _: client_lists.measure(on, rounds=rounds),
    "pages": lambda on, rounds, _: pages.measure(on, rounds=rounds),
    "history": lambda on, rounds, _: activity_lists.measure(on, rounds=rounds),
}


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Rounds of each measurement.")
@click.option("--seconds", default=4.0, show_default=True, help="Length of a round; rounds of the storm are three times as long.")
@click.option("--only", type=click.Choice(list(MEASUREMENTS)), multiple=True, help="Only this; nothing is written then.")
@click.option("--strict", is_flag=True, help="End with status 1 when a goal is missed.")
def main(rounds: int, seconds: float, only: tuple[str, ...], strict: bool) -> None:
    """Measure, print the table, and write docs/bench.json and docs/bench.svg."""
    if not wrk_is_there():
        raise click.ClickException(MISSING)
    figures = Figures()
    for name in only or MEASUREMENTS:
        click.echo(f"measuring {name}, {rounds} rounds", err=True)
        # Each with servers of its own: none finds what another left.
        with stage(environment="development", argon2_time_cost=COST, argon2_memory_kib=MEMORY, hash_threads=os.cpu_count()) as on:
            figures.add(asyncio.run(MEASUREMENTS[name](on, rounds, seconds)))
    figures.show()
    if not only:
        _write(figures, rounds)
    sys.exit(1 if strict and not all(ratio.held for ratio in figures.ratios) else 0)


def _write(figures: Figures, rounds: int) -> None:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    document = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
        "rounds": rounds,
        "ratios": [ratio.document() for ratio in figures.ratios],
        "numbers": [number.document() for number in figures.numbers],
    }
    DOCS.mkdir(exist_ok=True)
    (DOCS / "bench.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (DOCS / "bench.svg").write_text(picture(figures, machine=machine), encoding="utf-8")


if __name__ == "__main__":
    main()
