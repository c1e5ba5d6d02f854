"""What people are told as it happens: who hears what, on which process, and what is left when they come back."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from tenants.listeners import MOST_PER_SESSION
from tests import make
from tests.api import Api
from tests.faults.processes import Process, Stage, cpu_seconds, stage
from tests.listening import Ears, Event, listen
from tests.make import Company, Person


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    """Servers of this module alone, for they are killed; two API processes."""
    with stage(apis=2) as made:
        yield made


@pytest.fixture
async def acme(on: Stage) -> Company:
    """A company of four, of its own in every test."""
    async with on.house() as house:
        return await make.company(house, f"Acme {uuid4().hex[:8]}", seats=4)


def tell(on: Stage, account_id: UUID, kind: str, to: str = "", **facts: Any) -> str:
    """What a script does that has something to tell. Returns the entry's id."""
    name = f"e:{{{account_id.hex}}}"
    with on.valkey() as client:
        at: bytes = client.xadd(name, {"to": to, "kind": kind, "data": json.dumps(facts)}, maxlen=100)
        client.expire(name, 120)
        client.publish(name, "")
    return at.decode()


async def signed_in(api: Api, *people: Person) -> list[tuple[str, str]]:
    """Token and session of each."""
    answers = [(await api.sign_in(person)).json() for person in people]
    return [(answer["token"], answer["session"]["id"]) for answer in answers]


async def test_whoever_is_put_out_hears_at_once_by_whom_and_where_to_read_it(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, there):
        ada, person = acme.administrator, acme.staff[0]
        [(_, _), (token, session)] = await signed_in(here, ada, person)
        async with listen(on.apis[0].url, token) as ears:
            assert ears.answer.headers["content-type"] == "text/event-stream"
            assert ears.answer.headers["cache-control"] == "no-store"
            assert ears.answer.headers["x-accel-buffering"] == "no"
            await ears.hear("seats")
            began = time.monotonic()
            assert (await there.delete(f"/sessions/{session}", by=here.tokens[ada.email])).status_code == 204
            told = (await ears.hear("ended")).facts
            assert time.monotonic() - began < 2
            await asyncio.wait_for(ears.over.wait(), 5)
        assert (told["reason"], told["by"]) == ("ended_by_administrator", ada.name)
        assert told["at"].endswith("Z")
        refused = await here.get("/session", by=token)
        assert refused.status_code == 401
        assert refused.json()["sign_in"] == told["sign_in"]
        assert refused.json()["ended"] == {name: told[name] for name in ("reason", "by", "at")}
        address = urlsplit(told["sign_in"])
        page = await here.client.get(f"{address.path}?{address.query}", headers={"accept-language": "fr"})
        assert f"{ada.name} a mis fin à votre connexion" in page.text


async def test_whoever_signs_in_elsewhere_ends_their_stream_here(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, there):
        person = acme.staff[0]
        [(token, _)] = await signed_in(here, person)
        async with listen(on.apis[0].url, token) as ears:
            await ears.hear("seats")
            assert (await there.sign_in(person)).status_code == 201
            told = (await ears.hear("ended")).facts
        assert (told["reason"], told["by"]) == ("replaced", person.name)


async def test_whoever_is_suspended_hears_it(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, there):
        ada, person = acme.administrator, acme.staff[0]
        [(_, _), (token, _)] = await signed_in(here, ada, person)
        async with listen(on.apis[0].url, token) as ears:
            await ears.hear("seats")
            there.tokens = here.tokens
            assert (await there.patch(f"/users/{person.user_id}", {"status": "suspended"}, by=ada)).status_code == 200
            assert (await ears.hear("ended")).facts["reason"] == "suspended"


async def test_a_stream_on_which_nothing_happens_is_kept_awake(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _):
        [(token, _)] = await signed_in(here, acme.administrator)
        async with listen(on.apis[0].url, token) as ears:
            # The first one says when to come back.
            await ears.hear("")
            await ears.hear("", within=17)


async def test_numbers_come_at_the_beginning_and_when_they_change(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, there):
        [(token, _)] = await signed_in(here, acme.administrator)
        async with listen(on.apis[0].url, token) as ears:
            assert (await ears.hear("seats")).facts == {"in_use": 1, "seats": 4}
            await there.sign_in(acme.staff[0])
            tell(on, acme.account_id, "seats")
            await ears.hear("seats", in_use=2, seats=4)


