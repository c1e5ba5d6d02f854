"""The gate's question: who may pass, what is said of them, and how everybody else is turned away."""

from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from service.embedded import Addresses, free_port
from tenants.assignments import change_user
from tenants.departments import change_department, create_department
from tenants.house import House, open_house
from tenants.settings import Settings
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.make import Company, Person
from tests.refusals import well_formed
from tests.tenants.rows import sql

ASKED = "/gate/check"
IDENTITY = ("user", "email", "name", "account", "account-slug", "role", "departments", "session", "seat")


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose administrator and one user are signed in."""
    company = await make.company(house, staff=1)
    for person in company.people:
        await api.sign_in(person)
    return company


def identity(answer: httpx.Response) -> dict[str, str]:
    """What the headers say of somebody."""
    assert answer.status_code == 200, answer.text
    return {name: answer.headers[f"x-portillon-{name}"] for name in IDENTITY}


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal that a proxy can tell apart."""
    document = well_formed(answer, status, code, str(answer.request.url))
    assert answer.headers["x-portillon-code"] == code
    assert "location" not in answer.headers
    assert not any(name.startswith("x-portillon-") for name in answer.headers.keys() - {"x-portillon-code", "x-portillon-sign-in"})
    return document


async def create(house: House, company: Company, *names: str) -> list[UUID]:
    """Departments, made by the administrator."""
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        return [(await create_department(session, admin, name=name)).id for name in names]


async def limit(house: House, company: Company, person: Person, departments: list[UUID] | None) -> None:
    """Put somebody into these departments alone."""
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        await change_user(session, house.catalogue, admin, person.user_id, wanted={"departments": departments})


async def idle(house: House, company: Company) -> None:
    """As if everybody had been silent for an hour."""
    key = f"h:{{{company.account_id.hex}}}"
    for member in await house.valkey.call(b"ZRANGE", key, 0, -1):
        await house.valkey.call(b"ZINCRBY", key, -3_600_000, member)


async def test_somebody_at_work_is_named_in_headers(api: Api, acme: Company) -> None:
    person = acme.staff[0]
    session = (await api.get("/session", by=person)).json()["session"]["id"]
    answer = await api.get(ASKED, by=person)
    assert identity(answer) == {
        "user": str(person.user_id),
        "email": "p0@acme.example.com",
        "name": "Person%200%20of%20Acme",
        "account": str(acme.account_id),
        "account-slug": "acme",
        "role": "user",
        "departments": "*",
        "session": session,
        "seat": "pool",
    }
    assert (answer.content, answer.headers["content-length"], answer.headers["cache-control"]) == (b"", "0", "no-store")
    assert "x-portillon-code" not in answer.headers


async def test_it_takes_the_bearer_or_the_consoles_cookie_and_the_bearer_first(api: Api, acme: Company) -> None:
    ada, person = acme.people
    cookie = {"Cookie": f"theme=dark; __Host-portillon={api.tokens[ada.email]}; other=1"}
    for headers, user in (
        (cookie, ada),
        ({**cookie, "Authorization": f"Bearer {api.tokens[person.email]}"}, person),
        ({**cookie, "Authorization": f"bearer {api.tokens[person.email]}"}, person),
        ({**cookie, "Authorization": "Basic YTpi"}, ada),
    ):
        answer = await api.client.get(ASKED, headers=headers)
        assert identity(answer)["user"] == str(user.user_id), headers
    for headers in (
        {**cookie, "Authorization": "Bearer made-up"},
        {"Cookie": f"portillon={api.tokens[ada.email]}"},
        {"Cookie": "__Host-portillon="},
        {"Authorization": api.tokens[ada.email]},
        {"X-Authorization": f"Bearer {api.tokens[ada.email]}"},
    ):
        refused(await api.client.get(ASKED, headers=headers), 401, "not_signed_in")


async def test_a_right_is_there_or_not(api: Api, acme: Company) -> None:
    ada, person = acme.people
    for right, passes in (("invoices.view", True), ("invoices.delete", True), ("payments.edit", True), ("payments.view", False)):
        answer = await api.get(f"{ASKED}?right={right}", by=person)
        if passes:
            assert identity(answer)["user"] == str(person.user_id), right
        else:
            assert refused(answer, 403, "forbidden")["right"] == right
        assert (await api.get(f"{ASKED}?right={right}", by=ada)).status_code == 200


