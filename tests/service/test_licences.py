"""Licences through the front door: what a change would do, what it may not do, its history, and what remains when one ends."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
import redis.asyncio as redis

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person
from tests.tenants.rows import sql

CHANGES = ("invoices.edit", "contacts.delete", "planning.manage")
READS = ("invoices.view", "invoices.print", "calendar.use")


@dataclass(frozen=True)
class Shop:
    """The operator, who sells, and a client on UTC whose administrator and one user are signed in."""

    api: Api
    house: House
    servers: Addresses
    operator: Person
    acme: Company

    @property
    def ada(self) -> Person:
        """The client's administrator."""
        return self.acme.administrator

    @property
    def kim(self) -> Person:
        """The client's one user."""
        return self.acme.staff[0]

    @property
    def path(self) -> str:
        """The client's licence."""
        return f"/accounts/{self.acme.account_id}/licence"

    async def runs(self, *, first: int = -400, last: int | None) -> None:
        """Move the licence's days, counted from today, as time does."""
        await sql(
            self.servers,
            "UPDATE licences SET starts_on = current_date + $2::int, ends_on = current_date + $3::int WHERE account_id = $1",
            self.acme.account_id,
            first,
            last,
        )
        await make.set_seats(self.house, self.acme, 20)

    async def put(self, *, query: str = "", **terms: Any) -> httpx.Response:
        """Change the licence, whatever is there."""
        body = {"plan": "enterprise", **terms}
        return await self.api.put(self.path + query, body, by=self.operator, headers={"If-Match": "*"})

    async def may(self, person: Person, right: str) -> bool:
        """What the gate says."""
        answer = await self.api.get(f"/gate/check?right={right}", by=person)
        assert answer.status_code in {200, 403}, answer.text
        return answer.status_code == 200

    async def enters(self, person: Person) -> str:
        """What a sign-in comes to: nothing, or why not."""
        answer = await self.api.sign_in(person)
        return "" if answer.status_code == 201 else str(answer.json().get("why", answer.json()["code"]))


@pytest.fixture
async def shop(api: Api, house: House, servers: Addresses) -> Shop:
    acme = await make.company(house, staff=1)
    await sql(servers, "UPDATE accounts SET time_zone = 'UTC' WHERE id = $1", acme.account_id)
    for person in acme.people:
        await api.sign_in(person)
    operator = (await make.operator(house)).administrator
    await api.sign_in(operator)
    return Shop(api, house, servers, operator, acme)


def in_days(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


# --- the phases ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "phase", "kim_enters", "all_rights"),
    [
        (0, 0, "running", "", True),
        (-9, None, "running", "", True),
        (-9, -1, "grace", "", False),
        (-9, -7, "grace", "", False),
        (-9, -8, "over", "licence_ended", False),
        (1, None, "not_started", "licence_not_started", False),
    ],
)
async def test_who_enters_and_what_they_may_on_each_edge_of_a_licence(
    shop: Shop, first: int, last: int | None, phase: str, kim_enters: str, *, all_rights: bool
) -> None:
    await shop.runs(first=first, last=last)
    assert (await shop.enters(shop.ada), await shop.enters(shop.kim)) == ("", kim_enters)
    inside = [shop.ada] if kim_enters else [shop.ada, shop.kim]
    for person in inside:
        assert [await shop.may(person, right) for right in READS] == [True] * 3
        assert [await shop.may(person, right) for right in CHANGES] == [all_rights] * 3
        me = (await shop.api.get("/session", by=person)).json()
        assert me["licence"]["phase"] == phase
        assert ("invoices.edit" in me["rights"]) is all_rights
    assert [await shop.may(shop.ada, right) for right in ("users.manage", "sessions.end", "licence.view")] == [True] * 3
    card = (await shop.api.get("/account/licence", by=shop.ada)).json()
    assert (card["phase"], card["ends_on"]) == (phase, None if last is None else in_days(last))


async def test_whoever_is_at_work_when_a_licence_is_over_is_told_why(shop: Shop) -> None:
    await shop.runs(last=-8)
    gone = await shop.api.get("/session", by=shop.kim)
    assert (gone.status_code, gone.json()["ended"]["reason"]) == (401, "licence_ended")
    assert gone.json()["ended"]["at"].startswith(in_days(0))
    assert (await shop.api.get("/session", by=shop.ada)).status_code == 200


