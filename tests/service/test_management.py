"""Seat rules 10 and 11: an administrator enters a full pool without a seat, to make room and for nothing else."""

import re
from typing import Any
from uuid import uuid4

import pytest

from service.app import build
from service.routes import Open
from tenants.house import House
from tests import make
from tests.api import Api
from tests.full_pool import change_account, enters, history, in_use, let_pass, ticket_of, works
from tests.make import Company, Person

SECTIONS = ("licence.", "sessions.", "users.")
# What is open to whoever came to manage. Whatever else there is must be closed to them: a new route is decided upon here.
API = {
    "GET /api/v1/session",
    "DELETE /api/v1/session",
    "POST /api/v1/session/switch",
    "POST /api/v1/session/heartbeat",
    "GET /api/v1/session/events",
    "GET /api/v1/sessions",
    "DELETE /api/v1/sessions/{session_id}",
    "DELETE /api/v1/users/{user_id}/sessions",
    "GET /api/v1/account/queue",
    "DELETE /api/v1/account/queue",
    "DELETE /api/v1/account/queue/{user_id}",
    "GET /api/v1/users",
    "POST /api/v1/users",
    "POST /api/v1/users/batch",
    "GET /api/v1/users/{user_id}",
    "PATCH /api/v1/users/{user_id}",
    "DELETE /api/v1/users/{user_id}",
    "GET /api/v1/users/{user_id}/rights",
    "POST /api/v1/users/{user_id}/invitation",
    "DELETE /api/v1/users/{user_id}/invitation",
    "POST /api/v1/users/{user_id}/password-reset",
    "GET /api/v1/rights/{right}/holders",
    "GET /api/v1/account/licence",
    "GET /api/v1/account/seats",
    "GET /api/v1/account/seats/export",
    "GET /api/v1/account/seat-requests",
    "POST /api/v1/account/seat-requests",
    "DELETE /api/v1/account/seat-requests/{request_id}",
}
PAGES = {
    "GET /",
    "HEAD /",
    "GET /asked",
    "HEAD /asked",
    "GET /events",
    "POST /heartbeat",
    "POST /logout",
    "POST /switch",
    "POST /sessions/{session_id}/end",
    "GET /connections",
    "HEAD /connections",
    "POST /connections/end",
    "GET /connections/export",
    "HEAD /connections/export",
    "GET /licence",
    "HEAD /licence",
    "POST /licence/requests",
    "POST /licence/requests/{request_id}/withdraw",
    "POST /line/clear",
    "POST /line/{user_id}/remove",
    "GET /users",
    "HEAD /users",
    "GET /invite",
    "HEAD /invite",
    "POST /invite",
    "GET /invite/many",
    "HEAD /invite/many",
    "POST /invite/many",
    "GET /invite/many/result",
    "HEAD /invite/many/result",
    "GET /invite/pending",
    "HEAD /invite/pending",
    "POST /invite/pending/{user_id}/link",
    "POST /invite/pending/{user_id}/resend",
    "POST /invite/pending/{user_id}/withdraw",
    "GET /users/selected/result",
    "HEAD /users/selected/result",
    "GET /users/{user_id}",
    "HEAD /users/{user_id}",
    "GET /users/{user_id}/rights",
    "HEAD /users/{user_id}/rights",
    "GET /users/{user_id}/sessions",
    "HEAD /users/{user_id}/sessions",
    "POST /users/selected",
    "POST /users/selected/change",
    "POST /users/selected/sign-out",
    "POST /users/{user_id}/activate",
    "POST /users/{user_id}/delete",
    "POST /users/{user_id}/invitation",
    "POST /users/{user_id}/invitation/withdraw",
    "POST /users/{user_id}/name",
    "POST /users/{user_id}/password-reset",
    "POST /users/{user_id}/restrictions",
    "POST /users/{user_id}/role",
    "POST /users/{user_id}/sessions/end",
    "POST /users/{user_id}/strike-off",
    "POST /users/{user_id}/suspend",
}


async def manages(api: Api, person: Person, **extra: Any) -> dict[str, Any]:
    answer = await api.sign_in(person, management=True, **extra)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def seat(api: Api, person: Person) -> str:
    answer = await api.get("/session", by=person)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["seat"]["kind"])


