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
from tests.api import Api


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
        assert {"422", "503"} <= responses.keys(), where
        assert "400" not in responses, where
        if operation.get("security"):
            assert "401" in responses, where
        for status, answer in responses.items():
            if status >= "400":
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema["$ref"].endswith("/Problem"), f"{where} {status}"
        body = operation.get("requestBody", {}).get("content", {})
        assert set(body) <= {"application/json"}, where


def must_be_described(document: dict[str, Any], method: str, path: str, answer: httpx.Response) -> None:
    """The answer is one that the document promises."""
    status, content, kind = answer.status_code, answer.json() if answer.content else None, answer.headers.get("content-type", "")
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


async def test_answers_are_as_described(api: Api, house: House, document: dict[str, Any]) -> None:
    operator = await make.operator(house)
    acme = await make.company(house, staff=2)
    ada, person, boss = acme.administrator, acme.staff[0], operator.administrator
    nobody = str(uuid4())
    for each in (ada, person, boss):
        await api.sign_in(each)
    invited = (await api.post("/users", {"email": "i@acme.example.com", "role": "user"}, by=ada)).json()["id"]
    token = await make.invitation_token(house, acme.account_id, invited)
    account = str(acme.account_id)
    calls: list[tuple[str, str, dict[str, str], Any, Any, str]] = [
        ("POST", "/login", {}, {"email": person.email, "password": person.password}, None, ""),
        ("POST", "/login", {}, {"email": person.email, "password": "wrong"}, None, ""),
        ("POST", "/login", {}, {}, None, ""),
        ("GET", "/session", {}, None, ada, ""),
        ("GET", "/session", {}, None, None, ""),
        ("GET", "/sessions", {}, None, ada, ""),
        ("POST", "/session/switch", {}, {"account": "nowhere"}, ada, ""),
        ("DELETE", "/sessions/{session_id}", {"session_id": nobody}, None, ada, ""),
        ("DELETE", "/users/{user_id}/sessions", {"user_id": str(acme.staff[1].user_id)}, None, ada, ""),
        ("POST", "/password-resets", {}, {"email": person.email}, None, ""),
        ("POST", "/password-resets/confirm", {}, {"token": "x", "password": make.PASSWORD}, None, ""),
        ("PUT", "/password", {}, {"current": "wrong", "new": make.PASSWORD}, ada, ""),
        ("PUT", "/password", {}, {"current": ada.password, "new": "an unusual horse battery"}, ada, ""),
        ("POST", "/invitations/lookup", {}, {"token": token}, None, ""),
        ("POST", "/invitations/lookup", {}, {"token": "x"}, None, ""),
        ("POST", "/invitations/accept", {}, {"token": "x", "password": make.PASSWORD}, None, ""),
        ("POST", "/invitations/renew", {}, {"token": "x"}, None, ""),
        ("GET", "/users", {}, None, ada, ""),
        ("GET", "/users", {}, None, ada, "?limit=0"),
        ("GET", "/users", {}, None, person, ""),
        ("POST", "/users", {}, {"email": "j@acme.example.com", "role": "user"}, ada, ""),
        ("POST", "/users", {}, {"email": "j@acme.example.com", "role": "user"}, ada, ""),
        ("POST", "/users", {}, {"email": "j@acme.example.com", "role": "user"}, person, ""),
        ("GET", "/users/{user_id}", {"user_id": invited}, None, ada, ""),
        ("GET", "/users/{user_id}", {"user_id": nobody}, None, ada, ""),
        ("PATCH", "/users/{user_id}", {"user_id": invited}, {"name": "I"}, ada, ""),
        ("PATCH", "/users/{user_id}", {"user_id": invited}, {"status": "suspended"}, ada, ""),
        ("PATCH", "/users/{user_id}", {"user_id": str(ada.user_id)}, {"role": "user"}, ada, ""),
        ("POST", "/users/{user_id}/invitation", {"user_id": invited}, None, ada, ""),
        ("POST", "/users/{user_id}/invitation", {"user_id": str(ada.user_id)}, None, ada, ""),
        ("DELETE", "/users/{user_id}/invitation", {"user_id": invited}, None, ada, ""),
        ("POST", "/users/{user_id}/password-reset", {"user_id": str(person.user_id)}, None, ada, ""),
        ("DELETE", "/users/{user_id}", {"user_id": invited}, None, ada, ""),
        ("GET", "/account", {}, None, ada, ""),
        ("PATCH", "/account", {}, {"idle_timeout": 45}, ada, ""),
        ("GET", "/account/licence", {}, None, ada, ""),
        ("GET", "/account/seats", {}, None, ada, ""),
        ("GET", "/catalogue", {}, None, ada, ""),
        ("GET", "/accounts", {}, None, boss, ""),
        ("GET", "/accounts", {}, None, ada, ""),
        ("POST", "/accounts", {}, {"name": "New", "plan": "pro", "administrator": {"email": "n@new.example.com"}}, boss, ""),
        (
            "POST",
            "/accounts",
            {},
            {"name": "New", "slug": "acme", "plan": "pro", "administrator": {"email": "n@new.example.com"}},
            boss,
            "",
        ),
        ("GET", "/accounts/{account_id}", {"account_id": account}, None, boss, ""),
        ("GET", "/accounts/{account_id}", {"account_id": nobody}, None, boss, ""),
        ("PATCH", "/accounts/{account_id}", {"account_id": account}, {"name": "Acme 2"}, boss, ""),
        ("GET", "/accounts/{account_id}/licence", {"account_id": account}, None, boss, ""),
        ("PUT", "/accounts/{account_id}/licence", {"account_id": account}, {"plan": "pro"}, boss, "?preview=true"),
        ("PUT", "/accounts/{account_id}/licence", {"account_id": account}, {"plan": "pro"}, boss, ""),
        ("DELETE", "/session", {}, None, boss, ""),
    ]
    called = set()
    for method, template, values, body, by, query in calls:
        answer = await api.call(method, template.format(**values) + query, by=by, json=body)
        must_be_described(document, method, f"/api/v1{template}", answer)
        called.add((method, f"/api/v1{template}"))
    assert called == {(method, path) for method, path, _ in operations(document)}, "a new operation wants a call here"


async def test_every_documented_object_is_closed_to_unknown_fields(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content:
            name = content["schema"]["$ref"].rpartition("/")[2]
            schema = document["components"]["schemas"][name]
            assert schema.get("additionalProperties") is False, f"{method} {path}: {name}"
