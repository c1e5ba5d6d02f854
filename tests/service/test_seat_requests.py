"""Seat requests through the API: asked by a client, answered by its seller, once, inside the pool."""

from asyncio import gather
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.embedded import Addresses
from tenants import invitations
from tenants.house import House
from tenants.seat_reminders import remind_and_expire
from tests import make
from tests.api import Api
from tests.make import Company, Person
from tests.tenants.rows import events, sql


@dataclass
class Trade:
    """A reseller with a pool of ten places, and its client with six of them; whose administrators are signed in."""

    api: Api
    north: Company
    acme: Company
    second: Person

    async def ask(self, seats: int = 2, **given: Any) -> httpx.Response:
        """By the client's administrator."""
        return await self.api.post("/account/seat-requests", {"seats": seats, **given}, by=self.acme.administrator)

    async def asked(self, seats: int = 2, **given: Any) -> str:
        """The id of a new request."""
        answer = await self.ask(seats, **given)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def approve(self, request: str, *, by: Person | None = None, **given: Any) -> httpx.Response:
        """By the reseller's administrator."""
        return await self.api.post(f"/seat-requests/{request}/approve", given, by=by or self.north.administrator)

    async def refuse(self, request: str, **given: Any) -> httpx.Response:
        """By the reseller's administrator."""
        return await self.api.post(f"/seat-requests/{request}/refuse", given, by=self.north.administrator)

    async def own(self, query: str = "") -> list[dict[str, Any]]:
        """As the client lists them."""
        items: list[dict[str, Any]] = (await self.api.get(f"/account/seat-requests{query}", by=self.acme.administrator)).json()[
            "items"
        ]
        return items

    async def seats(self) -> int:
        """Of the client's licence."""
        licence = await self.api.get("/account/licence", by=self.acme.administrator)
        return int(licence.json()["seats"]["limit"])


@pytest.fixture
async def trade(api: Api, house: House, servers: Addresses) -> Trade:
    """North sells to Acme."""
    north = await make.company(house, "North", kind="reseller", staff=1, roles=("simple_administrator",))
    await sql(servers, "UPDATE licences SET pool_seats = 10 WHERE account_id = $1", north.account_id)
    acme = await make.company(house, "Acme", plan="pro", parent=north, staff=1)
    for person in (*north.people, *acme.people):
        assert (await api.sign_in(person)).status_code == 201
    return Trade(api, north, acme, north.staff[0])


