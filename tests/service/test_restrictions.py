"""Sections hidden for the account, for a role, for one user; why somebody has a right, and who has it."""

from typing import Any

import pytest

from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person
from tests.service.test_roles import give, made, rights_of, set_options


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose people are signed in."""
    company = await make.company(house, staff=3)
    for person in company.people:
        assert (await api.sign_in(person)).status_code == 201
    return company


async def hide(api: Api, company: Company, path: str, *sections: str) -> None:
    """Hide these sections there."""
    answer = await api.patch(path, {"restrictions": list(sections)}, by=company.administrator, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["restrictions"] == sorted(sections)


async def sections_of(api: Api, person: Person) -> set[str]:
    """Sections in which the person has any right."""
    return {right.partition(".")[0] for right in await rights_of(api, person)}


async def why(api: Api, company: Company, person: Person, right: str, query: str = "") -> tuple[bool, list[tuple[str, bool]]]:
    """Whether it is granted, and the steps."""
    answer = (await api.get(f"/users/{person.user_id}/rights{query}", by=company.administrator)).json()
    card = next(card for card in answer["rights"] if card["right"] == right)
    return card["granted"], [(step["by"], step["grants"]) for step in card["why"]]


async def holders(api: Api, company: Company, right: str, query: str = "") -> set[str]:
    """Ids of who has the right."""
    answer = await api.get(f"/rights/{right}/holders{query}", by=company.administrator)
    assert answer.status_code == 200, answer.text
    return {item["id"] for item in answer.json()["items"]}


async def test_sections_are_hidden_for_all_for_a_role_and_for_one_user(api: Api, acme: Company) -> None:
    first, second, third = acme.staff
    own = await made(api, acme, rights=["stock.view", "reports.view", "dashboard.view", "payments.view"])
    await give(api, acme, third, own)
    await hide(api, acme, "/account", "stock")
    assert "stock" not in await sections_of(api, first) | await sections_of(api, third)
    await hide(api, acme, f"/roles/{own}", "reports")
    assert await sections_of(api, third) == {"dashboard", "payments"}
    await hide(api, acme, f"/users/{third.user_id}", "dashboard", "stock")
    assert await sections_of(api, third) == {"payments"}
    assert "purchases" in await sections_of(api, second)
    await hide(api, acme, "/account")
    await hide(api, acme, f"/users/{third.user_id}")
    assert await sections_of(api, third) == {"stock", "dashboard", "payments"}


async def test_administrators_are_never_restricted(api: Api, acme: Company) -> None:
    ada = acme.administrator
    before = await rights_of(api, ada)
    everything = sorted({right.partition(".")[0] for right in before})
    await hide(api, acme, "/account", *everything)
    await hide(api, acme, "/roles/administrator", *everything)
    await hide(api, acme, f"/users/{ada.user_id}", *everything)
    assert await rights_of(api, ada) == before
    assert await rights_of(api, acme.staff[0]) == set()


async def test_sections_that_do_not_exist_here_are_refused(api: Api, acme: Company) -> None:
    for path in ("/account", "/roles/user", f"/users/{acme.staff[0].user_id}"):
        for sections in (["nothing"], ["clients"], ["stock.view"]):
            answer = await api.patch(path, {"restrictions": sections}, by=acme.administrator, headers={"If-Match": "*"})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "restrictions"), (path, sections)


async def test_what_is_hidden_from_somebody_they_cannot_show_again(api: Api, acme: Company) -> None:
    manager, other = acme.staff[:2]
    rights = [
        "account.view",
        "account.manage",
        "users.view",
        "users.manage",
        "roles.view",
        "roles.manage",
        "stock.view",
        "quotes.view",
    ]
    await give(api, acme, manager, await made(api, acme, "Manager", rights))
    await give(api, acme, other, await made(api, acme, "Stock", ["stock.view", "quotes.view"]))
    await hide(api, acme, "/account", "stock")
    await hide(api, acme, f"/users/{other.user_id}", "quotes", "stock")
    refused = await api.patch("/account", {"restrictions": []}, by=manager)
    assert (refused.status_code, refused.json()["code"]) == (403, "beyond_own_rights")
    refused = await api.patch(f"/users/{other.user_id}", {"restrictions": []}, by=manager)
    assert (refused.status_code, refused.json()["code"]) == (403, "beyond_own_rights")
    shown = await api.patch(f"/users/{other.user_id}", {"restrictions": ["stock"]}, by=manager)
    assert (shown.status_code, shown.json()["restrictions"]) == (200, ["stock"])
    assert await sections_of(api, other) == {"quotes"}


async def test_the_chain_names_what_decided(api: Api, acme: Company, house: House) -> None:
    person = acme.staff[0]
    entering = [("status", True), ("account", True), ("licence", True)]
    assert await why(api, acme, person, "stock.view") == (True, [*entering, ("role", True)])
    assert await why(api, acme, person, "users.view") == (False, [*entering, ("role", False)])
    await hide(api, acme, "/account", "stock")
    await hide(api, acme, f"/users/{person.user_id}", "stock")
    hidden = [("restriction", False), ("restriction", False)]
    assert await why(api, acme, person, "stock.view") == (False, [*entering, ("role", True), *hidden])
    own = await made(api, acme, rights=["accounting.view", "quotes.view"])
    await give(api, acme, person, own)
    await set_options(house, acme)
    assert await why(api, acme, person, "accounting.view") == (False, [*entering, ("role", True), ("option", False)])
    assert await why(api, acme, person, "quotes.view") == (True, [*entering, ("role", True), ("option", True)])
    suspended = await api.patch(f"/users/{person.user_id}", {"status": "suspended"}, by=acme.administrator)
    assert suspended.status_code == 200
    assert (await why(api, acme, person, "quotes.view"))[1][0] == ("status", False)


async def test_a_right_is_asked_for_a_department(api: Api, acme: Company) -> None:
    ada, person = acme.administrator, acme.staff[0]
    paris = (await api.post("/departments", {"name": "Paris"}, by=ada)).json()["id"]
    lyon = (await api.post("/departments", {"name": "Lyon"}, by=ada)).json()["id"]
    await api.patch(f"/users/{person.user_id}", {"departments": [paris]}, by=ada)
    assert (await why(api, acme, person, "quotes.view", f"?department={paris}"))[0]
    assert await why(api, acme, person, "quotes.view", f"?department={lyon}") == (
        False, [("status", True), ("account", True), ("licence", True), ("role", True), ("department", False)]
    )  # fmt: skip
    assert str(person.user_id) in await holders(api, acme, "quotes.view", f"?department={paris}")
    assert str(person.user_id) not in await holders(api, acme, "quotes.view", f"?department={lyon}")
    unknown = await api.get("/rights/quotes.view/holders?department=00000000-0000-0000-0000-000000000000", by=ada)
    assert unknown.status_code == 422


async def test_who_can_is_the_reverse_of_why_for_every_right(api: Api, acme: Company) -> None:
    first, second, third = acme.staff
    own = await made(api, acme, rights=["stock.view", "reports.view", "users.view"])
    await give(api, acme, first, own)
    await give(api, acme, second, "accountant")
    await hide(api, acme, "/account", "reports")
    await hide(api, acme, "/roles/accountant", "files")
    await hide(api, acme, f"/users/{first.user_id}", "stock")
    await api.patch(f"/users/{third.user_id}", {"status": "suspended"}, by=acme.administrator)
    invited = (await api.post("/users", {"email": "n@acme.example.com", "role": "user"}, by=acme.administrator)).json()["id"]
    granted: dict[str, set[str]] = {}
    for user_id in (invited, *(str(person.user_id) for person in acme.people)):
        answer: dict[str, Any] = (await api.get(f"/users/{user_id}/rights", by=acme.administrator)).json()
        for card in answer["rights"]:
            granted.setdefault(card["right"], set()).update({user_id} if card["granted"] else ())
    assert len(granted) > 60
    for right, expected in granted.items():
        assert await holders(api, acme, right) == expected, right
    for person in (first, second):
        mine = {right for right, ids in granted.items() if str(person.user_id) in ids}
        assert mine == await rights_of(api, person)
    for right in ("nothing.view", "clients.view"):
        assert (await api.get(f"/rights/{right}/holders", by=acme.administrator)).status_code == 404
