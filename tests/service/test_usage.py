"""How the seats of an account were used, as the scripts count it: exact, by the account's day, and written down exactly once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import redis.asyncio as redis

from service.embedded import Addresses
from tenants.effects import raise_epoch
from tenants.house import House
from tenants.seat_keys import session_key
from tenants.seat_verdicts import Full, HotCopy, Policy, Taken
from tenants.seats import Seats
from tests import make
from tests.api import Api
from tests.make import Company, Person
from workers.usage import Collector, reckon_all

DAY = timedelta(days=1)


async def usage(api: Api, by: Person, **query: int) -> dict[str, Any]:
    answer = await api.get("/account/seats", by=by, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def full_morning(api: Api, house: House) -> Company:
    """Three seats; the administrator and two others sit, one is refused twice and another once."""
    acme = await make.company(house, staff=4, seats=3)
    for person in (acme.administrator, *acme.staff[:2]):
        assert (await api.sign_in(person)).status_code == 201
    for person in (acme.staff[2], acme.staff[3], acme.staff[2]):
        assert (await api.sign_in(person)).status_code == 409
    return acme


async def test_seats_are_counted_to_this_moment_without_a_worker(api: Api, house: House) -> None:
    acme = await full_morning(api, house)
    seen = await usage(api, acme.administrator)
    assert (seen["seats"], seen["in_use"]) == (3, 3)
    (day,) = seen["days"]
    assert {name: day[name] for name in ("peak", "refusals", "sign_ins", "minutes_waited", "idle_seat_minutes")} == {
        "peak": 3,
        "refusals": 3,
        "sign_ins": 3,
        "minutes_waited": 0,
        "idle_seat_minutes": 0,
    }
    assert seen["advice"] == {
        "days": 30,
        "refusals": 3,
        "peak": 3,
        "steps": [{"seats": 4, "avoided": 2}, {"seats": 5, "avoided": 3}],
        "wanted": {"seats": 5, "avoided": 3},
        "spare": 0,
        "sentences": ["5 places would have avoided 3 of 3 refusals."],
    }
    french = await api.get("/account/seats", by=acme.administrator, headers={"Accept-Language": "fr"})
    assert french.json()["advice"]["sentences"] == ["5 places auraient évité 3 refus sur 3."]


async def test_what_was_counted_is_written_down_once_however_often_it_is_collected(api: Api, house: House) -> None:
    acme = await full_morning(api, house)
    before = await usage(api, acme.administrator)
    collector = Collector()
    await collector.collect(house)
    await asyncio.gather(*(each.collect(house) for each in (collector, Collector(), Collector())))
    assert await usage(api, acme.administrator) == before


async def test_figures_are_added_up_when_redis_forgot_during_the_day(api: Api, house: House, servers: Addresses) -> None:
    acme = await full_morning(api, house)
    await Collector().collect(house)
    async with redis.Redis.from_url(servers.redis_url) as client:
        await client.flushall()
    await asyncio.sleep(0.002)  # a life of the figures is named by the millisecond in which it began
    assert (await api.get("/session", by=acme.administrator)).status_code == 200
    await api.delete("/session", by=acme.staff[0])
    assert (await api.sign_in(acme.staff[0])).status_code in {201, 503}
    await asyncio.sleep(5.1)  # until seats are no longer kept for those who were at work
    for person in acme.staff[1:]:
        await api.sign_in(person)
    (day,) = (await usage(api, acme.administrator))["days"]
    assert day["peak"] == 3
    assert day["sign_ins"] >= 4
    assert day["refusals"] >= 4
    await Collector().collect(house)
    assert (await usage(api, acme.administrator))["days"] == [day]


async def test_usage_of_others_is_not_shown_and_needs_the_right(api: Api, house: House) -> None:
    acme = await full_morning(api, house)
    bistro = await make.company(house, "Bistro", staff=1)
    await api.sign_in(bistro.administrator)
    await Collector().collect(house)
    (day,) = (await usage(api, bistro.administrator))["days"]
    assert (day["peak"], day["refusals"]) == (1, 0)
    refused = await api.get("/account/seats", by=acme.staff[0])
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("days", [0, -1, 776, "many"])
async def test_an_odd_number_of_days_is_refused(api: Api, house: House, days: object) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    assert (await api.get("/account/seats", by=acme.administrator, params={"days": days})).status_code == 422


async def test_days_older_than_25_months_go_and_younger_ones_stay(house: House, emptied: Addresses) -> None:
    acme = await make.company(house, staff=0)
    superuser = await asyncpg.connect(emptied.superuser_url)
    try:
        await superuser.execute(
            "INSERT INTO usage_days SELECT $1, (current_date - age::interval)::date, 'x', 1, 0, 0, 0, 0, '{}', '{}' "
            "FROM unnest(ARRAY['25 months 1 day', '25 months', '1 day']) age",
            acme.account_id,
        )
        await reckon_all(house)
        left = await superuser.fetch("SELECT day >= current_date - interval '25 months' AS young FROM usage_days")
    finally:
        await superuser.close()
    assert [row["young"] for row in left] == [True, True]


class Pool:
    """An account of the scripts alone, whose midnight is where a test wants it."""

    def __init__(self, seats: Seats) -> None:
        self.seats, self.account_id = seats, uuid4()
        self.tokens: dict[UUID, UUID] = {}

    async def load(self, *, cap: int, midnight_in: timedelta, holds_for: timedelta = DAY) -> None:
        now = datetime.now(UTC)
        since_midnight = now - now.replace(hour=0, minute=0, second=0, microsecond=0)
        policy = Policy(cap, timedelta(minutes=30), holds_for=holds_for, utc_offset=DAY - since_midnight - midnight_in)
        await self.seats.load_policy(self.account_id, policy, epoch=await self.seats.epoch(self.account_id), alive=0)

    async def enter(self) -> UUID:
        user, session = uuid4(), uuid4()
        taken = await self.seats.take(self.account_id, user_id=user, session_id=session, unit="user", sessions_per_user=1, alive=[])
        assert isinstance(taken, Taken), taken
        copy = HotCopy(self.account_id, session, user, user, b"t", b"b", datetime.now(UTC) + timedelta(hours=1))
        await self.seats.open("open", copy, epoch=taken.epoch)
        self.tokens[user] = session
        return user

    async def work(self, user: UUID) -> object:
        return await self.seats.keep(session_key(self.account_id, self.tokens[user], b"t"))

    async def leave(self, user: UUID) -> None:
        await self.seats.end(self.account_id, user_id=user, session_id=self.tokens[user], why="signed_out", remember=60)

    async def peaks(self) -> list[int]:
        figures = await self.seats.figures(self.account_id)
        assert figures is not None
        return [values.get("p", 0) for _, values in sorted(figures.by_day.items())]


async def test_a_day_begins_with_those_who_work_past_midnight(house: House) -> None:
    pool = Pool(house.seats)
    await pool.load(cap=9, midnight_in=timedelta(seconds=0.4))
    one, two, three = [await pool.enter() for _ in range(3)]
    await pool.leave(three)
    assert await pool.peaks() == [3]
    await asyncio.sleep(0.5)
    await pool.leave(one)
    await pool.work(two)
    assert await pool.peaks() == [3, 2]
    for _ in range(2):
        await pool.enter()
    assert await pool.peaks() == [3, 3]


async def test_a_peak_stands_when_clocks_are_set_forth_and_back(house: House) -> None:
    pool = Pool(house.seats)
    await pool.load(cap=9, midnight_in=timedelta(hours=3))
    people = [await pool.enter() for _ in range(3)]
    await pool.load(cap=9, midnight_in=timedelta(hours=3) - DAY)
    await pool.work(people[0])
    for person in people[1:]:
        await pool.leave(person)
    await pool.load(cap=9, midnight_in=timedelta(hours=3))
    await pool.work(people[0])
    assert (await pool.peaks())[0] == 3


async def test_who_was_refused_is_forgotten_by_itself(house: House) -> None:
    pool = Pool(house.seats)
    await pool.load(cap=1, midnight_in=timedelta(hours=3))
    await pool.enter()
    for _ in range(50):
        refused = await house.seats.take(
            pool.account_id, user_id=uuid4(), session_id=uuid4(), unit="user", sessions_per_user=1, alive=[]
        )
        assert isinstance(refused, Full)
    for kind in ("w", "v"):
        left = await house.valkey.call(b"PTTL", f"{kind}:{{{pool.account_id.hex}}}".encode())
        assert 0 < left <= 30 * 60 * 1000, kind


async def test_days_that_are_over_and_written_down_leave_redis_and_the_last_two_stay(house: House) -> None:
    pool = Pool(house.seats)
    await pool.load(cap=9, midnight_in=timedelta(hours=3))
    await pool.enter()
    figures = await house.seats.figures(pool.account_id)
    assert figures is not None
    await pool.load(cap=9, midnight_in=timedelta(hours=3) - 2 * DAY)
    await house.seats.forget_figures(pool.account_id, [figures.today, figures.today + DAY, figures.today + 2 * DAY])
    later = await house.seats.figures(pool.account_id)
    assert later is not None
    assert sorted(later.by_day) == [figures.today + 2 * DAY]
    assert later.by_day[figures.today + 2 * DAY] == {"p": 1}


async def test_a_number_of_seats_that_no_longer_holds_is_read_again_before_anybody_gets_in(house: House) -> None:
    pool = Pool(house.seats)
    await pool.load(cap=2, midnight_in=timedelta(hours=3), holds_for=timedelta(seconds=0.3))
    one = await pool.enter()
    await asyncio.sleep(0.4)
    assert await pool.work(one) != "reread"
    assert (
        await house.seats.take(pool.account_id, user_id=uuid4(), session_id=uuid4(), unit="user", sessions_per_user=1, alive=[])
        == "reread"
    )


async def test_a_boost_begins_and_ends_on_time_though_nobody_works_on_it(api: Api, house: House, emptied: Addresses) -> None:
    acme = await make.company(house, staff=3, seats=1)
    one, two, three = acme.staff
    assert (await api.sign_in(one)).status_code == 201
    assert (await api.sign_in(two)).status_code == 409
    superuser = await asyncpg.connect(emptied.superuser_url)
    try:
        # Planned behind the back of every process, as if it had been given long ago: no epoch is raised when it begins.
        await superuser.execute(
            "INSERT INTO boosts (account_id, id, seats, starts_at, ends_at, by_name) "
            "VALUES ($1, $2, 1, now() + interval '1 second', now() + interval '3 seconds', 'Rita')",
            acme.account_id,
            uuid4(),
        )
    finally:
        await superuser.close()
    async with house.database.transaction(acme.account_id) as session:
        raise_epoch(session, acme.account_id)
    assert (await api.sign_in(two)).status_code == 409
    await asyncio.sleep(1.1)
    assert (await api.sign_in(two)).status_code == 201
    refused = await api.sign_in(three)
    assert (refused.status_code, refused.json()["seats"]) == (409, 2)
    await asyncio.sleep(2)
    # Over: it drains. Nobody is put out, nobody enters until fewer are at work.
    for person in (one, two):
        assert (await api.get("/session", by=person)).status_code == 200
    await api.delete("/session", by=one)
    refused = await api.sign_in(three)
    assert (refused.status_code, refused.json()["seats"], refused.json()["in_use"]) == (409, 1, 1)
    await api.delete("/session", by=two)
    assert (await api.sign_in(three)).status_code == 201
