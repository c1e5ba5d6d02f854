"""A page of one account's history in a large installation, against the same page in a small one; and what a line takes up."""

import asyncio
import http.client
import json
import os
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlencode

import click

from tests.bench.figures import Figures, Number, Ratio
from tests.bench.hashing import COST, MEMORY
from tests.bench.long_history import History, Span, seal_bytes, write_history
from tests.faults.processes import Stage, stage

LINES, PER_ACCOUNT = 10_000_000, 1_000
SMALL = Span(accounts=50, lines=50 * PER_ACCOUNT)
REPEATS = 11
# Pages that are measured a second time.
DOUBTED = 4
GOAL = 1.5
# Seconds; the server closes connections that are idle for five.
KEPT = 2


@dataclass
class Place:
    """An installation and the API process that is asked."""

    history: History
    port: int
    connection: http.client.HTTPConnection = field(init=False)
    asked: float = 0

    def __post_init__(self) -> None:
        """One connection, kept open."""
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, path: str) -> bytes:
        """As the account's administrator."""
        if time.monotonic() - self.asked > KEPT:
            self.connection.close()
        self.asked = time.monotonic()
        self.connection.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {self.history.token}"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        return body

    def milliseconds(self, path: str) -> float:
        """What the answer took, as its reader sees it."""
        began = time.perf_counter()
        self.ask(path)
        return (time.perf_counter() - began) * 1000

    def pages(self, **query: str) -> list[str]:
        """Every page of the list."""
        found = [f"/activity?{urlencode(query)}"]
        while cursor := json.loads(self.ask(found[-1]))["next_cursor"]:
            found.append(f"/activity?{urlencode({**query, 'cursor': cursor})}")
        return found


@dataclass
class Page:
    """One page, asked for in both places."""

    title: str
    #: In the large place and in the small one.
    ways: tuple[str, str]
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """One for each round."""
        return [large / small for large, small in self.times]

    @property
    def ratio(self) -> float:
        """The figure."""
        return statistics.median(self.ratios)


async def measure(on: Stage, *, rounds: int, lines: int = LINES) -> Figures:
    """Whole requests, one after the other, in turn at the large and the small place; medians of 11 in each round."""
    span = Span(accounts=max(1, lines // PER_ACCOUNT), lines=lines)
    with ExitStack() as stack:
        beside = await asyncio.to_thread(stack.enter_context, stage())
        large, small = [await _settle(*place) for place in ((on, span), (beside, SMALL))]
        pages = _pages(large, small)
        _time(large, small, pages, rounds)
        # The worst of many medians is partly chance: what looked worst is measured anew, and only that counts.
        first = next(page for page in pages if page.title == "first page")
        doubted = sorted(pages, key=lambda page: page.ratio)[-DOUBTED:]
        again = [Page(page.title, page.ways) for page in doubted]
        _time(large, small, again, rounds)
        on.stop_apis()
        sealed = await seal_bytes(on, large.history)
    return _figures(large.history, first, again, sealed)


async def _settle(on: Stage, span: Span) -> Place:
    history = await write_history(on, span)
    (api,) = on.start_apis(1, quiet=True)
    return Place(history, api.port)


def _pages(large: Place, small: Place) -> list[Page]:
    far, near = large.pages(), small.pages()
    found = [
        Page("first page", (far[0], near[0])),
        Page("middle page", (far[len(far) // 2], near[len(near) // 2])),
        Page("last full page", (far[-2], near[-2])),
    ]
    for title, query in _FILTERS.items():
        found.append(Page(title, (f"/activity?{urlencode(query)}",) * 2))
    lines = [json.loads(place.ask("/activity?action=user.changed&limit=1"))["items"][0] for place in (large, small)]
    for title, name, values in (
        ("actor", "actor", [line["actor"]["user_id"] for line in lines]),
        ("target", "target", [f"user:{line['target']['id']}" for line in lines]),
    ):
        ways = [f"/activity?{urlencode({name: value})}" for value in values]
        found.append(Page(title, (ways[0], ways[1])))
    found.append(Page("one line", (f"/activity/{lines[0]['id']}", f"/activity/{lines[1]['id']}")))
    found.append(Page("one's own", ("/me/activity", "/me/activity")))
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


def _time(large: Place, small: Place, pages: list[Page], rounds: int) -> None:
    for _ in range(rounds):
        for page in pages:
            taken: tuple[list[float], list[float]] = ([], [])
            for place, way in zip((large, small), page.ways, strict=True):
                # The first answer may pay for a new connection, and is not counted.
                place.ask(way)
            for _ in range(REPEATS):
                for place, way, into in zip((large, small), page.ways, taken, strict=True):
                    into.append(place.milliseconds(way))
            page.times.append((statistics.median(taken[0]), statistics.median(taken[1])))


def _figures(history: History, first: Page, pages: list[Page], sealed: float) -> Figures:
    worst = max(pages, key=lambda page: page.ratio)
    lines = history.span.lines
    words = f"one account of {history.span.accounts:,} with {lines:,} lines, against one of {SMALL.accounts} with {SMALL.lines:,}"
    slowest = statistics.median(large for large, _ in worst.times)
    return Figures(
        [
            Ratio("history", f"GET /activity, the worst page ({worst.title}): {words}", "at most", GOAL, worst.ratios),
            Ratio("history_first", "GET /activity, the first page", "at most", GOAL, first.ratios, drawn=False),
        ],
        [
            Number("history_page", "GET /activity, that worst page of the large installation", slowest, "ms"),
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
    for ratio in figures.ratios:
        click.echo(f"{'held  ' if ratio.held else 'MISSED'}  {ratio.title}: {ratio.shown()}")
    for number in figures.numbers:
        click.echo(f"        {number.title}: {number.shown()}")


if __name__ == "__main__":
    main()
