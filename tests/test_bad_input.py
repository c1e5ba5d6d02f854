"""Whatever is wrong with a value, the answer is a problem document in the reader's language, and nothing has changed."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person
from tests.refusals import GOOD, Desk, well_formed


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
    strange: tuple[Any, ...] = (None, [], "text", 7, True)
    for body in strange:
        document = await desk.refused(
            "POST",
            "/users",
            status=422,
            code="invalid",
            by=ada,
            content=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
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
        await desk.invalid(
            "POST",
            "/users",
            "name",
            "control_characters",
            by=ada,
            json={"email": "new@acme.example.com", "role": "user", "name": text},
        )
        await desk.invalid("PATCH", f"/users/{person.user_id}", "name", "control_characters", by=ada, json={"name": text})
        await desk.invalid(
            "PATCH",
            f"/users/{person.user_id}",
            "reason",
            "control_characters",
            by=ada,
            json={"status": "suspended", "reason": text},
        )
        await desk.invalid("PATCH", "/account", "name", "control_characters", by=ada, json={"name": text})
    await desk.invalid(
        "POST",
        "/users",
        "message",
        "control_characters",
        by=ada,
        json={"email": "new@acme.example.com", "role": "user", "message": "x\x00"},
    )


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
    assert (await desk.api.post("/login", {"email": ada.email, "password": ada.password, "account": "\x00"})).status_code in {
        401,
        422,
    }


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
    for password, problem in (
        ("short", "too_short"),
        ("x" * 11, "too_short"),
        ("password1234", "guessable"),
        ("aaaaaaaaaaaa", "guessable"),
    ):
        await desk.invalid("PUT", "/password", "password", problem, by=ada, json={"current": ada.password, "new": password})
    await desk.refused(
        "PUT", "/password", status=401, code="invalid_credentials", by=ada, json={"current": "not mine at all", "new": GOOD}
    )


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
        await desk.refused(
            "POST", path, status=413, code="too_large", by=ada, content=b'{"x":"' + b"x" * 1_200_000 + b'"}', headers=as_json
        )

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


async def test_cursors_and_limits(desk: Desk, acme: Company, house: House) -> None:
    ada, bistro = acme.administrator, await make.company(house, "Bistro", staff=1)
    await desk.api.sign_in(bistro.administrator)
    own = (await desk.api.get("/users?limit=1", by=ada)).json()["next_cursor"]
    theirs = (await desk.api.get("/users?limit=1", by=bistro.administrator)).json()["next_cursor"]
    assert (await desk.api.get(f"/users?limit=1&cursor={own}", by=ada)).status_code == 200
    tampered = own[:-3] + ("AAA" if own[-3:] != "AAA" else "BBB")
    for query in (
        f"cursor={theirs}",
        f"cursor={tampered}",
        "cursor=x",
        "cursor=",
        f"cursor={own}&sort=email",
        f"cursor={own}&sort=-name",
        f"cursor={own}&q=p",
        f"cursor={own}&status=active",
        f"cursor={own}&role=user",
        "cursor=%F0%9F%98%80",
    ):
        await desk.invalid("GET", f"/users?{query}", "cursor", "cursor", by=ada)
    for limit in ("0", "201", "-1", "many", "1e9", "9" * 30, ""):
        document = await desk.refused("GET", f"/users?limit={limit}", status=422, code="invalid", by=ada)
        assert document["errors"][0]["field"] == "limit", document
    for query, field in (
        ("sort=password_hash", "sort"),
        ("sort=--name", "sort"),
        ("status=deleted", "status"),
        (f"q={'x' * 101}", "q"),
    ):
        document = await desk.refused("GET", f"/users?{query}", status=422, code="invalid", by=ada)
        assert document["errors"][0]["field"] == field


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
        await desk.invalid(
            "PUT",
            f"/accounts/{acme.account_id}/licence",
            field,
            problem,
            by=operator,
            json={"plan": "pro", **more},
            headers={"If-Match": "*"},
        )


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


async def test_accounts_that_cannot_be_opened(desk: Desk, house: House, acme: Company) -> None:
    operator = (await make.operator(house)).administrator
    await desk.api.sign_in(operator)
    await desk.api.sign_in(acme.administrator)
    good: dict[str, Any] = {"name": "New", "plan": "basic", "administrator": {"email": "a@new.example.com"}}
    for more, field, problem in (
        ({"plan": "gold"}, "plan", "unknown"),
        ({"slug": "New"}, "slug", "malformed"),
        ({"slug": "-x"}, "slug", "malformed"),
        ({"slug": "x" * 64}, "slug", "too_long"),
        ({"slug": "admin"}, "slug", "reserved"),
        ({"slug": "xn--acme"}, "slug", "malformed"),
        ({"kind": "operator"}, "kind", "unknown"),
        ({"administrator": {"email": "nobody"}}, "email", "malformed"),
        ({"administrator": [{"email": "a@new.example.com"}, {"email": "b@new.example.com"}]}, "administrator", "wrong_type"),
        ({"administrator": None}, "administrator", "wrong_type"),
        ({"name": "   "}, "name", "too_short"),
    ):
        await desk.invalid("POST", "/accounts", field, problem, by=operator, json={**good, **more})
    await desk.refused("POST", "/accounts", status=409, code="already_exists", by=operator, json={**good, "slug": acme.slug})
    await desk.refused("POST", "/accounts", status=403, code="forbidden", by=acme.administrator, json={**good, "kind": "reseller"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30) | st.just("x" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


WORDS = st.sampled_from(
    [
        "a@acme.example.com",
        "user",
        "administrator",
        "acme",
        "\x00",
        "\ud800",
        "é",
        "0",
        "",
        "pro",
        "fr",
        str(uuid4()),
        "\u202e",
        "9" * 400,
    ]
)


FIELDS = {
    "/login": ("email", "password", "account", "ticket", "replace_session"),
    "/users": ("email", "role", "name", "departments", "language", "message", "valid_days", "password"),
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
    near = st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(FIELDS[path], WORDS | JSON)
        | {"administrator": st.fixed_dictionaries({"email": WORDS | JSON}, optional={"name": WORDS})},
    )
    body = draw(near | near | near | JSON)
    return path, json.dumps(body)


@pytest.fixture
async def operator_at_work(api: Api, house: House) -> Person:
    """Somebody who may call everything."""
    person = (await make.operator(house)).administrator
    await api.sign_in(person)
    return person


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=requests())
async def test_no_body_brings_the_service_down(request: tuple[str, str], api: Api, operator_at_work: Person) -> None:
    path, content = request
    answer = await api.call(
        "POST",
        path,
        by=operator_at_work,
        content=content.encode("utf-8", "surrogatepass"),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code < 500, f"{path} {content}: {answer.text}"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
