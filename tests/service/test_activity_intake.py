"""What the vendor's application adds to the history: each event once, all of a batch or nothing, as the account's setting says."""

import json
from asyncio import gather
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from service.embedded import Addresses
from tenants.activity_intake import forget_keys
from tenants.house import House, open_house
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.keys import make_key, relicense
from tests.make import Company
from tests.refusals import Desk
from tests.reported import event, keep, keeping, lines, send, writing_key
from tests.service.test_openapi import must_be_described
from tests.tenants.rows import events, sql


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company at work whose account keeps events about documents."""
    return await keeping(api, house)


@pytest.fixture
async def key(api: Api, acme: Company) -> str:
    """A key of Acme's application."""
    return await writing_key(api, acme)


async def test_an_event_becomes_a_line_by_the_person_or_by_the_key(api: Api, acme: Company, key: str, servers: Addresses) -> None:
    person = acme.staff[0]
    happened = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    details = {"total": 1200.5, "lines": [1, {"vat": "20 %"}], "note": "première\nédition"}
    answer = await send(
        api,
        key,
        event(1, user_id=str(person.user_id), at=happened.astimezone().isoformat(), details=details),
        event(2, action="document.deleted", target={"type": "quote", "id": "7", "label": "Devis\u00a0n° 7"}),
    )
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "duplicates": 0, "dropped": 0})
    must_be_described((await api.client.get("/api/v1/openapi.json")).json(), "POST", "/api/v1/activity", answer)
    by_person, by_key = await lines(servers, acme)
    [[key_id]] = await sql(servers, "SELECT id FROM api_keys WHERE account_id = $1", acme.account_id)
    [[identity]] = await sql(servers, "SELECT identity_id FROM users WHERE id = $1", person.user_id)
    assert (by_person["at"], by_person["facts"]) == (happened, {"details": details})
    assert datetime.now(UTC) - by_person["recorded_at"] < timedelta(minutes=1)
    frozen = ("actor_kind", "actor_user_id", "actor_identity_id", "actor_key_id", "actor_name", "actor_email", "ip", "result")
    assert [by_person[name] for name in frozen] == [
        "user",
        person.user_id,
        identity,
        key_id,
        person.name,
        person.email,
        None,
        "done",
    ]
    assert [by_key[name] for name in frozen] == ["api_key", None, None, key_id, "Invoicing", None, "127.0.0.1", "done"]
    assert (by_key["event"], by_key["target_type"], by_key["target_id"], by_key["target_label"], by_key["facts"]) == (
        "document.deleted", "quote", "7", "Devis\u00a0n° 7", {},
    )  # fmt: skip
    assert by_key["at"] == by_key["recorded_at"]
    assert by_person["request_id"] == by_key["request_id"] == answer.headers["x-request-id"]
    owed = await sql(servers, "SELECT id FROM activity_unsealed WHERE account_id = $1", acme.account_id)
    assert {by_person["id"], by_key["id"]} <= {row["id"] for row in owed}


async def test_who_did_it_may_be_of_any_status(api: Api, acme: Company, key: str, servers: Addresses) -> None:
    ada, suspended, gone = acme.administrator, *acme.staff
    assert (await api.patch(f"/users/{suspended.user_id}", {"status": "suspended"}, by=ada)).status_code == 200
    assert (await api.delete(f"/users/{gone.user_id}", by=ada)).status_code in {200, 204}
    answer = await send(api, key, *(event(n, user_id=str(person.user_id)) for n, person in enumerate((suspended, gone))))
    assert answer.json() == {"accepted": 2, "duplicates": 0, "dropped": 0}
    pseudonym = f"deleted-{gone.user_id.hex[-12:]}"
    assert [(line["actor_name"], line["actor_email"]) for line in await lines(servers, acme)] == [
        (suspended.name, suspended.email),
        (pseudonym, pseudonym),
    ]


