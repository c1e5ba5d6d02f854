"""Every deed leaves its lines in the history: none is without, none is told twice. The table is tests/deeds.toml."""

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from service.embedded import Addresses
from tenants.house import House
from tenants.tokens import Purpose
from tests import make
from tests.api import Api
from tests.keys import make_key
from tests.make import Company, Person
from tests.pictures import picture
from tests.tenants.rows import sql
from tests.tenants.test_email_changes import link, revocation

DEEDS: dict[str, Any] = tomllib.loads((Path(__file__).parents[1] / "deeds.toml").read_text(encoding="utf-8"))
NEW = "an unusual horse battery"
ANY = {"If-Match": "*"}


class Walk:
    """Calls that succeed, each with what it wrote."""

    def __init__(self, api: Api, house: House, servers: Addresses, acme: Company, operator: Company) -> None:
        self.api, self.house, self.servers = api, house, servers
        self.acme, self.operator = acme, operator
        self.done: set[str] = set()

    async def does(
        self, method: str, route: str, body: Any = None, *, by: Person | str | None = None, word: str = "", **given: Any
    ) -> Any:
        """The answer of a call, whose lines are those of the table; `given` are the path's values, `query` and `headers`."""
        row = f"{method} {route} ({word})" if word else f"{method} {route}"
        query, more = given.pop("query", ""), {name: given.pop(name) for name in ("headers", "content", "data") if name in given}
        answer = await self.api.call(
            method, route.format(**given) + query, by=by, **{"json": body} if body is not None else {}, **more
        )
        assert answer.status_code < 400, f"{row}: {answer.status_code} {answer.text}"
        await self.house.finish()
        at = self.operator if isinstance(by, Person) and by in self.operator.people else self.acme
        lines = await self._lines(answer.headers["X-Request-ID"])
        expected = DEEDS.get(row)
        assert expected is not None, f"{row}: wants a row in tests/deeds.toml; it wrote {lines}"
        told = [f"{self._place(line['account_id'], at)}{line['event']}" for line in lines]
        assert told == (expected if isinstance(expected, list) else []), row
        twice = Counter((line["account_id"], line["event"], line["target_type"], line["target_id"]) for line in lines)
        assert set(twice.values()) <= {1}, f"{row}: told twice: {twice}"
        self.done.add(row)
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer

    async def _lines(self, request_id: str) -> list[Any]:
        return await sql(self.servers, "SELECT * FROM activity WHERE request_id = $1 ORDER BY id", request_id)

    def _place(self, account_id: Any, at: Company) -> str:
        if account_id == at.account_id:
            return ""
        return "seller: " if account_id == self.operator.account_id else "there: "


@pytest.fixture
async def walk(api: Api, house: House, servers: Addresses) -> Walk:
    """A company with its administrator and a few at work, and the operator."""
    operator = await make.operator(house)
    acme = await make.company(house, staff=3)
    for person in (acme.administrator, acme.staff[0], operator.administrator):
        assert (await api.sign_in(person)).status_code == 201
    return Walk(api, house, servers, acme, operator)


async def test_people(walk: Walk) -> None:
    api, house, servers, ada = walk.api, walk.house, walk.servers, walk.acme.administrator
    person = walk.acme.staff[0]
    user = (await walk.does("POST", "/users", {"email": "i@acme.example.com", "role": "user"}, by=ada))["id"]
    await walk.does("POST", "/users/{user_id}/invitation", {}, by=ada, user_id=user)
    await walk.does("DELETE", "/users/{user_id}/invitation", by=ada, user_id=user)
    await api.post(f"/users/{user}/invitation", by=ada)
    token = await make.invitation_token(house, walk.acme.account_id, user)
    await walk.does("POST", "/invitations/lookup", {"token": token})
    await sql(servers, "UPDATE invitations SET expires_at = now() WHERE user_id::text = $1", user)
    await walk.does("POST", "/invitations/renew", {"token": token})
    await api.post(f"/users/{user}/invitation", by=ada)
    token = await make.invitation_token(house, walk.acme.account_id, user)
    await walk.does("POST", "/invitations/accept", {"token": token, "password": NEW, "name": "Ina"})
    two = [{"email": f"{letter}@acme.example.com"} for letter in "kl"]
    await walk.does("POST", "/users/batch", {"users": two, "role": "user"}, by=ada)
    await walk.does("POST", "/users/{user_id}/password-reset", {}, by=ada, user_id=user)
    await walk.does("PATCH", "/users/{user_id}", {"name": "I"}, by=ada, user_id=user, word="name")
    await walk.does("PATCH", "/users/{user_id}", {"restrictions": ["stock"]}, by=ada, user_id=user, word="restrictions")
    own = person.user_id
    await walk.does("PATCH", "/users/{user_id}", {"status": "suspended"}, by=ada, user_id=own, word="suspended")
    await walk.does("PATCH", "/users/{user_id}", {"status": "active"}, by=ada, user_id=own, word="active")
    await walk.does("PATCH", "/users/{user_id}", {"status": "struck_off"}, by=ada, user_id=own, word="struck off")
    await walk.does("DELETE", "/users/{user_id}", by=ada, user_id=user)


