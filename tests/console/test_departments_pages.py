"""The pages about departments: made once, renamed, archived and brought back; what cannot be done says why."""

import re
from uuid import UUID

import httpx

from tenants import assignments, departments
from tenants.departments import Department
from tenants.house import House
from tests import make
from tests.console.tab import Tab
from tests.console.test_users import own_role
from tests.make import Company, Person


async def put(house: House, company: Company, person: Person, ids: list[UUID]) -> None:
    """Limit somebody to these."""
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        await assignments.change_user(session, house.catalogue, admin, person.user_id, wanted={"departments": ids})


async def made(house: House, company: Company, *names: str) -> list[Department]:
    """Departments of these names."""
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        return [await departments.create_department(session, admin, name=name) for name in names]


def shown(page: httpx.Response) -> list[str]:
    """Names in the rows of the list, in their order."""
    return re.findall(r'rowheader"><a href="/departments/[^"]+"><bdi>([^<]+)', page.text)


async def test_departments_are_made_once_up_to_the_licence_s_number(tab: Tab, house: House) -> None:
    acme = await make.company(house, plan="pro", staff=0)
    await tab.sign_in(acme.administrator)
    page = await tab.open("/departments")
    assert ("No departments yet" in page.text, 'href="/departments"' in page.text) == (True, True)
    fields = tab.form("/departments") | {"name": "Paris <b>", "code": "75"}
    for _ in range(2):
        answer = await tab.post("/departments", fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/departments?done=created")
    page = await tab.open("/departments?done=created")
    assert shown(page) == ["Paris &lt;b&gt;"]
    assert ("People can be put into it now" in page.text, "1 department of 5 is in use" in page.text) == (True, True)
    for typed, status, words in (
        ({"name": " "}, 422, "Write the name of the department."),
        ({"name": "x" * 121}, 422, "it can have 120 characters at most"),
        ({"name": "Lyon", "code": "y" * 31}, 422, "it can have 30 characters at most"),
        ({"name": "PARIS <B>"}, 409, "Another department in use has this name already."),
        ({"name": "Lyon", "code": "75"}, 409, "Another department in use has this code already."),
    ):
        sent = {**tab.form("/departments"), "code": "", **typed}
        answer = await tab.post("/departments", sent)
        assert (answer.status_code, words in answer.text) == (status, True), typed
        assert tab.form("/departments")["name"] == sent["name"]
    await made(house, acme, "Lyon", "Nice", "Brest", "Lille")
    page = await tab.open("/departments")
    assert shown(page) == ["Brest", "Lille", "Lyon", "Nice", "Paris &lt;b&gt;"]
    assert "Your licence has room for 5 departments, and all are in use." in page.text
    assert 'action="/departments"' not in page.text
    answer = await tab.post("/departments", {**fields, "name": "Sixth", "code": ""})
    assert (answer.status_code, "The licence allows 5; 5 are in use." in answer.text) == (409, True)


async def test_one_is_renamed_archived_and_brought_back(tab: Tab, house: House) -> None:
    acme = await make.company(house, plan="pro", staff=1)
    paris, lyon = await made(house, acme, "Paris", "Lyon")
    await put(house, acme, acme.staff[0], [lyon.id])
    await tab.sign_in(acme.administrator)
    here = f"/departments/{lyon.id}"
    page = (await tab.open(here)).text
    for words in ("1 person is limited to it", "once nobody is limited to it", f'href="/users?department={lyon.id}"'):
        assert words in page
    assert f'action="{here}/archive"' not in page
    refused = await tab.post(f"{here}/archive", tab.form("/logout"))
    assert (refused.status_code, "People are limited to this department." in refused.text) == (409, True)
    refused = await tab.submit(here, name="paris", code="69")
    assert (refused.status_code, tab.form(here)["name"], tab.form(here)["code"]) == (409, "paris", "69")
    assert (await tab.submit(here, name="Rhône", code="69")).headers["location"] == f"{here}?done=changed"
    there = f"/departments/{paris.id}"
    await tab.open(there)
    for _ in range(2):
        assert (await tab.post(f"{there}/archive", tab.form(there))).status_code == 303
        await tab.open(there)
    assert "Nobody: it was archived on" in tab.page.text
    assert shown(await tab.open("/departments")) == ["Rhône"]
    assert shown(await tab.open("/departments?archived=true")) == ["Paris"]
    # Its name may be taken meanwhile; the place too.
    await made(house, acme, "Paris", "Nice", "Brest")
    await tab.open(there)
    refused = await tab.submit(f"{there}/restore")
    assert (refused.status_code, "Another department in use has this name already." in refused.text) == (409, True)
    await tab.submit(there, name="Paris 2", code="")
    await tab.open(there)
    await tab.submit(f"{there}/restore")
    assert shown(await tab.open("/departments")) == ["Brest", "Nice", "Paris", "Paris 2", "Rhône"]


async def test_who_sees_and_who_changes(client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=3)
    paris, lyon = await made(house, acme, "Paris", "Lyon")
    reader, local, nobody = acme.staff
    await own_role(house, acme, reader, "departments.view")
    await put(house, acme, local, [paris.id])
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await assignments.change_user(session, house.catalogue, admin, local.user_id, wanted={"role": "administrator"})
    beta = await make.company(house, "Beta", staff=0)
    [other] = await made(house, beta, "Their own")

    async def opened(person: Person, path: str) -> tuple[Tab, httpx.Response]:
        mine = Tab(client, accept_language="en")
        await mine.sign_in(person)
        return mine, await mine.open(path)

    mine, page = await opened(nobody, "/")
    assert 'href="/departments"' not in page.text
    token = mine.form("/logout")
    for path in ("/departments", f"/departments/{paris.id}"):
        assert (await mine.open(path)).status_code == 403
    for path in (
        "/departments",
        f"/departments/{paris.id}",
        f"/departments/{paris.id}/archive",
        f"/departments/{paris.id}/restore",
    ):
        assert (await mine.post(path, token)).status_code == 403
    mine, page = await opened(reader, "/departments")
    assert (shown(page), 'action="/departments' in page.text) == (["Lyon", "Paris"], False)
    page = await mine.open(f"/departments/{lyon.id}")
    assert (page.status_code, 'action="/departments' in page.text, "/users?department" in page.text) == (200, False, False)
    assert (await mine.post(f"/departments/{lyon.id}", mine.form("/logout"))).status_code == 403
    mine, page = await opened(local, "/departments")
    assert "Somebody who is in all of them can add one." in page.text
    assert (await mine.post("/departments", mine.form("/logout") | {"name": "New"})).status_code == 403
    assert "You are not in this department" in (await mine.open(f"/departments/{lyon.id}")).text
    assert (await mine.post(f"/departments/{lyon.id}", mine.form("/logout") | {"name": "New"})).status_code == 403
    assert "can archive it" in (await mine.open(f"/departments/{paris.id}")).text
    assert (await mine.submit(f"/departments/{paris.id}", name="Paris 3")).status_code == 303
    await mine.open("/")
    token = mine.form("/logout")
    for path in (f"/departments/{other.id}", f"/departments/{other.id}/archive", f"/departments/{other.id}/restore"):
        assert (await mine.post(path, token)).status_code == 404
    assert (await mine.open(f"/departments/{other.id}")).status_code == 404
