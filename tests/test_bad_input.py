"""Whatever is wrong with a request, the answer is a problem document in the reader's language, and nothing has changed."""

import json
import os
import shutil
import signal
import tempfile
from asyncio import gather
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.app import create_app
from service.embedded import Addresses, EmbeddedServers
from tenants.house import House, open_house
from tenants.schema import migrate
from tenants.tokens import Purpose, encoded, new_nonce
from tests import make
from tests.api import Api, open_client
from tests.conftest import settings_on
from tests.make import Company, Person
from tests.tenants.rows import every_row, sql

GOOD = "an unusual horse battery"
# What a refused sign-in rightly leaves behind.
HISTORY = frozenset({"activity"})


class Desk:
    """Sends requests that must be refused, in both languages, and looks at everything that is stored."""

    def __init__(self, api: Api, servers: Addresses, house: House) -> None:
        self.api = api
        self.house = house
        self.servers = servers

    async def refused(self, method: str, path: str, *, status: int, code: str, by: Any = None, but: frozenset[str] = frozenset(), **extra: Any) -> dict[str, Any]:
        """The request is refused like this; returns the English document. `but` are tables that may change."""
        before = await every_row(self.servers)
        headers = extra.pop("headers", {})
        told = {}
        for language in ("fr", "en"):
            answer = await self.api.call(method, path, by=by, headers={**headers, "Accept-Language": language}, **extra)
            told[language] = well_formed(answer, status, code, f"{method} {path} {extra}")
        await self.house.finish()
        after = await every_row(self.servers)
        changed = {table for table in before if before[table] != after[table]}
        assert changed <= but, f"{method} {path} {extra} changed {changed}"
        assert told["fr"]["title"] != told["en"]["title"]
        assert told["fr"]["detail"] != told["en"]["detail"]
        return told["en"]

    async def invalid(self, method: str, path: str, field: str, problem: str, **extra: Any) -> None:
        """The request is refused for one value of it."""
        document = await self.refused(method, path, status=422, code="invalid", **extra)
        assert [(e["field"], e["code"]) for e in document["errors"]] == [(field, problem)], f"{extra}: {document}"
        assert document["errors"][0]["message"]


def well_formed(answer: httpx.Response, status: int, code: str, what: str) -> dict[str, Any]:
    """RFC 9457, with our members."""
    assert answer.status_code == status, f"{what}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json", what
    document: dict[str, Any] = answer.json()
    assert document["code"] == code, f"{what}: {document}"
    assert document["status"] == status
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["title"]
    assert document["detail"]
    assert document["type"].startswith("http://localhost:8000/")
    assert "{" not in document["detail"]
    return document


