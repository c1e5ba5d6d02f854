"""A POST that is sent twice has one effect."""

from asyncio import gather

import asyncpg
from sqlalchemy import text

from service.embedded import Addresses
from tenants import idempotency
from tenants.house import House
from tenants.outbox import step_into_sorting_room
from tests import make
from tests.api import Api
from tests.tenants.rows import sql


async def test_the_same_request_is_answered_again_and_done_once(api: Api, house: House) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    body = {"email": "new@acme.example.com", "role": "user"}
    first = await api.post("/users", body, by=acme.administrator, headers={"Idempotency-Key": "k1"})
    again = await api.post("/users", body, by=acme.administrator, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len((await api.get("/users", by=acme.administrator)).json()["items"]) == 2


async def test_the_key_with_another_body_is_refused(api: Api, house: House) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    key = {"Idempotency-Key": "k1"}
    await api.post("/users", {"email": "one@acme.example.com", "role": "user"}, by=acme.administrator, headers=key)
    other = await api.post("/users", {"email": "two@acme.example.com", "role": "user"}, by=acme.administrator, headers=key)
    assert other.status_code == 422
    assert other.json()["code"] == "key_reused"


async def test_many_at_once_have_one_effect(api: Api, house: House) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    body = {"email": "new@acme.example.com", "role": "user"}
    key = {"Idempotency-Key": "k1"}
    answers = await gather(*(api.post("/users", body, by=acme.administrator, headers=key) for _ in range(20)))
    assert {a.status_code for a in answers} <= {201, 409}
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"still_running", "answer_lost"}
    assert sum(a.status_code == 201 and "idempotency-replayed" not in a.headers for a in answers) == 1


async def test_a_refused_request_may_be_corrected_with_the_same_key(api: Api, house: House) -> None:
    acme = await make.company(house, plan="pro", staff=5)
    await api.sign_in(acme.administrator)
    body = {"email": "new@acme.example.com", "role": "user"}
    key = {"Idempotency-Key": "k1"}
    assert (await api.post("/users", body, by=acme.administrator, headers=key)).json()["code"] == "quota_reached"
    await api.delete(f"/users/{acme.staff[0].user_id}", by=acme.administrator)
    assert (await api.post("/users", body, by=acme.administrator, headers=key)).status_code == 201


async def test_a_request_whose_answer_was_lost_is_not_done_again(api: Api, house: House) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    body = {"email": "new@acme.example.com", "role": "user"}
    key = {"Idempotency-Key": "k1"}
    await api.post("/users", body, by=acme.administrator, headers=key)
    async with house.database.transaction(acme.account_id) as session:
        await idempotency.mark_done(session, user_id=acme.administrator.user_id, key="k1")
    again = await api.post("/users", body, by=acme.administrator, headers=key)
    assert again.status_code == 409
    assert again.json()["code"] == "answer_lost"
    assert len((await api.get("/users", by=acme.administrator)).json()["items"]) == 2


async def test_work_in_a_clients_account_is_marked_with_its_sellers_key(api: Api, house: House, emptied: Addresses) -> None:
    seller = await make.company(house, "Seller", kind="reseller", staff=0)
    await api.sign_in(seller.administrator)
    body = {"name": "New client", "plan": "standard", "administrator": {"email": "new@client.example.com"}}
    key = {"Idempotency-Key": "k1"}
    superuser = await asyncpg.connect(emptied.superuser_url)
    try:
        # The process dies before it keeps the answer: PostgreSQL refuses that one write as if it were shutting down.
        await superuser.execute(
            "CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'gone' USING ERRCODE = '57P01'; END $$;"
            "CREATE TRIGGER dies BEFORE UPDATE ON idempotency_keys FOR EACH ROW WHEN (NEW.state = 'answered') EXECUTE FUNCTION dies()"
        )
        assert (await api.post("/accounts", body, by=seller.administrator, headers=key)).status_code == 201
        again = await api.post("/accounts", body, by=seller.administrator, headers=key)
    finally:
        await superuser.execute("DROP TRIGGER IF EXISTS dies ON idempotency_keys; DROP FUNCTION IF EXISTS dies()")
        await superuser.close()
    assert (again.status_code, again.json()["code"]) == (409, "answer_lost")
    assert len((await api.get("/accounts", by=seller.administrator)).json()["items"]) == 1


async def test_answers_are_kept_for_a_day_and_then_forgotten_in_every_account(api: Api, house: House, servers: Addresses) -> None:
    acme, zeta = await make.company(house, staff=0), await make.company(house, "Zeta", staff=0)
    body = {"email": "new@x.example.com", "role": "user"}
    for company, key in ((acme, "young"), (acme, "old"), (zeta, "older")):
        await api.sign_in(company.administrator)
        answer = await api.post(
            "/users", body | {"email": f"{key}@x.example.com"}, by=company.administrator, headers={"Idempotency-Key": key}
        )
        assert answer.status_code == 201
    for key, age in (("young", "23 hours 59 minutes 50 seconds"), ("old", "24 hours 1 second"), ("older", "400 days")):
        await sql(servers, "UPDATE idempotency_keys SET created_at = now() - $2::text::interval WHERE key = $1", key, age)
    async with house.database.transaction() as session:
        await step_into_sorting_room(session)
        # Answers that still count are out of the worker's sight.
        seen = await session.scalars(text("SELECT key FROM idempotency_keys ORDER BY key"))
        assert list(seen) == ["old", "older"]
    assert [await idempotency.forget_answers(house.database) for _ in range(2)] == [2, 0]
    assert [row["key"] for row in await sql(servers, "SELECT key FROM idempotency_keys")] == ["young"]
    body["email"] = "young@x.example.com"
    again = await api.post("/users", body, by=acme.administrator, headers={"Idempotency-Key": "young"})
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")


async def test_keys_of_two_people_do_not_meet(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, roles=("administrator",))
    zeta = await make.company(house, "Zeta", staff=0)
    key = {"Idempotency-Key": "same"}
    for person, email in (
        (acme.people[0], "a@x.example.com"),
        (acme.people[1], "b@x.example.com"),
        (zeta.administrator, "a@x.example.com"),
    ):
        await api.sign_in(person)
        assert (await api.post("/users", {"email": email, "role": "user"}, by=person, headers=key)).status_code == 201


async def test_a_bad_key_is_refused(api: Api, house: House) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    body = {"email": "new@acme.example.com", "role": "user"}
    for key in ("", "x" * 201, "é".encode()):
        refused = await api.post("/users", body, by=acme.administrator, headers={"Idempotency-Key": key})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "Idempotency-Key"
