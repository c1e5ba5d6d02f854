"""P4: a page of users in a large account of a large installation, against one of a small account that is alone."""

import asyncio
import http.client
import json
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.bench.crowd import FIRST, LARGE, LAST, SMALL, Crowd, Size, gather_crowd
from tests.bench.figures import Figures, Number, Ratio
from tests.faults.processes import Stage, stage

REPEATS = 11
# Pages of each kind that are measured a second time.
DOUBTED = 3
SORTS = ("name", "email", "created_at", "last_login_at")
# Common and rare ones, two words, part of an address, and what nobody is called.
SEARCHES = ("e", "Hélène", "lefevre", "BŒUF", "zoé cœur", "martin", "atelier12.ex", "thérèse@", "100%", "nobody of that name")
GOAL = 1.5
# Seconds; the server closes connections that are idle for five.
KEPT = 2


@dataclass
class Place:
    """An installation and the API process that is asked."""

    crowd: Crowd
    port: int
    connection: http.client.HTTPConnection = field(init=False)
    asked: float = 0

    def __post_init__(self) -> None:
        """One connection, kept open."""
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, query: str) -> bytes:
        """`GET /users` as the account's administrator."""
        if time.monotonic() - self.asked > KEPT:
            self.connection.close()
        self.asked = time.monotonic()
        self.connection.request("GET", f"/api/v1/users?{query}", headers={"Authorization": f"Bearer {self.crowd.tokens[0]}"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{query}: {answer.status} {body[:500]!r}")
        return body

    def milliseconds(self, query: str) -> float:
        """What the answer took, as its reader sees it."""
        began = time.perf_counter()
        self.ask(query)
        return (time.perf_counter() - began) * 1000

    def shown(self, **query: str) -> int:
        """How many people the first page has."""
        return len(json.loads(self.ask(urlencode(query)))["items"])

    def pages(self, **query: str) -> list[str]:
        """The queries of every page of the list."""
        found = [urlencode(query)]
        while cursor := json.loads(self.ask(found[-1]))["next_cursor"]:
            found.append(urlencode({**query, "cursor": cursor}))
        return found


@dataclass
class Page:
    """One page, asked for in both places."""

    kind: str
    title: str
    #: In the large place and in the small one.
    queries: tuple[str, str]
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """One for each round."""
        return [large / small for large, small in self.times]


async def measure(on: Stage, *, rounds: int) -> Figures:
    """Whole requests, one after the other, in turn at the large and the small place; medians of 11 in each round."""
    with ExitStack() as stack:
        beside = await asyncio.to_thread(stack.enter_context, stage())
        large, small = [await _settle(*place) for place in ((on, LARGE), (beside, SMALL))]
        pages = [*_sorted(large, small), *_filtered(large, small), *_searched(large, small)]
        for _ in range(rounds):
            for page in pages:
                page.times.append(_times(large, small, page))
        # The worst of many medians is partly chance: what looked worst of each kind is measured anew, and only that counts.
        pages = _looked_worst(pages)
        for _ in range(rounds):
            for page in pages:
                page.times.append(_times(large, small, page))
        listed = (await on.ask("SELECT pg_relation_size('ix_users_listed') AS bytes"))[0]["bytes"]
        on.stop_apis()
    return _figures(large.crowd, pages, listed / LARGE.users)


def _looked_worst(pages: list[Page]) -> list[Page]:
    found: list[Page] = []
    for kind in dict.fromkeys(page.kind for page in pages):
        ranked = sorted((page for page in pages if page.kind == kind), key=lambda page: statistics.median(page.ratios))
        found.extend(Page(page.kind, page.title, page.queries) for page in ranked[-DOUBTED:])
    return found


async def _settle(on: Stage, size: Size) -> Place:
    crowd = await gather_crowd(on, size)
    (api,) = on.start_apis(1, quiet=True)
    return Place(crowd, api.port)


def _sorted(large: Place, small: Place) -> list[Page]:
    found = []
    for sort in SORTS:
        kind = "last_login_at" if sort == "last_login_at" else "sort"
        for order in (sort, f"-{sort}"):
            far, near = large.pages(sort=order), small.pages(sort=order)
            found.append(Page(kind, f"{order}, first page", (far[0], near[0])))
            found.append(Page(kind, f"{order}, middle page", (far[len(far) // 2], near[len(near) // 2])))
            # The very last page of one may show 3 people and that of the other 48.
            found.append(Page(kind, f"{order}, last full page", (far[-2], near[-2])))
    return found


def _filtered(large: Place, small: Place) -> list[Page]:
    filters = [
        {"status": "active"},
        {"status": "suspended"},
        {"status": "invited"},
        {"role": "user"},
        {"role": "accountant"},
        {"role": "nobody"},
        {"connected": "true"},
        {"connected": "false"},
        {"role": "accountant", "status": "suspended", "sort": "-created_at"},
    ]
    found = [Page("filter", ", ".join(one.values()), (urlencode(one), urlencode(one))) for one in filters]
    rooms = [place.crowd.departments[place.crowd.watched][0] for place in (large, small)]
    for others in ({}, {"role": "accountant"}, {"sort": "-email", "status": "active", "q": "lefevre"}):
        queries = [urlencode({"department": str(room), **others}) for room in rooms]
        found.append(Page("filter", ", ".join(("department", *others.values())), (queries[0], queries[1])))
    return found


def _searched(large: Place, small: Place) -> list[Page]:
    """A page of the large account beside one of the small that shows as many people, found by whatever words find so many there."""
    words = [*SEARCHES, *(name[:length] for name in FIRST + LAST for length in (2, 3, 4, 5))]
    finding: dict[int, str] = {}
    for some in words:
        finding.setdefault(small.shown(q=some), some)
    found: list[Page] = []
    for query in ({"q": some} for some in SEARCHES):
        shown = large.shown(**query)
        nearest = finding[min(finding, key=lambda size: abs(size - shown))]
        found.extend(
            Page(
                "search", ", ".join((query["q"], *sort.values())), (urlencode({**query, **sort}), urlencode({"q": nearest, **sort}))
            )
            for sort in ({}, {"sort": "-email"})
        )
    return found


def _times(large: Place, small: Place, page: Page) -> tuple[float, float]:
    taken: tuple[list[float], list[float]] = ([], [])
    for place, query in zip((large, small), page.queries, strict=True):
        # The first answer may pay for a new connection, and is not counted.
        place.ask(query)
    for _ in range(REPEATS):
        for place, query, into in zip((large, small), page.queries, taken, strict=True):
            into.append(place.milliseconds(query))
    return statistics.median(taken[0]), statistics.median(taken[1])


def _figures(crowd: Crowd, pages: list[Page], bytes_each: float) -> Figures:
    worst = {kind: _worst([page for page in pages if page.kind == kind]) for kind in dict.fromkeys(page.kind for page in pages)}
    whole = _worst(pages)
    titles = {
        "sort": "by name, address or date",
        "last_login_at": "by last sign-in",
        "filter": "filtered",
        "search": "found by part of name or address",
    }
    words = f"{LARGE.watched:,} users among {LARGE.users:,}, against {SMALL.users:,} alone"
    return Figures(
        [
            Ratio("lists", f"GET /users, the worst page ({whole.title}): {words}", "at most", GOAL, whole.ratios),
            *(
                Ratio(
                    f"lists_{kind}",
                    f"GET /users {titles[kind]}, the worst page ({page.title})",
                    "at most",
                    GOAL,
                    page.ratios,
                    drawn=False,
                )
                for kind, page in worst.items()
            ),
            Ratio(
                "lists_seeding",
                f"Seconds to make {LARGE.users:,} users in {LARGE.accounts:,} accounts",
                "at most",
                300,
                [crowd.seconds],
                drawn=False,
            ),
        ],
        [
            Number("lists_page", "The worst page of the large account", statistics.median(large for large, _ in whole.times), "ms"),
            Number("lists_index", "Index behind the lists, for each user", bytes_each, "bytes"),
        ],
    )


def _worst(pages: list[Page]) -> Page:
    return max(pages, key=lambda page: statistics.median(page.ratios))
