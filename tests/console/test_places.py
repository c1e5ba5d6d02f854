"""Places in real browsers: hand-overs, the line and ends of sessions are seen at once, by several people; and all of it without scripts."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from tenants.house import House
from tests import make
from tests.aging import pass_time
from tests.console.conftest import Live
from tests.console.people import someone
from tests.make import Company

if TYPE_CHECKING:
    from playwright.async_api import Browser


@pytest.fixture
async def acme(house: House) -> Company:
    """One place, and two people besides the administrator."""
    return await make.company(house, staff=2, seats=1)


async def test_a_holder_is_asked_at_once_wherever_they_are_and_keeps_what_they_typed(
    live: Live, chromium: "Browser", acme: Company
) -> None:
    ada, hugo = await someone(chromium, live.url), await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    await ada.page.goto(f"{live.url}/account/email")
    field = ada.page.locator('[name="email"]')
    await field.fill("half an addr")
    await hugo.sign_in(acme.staff[0])
    await hugo.press("Ask for this place (Ada of Acme)")
    await hugo.reads("is asked and has not answered yet")
    await ada.reads(f"{acme.staff[0].name} needs a place. Can you give yours?")
    assert await field.evaluate("field => field === document.activeElement")
    await ada.press("In a moment")
    await ada.reads("Your answer was sent.")
    assert await field.input_value() == "half an addr"
    assert await ada.page.locator("#asked section").count() == 0
    await hugo.reads("asks for a moment, and is asked again in five minutes")
    assert (ada.complaints, hugo.complaints) == ([], [])


async def test_a_place_that_is_given_is_entered_by_whoever_asked(live: Live, chromium: "Browser", acme: Company) -> None:
    ada, hugo = await someone(chromium, live.url), await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    await hugo.sign_in(acme.staff[0])
    await hugo.press("Ask whoever can give a place")
    await hugo.page.evaluate("window.still = true")
    await ada.press("Give my place")
    await ada.reads("Thank you. It is held for your colleague.")
    await hugo.reads("A colleague has given their place for you.")
    assert await hugo.page.title() == "A place is held for you – Portillon"
    assert await hugo.page.evaluate("window.still")
    await hugo.press("Enter")
    await hugo.reads(f"Good to see you, {acme.staff[0].name}")
    await ada.page.get_by_role("link", name="Back to the first page").click()
    await ada.reads(f"You gave your place to {acme.staff[0].name}")
    assert (ada.complaints, hugo.complaints) == ([], [])


async def test_the_limit_page_tells_by_itself_that_a_place_is_free(live: Live, chromium: "Browser", acme: Company) -> None:
    ada, hugo = await someone(chromium, live.url), await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    await hugo.sign_in(acme.staff[0])
    await hugo.page.locator("#enter").focus()
    await ada.press("Sign out")
    await hugo.reads("A place is free")
    assert await hugo.page.locator(":focus").text_content() == "Enter"
    assert await hugo.page.title() == "A place is free – Portillon"
    await hugo.page.keyboard.press("Enter")
    await hugo.reads(f"Good to see you, {acme.staff[0].name}")
    assert (ada.complaints, hugo.complaints) == ([], [])


async def test_the_line_moves_by_itself(live: Live, chromium: "Browser", acme: Company) -> None:
    ada, hugo, lea = [await someone(chromium, live.url) for _ in range(3)]
    await ada.sign_in(acme.administrator)
    for who, person, words in (
        (hugo, acme.staff[0], "You are next in line"),
        (lea, acme.staff[1], "1 person is before you in line"),
    ):
        await who.sign_in(person)
        await who.press("Wait in line")
        await who.reads(words)
        await who.page.evaluate("window.still = true")
    await lea.page.locator("#leave").focus()
    await ada.page.goto(f"{live.url}/connections")
    await ada.reads("Who waits for a place")
    await ada.press("Sign out")
    await hugo.reads("It is yours until")
    await hugo.press("Enter")
    await hugo.reads("Good to see you")
    await lea.reads("You are next in line")
    await hugo.press("Sign out")
    await lea.reads("It is yours until")
    assert await lea.page.locator(":focus").get_attribute("id") == "leave"
    assert await lea.page.evaluate("window.still")
    await lea.press("Enter")
    await lea.reads("Good to see you")
    assert (ada.complaints, hugo.complaints, lea.complaints) == ([], [], [])


async def test_whoever_is_put_out_reads_by_whom_at_once(live: Live, chromium: "Browser", house: House) -> None:
    acme = await make.company(house, staff=1, seats=2)
    ada, hugo = await someone(chromium, live.url), await someone(chromium, live.url)
    await hugo.sign_in(acme.staff[0])
    second = await hugo.page.context.new_page()
    await second.goto(f"{live.url}/account/email")
    await ada.sign_in(acme.administrator)
    await hugo.page.get_by_text("Places in use: 2 of 2").wait_for()
    await ada.page.goto(f"{live.url}/connections")
    await ada.page.get_by_text(f"End… ({acme.staff[0].name})").click()
    await ada.press(f"End this session ({acme.staff[0].name})")
    for page in (hugo.page, second):
        await page.get_by_text("Ada of Acme ended your session, just now.").wait_for()
        assert page.url.startswith(f"{live.url}/login")
    await ada.reads("Places in use: 1 of 2")
    assert (ada.complaints, hugo.complaints) == ([], [])


async def test_whoever_lost_their_place_reads_so_at_once(live: Live, chromium: "Browser", house: House, acme: Company) -> None:
    ada, hugo = await someone(chromium, live.url), await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    async with ada.page.expect_response("**/heartbeat"), ada.page.expect_response("**/events"):
        await ada.page.reload()
    await asyncio.sleep(1)
    # As a laptop that sleeps.
    await pass_time(house.valkey, acme.account_id, 91)
    await hugo.sign_in(acme.staff[0])
    await hugo.reads("Good to see you")
    await ada.reads("A colleague has taken your place")
    await house.finish()
    await ada.page.goto(live.url)
    await ada.reads("Your browser gave no sign of life")


async def test_the_tabs_of_a_browser_share_one_stream(live: Live, chromium: "Browser", acme: Company) -> None:
    ada, hugo = await someone(chromium, live.url), await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    await asyncio.sleep(1)
    context = ada.page.context
    streams: list[str] = []
    context.on("request", lambda request: streams.append(request.url) if request.url.endswith("/events") else None)
    tabs = [ada.page, await context.new_page(), await context.new_page()]
    for tab in tabs[1:]:
        await tab.goto(f"{live.url}/account/email")
    await asyncio.sleep(1)
    assert streams == []
    await tabs[0].close()
    await asyncio.sleep(1)
    assert streams == [f"{live.url}/events"]
    await hugo.sign_in(acme.staff[0])
    await hugo.press("Ask whoever can give a place")
    for tab in tabs[1:]:
        await tab.get_by_text("Can you give yours?").wait_for()
    await tabs[1].get_by_role("button", name="No, I need it").click()
    for tab in tabs[1:]:
        await tab.locator("#asked section").wait_for(state="detached")
    await hugo.reads("Nobody can give their place at this moment.")


async def test_a_reload_keeps_the_place_and_a_closed_browser_frees_it(live: Live, chromium: "Browser", acme: Company) -> None:
    ada, hugo = await someone(chromium, live.url), await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    for _ in range(3):
        await ada.page.reload()
    await asyncio.sleep(4)
    await hugo.sign_in(acme.staff[0])
    await hugo.reads("All places are taken")
    await ada.page.close(run_before_unload=True)
    # A reload would be back by then.
    await asyncio.sleep(4)
    await hugo.press("Try again")
    await hugo.reads("Good to see you")


@pytest.mark.parametrize("way", ["hand-over", "line"])
async def test_all_of_it_without_scripts(live: Live, chromium: "Browser", acme: Company, way: str) -> None:
    ada = await someone(chromium, live.url, scripts=False)
    hugo = await someone(chromium, live.url, scripts=False)
    await ada.sign_in(acme.administrator)
    await hugo.sign_in(acme.staff[0])
    if way == "hand-over":
        await hugo.press("Ask for this place (Ada of Acme)")
        await hugo.reads("is asked and has not answered yet")
        await ada.page.reload()
        await ada.press("Give my place")
        await ada.reads("Thank you. It is held for your colleague.")
    else:
        await hugo.press("Wait in line")
        await hugo.reads("You are next in line")
        await ada.press("Sign out")
    # The page asks again by itself, every ten seconds.
    await hugo.reads("It is yours until")
    await hugo.press("Enter")
    await hugo.reads("Good to see you")


async def test_the_limit_page_by_keyboard_alone(live: Live, chromium: "Browser", acme: Company) -> None:
    ada, hugo = await someone(chromium, live.url), await someone(chromium, live.url)
    await ada.sign_in(acme.administrator)
    await hugo.sign_in(acme.staff[0])
    reached = []
    for _ in range(12):
        await hugo.page.keyboard.press("Tab")
        reached.append((await hugo.page.locator(":focus").text_content() or "").strip())
        if reached[-1] == "Wait in line":
            break
    assert reached == ["Skip to the content", "Portillon", "Try again", "Wait in line"]
    await hugo.page.keyboard.press("Enter")
    await hugo.reads("You are next in line")
    await ada.press("Sign out")
    await hugo.reads("It is yours until")
    for _ in range(12):
        await hugo.page.keyboard.press("Tab")
        if (await hugo.page.locator(":focus").text_content() or "").strip() == "Enter":
            break
    await hugo.page.keyboard.press("Enter")
    await hugo.reads("Good to see you")


async def test_whoever_signs_out_over_a_slow_line_is_told_so_and_not_that_their_session_ended(
    live: Live, chromium: "Browser", acme: Company
) -> None:
    ada = await someone(chromium, live.url)

    async def slowly(request_id: str) -> None:
        await asyncio.sleep(1.5)
        await line.send("Fetch.continueRequest", {"requestId": request_id})

    line = await ada.page.context.new_cdp_session(ada.page)
    late: list[asyncio.Task[None]] = []
    line.on("Fetch.requestPaused", lambda paused: late.append(asyncio.create_task(slowly(paused["requestId"]))))
    await line.send("Fetch.enable", {"patterns": [{"urlPattern": "*/logout", "requestStage": "Response"}]})
    await ada.sign_in(acme.administrator)
    await ada.press("Sign out")
    await ada.reads("You are signed out. Your place is free for a colleague.")
