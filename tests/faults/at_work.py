"""What a browser does that is signed in: requests, heartbeats, closings and reloads, answers to colleagues, an administrator's acts."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

from tests.faults.browsers import Browser, Reply

# A page of a reload says that it is there before three seconds have gone by, or its seat may be somebody else's.
RELOADED_WITHIN = 2.5
_REFUSALS = {401, 403, 409}
Act = Callable[[Browser], Awaitable[None]]


def weighted(acts: dict[Act, int]) -> Act:
    """One of them; a number says how often among all."""
    return random.choices([*acts], weights=[*acts.values()])[0]


async def step(browser: Browser) -> None:
    """Something that people do at work."""
    acts = dict(_ACTS)
    if browser.administers:
        acts |= {act: often * (6 if browser.kind == "management" else 1) for act, often in _POWERS.items()}
    await weighted(acts)(browser)


async def ask_for_something(browser: Browser) -> None:
    """A request: it keeps the seat, or takes one, or is refused."""
    reply = await browser.call("work", "GET", "/session", expected={200, 401, 409})
    if reply.status == 200:
        kind = reply.json()["seat"]["kind"]
        browser.kind, browser.refusal = kind, {}
        if kind in {"pool", "allowance"}:
            browser.record.served.append((browser.note(reply), kind))
    else:
        _not_served(browser, reply)


async def say_that_one_is_there(browser: Browser) -> None:
    """A heartbeat of the present page, where the browser sends any."""
    if browser.sends_heartbeats:
        browser.page = browser.page or _new_page()
        await _heartbeat(browser, closing=False)


async def reload(browser: Browser) -> None:
    """The page is closed and another one is there a moment later."""
    if not browser.page:
        return
    closed = await _heartbeat(browser, closing=True)
    await asyncio.sleep(random.uniform(0, 0.5))
    browser.page = _new_page()
    there = await _heartbeat(browser, closing=False)
    if closed.status != 204 or there.status != 204 or there.ended > closed.began + RELOADED_WITHIN:
        browser.record.disturb(browser.user, closed.began, there.ended, answered=0 not in {closed.status, there.status})
    await ask_for_something(browser)


async def close_the_page(browser: Browser) -> None:
    """The last page is closed. Some come back after a while, some never."""
    closed = await _heartbeat(browser, closing=True)
    browser.record.disturb(browser.user, closed.began, closed.ended, answered=closed.status != 0)
    browser.page = ""
    await asyncio.sleep(random.uniform(0, 5))
    if random.random() < 0.5:
        browser.leave()
    else:
        await ask_for_something(browser)


async def crash(browser: Browser) -> None:
    """The browser is gone without a word."""
    browser.page = ""
    browser.leave()


async def sign_out(browser: Browser) -> None:
    """The session ends and its seat is free."""
    # 404: somebody else ended the session while the call was under way.
    reply = await browser.call("sign-out", "DELETE", "/session", expected={204, 401, 404})
    browser.record.disturb(browser.user, reply.began, reply.ended, answered=reply.status != 0)
    if reply.status in {204, 401, 404}:
        browser.record.closed(browser.session)
    browser.leave()


async def switch(browser: Browser) -> None:
    """On to another of the person's companies."""
    others = [place for place in browser.places if place[0] is not browser.pool]
    if others:
        await browser.switch(*random.choice(others))


async def answer_colleagues(browser: Browser) -> None:
    """Look who asks for this seat, and answer, or not."""
    asked = await browser.call("questions", "GET", "/seats/handovers", expected={200, 401, 403, 409})
    if asked.status != 200:
        _not_served(browser, asked)
        return
    for question in asked.json()["items"]:
        answer = random.choice(("release", "release", "later", "no", ""))
        if not answer:
            continue
        path = f"/seats/handovers/{question['id']}/answer"
        reply = await browser.call(f"answer {answer}", "POST", path, expected={200, 204, 404} | _REFUSALS, json={"answer": answer})
        if answer == "release":
            browser.record.disturb(browser.user, reply.began, reply.ended, answered=reply.status != 0)


async def end_somebody(browser: Browser) -> None:
    """An administrator ends somebody's session: whoever is there to manage gives no reason, and gets the seat."""
    others = [session for session, user in browser.record.alive.items() if user != browser.user]
    if not others:
        return
    session = random.choice(others)
    victim = browser.record.alive[session]
    reason = {} if browser.kind == "management" or random.random() < 0.5 else {"reason": "A test"}
    reply = await browser.call("end other", "DELETE", f"/sessions/{UUID(session)}", expected={204, 404} | _REFUSALS, params=reason)
    browser.record.disturb(victim, reply.began, reply.ended, answered=reply.status != 0)
    if reply.status == 204:
        browser.record.closed(session)
    elif reply.status == 409:
        _not_served(browser, reply)


async def suspend_somebody(browser: Browser) -> None:
    """For a second or two; whoever is suspended loses every session. Who was left suspended comes back first."""
    record = browser.record
    if not record.suspended:
        person = random.choice([one for one in browser.pool.company.people if one.role == "user"])
        path = f"/users/{person.user_id}"
        reply = await browser.call("suspend", "PATCH", path, expected={200} | _REFUSALS, json={"status": "suspended"})
        record.disturb(person.user_id.hex, reply.began, reply.ended, answered=reply.status != 0)
        record.suspended.add(path)
        await asyncio.sleep(random.uniform(0.5, 2))
    for path in [*record.suspended]:
        reply = await browser.call("restore", "PATCH", path, expected={200} | _REFUSALS, json={"status": "active"})
        if reply.status == 200:
            record.suspended.discard(path)


async def look_who_waits(browser: Browser) -> None:
    """Administrators see the line, and now and then clear it."""
    seen = await browser.call("see line", "GET", "/account/queue", expected={200} | _REFUSALS)
    if seen.status == 200 and seen.json()["items"] and random.random() < 0.2:
        await browser.call("clear line", "DELETE", "/account/queue", expected={200} | _REFUSALS)


async def _heartbeat(browser: Browser, *, closing: bool) -> Reply:
    body = {"closing": closing, "page": browser.page}
    reply = await browser.call("close" if closing else "beat", "POST", "/session/heartbeat", expected={204, 401}, json=body)
    if reply.status == 401:
        _not_served(browser, reply)
    return reply


def _not_served(browser: Browser, reply: Reply) -> None:
    if reply.status == 409:
        browser.refused(reply)
    elif reply.status == 401:
        browser.record.over.append(browser.note(reply))
        browser.record.closed(browser.session)
        browser.leave()


def _new_page() -> str:
    return f"{random.getrandbits(64):x}"


_ACTS: dict[Act, int] = {
    ask_for_something: 60,
    say_that_one_is_there: 14,
    answer_colleagues: 10,
    reload: 5,
    close_the_page: 4,
    sign_out: 5,
    switch: 3,
    crash: 2,
}
_POWERS: dict[Act, int] = {end_somebody: 3, suspend_somebody: 2, look_who_waits: 2}