async def test_passwords_and_addresses(walk: Walk) -> None:
    house, servers, person = walk.house, walk.servers, walk.acme.staff[0]
    await walk.does("POST", "/password-resets", {"email": person.email})
    row = (await sql(servers, "SELECT id, nonce FROM password_resets"))[0]
    token = house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"])
    await walk.api.delete("/session", by=person)
    await walk.does("POST", "/password-resets/confirm", {"token": token, "password": NEW})
    await walk.api.sign_in(person, password=NEW)
    await walk.does("PUT", "/password", {"current": NEW, "new": make.PASSWORD}, by=person)
    email = "claire@new.example.com"
    await walk.does("POST", "/email-changes", {"email": email, "password": make.PASSWORD}, by=person)
    await walk.does("POST", "/email-changes/confirm", {"token": await link(house, servers, email)})
    await walk.does("POST", "/email-changes/revoke", {"token": await revocation(house, servers, email)})


async def test_sessions(walk: Walk) -> None:
    api, house, ada, (first, second, third) = walk.api, walk.house, walk.acme.administrator, walk.acme.staff
    await walk.does("POST", "/login", {"email": second.email, "password": second.password})
    await api.sign_in(second)
    await walk.does("POST", "/session/heartbeat", {"page": "p1", "closing": False}, by=second)
    session = (await api.get("/session", by=second)).json()["session"]["id"]
    await walk.does("DELETE", "/sessions/{session_id}", by=ada, session_id=session)
    await walk.does("DELETE", "/users/{user_id}/sessions", by=ada, user_id=first.user_id)
    await api.sign_in(first)
    held = (await api.get("/session", by=first)).json()["session"]["id"]
    await api.delete("/session", by=ada)
    replacing = {"email": ada.email, "password": ada.password, "replace_session": held}
    await walk.does("POST", "/login", replacing, word="replacing a colleague")
    beta = await make.company(house, "Beta", parent=walk.operator, staff=0)
    await api.sign_in(beta.administrator)
    there = (await api.post("/users", {"email": third.email, "role": "user"}, by=beta.administrator)).json()["id"]
    await make.accept(house, beta.account_id, there)
    await api.sign_in(third, account=walk.acme.slug)
    await walk.does("POST", "/session/switch", {"account": beta.slug}, by=third)
    await api.sign_in(ada)
    await walk.does("DELETE", "/session", by=ada)


async def test_roles_departments_and_settings(walk: Walk) -> None:
    ada, boss = walk.acme.administrator, walk.operator.administrator
    role = (await walk.does("POST", "/roles", {"name": "Buyer", "rights": ["purchases.view"]}, by=ada))["id"]
    await walk.does("PATCH", "/roles/{role_id}", {"name": "Seller"}, by=ada, headers=ANY, role_id=role)
    hidden = {"restrictions": ["purchases"]}
    await walk.does("PATCH", "/roles/{role_id}", hidden, by=ada, headers=ANY, role_id=role, word="restrictions")
    await walk.does("DELETE", "/roles/{role_id}", by=ada, headers=ANY, role_id=role)
    department = (await walk.does("POST", "/departments", {"name": "Lyon"}, by=ada))["id"]
    await walk.does("PATCH", "/departments/{department_id}", {"code": "LYO"}, by=ada, department_id=department)
    await walk.does("DELETE", "/departments/{department_id}", by=ada, department_id=department)
    await walk.does("PATCH", "/account", {"idle_timeout": 45, "activity_documents": "kept"}, by=ada)
    await walk.does("PATCH", "/account", {"restrictions": ["reports"]}, by=ada, word="restrictions")
    await walk.does("PUT", "/account/brand", {"name": "Portillon"}, by=boss)
    logo: dict[str, Any] = {"content": picture(), "headers": {"Content-Type": "image/png"}}
    await walk.does("PUT", "/account/brand/logo", by=boss, **logo)
    await walk.does("DELETE", "/account/brand/logo", by=boss)
    await walk.does("DELETE", "/account/brand", by=boss)


async def test_keys_documents_and_what_is_taken_away(walk: Walk) -> None:
    ada = walk.acme.administrator
    made = await walk.does("POST", "/api-keys", {"name": "Invoicing", "scopes": ["sessions.introspect"]}, by=ada)
    key = await make_key(walk.api, ada, name="Both", scopes=["activity.write", "sessions.introspect"])
    await walk.does("POST", "/oauth/introspect", by=key["key"], data={"token": walk.api.tokens[ada.email]})
    await walk.api.patch("/account", {"activity_documents": "kept"}, by=ada)
    event = {"action": "document.created", "target": {"type": "invoice", "id": "1", "label": "Invoice 1"}, "key": "1"}
    await walk.does("POST", "/activity", {"events": [event]}, by=key["key"])
    await walk.does("DELETE", "/api-keys/{key_id}", by=ada, key_id=made["id"])
    await walk.does("GET", "/activity/export", by=ada, query="?format=csv")
    export = (await walk.does("POST", "/activity/exports", {"format": "json"}, by=ada))["id"]
    await walk.does("DELETE", "/activity/exports/{export_id}", by=ada, export_id=export)
    await walk.does("GET", "/me/data", by=ada)