async def test_a_phase_changes_at_its_moment_though_nothing_runs_then(shop: Shop) -> None:
    # Sessions that would last longer than the day.
    await sql(shop.servers, "UPDATE sessions SET expires_at = now() + interval '3 days'")
    await shop.runs(last=0)
    for person in (shop.ada, shop.kim):
        assert await shop.may(person, "invoices.edit")
        assert (await shop.api.get("/session", by=person)).json()["licence"]["changes_at"] == f"{in_days(1)}T00:00:00Z"
    midnight = datetime.combine(date.fromisoformat(in_days(1)), datetime.min.time(), UTC).timestamp()
    async with redis.Redis.from_url(shop.servers.redis_url) as client:
        copies = [
            key async for key in client.scan_iter("*") if await client.type(key) == b"hash" and await client.hexists(key, "b")
        ]
        mine = [key for key in copies if str(shop.acme.account_id).encode() in await client.hget(key, "b")]
        assert {float(await client.hget(key, "x") or 0) / 1000 for key in mine} == {midnight}
        # What midnight does, without anybody's doing: the day is over, and so is what was read before.
        await sql(shop.servers, "UPDATE licences SET ends_on = ends_on - 1 WHERE account_id = $1", shop.acme.account_id)
        for key in mine:
            await client.hset(key, "x", 1)
    for person in (shop.ada, shop.kim):
        assert not await shop.may(person, "invoices.edit")
        assert await shop.may(person, "invoices.view")


async def test_an_administrator_manages_people_in_grace_as_before(shop: Shop) -> None:
    await shop.runs(last=-1)
    by = shop.ada
    invited = await shop.api.post("/users", {"email": "new@acme.example.com", "role": "user"}, by=by)
    assert invited.status_code == 201, invited.text
    role = await shop.api.post("/roles", {"name": "Sales", "rights": ["invoices.view", "invoices.edit"]}, by=by)
    assert role.status_code == 201, role.text
    changed = await shop.api.patch(f"/users/{shop.kim.user_id}", {"role": role.json()["id"]}, by=by)
    assert changed.status_code == 200, changed.text
    assert (await shop.api.delete(f"/users/{shop.kim.user_id}/sessions", by=by)).status_code == 200
    assert (await shop.api.patch(f"/users/{shop.kim.user_id}", {"status": "suspended"}, by=by)).status_code == 200


async def test_nobody_gives_more_than_their_own_in_grace_either(shop: Shop) -> None:
    chief = {"role": "simple_administrator"}
    assert (await shop.api.patch(f"/users/{shop.kim.user_id}", chief, by=shop.ada)).status_code == 200
    await shop.runs(last=-1)
    for role, status in (("user", 201), ("simple_administrator", 201), ("administrator", 403)):
        body = {"email": f"{role}@acme.example.com", "role": role}
        assert (await shop.api.post("/users", body, by=shop.kim)).status_code == status, role


async def test_why_names_the_licence_and_who_can_agrees(shop: Shop) -> None:
    for first, last, phase, readers in ((-9, -1, "grace", 2), (-9, -8, "over", 1), (1, None, "not_started", 1)):
        await shop.runs(first=first, last=last)
        seen = (await shop.api.get(f"/users/{shop.kim.user_id}/rights", by=shop.ada)).json()["rights"]
        cards = {card["right"]: card for card in seen}
        for right, granted in (("invoices.edit", False), ("invoices.view", phase == "grace")):
            deciding = [step["by"] for step in cards[right]["why"] if not step["grants"]]
            assert (cards[right]["granted"], deciding) == (granted, [] if granted else ["licence"])
        facts = next(step["facts"] for step in cards["invoices.edit"]["why"] if step["by"] == "licence")
        assert (facts["phase"], facts["starts_on"]) == (phase, in_days(first))
        for right, holders in (("invoices.edit", 0), ("invoices.view", readers), ("users.manage", 1)):
            found = (await shop.api.get(f"/rights/{right}/holders", by=shop.ada)).json()["items"]
            assert len(found) == holders, (phase, right)


async def test_a_refusal_says_since_when_and_what_to_do(shop: Shop) -> None:
    ada = shop.ada.email
    for first, last, facts, english, french in (
        (-9, -8, {"why": "licence_ended", "since": in_days(-8)}, "have it renewed", "faire renouveler"),
        (3, None, {"why": "licence_not_started", "from": in_days(3)}, "Until then", "D’ici là"),
    ):
        await shop.runs(first=first, last=last)
        credentials = {"email": shop.kim.email, "password": shop.kim.password}
        for language, says in (("en", english), ("fr", french)):
            answer = await shop.api.post("/login", credentials, headers={"Accept-Language": language})
            body = answer.json()
            assert (answer.status_code, body["code"], body["contact"]) == (403, "account_unavailable", ada)
            assert {name: body[name] for name in facts} == facts
            assert says in body["detail"]
            assert "{" not in body["detail"]
        wrong = await shop.api.post("/login", {**credentials, "password": "wrong"})
        assert wrong.json()["code"] == "invalid_credentials"


