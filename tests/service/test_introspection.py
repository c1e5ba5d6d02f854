"""Token introspection (RFC 7662): what an application learns of a token with an API key, and what asking does to seats."""

from asyncio import gather
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tenants.house import House
from tests import keys, make
from tests.api import Api
from tests.keys import ask, make_key, relicense, told
from tests.make import Company
from tests.refusals import well_formed
from tests.service.test_openapi import must_be_described
from tests.visits import world_of

INACTIVE = b'{"active":false}'


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company with two places, whose administrator and one user are at work."""
    return await keys.at_work(api, house)


async def in_use(house: House, company: Company) -> int:
    """Seats that are held now."""
    [held] = await house.seats.in_use_of([company.account_id])
    return held


async def fall_silent(house: House, company: Company) -> None:
    """As if everybody had made no request for an hour."""
    key = f"h:{{{company.account_id.hex}}}"
    for member in await house.valkey.call(b"ZRANGE", key, 0, -1):
        await house.valkey.call(b"ZINCRBY", key, -3_600_000, member)


async def test_an_application_learns_whose_session_it_is_and_what_they_may_do(api: Api, acme: Company) -> None:
    ada, person = acme.people[:2]
    key = (await make_key(api, ada))["key"]
    department = (await api.post("/departments", {"name": "Paris"}, by=ada)).json()["id"]
    document = (await api.client.get("/api/v1/openapi.json")).json()
    for somebody, departments in ((ada, None), (person, [department])):
        if departments:
            assert (await api.patch(f"/users/{person.user_id}", {"departments": departments}, by=ada)).status_code == 200
        me = (await api.get("/session", by=somebody)).json()
        answer = await ask(api.client, key, api.tokens[somebody.email], token_type_hint="access_token", more="ignored")
        must_be_described(document, "POST", "/oauth/introspect", answer)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {
            "active": True,
            "sub": str(somebody.user_id),
            "username": somebody.email,
            "name": somebody.name,
            "account": str(acme.account_id),
            "account_slug": "acme",
            "role": somebody.role,
            "rights": me["rights"],
            "departments": departments,
            "session": me["session"]["id"],
            "iat": int(datetime.fromisoformat(me["session"]["started_at"]).timestamp()),
            "exp": int(datetime.fromisoformat(me["session"]["expires_at"]).timestamp()),
            "token_type": "Bearer",
        }
    assert "users.manage" in (await told(api, key, ada))["rights"]
    assert "users.manage" not in (await told(api, key, person))["rights"]


async def test_a_visitor_is_named_with_their_company_and_is_no_user(api: Api, house: House) -> None:
    world = await world_of(api, house)
    key, token = (await make_key(api, world.ada))["key"], await world.token()
    found = (await ask(api.client, key, token)).json()
    assert (found["active"], found["role"], found["visit"], found["name"]) == (True, "visitor", "North", world.nora.name)
    assert found["sub"] == (await api.get("/session", by=token)).json()["visit"]["id"]
    assert found["sub"] != str(world.nora.user_id)


async def test_a_change_of_role_is_told_at_the_next_question_and_a_suspension_ends_it(api: Api, acme: Company) -> None:
    ada, person = acme.people[:2]
    key = (await make_key(api, ada))["key"]
    assert (await told(api, key, person))["role"] == "user"
    assert (await api.patch(f"/users/{person.user_id}", {"role": "accountant"}, by=ada)).status_code == 200
    assert (await told(api, key, person))["role"] == "accountant"
    assert (await api.patch(f"/users/{person.user_id}", {"status": "suspended"}, by=ada)).status_code == 200
    assert (await ask(api.client, key, api.tokens[person.email])).content == INACTIVE


async def test_asking_is_a_request_of_the_session_and_takes_its_seat_again(api: Api, acme: Company, house: House) -> None:
    ada, person, late = acme.people
    key = (await make_key(api, ada))["key"]
    await fall_silent(house, acme)
    assert await in_use(house, acme) == 0
    assert (await told(api, key, person))["active"]
    assert await in_use(house, acme) == 1
    assert (await api.sign_in(late)).status_code == 201
    assert await in_use(house, acme) == 2
    answer = await ask(api.client, key, api.tokens[ada.email])
    assert (answer.status_code, answer.json()) == (200, {"active": False, "code": "seats_full", "seats": 2, "in_use": 2})


async def test_a_key_uses_no_seat_in_a_full_pool_nor_in_an_empty_one(api: Api, acme: Company, house: House) -> None:
    ada, person = acme.people[:2]
    key = (await make_key(api, ada))["key"]
    assert await in_use(house, acme) == 2
    answers = await gather(*(ask(api.client, key, api.tokens[somebody.email]) for somebody in (ada, person) for _ in range(20)))
    assert {answer.json()["active"] for answer in answers} == {True}
    assert await in_use(house, acme) == 2
    await fall_silent(house, acme)
    for token in ("made-up", key, api.tokens[ada.email][:-1]):
        assert (await ask(api.client, key, token)).content == INACTIVE
    assert await in_use(house, acme) == 0


async def test_a_management_session_is_not_active_until_a_seat_is_free(api: Api, house: House) -> None:
    acme = await make.company(house, seats=1, staff=1)
    ada, person = acme.people
    await api.sign_in(ada)
    key = (await make_key(api, ada))["key"]
    assert (await api.delete("/session", by=ada)).status_code == 204
    await api.sign_in(person)
    assert (await api.sign_in(ada, management=True)).status_code == 201
    assert (await ask(api.client, key, api.tokens[ada.email])).content == INACTIVE
    assert await in_use(house, acme) == 1
    assert (await api.delete("/session", by=person)).status_code == 204
    assert (await told(api, key, ada))["active"]
    assert await in_use(house, acme) == 1


async def test_tokens_that_are_no_live_session_of_the_keys_account_are_all_alike(api: Api, acme: Company, house: House) -> None:
    bistro = await make.company(house, "Bistro", staff=0)
    await api.sign_in(bistro.administrator)
    ada, person = acme.people[:2]
    key, theirs = (await make_key(api, ada))["key"], (await make_key(api, bistro.administrator))["key"]
    ended = api.tokens[person.email]
    assert (await api.delete("/session", by=person)).status_code == 204
    strange = house.tokens.new(acme.account_id, uuid4()).text
    await fall_silent(house, bistro)
    seen = []
    for token in (api.tokens[bistro.administrator.email], ended, strange, "x", "ptl_", key, theirs, "\u00e9", "x" * 9_000):
        answer = await ask(api.client, key, token)
        assert (answer.status_code, answer.content) == (200, INACTIVE), token
        seen.append({name: value for name, value in answer.headers.items() if name != "x-request-id"})
    assert all(headers == seen[0] for headers in seen)
    # Nobody else's question moves a session: its seat stays lost until its own account asks.
    assert await in_use(house, bistro) == 0
    assert (await ask(api.client, theirs, api.tokens[bistro.administrator.email])).json()["active"]
    assert await in_use(house, bistro) == 1


async def test_when_the_licence_is_over_a_key_goes_on_and_tells_whom_it_still_lets_in(
    api: Api, acme: Company, house: House
) -> None:
    ada, person = acme.people[:2]
    key = (await make_key(api, ada))["key"]
    today = datetime.now(UTC).date()
    await relicense(house, acme, starts_on=today - timedelta(days=60), ends_on=today - timedelta(days=30))
    held = await in_use(house, acme)
    assert (await ask(api.client, key, "x")).content == INACTIVE
    assert await in_use(house, acme) == held
    assert (await ask(api.client, key, api.tokens[person.email])).content == INACTIVE
    found = await told(api, key, ada)
    assert (found["active"], "invoices.view" in found["rights"], "invoices.delete" in found["rights"]) == (True, True, False)


async def test_forms_that_ask_nothing_are_refused(api: Api, acme: Company) -> None:
    key = (await make_key(api, acme.administrator))["key"]
    form = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-www-form-urlencoded"}
    for content, field, problem in (
        (b"", "token", "required"),
        (b"token=", "token", "required"),
        (b"Token=x", "token", "required"),
        (b"token=x&token=y", "token", "repeated"),
        (b"token=\xff", "body", "malformed"),
        (b"&".join([b"a=b"] * 21), "body", "malformed"),
    ):
        answer = await api.client.post("/oauth/introspect", content=content, headers=form)
        document = well_formed(answer, 422, "invalid", str(content))
        assert [(each["field"], each["code"]) for each in document["errors"]] == [(field, problem)], content
    answer = await api.client.post("/oauth/introspect", content=b"token=" + b"x" * 10_000, headers=form)
    well_formed(answer, 413, "too_large", "a long one")
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
        answer = await api.client.post("/oauth/introspect", content=b'{"token": "x"}', headers={**form, "Content-Type": kind})
        well_formed(answer, 415, "not_a_form", kind)
    assert (await api.client.get("/oauth/introspect", headers=form)).status_code == 405