def tomorrow(days: int = 1) -> str:
    """A moment to come."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def sign_in_many(api: Api, house: House, company: Company, count: int) -> list[int]:
    """New people of the company sign in; statuses in order."""
    found = []
    admin = await make.actor(house, company, company.administrator)
    for number in range(count):
        async with house.database.transaction(company.account_id) as session:
            user = await invitations.invite(
                session, house.catalogue, admin, email=f"new{number}@{company.slug}.example.com", role="user"
            )
        person = await make.accept(house, company.account_id, user.id)
        found.append((await api.sign_in(person)).status_code)
    return found


async def test_a_request_for_good_raises_the_licence_at_the_next_sign_in(trade: Trade, house: House, servers: Addresses) -> None:
    await sql(servers, "UPDATE licences SET users = 50 WHERE account_id = $1", trade.acme.account_id)
    request = await trade.asked(2, reason="Two new colleagues")
    [shown] = (await trade.api.get("/seat-requests", by=trade.north.administrator)).json()["items"]
    assert shown["account"] == {"id": str(trade.acme.account_id), "slug": "acme", "name": "Acme", "seats": 6}
    assert (shown["id"], shown["state"], shown["seats"], shown["until"]) == (request, "open", 2, None)
    assert (shown["asked_by"], shown["reason"]) == ("Ada of Acme", "Two new colleagues")
    assert await sign_in_many(trade.api, house, trade.acme, 5) == [201, 201, 201, 201, 409]
    answer = await trade.approve(request, message="With pleasure")
    assert (answer.status_code, answer.json()["state"], answer.json()["account"]["seats"]) == (200, "approved", 8)
    assert (await trade.api.post("/login", {"email": "new4@acme.example.com", "password": make.PASSWORD})).status_code == 201
    assert await trade.seats() == 8
    [mine] = await trade.own()
    assert (mine["state"], mine["granted_seats"], mine["granted_until"]) == ("approved", 2, None)
    assert (mine["decided_by"], mine["message"]) == ("Ada of North", "With pleasure")
    changes = await sql(
        servers, "SELECT reason, after ->> 'options' AS o, before ->> 'options' AS b FROM licence_changes ORDER BY id DESC LIMIT 1"
    )
    assert changes[0]["reason"] == "With pleasure"
    assert changes[0]["o"] == changes[0]["b"]
    letters = {row[0] for row in await sql(servers, "SELECT letter FROM outbox WHERE about IS NOT NULL AND state = 'owed'")}
    assert "seat_request_decided" in letters
    assert "seats_changed" not in letters


async def test_a_request_for_a_while_becomes_a_boost(trade: Trade, servers: Addresses) -> None:
    until = tomorrow(3)
    request = await trade.asked(3, until=until)
    answer = await trade.approve(request, seats=1)
    assert (answer.status_code, answer.json()["granted_seats"]) == (200, 1), answer.text
    assert datetime.fromisoformat(answer.json()["granted_until"]) == datetime.fromisoformat(until)
    assert [tuple(row) for row in await sql(servers, "SELECT seats, ends_at FROM boosts")] == [(1, datetime.fromisoformat(until))]
    seats = await sql(servers, "SELECT seats FROM licences WHERE account_id = $1", trade.acme.account_id)
    assert seats[0][0] == 6
    assert [row[0] for row in await sql(servers, "SELECT letter FROM outbox WHERE letter LIKE 'boost%'")] == []


async def test_the_seller_may_set_or_take_away_the_end(trade: Trade, servers: Addresses) -> None:
    first = await trade.asked(1)
    end = tomorrow(2)
    assert (await trade.approve(first, ends_at=end)).json()["granted_until"] is not None
    second = await trade.asked(1, until=tomorrow(40))
    assert (await trade.approve(second, ends_at=None)).json()["granted_until"] is None
    assert [row[0] for row in await sql(servers, "SELECT seats FROM boosts")] == [1]
    seats = await sql(servers, "SELECT seats FROM licences WHERE account_id = $1", trade.acme.account_id)
    assert seats[0][0] == 7


async def test_a_refusal_changes_nothing_and_is_told(trade: Trade) -> None:
    request = await trade.asked()
    assert (await trade.refuse(request, message="Not this year")).json()["state"] == "refused"
    [mine] = await trade.own("?state=refused")
    assert (mine["granted_seats"], mine["message"], mine["decided_by"]) == (None, "Not this year", "Ada of North")
    assert await trade.seats() == 6
    assert (await trade.ask()).status_code == 201


async def test_one_request_is_open_at_a_time_whoever_asks_first(trade: Trade, servers: Addresses) -> None:
    answers = await gather(*(trade.ask(number) for number in range(1, 7)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    made = next(answer.json()["id"] for answer in answers if answer.status_code == 201)
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(body["code"], body["what"], body["id"]) for body in refused} == {("already_exists", "seat_request", made)}
    assert len(await sql(servers, "SELECT 1 FROM seat_requests")) == 1


async def test_withdrawn_is_withdrawn(trade: Trade) -> None:
    request = await trade.asked()
    assert (await trade.api.delete(f"/account/seat-requests/{request}", by=trade.acme.administrator)).status_code == 204
    for late in (await trade.approve(request), await trade.refuse(request)):
        assert (late.status_code, late.json()["code"], late.json()["state"]) == (409, "not_in_state", "withdrawn")
        assert late.json()["by"] == "Ada of Acme"
    again = await trade.api.delete(f"/account/seat-requests/{request}", by=trade.acme.administrator)
    assert (again.status_code, again.json()["state"]) == (409, "withdrawn")
    assert (await trade.ask()).status_code == 201


async def test_of_two_who_decide_one_wins_and_the_other_learns_who(trade: Trade, servers: Addresses) -> None:
    for _ in range(3):
        await sql(servers, "UPDATE licences SET seats = 6 WHERE account_id = $1", trade.acme.account_id)
        request = await trade.asked(1)
        answers = await gather(
            trade.approve(request), trade.approve(request, by=trade.second), trade.refuse(request), trade.approve(request)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409], [answer.text for answer in answers]
        winner = next(answer.json() for answer in answers if answer.status_code == 200)
        for loser in (answer.json() for answer in answers if answer.status_code == 409):
            assert (loser["code"], loser["state"], loser["by"]) == ("not_in_state", winner["state"], winner["decided_by"])
        seats = await sql(servers, "SELECT seats FROM licences WHERE account_id = $1", trade.acme.account_id)
        assert seats[0][0] == (7 if winner["state"] == "approved" else 6)


@pytest.mark.parametrize("days", [None, 5])
async def test_what_the_pool_lacks_is_said_and_the_request_stays_open(trade: Trade, days: int | None) -> None:
    request = await trade.asked(5, until=tomorrow(days) if days else None)
    refused = await trade.approve(request)
    body = refused.json()
    assert (refused.status_code, body["code"]) == (409, "pool_exceeded"), refused.text
    assert (body["pool"], body["given"], body["asked"]) == (10, 0, 11)
    assert [shown["state"] for shown in await trade.own()] == ["open"]
    assert (await trade.approve(request, seats=4)).status_code == 200


async def test_a_request_expires_by_the_databases_clock_alone(trade: Trade, house: House, servers: Addresses) -> None:
    request = await trade.asked()
    rows = await sql(servers, "SELECT expires_at - created_at AS open_for FROM seat_requests")
    assert rows[0]["open_for"] == timedelta(days=14)
    await sql(servers, "UPDATE seat_requests SET expires_at = now() + interval '1 hour'")
    assert [shown["state"] for shown in await trade.own("?state=open")] == ["open"]
    await sql(servers, "UPDATE seat_requests SET expires_at = now()")
    assert [(shown["state"], shown["decided_by"]) for shown in await trade.own()] == [("expired", None)]
    assert await trade.own("?state=open") == []
    late = await trade.approve(request)
    assert (late.status_code, late.json()["state"], late.json()["by"]) == (409, "expired", None)
    assert (await trade.ask()).status_code == 201
    assert [shown["state"] for shown in await trade.own()] == ["open", "expired"]
    assert (await events(servers, trade.acme.account_id))[-2:] == ["seat_request.expired", "seat_request.asked"]
    actors = await sql(servers, "SELECT actor_kind FROM activity WHERE event = 'seat_request.expired'")
    assert [row[0] for row in actors] == ["system", "system"]


async def test_housekeeping_reminds_once_and_writes_down_what_expired(trade: Trade, house: House, servers: Addresses) -> None:
    await trade.asked()
    assert await remind_and_expire(house.database, house.catalogue) == 0
    await sql(servers, "UPDATE seat_requests SET created_at = now() - interval '2 days'")
    assert await remind_and_expire(house.database, house.catalogue) == 1
    assert await remind_and_expire(house.database, house.catalogue) == 0
    owed = await sql(servers, "SELECT account_id FROM outbox WHERE letter = 'seat_request_reminder'")
    assert [row[0] for row in owed] == [trade.north.account_id] * 2
    await sql(servers, "UPDATE seat_requests SET expires_at = now()")
    assert await remind_and_expire(house.database, house.catalogue) == 1
    assert await remind_and_expire(house.database, house.catalogue) == 0
    assert [tuple(row) for row in await sql(servers, "SELECT state, decided_at = expires_at FROM seat_requests")] == [
        ("expired", True)
    ]
    for account in (trade.north.account_id, trade.acme.account_id):
        assert (await events(servers, account)).count("seat_request.expired") == 1


async def test_other_accounts_find_nothing(trade: Trade, house: House, servers: Addresses) -> None:
    request = await trade.asked()
    south = await make.company(house, "South", kind="reseller", staff=0)
    other = await make.company(house, "Other", plan="standard", parent=trade.north, staff=0)
    boss = await make.operator(house)
    for company in (south, other, boss):
        await trade.api.sign_in(company.administrator)
    nobodys = await trade.approve(str(uuid4()), by=south.administrator)
    for stranger in (south, boss):
        for verb in ("approve", "refuse"):
            answer = await trade.api.post(f"/seat-requests/{request}/{verb}", {}, by=stranger.administrator)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
            assert answer.json().keys() == nobodys.json().keys()
        assert (await trade.api.get("/seat-requests", by=stranger.administrator)).json()["items"] == []
    assert (await trade.api.delete(f"/account/seat-requests/{request}", by=other.administrator)).status_code == 404
    assert (await trade.api.get("/account/seat-requests", by=other.administrator)).json()["items"] == []
    assert (await trade.api.post(f"/seat-requests/{request}/approve", {}, by=trade.acme.administrator)).status_code == 403
    assert [row[0] for row in await sql(servers, "SELECT state FROM seat_requests")] == ["open"]


async def test_a_reseller_asks_the_operator_and_the_operator_nobody(trade: Trade, house: House) -> None:
    boss = (await make.operator(house)).administrator
    await trade.api.sign_in(boss)
    refused = await trade.api.post("/account/seat-requests", {"seats": 1}, by=boss)
    assert (refused.status_code, refused.json()["code"], refused.json()["state"]) == (409, "not_in_state", "no_seller")
    mine = await trade.api.post("/account/seat-requests", {"seats": 1}, by=trade.north.administrator)
    assert mine.status_code == 201
    assert (await trade.api.get("/seat-requests", by=trade.north.administrator)).json()["items"] == []
    [shown] = (await trade.api.get("/seat-requests", by=boss)).json()["items"]
    assert shown["account"]["name"] == "North"
    approved = await trade.api.post(f"/seat-requests/{shown['id']}/approve", {}, by=boss)
    assert (approved.status_code, approved.json()["state"]) == (200, "approved"), approved.text


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "seats", "required"),
        ({"seats": 0}, "seats", "out_of_range"),
        ({"seats": -1}, "seats", "out_of_range"),
        ({"seats": 1_000_001}, "seats", "out_of_range"),
        ({"seats": 1.5}, "seats", "wrong_type"),
        ({"seats": "2"}, "seats", "wrong_type"),
        ({"seats": 1, "until": "2020-01-01T00:00:00Z"}, "until", "in_the_past"),
        ({"seats": 1, "until": "0001-01-01T00:00:00+14:00"}, "until", "in_the_past"),
        ({"seats": 1, "until": "3000-01-01T00:00:00Z"}, "until", "out_of_range"),
        ({"seats": 1, "until": "9999-12-31T23:59:59-14:00"}, "until", "out_of_range"),
        ({"seats": 1, "until": "2900-01-01T00:00:00"}, "until", None),
        ({"seats": 1, "reason": "a\r\nBcc: everybody@example.com"}, "reason", "control_characters"),
        ({"seats": 1, "reason": "x" * 301}, "reason", "too_long"),
        ({"seats": 1, "state": "approved"}, "state", "unknown_field"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    trade: Trade, servers: Addresses, *, body: dict[str, Any], field: str, code: str | None
) -> None:
    answer = await trade.api.post("/account/seat-requests", body, by=trade.acme.administrator)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert code in {None, answer.json()["errors"][0]["code"]}
    assert await sql(servers, "SELECT 1 FROM seat_requests") == []


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"seats": 0}, "seats", "out_of_range"),
        ({"seats": 3}, "seats", "out_of_range"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at", "in_the_past"),
        ({"ends_at": "0001-01-01T00:00:00+14:00"}, "ends_at", "in_the_past"),
        ({"ends_at": "3000-01-01T00:00:00Z"}, "ends_at", "out_of_range"),
        ({"message": "a\nb"}, "message", "control_characters"),
    ],
)
async def test_what_cannot_be_granted_is_refused_and_the_request_stays_open(
    trade: Trade, *, body: dict[str, Any], field: str, code: str
) -> None:
    request = await trade.asked(2)
    answer = await trade.approve(request, **body)
    assert answer.status_code == 422, answer.text
    assert (answer.json()["errors"][0]["field"], answer.json()["errors"][0]["code"]) == (field, code)
    assert [shown["state"] for shown in await trade.own()] == ["open"]


async def test_both_edges_of_what_may_be_given(trade: Trade, servers: Addresses) -> None:
    for seats, total in ((1, 7), (3, 10)):
        request = await trade.asked(3)
        assert (await trade.approve(request, seats=seats)).status_code == 200
        rows = await sql(servers, "SELECT seats FROM licences WHERE account_id = $1", trade.acme.account_id)
        assert rows[0][0] == total


async def test_lists_are_newest_first_and_paged(trade: Trade) -> None:
    made = []
    for _ in range(3):
        made.append(await trade.asked())
        await trade.refuse(made[-1])
    for path, person in (("/seat-requests", trade.north.administrator), ("/account/seat-requests", trade.acme.administrator)):
        first = (await trade.api.get(f"{path}?limit=2", by=person)).json()
        rest = (await trade.api.get(f"{path}?limit=2&cursor={first['next_cursor']}", by=person)).json()
        assert [item["id"] for item in (*first["items"], *rest["items"])] == made[::-1]
        assert rest["next_cursor"] is None
        assert (await trade.api.get(f"{path}?state=lost", by=person)).status_code == 422


async def test_both_sides_have_the_story(trade: Trade, servers: Addresses) -> None:
    await trade.approve(await trade.asked(2), seats=1)
    request = await trade.asked()
    await trade.api.delete(f"/account/seat-requests/{request}", by=trade.acme.administrator)
    story = ["seat_request.asked", "seat_request.decided", "seat_request.asked", "seat_request.withdrawn"]
    for account in (trade.acme.account_id, trade.north.account_id):
        assert [event for event in await events(servers, account) if event.startswith("seat_request")] == story
    rows = await sql(
        servers,
        "SELECT actor_name, actor_account_id, facts FROM activity WHERE event = 'seat_request.decided' AND account_id = $1",
        trade.acme.account_id,
    )
    assert (rows[0]["actor_name"], rows[0]["actor_account_id"]) == ("Ada of North", trade.north.account_id)
    assert '"seats": 1' in rows[0]["facts"]


async def test_a_repeated_key_asks_and_decides_once(trade: Trade, servers: Addresses) -> None:
    key = {"Idempotency-Key": "once"}
    path, ada, boss = "/account/seat-requests", trade.acme.administrator, trade.north.administrator
    answers = [await trade.api.post(path, {"seats": 1}, by=ada, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    request = answers[0].json()["id"]
    for _ in range(2):
        assert (await trade.api.post(f"/seat-requests/{request}/approve", {}, by=boss, headers=key)).status_code == 200
    states = await sql(servers, "SELECT state FROM idempotency_keys")
    assert [row[0] for row in states] == ["answered", "answered"]
    rows = await sql(servers, "SELECT seats FROM licences WHERE account_id = $1", trade.acme.account_id)
    assert rows[0][0] == 7


async def full(trade: Trade, house: House, person: Person) -> dict[str, Any]:
    """The refusal of a person who signs in when another one holds the only place."""
    await make.set_seats(house, trade.acme, 1)
    for each in trade.acme.people:
        await trade.api.delete("/session", by=each)
    other = next(each for each in trade.acme.people if each is not person)
    assert (await trade.api.sign_in(other)).status_code == 201
    refused = await trade.api.sign_in(person)
    assert (refused.status_code, refused.json()["code"]) == (409, "seats_full")
    body: dict[str, Any] = refused.json()
    return body


async def test_the_limit_offers_a_request_and_its_ticket_asks(trade: Trade, house: House, servers: Addresses) -> None:
    refused = await full(trade, house, trade.acme.administrator)
    assert "request_seats" in refused["choices"]
    body = {"ticket": refused["ticket"], "seats": 2, "reason": "Everybody is here"}
    made = await trade.api.post("/seat-requests/by-ticket", body)
    assert (made.status_code, made.json()["asked_by"], made.json()["state"]) == (201, "Ada of Acme", "open")
    again = await trade.api.post("/seat-requests/by-ticket", body)
    assert (again.status_code, again.json()["code"], again.json()["id"]) == (409, "already_exists", made.json()["id"])
    assert "request_seats" not in (await trade.api.sign_in(trade.acme.administrator)).json()["choices"]
    assert (await trade.approve(made.json()["id"])).status_code == 200
    assert (await trade.api.post("/login", {"ticket": refused["ticket"]})).status_code == 201


async def test_whoever_may_not_buy_is_not_offered_a_request_and_may_not_ask(trade: Trade, house: House, servers: Addresses) -> None:
    refused = await full(trade, house, trade.acme.staff[0])
    assert "request_seats" not in refused["choices"]
    answer = await trade.api.post("/seat-requests/by-ticket", {"ticket": refused["ticket"], "seats": 1})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert await sql(servers, "SELECT 1 FROM seat_requests") == []


async def test_a_ticket_asks_with_the_rights_of_this_moment(trade: Trade, house: House, servers: Addresses) -> None:
    ticket = (await full(trade, house, trade.acme.administrator))["ticket"]
    for change, status, code in (
        ("UPDATE users SET role = 'user' WHERE email = 'admin@acme.example.com'", 403, "forbidden"),
        (
            "UPDATE users SET role = 'administrator', status = 'suspended' WHERE email = 'admin@acme.example.com'",
            403,
            "user_suspended",
        ),
        ("UPDATE users SET status = 'struck_off' WHERE email = 'admin@acme.example.com'", 401, "invalid_credentials"),
        ("UPDATE users SET status = 'active' WHERE email = 'admin@acme.example.com'", 201, None),
        ("UPDATE identities SET credentials_version = 9 WHERE email = 'admin@acme.example.com'", 401, "invalid_credentials"),
    ):
        await sql(servers, change)
        answer = await trade.api.post("/seat-requests/by-ticket", {"ticket": ticket, "seats": 1})
        assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    made_up = await trade.api.post("/seat-requests/by-ticket", {"ticket": ticket[:-2] + "AA", "seats": 1})
    assert (made_up.status_code, made_up.json()["code"]) == (401, "invalid_credentials")
