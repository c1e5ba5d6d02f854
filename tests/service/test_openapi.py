"""The description of the API says what the API does: every answer seen here has a documented status and shape."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest

from tenants.house import House
from tests import make
from tests.api import Api, full_path
from tests.make import Person

NOBODY = str(uuid4())


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    """What machines read."""
    answer = await api.client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each."""
    return [
        (method.upper(), path, operation) for path, methods in document["paths"].items() for method, operation in methods.items()
    ]


async def test_the_committed_description_is_current(document: dict[str, Any]) -> None:
    committed = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert committed == document, "run make schema"
    # What the framework keeps in a set comes in one order all the same.
    said = document["paths"]["/gate/check"]["get"]["responses"]["200"]["headers"]
    assert list(said) == list(committed["paths"]["/gate/check"]["get"]["responses"]["200"]["headers"]) == sorted(said)


async def test_it_is_openapi_3_1_and_refers_to_nothing_elsewhere(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Portillon"
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 25
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for reference in _references(document):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in document["components"]["schemas"]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [v for k, v in node.items() if k == "$ref"] + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []


async def test_every_operation_says_who_may_and_how_it_refuses(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation.get("description") or operation.get("summary"), where
        responses = operation["responses"]
        # A proxy passes on 401 and 403 alone, so the gate refuses what is malformed with 403.
        assert {"403" if path.startswith("/gate/") else "422", "503"} <= responses.keys(), where
        assert "400" not in responses, where
        if operation.get("security"):
            assert "401" in responses, where
        for status, answer in responses.items():
            if status >= "400":
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema["$ref"].endswith("/Problem"), f"{where} {status}"
        body = operation.get("requestBody", {}).get("content", {})
        pictures, form = {"image/png", "image/jpeg", "image/webp"}, {"application/x-www-form-urlencoded"}
        assert set(body) in ({"application/json", "text/csv"}, {"application/json"}, pictures, form, set()), where


def must_be_described(document: dict[str, Any], method: str, path: str, answer: httpx.Response) -> None:
    """The answer is one that the document promises."""
    status, kind = answer.status_code, answer.headers.get("content-type", "")
    content = None if not answer.content else answer.text if kind.startswith("text/") else answer.json()
    responses = document["paths"][path][method.lower()]["responses"]
    assert str(status) in responses, f"{method} {path} answers {status}, documented are {sorted(responses)}: {content}"
    described = responses[str(status)].get("content", {})
    if content is None:
        assert not described or next(iter(described.values()))["schema"] in ({}, {"type": "null"}), (
            f"{method} {path} {status}: nothing came"
        )
        return
    media = kind.partition(";")[0]
    assert media in described, f"{method} {path} {status}: {media} is not among {sorted(described)}"
    schema = {**described[media]["schema"], "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(content)


Call = tuple[str, str, dict[str, str], Any, Any, str]


def calls_without_a_session(person: Person, token: str) -> list[Call]:
    """Method, path, its values, body, caller and query of what anyone may call."""
    return [
        ("POST", "/login", {}, {"email": person.email, "password": person.password}, None, ""),
        ("POST", "/login", {}, {"email": person.email, "password": "wrong"}, None, ""),
        ("POST", "/login", {}, {}, None, ""),
        ("GET", "/session", {}, None, None, ""),
        ("POST", "/password-resets", {}, {"email": person.email}, None, ""),
        ("POST", "/password-resets/confirm", {}, {"token": "x", "password": make.PASSWORD}, None, ""),
        ("POST", "/invitations/lookup", {}, {"token": token}, None, ""),
        ("POST", "/invitations/lookup", {}, {"token": "x"}, None, ""),
        ("POST", "/invitations/accept", {}, {"token": "x", "password": make.PASSWORD}, None, ""),
        ("POST", "/invitations/renew", {}, {"token": "x"}, None, ""),
        ("POST", "/email-changes/confirm", {}, {"token": "x"}, None, ""),
        ("POST", "/email-changes/revoke", {}, {"token": "x"}, None, ""),
    ]


def calls_about_sessions(ada: Person, colleague: Person) -> list[Call]:
    """Of an administrator."""
    return [
        ("GET", "/session", {}, None, ada, ""),
        ("GET", "/session/events", {}, None, ada, ""),
        ("GET", "/session/events", {}, None, None, ""),
        ("GET", "/gate/check", {}, None, ada, "?right=invoices.view"),
        ("GET", "/gate/check", {}, None, ada, "?right=invoices"),
        ("GET", "/gate/check", {}, None, None, ""),
        ("GET", "/sessions", {}, None, ada, ""),
        ("POST", "/session/heartbeat", {}, {"closing": False, "page": "first"}, ada, ""),
        ("POST", "/session/switch", {}, {"account": "nowhere"}, ada, ""),
        ("DELETE", "/sessions/{session_id}", {"session_id": NOBODY}, None, ada, ""),
        ("DELETE", "/users/{user_id}/sessions", {"user_id": str(colleague.user_id)}, None, ada, ""),
        ("POST", "/api-keys", {}, {"name": "Invoicing", "scopes": ["sessions.introspect"]}, ada, ""),
        ("POST", "/api-keys", {}, {"name": "Invoicing", "scopes": []}, ada, ""),
        ("GET", "/api-keys", {}, None, ada, ""),
        ("DELETE", "/api-keys/{key_id}", {"key_id": NOBODY}, None, ada, ""),
        # What it answers to a key: tests/service/test_introspection.py
        ("POST", "/oauth/introspect", {}, None, ada, ""),
        # And this one: tests/service/test_activity_intake.py
        ("POST", "/activity", {}, {"events": []}, ada, ""),
        ("POST", "/email-changes", {}, {"email": "ada@new.example.com", "password": "wrong"}, ada, ""),
        ("POST", "/email-changes", {}, {"email": "ada@new.example.com", "password": ada.password}, ada, ""),
        ("PUT", "/password", {}, {"current": "wrong", "new": make.PASSWORD}, ada, ""),
        ("PUT", "/password", {}, {"current": ada.password, "new": "an unusual horse battery"}, ada, ""),
    ]


def calls_about_users(ada: Person, person: Person, invited: str) -> list[Call]:
    """Of an administrator, and of somebody who may not."""
    return [
        ("GET", "/users", {}, None, ada, ""),
        ("GET", "/users", {}, None, ada, "?limit=0"),
        ("GET", "/users", {}, None, person, ""),
        (
            "POST",
            "/users/batch",
            {},
            {"users": [{"email": "k@acme.example.com"}, {"email": "k"}], "role": "user"},
            ada,
            "?dry_run=true",
        ),
        ("POST", "/users/batch", {}, {"users": []}, ada, ""),
        ("POST", "/users", {}, {"email": "j@acme.example.com", "role": "user"}, ada, ""),
        ("POST", "/users", {}, {"email": "j@acme.example.com", "role": "user"}, ada, ""),
        ("POST", "/users", {}, {"email": "j@acme.example.com", "role": "user"}, person, ""),
        ("GET", "/users/{user_id}", {"user_id": invited}, None, ada, ""),
        ("GET", "/users/{user_id}", {"user_id": NOBODY}, None, ada, ""),
        ("PATCH", "/users/{user_id}", {"user_id": invited}, {"name": "I", "restrictions": ["stock"]}, ada, ""),
        ("PATCH", "/users/{user_id}", {"user_id": invited}, {"status": "suspended"}, ada, ""),
        ("PATCH", "/users/{user_id}", {"user_id": str(ada.user_id)}, {"role": "user"}, ada, ""),
        ("GET", "/users/{user_id}/rights", {"user_id": str(person.user_id)}, None, ada, ""),
        ("GET", "/users/{user_id}/rights", {"user_id": NOBODY}, None, ada, ""),
        ("GET", "/rights/{right}/holders", {"right": "invoices.delete"}, None, ada, ""),
        ("GET", "/rights/{right}/holders", {"right": "nothing.at_all"}, None, ada, ""),
        ("POST", "/users/{user_id}/invitation", {"user_id": invited}, None, ada, ""),
        ("POST", "/users/{user_id}/invitation", {"user_id": str(ada.user_id)}, None, ada, ""),
        ("DELETE", "/users/{user_id}/invitation", {"user_id": invited}, None, ada, ""),
        ("POST", "/users/{user_id}/password-reset", {"user_id": str(person.user_id)}, None, ada, ""),
        ("DELETE", "/users/{user_id}", {"user_id": invited}, None, ada, ""),
    ]


def calls_about_roles_and_departments(ada: Person, role: str, department: str) -> list[Call]:
    """Of an administrator."""
    return [
        ("GET", "/roles", {}, None, ada, ""),
        ("POST", "/roles", {}, {"name": "Buyer", "rights": ["purchases.view"]}, ada, ""),
        ("POST", "/roles", {}, {"name": "Buyer", "copy_of": "user"}, ada, ""),
        ("GET", "/roles/{role_id}", {"role_id": "user"}, None, ada, ""),
        ("GET", "/roles/{role_id}", {"role_id": NOBODY}, None, ada, ""),
        ("PATCH", "/roles/{role_id}", {"role_id": role}, {"name": "Seller"}, ada, ""),
        ("PATCH", "/roles/{role_id}", {"role_id": role}, {"rights": ["quotes.view"]}, ada, "?preview=true"),
        ("DELETE", "/roles/{role_id}", {"role_id": role}, None, ada, ""),
        ("GET", "/departments", {}, None, ada, ""),
        ("POST", "/departments", {}, {"name": "Lyon"}, ada, ""),
        ("POST", "/departments", {}, {"name": "Lyon"}, ada, ""),
        ("GET", "/departments/{department_id}", {"department_id": department}, None, ada, ""),
        ("PATCH", "/departments/{department_id}", {"department_id": department}, {"code": "PAR"}, ada, ""),
        ("DELETE", "/departments/{department_id}", {"department_id": department}, None, ada, ""),
    ]


def calls_about_seat_requests(ada: Person, boss: Person, request: str) -> list[Call]:
    """Of an administrator who asks, of the operator who answers, and of somebody whose ticket is none."""
    return [
        ("POST", "/account/seat-requests", {}, {"seats": 1}, ada, ""),
        ("POST", "/account/seat-requests", {}, {"seats": 0}, ada, ""),
        ("GET", "/account/seat-requests", {}, None, ada, ""),
        ("GET", "/seat-requests", {}, None, boss, "?state=open"),
        ("GET", "/seat-requests", {}, None, ada, ""),
        ("POST", "/seat-requests/{request_id}/approve", {"request_id": NOBODY}, {}, boss, ""),
        ("POST", "/seat-requests/{request_id}/approve", {"request_id": request}, {"seats": 1}, boss, ""),
        ("POST", "/seat-requests/{request_id}/refuse", {"request_id": request}, {}, boss, ""),
        ("DELETE", "/account/seat-requests/{request_id}", {"request_id": request}, None, ada, ""),
        ("POST", "/account/seat-requests", {}, {"seats": 1, "until": "2900-01-01T00:00:00Z"}, ada, ""),
        ("POST", "/seat-requests/by-ticket", {}, {"ticket": "x", "seats": 1}, None, ""),
    ]


def calls_about_a_full_pool(ada: Person, colleague: Person, ticket: str, handover: str) -> list[Call]:
    """Of somebody with a ticket, of the colleague whom they ask for a seat, and of an administrator."""
    asked, with_ticket = {"handover_id": handover}, f"?ticket={ticket}"
    return [
        ("GET", "/account/queue", {}, None, ada, ""),
        ("POST", "/seats/queue", {}, {"ticket": ticket}, None, ""),
        ("POST", "/seats/queue", {}, {"ticket": "x"}, None, ""),
        ("POST", "/seats/queue", {}, None, ada, ""),
        ("GET", "/seats/queue", {}, None, None, with_ticket),
        ("GET", "/account/queue", {}, None, ada, ""),
        ("DELETE", "/account/queue/{user_id}", {"user_id": NOBODY}, None, ada, ""),
        ("DELETE", "/account/queue", {}, None, ada, ""),
        ("GET", "/seats/queue", {}, None, None, with_ticket),
        ("DELETE", "/seats/queue", {}, None, None, with_ticket),
        ("POST", "/seats/handovers", {}, {"ticket": ticket, "session_id": NOBODY}, None, ""),
        ("POST", "/seats/handovers", {}, {"ticket": ticket}, None, ""),
        ("POST", "/seats/handovers", {}, {}, ada, ""),
        ("GET", "/seats/handovers", {}, None, colleague, ""),
        ("POST", "/seats/handovers/{handover_id}/answer", asked, {"answer": "later"}, colleague, ""),
        ("POST", "/seats/handovers/{handover_id}/answer", asked, {"answer": "later"}, colleague, ""),
        ("POST", "/seats/handovers/{handover_id}/answer", asked, {"answer": "perhaps"}, colleague, ""),
        ("GET", "/seats/handovers/{handover_id}", asked, None, None, with_ticket),
        ("GET", "/seats/handovers/{handover_id}", asked, None, None, ""),
        ("DELETE", "/seats/handovers/{handover_id}", asked, None, None, with_ticket),
        ("DELETE", "/seats/handovers/{handover_id}", asked, None, None, with_ticket),
    ]


def calls_about_the_history(ada: Person, person: Person, line: str, export: str) -> list[Call]:
    """Of an administrator, and of somebody who sees only their own."""
    return [
        ("GET", "/activity", {}, None, ada, ""),
        ("GET", "/activity", {}, None, ada, "?from=yesterday"),
        ("GET", "/activity", {}, None, person, ""),
        ("GET", "/activity/{line_id}", {"line_id": line}, None, ada, ""),
        ("GET", "/activity/{line_id}", {"line_id": NOBODY}, None, ada, ""),
        ("GET", "/activity/export", {}, None, ada, "?format=csv"),
        ("GET", "/activity/export", {}, None, ada, "?format=xml"),
        ("POST", "/activity/exports", {}, {"format": "json", "action": "user"}, ada, ""),
        ("POST", "/activity/exports", {}, {"from": "yesterday"}, ada, ""),
        ("POST", "/activity/exports", {}, {}, person, ""),
        ("GET", "/activity/exports", {}, None, ada, ""),
        ("GET", "/activity/exports/{export_id}", {"export_id": export}, None, ada, ""),
        ("GET", "/activity/exports/{export_id}", {"export_id": NOBODY}, None, ada, ""),
        ("GET", "/activity/exports/{export_id}/file", {"export_id": export}, None, ada, ""),
        ("GET", "/activity/exports/{export_id}/file", {"export_id": NOBODY}, None, ada, ""),
        ("DELETE", "/activity/exports/{export_id}", {"export_id": export}, None, ada, ""),
        ("DELETE", "/activity/exports/{export_id}", {"export_id": NOBODY}, None, ada, ""),
        ("GET", "/me/activity", {}, None, person, ""),
        ("GET", "/me/activity", {}, None, person, "?action=nothing"),
        ("GET", "/me/data", {}, None, person, ""),
    ]


def calls_about_visits(ada: Person, boss: Person, account: str, permission: str) -> list[Call]:
    """Of an administrator who lets the operator in, and of the operator who comes."""
    visit = {"reason": "A look", "minutes": 10}
    return [
        ("GET", "/account/visits", {}, None, ada, ""),
        ("POST", "/account/visits", {}, {"visitor": "operator", "once": True, "role": "user"}, ada, ""),
        ("POST", "/account/visits", {}, {"visitor": "operator", "once": True}, ada, ""),
        ("POST", "/accounts/{account_id}/visits", {"account_id": account}, visit, boss, ""),
        ("POST", "/accounts/{account_id}/visits", {"account_id": account}, visit, boss, ""),
        ("POST", "/accounts/{account_id}/visits", {"account_id": account}, {"reason": "A look", "minutes": 0}, boss, ""),
        ("POST", "/accounts/{account_id}/visits", {"account_id": NOBODY}, visit, boss, ""),
        ("GET", "/account/visits", {}, None, ada, ""),
        ("GET", "/sessions", {}, None, ada, ""),
        ("DELETE", "/account/visits/{permission_id}", {"permission_id": permission}, None, ada, ""),
        ("DELETE", "/account/visits/{permission_id}", {"permission_id": NOBODY}, None, ada, ""),
        ("POST", "/account/visits", {}, {"visitor": "reseller", "once": False, "rights": ["users.view"]}, ada, ""),
    ]


def calls_about_accounts(ada: Person, boss: Person, account: str) -> list[Call]:
    """Of an administrator about their own account, and of the operator about a child."""
    first = {"plan": "pro", "administrator": {"email": "n@new.example.com"}}
    weekly = {"seats": 2, "weekly": {"days": ["monday"], "from": "08:00", "to": "24:00"}}
    return [
        ("GET", "/account", {}, None, ada, ""),
        ("PATCH", "/account", {}, {"idle_timeout": 45, "restrictions": ["reports"]}, ada, ""),
        ("GET", "/account/licence", {}, None, ada, ""),
        ("GET", "/account/brand", {}, None, boss, ""),
        ("PUT", "/account/brand", {}, {"name": "Portillon"}, boss, ""),
        ("PUT", "/account/brand", {}, {"name": "Acme"}, ada, ""),
        ("GET", "/account/brand", {}, None, boss, ""),
        ("PUT", "/account/brand/logo", {}, None, boss, ""),
        ("DELETE", "/account/brand/logo", {}, None, boss, ""),
        ("DELETE", "/account/brand", {}, None, boss, ""),
        ("DELETE", "/account/brand", {}, None, boss, ""),
        ("GET", "/account/seats", {}, None, ada, ""),
        ("GET", "/account/seats/export", {}, None, ada, ""),
        ("GET", "/catalogue", {}, None, ada, ""),
        ("GET", "/accounts", {}, None, boss, ""),
        ("GET", "/accounts", {}, None, ada, ""),
        ("GET", "/accounts/export", {}, None, boss, ""),
        ("GET", "/usage", {}, None, boss, "?from=2026-01-01"),
        ("GET", "/usage", {}, None, boss, "?from=2026-01-01&to=2025-12-31"),
        ("GET", "/usage/export", {}, None, boss, ""),
        ("GET", "/accounts/{account_id}/usage", {"account_id": account}, None, boss, ""),
        ("GET", "/accounts/{account_id}/usage", {"account_id": NOBODY}, None, boss, ""),
        ("POST", "/accounts", {}, {"name": "New", **first}, boss, ""),
        ("POST", "/accounts", {}, {"name": "New", "slug": "acme", **first}, boss, ""),
        ("GET", "/accounts/slug", {}, None, boss, "?name=Acme"),
        ("GET", "/accounts/{account_id}", {"account_id": account}, None, boss, ""),
        ("GET", "/accounts/{account_id}", {"account_id": NOBODY}, None, boss, ""),
        ("PATCH", "/accounts/{account_id}", {"account_id": account}, {"name": "Acme 2"}, boss, ""),
        ("GET", "/accounts/{account_id}/licence", {"account_id": account}, None, boss, ""),
        ("PUT", "/accounts/{account_id}/licence", {"account_id": account}, {"plan": "pro"}, boss, "?preview=true"),
        ("PUT", "/accounts/{account_id}/licence", {"account_id": account}, {"plan": "pro"}, boss, ""),
        ("GET", "/accounts/{account_id}/boosts", {"account_id": account}, None, boss, ""),
        ("GET", "/accounts/{account_id}/boosts", {"account_id": NOBODY}, None, boss, ""),
        ("POST", "/accounts/{account_id}/boosts", {"account_id": account}, weekly, boss, ""),
        ("POST", "/accounts/{account_id}/boosts", {"account_id": account}, weekly, boss, ""),
        ("POST", "/accounts/{account_id}/boosts", {"account_id": account}, {"seats": 2}, boss, ""),
        ("GET", "/account/licence", {}, None, ada, ""),
        ("DELETE", "/accounts/{account_id}/boosts/{boost_id}", {"account_id": account, "boost_id": NOBODY}, None, boss, ""),
        ("DELETE", "/session", {}, None, boss, ""),
    ]


async def test_answers_are_as_described(api: Api, house: House, document: dict[str, Any]) -> None:
    operator = await make.operator(house)
    acme = await make.company(house, staff=2)
    ada, person, boss = acme.administrator, acme.staff[0], operator.administrator
    for each in (ada, person, boss):
        await api.sign_in(each)
    invited = (await api.post("/users", {"email": "i@acme.example.com", "role": "user"}, by=ada)).json()["id"]
    role = (await api.post("/roles", {"name": "Own", "rights": ["invoices.view"]}, by=ada)).json()["id"]
    department = (await api.post("/departments", {"name": "Paris"}, by=ada)).json()["id"]
    request = (await api.post("/account/seat-requests", {"seats": 1}, by=ada)).json()["id"]
    once = {"visitor": "operator", "once": True, "rights": ["users.view"]}
    permission = (await api.post("/account/visits", once, by=ada)).json()["id"]
    line = (await api.get("/activity", by=ada)).json()["items"][0]["id"]
    export = (await api.post("/activity/exports", {}, by=ada)).json()["id"]
    await make.set_seats(house, acme, 2)
    ticket = (await api.sign_in(acme.staff[1])).json()["ticket"]
    handover = (await api.post("/seats/handovers", {"ticket": ticket})).json()["id"]
    calls = [
        *calls_about_a_full_pool(ada, person, ticket, handover),
        *calls_without_a_session(person, await make.invitation_token(house, acme.account_id, invited)),
        *calls_about_sessions(ada, acme.staff[1]),
        *calls_about_users(ada, person, invited),
        *calls_about_roles_and_departments(ada, role, department),
        *calls_about_seat_requests(ada, boss, request),
        *calls_about_the_history(ada, person, line, export),
        *calls_about_visits(ada, boss, str(acme.account_id), permission),
        *calls_about_accounts(ada, boss, str(acme.account_id)),
    ]
    called = set()
    for method, template, values, body, by, query in calls:
        answer = await api.call(
            method, template.format(**values) + query, by=by, json=body, headers={"If-Match": "*"} if "/roles/" in template else {}
        )
        must_be_described(document, method, full_path(template), answer)
        called.add((method, full_path(template)))
    assert called == {(method, path) for method, path, _ in operations(document)}, "a new operation wants a call here"


async def test_every_documented_object_is_closed_to_unknown_fields(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content:
            name = content["schema"]["$ref"].rpartition("/")[2]
            schema = document["components"]["schemas"][name]
            assert schema.get("additionalProperties") is False, f"{method} {path}: {name}"