async def test_portillons_own_rights_are_asked_like_any_other(api: Api, house: House, acme: Company) -> None:
    reseller = await make.company(house, "Resale", kind="reseller", staff=0)
    operator = await make.operator(house)
    await api.sign_in(reseller.administrator)
    await api.sign_in(operator.administrator)
    told = {
        (person.email, right): (await api.get(f"{ASKED}?right={right}", by=person)).status_code
        for person in (acme.administrator, acme.staff[0], reseller.administrator, operator.administrator)
        for right in ("users.manage", "clients.manage", "platform.manage")
    }
    assert told == {
        (acme.administrator.email, "users.manage"): 200,
        (acme.administrator.email, "clients.manage"): 403,
        (acme.administrator.email, "platform.manage"): 403,
        (acme.staff[0].email, "users.manage"): 403,
        (acme.staff[0].email, "clients.manage"): 403,
        (acme.staff[0].email, "platform.manage"): 403,
        (reseller.administrator.email, "users.manage"): 200,
        (reseller.administrator.email, "clients.manage"): 200,
        (reseller.administrator.email, "platform.manage"): 403,
        (operator.administrator.email, "users.manage"): 200,
        (operator.administrator.email, "clients.manage"): 200,
        (operator.administrator.email, "platform.manage"): 200,
    }


async def test_rights_change_at_the_next_question(api: Api, acme: Company) -> None:
    ada, person = acme.people
    for role, delete, export in (
        ("user_without_deletion", 403, 403),
        ("accountant", 403, 200),
        ("administrator", 200, 200),
        ("user", 200, 403),
    ):
        assert (await api.patch(f"/users/{person.user_id}", {"role": role}, by=ada)).status_code == 200
        assert (await api.get(f"{ASKED}?right=invoices.delete", by=person)).status_code == delete
        assert (await api.get(f"{ASKED}?right=accounting.export", by=person)).status_code == export
        assert identity(await api.get(ASKED, by=person))["role"] == role


async def test_a_right_can_be_asked_for_a_department(api: Api, house: House, acme: Company) -> None:
    ada, person = acme.people
    lyon, lille, nice = await create(house, acme, "Lyon", "Lille", "Nice")
    await limit(house, acme, person, [lille, lyon])
    assert identity(await api.get(ASKED, by=person))["departments"] == f"{lyon},{lille}"
    assert identity(await api.get(ASKED, by=ada))["departments"] == "*"
    for department, of_person in ((lyon, 200), (lille, 200), (nice, 403)):
        for query in (f"department={department}", f"department={department}&right=invoices.edit"):
            assert (await api.get(f"{ASKED}?{query}", by=person)).status_code == of_person, query
            assert (await api.get(f"{ASKED}?{query}", by=ada)).status_code == 200, query
        assert (await api.get(f"{ASKED}?right=payments.view&department={department}", by=person)).status_code == 403
    assert (await api.get(f"{ASKED}?department={str(lyon).upper()}", by=person)).status_code == 200
    await limit(house, acme, person, [nice])
    assert (await api.get(f"{ASKED}?department={lyon}", by=person)).status_code == 403
    assert (await api.get(f"{ASKED}?department={nice}", by=person)).status_code == 200
    await limit(house, acme, person, None)
    assert (await api.get(f"{ASKED}?department={lyon}", by=person)).status_code == 200


async def test_departments_of_others_archived_ones_and_those_that_never_were_get_one_answer(
    api: Api, house: House, acme: Company
) -> None:
    bistro = await make.company(house, "Bistro", staff=0)
    (theirs,), (lyon, closed) = await create(house, bistro, "Cuisine"), await create(house, acme, "Lyon", "Closed")
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await change_department(session, admin, closed, wanted={"archived": True})
    await limit(house, acme, acme.staff[0], [lyon])
    for person in acme.people:
        told = []
        for department in (theirs, closed, uuid4(), UUID(int=0)):
            answer = await api.get(f"{ASKED}?right=invoices.view&department={department}", by=person)
            document = refused(answer, 403, "forbidden")
            told.append(({**document, "request_id": ""}, sorted(answer.headers.keys() - {"x-request-id"})))
        assert told == [told[0]] * 4