async def session_of(api: Api, holder: Person) -> str:
    return str((await api.get("/session", by=holder)).json()["session"]["id"])


async def full(api: Api, house: House, *, unit: str = "user", staff: int = 2, seats: int = 1) -> Company:
    """A company whose first people hold every seat."""
    acme = await make.company(house, staff=staff, seats=seats)
    if unit != "user":
        await change_account(api, acme, seat_unit=unit)
    for person in acme.staff[:seats]:
        assert (await api.sign_in(person)).status_code == 201
    return acme


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_rule_10_an_administrator_enters_a_full_pool_outside_of_the_count(api: Api, house: House, unit: str) -> None:
    acme = await full(api, house, unit=unit)
    ada, (holder, newcomer) = acme.administrator, acme.staff
    assert "management" in (await api.sign_in(ada)).json()["choices"]
    entered = await manages(api, ada)
    assert entered["seat"]["kind"] == "management"
    assert entered["ended"] == []
    assert await seat(api, ada) == "management"
    assert await in_use(house, acme) == 1
    assert await works(api, holder) == 200
    assert (await api.sign_in(newcomer)).status_code == 409
    rights = (await api.get("/session", by=ada)).json()["rights"]
    assert {right.partition(".")[0] + "." for right in rights} == set(SECTIONS)
    lines = await history(house, acme, "session.signed_in")
    assert [facts["seat"] for who, _, facts in lines if who == ada.name][-1] == "management"
    states = {item["user"]["email"]: item["seat"] for item in (await api.get("/sessions", by=ada)).json()["items"]}
    assert states == {holder.email: "working", ada.email: "none"}


async def test_rule_10_the_ticket_of_the_refusal_enters_too(api: Api, house: House) -> None:
    acme = await full(api, house)
    ticket = await ticket_of(api, acme.administrator)
    entered = await api.post("/login", {"ticket": ticket, "management": True})
    assert (entered.status_code, entered.json()["seat"]["kind"]) == (201, "management")


async def test_rule_10_only_with_the_right_to_end_sessions(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1, roles=("user", "accountant", "simple_administrator"))
    holder, _, deputy = acme.staff
    await make.set_seats(house, acme, 2)
    for person in acme.staff[:2]:
        refused = await api.sign_in(person, management=True)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    await make.set_seats(house, acme, 1)
    await api.sign_in(holder)
    assert "management" not in (await api.sign_in(holder)).json().get("choices", [])
    assert (await manages(api, deputy))["seat"]["kind"] == "management"


async def test_rule_10_while_a_seat_is_free_it_is_an_ordinary_session(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=1)
    assert (await manages(api, acme.administrator))["seat"]["kind"] == "pool"
    assert await in_use(house, acme) == 1


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_rule_10_one_for_each_administrator(api: Api, house: House, unit: str) -> None:
    acme = await full(api, house, unit=unit)
    if unit == "session":
        await api.delete("/session", by=acme.staff[0])
        await change_account(api, acme, sessions_per_user=3)
        await api.sign_in(acme.staff[0])
    first = await manages(api, acme.administrator)
    second = await manages(api, acme.administrator)
    assert second["ended"] == [{"session_id": first["session"]["id"], "reason": "replaced"}]
    told = await api.get("/session", by=first["token"])
    assert (told.status_code, told.json()["ended"]["reason"]) == (401, "replaced")
    assert await seat(api, acme.administrator) == "management"


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_rule_10_it_becomes_ordinary_at_its_first_request_when_a_seat_is_free(api: Api, house: House, unit: str) -> None:
    acme = await full(api, house, unit=unit)
    ada = acme.administrator
    session = (await manages(api, ada))["session"]["id"]
    assert (await api.get("/account", by=ada)).status_code == 403
    await api.delete("/session", by=acme.staff[0])
    assert (await api.get("/account", by=ada)).status_code == 200
    assert await seat(api, ada) == "pool"
    assert await in_use(house, acme) == 1
    assert (await api.sign_in(acme.staff[0])).status_code == 409
    lines = await history(house, acme, "session.seated")
    assert lines == [(None, ada.name, {"session_id": session})]