# --- changes ---------------------------------------------------------------------------------------------------------------


async def test_renewal_restores_everything_at_the_next_request(shop: Shop) -> None:
    await shop.runs(last=-1)
    assert not await shop.may(shop.kim, "invoices.edit")
    assert (await shop.put(ends_on=in_days(365))).status_code == 200
    assert await shop.may(shop.kim, "invoices.edit")
    await shop.runs(last=-8)
    assert not await shop.may(shop.ada, "invoices.edit")
    assert await shop.enters(shop.kim) == "licence_ended"
    assert (await shop.put(ends_on=in_days(0))).status_code == 200
    assert await shop.may(shop.ada, "invoices.edit")
    assert await shop.enters(shop.kim) == ""
    assert await shop.may(shop.kim, "invoices.edit")


async def test_r8_no_request_after_the_answer_goes_by_the_licence_before_it(shop: Shop) -> None:
    done: list[tuple[float, bool]] = []
    clock, stop = asyncio.get_running_loop().time, asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            began = clock()
            done.append((began, await shop.may(shop.ada, "invoices.edit")))

    workers = [asyncio.create_task(work()) for _ in range(4)]
    try:
        for number in range(12):
            runs = number % 2 == 1
            assert (await shop.put(starts_on=in_days(-1 if runs else 1))).status_code == 200
            answered = clock()
            while len(after := [allowed for began, allowed in done if began >= answered]) < 10:
                await asyncio.sleep(0.005)
            assert set(after) == {runs}, f"change {number}"
    finally:
        stop.set()
        await asyncio.gather(*workers)


@pytest.mark.parametrize("query", ["", "?preview=true"])
async def test_days_on_which_no_licence_can_be_changed_to_end_or_begin(shop: Shop, query: str) -> None:
    for terms, field, problem in (
        ({"ends_on": in_days(-1)}, "ends_on", "in_the_past"),
        ({"starts_on": in_days(-9), "ends_on": in_days(-2)}, "ends_on", "in_the_past"),
        ({"starts_on": in_days(5), "ends_on": in_days(4)}, "ends_on", "before_start"),
        ({"starts_on": in_days(2000)}, "starts_on", "out_of_range"),
        ({"starts_on": "1999-12-31"}, "starts_on", "out_of_range"),
        ({"ends_on": "3000-01-01"}, "ends_on", "out_of_range"),
    ):
        answer = await shop.put(query=query, **terms)
        assert answer.status_code == 422, answer.text
        [error] = answer.json()["errors"]
        assert (error["field"], error["code"]) == (field, problem)
    await shop.runs(first=5, last=None)
    answer = await shop.put(query=query, ends_on=in_days(4))
    assert answer.json()["errors"][0]["code"] == "before_start"


async def test_a_licence_may_end_today_and_keep_an_end_that_is_past(shop: Shop) -> None:
    assert (await shop.put(ends_on=in_days(0))).status_code == 200
    await shop.runs(last=-3)
    kept = await shop.put(seats=30, ends_on=in_days(-3))
    assert (kept.status_code, kept.json()["phase"]) == (200, "grace")
    assert (await shop.put(seats=30, ends_on=in_days(-2))).status_code == 422


@pytest.mark.parametrize("field", ["users", "departments", "seats", "accountant_seats", "pool_seats", "pool_users"])
@pytest.mark.parametrize("value", [-1, 1_000_001, 10**30, 1.5, "6", True, [6]])
async def test_numbers_that_no_licence_can_have(shop: Shop, field: str, value: Any) -> None:
    for query in ("", "?preview=true"):
        answer = await shop.put(query=query, **{field: value})
        assert answer.status_code == 422, answer.text
        [error] = answer.json()["errors"]
        assert (error["field"], error["code"] in {"out_of_range", "wrong_type", "malformed"}) == (field, True), error


@pytest.mark.parametrize(("value", "says"), [(-1, "is too low (at least 1)"), (1_000_001, "is too high (at most 1000000)")])
async def test_a_number_out_of_range_is_told_the_bound_that_it_passes(shop: Shop, value: int, says: str) -> None:
    [error] = (await shop.put(seats=value)).json()["errors"]
    assert (error["code"], error["message"]) == ("out_of_range", says)