async def test_the_same_key_is_written_once_and_the_first_one_counts(
    api: Api, acme: Company, key: str, house: House, servers: Addresses
) -> None:
    answer = await send(api, key, event(1), event(2), event(1, action="document.deleted"))
    assert answer.json() == {"accepted": 2, "duplicates": 1, "dropped": 0}
    for _ in range(2):
        assert (await send(api, key, event(1), event(2), event(1))).json() == {"accepted": 0, "duplicates": 3, "dropped": 0}
    # Keys are taken as they come, and another key of the same account is the same application.
    other = await writing_key(api, acme)
    assert (await send(api, other, event(2), event(key="Event 1"))).json() == {"accepted": 1, "duplicates": 1, "dropped": 0}
    assert [line["event"] for line in await lines(servers, acme)] == ["document.created"] * 3
    # What another company calls its events is its own affair.
    bravo = await make.company(house, "Bravo", staff=0)
    await api.sign_in(bravo.administrator)
    await keep(api, bravo, "kept")
    assert (await send(api, await writing_key(api, bravo), event(1))).json()["accepted"] == 1


async def test_the_same_batches_sent_at_once_to_two_processes_are_written_once(
    api: Api, acme: Company, key: str, house: House, servers: Addresses
) -> None:
    second = open_house(house.settings)
    try:
        async with open_client(application(second, beside=1)) as client:
            for turn in range(10):
                batch = [event(turn * 100 + number) for number in range(60)]
                # In another order, and half of it each: whoever waits for the other does so at the same key.
                sent = (batch, batch[::-1], batch[30:], batch[:30][::-1])
                answers = await gather(*(send((api, Api(client))[n % 2], key, *part) for n, part in enumerate(sent * 2)))
                told = [answer.json() for answer in answers]
                assert {answer.status_code for answer in answers} == {202}, told
                assert sum(one["accepted"] for one in told) == 60
                assert sum(one["duplicates"] for one in told) == 2 * 180 - 60
    finally:
        await second.close()
    written = await lines(servers, acme)
    assert (len(written), len(await sql(servers, "SELECT id FROM activity_keys"))) == (600, 600)


async def test_the_account_decides_what_becomes_of_events(
    api: Api, acme: Company, key: str, house: House, servers: Addresses
) -> None:
    await keep(api, acme, "dropped")
    for _ in range(2):
        assert (await send(api, key, event(1), event(1))).json() == {"accepted": 0, "duplicates": 0, "dropped": 2}
    # Dropped is not remembered: sent again once the account keeps them, they are written. A mistake is told all the same.
    assert (await send(api, key, event(user_id=str(uuid4())))).status_code == 422
    await keep(api, acme, "refused")
    desk = Desk(api, servers, house)
    document = await desk.refused(
        "POST", "/activity", status=409, code="documents_refused", by=key, json={"events": [event(1)]}, but=frozenset({"api_keys"})
    )
    assert "activity_documents" in document["detail"]
    await keep(api, acme, "kept")
    assert (await send(api, key, event(1))).json() == {"accepted": 1, "duplicates": 0, "dropped": 0}
    await relicense(house, acme, options=["api"])
    assert (await send(api, key, event(1), event(2))).json() == {"accepted": 0, "duplicates": 0, "dropped": 2}
    # Refusing needs no option.
    await keep(api, acme, "refused")
    assert (await send(api, key, event(2))).status_code == 409
    assert len(await lines(servers, acme)) == 1


