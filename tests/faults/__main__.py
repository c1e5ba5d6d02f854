"""`python -m tests.faults`: every long experiment, a table at the end, and status 1 if anything happened that never may."""

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import click

TOP = Path(__file__).resolve().parents[2]
#: Experiments by module, what they show, and how often in what they call it.
EXPERIMENTS = (
    ("sign_in_storm", "R1 R7", 20, "rounds"),
    ("seat_walk", "R2", 10, "minutes"),
    ("redis_forgets", "F2", 3, "rounds"),
    ("worker_kills", "F1", 20, "rounds"),
    ("equal_answers", "X4", 2000, "tries"),
    ("user_quota", "R3", 10, "rounds"),
    ("reseller_pool", "R6", 10, "rounds"),
    ("last_administrator", "R4", 500, "rounds"),
    ("at_the_next_request", "R8", 200, "rounds"),
    ("raised_cap", "cap", 100, "rounds"),
    ("many_invitations", "batch", 3, "rounds"),
    ("repeated_events", "events", 20, "rounds"),
)


class Outcome(NamedTuple):
    """How an experiment ended."""

    module: str
    ids: str
    minutes: float
    results: list[str]
    held: bool


@click.command()
@click.option("--rounds", type=int, help="So many rounds (or tries) of each, instead of its own number.")
@click.argument("modules", nargs=-1)
def main(rounds: int | None, modules: tuple[str, ...]) -> None:
    """Run every experiment, or those named."""
    outcomes = [
        _run(module, ids, rounds or usual, word)
        for module, ids, usual, word in EXPERIMENTS
        if find_spec(f"tests.faults.{module}") is not None and (not modules or module in modules)
    ]
    click.echo("\nexperiment      shows    minutes  outcome")
    for outcome in outcomes:
        click.echo(f"{outcome.module:15} {outcome.ids:8} {outcome.minutes:7.1f}  {'held' if outcome.held else 'VIOLATED'}")
        for result in outcome.results:
            click.echo(f"  {result}")
    sys.exit(0 if outcomes and all(outcome.held for outcome in outcomes) else 1)


def _run(module: str, ids: str, times: int, word: str) -> Outcome:
    """One experiment in a process of its own; what it says is shown as it says it."""
    click.echo(f"{module} ({ids}), {times} {word}")
    began, said = time.monotonic(), []
    command = [sys.executable, "-u", "-m", f"tests.faults.{module}", f"--{word}", str(times)]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            click.echo(line, nl=False)
            said.append(line.rstrip())
    held = process.returncode == 0
    results = [line for line in said if line.startswith(("R", "F", "X"))] if held else said[-1:]
    return Outcome(module, ids, (time.monotonic() - began) / 60, results, held)


if __name__ == "__main__":
    main()
