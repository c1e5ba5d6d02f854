"""Visits: a client's administrators let their reseller or the operator in, for a while, within what they allowed, and see it all."""

import asyncio
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.tenants.rows import sql
from tests.test_rights import MATRIX, filled
from tests.visits import READER, World, lines, world_of


@pytest.fixture
async def world(api: Api, house: House) -> World:
    """A client that may let others in."""
    return await world_of(api, house)


async def test_a_visitor_works_with_what_was_allowed_and_nothing_else(world: World) -> None:
    assert (await world.allow()).status_code == 201
    answer = await world.visit(minutes=30)
    assert answer.status_code == 201
    begun = answer.json()
    assert set(begun) == {"token", "visit", "session", "account"}
    assert begun["account"]["slug"] == world.acme.slug
    assert begun["visit"]["rights"] == READER
    assert begun["visit"]["allowed_by"] == world.ada.name
    me = (await world.api.get("/session", by=begun["token"])).json()
    assert me["rights"] == [right for right in world.house.catalogue.rights if right in READER]
    assert (me["user"]["name"], me["user"]["email"], me["user"]["role"]) == (world.nora.name, world.nora.email, "visitor")
    assert me["user"]["id"] == me["visit"]["id"] == begun["visit"]["id"]
    assert me["visit"]["account"] == {"id": str(world.north.account_id), "name": "North"}
    assert (me["visit"]["reason"], me["visit"]["allowed_by"]) == ("Invoice 17 is wrong", world.ada.name)
    assert me["session"]["expires_at"] == me["visit"]["ends_at"]
    assert me["seat"]["kind"] == "visit"
    assert (await world.api.get("/users", by=begun["token"])).status_code == 200
    refused = await world.api.post("/users", {"email": "x@acme.example.com", "role": "user"}, by=begun["token"])
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_rights_hold_on_every_route(world: World) -> None:
    rights = [*READER, "account.view", "departments.manage", "departments.view", "licence.manage"]
    token = await world.token(rights=rights)
    for route, row in MATRIX["api"].items():
        if row["right"] == "anyone" or route == "DELETE /api/v1/session":
            continue
        method, path = filled(route)
        body: dict[str, Any] | None = {} if method in {"POST", "PUT", "PATCH"} else None
        answer = await world.api.call(method, path.removeprefix("/api/v1"), by=token, json=body)
        listening = {"POST /api/v1/session/heartbeat", "GET /api/v1/session/events"}
        own = {"GET /gate/check", "GET /api/v1/session", "GET /api/v1/catalogue", *listening}
        allowed = route in own or row["right"] in rights
        assert answer.status_code < 500, f"{route}: {answer.text}"
        assert answer.status_code != 401, f"{route}: {answer.text}"
        assert (answer.status_code != 403) == allowed, f"{route}: {answer.status_code} {answer.text}"


async def test_what_only_the_accounts_own_people_do_is_closed_to_visitors_with_every_right(world: World) -> None:
    token = await world.token(role="administrator", rights=None)
    own = await world.api.post("/account/visits", {"visitor": "operator", "once": True, "rights": READER}, by=token)
    assert (own.status_code, own.json()["code"]) == (403, "forbidden")
    [permission] = await world.permissions()
    assert (await world.api.delete(f"/account/visits/{permission['id']}", by=token)).status_code == 403
    assert (await world.api.post("/account/seat-requests", {"seats": 1}, by=token)).status_code == 403
    assert (
        await world.api.put("/password", {"current": world.nora.password, "new": "an unusual horse"}, by=token)
    ).status_code == 403
    assert (await world.api.post("/session/switch", {"account": world.north.slug}, by=token)).status_code == 403
    key = {"Idempotency-Key": "one"}
    for _ in range(2):
        invited = await world.api.post("/users", {"email": "x@acme.example.com", "role": "user"}, by=token, headers=key)
        assert invited.status_code == 201


async def test_a_visitor_makes_no_user_of_themselves(world: World, servers: Addresses) -> None:
    token = await world.token(role="administrator", rights=None)
    me = {"email": world.nora.email, "role": "user"}
    invited = await world.api.post("/users", me, by=token)
    assert (invited.status_code, invited.json()["code"]) == (403, "forbidden")
    batch = await world.api.post("/users/batch", {"users": [me, {**me, "email": "x@acme.example.com"}]}, by=token)
    assert (batch.json()["accepted"], [line["code"] for line in batch.json()["refused"]]) == (1, ["forbidden"])
    assert await sql(servers, "SELECT 1 FROM users WHERE account_id = $1 AND email = $2", world.acme.account_id, me["email"]) == []
    theirs = (await world.api.post("/users", me, by=world.ada)).json()["id"]
    for method, way, body in (
        ("PATCH", "", {"role": "administrator"}),
        ("PATCH", "", {"status": "struck_off"}),
        ("POST", "/invitation", None),
        ("DELETE", "", None),
    ):
        assert (await world.api.call(method, f"/users/{theirs}{way}", by=token, json=body)).status_code == 403, (method, body)