async def test_rule_10_it_does_not_jump_the_line(api: Api, house: House) -> None:
    acme = await full(api, house)
    ada, (holder, waiting) = acme.administrator, acme.staff
    await manages(api, ada)
    ticket = await ticket_of(api, waiting)
    await api.post("/seats/queue", {"ticket": ticket})
    await api.delete("/session", by=holder)
    assert await seat(api, ada) == "management"
    assert await enters(api, waiting, ticket) == 201
    assert await seat(api, ada) == "management"


async def test_rule_10_it_may_wait_in_line_itself(api: Api, house: House) -> None:
    acme = await full(api, house)
    ada, (holder, other) = acme.administrator, acme.staff
    await manages(api, ada)
    assert (await api.post("/seats/queue", by=ada)).json()["position"] == 1
    await api.delete("/session", by=holder)
    assert (await api.sign_in(other)).status_code == 409
    assert await seat(api, ada) == "pool"


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_rule_11_to_end_a_session_for_room_gives_the_seat_and_the_right_to_return_first(
    api: Api, house: House, unit: str
) -> None:
    acme = await full(api, house, unit=unit)
    ada, (victim, waiting) = acme.administrator, acme.staff
    await manages(api, ada)
    ticket = await ticket_of(api, waiting)
    await api.post("/seats/queue", {"ticket": ticket})
    assert (await api.delete(f"/sessions/{await session_of(api, victim)}", by=ada)).status_code == 204
    # Neither the line nor whoever asks first gets what was taken for somebody.
    assert await enters(api, waiting, ticket) == 409
    assert await seat(api, ada) == "pool"
    assert await in_use(house, acme) == 1
    told = (await api.get("/session", by=victim)).json()["ended"]
    assert (told["reason"], told["by"]) == ("ended_for_room", ada.name)
    assert (await api.sign_in(victim)).status_code == 409
    await api.delete("/session", by=ada)
    assert await enters(api, waiting, ticket) == 409
    assert (await api.sign_in(victim)).status_code == 201


async def test_rule_11_with_a_reason_the_seat_is_the_lines_and_nobody_returns_first(api: Api, house: House) -> None:
    acme = await full(api, house)
    ada, (victim, waiting) = acme.administrator, acme.staff
    await manages(api, ada)
    ticket = await ticket_of(api, waiting)
    await api.post("/seats/queue", {"ticket": ticket})
    ended = await api.delete(f"/sessions/{await session_of(api, victim)}?reason=Stolen+laptop", by=ada)
    assert ended.status_code == 204
    assert (await api.get("/session", by=victim)).json()["ended"]["reason"] == "ended_by_administrator"
    assert (await api.sign_in(victim)).status_code == 409
    assert await seat(api, ada) == "management"
    assert await enters(api, waiting, ticket) == 201


@pytest.mark.parametrize(("seconds", "expected"), [(119, 409), (121, 201)])
async def test_rule_11_the_right_lasts_two_minutes(api: Api, house: House, seconds: int, expected: int) -> None:
    acme = await full(api, house, staff=2)
    ada, (victim, other) = acme.administrator, acme.staff
    await manages(api, ada)
    await api.delete(f"/sessions/{await session_of(api, victim)}", by=ada)
    assert await seat(api, ada) == "pool"
    await let_pass(house, acme, seconds)
    await api.delete("/session", by=ada)
    assert (await api.sign_in(other)).status_code == expected


async def test_rule_11_whoever_manages_ends_their_own_sessions_as_anybody_does(api: Api, house: House) -> None:
    acme = await full(api, house)
    entered = await manages(api, acme.administrator)
    assert (await api.delete(f"/sessions/{entered['session']['id']}", by=entered["token"])).status_code == 204
    assert (await api.get("/session", by=entered["token"])).json()["ended"]["reason"] == "signed_out"
    assert await works(api, acme.staff[0]) == 200


async def test_rule_10_it_outlives_the_memory_of_the_seats(api: Api, house: House) -> None:
    acme = await full(api, house)
    ada, holder = acme.administrator, acme.staff[0]
    await manages(api, ada)
    await house.valkey.call(b"FLUSHALL")
    assert await seat(api, ada) == "management"
    assert await works(api, holder) == 200
    assert await in_use(house, acme) == 1


