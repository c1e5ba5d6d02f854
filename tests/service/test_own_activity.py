"""One's own history: what somebody did and what was done to them, and of others only what they may know."""

from typing import Any

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.history import add_line, found, lines
from tests.make import Company, Person


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company where the administrator and both of the staff have signed in."""
    company = await make.company(house, staff=2)
    for person in company.people:
        await api.sign_in(person)
    return company


async def suspended_once(api: Api, acme: Company) -> dict[str, Any]:
    """What somebody reads of their own suspension, after it ended."""
    ada, person = acme.administrator, acme.staff[0]
    body = {"status": "suspended", "reason": "Nobody must read this"}
    assert (await api.patch(f"/users/{person.user_id}", body, by=ada)).status_code == 200
    assert (await api.patch(f"/users/{person.user_id}", {"status": "active"}, by=ada)).status_code == 200
    await api.sign_in(person)
    (line,) = await lines(api, person, "/me/activity", action="user.suspended")
    return line


async def test_everybody_sees_their_own_part_and_no_more(api: Api, servers: Addresses, acme: Company) -> None:
    ada, person, other = acme.administrator, *acme.staff
    rows: dict[str, dict[str, Any]] = {
        "by person": {
            "actor_kind": "user",
            "actor_user_id": person.user_id,
            "target_type": "user",
            "target_id": str(other.user_id),
        },
        "about person": {
            "actor_kind": "user",
            "actor_user_id": ada.user_id,
            "target_type": "user",
            "target_id": str(person.user_id),
        },
        "about a thing of that id": {"target_type": "invoice", "target_id": str(person.user_id)},
        "about other": {"target_type": "user", "target_id": str(other.user_id)},
    }
    at = {name: await add_line(servers, acme.account_id, "2026-03-01T12:00:00", **row) for name, row in rows.items()}
    assert set(await found(api, person, "/me/activity", to="2026-03-02")) == {at["by person"], at["about person"]}
    assert set(await found(api, other, "/me/activity", to="2026-03-02")) == {at["by person"], at["about other"]}
    assert (await api.get("/activity", by=person)).status_code == 403
    assert (await api.get(f"/activity/{at['by person']}", by=person)).status_code == 403


async def test_of_what_others_did_to_them_people_learn_what_when_and_by_whom(api: Api, acme: Company) -> None:
    line = await suspended_once(api, acme)
    ada = acme.administrator
    assert (line["actor"]["name"], line["actor"]["user_id"]) == (ada.name, str(ada.user_id))
    assert "reason" not in line["facts"]
    hidden = {name: line[name] for name in ("reason", "ip", "device", "request_id")}
    assert hidden == dict.fromkeys(hidden)
    assert (line["actor"]["email"], line["actor"]["identity_id"]) == (None, None)
    assert "Nobody must read this" not in str(line)


async def test_names_stay_hidden_where_the_account_shows_none(api: Api, acme: Company) -> None:
    ada = acme.administrator
    assert (await api.patch("/account", {"show_holders": False}, by=ada)).status_code == 200
    line = await suspended_once(api, acme)
    assert (line["actor"]["kind"], line["actor"]["name"], line["actor"]["user_id"]) == ("somebody", None, None)
    assert line["sentence"].startswith("Somebody suspended ")
    assert ada.name not in str(line)
    assert ada.email not in str(line)
    own = await lines(api, acme.staff[0], "/me/activity", action="session.signed_in")
    assert {each["actor"]["name"] for each in own} == {acme.staff[0].name}
    assert own[0]["ip"] == "127.0.0.1"


@pytest.mark.parametrize("field", ["actor", "target", "ip", "text"])
async def test_hidden_things_cannot_be_searched_for(field: str, api: Api, acme: Company) -> None:
    everything = await found(api, acme.staff[0], "/me/activity")
    assert await found(api, acme.staff[0], "/me/activity", **{field: "Nobody must read this"}) == everything


async def test_own_lines_of_another_account_stay_there(api: Api, house: House, acme: Company) -> None:
    other = await make.company(house, "Other", staff=0)
    both = acme.staff[0]
    await api.sign_in(other.administrator)
    answer = await api.post("/users", {"email": both.email, "role": "user"}, by=other.administrator)
    there: Person = await make.accept(house, other.account_id, answer.json()["id"])
    here = await found(api, both, "/me/activity")
    assert (await api.sign_in(there, account="other")).status_code == 201
    elsewhere = await found(api, there, "/me/activity")
    assert elsewhere
    assert not set(here) & set(elsewhere)
