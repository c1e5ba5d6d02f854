"""Roles of an account's own: what they give, to whom a change reaches, and what is left when the option lapses."""

from asyncio import gather
from typing import Any

import httpx
import pytest

from tenants import licences
from tenants.effects import raise_epoch
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person

RIGHTS = ["users.view", "invoices.view", "invoices.edit"]


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose people are signed in."""
    company = await make.company(house, staff=3)
    for person in company.people:
        assert (await api.sign_in(person)).status_code == 201
    return company


async def made(api: Api, company: Company, name: str = "Sales", rights: list[str] | None = None, **more: Any) -> str:
    """A role of the company's own."""
    answer = await api.post("/roles", {"name": name, "rights": rights or RIGHTS, **more}, by=company.administrator)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["id"]
    return key


async def give(api: Api, company: Company, person: Person, role: str) -> None:
    """The role to the person."""
    answer = await api.patch(f"/users/{person.user_id}", {"role": role}, by=company.administrator)
    assert answer.status_code == 200, answer.text


async def edit(
    api: Api, company: Company, role: str, *, if_match: str | None = "*", query: str = "", **body: Any
) -> httpx.Response:
    """PATCH by the administrator."""
    headers = {} if if_match is None else {"If-Match": if_match}
    return await api.patch(f"/roles/{role}{query}", body, by=company.administrator, headers=headers)


async def rights_of(api: Api, person: Person) -> set[str]:
    """What the person's session has."""
    return set((await api.get("/session", by=person)).json()["rights"])


async def set_options(house: House, company: Company, *options: str) -> None:
    """What the licence includes from now on."""
    async with house.database.transaction(company.account_id) as session:
        (await licences.lock_licence(session)).options = list(options)
        raise_epoch(session, company.account_id)


async def test_a_new_role_gives_exactly_its_rights(api: Api, acme: Company) -> None:
    role = await made(api, acme)
    await give(api, acme, acme.staff[0], role)
    assert await rights_of(api, acme.staff[0]) == set(RIGHTS)
    assert (await api.get("/users", by=acme.staff[0])).status_code == 200
    assert (await api.get("/users", by=acme.staff[1])).status_code == 403


async def test_a_change_reaches_its_holders_at_their_next_request_without_signing_them_out(api: Api, acme: Company) -> None:
    role = await made(api, acme)
    for person in acme.staff[:2]:
        await give(api, acme, person, role)
    before = [(await api.get("/session", by=person)).json()["session"]["id"] for person in acme.staff[:2]]
    assert (await edit(api, acme, role, rights=["quotes.view"])).status_code == 200
    for person, session_id in zip(acme.staff[:2], before, strict=True):
        answer = (await api.get("/session", by=person)).json()
        assert (answer["rights"], answer["session"]["id"]) == (["quotes.view"], session_id)
        assert (await api.get("/users", by=person)).status_code == 403


async def test_a_role_is_copied_from_a_built_in_one_or_from_an_own_one(api: Api, acme: Company) -> None:
    ada = acme.administrator
    copy = (await api.post("/roles", {"name": "Like User", "copy_of": "user"}, by=ada)).json()
    assert copy["rights"] == (await api.get("/roles/user", by=ada)).json()["rights"]
    assert not copy["built_in"]
    own = await made(api, acme)
    again = (await api.post("/roles", {"name": "Again", "copy_of": own}, by=ada)).json()
    assert again["rights"] == ["invoices.view", "invoices.edit", "users.view"]
    refused = await api.post("/roles", {"name": "Nothing"}, by=ada)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "rights")


async def test_an_edit_names_the_version_that_was_read(api: Api, acme: Company) -> None:
    role = await made(api, acme)
    read = await api.get(f"/roles/{role}", by=acme.administrator)
    assert (await edit(api, acme, role, if_match=None, name="A")).status_code == 428
    assert (await edit(api, acme, role, if_match='"another"', name="A")).status_code == 412
    # Somebody who joins the role makes no edit wrong.
    await give(api, acme, acme.staff[0], role)
    changed = await edit(api, acme, role, if_match=read.headers["etag"], name="A")
    assert (changed.status_code, changed.json()["name"]["en"], changed.json()["users"]) == (200, "A", 1)
    assert (await edit(api, acme, role, if_match=read.headers["etag"], name="B")).status_code == 412
    assert (await edit(api, acme, role, if_match=changed.headers["etag"], name="B")).status_code == 200


