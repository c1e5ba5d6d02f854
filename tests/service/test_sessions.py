"""Signing in, seats and sessions through the front door; each seat rule by its number."""

from asyncio import gather

import asyncpg
import httpx
import pytest

from service.embedded import Addresses
from tenants.house import House, open_house
from tenants.settings import Settings
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.make import Company, Person


async def test_signing_in_tells_who_one_is(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    answer = await api.sign_in(acme.staff[0])
    assert answer.status_code == 201
    assert set(answer.json()) == {"token", "session", "user", "account", "seat", "ended"}
    assert answer.json()["seat"]["kind"] == "pool"
    me = (await api.get("/session", by=acme.staff[0])).json()
    assert me["user"]["email"] == acme.staff[0].email
    assert me["account"]["slug"] == "acme"
    assert me["seat"]["kind"] == "pool"
    assert "invoices.view" in me["rights"]
    assert "users.manage" not in me["rights"]
    assert me["departments"] is None
    assert me["session"]["id"] == answer.json()["session"]["id"]


async def test_rule_1_last_seat_is_taken_once(api: Api, house: House) -> None:
    acme = await make.company(house, staff=9, seats=3)
    answers = await gather(*(api.sign_in(person) for person in acme.people))
    assert sorted(a.status_code for a in answers) == [201] * 3 + [409] * 7
    outside = next(person for person, answer in zip(acme.people, answers, strict=True) if answer.status_code == 409)
    refused = (await api.sign_in(outside)).json()
    assert refused["code"] == "seats_full"
    assert (refused["seats"], refused["in_use"]) == (3, 3)
    assert len(refused["holders"]) == 3
    assert refused["choices"][0] == "retry"
    assert refused["ticket"]


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_rule_2_seat_unit_decides_whether_a_second_browser_takes_a_second_seat(api: Api, house: House, unit: str) -> None:
    acme = await make.company(house, staff=2, seats=2)
    await _settings(api, acme, seat_unit=unit, sessions_per_user=2)
    await api.delete("/session", by=acme.administrator)
    one, other = acme.staff
    assert (await api.sign_in(one)).status_code == 201
    assert (await api.sign_in(one)).status_code == 201
    assert (await api.sign_in(other)).status_code == (201 if unit == "user" else 409)


async def test_rule_3_own_least_recently_used_session_is_replaced(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=5)
    await _settings(api, acme, seat_unit="session", sessions_per_user=2)
    person = acme.staff[0]
    first, second = [(await api.sign_in(person)).json()["token"] for _ in range(2)]
    assert (await api.get("/session", by=first)).status_code == 200
    third = (await api.sign_in(person)).json()
    assert [ended["reason"] for ended in third["ended"]] == ["replaced"]
    assert (await api.get("/session", by=first)).status_code == 200
    told = await api.get("/session", by=second)
    assert told.status_code == 401
    assert told.json()["ended"]["reason"] == "replaced"
    assert told.json()["ended"]["by"] == person.name


async def test_rule_3_order_of_use_holds_within_one_millisecond(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1, seats=5)
    await _settings(api, acme, seat_unit="session", sessions_per_user=2)
    person = acme.staff[0]
    kept = (await api.sign_in(person)).json()["token"]
    for _ in range(40):
        # The answer of one request and the script of the next are about half a millisecond apart here.
        second = (await api.sign_in(person)).json()["token"]
        assert (await api.get("/session", by=kept)).status_code == 200
        await api.sign_in(person)
        assert (await api.get("/session", by=second)).status_code == 401
        assert (await api.get("/session", by=kept)).status_code == 200
        await api.delete("/session", by=kept)
        kept = api.tokens[person.email]


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_r7_whoever_crashed_gets_back_in_when_the_pool_is_full(api: Api, house: House, unit: str) -> None:
    acme = await make.company(house, staff=2, seats=2)
    await _settings(api, acme, seat_unit=unit)
    await api.delete("/session", by=acme.administrator)
    for person in acme.staff:
        await api.sign_in(person)
    assert (await api.sign_in(acme.administrator)).status_code == 409
    again = await api.sign_in(acme.staff[0])
    assert again.status_code == 201
    assert len(again.json()["ended"]) == 1
    assert (await house.seats.presence(acme.account_id)).in_use == 2
    assert (await api.sign_in(acme.administrator)).status_code == 409


async def test_rule_4_an_idle_seat_is_released_and_taken_again_silently(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    one, other = acme.staff
    await api.sign_in(one)
    assert (await api.sign_in(other)).status_code == 409
    await _let_idle(house, acme)
    assert (await api.sign_in(other)).status_code == 201
    waiting = await api.get("/session", by=one)
    assert waiting.status_code == 409
    assert waiting.json()["code"] == "seats_full"
    await api.delete("/session", by=other)
    assert (await api.get("/session", by=one)).status_code == 200


async def test_a_session_without_a_seat_can_still_sign_out(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    one, other = acme.staff
    await api.sign_in(one)
    await _let_idle(house, acme)
    await api.sign_in(other)
    assert (await api.delete("/session", by=one)).status_code == 204
    assert (await api.get("/session", by=one)).status_code == 401
    assert (await api.get("/session", by=other)).status_code == 200


async def test_rule_7_an_administrator_makes_room_with_the_right(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=2)
    for person in acme.staff:
        await api.sign_in(person)
    refused = (await api.sign_in(acme.administrator)).json()
    assert "end_other" in refused["choices"]
    victim = next(holder for holder in refused["holders"] if holder["name"] == acme.staff[0].name)
    entered = await api.post("/login", {"ticket": refused["ticket"], "replace_session": victim["session_id"]})
    assert entered.status_code == 201
    assert entered.json()["ended"] == [{"session_id": victim["session_id"], "reason": "ended_for_room"}]
    told = (await api.get("/session", by=acme.staff[0])).json()
    assert told["ended"]["reason"] == "ended_for_room"
    assert told["ended"]["by"] == acme.administrator.name
    assert (await api.get("/session", by=acme.staff[1])).status_code == 200


async def test_rule_7_nobody_else_can_end_a_colleague(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    one, other = acme.staff
    await api.sign_in(one)
    refused = (await api.sign_in(other)).json()
    assert "end_other" not in refused["choices"]
    holder = refused["holders"][0]["session_id"]
    tried = await api.post("/login", {"email": other.email, "password": other.password, "replace_session": holder})
    assert tried.status_code == 404
    assert (await api.get("/session", by=one)).status_code == 200
    await api.sign_in(one)
    assert (await api.delete(f"/sessions/{holder}", by=one)).status_code == 404


async def test_holders_are_not_named_where_the_account_does_not_show_them(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    await _settings(api, acme, show_holders=False)
    await api.delete("/session", by=acme.administrator)
    await api.sign_in(acme.staff[0])
    assert (await api.sign_in(acme.staff[1])).json()["holders"] == []
    assert len((await api.sign_in(acme.administrator)).json()["holders"]) == 1


async def test_rule_12_a_raised_cap_works_at_the_next_sign_in_on_another_process(
    api: Api, house: House, settings: Settings
) -> None:
    reseller = await make.company(house, "Horizon", kind="reseller", staff=0)
    acme = await make.company(house, staff=2, seats=1, parent=reseller)
    await api.sign_in(acme.staff[0])
    elsewhere = open_house(settings)
    async with open_client(application(elsewhere, beside=1)) as client:
        other = Api(client)
        assert (await other.sign_in(acme.staff[1])).status_code == 409
        await api.sign_in(reseller.administrator)
        raised = await _sell(api, reseller, acme, seats=2)
        assert raised.status_code == 200
        assert (await other.sign_in(acme.staff[1])).status_code == 201
    await elsewhere.close()


async def test_rule_12_a_lowered_cap_drains(api: Api, house: House) -> None:
    reseller = await make.company(house, "Horizon", kind="reseller", staff=0)
    acme = await make.company(house, staff=3, seats=3, parent=reseller)
    await api.sign_in(reseller.administrator)
    for person in acme.staff:
        await api.sign_in(person)
    assert (await _sell(api, reseller, acme, seats=1)).status_code == 200
    for person in acme.staff:
        assert (await api.get("/session", by=person)).status_code == 200
    await api.delete("/session", by=acme.staff[0])
    assert (await api.sign_in(acme.staff[0])).status_code == 409
    assert (await api.sign_in(acme.staff[1])).status_code == 201
    await api.delete("/session", by=acme.staff[1])
    await api.delete("/session", by=acme.staff[2])
    assert (await api.sign_in(acme.staff[0])).status_code == 201
    assert (await api.sign_in(acme.staff[1])).status_code == 409


async def test_rule_13_a_refusal_for_lack_of_seats_is_no_failed_try(house: House, settings: Settings) -> None:
    strict = open_house(settings.model_copy(update={"attempts_per_identity": 3}))
    acme = await make.company(strict, staff=2, seats=1)
    async with open_client(application(strict, beside=1)) as client:
        api = Api(client)
        await api.sign_in(acme.staff[0])
        for _ in range(6):
            assert (await api.sign_in(acme.staff[1])).status_code == 409
    assert await _events(strict, acme, "seat.refused") == 6
    assert await _events(strict, acme, "session.sign_in_failed") == 0
    await strict.close()


async def test_x9_guesses_are_throttled_for_strangers_and_not_for_a_known_place(house: House, settings: Settings) -> None:
    strict = open_house(settings.model_copy(update={"attempts_per_identity": 3}))
    acme = await make.company(strict, staff=1)
    person = acme.staff[0]
    app = application(strict, beside=1)
    async with open_client(app, ip="192.0.2.7") as home, open_client(app, ip="198.51.100.9") as away:
        assert (await Api(home).sign_in(person)).status_code == 201
        guesses = [await Api(away).sign_in(Person(person.email, "", "", person.user_id, f"wrong guess {n}")) for n in range(5)]
        assert [g.status_code for g in guesses] == [401, 401, 401, 429, 429]
        assert int(guesses[-1].headers["retry-after"]) > 0
        assert (await Api(away).sign_in(person)).status_code == 429
        assert (await Api(home).sign_in(person)).status_code == 201
    await strict.close()


async def test_x9_parallel_guesses_do_not_pass_the_limit(house: House, settings: Settings) -> None:
    strict = open_house(settings.model_copy(update={"attempts_per_identity": 10}))
    acme = await make.company(strict, staff=1)
    async with open_client(application(strict, beside=1)) as client:
        wrong = Person(acme.staff[0].email, "", "", acme.staff[0].user_id, "a wrong password")
        answers = await gather(*(Api(client).sign_in(wrong) for _ in range(60)))
    assert sorted(a.status_code for a in answers) == [401] * 10 + [429] * 50
    await strict.close()


async def test_r8_a_suspended_person_is_out_before_the_answer(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    person = acme.staff[0]
    await api.sign_in(acme.administrator)
    await api.sign_in(person)
    await api.patch(f"/users/{person.user_id}", {"status": "suspended", "reason": "Holidays"}, by=acme.administrator)
    told = await api.get("/session", by=person)
    assert told.status_code == 401
    assert told.json()["ended"]["reason"] == "suspended"
    refused = await api.sign_in(person)
    assert refused.status_code == 403
    assert refused.json()["code"] == "user_suspended"
    assert refused.json()["contact"] == acme.administrator.email


async def test_r8_a_new_role_holds_at_the_next_request_without_signing_out(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    person = acme.staff[0]
    await api.sign_in(acme.administrator)
    await api.sign_in(person)
    assert (await api.get("/users", by=person)).status_code == 403
    await api.patch(f"/users/{person.user_id}", {"role": "simple_administrator"}, by=acme.administrator)
    assert (await api.get("/users", by=person)).status_code == 200
    await api.patch(f"/users/{person.user_id}", {"role": "accountant"}, by=acme.administrator)
    assert (await api.get("/users", by=person)).status_code == 403


async def test_f2_sessions_come_back_after_redis_forgot_and_ended_ones_do_not(api: Api, house: House) -> None:
    acme = await make.company(house, staff=3, seats=2)
    one, two, three = acme.staff
    await api.sign_in(one)
    await api.sign_in(two)
    ended = api.tokens[one.email]
    await api.delete("/session", by=one)
    await api.sign_in(one)
    await house.valkey.call(b"FLUSHALL")
    newcomer = await api.sign_in(three)
    assert newcomer.status_code == 503, "places are kept a moment for those who were at work"
    assert int(newcomer.headers["retry-after"]) <= 5
    assert (await api.get("/session", by=one)).status_code == 200
    assert (await api.get("/session", by=two)).status_code == 200
    assert (await api.get("/session", by=ended)).status_code == 401
    assert (await api.sign_in(three)).status_code == 409


async def test_a_change_whose_process_died_around_the_commit_works_a_moment_later(
    api: Api, house: House, servers: Addresses
) -> None:
    acme = await make.company(house, staff=1)
    await api.sign_in(acme.staff[0])
    # What a killed process leaves: announced and committed, never settled.
    await house.seats.announce(acme.account_id, "the change of a dead process")
    connection = await asyncpg.connect(servers.superuser_url)
    await connection.execute("UPDATE users SET role = 'accountant' WHERE id = $1", acme.staff[0].user_id)
    await connection.close()
    assert (await api.get("/session", by=acme.staff[0])).json()["user"]["role"] == "user"
    await _shift(house, f"c:{{{acme.account_id.hex}}}", -60_000)
    await house.valkey.call(b"HSET", f"p:{{{acme.account_id.hex}}}", b"recheck", 1)
    assert (await api.get("/session", by=acme.staff[0])).json()["user"]["role"] == "accountant"
    assert (await api.get("/session", by=acme.staff[0])).status_code == 200


async def test_the_absolute_end_of_a_session_holds(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    await api.sign_in(acme.staff[0])
    connection = await asyncpg.connect(servers.superuser_url)
    await connection.execute("UPDATE sessions SET expires_at = now() - interval '1 second'")
    await connection.close()
    await house.valkey.call(b"FLUSHALL")
    told = await api.get("/session", by=acme.staff[0])
    assert told.status_code == 401
    assert told.json()["ended"]["reason"] == "expired"


async def test_x5_a_token_is_worthless_after_signing_out_and_when_altered(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    await api.sign_in(acme.staff[0])
    token = api.tokens[acme.staff[0].email]
    for wrong in (token[:-1], token + "A", token.swapcase(), token[:50] + "AAAA" + token[54:], "", "ptl_", "x" * 100_000):
        assert (await api.get("/session", by=wrong)).status_code == 401
    assert (await api.get("/session", by=token)).status_code == 200
    await api.delete("/session", by=token)
    assert (await api.get("/session", by=token)).json()["ended"]["reason"] == "signed_out"


async def test_the_list_of_sessions_shows_all_with_the_right_and_only_own_without(api: Api, house: House) -> None:
    acme = await make.company(house, staff=2)
    for person in acme.people:
        await api.sign_in(person)
    everything = (await api.get("/sessions", by=acme.administrator)).json()["items"]
    assert {item["user"]["email"] for item in everything} == {person.email for person in acme.people}
    assert [item["current"] for item in everything] == [True, False, False]
    assert {item["seat"] for item in everything} == {"working"}
    own = (await api.get("/sessions", by=acme.staff[0])).json()["items"]
    assert [item["user"]["email"] for item in own] == [acme.staff[0].email]
    ended = await api.delete(f"/users/{acme.staff[1].user_id}/sessions?reason=Training", by=acme.administrator)
    assert ended.json() == {"ended": 1}
    assert (await api.get("/session", by=acme.staff[1])).status_code == 401


async def test_an_answer_never_goes_to_another_request(api: Api, house: House) -> None:
    acme = await make.company(house, staff=9)
    for person in acme.people:
        await api.sign_in(person)

    async def ask(person: Person) -> bool:
        return bool((await api.get("/session", by=person)).json()["user"]["email"] == person.email)

    assert all(await gather(*(ask(person) for _ in range(20) for person in acme.people)))


async def _settings(api: Api, company: Company, **wanted: object) -> None:
    await api.sign_in(company.administrator)
    answer = await api.patch("/account", wanted, by=company.administrator)
    assert answer.status_code == 200, answer.text


async def _sell(api: Api, reseller: Company, client: Company, *, seats: int) -> httpx.Response:
    path = f"/accounts/{client.account_id}/licence"
    tag = (await api.get(path, by=reseller.administrator)).headers["etag"]
    return await api.put(path, {"plan": "enterprise", "seats": seats}, by=reseller.administrator, headers={"If-Match": tag})


async def _let_idle(house: House, company: Company) -> None:
    """As if everybody had been silent for an hour."""
    await _shift(house, f"h:{{{company.account_id.hex}}}", -3_600_000)


async def _shift(house: House, key: str, milliseconds: int) -> None:
    for member in await house.valkey.call(b"ZRANGE", key, 0, -1):
        await house.valkey.call(b"ZINCRBY", key, milliseconds, member)


async def _events(house: House, company: Company, event: str) -> int:
    from sqlalchemy import func, select

    from tenants.activity import Activity

    async with house.database.transaction(company.account_id) as session:
        found = await session.scalar(select(func.count()).select_from(Activity).where(Activity.event == event))
    return found or 0


def test_moments_are_utc() -> None:
    from service.api.sessions import moment

    assert moment(0) == b"1970-01-01T00:00:00Z"