async def test_history_says_who_in_which_account_changed_what_from_and_to(shop: Shop) -> None:
    await shop.put(seats=9, starts_on=in_days(-3), ends_on=in_days(40), options=["api"], reason="Renewed by phone")
    for by, path in ((shop.operator, shop.path), (shop.ada, "/account/licence")):
        line = (await shop.api.get(path, by=by)).json()["history"][0]
        assert (line["by"], line["account"], line["reason"]) == ("Olga", "Operator", "Renewed by phone")
        assert datetime.fromisoformat(line["at"]) <= datetime.now(UTC)
        assert (line["before"]["seats"], line["before"]["ends_on"]) == (20, None)
        wanted = {"seats": 9, "starts_on": in_days(-3), "ends_on": in_days(40), "options": ["api"], "plan": "enterprise"}
        assert {name: line["after"][name] for name in wanted} == wanted
        assert {"users", "departments", "accountant_seats", "pool_seats", "pool_users", "overselling"} <= line["after"].keys()


# --- previews --------------------------------------------------------------------------------------------------------------


async def used(shop: Shop, days_ago: int, *, refused: int, taken: str, avoided: str, part: str = "a") -> None:
    """One day as the seat script counted it."""
    await sql(
        shop.servers,
        "INSERT INTO usage_days (account_id, day, part, peak, refused, sign_ins, waited_ms, idle_ms, taken, avoided)"
        " VALUES ($1, current_date - $2::int, $3, 0, $4, 0, 0, 0, $5, $6)",
        shop.acme.account_id,
        days_ago,
        part,
        refused,
        taken,
        avoided,
    )


@pytest.mark.parametrize(
    ("seats", "refusals", "days"), [(3, 15, 3), (4, 9, 2), (5, 6, 2), (6, 4, 1), (7, 1, 1), (8, 0, 0), (20, 0, 0)]
)
async def test_a_preview_counts_whom_the_last_30_days_would_have_refused(shop: Shop, seats: int, refusals: int, days: int) -> None:
    await used(shop, 3, refused=3, taken='{"1": 9, "4": 2, "5": 2, "6": 1}', avoided='{"7": 2, "8": 3}')
    await used(shop, 3, refused=1, taken='{"5": 0}', avoided='{"7": 1, "8": 1}', part="b")
    await used(shop, 10, refused=0, taken='{"4": 1, "5": 1, "6": 1}', avoided="{}")
    await used(shop, 29, refused=0, taken='{"4": 3}', avoided="{}")
    await used(shop, 30, refused=100, taken='{"9": 100}', avoided="{}")
    shown = await shop.put(query="?preview=true", seats=seats)
    assert shown.json()["refused_30_days"] == {"refusals": refusals, "days": days}
    assert not any(name in shown.text for name in (shop.kim.name, shop.kim.email, shop.ada.name))


async def test_a_preview_tells_fields_phase_cap_and_pool_and_changes_nothing(shop: Shop) -> None:
    seller = (await make.operator(shop.house)).account_id
    await sql(shop.servers, "UPDATE licences SET pool_seats = 50 WHERE account_id = $1", seller)
    shown = (await shop.put(query="?preview=true", seats=1, starts_on=in_days(2), ends_on=in_days(90))).json()
    assert shown["changes"].keys() == {"seats", "starts_on", "ends_on"}
    assert (shown["changes"]["seats"], shown["changes"]["ends_on"]) == ([20, 1], [None, in_days(90)])
    assert (shown["phase"], shown["above_cap"]) == (["running", "not_started"], 1)
    assert shown["pool"] == [{"what": "seats", "pool": 50, "given": 1, "free": 49}]
    card = (await shop.api.get(shop.path, by=shop.operator)).json()
    assert (card["seats"], card["ends_on"], len(card["history"])) == ({"limit": 20, "used": 2}, None, 1)
    assert await shop.may(shop.kim, "invoices.edit")


async def test_a_preview_is_for_the_seller_alone(shop: Shop) -> None:
    other = await make.company(shop.house, "North", kind="reseller", staff=0)
    await shop.api.sign_in(other.administrator)
    body = {"plan": "pro"}
    assert (await shop.api.put(f"{shop.path}?preview=true", body, by=other.administrator)).status_code == 404
    assert (await shop.api.put(f"{shop.path}?preview=true", body, by=shop.ada)).status_code == 403
