"""A page of the console against the API's answers with the same data, in one account of a large installation."""

import asyncio
import gzip
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import click
import httpx

from tests import make
from tests.bench.asking import Pair, Reader, time_in_turn, worst_of
from tests.bench.crowd import LARGE, SMALL, Crowd, Size, gather_crowd
from tests.bench.figures import Figures, Number, Ratio
from tests.bench.filling import copy, filler
from tests.bench.hashing import COST, MEMORY
from tests.bench.people import sign_in
from tests.faults.processes import Stage, stage

GOAL, KILOBYTES = 3, 60
DAYS = 90
_ALONE = "against one answer alone"
#: For each page what a program must ask for to know what stands on it, the answer with most of it first. `{user}`, `{role}` and
#: `{client}` are somebody's ids.
_ADMINISTRATOR: dict[str, tuple[str, ...]] = {
    "/": ("/sessions", "/account/seats?days=7", "/account/licence", "/account/queue", "/activity?limit=5", "/session"),
    "/users": ("/users?limit=50", "/roles", "/departments"),
    "/users/{user}": ("/users/{user}", "/roles", "/departments"),
    "/users/{user}/rights": ("/users/{user}/rights", "/users/{user}", "/catalogue"),
    "/connections": ("/sessions", "/account/seats?days=30", "/account/queue"),
    "/roles": ("/roles", "/catalogue"),
    "/roles/{role}": ("/roles/{role}", "/catalogue", "/session"),
    "/departments": ("/departments",),
    "/licence": ("/account/licence", "/account/seats?days=30", "/account/seat-requests"),
    "/activity": ("/activity?limit=50", "/departments"),
    "/settings": ("/account", "/catalogue"),
}
_STAFF: dict[str, tuple[str, ...]] = {"/me": ("/sessions", "/session")}
_OPERATOR: dict[str, tuple[str, ...]] = {
    "/clients": ("/accounts?limit=30",),
    "/clients/{client}": ("/accounts/{client}/usage?days=30", "/accounts/{client}", "/accounts/{client}/licence"),
}


async def measure(on: Stage, *, rounds: int, size: Size = LARGE) -> Figures:
    """Whole requests, a page and the API's answers in turn; medians of 11 in each round."""
    crowd = await gather_crowd(on, size)
    async with on.house() as house:
        (operator,) = await sign_in(house, [(await make.operator(house)).administrator])
    await _work_for_months(on, crowd)
    (api,) = on.start_apis(1, quiet=True)
    known = await _known(on, crowd, api.url)
    pairs: list[Pair] = []
    weights: dict[str, int] = {}
    for token, pages in ((crowd.tokens[0], _ADMINISTRATOR), (crowd.tokens[1], _STAFF), (operator, _OPERATOR)):
        mine = [pair for page, answers in pages.items() for pair in _pairs(page, answers, known)]
        time_in_turn(mine, _browser(api.port, token), Reader(api.port, token), rounds=rounds)
        pairs.extend(mine)
        weights |= {pair.kind: _weight(_browser(api.port, token), *pair.asked) for pair in mine if pair.kind != _ALONE}
    on.stop_apis()
    return _figures(pairs, weights, size)


def _pairs(page: str, answers: tuple[str, ...], known: Mapping[str, str]) -> list[Pair]:
    asked, against = (page.format(**known),), tuple(answer.format(**known) for answer in answers)
    return [
        Pair(f"GET {page} against {' + '.join(answers)}", asked, against, kind=page),
        Pair(f"{page} against {answers[0]}", asked, against[:1], kind=_ALONE),
    ]


def _browser(port: int, token: str) -> Reader:
    headers = {
        "Cookie": f"__Host-portillon={token}; __Host-portillon-form={'f' * 43}",
        "Accept-Language": "fr",
        "Accept-Encoding": "gzip, deflate, br",
        "Sec-Fetch-Site": "same-origin",
    }
    return Reader(port, token, root="", headers=headers)


def _weight(browser: Reader, page: str) -> int:
    """Bytes of the page and of the files that it names, as they travel."""
    document = browser.ask(page)
    files = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', gzip.decompress(document).decode()))
    return len(document) + sum(len(browser.ask(file)) for file in files)


async def _known(on: Stage, crowd: Crowd, url: str) -> dict[str, str]:
    [user] = await on.ask(
        "SELECT id FROM users WHERE account_id = $1 AND status = 'active' AND departments IS NOT NULL LIMIT 1", crowd.watched
    )
    async with httpx.AsyncClient(base_url=url, trust_env=False, headers={"Authorization": f"Bearer {crowd.tokens[0]}"}) as client:
        role = await client.post("/api/v1/roles", json={"name": "Métreur", "copy_of": "user"})
    role.raise_for_status()
    return {"user": str(user["id"]), "client": str(crowd.watched), "role": role.json()["id"]}


async def _work_for_months(on: Stage, crowd: Crowd) -> None:
    """Days of usage, as a company has that works."""
    today = datetime.now(UTC).date()
    rows = [
        (crowd.watched, today - timedelta(days=back), "1", 40, back % 3, 120, 60_000, 600_000, '{"50": 3}', '{"52": 2}')
        for back in range(DAYS)
    ]
    columns = ("account_id", "day", "part", "peak", "refused", "sign_ins", "waited_ms", "idle_ms", "taken", "avoided")
    async with filler(on.addresses.superuser_url) as connection:
        await copy(connection, "usage_days", columns, rows)


def _figures(pairs: list[Pair], weights: dict[str, int], size: Size) -> Figures:
    whole = sorted((pair for pair in pairs if pair.kind != _ALONE), key=lambda pair: -pair.ratio)
    alone = worst_of([pair for pair in pairs if pair.kind == _ALONE])
    slowest, heaviest = max(whole, key=lambda pair: pair.milliseconds), max(weights, key=lambda page: weights[page])
    words = f"of {size.watched:,} users among {size.users:,}"
    loads = f"Kilobytes of the heaviest page ({heaviest}), compressed, with all that it loads"
    return Figures(
        [
            Ratio("pages", f"The dearest page ({whole[0].title}), {words}", "at most", GOAL, whole[0].ratios),
            Ratio(
                "pages_one",
                f"The dearest page against one answer alone ({alone.title})",
                "at most",
                GOAL,
                alone.ratios,
                drawn=False,
            ),
            *(Ratio(f"page {pair.kind}", pair.title, "at most", GOAL, pair.ratios, drawn=False) for pair in whole),
            Ratio("pages_weight", loads, "at most", KILOBYTES, [weights[heaviest] / 1000], drawn=False),
        ],
        [Number("pages_slowest", f"The slowest page ({slowest.kind})", slowest.milliseconds, "ms")],
    )


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Rounds of each page.")
@click.option("--small", is_flag=True, help="In an installation of 1,000 users, which is there in seconds.")
def main(rounds: int, small: bool) -> None:
    """Measure the pages alone."""
    with stage(environment="development", argon2_time_cost=COST, argon2_memory_kib=MEMORY, hash_threads=os.cpu_count()) as on:
        figures = asyncio.run(measure(on, rounds=rounds, size=SMALL if small else LARGE))
    figures.show()


if __name__ == "__main__":
    main()
