"""One's own data: everything that is kept about a person, from each of their companies, and nothing that is somebody else's."""

from typing import Any

import pytest

from service import personal_data
from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Person
from tests.tenants.rows import sql
from tests.visits import world_of
from tests.workers.post import invite


async def taken(api: Api, by: Person | str) -> dict[str, Any]:
    """GET /me/data."""
    answer = await api.get("/me/data", by=by)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="portillon-personal-data.json"'
    found: dict[str, Any] = answer.json()
    return found


async def test_whoever_works_in_two_companies_takes_away_what_both_keep(api: Api, house: House) -> None:
    acme, bistro = await make.company(house, staff=1), await make.company(house, "Bistro", staff=0)
    person = acme.staff[0]
    there = await make.accept(house, bistro.account_id, (await invite(house, bistro, person.email, name="Pat")).id)
    await api.sign_in(person, account="bistro")
    await api.sign_in(acme.administrator)
    await api.patch(f"/users/{person.user_id}", {"name": "Pat A."}, by=acme.administrator)
    paris = (await api.post("/departments", {"name": "Paris"}, by=acme.administrator)).json()["id"]
    await api.patch(f"/users/{person.user_id}", {"departments": [paris]}, by=acme.administrator)
    await api.sign_in(person, account="acme")
    found = await taken(api, person)
    assert found["identity"]["email"] == person.email
    assert found["identity"]["last_login_at"] is not None
    assert [(user["account"], user["name"], user["departments"], user["status"]) for user in found["users"]] == [
        ("Acme", "Pat A.", ["Paris"], "active"),
        ("Bistro", "Pat", None, "active"),
    ]
    assert [user["id"] for user in found["users"]] == [str(person.user_id), str(there.user_id)]
    assert {session["account_id"] for session in found["sessions"]} == {str(acme.account_id), str(bistro.account_id)}
    assert {session["ip"] for session in found["sessions"]} == {"127.0.0.1"}
    own = [(line["account_id"], line["event"]) for line in found["activity"]]
    assert (str(acme.account_id), "session.signed_in") in own
    assert (str(bistro.account_id), "session.signed_in") in own
    about = {line["event"]: line for line in found["activity_about"] if line["account_id"] == str(acme.account_id)}
    assert about["user.changed"]["actor_name"] == acme.administrator.name
    assert found["complete"]
    without = (await api.get("/me/data?activity=false", by=person)).json()
    assert (without["users"], without["activity"], without["activity_about"]) == (found["users"], [], [])
    later = await taken(api, person)
    assert [line["event"] for line in later["activity"]].count("person.data_exported") == 3, "those before, and this one"


async def test_nothing_of_other_people_but_their_names_is_taken_away(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=2)
    ada, (person, other) = acme.administrator, acme.staff
    for each in acme.people:
        await api.sign_in(each)
    await sql(servers, "UPDATE activity SET ip = '192.0.2.77' WHERE actor_user_id = $1", ada.user_id)
    await api.patch(f"/users/{person.user_id}", {"status": "suspended", "reason": "Holidays"}, by=ada)
    await api.patch(f"/users/{person.user_id}", {"status": "active"}, by=ada)
    await api.patch(f"/users/{other.user_id}", {"name": "Otto Other", "role": "accountant"}, by=ada)
    await api.sign_in(person)
    for by, stranger in ((person, ada), (person, other), (ada, other), (ada, person)):
        text = (await api.get("/me/data", by=by)).text
        assert stranger.email not in text
    found = (await api.get("/me/data", by=person)).text
    assert ada.name in found
    assert "192.0.2.77" not in found
    assert "Otto" not in found
    mine = await taken(api, ada)
    [changed] = [line for line in mine["activity"] if line["event"] == "user.changed"]
    assert changed["target_label"] == "Otto Other"
    assert changed["facts"]["after"] == {"name": "", "role": "accountant"}
    [suspended] = [line for line in mine["activity"] if line["event"] == "user.suspended"]
    assert suspended["facts"]["reason"] is None
    [told] = [line for line in (await taken(api, person))["activity_about"] if line["event"] == "user.suspended"]
    assert (told["facts"]["reason"], told["ip"], told["device"], told["request_id"]) == ("Holidays", None, None, None)


async def test_no_secret_is_taken_away(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    text = (await api.get("/me/data", by=acme.administrator)).text
    [secrets] = await sql(servers, "SELECT i.password_hash, encode(s.token_digest, 'hex') FROM identities i, sessions s, users u"
                          " WHERE u.identity_id = i.id AND s.user_id = u.id AND u.id = $1", acme.administrator.user_id)  # fmt: skip
    for secret in (*secrets, api.tokens[acme.administrator.email], "hash", "digest", "nonce"):
        assert secret not in text


async def test_a_company_that_struck_somebody_off_tells_them_nothing(api: Api, house: House) -> None:
    acme, bistro = await make.company(house, staff=1), await make.company(house, "Bistro", staff=0)
    person = acme.staff[0]
    user = await invite(house, bistro, person.email)
    await make.accept(house, bistro.account_id, user.id)
    await api.sign_in(bistro.administrator)
    await api.sign_in(person, account="acme")
    assert {user["account"] for user in (await taken(api, person))["users"]} == {"Acme", "Bistro"}
    assert (await api.patch(f"/users/{user.id}", {"status": "struck_off"}, by=bistro.administrator)).status_code == 200
    answer = await api.get("/me/data", by=person)
    assert "Bistro" not in answer.text
    assert str(bistro.account_id) not in answer.text


async def test_a_visitor_takes_nothing_away_from_where_they_are(api: Api, house: House) -> None:
    world = await world_of(api, house)
    refused = await api.get("/me/data", by=await world.token())
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await api.get("/me/data")).status_code == 401


@pytest.mark.parametrize("most", [0, 1204, 1205, 1206])
async def test_so_many_lines_are_taken_away_and_whether_that_is_all_is_said(
    most: int, api: Api, house: House, servers: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = await make.company(house, staff=0)
    ada = acme.administrator
    await api.sign_in(ada)
    await sql(servers, "DELETE FROM activity")
    await sql(
        servers,
        "INSERT INTO activity (account_id, id, at, event, result, actor_kind, actor_user_id, target_type, target_id, facts)"
        " SELECT $1, gen_random_uuid(), '2026-01-01Z'::timestamptz + n % 40 * interval '1 day', 'role.deleted', 'done', 'user',"
        " CASE WHEN n <= 1100 THEN $2::uuid END, 'user', $2::text, '{}' FROM generate_series(1, 1204) n",
        acme.account_id,
        ada.user_id,
    )
    monkeypatch.setattr(personal_data, "MOST_LINES", most)
    found = await taken(api, ada)
    lines = found["activity"] + found["activity_about"]
    assert (len(lines), found["complete"]) == (min(most, 1205), most >= 1205)
    assert len({line["id"] for line in lines}) == len(lines)
    for part in (found["activity"], found["activity_about"]):
        assert [line["at"] for line in part] == sorted((line["at"] for line in part), reverse=True)