@pytest.mark.parametrize(
    ("query", "field", "problem"),
    [
        ("right=invoices", "right", "unknown"),
        ("right=", "right", "unknown"),
        ("right", "right", "unknown"),
        ("right=Invoices.view", "right", "unknown"),
        ("right=invoices.view%20", "right", "unknown"),
        ("right=invoices.view,payments.view", "right", "unknown"),
        ("right=invoices.view&right=invoices.view", "right", "repeated"),
        ("right=invoices.view&right=payments.view", "right", "repeated"),
        ("department=", "department", "malformed"),
        ("department=7", "department", "malformed"),
        ("department={0}", "department", "malformed"),
        ("department=urn:uuid:0192f0c1-0000-7000-8000-000000000000", "department", "malformed"),
        ("department=0192f0c1000070008000000000000000", "department", "malformed"),
        ("department=*", "department", "malformed"),
        ("rights=invoices.view", "rights", "unknown_field"),
        ("right=invoices.view&account=acme", "account", "unknown_field"),
        ("=x", "", "unknown_field"),
        ("%0d%0aX-Evil%3a=1", "X-Evil", "unknown_field"),
        (f"right=invoices.view{'&' * 300}", "query", "too_long"),
    ],
)
async def test_a_question_that_is_wrong_is_refused_and_says_where(
    query: str, field: str, problem: str, api: Api, acme: Company
) -> None:
    refusal = refused(await api.get(f"{ASKED}?{query}", by=acme.administrator), 403, "invalid")
    assert [(error["field"], error["code"]) for error in refusal["errors"]] == [(field, problem)]
    assert refusal["errors"][0]["message"]
    # Strangers learn nothing about the question.
    refused(await api.client.get(f"{ASKED}?{query}"), 401, "not_signed_in")


async def test_nobody_is_told_where_to_sign_in_and_is_not_sent_there(api: Api, acme: Company) -> None:
    person = acme.staff[0]
    told = await api.client.get(ASKED, headers={"Accept": "text/html", "Accept-Language": "fr"})
    assert refused(told, 401, "not_signed_in")["title"] == "Vous n'êtes pas connecté"
    assert told.headers["www-authenticate"] == "Bearer"
    assert told.headers["x-portillon-sign-in"] == "http://localhost:8000/login"
    await api.delete("/session", by=person)
    ended = refused(await api.get(ASKED, by=person), 401, "not_signed_in")
    assert ended["ended"]["reason"] == "signed_out"


async def test_a_suspended_person_is_turned_away_at_once(api: Api, acme: Company) -> None:
    ada, person = acme.people
    assert (await api.get(ASKED, by=person)).status_code == 200
    await api.patch(f"/users/{person.user_id}", {"status": "suspended"}, by=ada)
    assert refused(await api.get(ASKED, by=person), 401, "not_signed_in")["ended"]["reason"] == "suspended"


