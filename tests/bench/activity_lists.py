"""A page of one account's history in a large installation, against the same page in a small one; and what a line takes up."""

import asyncio
import json
import os
import time
from contextlib import ExitStack
from urllib.parse import urlencode

import click

from tests.bench.asking import Pair, Reader, doubted, time_in_turn, worst_of
from tests.bench.figures import Figures, Number, Ratio
from tests.bench.hashing import COST, MEMORY
from tests.bench.long_history import History, Span, seal_bytes, write_history
from tests.faults.processes import Stage, stage

LINES, PER_ACCOUNT = 10_000_000, 1_000
SMALL = Span(accounts=50, lines=50 * PER_ACCOUNT)
# Pages that are measured a second time.
DOUBTED = 4
GOAL = 1.5


async def measure(on: Stage, *, rounds: int, lines: int = LINES) -> Figures:
    """Whole requests, one after the other, in turn at the large and the small place; medians of 11 in each round."""
    span = Span(accounts=max(1, lines // PER_ACCOUNT), lines=lines)
    with ExitStack() as stack:
        beside = await asyncio.to_thread(stack.enter_context, stage())
        (history, large), (_, small) = [await _settle(*place) for place in ((on, span), (beside, SMALL))]
        pages = _pages(large, small)
        time_in_turn(pages, large, small, rounds=rounds)
        first = next(page for page in pages if page.title == "first page")
        again = doubted(pages, DOUBTED)
        time_in_turn(again, large, small, rounds=rounds)
        on.stop_apis()
        sealed = await seal_bytes(on, history)
    return _figures(history, first, again, sealed)


async def _settle(on: Stage, span: Span) -> tuple[History, Reader]:
    history = await write_history(on, span)
    (api,) = on.start_apis(1, quiet=True)
    return history, Reader(api.port, history.token)


def _pages(large: Reader, small: Reader) -> list[Pair]:
    far, near = large.pages("/activity", {}), small.pages("/activity", {})
    found = [
        Pair("first page", (far[0],), (near[0],)),
        Pair("middle page", (far[len(far) // 2],), (near[len(near) // 2],)),
        Pair("last full page", (far[-2],), (near[-2],)),
    ]
    for title, query in _FILTERS.items():
        way = f"/activity?{urlencode(query)}"
        found.append(Pair(title, (way,), (way,)))
    there, here = (json.loads(reader.ask("/activity?action=user.changed&limit=1"))["items"][0] for reader in (large, small))
    for title, path in (
        ("actor", "/activity?actor={actor[user_id]}"),
        ("target", "/activity?target=user%3A{target[id]}"),
        ("one line", "/activity/{id}"),
    ):
        found.append(Pair(title, (path.format(**there),), (path.format(**here),)))
    found.append(Pair("one's own", ("/me/activity",), ("/me/activity",)))
    return found


_MONTHS_BACK = {"from": time.strftime("%Y-%m-01", time.gmtime(time.time() - 120 * 86400)), "to": time.strftime("%Y-%m-01")}
_FILTERS: dict[str, dict[str, str]] = {
    "event": {"action": "user.suspended"},
    "common event": {"action": "session.signed_in"},
    "family": {"action": "user"},
    "documents": {"action": "document"},
    "kind of target": {"target": "account"},
    "vendor's id": {"target": "INV-7"},
    "system": {"actor": "system"},
    "result": {"result": "failed"},
    "address": {"ip": "203.0.113.7"},
    "text": {"text": "invoice 9"},
    "text that is nowhere": {"text": "nothing is called that"},
    "months": _MONTHS_BACK,
    "a text in some months": {**_MONTHS_BACK, "text": "leave"},
    "an event in some months": {**_MONTHS_BACK, "action": "user.changed", "result": "done"},
}


def _figures(history: History, first: Pair, pages: list[Pair], sealed: float) -> Figures:
    worst = worst_of(pages)
    lines = history.span.lines
    words = f"one account of {history.span.accounts:,} with {lines:,} lines, against one of {SMALL.accounts} with {SMALL.lines:,}"
    return Figures(
        [
            Ratio("history", f"GET /activity, the worst page ({worst.title}): {words}", "at most", GOAL, worst.ratios),
            Ratio("history_first", "GET /activity, the first page", "at most", GOAL, first.ratios, drawn=False),
        ],
        [
            Number("history_page", "GET /activity, that worst page of the large installation", worst.milliseconds, "ms"),
            Number("history_seeding", f"Seconds to make {lines:,} lines", history.seconds, "s"),
            Number("history_line", "PostgreSQL, for each line of the history", history.table_bytes / lines, "bytes"),
            Number(
                "history_line_indexes", "PostgreSQL, indexes for each line of the history", history.index_bytes / lines, "bytes"
            ),
            Number("history_line_seal", "PostgreSQL, seals for each line of the history", sealed, "bytes"),
        ],
    )


@click.command()
@click.option("--lines", default=LINES, show_default=True, help="Lines of the large installation, 1,000 for each account.")
@click.option("--rounds", default=5, show_default=True, help="Rounds of each page.")
def main(lines: int, rounds: int) -> None:
    """Measure the lists of the history alone; a million lines take about a minute."""
    with stage(environment="development", argon2_time_cost=COST, argon2_memory_kib=MEMORY, hash_threads=os.cpu_count()) as on:
        figures = asyncio.run(measure(on, rounds=rounds, lines=lines))
    figures.show()


if __name__ == "__main__":
    main()
