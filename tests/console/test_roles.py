"""The pages about roles: the matrix with its buttons, the difference before it is saved, and every guard explained."""

import html
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
from sqlalchemy import update

from tenants import assignments, custom_roles
from tenants.custom_roles import lock_palette
from tenants.house import House
from tenants.licences import Licence
from tenants.roles import Role
from tests import make
from tests.console.conftest import Live
from tests.console.people import someone
from tests.console.tab import Tab
from tests.make import Company, Person

if TYPE_CHECKING:
    from playwright.async_api import Browser


async def own_role(house: House, company: Company, name: str, *rights: str, people: tuple[Person, ...] = ()) -> str:
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        key = await custom_roles.create_role(session, house.catalogue, admin, name=name, rights=list(rights))
        for person in people:
            await assignments.change_user(session, house.catalogue, admin, person.user_id, wanted={"role": key})
    return key


async def kept(house: House, company: Company, key: str) -> tuple[str, set[str]]:
    async with house.database.transaction(company.account_id) as session:
        role = await session.get_one(Role, (company.account_id, key))
        return role.name, set(role.rights)


async def take_option(house: House, company: Company, option: str) -> None:
    """The licence no longer includes it."""
    async with house.database.transaction(company.account_id) as session:
        licence = await session.get_one(Licence, company.account_id)
        left = [each for each in licence.options if each != option]
        await session.execute(update(Licence).where(Licence.account_id == company.account_id).values(options=left))


def ticked(page: httpx.Response) -> set[str]:
    """Rights whose boxes are ticked."""
    boxes = re.findall(r'<input type="checkbox" name="right" value="([^"]+)"([^>]*)>', page.text)
    return {right for right, rest in boxes if " checked" in rest}


def hidden_value(page: httpx.Response, name: str) -> str:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page.text)
    assert found, name
    return html.unescape(found[1])


async def send(tab: Tab, to: str, /, **typed: Any) -> httpx.Response:
    """Post the form of a role as it stands, but for what is typed."""
    stands: dict[str, Any] = {"form_token": hidden_value(tab.page, "form_token")}
    for name in ("version", "with_rights", "once"):
        if f'name="{name}"' in tab.page.text:
            stands[name] = hidden_value(tab.page, name)
    return await tab.post(to, {**stands, **typed})


async def test_roles_are_listed_created_reviewed_and_saved(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=2)
    await tab.sign_in(acme.administrator)
    page = await tab.open("/roles")
    assert "None yet." in page.text
    assert 'href="/users?role=user">2 people</a>' in page.text
    assert 'href="/roles/new?copy_of=accountant"' in page.text
    page = await tab.open("/roles/new?copy_of=accountant")
    assert '<option value="accountant" selected>' in page.text
    form = {"name": "Bookkeeper", "copy_of": "accountant"}
    first = await send(tab, "/roles/new", **form)
    second = await tab.post("/roles/new", {**form, **{n: hidden_value(page, n) for n in ("form_token", "once")}})
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    here = first.headers["location"].removesuffix("?done=created")
    page = await tab.open(first.headers["location"])
    assert "The role is created." in page.text
    before = ticked(page)
    assert len(before) == 12
    wanted = sorted((before | {"quotes.view"}) - {"files.export", "accounting.manage"})
    page = await send(tab, here, name="Bookkeeper", right=wanted, hide=["support"], decision="review")
    assert "1 right added, 2 removed, nobody concerned for now" in page.text
    assert "Sections hidden</h2><p>Technical support</p>" in page.text
    assert await kept(house, acme, here.removeprefix("/roles/")) == ("Bookkeeper", before)
    back = await send(tab, here, name="Bookkeeper", right=wanted, hide=["support"], decision="back")
    assert ticked(back) == set(wanted)
    saved = await send(tab, here, name="Bookkeeper", right=wanted, hide=["support"], decision="save")
    assert saved.headers["location"] == f"{here}?done=saved"
    assert await kept(house, acme, here.removeprefix("/roles/")) == ("Bookkeeper", set(wanted))
    assert "It works at the next click of everybody who has it." in (await tab.open(f"{here}?done=saved")).text