async def test_a_full_pool(walk: Walk) -> None:
    api, ada, (holder, asker, _) = walk.api, walk.acme.administrator, walk.acme.staff
    await make.set_seats(walk.house, walk.acme, 2)
    ticket = (await api.sign_in(asker)).json()["ticket"]
    await walk.does("POST", "/seats/queue", {"ticket": ticket})
    await walk.does("DELETE", "/account/queue/{user_id}", by=ada, user_id=asker.user_id)
    await api.post("/seats/queue", {"ticket": ticket})
    await walk.does("DELETE", "/account/queue", by=ada)
    await api.post("/seats/queue", {"ticket": ticket})
    await walk.does("DELETE", "/seats/queue", query=f"?ticket={ticket}")
    session = (await api.get("/session", by=holder)).json()["session"]["id"]
    asked = (await walk.does("POST", "/seats/handovers", {"ticket": ticket, "session_id": session}))["id"]
    await walk.does("POST", "/seats/handovers/{handover_id}/answer", {"answer": "later"}, by=holder, handover_id=asked)
    await walk.does("DELETE", "/seats/handovers/{handover_id}", handover_id=asked, query=f"?ticket={ticket}")
    # Only whoever may manage the licence asks for more, with a session or from the page that says that all places are taken.
    await api.delete("/session", by=ada)
    await api.sign_in(asker)
    ticket = (await api.sign_in(ada)).json()["ticket"]
    await walk.does("POST", "/seat-requests/by-ticket", {"ticket": ticket, "seats": 1})


async def test_seat_requests(walk: Walk) -> None:
    ada, boss = walk.acme.administrator, walk.operator.administrator
    request = (await walk.does("POST", "/account/seat-requests", {"seats": 1}, by=ada))["id"]
    await walk.does("DELETE", "/account/seat-requests/{request_id}", by=ada, request_id=request)
    request = (await walk.api.post("/account/seat-requests", {"seats": 1}, by=ada)).json()["id"]
    await walk.does("POST", "/seat-requests/{request_id}/approve", {"seats": 1}, by=boss, request_id=request)
    request = (await walk.api.post("/account/seat-requests", {"seats": 1}, by=ada)).json()["id"]
    await walk.does("POST", "/seat-requests/{request_id}/refuse", {}, by=boss, request_id=request)


async def test_accounts_below_and_visits(walk: Walk) -> None:
    ada, boss, acme = walk.acme.administrator, walk.operator.administrator, walk.acme.account_id
    await walk.does("POST", "/account/visits", {"visitor": "operator", "once": True, "rights": ["users.view"]}, by=ada)
    await walk.does("POST", "/accounts/{account_id}/visits", {"reason": "A look", "minutes": 10}, by=boss, account_id=acme)
    [permission] = (await walk.api.get("/account/visits", by=ada)).json()["items"]
    await walk.does("DELETE", "/account/visits/{permission_id}", by=ada, permission_id=permission["id"])
    first = {"plan": "pro", "administrator": {"email": "n@new.example.com"}}
    await walk.does("POST", "/accounts", {"name": "New", **first}, by=boss)
    await walk.does("PATCH", "/accounts/{account_id}", {"name": "Acme 2"}, by=boss, account_id=acme)
    terms = {"plan": "enterprise", "seats": 30}
    await walk.does("PUT", "/accounts/{account_id}/licence", terms, by=boss, headers=ANY, account_id=acme)
    boost = {"seats": 2, "weekly": {"days": ["monday"], "from": "08:00", "to": "24:00"}}
    given = await walk.does("POST", "/accounts/{account_id}/boosts", boost, by=boss, account_id=acme)
    boost_route = "/accounts/{account_id}/boosts/{boost_id}"
    await walk.does("DELETE", boost_route, by=boss, account_id=acme, boost_id=given["id"])
    await walk.does("PATCH", "/accounts/{account_id}", {"status": "suspended"}, by=boss, account_id=acme, word="suspended")


async def test_every_route_that_changes_something_has_its_row_and_is_walked(api: Api) -> None:
    document = (await api.client.get("/api/v1/openapi.json")).json()
    routes = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in document["paths"].items()
        for method in methods
        if method != "get"
    }
    rows = {row.partition(" (")[0] for row in DEEDS}
    assert {row for row in rows if not row.startswith("GET ")} == routes, "a new route wants a row in tests/deeds.toml"
    code = Path(__file__).read_text(encoding="utf-8")
    words = {row.partition(" (")[2].removesuffix(")") for row in DEEDS} - {""}
    unwalked = [row for row in rows if json.dumps(row.partition(" ")[2]) not in code]
    assert unwalked + [word for word in words if f'word="{word}"' not in code] == [], "a row wants a call in this file"
    assert all(isinstance(told, list) or told["nothing"] for told in DEEDS.values())
