"""X2: which role may call which route, and change which field, from one file."""

import re
import tomllib
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar

from service.app import build
from service.routes import Open
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person

MATRIX: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("rights.toml").read_text(encoding="utf-8"))
FIELDS: dict[str, dict[str, dict[str, Any]]] = MATRIX["fields"]
ROLES = ("administrator", "simple_administrator", "user", "user_without_deletion", "accountant")
WORDS = {Open.TO_ANYONE: "anyone", Open.TO_SIGNED_IN: "signed in"}
# Where the framework would show its own description of the API: always not found.
NOWHERE = {"/api/v1/_", "/api/v1/_/openapi.json", "/api/v1/_/{path:str}"}


def declared(app: Litestar) -> dict[str, Any]:
    """Every route with the right that it names; None where it names none."""
    return {
        f"{method} {route.path}": handler.opt.get("right")
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        for method in handler.http_methods
        if method != "OPTIONS" and route.path not in NOWHERE
    }


def filled(route: str) -> tuple[str, str]:
    """Method and path, with identifiers of nobody."""
    method, path = route.split(" ")
    path = re.sub(r"\{\w+:(uuid|str)\}", lambda _: str(uuid4()), path)
    return method, path


async def test_every_route_names_its_right_and_stands_in_the_matrix(house: House) -> None:
    found = declared(build(house))
    assert [route for route, right in found.items() if right is None] == []
    written = {**MATRIX["api"], **MATRIX["keys"], **MATRIX["pages"]}
    assert {route: WORDS.get(right, right) for route, right in found.items()} == {
        route: row["right"] for route, row in written.items()
    }


async def test_the_framework_shows_no_description_of_its_own(api: Api) -> None:
    for path in ("/api/v1/_", "/api/v1/_/openapi.json", "/api/v1/_/swagger", "/schema", "/schema/openapi.json"):
        assert (await api.client.get(path)).status_code == 404


async def people(api: Api, house: House) -> list[tuple[Company, Person]]:
    """Somebody of every role in every kind of account, signed in."""
    operator = await make.operator(house)
    reseller = await make.company(house, "Resale", kind="reseller", parent=operator, staff=4, roles=ROLES[1:])
    client = await make.company(house, "Client", parent=reseller, staff=4, roles=ROLES[1:])
    found = [(operator, operator.administrator)]
    found += [(company, person) for company in (reseller, client) for person in company.people]
    for company, person in found:
        assert (await api.sign_in(person, account=company.slug)).status_code == 201
    return found


async def test_x2_each_role_is_let_through_exactly_where_the_matrix_says(api: Api, house: House) -> None:
    everybody = await people(api, house)
    assert len(everybody) == 11
    for route, row in MATRIX["api"].items():
        if row["right"] == "anyone":
            continue
        method, path = filled(route)
        for company, person in everybody:
            roles, kinds = row["roles"], row.get("kinds", ["operator", "reseller", "client"])
            allowed = (roles == "all" or person.role in roles) and company.kind in kinds
            answer = await api.call(
                method, path.removeprefix("/api/v1"), by=person, json={} if method in {"POST", "PUT", "PATCH"} else None
            )
            where = f"{route} as {person.role} of a {company.kind}: {answer.status_code} {answer.text}"
            assert answer.status_code < 500, where
            assert answer.status_code != 401, where
            assert (answer.status_code != 403) == allowed, where
            if not allowed:
                assert answer.json()["code"] == "forbidden"
            if route == "DELETE /api/v1/session":
                await api.sign_in(person, account=company.slug)


async def test_x2_without_a_session_only_what_is_open_to_anyone_answers(api: Api) -> None:
    for route, row in MATRIX["api"].items():
        method, path = filled(route)
        for headers in (
            {},
            {"Authorization": "Bearer ptl_made-up"},
            {"Authorization": "Basic YTpi"},
            {"Cookie": "__Host-portillon=ptl_x"},
        ):
            body: dict[str, Any] | None = {} if method in {"POST", "PUT", "PATCH"} else None
            answer = await api.client.request(method, path, headers=headers, json=body)
            if row["right"] == "anyone" and "knows" not in row:
                assert answer.status_code in {200, 422}, f"{route}: {answer.text}"
            else:
                assert answer.status_code == 401, f"{route}: {answer.text}"
                assert answer.json()["code"] == "not_signed_in"
                assert answer.headers["www-authenticate"] == "Bearer"