@pytest.fixture
def desk(api: Api, servers: Addresses, house: House) -> Desk:
    """Where requests are refused."""
    return Desk(api, servers, house)


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose administrator is signed in."""
    company = await make.company(house, staff=1)
    await api.sign_in(company.administrator)
    return company


async def test_unknown_missing_and_mistyped_fields(desk: Desk, acme: Company) -> None:
    ada = acme.administrator
    good = {"email": "new@acme.example.com", "role": "user"}
    for body, field, problem in (
        ({**good, "admin": True}, "admin", "unknown_field"),
        ({"role": "user"}, "email", "required"),
        ({"email": "new@acme.example.com"}, "role", "required"),
        ({**good, "email": ["a@acme.example.com", "b@acme.example.com"]}, "email", "wrong_type"),
        ({**good, "email": {"to": "a@acme.example.com"}}, "email", "wrong_type"),
        ({**good, "email": None}, "email", "wrong_type"),
        ({**good, "email": 7}, "email", "wrong_type"),
        ({**good, "role": ["user"]}, "role", "wrong_type"),
        ({**good, "role": "emperor"}, "role", "unknown"),
        ({**good, "role": ""}, "role", "too_short"),
        ({**good, "language": "de"}, "language", "unknown"),
        ({**good, "departments": [str(uuid4())]}, "departments", "unknown"),
        ({**good, "departments": ["accounting"]}, "departments[0]", "malformed"),
        ({**good, "name": "x" * 121}, "name", "too_long"),
        ({**good, "message": "x" * 1001}, "message", "too_long"),
    ):
        await desk.invalid("POST", "/users", field, problem, by=ada, json=body)
    for body in (None, [], "text", 7, True):
        document = await desk.refused("POST", "/users", status=422, code="invalid", by=ada, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert [e["code"] for e in document["errors"]] == ["wrong_type"]


async def test_addresses_that_are_not_exactly_one_honest_address(desk: Desk, acme: Company) -> None:
    for email, problem in (
        ("nobody", "malformed"),
        ("a@b", "malformed"),
        ("a@acme.example.com,b@acme.example.com", "malformed"),
        ("a@acme.example.com b@acme.example.com", "malformed"),
        ("a@acme.example.com;b@acme.example.com", "malformed"),
        ("Ada <a@acme.example.com>", "malformed"),
        ("a@acme.example.com\r\nBcc: b@acme.example.com", "malformed"),
        ("a@acme.example.com\n", "malformed"),
        ("a\x00@acme.example.com", "malformed"),
        ("a@[127.0.0.1]", "malformed"),
        ('"a b"@acme.example.com', "malformed"),
        ("a@acme..example.com", "malformed"),
        ("p\u0430ypal@acme.example.com", "look_alike"),
        ("ad\u03b1@acme.example.com", "look_alike"),
        ("a\u0585a@acme.example.com", "look_alike"),
        ("a\u200b@acme.example.com", "malformed"),
        ("\u202ea@acme.example.com", "malformed"),
        ("ab", "too_short"),
        (f"{'a' * 250}@acme.example.com", "too_long"),
    ):
        await desk.invalid("POST", "/users", "email", problem, by=acme.administrator, json={"email": email, "role": "user"})
        await desk.invalid("POST", "/password-resets", "email", problem, json={"email": email})
        await desk.invalid("POST", "/login", "email", problem, json={"email": email, "password": "x"})


async def test_names_and_texts_stay_on_their_line(desk: Desk, acme: Company) -> None:
    ada, person = acme.administrator, acme.staff[0]
    for text in ("Eve\r\nBcc: all", "Eve\nLine", "Eve\x00", "Eve\x1b[31m", "Eve\u202egnp", "Eve\u200bdrop", "Eve\u2028x"):
        await desk.invalid("POST", "/users", "name", "control_characters", by=ada, json={"email": "new@acme.example.com", "role": "user", "name": text})
        await desk.invalid("PATCH", f"/users/{person.user_id}", "name", "control_characters", by=ada, json={"name": text})
        await desk.invalid("PATCH", f"/users/{person.user_id}", "reason", "control_characters", by=ada, json={"status": "suspended", "reason": text})
        await desk.invalid("PATCH", "/account", "name", "control_characters", by=ada, json={"name": text})
    await desk.invalid("POST", "/users", "message", "control_characters", by=ada, json={"email": "new@acme.example.com", "role": "user", "message": "x\x00"})


async def test_nul_and_other_odd_characters_in_queries(desk: Desk, acme: Company, house: House) -> None:
    ada, operator = acme.administrator, await make.operator(house)
    await desk.api.sign_in(operator.administrator)
    nul = "/users?q=%00", "/users?role=%00", "/users?cursor=%00", "/users?sort=%00"
    for path in nul:
        answer = await desk.api.get(path, by=ada)
        assert answer.status_code in {200, 422}, f"{path}: {answer.text}"
    assert (await desk.api.get("/accounts?q=%00", by=operator.administrator)).status_code in {200, 422}
    for path in (f"/sessions/{uuid4()}?reason=%00", f"/users/{acme.staff[0].user_id}/sessions?reason=%00"):
        assert (await desk.api.delete(path, by=ada)).status_code in {404, 422, 200}
    await desk.api.sign_in(acme.staff[0])
    answer = await desk.api.delete(f"/users/{acme.staff[0].user_id}/sessions?reason=%00%0A", by=ada)
    assert answer.status_code == 422, answer.text
    assert (await desk.api.post("/session/switch", {"account": "\x00"}, by=ada)).status_code in {404, 422}
    assert (await desk.api.post("/login", {"email": ada.email, "password": ada.password, "account": "\x00"})).status_code in {401, 422}


async def test_passwords(desk: Desk, acme: Company, house: House) -> None:
    ada = acme.administrator
    for password, problem in (
        ("x" * 1_000_000, "too_long"),
        ("x" * 129, "too_long"),
        (["x"], "wrong_type"),
        ("", "too_short"),
    ):
        await desk.invalid("POST", "/login", "password", problem, json={"email": ada.email, "password": password})
        await desk.invalid("PUT", "/password", "current", problem, by=ada, json={"current": password, "new": GOOD})
        await desk.invalid("PUT", "/password", "new", problem, by=ada, json={"current": ada.password, "new": password})
    for password, problem in (("short", "too_short"), ("x" * 11, "too_short"), ("password1234", "guessable"), ("aaaaaaaaaaaa", "guessable")):
        await desk.invalid("PUT", "/password", "password", problem, by=ada, json={"current": ada.password, "new": password})
    await desk.refused("PUT", "/password", status=401, code="invalid_credentials", by=ada, json={"current": "not mine at all", "new": GOOD})


async def test_a_huge_password_is_refused_before_anything_is_computed(api: Api, house: House) -> None:
    house.hasher.close()  # whatever asks for a hash from now on fails
    answer = await api.post("/login", {"email": "a@acme.example.com", "password": "x" * 1_000_000})
    assert well_formed(answer, 422, "invalid", "login")["errors"][0]["code"] == "too_long"


async def test_bodies_that_are_not_what_they_say(desk: Desk, acme: Company) -> None:
    ada, as_json = acme.administrator, {"Content-Type": "application/json"}
    for path in ("/users", "/login", "/password-resets", "/invitations/accept"):
        for content in (b"{", b'{"', b'{"\\u00', b"\xff\xfe", b"{'email': 1}", b"nothing"):
            await desk.invalid("POST", path, "body", "malformed_json", by=ada, content=content, headers=as_json)
        for content in (b'{"email": NaN}', b"[" * 100_000, b'{"email":' * 100_000, b""):
            document = await desk.refused("POST", path, status=422, code="invalid", by=ada, content=content, headers=as_json)
            assert len(document["errors"]) == 1, document
        await desk.refused("POST", path, status=413, code="too_large", by=ada, content=b'{"x":"' + b"x" * 1_200_000 + b'"}', headers=as_json)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    answer = await desk.api.call("POST", "/login", content=chunks(), headers=as_json)
    well_formed(answer, 413, "too_large", "chunks")


async def test_a_body_of_another_kind(desk: Desk, acme: Company) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"):
        content = b'{"email": "new@acme.example.com", "role": "user"}'
        answer = await desk.api.call("POST", "/users", by=acme.administrator, content=content, headers={"Content-Type": kind})
        assert answer.status_code in {201, 415, 422}, f"{kind}: {answer.text}"
        if answer.status_code == 201:
            pytest.fail(f"{kind} was taken for JSON")


async def test_links_that_are_not_good(desk: Desk, acme: Company, house: House) -> None:
    ada = acme.administrator
    links = await _links(desk, acme, house)
    for token, code in links.items():
        await desk.refused("POST", "/invitations/lookup", status=410, code=code, json={"token": token})
        await desk.refused("POST", "/invitations/accept", status=410, code=code, json={"token": token, "password": GOOD})
    resets = await _resets(desk, acme, house)
    for token, code in resets.items():
        await desk.refused("POST", "/password-resets/confirm", status=410, code=code, json={"token": token, "password": GOOD})
    for path, more in (("/invitations/lookup", {}), ("/invitations/accept", {"password": GOOD}), ("/password-resets/confirm", {"password": GOOD})):
        await desk.invalid("POST", path, "token", "too_long", json={"token": "x" * 201, **more})
        await desk.invalid("POST", path, "token", "too_short", json={"token": "", **more})
        await desk.invalid("POST", path, "token", "wrong_type", json={"token": ["x"], **more})
    assert (await desk.api.get("/session", by=ada)).status_code == 200


async def _links(desk: Desk, acme: Company, house: House) -> dict[str, str]:
    ada, signer, found = acme.administrator, house.signer, {}

    async def invited(name: str) -> tuple[str, Any]:
        user = (await desk.api.post("/users", {"email": f"{name}@acme.example.com", "role": "user"}, by=ada)).json()["id"]
        return user, await make.invitation_token(house, acme.account_id, user)

    user, found_token = await invited("resent")
    await desk.api.post(f"/users/{user}/invitation", by=ada)
    found[found_token] = "link_used"
    user, found_token = await invited("withdrawn")
    await desk.api.delete(f"/users/{user}/invitation", by=ada)
    found[found_token] = "link_used"
    user, found_token = await invited("accepted")
    assert (await desk.api.post("/invitations/accept", {"token": found_token, "password": GOOD})).status_code == 204
    found[found_token] = "link_used"
    user, found_token = await invited("deleted")
    await desk.api.delete(f"/users/{user}", by=ada)
    found[found_token] = "link_used"
    user, found_token = await invited("struck")
    await desk.api.patch(f"/users/{user}", {"status": "struck_off"}, by=ada)
    found[found_token] = "link_used"
    user, found_token = await invited("expired")
    await sql(desk.servers, "UPDATE invitations SET expires_at = now() - interval '1 second' WHERE user_id = $1", user)
    found[found_token] = "link_expired"
    _, good = await invited("good")
    row = (await sql(desk.servers, "SELECT account_id, id, nonce FROM invitations ORDER BY created_at DESC LIMIT 1"))[0]
    other = signer.link(Purpose.INVITATION, account_id=uuid4(), row_id=row["id"], nonce=row["nonce"])
    found |= {
        other: "link_invalid",
        signer.link(Purpose.PASSWORD_RESET, account_id=row["account_id"], row_id=row["id"], nonce=row["nonce"]): "link_invalid",
        good[:-9] + good[-9:-1].swapcase() + good[-1]: "link_used",
        good[:40] + good[40:].swapcase(): "link_invalid",
        good + "=": "link_invalid", good + "A": "link_invalid", good[:-4]: "link_invalid", "x": "link_invalid", "é" * 20: "link_invalid",
        encoded(bytes(64)): "link_invalid", f" {good}": "link_invalid",
    }  # fmt: skip
    return found


async def _resets(desk: Desk, acme: Company, house: House) -> dict[str, str]:
    person, found = acme.staff[0], {}

    async def asked() -> str:
        assert (await desk.api.post("/password-resets", {"email": person.email})).status_code == 202
        await house.finish()
        row = (await sql(desk.servers, "SELECT id, nonce FROM password_resets ORDER BY id DESC LIMIT 1"))[0]
        return house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"])

    used = await asked()
    assert (await desk.api.post("/password-resets/confirm", {"token": used, "password": GOOD})).status_code == 204
    found[used] = "link_used"
    found[await asked()] = "link_used"
    expired = await asked()
    await sql(desk.servers, "UPDATE password_resets SET expires_at = now() - interval '1 second' WHERE used_at IS NULL")
    found[expired] = "link_expired"
    nobody = house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=uuid4(), nonce=new_nonce())
    found |= {nobody: "link_invalid", expired[:-6]: "link_invalid", "AAAA": "link_invalid", "\x00": "link_invalid", encoded(bytes(64)): "link_invalid"}
    return found


async def test_cursors_and_limits(desk: Desk, acme: Company, house: House) -> None:
    ada, bistro = acme.administrator, await make.company(house, "Bistro", staff=1)
    await desk.api.sign_in(bistro.administrator)
    own = (await desk.api.get("/users?limit=1", by=ada)).json()["next_cursor"]
    theirs = (await desk.api.get("/users?limit=1", by=bistro.administrator)).json()["next_cursor"]
    assert (await desk.api.get(f"/users?limit=1&cursor={own}", by=ada)).status_code == 200
    tampered = own[:-3] + ("AAA" if own[-3:] != "AAA" else "BBB")
    for query in (f"cursor={theirs}", f"cursor={tampered}", "cursor=x", "cursor=", f"cursor={own}&sort=email", f"cursor={own}&sort=-name", f"cursor={own}&q=p", f"cursor={own}&status=active", f"cursor={own}&role=user", "cursor=%F0%9F%98%80"):
        await desk.invalid("GET", f"/users?{query}", "cursor", "cursor", by=ada)
    for limit in ("0", "201", "-1", "many", "1e9", "9" * 30, ""):
        document = await desk.refused("GET", f"/users?limit={limit}", status=422, code="invalid", by=ada)
        assert document["errors"][0]["field"] == "limit", document
    for query, field in (("sort=password_hash", "sort"), ("sort=--name", "sort"), ("status=deleted", "status"), (f"q={'x' * 101}", "q")):
        document = await desk.refused("GET", f"/users?{query}", status=422, code="invalid", by=ada)
        assert document["errors"][0]["field"] == field


async def test_paths_and_methods_that_do_not_exist(desk: Desk, acme: Company) -> None:
    for path in ("/nothing", "/users/7", f"/users/{uuid4()}/nothing", "/users/../accounts/x", f"/accounts/{uuid4()}/boosts"):
        await desk.refused("GET", path, status=404, code="not_found", by=acme.administrator)
    for method, path in (("PUT", "/users"), ("DELETE", "/account"), ("GET", "/login"), ("HEAD", "/users"), ("TRACE", "/session"), ("PATCH", "/session")):
        answer = await desk.api.call(method, path, by=acme.administrator)
        assert answer.status_code == 405, f"{method} {path}: {answer.status_code}"
    await desk.refused("PUT", "/users", status=405, code="method_not_allowed", by=acme.administrator)


async def test_quotas_at_both_edges(desk: Desk, house: House) -> None:
    alone = await make.company(house, "Alone", plan="basic", staff=0)
    await desk.api.sign_in(alone.administrator)
    full = await desk.refused("POST", "/users", status=409, code="quota_reached", by=alone.administrator, json={"email": "a@alone.example.com", "role": "user"})
    assert (full["what"], full["limit"], full["used"]) == ("users", 1, 1)
    pro = await make.company(house, "Pro", plan="pro", staff=4)
    await desk.api.sign_in(pro.administrator)
    sixth = await desk.api.post("/users", {"email": "sixth@pro.example.com", "role": "user"}, by=pro.administrator)
    assert sixth.status_code == 201
    seventh = {"email": "seventh@pro.example.com", "role": "user"}
    full = await desk.refused("POST", "/users", status=409, code="quota_reached", by=pro.administrator, json=seventh)
    assert (full["limit"], full["used"]) == (6, 6)
    await desk.api.patch(f"/users/{pro.staff[0].user_id}", {"status": "struck_off"}, by=pro.administrator)
    assert (await desk.api.post("/users", seventh, by=pro.administrator)).status_code == 201
    back = {"status": "active"}
    await desk.refused("PATCH", f"/users/{pro.staff[0].user_id}", status=409, code="quota_reached", by=pro.administrator, json=back)


async def test_a_licence_that_has_not_begun_or_is_over(desk: Desk, house: House, acme: Company) -> None:
    person = acme.staff[0]
    assert (await desk.api.sign_in(person)).status_code == 201
    for dates in ("ends_on = current_date - 2, starts_on = current_date - 9", "ends_on = NULL, starts_on = current_date + 2"):
        await _licence(house, acme, dates, desk.servers)
        credentials = {"email": person.email, "password": person.password}
        await desk.refused("POST", "/login", status=403, code="account_unavailable", json=credentials, but=HISTORY)
        assert (await desk.api.get("/session", by=person)).status_code == 401
        assert (await desk.api.post("/login", {**credentials, "password": "wrong"})).json()["code"] == "invalid_credentials"
        assert (await desk.api.sign_in(acme.administrator)).status_code == 201
    await _licence(house, acme, "starts_on = current_date", desk.servers)
    assert (await desk.api.sign_in(person)).status_code == 201


async def _licence(house: House, company: Company, dates: str, servers: Addresses) -> None:
    await sql(servers, f"UPDATE licences SET {dates} WHERE account_id = $1", company.account_id)  # noqa: S608 - written above
    await make.set_seats(house, company, 20)


async def test_an_account_suspended_or_closed(desk: Desk, house: House, acme: Company) -> None:
    operator, person = await make.operator(house), acme.staff[0]
    await desk.api.sign_in(operator.administrator)
    credentials = {"email": person.email, "password": person.password}
    invited = (await desk.api.post("/users", {"email": "new@acme.example.com", "role": "user"}, by=acme.administrator)).json()["id"]
    token = await make.invitation_token(house, acme.account_id, invited)
    for status, refusal in (("suspended", (403, "account_unavailable")), ("closed", (401, "invalid_credentials"))):
        changed = await desk.api.patch(f"/accounts/{acme.account_id}", {"status": status}, by=operator.administrator)
        assert changed.status_code == 200, changed.text
        assert (await desk.api.get("/session", by=acme.administrator)).status_code == 401
        await desk.refused("POST", "/login", status=refusal[0], code=refusal[1], json=credentials, but=HISTORY)
        await desk.refused("POST", "/invitations/lookup", status=410, code="link_used", json={"token": token})
    await desk.refused("PATCH", f"/accounts/{acme.account_id}", status=409, code="not_in_state", by=operator.administrator, json={"status": "suspended"})
    await desk.api.patch(f"/accounts/{acme.account_id}", {"status": "active"}, by=operator.administrator)
    assert (await desk.api.sign_in(person)).status_code == 201
    assert (await desk.api.post("/invitations/lookup", {"token": token})).status_code == 200


async def test_versions_of_a_licence(desk: Desk, house: House, acme: Company) -> None:
    operator = (await make.operator(house)).administrator
    await desk.api.sign_in(operator)
    path, body = f"/accounts/{acme.account_id}/licence", {"plan": "pro"}
    await desk.refused("PUT", path, status=428, code="version_required", by=operator, json=body)
    for tag in ('"v999"', '"x"', "v", '"v-1"', '"v1.0"', "\u00b2", '"v\u00b2"', '""', f'"v{"9" * 90}"'):
        headers = {"If-Match": tag.encode("latin-1")}
        await desk.refused("PUT", path, status=412, code="version_conflict", by=operator, json=body, headers=headers)
    current = (await desk.api.get(path, by=operator)).headers["etag"]
    first = await desk.api.put(path, body, by=operator, headers={"If-Match": current})
    assert first.status_code == 200, first.text
    assert first.json()["history"][0]["after"]["plan"] == "pro"
    await desk.refused("PUT", path, status=412, code="version_conflict", by=operator, json=body, headers={"If-Match": current})
    again = await desk.api.put(path, body, by=operator, headers={"If-Match": "*"})
    assert again.status_code == 200
    assert first.headers["etag"] != again.headers["etag"]


async def test_licences_that_cannot_be(desk: Desk, house: House, acme: Company) -> None:
    operator = (await make.operator(house)).administrator
    await desk.api.sign_in(operator)
    for more, field, problem in (
        ({"plan": "gold"}, "plan", "unknown"),
        ({"seats": 0}, "seats", "out_of_range"),
        ({"seats": -1}, "seats", "out_of_range"),
        ({"seats": 1_000_001}, "seats", "out_of_range"),
        ({"seats": 1.5}, "seats", "wrong_type"),
        ({"seats": "6"}, "seats", "wrong_type"),
        ({"seats": None}, "seats", "wrong_type"),
        ({"users": "null"}, "users", "wrong_type"),
        ({"users": 0}, "users", "out_of_range"),
        ({"options": ["everything"]}, "options", "unknown"),
        ({"ends_on": "yesterday"}, "ends_on", "malformed"),
        ({"ends_on": "2026-02-30"}, "ends_on", "malformed"),
        ({"starts_on": "2030-01-02", "ends_on": "2030-01-01"}, "ends_on", "before_start"),
        ({"ends_on": "1999-01-01"}, "ends_on", "out_of_range"),
        ({"ends_on": "9999-12-31"}, "ends_on", "out_of_range"),
        ({"starts_on": "0001-01-01"}, "starts_on", "out_of_range"),
        ({"reason": "a\nb"}, "reason", "control_characters"),
    ):
        await desk.invalid("PUT", f"/accounts/{acme.account_id}/licence", field, problem, by=operator, json={"plan": "pro", **more}, headers={"If-Match": "*"})


async def test_suspensions_that_cannot_be(desk: Desk, acme: Company) -> None:
    path, ada = f"/users/{acme.staff[0].user_id}", acme.administrator
    for body, field, problem in (
        ({"status": "suspended", "suspended_until": "2020-01-01T00:00:00Z"}, "suspended_until", "in_the_past"),
        ({"status": "suspended", "suspended_until": "2090-01-01T00:00:00"}, "suspended_until", "malformed"),
        ({"status": "suspended", "suspended_until": "soon"}, "suspended_until", "malformed"),
        ({"suspended_until": "2090-01-01T00:00:00Z"}, "suspended_until", "needs_status"),
        ({"reason": "leave"}, "reason", "needs_status"),
        ({"status": "active", "reason": "back"}, "reason", "needs_status"),
        ({"status": "deleted"}, "status", "unknown"),
        ({"status": "invited"}, "status", "unknown"),
    ):
        await desk.invalid("PATCH", path, field, problem, by=ada, json=body)
    for until in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z"):
        answer = await desk.api.patch(path, {"status": "suspended", "suspended_until": until}, by=ada)
        assert answer.status_code in {200, 422}, f"{until}: {answer.text}"


async def test_somebody_elses_and_nobodys_objects_are_not_found(desk: Desk, house: House, acme: Company) -> None:
    bistro = await make.company(house, "Bistro", staff=1)
    for user_id in (bistro.staff[0].user_id, uuid4()):
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/invitation"), ("DELETE", "/invitation"), ("POST", "/password-reset"), ("DELETE", "/sessions")):
            body = {"name": "x"} if method == "PATCH" else None
            await desk.refused(method, f"/users/{user_id}{path}", status=404, code="not_found", by=acme.administrator, json=body)


async def test_an_address_that_is_here_already(desk: Desk, acme: Company) -> None:
    for email in (acme.staff[0].email, acme.staff[0].email.upper()):
        document = await desk.refused("POST", "/users", status=409, code="already_exists", by=acme.administrator, json={"email": email, "role": "user"})
        assert document["what"] == "user"


async def test_accounts_that_cannot_be_opened(desk: Desk, house: House, acme: Company) -> None:
    operator = (await make.operator(house)).administrator
    reseller = await make.company(house, "Resale", kind="reseller", staff=0)
    await desk.api.sign_in(operator)
    await desk.api.sign_in(reseller.administrator)
    good: dict[str, Any] = {"name": "New", "plan": "basic", "administrator": {"email": "a@new.example.com"}}
    for more, field, problem in (
        ({"plan": "gold"}, "plan", "unknown"),
        ({"slug": "New"}, "slug", "malformed"),
        ({"slug": "-x"}, "slug", "malformed"),
        ({"slug": "x" * 64}, "slug", "too_long"),
        ({"kind": "operator"}, "kind", "unknown"),
        ({"administrator": {"email": "nobody"}}, "email", "malformed"),
        ({"administrator": [{"email": "a@new.example.com"}, {"email": "b@new.example.com"}]}, "administrator", "wrong_type"),
        ({"administrator": None}, "administrator", "wrong_type"),
        ({"name": "   "}, "name", "too_short"),
    ):
        await desk.invalid("POST", "/accounts", field, problem, by=operator, json={**good, **more})
    await desk.refused("POST", "/accounts", status=409, code="already_exists", by=operator, json={**good, "slug": acme.slug})
    await desk.refused("POST", "/accounts", status=403, code="forbidden", by=reseller.administrator, json={**good, "kind": "reseller"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30) | st.just("x" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WORDS = st.sampled_from(["a@acme.example.com", "user", "administrator", "acme", "\x00", "\ud800", "é", "0", "", "pro", "fr", str(uuid4()), "\u202e", "9" * 400])
FIELDS = {
    "/login": ("email", "password", "account", "ticket", "replace_session"),
    "/users": ("email", "role", "name", "departments", "language", "message"),
    "/accounts": ("name", "plan", "administrator", "slug", "kind", "language"),
    "/password-resets": ("email",),
    "/password-resets/confirm": ("token", "password"),
    "/invitations/lookup": ("token",),
    "/invitations/accept": ("token", "password", "name"),
    "/invitations/renew": ("token",),
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str]:
    """An address and a body of JSON, near enough to a good one to get far."""
    path = draw(st.sampled_from(sorted(FIELDS)))
    near = st.fixed_dictionaries({}, optional={name: WORDS | JSON for name in FIELDS[path]} | {"administrator": st.fixed_dictionaries({"email": WORDS | JSON}, optional={"name": WORDS})})
    body = draw(near | near | near | JSON)
    return path, json.dumps(body)


@pytest.fixture
async def operator_at_work(api: Api, house: House) -> Person:
    """Somebody who may call everything."""
    person = (await make.operator(house)).administrator
    await api.sign_in(person)
    return person


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(request=requests())
async def test_no_body_brings_the_service_down(request: tuple[str, str], api: Api, operator_at_work: Person) -> None:
    path, content = request
    answer = await api.call("POST", path, by=operator_at_work, content=content.encode("utf-8", "surrogatepass"), headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, f"{path} {content}: {answer.text}"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_stores_that_are_away_are_told_and_nothing_is_half_done(mail_room: Any) -> None:
    folder = Path(tempfile.mkdtemp(prefix="portillon-away-"))
    embedded, another = EmbeddedServers(folder / "first", durable=False), EmbeddedServers(folder / "second", durable=False)
    try:
        servers = embedded.start()
        await migrate(servers.migration_database_url.replace("postgresql://", "postgresql+asyncpg://"))
        await _without_valkey(embedded, servers, mail_room.port)
        with_another = Addresses(servers.database_url, servers.migration_database_url, servers.superuser_url, another.start_redis())
        await _without_postgresql(embedded, with_another, mail_room.port)
    finally:
        another.stop()
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _without_valkey(embedded: EmbeddedServers, servers: Addresses, smtp_port: int) -> None:
    house = open_house(settings_on(servers, smtp_port=smtp_port))
    async with open_client(create_app(house.settings, house=house)) as client:
        api = Api(client)
        acme = await make.company(house, staff=1)
        await api.sign_in(acme.administrator)
        invited = (await api.post("/users", {"email": "new@acme.example.com", "role": "user"}, by=acme.administrator)).json()["id"]
        token = await make.invitation_token(house, acme.account_id, invited)
        await api.sign_in(acme.staff[0])
        await api.post("/password-resets", {"email": acme.staff[0].email})
        await house.finish()
        row = (await sql(servers, "SELECT id, nonce FROM password_resets"))[0]
        reset = house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"])
        before = await every_row(servers)
        os.kill(embedded.pids[1], signal.SIGKILL)
        calls = [
            ("POST", "/login", {"email": acme.staff[0].email, "password": acme.staff[0].password}, None),
            ("POST", "/users", {"email": "b@acme.example.com", "role": "user"}, acme.administrator),
            ("PATCH", f"/users/{acme.staff[0].user_id}", {"status": "suspended"}, acme.administrator),
            ("DELETE", "/session", None, acme.administrator),
            ("GET", "/session", None, acme.administrator),
            ("POST", "/password-resets", {"email": acme.staff[0].email}, None),
            ("POST", "/password-resets/confirm", {"token": reset, "password": GOOD}, None),
            ("POST", "/invitations/accept", {"token": token, "password": GOOD}, None),
        ]
        await _all_unavailable(api, calls)
        after = await every_row(servers)
        changed = {table for table in before if before[table] != after[table]}
        # Looking at a link marks it as opened; nothing else has happened.
        assert changed <= {"invitations"}
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
    await house.close()


async def _without_postgresql(embedded: EmbeddedServers, servers: Addresses, smtp_port: int) -> None:
    house = open_house(settings_on(servers, smtp_port=smtp_port))
    async with open_client(create_app(house.settings, house=house)) as client:
        api = Api(client)
        bistro = await make.company(house, "Bistro", staff=1)
        ada, person = bistro.people
        assert (await api.sign_in(ada)).status_code == 201
        os.kill(embedded.pids[0], signal.SIGKILL)
        await _all_unavailable(api, [
            ("POST", "/login", {"email": person.email, "password": person.password}, None),
            ("GET", "/users", None, ada),
            ("POST", "/users", {"email": "b@bistro.example.com", "role": "user"}, ada),
            ("PATCH", f"/users/{person.user_id}", {"role": "accountant"}, ada),
            ("POST", "/password-resets", {"email": person.email}, None),
            ("POST", "/invitations/lookup", {"token": house.signer.link(Purpose.INVITATION, account_id=uuid4(), row_id=uuid4(), nonce=b"x")}, None),
            ("PUT", "/password", {"current": ada.password, "new": GOOD}, ada),
        ])  # fmt: skip
        # People at work go on: who they are is answered without PostgreSQL.
        assert (await api.get("/session", by=ada)).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
    await house.close()


async def _all_unavailable(api: Api, calls: list[tuple[str, str, Any, Person | None]]) -> None:
    answers = await gather(*(api.call(method, path, by=by, json=body, headers={"Accept-Language": "fr"}) for method, path, body, by in calls))
    for call, answer in zip(calls, answers, strict=True):
        document = well_formed(answer, 503, "unavailable", str(call))
        assert int(answer.headers["retry-after"]) == document["retry_after"] > 0
        assert document["title"] == "Momentanément indisponible"