async def test_numbers_that_change_all_the_time_are_told_once_a_second(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _):
        [(token, _)] = await signed_in(here, acme.administrator)
        async with listen(on.apis[0].url, token) as ears:
            await ears.hear("seats")
            for _ in range(50):
                tell(on, acme.account_id, "seats")
                await asyncio.sleep(0.04)
            await asyncio.sleep(1.2)
            assert 1 <= sum(event.name == "seats" for event in ears.heard) <= 5


async def test_everybody_hears_what_is_theirs_and_nothing_else(on: Stage, acme: Company) -> None:
    async with on.house() as house, on.callers() as (here, _), AsyncExitStack() as stack:
        other = await make.company(house, f"Other {uuid4().hex[:8]}", staff=1)
        people = [acme.administrator, acme.staff[0], other.administrator]
        ada, ben, eve = await signed_in(here, *people)
        hears = [await stack.enter_async_context(listen(on.apis[turn % 2].url, who[0])) for turn, who in enumerate((ada, ben, eve))]
        await asyncio.gather(*(ears.hear("seats") for ears in hears))
        handover = str(uuid4())
        tell(on, acme.account_id, "seat_requested", acme.staff[0].user_id.hex, id=UUID(handover).hex, name="Ada", again=False)
        tell(on, acme.account_id, "seat_request_over", UUID(ada[1]).hex, id=UUID(handover).hex)
        tell(on, acme.account_id, "seat_taken", why="room", by="")
        # What is for somebody of another account, written into the wrong stream.
        tell(on, acme.account_id, "seat_offered", UUID(eve[1]).hex, until=1)
        asked = await hears[1].hear("seat_requested")
        assert asked.facts == {"id": handover, "name": "Ada", "again": False}
        await asyncio.gather(*(ears.hear("seat_taken") for ears in hears[:2]))
        assert hears[1].names() == []
        assert (await hears[0].hear("seat_request_over")).facts == {"id": handover}
        assert hears[0].names() == []
        tell(on, other.account_id, "seat_offered", other.administrator.user_id.hex, until=1_893_456_000_123)
        assert (await hears[2].hear("seat_offered")).facts == {"until": "2030-01-01T00:00:00.123000Z"}
        assert [ears.names() for ears in hears] == [[], [], []]


async def test_whoever_comes_back_is_told_what_they_missed_once_and_in_order(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _):
        [(token, _)] = await signed_in(here, acme.administrator)
        user = acme.administrator.user_id.hex
        async with listen(on.apis[0].url, token) as ears:
            # Whoever has heard nothing yet knows where to go on all the same.
            assert (await ears.hear("seats")).id != ""
            first = tell(on, acme.account_id, "seat_taken", user, why="lost", by="1")
            heard = await ears.hear("seat_taken")
            assert (heard.id, heard.facts["by"]) == (first, "1")
        for number in range(2, 12):
            tell(on, acme.account_id, "seat_taken", user if number % 3 else uuid4().hex, why="lost", by=str(number))
            tell(on, acme.account_id, "seats")
        async with listen(on.apis[1].url, token, after=heard.id) as ears:
            await ears.hear("seats")
            tell(on, acme.account_id, "seat_taken", user, why="lost", by="12")
            await ears.hear("seat_taken", by="12")
            missed = [event.facts["by"] for event in ears.heard if event.name == "seat_taken"]
        assert missed == ["2", "4", "5", "7", "8", "10", "11"]


async def test_nobodys_coming_and_going_makes_others_miss_what_was_theirs(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, there):
        holder, restless = acme.staff[0], acme.staff[1]
        [(token, _)] = await signed_in(here, holder)
        async with listen(on.apis[0].url, token) as ears:
            last = (await ears.hear("seats")).id
        tell(on, acme.account_id, "seat_taken", holder.user_id.hex, why="lost", by="")
        for _ in range(80):
            assert (await there.sign_in(restless)).status_code == 201
            assert (await there.delete("/session", by=restless)).status_code == 204
        async with listen(on.apis[0].url, token, after=last) as ears:
            await ears.hear("seat_taken", within=3)


async def test_nothing_is_lost_or_repeated_by_coming_and_going_while_much_happens(on: Stage, acme: Company) -> None:
    async def happen() -> None:
        for number in range(400):
            tell(on, acme.account_id, "seat_taken", why="lost", by=str(number))
            await asyncio.sleep(0.005)

    async with on.callers() as (here, _):
        [(token, _)] = await signed_in(here, acme.administrator)
        async with listen(on.apis[0].url, token) as ears:
            last = (await ears.hear("seats")).id
        happening = asyncio.create_task(happen())
        heard: list[Event] = []
        comings = 0
        while len(heard) < 400 and comings < 200:
            async with listen(on.apis[comings % 2].url, token, after=last) as ears:
                await asyncio.sleep(0.02 * (comings % 7))
            heard += [event for event in ears.heard if event.name == "seat_taken"]
            last = next((event.id for event in reversed(ears.heard) if event.id), last)
            comings += 1
        await happening
    assert comings > 5
    assert [event.facts["by"] for event in heard] == [str(number) for number in range(400)]