async def test_of_two_edits_of_one_version_one_is_made(api: Api, acme: Company) -> None:
    role = await made(api, acme)
    tag = (await api.get(f"/roles/{role}", by=acme.administrator)).headers["etag"]
    answers = await gather(*(edit(api, acme, role, if_match=tag, name=f"Name {n}") for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


async def test_names_are_one_of_a_kind_whatever_their_capitals(api: Api, acme: Company) -> None:
    await made(api, acme, "Ventes")
    for name in ("VENTES", "ventes", "user", "Utilisateur", "External accountant"):
        answer = await api.post("/roles", {"name": name, "rights": []}, by=acme.administrator)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_exists"), name
    for name, code in (("", "too_short"), ("x" * 61, "too_long"), ("a\nb", "control_characters")):
        answer = await api.post("/roles", {"name": name, "rights": []}, by=acme.administrator)
        assert answer.status_code == 422, name
        assert code in {answer.json()["errors"][0]["code"], "too_short", "too_long"}
    answers = await gather(*(api.post("/roles", {"name": "Same", "rights": []}, by=acme.administrator) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_rights_that_do_not_exist_here_are_refused(api: Api, acme: Company) -> None:
    for rights in (["invoices.fly"], ["clients.view"], ["platform.manage"], ["*"], ["invoices.*"]):
        answer = await api.post("/roles", {"name": "Odd", "rights": rights}, by=acme.administrator)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unknown"), rights


async def test_built_in_roles_are_never_edited_but_sections_can_be_hidden_for_them(api: Api, acme: Company) -> None:
    edits: tuple[dict[str, Any], ...] = ({"name": "Mine"}, {"rights": []})
    for body in edits:
        assert (await edit(api, acme, "user", **body)).status_code == 403
    headers = {"If-Match": "*"}
    assert (await api.delete("/roles/user", by=acme.administrator, headers=headers)).status_code == 403
    assert (await edit(api, acme, "user", restrictions=["stock"])).status_code == 200
    assert not {right for right in await rights_of(api, acme.staff[0]) if right.startswith("stock.")}
    assert (await edit(api, acme, "user", restrictions=[])).status_code == 200
    assert "stock.edit" in await rights_of(api, acme.staff[0])


async def test_a_role_in_use_is_deleted_only_with_a_replacement(api: Api, acme: Company) -> None:
    role, headers = await made(api, acme), {"If-Match": "*"}
    await give(api, acme, acme.staff[0], role)
    struck_off = acme.staff[1]
    await give(api, acme, struck_off, role)
    assert (await api.patch(f"/users/{struck_off.user_id}", {"status": "struck_off"}, by=acme.administrator)).status_code == 200
    refused = await api.delete(f"/roles/{role}", by=acme.administrator, headers=headers)
    assert (refused.status_code, refused.json()["code"], refused.json()["users"]) == (409, "in_use", 2)
    for replacement in (role, "nothing", "00000000-0000-0000-0000-000000000000"):
        answer = await api.delete(f"/roles/{role}?replacement={replacement}", by=acme.administrator, headers=headers)
        assert answer.status_code == 422, replacement
    gone = await api.delete(f"/roles/{role}?replacement=accountant", by=acme.administrator, headers=headers)
    assert gone.status_code == 204, gone.text
    assert (await api.get(f"/roles/{role}", by=acme.administrator)).status_code == 404
    assert (await api.get("/session", by=acme.staff[0])).json()["user"]["role"] == "accountant"
    assert "accounting.export" in await rights_of(api, acme.staff[0])


async def test_a_role_is_given_or_deleted_but_not_both(api: Api, acme: Company) -> None:
    for _ in range(5):
        role = await made(api, acme, "Brief")
        person = acme.staff[2]
        answers = await gather(
            api.patch(f"/users/{person.user_id}", {"role": role}, by=acme.administrator),
            api.delete(f"/roles/{role}", by=acme.administrator, headers={"If-Match": "*"}),
        )
        assert [answer.status_code for answer in answers] in ([200, 409], [422, 204])
        await give(api, acme, person, "user")
        await api.delete(f"/roles/{role}", by=acme.administrator, headers={"If-Match": "*"})


async def test_a_preview_counts_who_gains_and_who_loses_and_changes_nothing(api: Api, acme: Company) -> None:
    role = await made(api, acme)
    for person in acme.staff:
        await give(api, acme, person, role)
    hidden = await api.patch(f"/users/{acme.staff[0].user_id}", {"restrictions": ["quotes"]}, by=acme.administrator)
    assert hidden.status_code == 200
    seen = await edit(api, acme, role, query="?preview=true", rights=["users.view", "invoices.view", "quotes.view"])
    assert seen.json() == {"users": 3, "gains": {"quotes.view": 2}, "loses": {"invoices.edit": 3}}
    assert await rights_of(api, acme.staff[1]) == set(RIGHTS)
    seen = await edit(api, acme, role, query="?preview=true", restrictions=["invoices"])
    assert seen.json() == {"users": 3, "gains": {}, "loses": {"invoices.edit": 3, "invoices.view": 3}}


async def test_without_the_option_roles_are_frozen_and_give_only_what_is_also_in_user(
    api: Api, acme: Company, house: House
) -> None:
    role = await made(api, acme)
    await give(api, acme, acme.staff[0], role)
    await set_options(house, acme)
    assert await rights_of(api, acme.staff[0]) == {"invoices.view", "invoices.edit"}
    assert (await api.get("/users", by=acme.staff[0])).status_code == 403
    shown = (await api.get(f"/roles/{role}", by=acme.administrator)).json()
    assert (shown["frozen"], shown["rights"]) == (True, ["invoices.view", "invoices.edit", "users.view"])
    for answer in (
        await edit(api, acme, role, rights=[]),
        await edit(api, acme, role, name="Other"),
        await api.post("/roles", {"name": "New", "rights": []}, by=acme.administrator),
        await api.patch(f"/users/{acme.staff[1].user_id}", {"role": role}, by=acme.administrator),
        await api.post("/users", {"email": "n@acme.example.com", "role": role}, by=acme.administrator),
    ):
        assert (answer.status_code, answer.json()["code"], answer.json()["option"]) == (403, "option_missing", "custom_roles")
    # Whoever has the role may still be renamed, and moved out of it.
    assert (await api.patch(f"/users/{acme.staff[0].user_id}", {"name": "Ann"}, by=acme.administrator)).status_code == 200
    await set_options(house, acme, "custom_roles")
    assert await rights_of(api, acme.staff[0]) == set(RIGHTS)


async def test_another_companys_role_is_nobodys(api: Api, acme: Company, house: House) -> None:
    bistro = await make.company(house, "Bistro", staff=1)
    await api.sign_in(bistro.administrator)
    theirs = await made(api, bistro)
    assert (await api.get(f"/roles/{theirs}", by=acme.administrator)).status_code == 404
    answer = await api.patch(f"/users/{acme.staff[0].user_id}", {"role": theirs}, by=acme.administrator)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "role")
    assert theirs not in answer.text
