"""P4: a page of users in a large account of a large installation, against one of a small account that is alone."""

import asyncio
import json
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.bench.asking import Pair, Reader, doubted, time_in_turn, worst_of
from tests.bench.crowd import FIRST, LARGE, LAST, SMALL, Crowd, Size, gather_crowd
from tests.bench.figures import Figures, Number, Ratio
from tests.faults.processes import Stage, stage

# Pages of each kind that are measured a second time.
DOUBTED = 3
SORTS = ("name", "email", "created_at", "last_login_at")
# Common and rare ones, two words, part of an address, and what nobody is called.
SEARCHES = ("e", "Hélène", "lefevre", "BŒUF", "zoé cœur", "martin", "atelier12.ex", "thérèse@", "100%", "nobody of that name")
GOAL = 1.5


@dataclass
class Place:
    """An installation, and the account's administrator who asks its API process."""

    crowd: Crowd
    reader: Reader

    def shown(self, **query: str) -> int:
        """How many people the first page has."""
        return len(json.loads(self.reader.ask(_users(query)))["items"])


async def measure(on: Stage, *, rounds: int) -> Figures:
    """Whole requests, one after the other, in turn at the large and the small place; medians of 11 in each round."""
    with ExitStack() as stack:
        beside = await asyncio.to_thread(stack.enter_context, stage())
        large, small = [await _settle(*place) for place in ((on, LARGE), (beside, SMALL))]
        pages = [*_sorted(large, small), *_filtered(large, small), *_searched(large, small)]
        time_in_turn(pages, large.reader, small.reader, rounds=rounds)
        pages = doubted(pages, DOUBTED)
        time_in_turn(pages, large.reader, small.reader, rounds=rounds)
        listed = (await on.ask("SELECT pg_relation_size('ix_users_listed') AS bytes"))[0]["bytes"]
        on.stop_apis()
    return _figures(large.crowd, pages, listed / LARGE.users)


async def _settle(on: Stage, size: Size) -> Place:
    crowd = await gather_crowd(on, size)
    (api,) = on.start_apis(1, quiet=True)
    return Place(crowd, Reader(api.port, crowd.tokens[0]))


def _sorted(large: Place, small: Place) -> list[Pair]:
    found = []
    for sort in SORTS:
        kind = "last_login_at" if sort == "last_login_at" else "sort"
        for order in (sort, f"-{sort}"):
            far, near = (place.reader.pages("/users", {"sort": order}) for place in (large, small))
            found.append(Pair(f"{order}, first page", (far[0],), (near[0],), kind))
            found.append(Pair(f"{order}, middle page", (far[len(far) // 2],), (near[len(near) // 2],), kind))
            # The very last page of one may show 3 people and that of the other 48.
            found.append(Pair(f"{order}, last full page", (far[-2],), (near[-2],), kind))
    return found


def _filtered(large: Place, small: Place) -> list[Pair]:
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
    found = [Pair(", ".join(one.values()), (_users(one),), (_users(one),), "filter") for one in filters]
    rooms = [place.crowd.departments[place.crowd.watched][0] for place in (large, small)]
    for others in ({}, {"role": "accountant"}, {"sort": "-email", "status": "active", "q": "lefevre"}):
        far, near = (_users({"department": str(room), **others}) for room in rooms)
        found.append(Pair(", ".join(("department", *others.values())), (far,), (near,), "filter"))
    return found


def _searched(large: Place, small: Place) -> list[Pair]:
    """A page of the large account beside one of the small that shows as many people, found by whatever words find so many there."""
    words = [*SEARCHES, *(name[:length] for name in FIRST + LAST for length in (2, 3, 4, 5))]
    finding: dict[int, str] = {}
    for some in words:
        finding.setdefault(small.shown(q=some), some)
    found: list[Pair] = []
    for query in ({"q": some} for some in SEARCHES):
        shown = large.shown(**query)
        nearest = finding[min(finding, key=lambda size: abs(size - shown))]
        found.extend(
            Pair(", ".join((query["q"], *sort.values())), (_users({**query, **sort}),), (_users({"q": nearest, **sort}),), "search")
            for sort in ({}, {"sort": "-email"})
        )
    return found


def _users(query: dict[str, str]) -> str:
    return f"/users?{urlencode(query)}"


def _figures(crowd: Crowd, pages: list[Pair], bytes_each: float) -> Figures:
    worst = {kind: worst_of([page for page in pages if page.kind == kind]) for kind in dict.fromkeys(page.kind for page in pages)}
    whole = worst_of(pages)
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
            Number("lists_page", "The worst page of the large account", whole.milliseconds, "ms"),
            Number("lists_index", "Index behind the lists, for each user", bytes_each, "bytes"),
        ],
    )
