"""API keys: who makes them, what they open, and for how long."""

from asyncio import gather, sleep
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from service.embedded import Addresses
from tenants.effects import raise_epoch
from tenants.house import House, open_house
from tests import keys, make
from tests.api import Api, open_client
from tests.conftest import application
from tests.keys import NEW, ask, make_key, relicense, told
from tests.make import Company, Person
from tests.refusals import well_formed
from tests.tenants.rows import events, every_row, sql
from tests.visits import world_of


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company with two places, whose administrator and one user are at work."""
    return await keys.at_work(api, house)


async def test_a_key_is_shown_once_and_recognised_afterwards(api: Api, acme: Company, servers: Addresses) -> None:
    ada = acme.administrator
    soon = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    first = await make_key(api, ada)
    answer = await api.post(
        "/api-keys", {**NEW, "name": "Exports", "expires_at": soon}, by=ada, headers={"Idempotency-Key": "once"}
    )
    second = answer.json()
    assert (answer.status_code, first["key"][:4], len(first["key"])) == (201, "ptk_", 100)
    assert first["key"].startswith(first["prefix"])
    assert first["key"].endswith(first["ending"])
    assert (len(first["prefix"]), len(first["ending"])) == (10, 4)
    listed = (await api.get("/api-keys", by=ada)).json()
    assert [item["name"] for item in listed["items"]] == ["Exports", "Invoicing"]
    assert listed["items"] == [{name: value for name, value in key.items() if name != "key"} for key in (second, first)]
    assert {name: first[name] for name in ("scopes", "created_by", "last_used_at", "expires_at", "revoked", "revoked_at")} == {
        "scopes": ["sessions.introspect"],
        "created_by": ada.name,
        "last_used_at": None,
        "expires_at": None,
        "revoked": False,
        "revoked_at": None,
    }
    stored = str(await every_row(servers))
    assert first["id"] in stored
    assert first["key"] not in stored
    assert second["key"] not in stored


async def test_keys_are_made_and_revoked_in_the_history_without_their_secret(api: Api, acme: Company, servers: Addresses) -> None:
    ada, key = acme.administrator, await make_key(api, acme.administrator)
    before = await events(servers, acme.account_id)
    assert before[-1] == "api_key.created"
    assert (await told(api, key["key"], ada))["active"]
    for _ in range(2):
        assert (await api.delete(f"/api-keys/{key['id']}", by=ada)).status_code == 204
    assert await events(servers, acme.account_id) == [*before, "api_key.revoked"]
    lines = await sql(
        servers, "SELECT * FROM activity WHERE account_id = $1 AND event LIKE 'api_key.%' ORDER BY id", acme.account_id
    )
    assert [(line["target_type"], str(line["target_id"]), line["target_label"]) for line in lines] == [
        ("api_key", key["id"], "Invoicing")
    ] * 2
    assert key["key"][4:40] not in str(lines[0]["facts"])
    [card] = (await api.get("/api-keys", by=ada)).json()["items"]
    assert (card["revoked"], card["revoked_by"]) == (True, ada.name)


async def test_what_a_key_cannot_be(api: Api, acme: Company) -> None:
    for body, field, problem in (
        ({**NEW, "name": ""}, "name", "too_short"),
        ({**NEW, "name": "x" * 61}, "name", "too_long"),
        ({**NEW, "name": "a\u202eb"}, "name", "control_characters"),
        ({**NEW, "scopes": []}, "scopes", "too_short"),
        ({**NEW, "scopes": ["sessions.introspect"] * 2}, "scopes", "repeated"),
        ({**NEW, "scopes": ["everything"]}, "scopes[0]", "unknown"),
        ({**NEW, "scopes": ["users.manage"]}, "scopes[0]", "unknown"),
        ({**NEW, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "in_the_past"),
        ({**NEW, "expires_at": "2030-01-01T00:00:00"}, "expires_at", "malformed"),
        ({**NEW, "expires_at": "9999-12-31T23:59:59Z"}, "expires_at", "out_of_range"),
    ):
        answer = await api.post("/api-keys", body, by=acme.administrator)
        document = well_formed(answer, 422, "invalid", str(body))
        assert [(each["field"], each["code"]) for each in document["errors"]] == [(field, problem)], body
    assert (await api.get("/api-keys", by=acme.administrator)).json()["items"] == []


async def test_without_the_licences_option_no_key_is_made_and_none_works(api: Api, acme: Company, house: House) -> None:
    ada, key = acme.administrator, (await make_key(api, acme.administrator))["key"]
    assert (await told(api, key, ada))["active"]
    await relicense(house, acme, options=["custom_roles"])
    refused = well_formed(await api.post("/api-keys", NEW, by=ada), 403, "option_missing", "making")
    frozen = well_formed(await ask(api.client, key, api.tokens[ada.email]), 403, "option_missing", "asking")
    assert (refused["option"], frozen["option"]) == ("api", "api")
    await relicense(house, acme, options=["api"])
    assert (await told(api, key, ada))["active"]


async def test_nobody_makes_a_key_that_knows_more_than_they_do(api: Api, acme: Company, house: House) -> None:
    ada, person = acme.people[:2]
    department = (await api.post("/departments", {"name": "Paris"}, by=ada)).json()["id"]
    for rights, departments in (
        (["integrations.manage", "integrations.view"], None),
        (["integrations.manage", "integrations.view", "sessions.view"], [department]),
    ):
        role = (await api.post("/roles", {"name": f"Role {len(rights)}", "rights": rights}, by=ada)).json()["id"]
        change = {"role": role, "departments": departments}
        assert (await api.patch(f"/users/{person.user_id}", change, by=ada)).status_code == 200
        well_formed(await api.post("/api-keys", NEW, by=person), 403, "beyond_own_rights", str(rights))
    assert (await api.patch(f"/users/{person.user_id}", {"departments": None}, by=ada)).status_code == 200
    assert (await make_key(api, person))["created_by"] == person.name


async def test_visitors_make_no_keys(api: Api, house: House) -> None:
    world = await world_of(api, house)
    token = await world.token(role="administrator", rights=None)
    well_formed(await api.post("/api-keys", NEW, by=token), 403, "forbidden", "a visitor")
    assert (await api.get("/api-keys", by=token)).json()["items"] == []


async def test_fifty_keys_are_live_at_most_however_many_are_made_at_once(api: Api, acme: Company, servers: Addresses) -> None:
    ada = acme.administrator
    insert = """
    INSERT INTO api_keys (account_id, id, name, scopes, key_digest, prefix, ending, created_by, expires_at, revoked_at, revoked_by)
    SELECT $1, gen_random_uuid(), 'k', '{sessions.introspect}', 'x', 'x', 'x', 'Ada',
           $3::timestamptz, $4::timestamptz, CASE WHEN $4::timestamptz IS NOT NULL THEN 'Ada' END
      FROM generate_series(1, $2)
    """
    past = datetime.now(UTC) - timedelta(seconds=1)
    for number, expires, revoked in ((48, None, None), (3, past, None), (3, None, past)):
        await sql(servers, insert, acme.account_id, number, expires, revoked)
    answers = await gather(*(api.post("/api-keys", NEW, by=ada) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, *[409] * 6]
    refused = well_formed(next(a for a in answers if a.status_code == 409), 409, "not_in_state", "the 51st")
    assert (refused["state"], refused["max"]) == ("too_many_keys", 50)
    made = next(answer for answer in answers if answer.status_code == 201).json()
    assert (await api.delete(f"/api-keys/{made['id']}", by=ada)).status_code == 204
    assert (await api.post("/api-keys", NEW, by=ada)).status_code == 201
    assert (await api.post("/api-keys", NEW, by=ada)).status_code == 409


async def test_a_session_opens_no_route_for_keys_and_a_key_none_for_sessions(api: Api, acme: Company) -> None:
    ada = acme.administrator
    key = (await make_key(api, ada))["key"]
    for wrong in (None, "", "x", "ptk_", key[:-1], key + "A", key.swapcase(), "ptl_" + key[4:], api.tokens[ada.email]):
        answer = await ask(api.client, wrong, api.tokens[ada.email])
        well_formed(answer, 401, "invalid_key", str(wrong))
        assert answer.headers["www-authenticate"] == "Bearer"
    for method, path in (
        ("GET", "/session"),
        ("GET", "/users"),
        ("GET", "/api-keys"),
        ("POST", "/api-keys"),
        ("GET", "/gate/check"),
    ):
        answer = await api.call(method, path, by=key, json=NEW if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in"), path
    cookie = {"Cookie": f"__Host-portillon={key}"}
    assert (await api.client.get("/gate/check", headers=cookie)).status_code == 401


async def test_a_key_of_another_installation_is_none(api: Api, acme: Company, house: House, servers: Addresses) -> None:
    key = await make_key(api, acme.administrator)
    other = open_house(
        house.settings.model_copy(update={"secret_key": type(house.settings.secret_key)("another key, and long enough")})
    )
    try:
        async with open_client(application(other, beside=1)) as client:
            assert (await ask(client, key["key"], "x")).json()["code"] == "invalid_key"
    finally:
        await other.close()


async def test_the_key_may_be_the_password_of_basic_authentication(api: Api, acme: Company) -> None:
    ada = acme.administrator
    key = (await make_key(api, ada))["key"]
    form = {"token": api.tokens[ada.email]}
    right = await api.client.post("/oauth/introspect", data=form, auth=("invoicing", key))
    assert (right.status_code, right.json()["active"]) == (200, True)
    for wrong in (httpx.BasicAuth(key, ""), httpx.BasicAuth("invoicing", key[:-1])):
        assert (await api.client.post("/oauth/introspect", data=form, auth=wrong)).status_code == 401
    for header in ("Basic", "Basic ", "Basic !!!", "Basic /w==", "Digest x"):
        answer = await api.client.post("/oauth/introspect", data=form, headers={"Authorization": header})
        assert answer.status_code == 401, header


async def asked_after_it_was_revoked(api: Api, ada: Person, elsewhere: httpx.AsyncClient) -> list[httpx.Response]:
    """Answers to what was asked with a key, on another process, after its revocation was answered; asked all the while before too."""
    key, token = await make_key(api, ada), api.tokens[ada.email]
    revoked, late = False, []

    async def keep_asking() -> None:
        for _ in range(40):
            after = revoked
            answer = await ask(elsewhere, key["key"], token)
            if after:
                late.append(answer)
            elif answer.status_code == 200:
                assert answer.json()["active"]

    async def revoke() -> None:
        nonlocal revoked
        await sleep(0.02)
        assert (await api.delete(f"/api-keys/{key['id']}", by=ada)).status_code == 204
        revoked = True

    await gather(keep_asking(), keep_asking(), revoke())
    return [*late, await ask(elsewhere, key["key"], token)]


async def test_a_revoked_key_opens_nothing_at_the_next_request_on_any_process(api: Api, acme: Company, house: House) -> None:
    ada = acme.administrator
    another = open_house(house.settings)
    try:
        async with open_client(application(another, beside=1)) as elsewhere:
            for _ in range(10):
                late = await asked_after_it_was_revoked(api, ada, elsewhere)
                assert {(answer.status_code, answer.json()["code"]) for answer in late} == {(401, "invalid_key")}
                assert {answer.json()["why"] for answer in late} == {"revoked"}
    finally:
        await another.close()


async def test_what_is_remembered_of_a_key_goes_with_the_accounts_epoch(
    api: Api, acme: Company, house: House, servers: Addresses
) -> None:
    key = await make_key(api, acme.administrator)
    assert (await told(api, key["key"], acme.administrator))["active"]
    # As no request ever does it: without a word to Redis. PostgreSQL is not asked at each request.
    await sql(servers, "UPDATE api_keys SET revoked_at = now(), revoked_by = 'x' WHERE id = $1", UUID(key["id"]))
    assert (await told(api, key["key"], acme.administrator))["active"]
    async with house.database.transaction(acme.account_id) as session:
        raise_epoch(session, acme.account_id)
    assert (await ask(api.client, key["key"], "x")).status_code == 401


async def test_a_key_ends_at_its_last_moment(api: Api, acme: Company, servers: Addresses) -> None:
    ada = acme.administrator
    key = (await make_key(api, ada, expires_at=(datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()))["key"]
    assert (await told(api, key, ada))["active"]
    await sleep(1.6)
    document = well_formed(await ask(api.client, key, api.tokens[ada.email]), 401, "invalid_key", "expired")
    assert document["why"] == "expired"
    assert document["detail"].startswith("This API key has expired.")


async def test_a_key_without_the_scope_is_told_which(api: Api, acme: Company, servers: Addresses) -> None:
    key = await make_key(api, acme.administrator)
    await sql(servers, "UPDATE api_keys SET scopes = '{something.else}' WHERE id = $1", UUID(key["id"]))
    document = well_formed(await ask(api.client, key["key"], "x"), 403, "forbidden", "without the scope")
    assert document["scope"] == "sessions.introspect"
    assert "sessions.introspect" in document["detail"]


async def test_keys_stop_while_their_account_or_one_above_it_is_suspended(api: Api, house: House) -> None:
    operator = await make.operator(house)
    north = await make.company(house, "North", kind="reseller", parent=operator, staff=0)
    acme = await make.company(house, parent=north, staff=0)
    boss, nora, ada = operator.administrator, north.administrator, acme.administrator
    for person in (boss, nora, ada):
        assert (await api.sign_in(person)).status_code == 201
    key = (await make_key(api, ada))["key"]
    for company, seller in ((acme, nora), (north, boss)):
        assert (await ask(api.client, key, "x")).status_code == 200
        for status, code in (("suspended", 403), ("active", 200)):
            assert (await api.patch(f"/accounts/{company.account_id}", {"status": status}, by=seller)).status_code == 200
            answer = await ask(api.client, key, "x")
            assert answer.status_code == code, f"{company.slug} {status}: {answer.text}"
            if code == 403:
                assert (answer.json()["code"], answer.json()["why"]) == ("account_unavailable", "account_suspended")


async def test_a_key_goes_on_without_whoever_made_it(api: Api, acme: Company) -> None:
    ada, person, other = acme.people
    assert (await api.patch(f"/users/{other.user_id}", {"role": "administrator"}, by=ada)).status_code == 200
    assert (await api.delete("/session", by=person)).status_code == 204
    assert (await api.sign_in(other)).status_code == 201
    key = (await make_key(api, other))["key"]
    assert (await api.patch(f"/users/{other.user_id}", {"status": "struck_off"}, by=ada)).status_code == 200
    assert (await told(api, key, ada))["active"]


async def test_the_last_use_is_noted_to_the_minute_and_at_most_once_in_it(
    api: Api, acme: Company, house: House, servers: Addresses
) -> None:
    ada = acme.administrator
    key = await make_key(api, ada)

    async def noted(client: httpx.AsyncClient, by: House) -> datetime:
        assert (await ask(client, key["key"], "x")).status_code == 200
        await by.finish()
        [card] = (await api.get("/api-keys", by=ada)).json()["items"]
        return datetime.fromisoformat(card["last_used_at"])

    began = datetime.now(UTC).replace(second=0, microsecond=0)
    first = await noted(api.client, house)
    assert began <= first <= datetime.now(UTC)
    assert (first.second, first.microsecond) == (0, 0)
    hour = first - timedelta(hours=1)
    await sql(servers, "UPDATE api_keys SET last_used_at = $1", hour)
    assert await noted(api.client, house) == hour
    another = open_house(house.settings)
    try:
        async with open_client(application(another, beside=1)) as elsewhere:
            assert await noted(elsewhere, another) >= first
    finally:
        await another.close()


async def test_nobody_revokes_a_key_of_another_account(api: Api, acme: Company, house: House) -> None:
    bistro = await make.company(house, "Bistro", staff=0)
    await api.sign_in(bistro.administrator)
    key = await make_key(api, acme.administrator)
    answer = await api.delete(f"/api-keys/{key['id']}", by=bistro.administrator)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await told(api, key["key"], acme.administrator))["active"]
    assert (await api.get("/api-keys", by=bistro.administrator)).json()["items"] == []
