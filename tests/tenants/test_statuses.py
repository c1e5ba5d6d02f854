"""Suspend, strike off, delete, bring back; and the administrator who always remains."""

from asyncio import gather, sleep
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person
from tests.tenants.rows import events, sql


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose administrator is signed in, with one seat to spare."""
    company = await make.company(house, staff=3)
    await api.sign_in(company.administrator)
    return company


async def change(api: Api, company: Company, person: Person, **body: Any) -> httpx.Response:
    """PATCH by the administrator."""
    return await api.patch(f"/users/{person.user_id}", body, by=company.administrator)


def told(answer: httpx.Response) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
    """Everything in an answer but its number."""
    body = answer.json() | {"request_id": ""}
    return answer.status_code, body, [(k, v) for k, v in answer.headers.items() if k != "x-request-id"]


async def wrong(api: Api, email: str, password: str = make.PASSWORD) -> httpx.Response:
    """A sign-in that will be refused."""
    return await api.post("/login", {"email": email, "password": password})


async def test_a_suspended_person_is_told_so_after_the_right_password_only(api: Api, acme: Company) -> None:
    person = acme.staff[0]
    await api.sign_in(person)
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    answer = await change(api, acme, person, status="suspended", suspended_until=until, reason="On leave")
    assert (answer.status_code, answer.json()["status"], answer.json()["suspended_reason"]) == (200, "suspended", "On leave")
    assert (await api.get("/session", by=person)).status_code == 401
    refused = await wrong(api, person.email)
    assert (refused.status_code, refused.json()["code"]) == (403, "user_suspended")
    assert datetime.fromisoformat(refused.json()["until"]) == datetime.fromisoformat(until)
    assert refused.json()["contact"] == acme.administrator.email
    assert told(await wrong(api, person.email, "not the password")) == told(
        await wrong(api, "stranger@acme.example.com", "not the password")
    )


async def test_a_suspension_ends_by_itself(api: Api, acme: Company, servers: Addresses) -> None:
    person = acme.staff[0]
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    await change(api, acme, person, status="suspended", suspended_until=until)
    assert (await wrong(api, person.email)).status_code == 403
    await sql(servers, "UPDATE users SET suspended_until = now() - interval '1 second' WHERE id = $1", person.user_id)
    assert (await api.sign_in(person)).status_code == 201
    shown = (await api.get(f"/users/{person.user_id}", by=acme.administrator)).json()
    assert (shown["status"], shown["suspended_until"]) == ("active", None)
    listed = (await api.get("/users?status=active", by=acme.administrator)).json()["items"]
    assert str(person.user_id) in {user["id"] for user in listed}


async def test_a_planned_suspension_begins_and_ends_by_itself(api: Api, acme: Company) -> None:
    person = acme.staff[0]
    await api.sign_in(person)
    begins = datetime.now(UTC) + timedelta(seconds=2)
    ends = begins + timedelta(seconds=2)
    dates = {"suspended_from": begins.isoformat(), "suspended_until": ends.isoformat()}
    planned = (await change(api, acme, person, status="suspended", reason="Holidays", **dates)).json()
    assert (planned["status"], planned["suspended_reason"]) == ("active", "Holidays")
    assert datetime.fromisoformat(planned["suspended_from"]) == begins
    assert (await api.get("/session", by=person)).status_code == 200
    while datetime.now(UTC) < begins + timedelta(milliseconds=100):
        await sleep(0.05)
    over = await api.get("/session", by=person)
    assert (over.status_code, over.json()["ended"]["reason"]) == (401, "suspended")
    refused = await wrong(api, person.email)
    assert (refused.status_code, refused.json()["reason"]) == (403, "Holidays")
    while datetime.now(UTC) < ends + timedelta(milliseconds=100):
        await sleep(0.05)
    assert (await api.get("/session", by=person)).status_code == 401
    assert (await api.sign_in(person)).status_code == 201
    shown = (await api.get(f"/users/{person.user_id}", by=acme.administrator)).json()
    assert (shown["status"], shown["suspended_from"], shown["suspended_reason"]) == ("active", None, None)


async def test_a_planned_suspension_is_called_off_by_making_the_person_active(api: Api, acme: Company) -> None:
    person = acme.staff[0]
    await api.sign_in(person)
    begins = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await change(api, acme, person, status="suspended", suspended_from=begins)
    back = (await change(api, acme, person, status="active")).json()
    assert (back["status"], back["suspended_from"]) == ("active", None)
    assert (await api.get("/session", by=person)).status_code == 200


async def test_dates_of_a_suspension_that_make_no_sense_are_refused(api: Api, acme: Company) -> None:
    person, now = acme.staff[0], datetime.now(UTC)
    day = timedelta(days=1)
    for start, end, field, code in (
        (now + 2 * day, now + day, "suspended_until", "before_start"),
        (now + day, now + day, "suspended_until", "before_start"),
        (None, now - day, "suspended_until", "in_the_past"),
        (now.replace(year=9000), None, "suspended_from", "out_of_range"),
    ):
        dates = {"suspended_from": start and start.isoformat(), "suspended_until": end and end.isoformat()}
        answer = await change(api, acme, person, status="suspended", **dates)
        assert answer.status_code == 422, answer.text
        assert (answer.json()["errors"][0]["field"], answer.json()["errors"][0]["code"]) == (field, code)
    astray = await change(api, acme, person, suspended_from=now.isoformat())
    assert astray.json()["errors"][0]["code"] == "needs_status"
    past = (await change(api, acme, person, status="suspended", suspended_from=(now - day).isoformat())).json()
    assert (past["status"], past["suspended_from"]) == ("suspended", None)


async def test_the_last_administrator_cannot_be_planned_away(api: Api, house: House) -> None:
    duo = await make.company(house, "Duo", staff=1, roles=("administrator",))
    first, second = duo.people
    await api.sign_in(first)
    await api.sign_in(second)
    begins = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert (await change(api, duo, second, status="suspended", suspended_from=begins)).status_code == 200
    # From tomorrow on the first one is the only one left.
    for body in ({"status": "suspended", "suspended_from": begins}, {"role": "user"}, {"status": "struck_off"}):
        refused = await api.patch(f"/users/{first.user_id}", body, by=second)
        assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator"), body
    assert (await change(api, duo, second, status="active")).status_code == 200
    assert (await api.patch(f"/users/{first.user_id}", {"role": "user"}, by=second)).status_code == 200


async def test_a_suspension_without_an_end_lasts_until_somebody_ends_it(api: Api, acme: Company) -> None:
    person = acme.staff[0]
    await change(api, acme, person, status="suspended")
    assert (await wrong(api, person.email)).json()["until"] is None
    back = await change(api, acme, person, status="active")
    assert (back.json()["status"], back.json()["suspended_until"]) == ("active", None)
    assert (await api.sign_in(person)).status_code == 201


@pytest.mark.parametrize("how", ["struck off", "deleted"])
async def test_whoever_is_gone_is_a_stranger(how: str, api: Api, acme: Company) -> None:
    person = acme.staff[0]
    await api.sign_in(person)
    if how == "deleted":
        assert (await api.delete(f"/users/{person.user_id}", by=acme.administrator)).status_code == 204
    else:
        assert (await change(api, acme, person, status="struck_off")).status_code == 200
    assert (await api.get("/session", by=person)).status_code == 401
    for password in (person.password, "not the password"):
        for extra in ({}, {"account": acme.slug}):
            gone = await api.post("/login", {"email": person.email, "password": password, **extra})
            stranger = await api.post("/login", {"email": "stranger@acme.example.com", "password": password, **extra})
            assert told(gone) == told(stranger)
            assert gone.status_code == 401


async def test_a_struck_off_person_comes_back_through_the_quota(api: Api, house: House) -> None:
    pro = await make.company(house, "Pro", plan="pro", staff=5)
    await api.sign_in(pro.administrator)
    person = pro.staff[0]
    await change(api, pro, person, status="struck_off")
    new = (await api.post("/users", {"email": "new@pro.example.com", "role": "user"}, by=pro.administrator)).json()["id"]
    for status in ("active", "suspended"):
        answer = await change(api, pro, person, status=status)
        assert (answer.status_code, answer.json()["code"]) == (409, "quota_reached")
    assert (await api.delete(f"/users/{new}", by=pro.administrator)).status_code == 204
    assert (await change(api, pro, person, status="active")).status_code == 200
    assert (await api.sign_in(person)).status_code == 201


async def test_a_deleted_person_keeps_a_pseudonym_and_can_be_invited_anew(api: Api, acme: Company, servers: Addresses) -> None:
    person = acme.staff[0]
    await api.delete(f"/users/{person.user_id}", by=acme.administrator)
    assert (await api.get(f"/users/{person.user_id}", by=acme.administrator)).status_code == 404
    row = (await sql(servers, "SELECT name, email, status FROM users WHERE id = $1", person.user_id))[0]
    assert row["status"] == "deleted"
    assert row["name"] == row["email"]
    assert row["name"].startswith("deleted-")
    again = await api.post("/users", {"email": person.email, "role": "user"}, by=acme.administrator)
    assert again.status_code == 201
    assert again.json()["id"] != str(person.user_id)


async def test_an_invited_user_becomes_active_by_their_link_alone(
    api: Api, acme: Company, house: House, servers: Addresses
) -> None:
    bistro = await make.company(house, "Bistro", staff=1)
    known = bistro.staff[0]
    invited = (await api.post("/users", {"email": known.email, "role": "user"}, by=acme.administrator)).json()["id"]
    path = f"/users/{invited}"
    for status in ("active", "suspended"):
        assert (await api.patch(path, {"status": status}, by=acme.administrator)).json()["code"] == "not_in_state"
    assert (await api.patch(path, {"status": "struck_off"}, by=acme.administrator)).status_code == 200
    for status in ("active", "suspended"):
        answer = await api.patch(path, {"status": status}, by=acme.administrator)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_in_state"), (
            "a suspension would end by itself, and they never accepted"
        )
    assert (await api.sign_in(known, account=acme.slug)).status_code == 401


async def test_the_last_administrator_stays(api: Api, acme: Company) -> None:
    ada = acme.administrator
    await change(api, acme, acme.staff[0], role="simple_administrator")
    await api.post("/users", {"email": "invited@acme.example.com", "role": "administrator"}, by=ada)
    for body in ({"role": "user"}, {"role": "simple_administrator"}, {"status": "suspended"}, {"status": "struck_off"}):
        answer = await change(api, acme, ada, **body)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_administrator"), body
    answer = await api.delete(f"/users/{ada.user_id}", by=ada)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_administrator")
    await change(api, acme, acme.staff[1], role="administrator")
    assert (await change(api, acme, ada, role="user")).status_code == 200


async def test_a_suspended_administrator_does_not_count_as_the_remaining_one(api: Api, acme: Company) -> None:
    await change(api, acme, acme.staff[0], role="administrator")
    await change(api, acme, acme.staff[0], status="suspended")
    assert (await change(api, acme, acme.administrator, role="user")).json()["code"] == "last_administrator"


WAYS: list[tuple[str, dict[str, Any] | None]] = [
    ("PATCH", {"role": "user"}), ("PATCH", {"status": "suspended"}), ("PATCH", {"status": "struck_off"}), ("DELETE", None),
    ("PATCH", {"role": "simple_administrator"}), ("PATCH", {"role": "user", "status": "suspended"}),
]  # fmt: skip


async def test_r4_two_administrators_taking_each_others_rights_leave_one(api: Api, house: House, servers: Addresses) -> None:
    for number, (first, second) in enumerate(zip(WAYS * 2, [*WAYS, *WAYS[1:], WAYS[0]], strict=True)):
        company = await make.company(house, f"Pair {number}", staff=1, roles=("administrator",))
        ada, bob = company.people
        await gather(api.sign_in(ada), api.sign_in(bob))
        answers = await gather(
            api.call(first[0], f"/users/{bob.user_id}", by=ada, json=first[1]),
            api.call(second[0], f"/users/{ada.user_id}", by=bob, json=second[1]),
            api.call(first[0], f"/users/{ada.user_id}", by=ada, json=first[1]),
        )
        left = await sql(
            servers,
            "SELECT count(*) FROM users WHERE account_id = $1 AND role = 'administrator' AND status = 'active'",
            company.account_id,
        )
        told = [answer.text for answer in answers]
        assert left[0][0] >= 1, told
        assert all(answer.status_code < 500 for answer in answers), told


async def test_every_change_of_status_writes_one_line(api: Api, acme: Company, servers: Addresses) -> None:
    person = acme.staff[0]
    await api.sign_in(person)
    for body, expected in (
        ({"status": "suspended"}, ["session.ended", "user.suspended"]),
        ({"status": "active"}, ["user.activated"]),
        ({"status": "active"}, []),
        ({"status": "struck_off"}, ["user.struck_off"]),
        ({"status": "active"}, ["user.activated"]),
        ({"name": "New Name"}, ["user.changed"]),
        ({"name": "New Name"}, []),
        ({"role": "accountant"}, ["user.changed"]),
        ({}, []),
    ):
        before = len(await events(servers, acme.account_id))
        assert (await change(api, acme, person, **body)).status_code == 200
        assert sorted((await events(servers, acme.account_id))[before:]) == expected, body
    line = (await sql(servers, "SELECT * FROM activity WHERE event = 'user.changed' ORDER BY id DESC LIMIT 1"))[0]
    assert line["facts"] == '{"after": {"role": "accountant"}, "before": {"role": "user"}}'
    assert (line["actor_name"], line["actor_email"]) == (acme.administrator.name, acme.administrator.email)
    assert (line["target_type"], line["target_id"], line["target_label"]) == ("user", str(person.user_id), "New Name")