async def test_nobody_goes_on_a_visit_from_a_visit(world: World) -> None:
    boss = world.operator.administrator
    allowed = {"visitor": "operator", "once": False, "rights": ["clients.view", "clients.manage"]}
    assert (await world.api.post("/account/visits", allowed, by=world.north.administrator)).status_code == 201
    assert (await world.allow()).status_code == 201
    there = (await world.visit(by=boss, where=world.north.account_id)).json()["token"]
    assert (await world.api.get("/session", by=there)).status_code == 200
    assert (await world.visit(by=there)).status_code == 403


async def test_without_permission_an_own_client_says_how_and_all_others_are_nobody(world: World) -> None:
    refused = await world.visit()
    assert (refused.status_code, refused.json()["code"]) == (403, "visit_not_allowed")
    assert "Acme" in refused.json()["detail"]
    texts = set()
    for by, where in (
        (world.south.administrator, world.acme.account_id),
        (world.operator.administrator, world.acme.account_id),
        (world.nora, world.south.account_id),
        (world.nora, world.operator.account_id),
        (world.nora, world.north.account_id),
        (world.nora, uuid4()),
    ):
        answer = await world.visit(by=by, where=where)
        document = {name: value for name, value in answer.json().items() if name != "request_id"}
        texts.add((answer.status_code, str(document)))
    assert len(texts) == 1
    assert next(iter(texts))[0] == 404
    assert (await world.visit(by=world.north.staff[1])).status_code == 403


async def test_a_permission_is_for_one_account_and_at_any_depth_for_the_operator(world: World) -> None:
    assert (await world.allow(visitor="operator")).status_code == 201
    assert (await world.visit()).json()["code"] == "visit_not_allowed"
    assert (await world.visit(by=world.south.administrator)).status_code == 404
    answer = await world.visit(by=world.operator.administrator)
    assert answer.status_code == 201
    assert (await world.api.get("/session", by=answer.json()["token"])).json()["visit"]["account"]["name"] == "Operator"