async def test_without_a_place_the_refusal_says_so(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    one, other = acme.staff
    await api.sign_in(one)
    await idle(house, acme)
    assert (await api.sign_in(other)).status_code == 201
    told = refused(await api.get(f"{ASKED}?right=invoices.view", by=one), 403, "seats_full")
    assert (told["seats"], told["in_use"], told["choices"]) == (1, 1, ["retry"])
    assert told["title"] == "All places are taken"
    french = await api.get(ASKED, by=one, headers={"Accept-Language": "fr-FR,fr;q=0.9"})
    assert refused(french, 403, "seats_full")["title"] == "Toutes les places sont occupées"
    await api.delete("/session", by=other)
    assert (await api.get(ASKED, by=one)).status_code == 200


async def test_a_question_keeps_and_retakes_the_place(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    one, other = acme.staff
    await api.sign_in(one)
    before = (await house.seats.presence(acme.account_id)).leases
    assert (await api.get(ASKED, by=one)).status_code == 200
    assert (await house.seats.presence(acme.account_id)).leases[one.user_id] > before[one.user_id]
    await idle(house, acme)
    assert (await house.seats.presence(acme.account_id)).in_use == 0
    assert (await api.get(ASKED, by=one)).status_code == 200
    assert (await api.sign_in(other)).status_code == 409


async def test_no_name_or_address_writes_headers_of_its_own(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    person = acme.staff[0]
    for name, said in (
        ("Eve\r\nX-Portillon-Role: administrator", "Eve%0D%0AX-Portillon-Role:%20administrator"),
        ("Ève 100 %", "%C3%88ve%20100%20%25"),
        ("李雷\u2028\x85", "%E6%9D%8E%E9%9B%B7%E2%80%A8%C2%85"),
        ('O\'Neil+Søn, "x"', 'O\'Neil+S%C3%B8n,%20"x"'),
        ("🦆\u202e", "%F0%9F%A6%86%E2%80%AE"),
        ("", "zo%C3%A9+x@ex%C3%A4mple.fr"),
    ):
        await sql(servers, "UPDATE users SET name = $2, email = 'zoé+x@exämple.fr' WHERE id = $1", person.user_id, name)
        await make.set_seats(house, acme, 20)
        found = identity(await api.get(ASKED, by=person))
        assert found["name"] == said
        assert unquote(found["name"]) == (name or "zoé+x@exämple.fr")
        assert found["email"] == "zo%C3%A9+x@ex%C3%A4mple.fr"
        assert found["role"] == "user"


async def test_what_a_proxy_or_a_stranger_says_about_the_request_changes_nothing(api: Api, acme: Company) -> None:
    person = acme.staff[0]
    plain = identity(await api.get(f"{ASKED}?right=invoices.view", by=person))
    lies = {
        "X-Forwarded-Uri": "/gate/check?right=payments.view",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Method": "DELETE",
        "X-Forwarded-For": "6.6.6.6",
        "X-Original-URL": "/login",
        "X-Portillon-User": str(acme.administrator.user_id),
        "X-Portillon-Role": "administrator",
        "Host": "evil.example",
    }
    assert identity(await api.get(f"{ASKED}?right=invoices.view", by=person, headers=lies)) == plain
    told = await api.client.get(ASKED, headers=lies)
    assert told.headers["x-portillon-sign-in"] == "http://localhost:8000/login"
    assert "evil" not in told.text


async def test_head_says_the_same(api: Api, acme: Company) -> None:
    person = acme.staff[0]
    for query in ("", "?right=invoices.view"):
        assert identity(await api.call("HEAD", f"{ASKED}{query}", by=person)) == identity(
            await api.get(f"{ASKED}{query}", by=person)
        )
    for query, by, status, code in (
        ("?right=payments.view", person, 403, "forbidden"),
        ("?right=x", person, 403, "invalid"),
        ("", None, 401, "not_signed_in"),
    ):
        answer = await api.call("HEAD", f"{ASKED}{query}", by=by)
        assert (answer.status_code, answer.headers["x-portillon-code"], answer.content) == (status, code, b"")


async def test_nobody_passes_while_valkey_is_away(api: Api, settings: Settings, acme: Company) -> None:
    nowhere = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
    house = open_house(settings.model_copy(update={"redis_url": nowhere}))
    async with open_client(application(house, beside=1)) as client:
        answer = await Api(client).get(ASKED, by=api.tokens[acme.staff[0].email])
        assert refused(answer, 503, "unavailable")["retry_after"] == int(answer.headers["retry-after"]) > 0
    await house.close()


async def test_a_question_is_one_round_trip_to_valkey_and_none_to_postgresql(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    ada, person = acme.people
    (lyon,) = await create(house, acme, "Lyon")
    for each in (ada, person):
        assert (await api.get(ASKED, by=each)).status_code == 200
    connection = await asyncpg.connect(servers.superuser_url)
    since = await connection.fetchval("SELECT clock_timestamp()")
    calls = await scripts(house)
    for query in ("", "?right=invoices.view", f"?right=invoices.view&department={lyon}", "?right=payments.view", "?right=x"):
        for each in (ada, person):
            assert (await api.get(f"{ASKED}{query}", by=each)).status_code in {200, 403}
    assert await scripts(house) - calls == 10
    asked = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'portillon_app' AND query_start > $1"
    assert await connection.fetchval(asked, since) == 0
    assert (await api.get("/users", by=ada)).status_code == 200
    assert await connection.fetchval(asked, since) == 1, "the count sees nothing"
    await connection.close()


async def scripts(house: House) -> int:
    """Scripts that Valkey was sent so far, and any other command that is none of theirs."""
    inside = {"hmget", "time", "zscore", "zadd", "zremrangebyscore", "zcard", "info"}
    said = (await house.valkey.call(b"INFO", b"commandstats")).decode()
    lines = [line.removeprefix("cmdstat_").split(":calls=") for line in said.splitlines() if line.startswith("cmdstat_")]
    return sum(int(rest.split(",")[0]) for name, rest in lines if name not in inside)