async def test_x2_what_is_for_api_keys_is_closed_to_every_session(api: Api, house: House) -> None:
    for _, person in await people(api, house):
        for route in MATRIX["keys"]:
            answer = await api.client.request(*filled(route), headers={"Authorization": f"Bearer {api.tokens[person.email]}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key"), f"{route} as {person.role}"
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_session_in_the_cookie_does_not_open_the_api(api: Api, house: House) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    cookie = {"Cookie": f"__Host-portillon={api.tokens[acme.administrator.email]}"}
    assert (await api.client.get("/api/v1/session", headers=cookie)).status_code == 401


BODIES: dict[str, dict[str, Any]] = {
    "POST /users": {"email": "new@acme.example.com", "role": "user"},
    "POST /users/batch": {"users": [{"email": "new@acme.example.com"}], "role": "user"},
    "PATCH /users/{spare}": {"name": "Other"},
    "POST /users/{invited}/invitation": {"language": "en"},
    "POST /roles": {"name": "Other", "rights": ["invoices.view"]},
    "PATCH /roles/{role}": {"name": "Other"},
    "POST /departments": {"name": "Other"},
    "PATCH /departments/{department}": {"name": "Other"},
    "PATCH /account": {"idle_timeout": 40},
    "PUT /account/brand": {"name": "Other"},
    "PUT /password": {"current": make.PASSWORD, "new": "an unusual horse battery"},
    "POST /login": {"email": "p0@acme.example.com", "password": make.PASSWORD},
    "POST /password-resets": {"email": "p0@acme.example.com"},
    "POST /seat-requests/by-ticket": {"ticket": "x", "seats": 1},
    "POST /account/seat-requests": {"seats": 1},
    "POST /seats/queue": {"ticket": "x"},
    "POST /seats/handovers": {"ticket": "x"},
    "POST /seats/handovers/{role}/answer": {"answer": "no"},
    # The fields are read before the request is looked for: any id will do.
    "POST /seat-requests/{role}/approve": {"seats": 1},
    "POST /seat-requests/{role}/refuse": {"message": "No"},
    "POST /session/heartbeat": {"closing": False},
    "POST /session/switch": {"account": "acme"},
    "POST /accounts": {"name": "New", "plan": "basic", "administrator": {"email": "new@new.example.com"}},
    "PATCH /accounts/{child}": {"name": "Other"},
    "PUT /accounts/{child}/licence": {"plan": "pro"},
    "POST /account/visits": {"visitor": "operator", "once": True, "role": "user"},
    "POST /api-keys": {"name": "Invoicing", "scopes": ["sessions.introspect"]},
    "POST /activity/exports": {"format": "json"},
    "POST /accounts/{child}/visits": {"reason": "A look", "minutes": 10},
    "POST /accounts/{child}/boosts": {"seats": 1, "ends_at": "2900-01-01T00:00:00Z"},
}
EXTRA: dict[str, Any] = {
    "id": str(uuid4()), "account_id": str(uuid4()), "identity_id": str(uuid4()), "user_id": str(uuid4()), "parent_id": str(uuid4()),
    "role": "administrator", "status": "active", "seats": 100, "rights": ["clients.manage"], "kind": "operator",
    "email": "other@acme.example.com", "password": make.PASSWORD, "plan": "enterprise", "version": 9, "last_login_at": "2026-01-01T00:00:00Z",
    "password_hash": "x", "is_admin": True, "__class__": "User",
}  # fmt: skip
# A field that a route rightly knows is tried with a value that it must refuse or may take: no mass assignment.
KNOWN = {
    "POST /users": {"email", "role", "password"},
    "POST /users/batch": {"role"},
    "POST /roles": {"rights"},
    "PATCH /roles/{role}": {"rights"},
    "PATCH /users/{spare}": {"role", "status"},
    "POST /login": {"email", "password"},
    "POST /account/seat-requests": {"seats"},
    "POST /seat-requests/by-ticket": {"seats"},
    "POST /seat-requests/{role}/approve": {"seats"},
    "POST /password-resets": {"email"},
    "POST /accounts": {"kind", "plan"},
    "PATCH /accounts/{child}": {"status"},
    "PUT /accounts/{child}/licence": {"plan", "seats"},
    "POST /accounts/{child}/boosts": {"seats"},
    "POST /account/visits": {"rights", "role"},
}


async def things(api: Api, company: Company) -> dict[str, str]:
    """What there is to change in a company, by kind: made by its administrator."""
    ada = company.administrator
    await api.sign_in(ada, account=company.slug)
    made = {
        "invited": ("/users", {"email": f"invited@{company.slug}.example.com", "role": "user"}),
        "role": ("/roles", {"name": "Readers", "rights": ["invoices.view"]}),
        "department": ("/departments", {"name": "Paris"}),
    }
    answers = {kind: await api.post(path, body, by=ada) for kind, (path, body) in made.items()}
    assert {answer.status_code for answer in answers.values()} == {201}
    return {"spare": str(company.people[-1].user_id), **{kind: answer.json()["id"] for kind, answer in answers.items()}}


def test_x2_every_field_that_can_be_changed_stands_in_the_matrix(house: House) -> None:
    document = build(house).openapi_schema.to_schema()
    found = {}
    for path, methods in document["paths"].items():
        if "patch" in methods:
            schema = methods["patch"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
            found[path] = set(document["components"]["schemas"][schema]["properties"])
    bare = {route.removeprefix("PATCH ").replace(":uuid", "").replace(":str", ""): set(row) for route, row in FIELDS.items()}
    assert found == bare


@pytest.mark.parametrize("route", FIELDS)
async def test_x2_each_role_changes_exactly_the_fields_that_the_matrix_says(route: str, api: Api, house: House) -> None:
    operator = await make.operator(house)
    reseller = await make.company(house, "Resale", kind="reseller", parent=operator, staff=4, roles=ROLES[1:])
    client = await make.company(house, "Client", parent=reseller, staff=5, roles=(*ROLES[1:], "user"))
    company = reseller if "account_id" in route else client
    for person in company.people[:5]:
        assert (await api.sign_in(person, account=company.slug)).status_code == 201
    there = await things(api, client)
    targets = {"user_id:uuid": there["spare"], "role_id:str": there["role"], "department_id:uuid": there["department"]}
    way = route.removeprefix("PATCH /api/v1")
    for place, target in {**targets, "account_id:uuid": str(client.account_id)}.items():
        way = way.replace("{" + place + "}", target)
    others = EXTRA.keys() | {name for fields in FIELDS.values() for name in fields}
    for person in company.people[:5]:
        for name, row in FIELDS[route].items():
            sent = {key: [there["department"]] if value == ["{department}"] else value for key, value in row["send"].items()}
            answer = await api.patch(way, sent, by=person, headers={"If-Match": "*"})
            where = f"{name} as {person.role}: {answer.status_code} {answer.text}"
            assert answer.status_code == (200 if person.role in row["roles"] else 403), where
            assert answer.status_code == 200 or answer.json()["code"] == "forbidden", where
        for name in others - FIELDS[route].keys():
            answer = await api.patch(way, {name: EXTRA.get(name, "x")}, by=person, headers={"If-Match": "*"})
            assert answer.status_code in {403, 422}, f"{name} as {person.role}: {answer.status_code} {answer.text}"
            assert answer.json()["code"] == "forbidden" or answer.json()["errors"][0]["code"] == "unknown_field"


@pytest.mark.parametrize("operation", BODIES)
async def test_x2_fields_that_are_not_the_callers_are_refused(operation: str, api: Api, house: House) -> None:
    seller = await make.operator(house)
    acme = await make.company(house, staff=2)
    sells = ("account" in operation and operation != "PATCH /account") or "/seat-requests/{role}" in operation
    by = seller.administrator if sells else acme.administrator
    await api.sign_in(by)
    method, path = operation.split(" ")
    path = path.format(child=acme.account_id, **await things(api, acme))
    for name in EXTRA.keys() - KNOWN.get(operation, set()):
        answer = await api.call(method, path, by=by, json={**BODIES[operation], name: EXTRA[name]}, headers={"If-Match": "*"})
        assert answer.status_code == 422, f"{operation} takes {name}: {answer.text}"
        assert answer.json()["errors"][0] | {"message": ""} == {"field": name, "code": "unknown_field", "message": ""}


async def test_x2_fields_of_the_people_inside_a_request_are_refused_too(api: Api, house: House) -> None:
    seller = (await make.operator(house)).administrator
    ada = (await make.company(house, staff=0)).administrator
    await api.sign_in(seller)
    await api.sign_in(ada)
    for name in EXTRA.keys() - {"email"}:
        first = {"email": "new@new.example.com", name: EXTRA[name]}
        answers = [await api.post("/accounts", {**BODIES["POST /accounts"], "administrator": first}, by=seller)]
        if name != "role":
            answers.append(await api.post("/users/batch", {"users": [{**first, "role": "user"}]}, by=ada))
        for answer in answers:
            assert answer.status_code == 422, f"{name}: {answer.text}"
            assert answer.json()["errors"][0]["code"] == "unknown_field", f"{name}: {answer.text}"


async def test_a_new_role_works_and_ends_at_the_next_request(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    person = acme.staff[0]
    await api.sign_in(person)
    await api.sign_in(acme.administrator)
    for role, status in (("simple_administrator", 200), ("user", 403), ("administrator", 200), ("accountant", 403)):
        assert (await api.patch(f"/users/{person.user_id}", {"role": role}, by=acme.administrator)).status_code == 200
        assert (await api.get("/users", by=person)).status_code == status
