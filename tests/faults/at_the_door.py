"""What a browser does that finds every seat taken: try again, wait in line, ask colleagues, make room, come to manage, or give up."""

import asyncio
import random
from typing import Any

from tests.faults.at_work import Act, ask_for_something, weighted
from tests.faults.browsers import Browser, Reply

_NO = {401, 403, 404, 409}
MOST_LOOKS = 15


async def arrive(browser: Browser) -> None:
    """Somebody comes to one of their companies."""
    browser.choose_place()
    browser.sends_heartbeats = random.random() < 0.6
    if await browser.sign_in():
        await ask_for_something(browser)


async def step(browser: Browser) -> None:
    """One of the choices that the refusal offers."""
    choices = browser.refusal["choices"]
    acts: dict[Act, int] = {try_again: 15, give_up: 8}
    if browser.ticket:
        acts |= {act: often for act, (choice, often) in _CHOICES.items() if choice in choices}
    await weighted(acts)(browser)


async def try_again(browser: Browser) -> None:
    """With the session if there is one, else with the ticket."""
    await _enter(browser)


async def give_up(browser: Browser) -> None:
    """Go away; a session that has no seat lives on."""
    browser.leave()


async def wait_in_line(browser: Browser) -> None:
    """Join, look every second or two, and take what is offered; some leave, some vanish."""
    reply = await _stand(browser, "POST", json={"ticket": browser.ticket})
    for _ in range(MOST_LOOKS):
        if reply.status not in {200, 201}:
            break
        spot = reply.json()
        browser.ticket = spot.get("ticket") or browser.ticket
        if spot["offered_until"] is not None:
            if random.random() < 0.9:
                await _enter(browser)
                return
        elif random.random() < 0.06:
            break
        if random.random() < 0.04:
            browser.leave()  # without a word: a ghost
            return
        await asyncio.sleep(random.uniform(0.3, 2))
        reply = await _stand(browser, "GET", params={"ticket": browser.ticket})
    await _leave_the_line(browser)


async def ask_a_colleague(browser: Browser) -> None:
    """One holder, or everybody; look what comes of it for a while."""
    others = [holder["session_id"] for holder in browser.refusal["holders"] if not holder["mine"]]
    body: dict[str, Any] = {"ticket": browser.ticket}
    if others and random.random() < 0.6:
        body["session_id"] = random.choice(others)
    reply = await browser.town.call("ask", "POST", "/seats/handovers", expected={200, 201} | _NO, json=body)
    for _ in range(MOST_LOOKS):
        if reply.status not in {200, 201}:
            return
        found = reply.json()
        browser.ticket = found.get("ticket") or browser.ticket
        if found["state"] == "released":
            await _enter(browser)
            return
        if found["state"] != "asked" or random.random() < 0.05:
            return
        await asyncio.sleep(random.uniform(0.3, 1))
        way = f"/seats/handovers/{found['id']}"
        reply = await browser.town.call("ask again", "GET", way, expected={200} | _NO, params={"ticket": browser.ticket})


async def end_one_of_my_own(browser: Browser) -> None:
    """A session of one's own goes for this one."""
    await _replace(browser, mine=True)


async def end_one_of_theirs(browser: Browser) -> None:
    """With the right, a colleague's session goes for this one; they may return first."""
    await _replace(browser, mine=False)


async def come_to_manage(browser: Browser) -> None:
    """Into a full pool without a seat."""
    browser.leave_session()
    if await browser.sign_in(ticket=browser.ticket, management=True):
        await ask_for_something(browser)


async def _replace(browser: Browser, *, mine: bool) -> None:
    found = [holder["session_id"] for holder in browser.refusal["holders"] if holder["mine"] == mine]
    if found:
        browser.leave_session()
        if await browser.sign_in(ticket=browser.ticket, replace_session=random.choice(found)):
            await ask_for_something(browser)


async def _enter(browser: Browser) -> None:
    if browser.token:
        await ask_for_something(browser)
    elif browser.ticket:
        if await browser.sign_in(ticket=browser.ticket):
            await ask_for_something(browser)
    else:
        browser.leave()


async def _stand(browser: Browser, method: str, **extra: Any) -> Reply:
    reply = await browser.town.call(f"line {method}", method, "/seats/queue", expected={200, 201} | _NO, **extra)
    if reply.status in {200, 201} and reply.json()["offered_until"] is None:
        browser.record.waited.append(browser.note(reply))
    return reply


async def _leave_the_line(browser: Browser) -> None:
    await browser.town.call("line DELETE", "DELETE", "/seats/queue", expected={204, 401, 403}, params={"ticket": browser.ticket})
    browser.leave()


_CHOICES: dict[Act, tuple[str, int]] = {
    wait_in_line: ("wait", 45),
    ask_a_colleague: ("ask_holder", 15),
    end_one_of_my_own: ("end_own", 5),
    end_one_of_theirs: ("end_other", 3),
    come_to_manage: ("management", 8),
}