async def test_rule_10_whoever_manages_can_raise_nobodys_rights_beyond_their_own(api: Api, house: House) -> None:
    acme = await full(api, house)
    ada = acme.administrator
    await manages(api, ada)
    # Their role is what they may give: an administrator without a seat is one all the same.
    changed = await api.patch(f"/users/{acme.staff[1].user_id}", {"role": "administrator"}, by=ada)
    assert changed.status_code == 200
    assert (await api.patch("/account", {"seat_unit": "session"}, by=ada)).status_code == 403


async def test_rule_10_the_gate_lets_it_through_nowhere(api: Api, house: House) -> None:
    acme = await full(api, house)
    ada = acme.administrator
    await manages(api, ada)
    for question in ("", "?right=invoices.view", "?right=users.view"):
        answer = await api.get(f"/gate/check{question}", by=ada)
        assert (answer.status_code, answer.headers["x-portillon-code"]) == (403, "forbidden")
        assert "x-portillon-user" not in answer.headers
    assert await works(api, acme.staff[0]) == 200


def _path(template: str) -> str:
    # Identifiers of nobody, whatever they are of.
    return re.sub(r"\{[^}]+\}", lambda _: str(uuid4()), template)


def _plain(template: str) -> str:
    return re.sub(r":\w+\}", "}", template)


def _routes(house: House) -> dict[str, Any]:
    """Every route that is not open to anyone, with its options."""
    return {
        f"{method} {_plain(route.path)}": handler.opt
        for route in build(house).routes
        for handler in getattr(route, "route_handlers", [])
        for method in handler.http_methods
        if method != "OPTIONS" and isinstance(handler.opt.get("right"), str) and handler.opt["right"] is not Open.TO_ANYONE
    }


async def test_rule_10_whatever_is_not_about_people_sessions_and_licence_is_closed(api: Api, house: House) -> None:
    acme = await full(api, house)
    ada = acme.administrator
    routes = [route for route in _routes(house) if route.split(" ")[1].startswith(("/api/", "/gate/"))]
    assert len(routes) > 60
    let_in = set()
    for route in routes:
        await manages(api, ada)
        method, path = route.split(" ")
        body: dict[str, Any] | None = {} if method in {"POST", "PUT", "PATCH"} else None
        bearer = {"Authorization": f"Bearer {api.tokens[ada.email]}"}
        answer = await api.client.request(method, _path(path), headers=bearer, json=body)
        assert answer.status_code < 500, f"{route}: {answer.text}"
        if answer.status_code == 403:
            assert method == "HEAD" or answer.json()["code"] == "forbidden", f"{route}: {answer.text}"
            assert method == "HEAD" or answer.json()["closed_to"] == "management", f"{route}: {answer.text}"
        elif route == "POST /api/v1/activity":
            # For keys alone: no session opens it.
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key")
        else:
            let_in.add(route)
    assert let_in == API
    assert await works(api, acme.staff[0]) == 200


async def test_rule_10_so_is_every_page(api: Api, house: House) -> None:
    acme = await full(api, house)
    ada = acme.administrator
    routes = [route for route, opt in _routes(house).items() if opt.get("page")]
    let_in = set()
    for route in routes:
        token = (await manages(api, ada))["token"]
        method, path = route.split(" ")
        headers = {"Cookie": f"__Host-portillon={token}", "Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
        answer = await api.client.request(method, _path(path), headers=headers, data={} if method == "POST" else None)
        api.client.cookies.clear()
        assert answer.status_code < 500, f"{route}: {answer.text}"
        closed = answer.status_code == 403 and (method == "HEAD" or "The rest opens once you have a place" in answer.text)
        if not closed:
            let_in.add(route)
    assert let_in == PAGES & set(routes)
    assert let_in >= {"GET /", "POST /logout"}


async def test_rule_11_who_still_has_a_seat_by_another_session_is_kept_none(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    await change_account(api, acme, sessions_per_user=2)
    ada, (holder, newcomer) = acme.administrator, acme.staff
    kept, ended = [(await api.sign_in(holder)).json() for _ in range(2)]
    await manages(api, ada)
    assert (await api.delete(f"/sessions/{ended['session']['id']}", by=ada)).status_code == 204
    assert (await api.get("/session", by=kept["token"])).status_code == 200
    assert await seat(api, ada) == "management"
    await make.set_seats(house, acme, 2)
    assert (await api.sign_in(newcomer)).status_code == 201