@pytest.mark.parametrize("after", ["x", "-", "1-", "1-2-3", "1e3-0", "99999999999999999999-0", "999999999999999-0"])
async def test_a_last_event_id_that_is_none_of_ours_loses_nothing_that_comes(on: Stage, acme: Company, after: str) -> None:
    async with on.callers() as (here, _):
        [(token, _)] = await signed_in(here, acme.administrator)
        headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": after}
        async with here.client.stream("GET", "/api/v1/session/events", headers=headers) as answer:
            assert answer.status_code == 200
            ears = Ears(answer)
            await ears.hear("seats")
            tell(on, acme.account_id, "seat_taken", why="lost", by="")
            await ears.hear("seat_taken")
            await ears.close()


async def test_listening_keeps_no_seat_and_takes_none(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _):
        [(token, session)] = await signed_in(here, acme.administrator)
        holders, sessions = f"h:{{{acme.account_id.hex}}}", f"n:{{{acme.account_id.hex}}}"
        with on.valkey() as client:
            before = client.zscore(holders, acme.administrator.user_id.hex), client.zscore(sessions, UUID(session).hex)
            for _ in range(3):
                async with listen(on.apis[0].url, token) as ears:
                    await ears.hear("seats")
            after = client.zscore(holders, acme.administrator.user_id.hex), client.zscore(sessions, UUID(session).hex)
            assert before == after
            client.delete(holders)
            async with listen(on.apis[0].url, token) as ears:
                assert (await ears.hear("seats")).facts == {"in_use": 0, "seats": 4}
            assert client.zcard(holders) == 0