@pytest.mark.parametrize(("minutes", "status"), [(0, 422), (1, 201), (480, 201), (481, 422), (-1, 422), (1.5, 422), ("60", 422)])
async def test_a_visit_lasts_one_minute_to_eight_hours(world: World, servers: Addresses, minutes: Any, status: int) -> None:
    await world.allow()
    answer = await world.visit(minutes=minutes)
    assert answer.status_code == status
    if status == 201:
        [row] = await sql(servers, "SELECT ends_at - started_at AS lasts FROM visits")
        assert row["lasts"].total_seconds() == minutes * 60
    else:
        assert await sql(servers, "SELECT 1 FROM visits") == []


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"reason": ""}, "reason", "too_short"),
        ({"reason": "   "}, "reason", "too_short"),
        ({"reason": "x" * 301}, "reason", "too_long"),
        ({"reason": "a\nb"}, "reason", "control_characters"),
        ({"minutes": None}, "minutes", "wrong_type"),
        ({"more": 1}, "more", "unknown_field"),
    ],
)
async def test_a_visit_needs_a_reason(world: World, body: dict[str, Any], field: str, code: str) -> None:
    await world.allow()
    answer = await world.visit(**body)
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"rights": None}, "rights", "required"),
        ({"rights": []}, "rights", "required"),
        ({"rights": ["no.such"]}, "rights", "unknown"),
        ({"rights": ["clients.manage"]}, "rights", "unknown"),
        ({"role": "user"}, "role", "not_possible"),
        ({"rights": None, "role": "nobody"}, "role", "unknown"),
        ({"visitor": "somebody"}, "visitor", "wrong_type"),
        ({"reason": "x" * 301}, "reason", "too_long"),
    ],
)
async def test_a_permission_names_rights_that_exist(world: World, body: dict[str, Any], field: str, code: str) -> None:
    answer = await world.allow(**body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert code in {answer.json()["errors"][0]["code"], "wrong_type"}
    assert await world.permissions() == []


async def test_the_operator_has_nobody_to_let_in(world: World) -> None:
    for visitor in ("reseller", "operator"):
        answer = await world.allow(by=world.operator.administrator, visitor=visitor)
        assert answer.json()["errors"][0]["field"] == "visitor"


async def test_nobody_allows_more_than_they_have(world: World) -> None:
    role = await world.api.post("/roles", {"name": "Host", "rights": ["account.manage", "users.view"]}, by=world.ada)
    host = world.acme.staff[0]
    await world.api.patch(f"/users/{host.user_id}", {"role": role.json()["id"]}, by=world.ada)
    await world.api.sign_in(host)
    refused = await world.allow(by=host, rights=["users.view", "users.manage"])
    assert (refused.status_code, refused.json()["code"]) == (403, "beyond_own_rights")
    assert (await world.allow(by=host, role="administrator", rights=None)).status_code == 403
    assert (await world.allow(by=host, rights=["users.view"])).status_code == 201


async def test_one_permission_is_open_for_each_account_that_may_come(world: World) -> None:
    first = await world.allow()
    again = await world.allow(rights=["users.view"])
    assert (again.status_code, again.json()["code"], again.json()["id"]) == (409, "already_exists", first.json()["id"])
    assert (await world.allow(visitor="operator")).status_code == 201
    assert (await world.api.delete(f"/account/visits/{first.json()['id']}", by=world.ada)).status_code == 204
    assert (await world.allow()).status_code == 201
    answers = await asyncio.gather(*(world.allow(by=world.north.administrator, visitor=v) for v in ("reseller", "operator")))
    assert sorted(answer.status_code for answer in answers) == [201, 409], "the parent of a reseller is the operator"


async def test_once_is_once_even_at_once(world: World) -> None:
    await world.allow(once=True)
    people = (world.nora, world.north.administrator)
    answers = await asyncio.gather(*(world.visit(by=people[number % 2]) for number in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 403} == {"visit_not_allowed"}
    [used] = await world.permissions()
    assert (used["state"], len(used["visits"])) == ("used", 1)
    token = next(answer.json()["token"] for answer in answers if answer.status_code == 201)
    assert (await world.allow(once=True)).status_code == 201, "what is used up stands in nobody's way"
    assert (await world.api.get("/session", by=token)).status_code == 200
    assert (await world.visit()).status_code == 201


async def test_until_revoked_is_more_than_once(world: World) -> None:
    await world.allow()
    tokens = [(await world.visit(by=by)).json()["token"] for by in (world.nora, world.nora, world.north.administrator)]
    assert [(await world.api.get("/session", by=token)).status_code for token in tokens] == [200] * 3


async def test_a_visit_takes_no_seat_and_none_from_a_full_pool(world: World) -> None:
    await make.set_seats(world.house, world.acme, 1)
    token = await world.token()
    for _ in range(3):
        assert (await world.api.get("/users", by=token)).status_code == 200
    refused = await world.api.sign_in(world.acme.staff[0])
    assert (refused.status_code, refused.json()["in_use"], len(refused.json()["holders"])) == (409, 1, 1)
    assert (await world.api.get("/account/licence", by=world.ada)).json()["seats"]["used"] == 1
    assert (await world.api.delete("/session", by=world.ada)).status_code == 204
    assert (await world.api.sign_in(world.acme.staff[0])).status_code == 201
    assert (await world.api.get("/users", by=token)).status_code == 200


async def test_a_visit_outlives_what_redis_forgets(world: World) -> None:
    token = await world.token()
    await world.house.valkey.call(b"FLUSHALL")
    assert (await world.api.get("/users", by=token)).status_code == 200


async def test_a_licence_that_ended_keeps_no_visitor_out_and_leaves_them_to_read(world: World, servers: Addresses) -> None:
    token = await world.token(rights=["invoices.view", "invoices.delete", "users.view"])
    for days, phase in ((1, "grace"), (30, "over")):
        await sql(
            servers,
            "UPDATE licences SET starts_on = current_date - 100, ends_on = current_date - $1::int WHERE account_id = $2",
            days,
            world.acme.account_id,
        )
        await world.house.valkey.call(b"FLUSHALL")
        me = (await world.api.get("/session", by=token)).json()
        assert (me["licence"]["phase"], set(me["rights"])) == (phase, {"invoices.view", "users.view"})


async def test_the_administrators_see_and_end_it(world: World, servers: Addresses) -> None:
    token = await world.token(reason="Help with invoices")
    me = (await world.api.get("/session", by=token)).json()
    shown = [each for each in (await world.api.get("/sessions", by=world.ada)).json()["items"] if each["visit"]]
    assert [(each["id"], each["user"]["name"], each["visit"]["account"]["name"], each["seat"]) for each in shown] == [
        (me["session"]["id"], world.nora.name, "North", "none")
    ]
    [permission] = await world.permissions()
    assert (permission["visitor"]["name"], permission["given_by"], permission["state"]) == ("North", world.ada.name, "open")
    assert [(visit["visitor"], visit["account"]["name"], visit["live"]) for visit in permission["visits"]] == [
        (world.nora.name, "North", True)
    ]
    await world.api.sign_in(world.acme.staff[0])
    assert (await world.api.delete(f"/sessions/{me['session']['id']}", by=world.acme.staff[0])).status_code == 404
    assert (await world.api.delete(f"/sessions/{me['session']['id']}?reason=enough", by=world.ada)).status_code == 204
    told = await world.api.get("/session", by=token)
    assert (told.status_code, told.json()["ended"]["reason"]) == (401, "ended_by_administrator")
    [permission] = await world.permissions()
    [visit] = permission["visits"]
    assert (visit["live"], visit["why"], visit["ended_by"]) == (False, "ended_by_administrator", world.ada.name)
    for company in (world.acme, world.north):
        [line] = await lines(servers, company, "visit.ended")
        assert (line["actor_name"], line["actor_kind"]) == (world.ada.name, "user")
        assert line["actor_account_name"] == (None if company is world.acme else "Acme")


async def test_both_names_stand_on_every_line(world: World, servers: Addresses) -> None:
    token = await world.token(rights=["departments.view", "departments.manage"])
    visit = (await world.api.get("/session", by=token)).json()["visit"]["id"]
    assert (await world.api.post("/departments", {"name": "Paris"}, by=token)).status_code == 201
    assert (await world.api.delete("/session", by=token)).status_code == 204
    assert (await world.api.get("/session", by=token)).status_code == 401
    for event in ("visit.began", "department.created", "visit.ended"):
        [line] = await lines(servers, world.acme, event)
        assert (line["actor_kind"], line["actor_name"], line["actor_account_name"]) == ("visitor", world.nora.name, "North"), event
        assert line["actor_account_id"] == world.north.account_id
        assert visit in line["facts"], event
    for event in ("visit.began", "visit.ended"):
        [line] = await lines(servers, world.north, event)
        assert (line["actor_kind"], line["actor_name"], line["target_label"]) == ("user", world.nora.name, "Acme")
    [allowed] = await lines(servers, world.acme, "visit.allowed")
    assert (allowed["actor_name"], allowed["target_label"]) == (world.ada.name, "North")


async def test_a_sellers_change_names_the_seller(world: World, servers: Addresses) -> None:
    await world.api.put(
        f"/accounts/{world.acme.account_id}/licence", {"plan": "pro", "seats": 9}, by=world.nora, headers={"If-Match": "*"}
    )
    line = (await lines(servers, world.acme, "licence.changed"))[-1]
    assert (line["actor_kind"], line["actor_name"], line["actor_account_name"]) == ("user", world.nora.name, "North")


async def test_the_gate_says_that_it_is_a_visit(world: World) -> None:
    token = await world.token()
    answer = await world.api.get("/gate/check?right=invoices.view", by=token)
    assert answer.status_code == 200
    said = {name: answer.headers[f"x-portillon-{name}"] for name in ("user", "role", "seat", "session", "visit", "account")}
    visit = (await world.api.get("/session", by=token)).json()["visit"]["id"]
    assert (said["user"], said["session"], said["role"], said["seat"]) == (visit, visit, "visitor", "visit")
    assert unquote(said["visit"]) == f"{world.nora.name}, North"
    assert (await world.api.get("/gate/check?right=invoices.delete", by=token)).status_code == 403
    assert "x-portillon-visit" not in (await world.api.get("/gate/check", by=world.ada)).headers


async def test_the_pages_say_who_visits_and_end_it(world: World) -> None:
    token = await world.token(rights=[*READER, "sessions.view", "sessions.end"])
    cookie = {"Cookie": f"__Host-portillon={token}"}
    page = await world.api.client.get("/", headers=cookie)
    assert page.status_code == 200
    for told in (world.nora.name, "North", "Acme", "Invoice 17 is wrong", "End the visit"):
        assert told in page.text
    assert "/account/email" not in page.text
    assert "/end" not in page.text
    assert (await world.api.client.get("/account/email", headers=cookie)).status_code == 403
    form = page.text.split('name="form_token" value="')[1].split('"')[0]
    ended = await world.api.client.post("/logout", headers=cookie, data={"form_token": form})
    assert ended.status_code == 303
    assert (await world.api.get("/session", by=token)).status_code == 401
    own = {"Cookie": f"__Host-portillon={world.api.tokens[world.ada.email]}"}
    assert "Visitors" not in (await world.api.client.get("/connections", headers=own)).text
    await world.visit()
    assert "1 visitor is in the account." in (await world.api.client.get("/", headers=own)).text
    seen = await world.api.client.get("/connections", headers=own)
    assert "Visitors" in seen.text
    assert "End this visit" in seen.text