async def test_buttons_tick_rows_and_columns_and_nothing_typed_is_lost(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=2)
    key = await own_role(house, acme, "Clerk", "stock.view", people=tuple(acme.staff))
    here = f"/roles/{key}"
    await tab.sign_in(acme.administrator)
    await tab.open(here)
    page = await send(tab, here, name="Storekeeper", right=["stock.view", "hours.view"], whole="row.stock")
    assert ticked(page) == {"stock.view", "stock.edit", "stock.delete", "hours.view"}
    assert 'value="Storekeeper"' in page.text
    assert re.search(r'value="row\.stock"[^>]* autofocus>', page.text)
    page = await send(tab, here, name="Storekeeper", right=sorted(ticked(page)), whole="row.stock")
    assert ticked(page) == {"hours.view"}
    page = await send(tab, here, name="Storekeeper", right=["hours.view"], whole="column.administration.view")
    assert {right for right in ticked(page) if right.endswith(".view")} >= {"users.view", "account.view", "hours.view"}
    assert "customers.view" not in ticked(page)
    page = await send(tab, here, name="Storekeeper", right=["hours.view"], whole="column.nowhere.view")
    assert ticked(page) == {"hours.view"}
    assert await kept(house, acme, key) == ("Clerk", {"stock.view"})
    # A name that is taken, and one that is empty: told beside the field, with the boxes as they were.
    for name, words in (("Administrator", "Another role is called like that."), (" ", "Write a name for the role.")):
        page = await send(tab, here, name=name, right=["hours.view"], decision="save")
        assert page.status_code == (409 if name.strip() else 422)
        assert words in page.text
        assert ticked(page) == {"hours.view"}
    assert (await send(tab, here, name="Clerk", right=["no.such"], decision="save")).status_code == 422


async def test_somebody_else_saved_meanwhile_and_nothing_is_lost(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=2)
    key = await own_role(house, acme, "Clerk", "stock.view", people=tuple(acme.staff))
    here = f"/roles/{key}"
    await tab.sign_in(acme.administrator)
    await tab.open(here)
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        palette = await lock_palette(session, house.catalogue, admin)
        await custom_roles.change_role(session, palette, admin, key, wanted={"rights": ["stock.view", "files.view"]})
    page = await send(tab, here, name="Clerk", right=["stock.view", "hours.view"], decision="save")
    assert page.status_code == 412
    assert "Somebody else changed this role meanwhile" in page.text
    assert ticked(page) == {"stock.view", "hours.view"}
    page = await send(tab, here, name="Clerk", right=["stock.view", "hours.view"], decision="review")
    assert "1 right added, 1 removed, 2 people concerned" in page.text
    form: dict[str, Any] = {"name": "Clerk", "right": ["stock.view", "hours.view"], "decision": "save"}
    sent = {**form, **{n: hidden_value(page, n) for n in ("form_token", "version", "with_rights")}}
    assert [(await tab.post(here, sent)).status_code for _ in range(2)] == [303, 303]
    assert await kept(house, acme, key) == ("Clerk", {"stock.view", "hours.view"})


