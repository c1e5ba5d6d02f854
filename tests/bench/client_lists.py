"""The list of clients and their usage: a reseller with 2,000 clients against one with 20, in one installation."""

import http.client
import json
import statistics
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from tests import make
from tests.bench.figures import Figures, Number, Ratio
from tests.bench.people import sign_in
from tests.faults.processes import Stage
from tests.make import Company

MANY, FEW = 2_000, 20
STAFF, DAYS, AT_WORK = 5, 30, 3
REPEATS = 11
# Pages that are measured a second time.
DOUBTED = 4
GOAL = 1.5
# Seconds; the server closes connections that are idle for five.
KEPT = 2
_LISTS = ("/accounts", "/usage")
_SORTS = ("attention", "-attention", "name", "-name", "created_at", "-created_at")
_FILTERS = (
    {"attention": "any"},
    {"attention": "near_cap"},
    {"attention": "near_cap", "sort": "name"},
    {"status": "active"},
    {"status": "active", "sort": "name"},
    {"q": "Atelier"},
    {"q": "Atelier", "sort": "-name"},
    {"q": "nobody of that name"},
    {"q": "Atelier", "attention": "any", "status": "active"},
)


@dataclass
class Seller:
    """A reseller, as its administrator's program asks for its lists."""

    company: Company
    token: str
    port: int
    connection: http.client.HTTPConnection = field(init=False)
    asked: float = 0

    def __post_init__(self) -> None:
        """One connection, kept open."""
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, path: str) -> Any:
        """A page."""
        if time.monotonic() - self.asked > KEPT:
            self.connection.close()
        self.asked = time.monotonic()
        self.connection.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {self.token}"})
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

    def pages(self, path: str, query: dict[str, str]) -> list[str]:
        """Every page of a list."""
        found = [f"{path}?{urlencode(query)}"]
        while cursor := json.loads(self.ask(found[-1]))["next_cursor"]:
            found.append(f"{path}?{urlencode({**query, 'cursor': cursor})}")
        return found


@dataclass
class Page:
    """One page, asked for by both: as full as each can have it."""

    path: str
    title: str
    #: Of the reseller with many clients and of the one with few.
    ways: tuple[str, str]
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """One for each round."""
        return [many / few for many, few in self.times]


async def measure(on: Stage, *, rounds: int) -> Figures:
    """Whole requests, one after the other, in turn by the two; medians of 11 in each round."""
    async with on.house() as house:
        sellers = [await make.company(house, f"Seller {size}", kind="reseller", staff=0) for size in (MANY, FEW)]
        tokens = await sign_in(house, [seller.administrator for seller in sellers])
    for seller, size in zip(sellers, (MANY, FEW), strict=True):
        await _fill(on, seller.account_id, size)
    (api,) = on.start_apis(1, quiet=True)
    many, few = (Seller(company, token, api.port) for company, token in zip(sellers, tokens, strict=True))
    pages = [page for path in _LISTS for page in _pages(path, many, few)]
    _time(pages, many, few, rounds)
    # The worst of many medians is partly chance: what looked worst is measured anew, and only that counts.
    pages = [Page(page.path, page.title, page.ways) for path in _LISTS for page in _worst(pages, path)[:DOUBTED]]
    _time(pages, many, few, rounds)
    on.stop_apis()
    return _figures(pages)


