"""Departments: their number, their names, who is in them, and who manages whom because of them."""

from asyncio import gather
from typing import Any

import httpx
import pytest

from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company on the plan Pro, which has five departments, with two administrators."""
    company = await make.company(house, plan="pro", staff=3, roles=("administrator", "user", "user"))
    for person in company.people:
        assert (await api.sign_in(person)).status_code == 201
    return company


async def department(api: Api, company: Company, name: str, **more: Any) -> str:
    """A new one."""
    answer = await api.post("/departments", {"name": name, **more}, by=company.administrator)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


async def put_into(api: Api, by: Person, person: Person, departments: list[str] | None) -> httpx.Response:
    """The person into these, or all of them."""
    return await api.patch(f"/users/{person.user_id}", {"departments": departments}, by=by)


async def test_the_licence_counts_departments_exactly(api: Api, acme: Company) -> None:
    answers = await gather(*(api.post("/departments", {"name": f"D{n}"}, by=acme.administrator) for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 15
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (refused["code"], refused["what"], refused["limit"], refused["used"]) == ("quota_reached", "departments", 5, 5)
    licence = (await api.get("/account/licence", by=acme.administrator)).json()
    assert licence["departments"] == {"limit": 5, "used": 5}


async def test_an_archived_department_frees_its_place_and_comes_back_through_the_quota(api: Api, acme: Company) -> None:
    ids = [await department(api, acme, f"D{n}") for n in range(5)]
    assert (await api.delete(f"/departments/{ids[0]}", by=acme.administrator)).status_code == 204
    sixth = await department(api, acme, "D0")
    back = await api.patch(f"/departments/{ids[0]}", {"archived": False}, by=acme.administrator)
    assert (back.status_code, back.json()["code"]) == (409, "quota_reached")
    assert (await api.delete(f"/departments/{sixth}", by=acme.administrator)).status_code == 204
    back = await api.patch(f"/departments/{ids[0]}", {"archived": False}, by=acme.administrator)
    assert (back.status_code, back.json()["archived_at"]) == (200, None)
    archived = (await api.get("/departments?archived=true", by=acme.administrator)).json()["items"]
    assert [one["id"] for one in archived] == [sixth]


async def test_names_and_codes_in_use_are_one_of_a_kind(api: Api, acme: Company) -> None:
    paris = await department(api, acme, "Paris", code="75")
    lyon = await department(api, acme, "Lyon")
    for body in ({"name": "PARIS"}, {"name": "Nice", "code": "75"}):
        answer = await api.post("/departments", body, by=acme.administrator)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_exists"), body
    assert (await api.patch(f"/departments/{lyon}", {"code": "75"}, by=acme.administrator)).status_code == 409
    assert (await api.patch(f"/departments/{lyon}", {"name": "paris"}, by=acme.administrator)).status_code == 409
    renamed = await api.patch(f"/departments/{paris}", {"name": "paris", "code": None}, by=acme.administrator)
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["code"]) == (200, "paris", None)


async def test_whoever_is_in_some_departments_says_so_at_the_next_request(api: Api, acme: Company) -> None:
    paris, lyon = await department(api, acme, "Paris"), await department(api, acme, "Lyon")
    person = acme.staff[1]
    assert (await api.get("/session", by=person)).json()["departments"] is None
    assert (await put_into(api, acme.administrator, person, [lyon, paris, paris])).json()["departments"] == sorted([paris, lyon])
    assert (await api.get("/session", by=person)).json()["departments"] == sorted([paris, lyon])
    assert (await put_into(api, acme.administrator, person, None)).json()["departments"] is None
    invited = await api.post(
        "/users", {"email": "n@acme.example.com", "role": "user", "departments": [paris]}, by=acme.administrator
    )
    assert invited.json()["departments"] == [paris]
    cards = (await api.get("/departments", by=acme.administrator)).json()["items"]
    assert {card["name"]: card["users"] for card in cards} == {"Lyon": 0, "Paris": 1}


async def test_nobody_is_put_into_no_department_or_one_that_is_not_in_use(api: Api, acme: Company, house: House) -> None:
    bistro = await make.company(house, "Bistro", staff=0)
    await api.sign_in(bistro.administrator)
    theirs = await department(api, bistro, "Theirs")
    old = await department(api, acme, "Old")
    assert (await api.delete(f"/departments/{old}", by=acme.administrator)).status_code == 204
    for wrong in ([], [theirs], [old], ["00000000-0000-0000-0000-000000000000"]):
        answer = await put_into(api, acme.administrator, acme.staff[1], wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "departments"), wrong
    assert (await api.get(f"/departments/{theirs}", by=acme.administrator)).status_code == 404


async def test_a_department_is_not_archived_under_the_people_who_are_limited_to_it(api: Api, acme: Company) -> None:
    paris = await department(api, acme, "Paris")
    await put_into(api, acme.administrator, acme.staff[1], [paris])
    refused = await api.delete(f"/departments/{paris}", by=acme.administrator)
    assert (refused.status_code, refused.json()["code"], refused.json()["users"]) == (409, "in_use", 1)
    await put_into(api, acme.administrator, acme.staff[1], None)
    assert (await api.delete(f"/departments/{paris}", by=acme.administrator)).status_code == 204


async def test_an_administrator_of_one_department_manages_only_those_who_are_inside(api: Api, acme: Company) -> None:
    paris, lyon = await department(api, acme, "Paris"), await department(api, acme, "Lyon")
    local, inside, everywhere = acme.staff
    await put_into(api, acme.administrator, local, [paris])
    await put_into(api, acme.administrator, inside, [paris])
    new = {"email": "n@acme.example.com", "role": "user"}
    refused = [
        await api.patch(f"/users/{everywhere.user_id}", {"name": "X"}, by=local),
        await api.patch(f"/users/{acme.administrator.user_id}", {"role": "user"}, by=local),
        await put_into(api, local, inside, [paris, lyon]),
        await put_into(api, local, inside, None),
        await put_into(api, local, local, None),
        await api.post("/users", new, by=local),
        await api.post("/users", {**new, "departments": [lyon]}, by=local),
        await api.post("/departments", {"name": "Nice"}, by=local),
        await api.delete(f"/departments/{lyon}", by=local),
        await api.patch(f"/departments/{lyon}", {"name": "X"}, by=local),
        await api.post("/roles", {"name": "X", "rights": []}, by=local),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "beyond_own_rights")] * 11
    assert (await api.patch(f"/users/{inside.user_id}", {"name": "Ines"}, by=local)).status_code == 200
    assert (await api.patch(f"/departments/{paris}", {"name": "Paris 2"}, by=local)).status_code == 200
    assert (await api.post("/users", {**new, "departments": [paris]}, by=local)).status_code == 201


async def test_limiting_the_last_administrator_to_a_department_is_refused(api: Api, acme: Company) -> None:
    paris = await department(api, acme, "Paris")
    second = acme.staff[0]
    assert (await put_into(api, acme.administrator, second, [paris])).status_code == 200
    refused = await put_into(api, acme.administrator, acme.administrator, [paris])
    assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator")
    assert (await api.patch(f"/users/{acme.administrator.user_id}", {"role": "user"}, by=acme.administrator)).status_code == 409