async def test_the_settings_of_the_history_are_changed_with_a_line(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    ada = acme.administrator
    await api.sign_in(ada)
    shown = (await api.get("/account", by=ada)).json()
    assert (shown["activity_documents"], shown["activity_months"]) == ("dropped", 12)
    for months, documents in ((6, "kept"), (36, "refused")):
        wanted = {"activity_months": months, "activity_documents": documents}
        answer = await api.patch("/account", wanted, by=ada)
        assert {name: answer.json()[name] for name in wanted} == wanted
    changes = await sql(
        servers, "SELECT facts FROM activity WHERE account_id = $1 AND event = 'account.changed' ORDER BY id", acme.account_id
    )
    assert [json.loads(row["facts"]) for row in changes] == [
        {
            "before": {"activity_months": 12, "activity_documents": "dropped"},
            "after": {"activity_months": 6, "activity_documents": "kept"},
        },
        {
            "before": {"activity_months": 6, "activity_documents": "kept"},
            "after": {"activity_months": 36, "activity_documents": "refused"},
        },
    ]
    desk = Desk(api, servers, house)
    for wrong, field, problem in (
        ({"activity_months": 5}, "activity_months", "out_of_range"),
        ({"activity_months": 37}, "activity_months", "out_of_range"),
        ({"activity_months": None}, "activity_months", "wrong_type"),
        ({"activity_documents": "deleted"}, "activity_documents", "unknown"),
    ):
        await desk.invalid("PATCH", "/account", field, problem, by=ada, json=wrong)


async def test_a_key_that_is_not_good_for_it_adds_nothing(
    api: Api, acme: Company, key: str, house: House, servers: Addresses
) -> None:
    ada = acme.administrator
    asks = await make_key(api, ada)
    spent = await make_key(api, ada, scopes=["activity.write", "sessions.introspect"])
    assert (await send(api, spent["key"], event(1))).status_code == 202
    assert (await api.delete(f"/api-keys/{spent['id']}", by=ada)).status_code == 204
    tries = [
        (asks["key"], 403, "forbidden"),
        (spent["key"], 401, "invalid_key"),
        (api.tokens[ada.email], 401, "invalid_key"),
        (key[:-1], 401, "invalid_key"),
    ]
    for given, status, code in tries:
        answer = await send(api, given, event(2))
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    as_password = await api.client.post("/api/v1/activity", json={"events": [event(3)]}, auth=("anything", key))
    assert as_password.json()["accepted"] == 1
    seller = (await make.operator(house)).administrator
    await api.sign_in(seller)
    for standing, status in (("suspended", 403), ("active", 202), ("closed", 403)):
        assert (await api.patch(f"/accounts/{acme.account_id}", {"status": standing}, by=seller)).status_code == 200
        answer = await send(api, key, event(4))
        assert (answer.status_code, answer.json().get("code")) == (status, "account_unavailable" if status == 403 else None)
    assert len(await lines(servers, acme)) == 3


async def test_x3_whoever_may_not_see_the_history_makes_no_key_that_writes_it(api: Api, acme: Company) -> None:
    ada, person = acme.administrator, acme.staff[0]
    role = await api.post("/roles", {"name": "Integrator", "rights": ["integrations.view", "integrations.manage"]}, by=ada)
    assert (await api.patch(f"/users/{person.user_id}", {"role": role.json()["id"]}, by=ada)).status_code == 200
    wanted = {"name": "Invoicing", "scopes": ["activity.write"]}
    answer = await api.post("/api-keys", wanted, by=person)
    assert (answer.status_code, answer.json()["code"]) == (403, "beyond_own_rights")
    rights = ["integrations.view", "integrations.manage", "activity.view"]
    assert (
        await api.patch(f"/roles/{role.json()['id']}", {"rights": rights}, by=ada, headers={"If-Match": "*"})
    ).status_code == 200
    assert (await api.post("/api-keys", wanted, by=person)).status_code == 201


async def test_keys_are_remembered_for_32_days_and_then_forgotten(
    api: Api, acme: Company, key: str, house: House, servers: Addresses
) -> None:
    await send(api, key, event(1), event(2), event(3))
    digests = await sql(servers, "SELECT id FROM activity_keys ORDER BY id")
    for row, age in zip(digests, ("31 days 23 hours 59 minutes", "32 days 1 minute", "40 days"), strict=True):
        await sql(servers, "UPDATE activity_keys SET received_at = now() - $2::text::interval WHERE id = $1", row["id"], age)
    assert await forget_keys(house.database) == 2
    assert await forget_keys(house.database) == 0
    assert [row["id"] for row in await sql(servers, "SELECT id FROM activity_keys")] == [digests[0]["id"]]
    assert (await send(api, key, event(1), event(2), event(3))).json() == {"accepted": 2, "duplicates": 1, "dropped": 0}


async def test_a_line_that_cannot_be_written_leaves_no_key_behind(api: Api, acme: Company, key: str, servers: Addresses) -> None:
    before = await events(servers, acme.account_id)
    await sql(servers, "REVOKE INSERT ON activity FROM portillon_app")
    try:
        answer = await api.client.post("/api/v1/activity", json={"events": [event(1)]}, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 500
    finally:
        await sql(servers, "GRANT INSERT ON activity TO portillon_app")
    assert await events(servers, acme.account_id) == before
    assert (await send(api, key, event(1))).json() == {"accepted": 1, "duplicates": 0, "dropped": 0}
