"""The list of clients and their usage: a reseller with 2,000 clients against one with 20, in one installation."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from uuid_utils.compat import uuid7

from tests import make
from tests.bench.asking import Pair, Reader, doubted, time_in_turn, worst_of
from tests.bench.figures import Figures, Number, Ratio
from tests.bench.filling import Row, copy, filler, settle
from tests.bench.people import sign_in
from tests.faults.processes import Stage

MANY, FEW = 2_000, 20
STAFF, DAYS, AT_WORK = 5, 30, 3
# Pages that are measured a second time.
DOUBTED = 4
GOAL = 1.5
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


async def measure(on: Stage, *, rounds: int) -> Figures:
    """Whole requests, one after the other, in turn by the two; medians of 11 in each round."""
    async with on.house() as house:
        sellers = [await make.company(house, f"Seller {size}", kind="reseller", staff=0) for size in (MANY, FEW)]
        tokens = await sign_in(house, [seller.administrator for seller in sellers])
    for seller, size in zip(sellers, (MANY, FEW), strict=True):
        await _fill(on, seller.account_id, size)
    (api,) = on.start_apis(1, quiet=True)
    many, few = (Reader(api.port, token) for token in tokens)
    pages = [page for path in _LISTS for page in _pages(path, many, few)]
    time_in_turn(pages, many, few, rounds=rounds)
    pages = doubted(pages, DOUBTED)
    time_in_turn(pages, many, few, rounds=rounds)
    on.stop_apis()
    return _figures(pages)


def _pages(path: str, many: Reader, few: Reader) -> list[Pair]:
    found: list[Pair] = []
    for sort in _SORTS:
        far, near = many.pages(path, {"sort": sort}), f"{path}?sort={sort}"
        found.extend(
            Pair(f"{sort}, {which} page", (far[place],), (near,), kind=path)
            for which, place in (("first", 0), ("middle", len(far) // 2), ("last", -1))
        )
    for one in _FILTERS:
        way = f"{path}?{urlencode(one)}"
        found.append(Pair(", ".join(one.values()), (way,), (way,), kind=path))
    return found


def _figures(pages: list[Pair]) -> Figures:
    figures = Figures()
    for path, key in zip(_LISTS, ("clients", "clients_usage"), strict=True):
        worst = worst_of([page for page in pages if page.kind == path])
        title = f"GET {path}, the worst page ({worst.title}): a reseller with {MANY:,} clients against one with {FEW}"
        figures.ratios.append(Ratio(key, title, "at most", GOAL, worst.ratios))
        figures.numbers.append(Number(f"{key}_page", f"GET {path}, that page of {MANY:,}", worst.milliseconds, "ms"))
    return figures


async def _fill(on: Stage, parent: UUID, size: int) -> None:
    """Clients with people, days of usage and people at work. Every fifth of many, and every one of few, needs attention."""
    now = datetime.now(UTC)
    ids = [uuid7() for _ in range(size)]
    needing = [size == FEW or number % 5 == 0 for number in range(size)]
    day = now.date()
    tables: dict[str, tuple[tuple[str, ...], list[Row]]] = {
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
    async with filler(on.addresses.superuser_url) as connection:
        for table, (columns, rows) in tables.items():
            await copy(connection, table, columns, rows)
        await settle(connection)
    until = (now + timedelta(hours=8)).timestamp() * 1000
    with on.valkey() as client:
        for one in ids:
            client.zadd(f"h:{{{one.hex}}}", {uuid7().hex: until for _ in range(AT_WORK)})
