"""The list of users while somebody types into its search: it follows, and forgets nobody who was ticked."""

from asyncio import sleep
from typing import TYPE_CHECKING

from tenants.house import House
from tests import make
from tests.console.conftest import Live
from tests.console.people import someone

if TYPE_CHECKING:
    from playwright.async_api import Browser, Route


async def test_the_list_follows_what_is_typed(live: Live, chromium: "Browser", house: House) -> None:
    acme = await make.company(house, staff=2)
    ada = await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    await ada.page.goto(f"{live.url}/users")
    await ada.page.locator("[data-all] input").check()
    assert await ada.page.locator("tbody input:checked").count() == 3
    await ada.page.get_by_label("Tick Ada of Acme").uncheck()
    await ada.page.locator('[name="q"]').press_sequentially("person 1")
    await ada.page.wait_for_url("**/users?q=person+1**")
    await ada.page.get_by_text("1 user is found.").wait_for(state="attached")
    assert await ada.page.locator("tbody th").all_inner_texts() == [f"Person 1 of Acme\n{acme.staff[1].email}"]
    assert await ada.page.evaluate("document.activeElement.name") == "q"
    # Whoever was ticked stays so, in the list or not.
    assert await ada.page.get_by_label("Tick Person 1 of Acme").is_checked()
    await ada.page.get_by_text("Also ticked, and not in this list: Person 0 of Acme").wait_for()
    await ada.page.locator('[name="status"]').select_option("suspended")
    await ada.page.get_by_role("heading", name="Nobody matches").wait_for()
    await ada.page.get_by_role("link", name="Clear the filters").click()
    await ada.reads("Person 0 of Acme")
    await ada.page.get_by_label("Tick Person 0 of Acme").check()
    for typed, found in (("person 1", 1), ("nobody of this name", 0), ("person", 2)):
        await ada.page.locator('[name="q"]').fill(typed)
        await ada.page.get_by_text(f"{found} user{'' if found == 1 else 's'} {'is' if found == 1 else 'are'} found.").wait_for(
            state="attached"
        )
    ticked = [await ada.page.get_by_label(f"Tick Person {number} of Acme").is_checked() for number in (0, 1)]
    assert ticked == [True, False]
    await ada.page.locator('[name="q"]').fill("person 1")
    await ada.page.get_by_text("1 user is found.").wait_for(state="attached")
    await ada.page.get_by_label("Tick Person 1 of Acme").check()
    await ada.page.locator('[name="action"]').select_option("sign-out")
    await ada.page.locator('form[action="/users/selected"] button').click()
    await ada.page.get_by_role("heading", name="2 people are concerned").wait_for()
    assert ada.complaints == []


async def test_whoever_went_on_into_the_list_stays_there_while_it_follows(live: Live, chromium: "Browser", house: House) -> None:
    acme = await make.company(house, staff=2)
    ada = await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    await ada.page.goto(f"{live.url}/users")

    async def late(route: "Route") -> None:
        await sleep(0.5)
        await route.continue_()

    await ada.page.route("**/users?*", late)
    for typed, at, then in (("person", "Person 1 of Acme", "Person 1 of Acme"), ("person 0", "Person 1 of Acme", "")):
        await ada.page.locator('[name="q"]').fill(typed)
        await ada.page.get_by_role("link", name=at).focus()
        await ada.page.wait_for_function("q => new URLSearchParams(location.search).get('q') === q", arg=typed)
        assert await ada.page.evaluate("document.activeElement.textContent.trim()") == then
    assert await ada.page.evaluate("document.activeElement.name") == "q"
    assert ada.complaints == []