def _pages(path: str, many: Seller, few: Seller) -> list[Page]:
    found: list[Page] = []
    for sort in _SORTS:
        far, near = many.pages(path, {"sort": sort}), f"{path}?sort={sort}"
        found.extend(
            Page(path, f"{sort}, {which} page", (far[place], near))
            for which, place in (("first", 0), ("middle", len(far) // 2), ("last", -1))
        )
    for one in _FILTERS:
        way = f"{path}?{urlencode(one)}"
        found.append(Page(path, ", ".join(one.values()), (way, way)))
    return found


def _time(pages: list[Page], many: Seller, few: Seller, rounds: int) -> None:
    for _ in range(rounds):
        for page in pages:
            taken: tuple[list[float], list[float]] = ([], [])
            for seller, way in zip((many, few), page.ways, strict=True):
                # The first answer may pay for a new connection, and is not counted.
                seller.ask(way)
            for _ in range(REPEATS):
                for seller, way, into in zip((many, few), page.ways, taken, strict=True):
                    into.append(seller.milliseconds(way))
            page.times.append((statistics.median(taken[0]), statistics.median(taken[1])))


def _worst(pages: list[Page], path: str) -> list[Page]:
    return sorted((page for page in pages if page.path == path), key=lambda page: -statistics.median(page.ratios))


def _figures(pages: list[Page]) -> Figures:
    figures = Figures()
    for path, key in zip(_LISTS, ("clients", "clients_usage"), strict=True):
        worst = _worst(pages, path)[0]
        title = f"GET {path}, the worst page ({worst.title}): a reseller with {MANY:,} clients against one with {FEW}"
        figures.ratios.append(Ratio(key, title, "at most", GOAL, worst.ratios))
        slowest = statistics.median(many for many, _ in worst.times)
        figures.numbers.append(Number(f"{key}_page", f"GET {path}, that page of {MANY:,}", slowest, "ms"))
    return figures


async def _fill(on: Stage, parent: UUID, size: int) -> None:
    """Clients with people, days of usage and people at work. Every fifth of many, and every one of few, needs attention."""
    now = datetime.now(UTC)
    ids = [uuid7() for _ in range(size)]
    needing = [size == FEW or number % 5 == 0 for number in range(size)]
    day = now.date()
    tables: dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]] = {
        "accounts": (
            ("id", "kind", "parent_id", "name", "slug", "created_at"),
            [
                (one, "client", parent, f"Atelier {number * 7919 % size}", f"atelier-{one}", now - timedelta(minutes=size - number))
                for number, one in enumerate(ids)
            ],
        ),
        "licences": (
            ("account_id", "plan", "seats", "accountant_seats", "options"),
            [(one, "enterprise", 10, 1, []) for one in ids],
        ),
        "client_figures": (
            ("account_id", "parent_id", "peak", "attention", "urgency"),
            [
                (one, parent, 9, ["near_cap"] if needed else [], 4 if needed else 0)
                for one, needed in zip(ids, needing, strict=True)
            ],
        ),
        "usage_days": (
            ("account_id", "day", "part", "peak", "refused", "sign_ins", "waited_ms", "idle_ms", "taken", "avoided"),
            [
                (one, day - timedelta(days=back), "1", 9, 2, 30, 60_000, 600_000, '{"9": 3}', '{"11": 2}')
                for one in ids
                for back in range(DAYS)
            ],
        ),
        "users": (
            ("account_id", "id", "identity_id", "email", "role", "status"),
            [(one, uuid7(), uuid7(), f"p{n}@{one}.example.com", "user", "active") for one in ids for n in range(STAFF)],
        ),
        "boosts": (
            ("account_id", "id", "seats", "starts_at", "ends_at", "by_name"),
            [(one, uuid7(), 2, now - timedelta(days=1), now + timedelta(days=9), "Sam") for one in ids[::4]],
        ),
    }
    connection = await asyncpg.connect(on.addresses.superuser_url)
    try:
        # The rows fit each other because they are made together here.
        await connection.execute("SET session_replication_role = replica; SET statement_timeout = 0")
        for table, (columns, rows) in tables.items():
            await connection.copy_records_to_table(table, records=rows, columns=columns)
        # As autovacuum does by itself in a server that lives on.
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()
    until = (now + timedelta(hours=8)).timestamp() * 1000
    with on.valkey() as client:
        for one in ids:
            client.zadd(f"h:{{{one.hex}}}", {uuid7().hex: until for _ in range(AT_WORK)})
