"""Seat rule 8: a colleague is asked for their seat in their page; they give it, ask for a moment, or say no; the asker sees it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenants.house import House
from tests import make
from tests.api import Api
from tests.full_pool import ask, asks, enters, history, in_use, let_pass, questions, refusal, says, ticket_of, works
from tests.make import Company

MINUTE = 60


@dataclass
class Page:
    """The page of somebody who asks: it looks from time to time."""

    api: Api
    house: House
    company: Company
    ticket: str
    handover: dict[str, Any]

    async def wait(self, seconds: float) -> None:
        """So much time goes by."""
        while seconds > 0:
            await let_pass(self.house, self.company, min(seconds, 50))
            await look(self.api, self.ticket, self.handover)
            seconds -= 50


async def look(api: Api, ticket: str, handover: dict[str, Any]) -> dict[str, Any]:
    answer = await api.get(f"/seats/handovers/{handover['id']}", params={"ticket": ticket})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def state(api: Api, ticket: str, handover: dict[str, Any]) -> str:
    return str((await look(api, ticket, handover))["state"])


async def test_rule_8_release_gives_the_seat_to_whoever_asked(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, asker, stranger = acme.staff
    await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    assert (handover["state"], handover["asked"], handover["later"], handover["refused"]) == ("asked", 1, 0, 0)
    assert handover["offered_until"] is None
    [question] = await questions(api, holder)
    assert question == {
        "id": handover["id"],
        "name": asker.name,
        "asked_at": handover["asked_at"],
        "again": False,
        "may_later": True,
    }
    assert (await says(api, holder, handover, "release")).status_code == 204
    seen = await look(api, ticket, handover)
    assert (seen["state"], seen["asked"]) == ("released", 0)
    held = datetime.fromisoformat(seen["offered_until"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < held < timedelta(seconds=61)
    refused = await api.sign_in(stranger)
    assert (refused.status_code, refused.json()["held"]) == (409, 1)
    assert refused.json()["detail"].startswith("0 of 1 places are in use, and 1 held for whoever is first to get one.")
    # The session of whoever gave their seat lives, without one.
    full = await api.get("/session", by=holder)
    assert (full.status_code, full.json()["code"]) == (409, "seats_full")
    assert await enters(api, asker, ticket) == 201
    assert await in_use(house, acme) == 1
    assert await history(house, acme, "seat.asked_for") == [(asker.name, holder.name, {"handover": handover["id"], "holders": 1})]
    assert await history(house, acme, "seat.handed_over") == [
        (holder.name, holder.name, {"why": "handed_over", "user": str(asker.user_id)})
    ]
    assert await enters(api, holder, full.json()["ticket"]) == 409


async def test_rule_8_a_seat_that_was_given_is_held_for_60_seconds(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, asker, stranger = acme.staff
    for seconds, expected in ((59, 409), (61, 201)):
        await api.sign_in(holder)
        ticket = await ticket_of(api, asker)
        await says(api, holder, await asks(api, ticket, holder), "release")
        await let_pass(house, acme, seconds)
        assert (await api.sign_in(stranger)).status_code == expected
        assert await enters(api, asker, ticket) == (201 if expected == 409 else 409)
        await api.delete("/session", by=asker)
        await let_pass(house, acme, 16 * MINUTE)


async def test_rule_8_later_asks_once_more_after_5_minutes_and_cannot_be_said_twice(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, asker = acme.staff
    await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    page = Page(api, house, acme, ticket, handover)
    assert (await says(api, holder, handover, "later")).status_code == 204
    assert (await look(api, ticket, handover))["later"] == 1
    assert await questions(api, holder) == []
    await page.wait(299)
    assert await questions(api, holder) == []
    await page.wait(2)
    [question] = await questions(api, holder)
    assert (question["again"], question["may_later"]) == (True, False)
    twice = await says(api, holder, handover, "later")
    assert refusal(twice) == (409, "not_in_state", "later_once")
    assert (await says(api, holder, handover, "no")).status_code == 204
    assert await state(api, ticket, handover) == "refused"


async def test_rule_8_who_said_later_may_give_the_seat_before_they_are_asked_again(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, asker = acme.staff
    await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    await says(api, holder, handover, "later")
    assert (await says(api, holder, handover, "release")).status_code == 204
    assert await enters(api, asker, ticket) == 201


@pytest.mark.parametrize("answer", ["no", "later"])
async def test_rule_8_whoever_answered_is_left_alone_for_15_minutes(api: Api, house: House, answer: str) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, asker, other = acme.staff
    await api.sign_in(holder)
    first, second = await ticket_of(api, asker), await ticket_of(api, other)
    handover = await asks(api, first, holder)
    await says(api, holder, handover, answer)
    assert await works(api, holder) == 200
    refused = await ask(api, second, holder)
    assert refusal(refused) == (409, "not_in_state", "answered")
    assert 890 <= int(refused.headers["retry-after"]) <= 900
    assert refusal(await ask(api, second)) == (409, "not_in_state", "nobody")
    assert await questions(api, holder) == []
    await let_pass(house, acme, 15 * MINUTE - 3)
    assert refusal(await ask(api, second, holder)) == (409, "not_in_state", "answered")
    await let_pass(house, acme, 4)
    assert (await asks(api, second, holder))["asked"] == 1


async def test_rule_8_everybody_can_be_asked_at_once_and_the_first_who_gives_ends_it(api: Api, house: House) -> None:
    acme = await make.company(house, staff=4, seats=3)
    one, two, three, asker = acme.staff
    for person in (one, two, three):
        await api.sign_in(person)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket)
    assert handover["asked"] == 3
    await says(api, one, handover, "no")
    await says(api, two, handover, "later")
    seen = await look(api, ticket, handover)
    assert (seen["state"], seen["asked"], seen["later"], seen["refused"]) == ("asked", 1, 1, 1)
    await says(api, three, handover, "release")
    assert await state(api, ticket, handover) == "released"
    assert await questions(api, two) == []
    assert refusal(await says(api, two, handover, "release")) == (409, "not_in_state", "answered")
    assert await enters(api, asker, ticket) == 201
    assert [await works(api, person) for person in (one, two)] == [200, 200]
    assert await history(house, acme, "seat.asked_for") == [(asker.name, "Acme", {"handover": handover["id"], "holders": 3})]


async def test_rule_8_when_everybody_says_no_it_is_refused(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    *holders, asker = acme.staff
    for person in holders:
        await api.sign_in(person)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket)
    await says(api, holders[0], handover, "no")
    assert await state(api, ticket, handover) == "asked"
    await says(api, holders[1], handover, "no")
    assert await state(api, ticket, handover) == "refused"
    assert refusal(await ask(api, ticket)) == (409, "not_in_state", "nobody")


async def test_rule_8_an_idle_holder_who_does_not_answer_for_60_seconds_hands_over(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, asker = acme.staff
    session = (await api.sign_in(holder)).json()["session"]["id"]
    await let_pass(house, acme, 10 * MINUTE)
    ticket = await ticket_of(api, asker)
    handover = (await api.post("/seats/handovers", {"ticket": ticket, "session_id": session})).json()
    # A page that looks what it is asked, and says that it is there, is not its person.
    assert len(await questions(api, holder)) == 1
    await api.post("/session/heartbeat", {"page": "p"}, by=holder)
    await let_pass(house, acme, 59)
    assert await state(api, ticket, handover) == "asked"
    await let_pass(house, acme, 1.5)
    assert await state(api, ticket, handover) == "released"
    assert await enters(api, asker, ticket) == 201
    assert await history(house, acme, "seat.handed_over") == [
        (None, holder.name, {"why": "not_answered", "user": str(asker.user_id)})
    ]


async def test_rule_8_whoever_works_is_never_put_out_for_not_answering(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, asker = acme.staff
    await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    page = Page(api, house, acme, ticket, handover)
    for _ in range(4):
        await page.wait(120)
        assert await works(api, holder) == 200
    # Idle begins after five minutes without a request.
    await page.wait(100)
    assert await state(api, ticket, handover) == "asked"
    assert await works(api, holder) == 200


async def test_rule_8_idle_is_5_minutes_without_a_request(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, asker = acme.staff
    await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    page = Page(api, house, acme, ticket, handover)
    await page.wait(298)
    assert await state(api, ticket, handover) == "asked"
    await page.wait(2.5)
    assert await state(api, ticket, handover) == "released"


async def test_rule_8_to_answer_is_to_be_at_work(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, asker = acme.staff
    await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    page = Page(api, house, acme, ticket, handover)
    await let_pass(house, acme, 59)
    await says(api, holder, handover, "later")
    await page.wait(290)
    assert await works(api, holder) == 200
    await page.wait(90)
    assert await state(api, ticket, handover) == "asked"


async def test_rule_8_who_does_not_look_for_two_minutes_asks_no_more(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, asker = acme.staff
    await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    await let_pass(house, acme, 119)
    assert len(await questions(api, holder)) == 1
    await look(api, ticket, handover)
    await let_pass(house, acme, 119)
    assert len(await questions(api, holder)) == 1
    await let_pass(house, acme, 2)
    assert await questions(api, holder) == []
    gone = await api.get(f"/seats/handovers/{handover['id']}", params={"ticket": ticket})
    assert gone.status_code == 404
    assert (await says(api, holder, handover, "release")).status_code == 404
    assert await works(api, holder) == 200


async def test_whoever_asked_may_take_it_back(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    holder, asker = acme.staff
    await api.sign_in(holder)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    path = f"/seats/handovers/{handover['id']}"
    assert (await api.delete(path, params={"ticket": ticket})).status_code == 204
    assert await questions(api, holder) == []
    assert (await says(api, holder, handover, "release")).status_code == 404
    assert (await api.delete(path, params={"ticket": ticket})).status_code == 404


async def test_to_ask_again_asks_nobody_twice_and_adds_whoever_is_new(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    one, two, asker = acme.staff
    await api.sign_in(one)
    await api.sign_in(two)
    ticket = await ticket_of(api, asker)
    first = await asks(api, ticket, one)
    again = await asks(api, ticket, one)
    both = await asks(api, ticket)
    assert first["id"] == again["id"] == both["id"]
    assert (first["asked"], again["asked"], both["asked"]) == (1, 1, 2)
    assert len(await questions(api, one)) == 1
    lines = await history(house, acme, "seat.asked_for")
    assert [(target, facts["holders"]) for _, target, facts in lines] == [(one.name, 1), ("Acme", 1)]


async def test_who_enters_by_another_way_asks_nobody_any_more(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    one, two, asker = acme.staff
    await api.sign_in(one)
    await api.sign_in(two)
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, one)
    await api.delete("/session", by=two)
    assert await enters(api, asker, ticket) == 201
    assert await questions(api, one) == []
    assert (await says(api, one, handover, "release")).status_code == 404


async def test_it_is_over_when_those_who_were_asked_have_left(api: Api, house: House) -> None:
    acme = await make.company(house, staff=4, seats=1)
    holder, asker, first_in_line, _ = acme.staff
    await api.sign_in(holder)
    waiting = await ticket_of(api, first_in_line)
    await api.post("/seats/queue", {"ticket": waiting})
    ticket = await ticket_of(api, asker)
    handover = await asks(api, ticket, holder)
    await api.delete("/session", by=holder)
    assert await state(api, ticket, handover) == "over"
    assert await enters(api, asker, ticket) == 409
    assert await enters(api, first_in_line, waiting) == 201


async def test_what_was_given_to_one_person_is_not_offered_to_the_line(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=1)
    holder, asker, first_in_line = acme.staff
    await api.sign_in(holder)
    waiting = await ticket_of(api, first_in_line)
    await api.post("/seats/queue", {"ticket": waiting})
    ticket = await ticket_of(api, asker)
    await says(api, holder, await asks(api, ticket, holder), "release")
    assert (await api.get("/seats/queue", params={"ticket": waiting})).json()["offered_until"] is None
    assert await enters(api, first_in_line, waiting) == 409
    assert await enters(api, asker, ticket) == 201