async def test_a_browser_listens_with_its_cookie(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _):
        [(token, session)] = await signed_in(here, acme.administrator)
        async with listen(on.apis[0].url, path="/events", cookie=token) as ears:
            await ears.hear("seats")
            tell(on, acme.account_id, "seat_taken", UUID(session).hex, why="lost", by="")
            await ears.hear("seat_taken")
        for headers in ({}, {"Authorization": f"Bearer {token}"}, {"Cookie": "__Host-portillon=ptl_x"}):
            refused = await here.client.get("/events", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")
        assert (await here.client.get("/api/v1/session/events", headers={"Cookie": f"__Host-portillon={token}"})).status_code == 401


async def test_a_session_has_so_many_streams_and_the_oldest_gives_way(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _), AsyncExitStack() as stack:
        [(token, _)] = await signed_in(here, acme.administrator)
        hears = []
        for _ in range(MOST_PER_SESSION + 1):
            hears.append(await stack.enter_async_context(listen(on.apis[0].url, token)))
            await hears[-1].hear("seats")
        await asyncio.wait_for(hears[0].over.wait(), 5)
        assert [ears.over.is_set() for ears in hears[1:]] == [False] * MOST_PER_SESSION


async def test_a_session_whose_time_is_over_is_told_so_without_anybodys_doing(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _):
        [(token, session)] = await signed_in(here, acme.administrator)
        await on.ask("UPDATE sessions SET expires_at = now() + interval '2 seconds' WHERE id = $1", UUID(session))
        # The hot copy still says otherwise: it is read again.
        with on.valkey() as client:
            client.hincrby(f"p:{{{acme.account_id.hex}}}", "epoch", 1)
        async with listen(on.apis[0].url, token) as ears:
            assert (await ears.hear("ended")).facts["reason"] == "expired"


async def test_streams_go_on_after_valkey_was_killed(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, there):
        ada, person = acme.administrator, acme.staff[0]
        [(_, _), (token, session)] = await signed_in(here, ada, person)
        async with listen(on.apis[0].url, token) as ears:
            await ears.hear("seats")
            on.start_valkey_again(on.kill_valkey())
            give_up = time.monotonic() + 20
            with on.valkey() as client:
                while not client.exists(f"r:{{{acme.account_id.hex}}}"):
                    assert time.monotonic() < give_up
                    await asyncio.sleep(0.05)
            tell(on, acme.account_id, "seat_taken", person.user_id.hex, why="lost", by="")
            await ears.hear("seat_taken")
            give_up = time.monotonic() + 20
            while (await there.delete(f"/sessions/{session}", by=here.tokens[ada.email])).status_code != 204:
                assert time.monotonic() < give_up
                await asyncio.sleep(0.2)
            assert (await ears.hear("ended", within=20)).facts["by"] == ada.name
        assert not ears.names()


async def test_many_listeners_hear_of_one_reading_and_leave_nothing_behind(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _):
        [(token, _)] = await signed_in(here, acme.administrator)
        [extra] = on.start_apis(1)
        try:
            before = open_files(extra)
            used = cpu_seconds(extra.popen.pid)
            async with AsyncExitStack() as stack:
                others = [(await here.sign_in(person)).json()["token"] for person in acme.staff]
                hears = [
                    await stack.enter_async_context(listen(extra.url, who))
                    for who in (token, *others)
                    for _ in range(MOST_PER_SESSION)
                ]
                await asyncio.gather(*(ears.hear("seats") for ears in hears))
                await asyncio.sleep(0.5)
                asked = readings(on)
                tell(on, acme.account_id, "seat_taken", why="lost", by="")
                await asyncio.gather(*(ears.hear("seat_taken", within=5) for ears in hears))
                # Once for all of them; a reading that had begun is followed by another.
                assert readings(on) - asked <= 2
            assert cpu_seconds(extra.popen.pid) - used < 5
            await settled(lambda: open_files(extra) <= before + 4)
        finally:
            extra.stop()
            on.apis.remove(extra)


async def test_whoever_reads_nothing_is_cut_off_and_holds_up_nobody(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _):
        [(token, _)] = await signed_in(here, acme.administrator)
        reader, writer = await asyncio.open_connection("127.0.0.1", on.apis[0].port, limit=1)
        writer.write(f"GET /api/v1/session/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        await reader.read(1)
        said, times = "x" * 100_000, 200
        async with listen(on.apis[0].url, token) as ears:
            await ears.hear("seats")
            for number in range(times):
                tell(on, acme.account_id, "seat_taken", why=said, by=str(number))
                await ears.hear("seat_taken", by=str(number))
        taken = 0
        async with asyncio.timeout(20):
            while part := await reader.read(1_000_000):
                taken += len(part)
        assert 0 < taken < len(said) * times * 0.9
        writer.close()


async def test_f7_sigterm_ends_streams_and_the_process_at_once(on: Stage, acme: Company) -> None:
    async with on.callers() as (here, _), AsyncExitStack() as stack:
        [(token, _)] = await signed_in(here, acme.administrator)
        [extra] = on.start_apis(1)
        on.apis.remove(extra)
        hears = [await stack.enter_async_context(listen(extra.url, token)) for _ in range(5)]
        await asyncio.gather(*(ears.hear("seats") for ears in hears))
        began = time.monotonic()
        extra.popen.send_signal(signal.SIGTERM)
        await asyncio.gather(*(asyncio.wait_for(ears.over.wait(), 5) for ears in hears))
        assert await asyncio.to_thread(extra.popen.wait, 10) == 0
        assert time.monotonic() - began < 4
        assert [ears.names() for ears in hears] == [[]] * 5


async def test_a_visitor_hears_the_end_of_their_visit(on: Stage, acme: Company) -> None:
    async with on.house() as house, on.callers() as (here, _):
        operator = await make.operator(house)
        ada, olga = acme.administrator, operator.administrator
        await signed_in(here, ada, olga)
        allowed = await here.post("/account/visits", {"visitor": "operator", "once": True, "rights": ["users.view"]}, by=ada)
        assert allowed.status_code == 201
        visit = await here.post(f"/accounts/{acme.account_id}/visits", {"reason": "A look", "minutes": 10}, by=olga)
        async with listen(on.apis[1].url, visit.json()["token"]) as ears:
            await ears.hear("seats")
            assert (await here.delete(f"/account/visits/{allowed.json()['id']}", by=ada)).status_code == 204
            told = (await ears.hear("ended")).facts
        assert (told["reason"], told["by"]) == ("visit_revoked", ada.name)


async def settled(holds: Callable[[], bool], *, within: float = 10) -> None:
    """Until it holds."""
    give_up = time.monotonic() + within
    while not holds():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)


def readings(on: Stage) -> int:
    """How often a stream was read from where somebody stood."""
    with on.valkey() as client:
        return int(client.info("commandstats")["cmdstat_xrange"]["calls"])


def open_files(process: Process) -> int:
    """Descriptors of a process, sockets included."""
    return len(list(Path(f"/proc/{process.popen.pid}/fd").iterdir()))