async def test_a_role_is_deleted_with_a_replacement(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    key = await own_role(house, acme, "Clerk", "stock.view", people=tuple(acme.staff))
    await tab.sign_in(acme.administrator)
    page = await tab.open(f"/roles/{key}")
    for replacement, status in (("", 409), ("nobody", 422), (key, 422)):
        page = await send(tab, f"/roles/{key}/delete", replacement=replacement)
        assert page.status_code == status
        assert "Choose a role for the people who have this one." in page.text or replacement == "nobody"
    fields = {n: hidden_value(page, n) for n in ("form_token", "version")} | {"replacement": "user"}
    for _ in range(2):
        assert (await tab.post(f"/roles/{key}/delete", fields)).headers["location"] == "/roles?done=deleted"
    assert 'href="/users?role=user">1 person</a>' in (await tab.open("/roles?done=deleted")).text
    assert (await tab.open(f"/roles/{key}")).status_code == 404


async def test_who_may_not_is_refused_and_what_cannot_be_done_is_explained(
    tab: Tab, client: httpx.AsyncClient, house: House
) -> None:
    acme = await make.company(house, staff=3, roles=("user", "simple_administrator"))
    other = await make.company(house, "Other", staff=0)
    theirs = await own_role(house, other, "Theirs", "stock.view")
    wide = await own_role(house, acme, "Wide", "accounting.view", "stock.view")
    rights = ("roles.view", "roles.manage", "stock.view", "stock.edit")
    await own_role(house, acme, "Role keeper", *rights, people=(acme.staff[2],))
    # Without the right: no line in the menu, and no page.
    user = Tab(client, accept_language="en")
    await user.sign_in(acme.staff[0])
    assert 'href="/roles"' not in (await user.open("/")).text
    assert [(await user.open(path)).status_code for path in ("/roles", "/roles/user", "/roles/new")] == [403, 403, 403]
    # With the right to look alone: the marks, and nothing to change.
    simple = Tab(client, accept_language="en")
    await simple.sign_in(acme.staff[1])
    page = await simple.open(f"/roles/{wide}")
    assert 'type="checkbox"' not in page.text
    assert "/roles/new" not in (await simple.open("/roles")).text
    token = simple.form("/logout")["form_token"]
    for path in (f"/roles/{wide}", f"/roles/{wide}/delete", "/roles/new"):
        assert (await simple.post(path, {"form_token": token, "name": "X"})).status_code == 403
    # Whoever keeps roles ticks what they have, and leaves the rest.
    keeper = tab
    await keeper.sign_in(acme.staff[2])
    page = await keeper.open(f"/roles/{wide}")
    assert "This role has rights that you do not have" in page.text
    narrow = await own_role(house, acme, "Narrow", "stock.view")
    page = await keeper.open(f"/roles/{narrow}")
    assert "nobody gives more than they have" in page.text
    assert re.search(r'value="stock\.delete"[^>]* disabled aria-describedby="not-mine"', page.text)
    page = await send(keeper, f"/roles/{narrow}", name="Narrow", right=["stock.view"], whole="row.stock")
    assert ticked(page) == {"stock.view", "stock.edit"}
    page = await send(keeper, f"/roles/{narrow}", name="Narrow", right=["stock.delete"], decision="save")
    assert (page.status_code, "A role can be given no right that you do not have yourself." in page.text) == (403, True)
    assert await kept(house, acme, narrow) == ("Narrow", {"stock.view"})
    # Of others and of nobody: the same.
    for key in (theirs, str(uuid4()), "nothing"):
        assert (await keeper.open(f"/roles/{key}")).status_code == 404
        assert (await send(keeper, f"/roles/{key}", name="X", decision="save")).status_code == 404
        assert (await send(keeper, f"/roles/{key}/delete")).status_code == 404
    assert (await kept(house, other, theirs))[0] == "Theirs"


async def test_built_in_roles_are_locked_and_hide_sections(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    await tab.sign_in(acme.administrator)
    page = await tab.open("/roles/user")
    assert "Built-in roles are locked." in page.text
    assert 'name="right"' not in page.text
    page = await send(tab, "/roles/user", hide=["stock"], decision="review")
    assert "1 person concerned" in page.text
    assert "right added" not in page.text
    forged = await send(tab, "/roles/user", hide=["stock"], right=["account.manage"], name="X", with_rights="1", decision="save")
    assert forged.status_code == 403
    assert (await send(tab, "/roles/user", hide=["stock"], decision="save")).status_code == 303
    assert "1 section hidden" in (await tab.open("/roles")).text
    assert "Nothing can be hidden from an administrator." in (await tab.open("/roles/administrator")).text


async def test_without_the_option_own_roles_are_frozen_and_say_what_they_give(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    key = await own_role(house, acme, "Clerk", "stock.view", "accounting.view", people=tuple(acme.staff))
    await take_option(house, acme, "custom_roles")
    await tab.sign_in(acme.administrator)
    page = await tab.open("/roles")
    assert "The licence does not include roles of your own" in page.text
    assert "1 of its 2" in page.text
    assert 'href="/roles/new' not in page.text
    page = await tab.open(f"/roles/{key}")
    assert "it gives only what “User” has too" in page.text
    assert page.text.count(">not at present<") == 1
    # What is hidden can still be changed; the rights stay as they are.
    sent = await send(tab, f"/roles/{key}", hide=["stock"], decision="save")
    assert sent.status_code == 303
    assert await kept(house, acme, key) == ("Clerk", {"stock.view", "accounting.view"})
    await tab.open(f"/roles/{key}")
    refused = await send(tab, f"/roles/{key}", hide=["stock"], name="Other", with_rights="1", right=["stock.view"], decision="save")
    assert (refused.status_code, "Nothing was changed. Whoever sells you the licence" in refused.text) == (403, True)
    assert "does not include roles of your own" in (await tab.open("/roles/new")).text


async def test_with_scripts_rows_columns_and_the_search_work_at_once(live: Live, chromium: "Browser", house: House) -> None:
    acme = await make.company(house, staff=0)
    key = await own_role(house, acme, "Clerk", "stock.view")
    ada = await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    await ada.page.goto(f"{live.url}/roles/{key}")
    await ada.press("All : Stock")
    assert await ada.page.locator('[data-row="row.stock"]:checked').count() == 3
    assert await ada.page.locator("[data-count=added]").inner_text() == "2"
    await ada.press("None : Stock")
    assert await ada.page.locator('[name="right"]:checked').count() == 0
    assert await ada.page.locator("[data-count=removed]").inner_text() == "1"
    await ada.page.get_by_label("Search for a section").fill("INVOI")
    assert await ada.page.locator("tbody tr:visible th").count() == 2
    await ada.press("All : Delete")
    assert await ada.page.locator('[name="right"]:checked').count() == 2
    await ada.page.get_by_label("Search for a section").press("Enter")
    await ada.page.get_by_role("button", name="Review the change").first.click()
    await ada.reads("2 rights added, 1 removed")
    assert ada.complaints == []
