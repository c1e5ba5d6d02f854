"""Boosts: more places for a time. They begin and end by the database's clock, and nobody is put out at their end."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.embedded import Addresses
from tenants.house import House, open_house
from tests import make
from tests.api import Api, open_client
from tests.conftest import MailServer, application
from tests.make import Company
from tests.tenants.rows import sql
from tests.workers.post import deliver, text_of

NBSP = "\u00a0"
DAY = timedelta(days=1)


@pytest.fixture
async def north(api: Api, house: House) -> Company:
    """A reseller, signed in."""
    reseller = await make.company(house, "North", kind="reseller", staff=0)
    await api.sign_in(reseller.administrator)
    return reseller


@pytest.fixture
async def acme(house: House, north: Company) -> Company:
    """Its client with one place, and four people."""
    return await make.company(house, "Acme", parent=north, seats=1, staff=3)


def later(span: timedelta) -> str:
    """A moment from now on."""
    return (datetime.now(UTC) + span).isoformat()


async def give(api: Api, by: Company, to: Company, **body: Any) -> httpx.Response:
    return await api.post(f"/accounts/{to.account_id}/boosts", {"seats": 1, "ends_at": later(DAY), **body}, by=by.administrator)


async def enters(api: Api, company: Company, number: int) -> int:
    return (await api.sign_in(company.people[number])).status_code


def refused(answer: httpx.Response) -> tuple[str, str]:
    """Field and code of the one value that is refused."""
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    return error["field"], error["code"]


async def test_a_boost_works_at_the_next_sign_in_and_ends_without_putting_anyone_out(
    api: Api, north: Company, acme: Company
) -> None:
    assert [await enters(api, acme, number) for number in (0, 1)] == [201, 409]
    boost = await give(api, north, acme, seats=2, reason="Inventory")
    assert boost.status_code == 201
    assert [await enters(api, acme, number) for number in (1, 2, 3)] == [201, 201, 409]
    ended = await api.delete(f"/accounts/{acme.account_id}/boosts/{boost.json()['id']}", by=north.administrator)
    assert ended.status_code == 204
    # All three go on; nobody enters until fewer are at work than there are places.
    assert [(await api.get("/session", by=person)).status_code for person in acme.people[:3]] == [200, 200, 200]
    assert await enters(api, acme, 3) == 409
    for person in acme.people[:2]:
        await api.delete("/session", by=person)
    assert await enters(api, acme, 3) == 409
    await api.delete("/session", by=acme.people[2])
    assert await enters(api, acme, 3) == 201


async def test_a_boost_is_shown_to_both_sides_beside_the_licence(api: Api, north: Company, acme: Company) -> None:
    starts, ends = later(timedelta(hours=1)), later(DAY)
    boost = (await give(api, north, acme, seats=3, starts_at=starts, ends_at=ends, reason=" Fair ")).json()
    assert (boost["state"], boost["adds_now"], boost["reason"], boost["warnings"]) == ("planned", False, "Fair", [])
    assert datetime.fromisoformat(boost["starts_at"]) == datetime.fromisoformat(starts)
    assert boost["by"] == "Ada of North"
    await api.sign_in(acme.administrator)
    own = (await api.get("/account/licence", by=acme.administrator)).json()
    assert (own["seats"]["limit"], own["boosted"]) == (1, 0)
    assert own["boosts"] == [boost]
    seen = (await api.get(f"/accounts/{acme.account_id}/licence", by=north.administrator)).json()
    assert seen["boosts"] == [boost]
    now = (await give(api, north, acme, seats=2, ends_at=starts)).json()
    assert (now["state"], now["adds_now"]) == ("live", True)
    own = (await api.get("/account/licence", by=acme.administrator)).json()
    assert (own["seats"]["limit"], own["boosted"], [one["id"] for one in own["boosts"]]) == (1, 2, [now["id"], boost["id"]])
    await api.delete(f"/accounts/{acme.account_id}/boosts/{now['id']}", by=north.administrator)
    own = (await api.get("/account/licence", by=acme.administrator)).json()
    assert (own["boosted"], [one["id"] for one in own["boosts"]]) == (0, [boost["id"]])
    listed = (await api.get(f"/accounts/{acme.account_id}/boosts", by=north.administrator)).json()["items"]
    assert [(one["id"], one["state"], one["ended_by"]) for one in listed] == [
        (boost["id"], "planned", None),
        (now["id"], "ended", "Ada of North"),
    ]


async def test_a_weekly_boost_follows_the_clients_clocks(api: Api, north: Company, acme: Company, servers: Addresses) -> None:
    await sql(servers, "UPDATE accounts SET time_zone = 'Pacific/Auckland' WHERE id = $1", acme.account_id)
    weekly = {"days": ["sunday", "monday"], "from": "00:00", "to": "24:00"}
    boost = (await give(api, north, acme, ends_at=None, weekly=weekly)).json()
    assert boost["weekly"] == {"days": ["monday", "sunday"], "from": "00:00", "to": "24:00"}
    assert (boost["state"], boost["ends_at"]) == ("live", None)
    [(here,)] = await sql(servers, "SELECT extract(isodow FROM now() AT TIME ZONE 'Pacific/Auckland')::int")
    assert boost["adds_now"] == (here in (7, 1))
    other = {"days": ["tuesday"], "from": "08:00", "to": "12:00"}
    assert (await give(api, north, acme, ends_at=None, weekly=other)).status_code == 201
    touching = {"days": ["tuesday", "wednesday"], "from": "11:59", "to": "13:00"}
    assert (await give(api, north, acme, ends_at=None, weekly=touching)).json()["code"] == "boost_overlaps"
    after = {"days": ["tuesday", "wednesday"], "from": "12:00", "to": "13:00"}
    assert (await give(api, north, acme, ends_at=None, weekly=after)).status_code == 201


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"seats": 0}, ("seats", "out_of_range")),
        ({"seats": -1}, ("seats", "out_of_range")),
        ({"seats": 1_000_001}, ("seats", "out_of_range")),
        ({"seats": 1.5}, ("seats", "wrong_type")),
        ({"seats": 10**30}, ("seats", "out_of_range")),
        ({"ends_at": None}, ("ends_at", "required")),
        ({"ends_at": "2020-01-01T00:00:00Z"}, ("ends_at", "in_the_past")),
        ({"ends_at": "0001-01-01T00:00:00+14:00"}, ("ends_at", "in_the_past")),
        ({"ends_at": "9999-12-31T23:59:59-12:00"}, ("ends_at", "out_of_range")),
        ({"ends_at": "2900-01-01T00:00:00"}, ("ends_at", "malformed")),
        ({"starts_at": "2020-01-01T00:00:00Z"}, ("starts_at", "in_the_past")),
        ({"starts_at": "2900-01-01T00:00:00Z", "ends_at": "2900-01-02T00:00:00Z"}, ("starts_at", "out_of_range")),
        ({"starts_at": later(2 * DAY)}, ("ends_at", "before_start")),
        ({"weekly": {"days": [], "from": "08:00", "to": "12:00"}}, ("weekly.days", "too_short")),
        ({"weekly": {"days": ["monday", "monday"], "from": "08:00", "to": "12:00"}}, ("weekly.days", "repeated")),
        ({"weekly": {"days": ["monday"], "from": "12:00", "to": "12:00"}}, ("weekly.to", "before_start")),
        ({"weekly": {"days": ["monday"], "from": "22:00", "to": "06:00"}}, ("weekly.to", "before_start")),
        ({"weekly": {"days": ["monday"], "from": "24:00", "to": "24:00"}}, ("weekly.from", "malformed")),
        ({"weekly": {"days": ["monday"], "from": "08:00", "to": "25:00"}}, ("weekly.to", "malformed")),
        ({"reason": "a\nb"}, ("reason", "control_characters")),
        ({"plan": "pro"}, ("plan", "unknown_field")),
    ],
)
async def test_what_no_boost_can_be_is_refused_and_leaves_nothing(
    api: Api, north: Company, acme: Company, servers: Addresses, *, body: dict[str, Any], error: tuple[str, str]
) -> None:
    assert refused(await give(api, north, acme, **body)) == error
    assert await sql(servers, "SELECT 1 FROM boosts") == []


async def test_a_pattern_without_a_day_between_its_dates_is_refused(api: Api, north: Company, acme: Company) -> None:
    # From one Tuesday to the next Sunday there is no Monday.
    today = datetime.now(UTC)
    tuesday = today + timedelta(days=(8 - today.weekday()) % 7 + 7)
    dates = {"starts_at": tuesday.isoformat(), "ends_at": (tuesday + 4 * DAY).isoformat()}
    weekly = {"days": ["monday"], "from": "08:00", "to": "12:00"}
    assert refused(await give(api, north, acme, **dates, weekly=weekly)) == ("weekly", "never_happens")


async def test_half_a_minute_ago_is_now(api: Api, north: Company, acme: Company) -> None:
    answer = await give(api, north, acme, starts_at=later(-timedelta(seconds=30)))
    assert (answer.status_code, answer.json()["state"]) == (201, "live")


async def test_boosts_of_one_client_do_not_overlap(api: Api, north: Company, acme: Company) -> None:
    first = (await give(api, north, acme, seats=4, ends_at=later(DAY))).json()
    answer = await give(api, north, acme, starts_at=later(DAY - timedelta(minutes=1)), ends_at=later(2 * DAY))
    body = answer.json()
    assert (answer.status_code, body["code"], body["boost"], body["seats"]) == (409, "boost_overlaps", first["id"], 4)
    assert re.search(r"begins on \d+ \w+ \d{4}, \d\d:\d\d UTC \(places: 4\)", body["detail"]), body["detail"]
    assert [datetime.fromisoformat(body[name]) for name in ("starts_at", "ends_at")] == [
        datetime.fromisoformat(first[name]) for name in ("starts_at", "ends_at")
    ]
    assert (await give(api, north, acme, starts_at=first["ends_at"], ends_at=later(2 * DAY))).status_code == 201
    await api.delete(f"/accounts/{acme.account_id}/boosts/{first['id']}", by=north.administrator)
    assert (await give(api, north, acme, ends_at=first["ends_at"])).status_code == 201


async def test_one_client_has_so_many_boosts_at_once_and_no_more(
    api: Api, north: Company, acme: Company, servers: Addresses
) -> None:
    await sql(
        servers,
        "INSERT INTO boosts (account_id, id, seats, starts_at, ends_at, by_name) SELECT $1, gen_random_uuid(), 1, "
        "now() + n * interval '1 hour', now() + (n + 1) * interval '1 hour', 'N' FROM generate_series(1, 49) n",
        acme.account_id,
    )
    last = await give(api, north, acme, ends_at=later(timedelta(minutes=30)))
    assert last.status_code == 201
    more = {"starts_at": later(9 * DAY), "ends_at": later(10 * DAY)}
    answer = await give(api, north, acme, **more)
    assert (answer.status_code, answer.json()["code"], answer.json()["max"]) == (409, "not_in_state", 50)
    await api.delete(f"/accounts/{acme.account_id}/boosts/{last.json()['id']}", by=north.administrator)
    assert (await give(api, north, acme, **more)).status_code == 201


async def test_a_boost_is_ended_once(api: Api, north: Company, acme: Company, servers: Addresses) -> None:
    first = (await give(api, north, acme)).json()["id"]
    path = f"/accounts/{acme.account_id}/boosts"
    assert (await api.delete(f"{path}/{first}", by=north.administrator)).status_code == 204
    answer = await api.delete(f"{path}/{first}", by=north.administrator)
    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "not_in_state", "ended")
    second = (await give(api, north, acme)).json()["id"]
    await sql(servers, "UPDATE boosts SET starts_at = now() - '2 days'::interval, ends_at = now() WHERE id = $1::uuid", second)
    assert (await api.delete(f"{path}/{second}", by=north.administrator)).status_code == 409
    assert (await api.delete(f"{path}/{uuid4()}", by=north.administrator)).status_code == 404


async def test_boosts_of_strangers_are_not_found(api: Api, house: House, north: Company, acme: Company) -> None:
    boost = (await give(api, north, acme)).json()["id"]
    south = await make.company(house, "South", kind="reseller", staff=0)
    operator = await make.operator(house)
    for stranger in (south, operator):
        await api.sign_in(stranger.administrator)
        path = f"/accounts/{acme.account_id}/boosts"
        assert (await give(api, stranger, acme)).status_code == 404
        assert (await api.get(path, by=stranger.administrator)).status_code == 404
        assert (await api.delete(f"{path}/{boost}", by=stranger.administrator)).status_code == 404
    own = await make.company(house, "Own", parent=south, staff=0)
    assert (await api.delete(f"/accounts/{own.account_id}/boosts/{boost}", by=south.administrator)).status_code == 404
    await api.sign_in(acme.administrator)
    assert (await give(api, acme, acme)).status_code == 403


async def test_a_closed_client_gets_no_boost(api: Api, north: Company, acme: Company) -> None:
    await api.patch(f"/accounts/{acme.account_id}", {"status": "closed"}, by=north.administrator)
    answer = await give(api, north, acme)
    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "not_in_state", "closed")


async def test_both_sides_have_it_in_their_history(api: Api, north: Company, acme: Company, servers: Addresses) -> None:
    boost = (await give(api, north, acme, seats=2, reason="Fair")).json()
    await api.delete(f"/accounts/{acme.account_id}/boosts/{boost['id']}", by=north.administrator)
    for account in (acme, north):
        lines = await sql(
            servers,
            "SELECT event, actor_name, target_label, facts->>'boost', (facts->>'seats')::int, facts->>'reason' FROM activity"
            " WHERE account_id = $1 AND event LIKE 'boost.%' ORDER BY id",
            account.account_id,
        )
        assert [tuple(line) for line in lines] == [
            ("boost.given", "Ada of North", "Acme", boost["id"], 2, "Fair"),
            ("boost.ended", "Ada of North", "Acme", boost["id"], 2, None),
        ]


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_the_clients_administrators_are_told_by_mail(
    api: Api, house: House, north: Company, acme: Company, *, servers: Addresses, mail_server: MailServer, language: str
) -> None:
    await sql(servers, "UPDATE identities SET language = $1", language)
    await sql(servers, "UPDATE accounts SET time_zone = 'Europe/Paris' WHERE id = $1", acme.account_id)
    await sql(servers, "UPDATE outbox SET state = 'cancelled'")
    weekly = {"days": ["friday", "monday"], "from": "08:00", "to": "24:00"}
    given = await give(api, north, acme, seats=2, ends_at=None, weekly=weekly, reason="Fair & co")
    await deliver(house)
    [(_, recipients, message)] = mail_server.messages
    assert recipients == [acme.administrator.email]
    said = {
        "en": (
            "Acme gets 2 more seats for a time",
            [
                "on top of its licence.",
                "Every week: Monday and Friday, from 08:00 to 24:00",
                "Given by: Ada of North",
                "Reason: Fair & co",
            ],
        ),
        "fr": (
            "Acme reçoit 2 places de plus pour un temps",
            [
                "en plus de sa licence.",
                f"Chaque semaine{NBSP}: lundi et vendredi, de 08:00 à 24:00",
                f"Accordé par{NBSP}: Ada of North",
                f"Motif{NBSP}: Fair & co",
            ],
        ),
    }
    subject, lines = said[language]
    assert message["Subject"] == subject
    assert [line for line in lines if line not in text_of(message)] == [], text_of(message)
    mail_server.clear()
    await api.delete(f"/accounts/{acme.account_id}/boosts/{given.json()['id']}", by=north.administrator)
    await deliver(house)
    [(_, recipients, message)] = mail_server.messages
    assert recipients == [acme.administrator.email]
    assert (
        message["Subject"]
        == {
            "en": "The boost of Acme has ended early",
            "fr": "Le renfort du compte Acme a pris fin plus tôt que prévu",
        }[language]
    )


async def test_a_replayed_key_gives_one_boost(api: Api, north: Company, acme: Company, servers: Addresses) -> None:
    body = {"seats": 1, "ends_at": later(DAY)}
    path, key = f"/accounts/{acme.account_id}/boosts", {"Idempotency-Key": "one"}
    first = await api.post(path, body, by=north.administrator, headers=key)
    again = await api.post(path, body, by=north.administrator, headers=key)
    assert (first.status_code, again.status_code, again.headers["idempotency-replayed"]) == (201, 201, "true")
    assert again.json() == first.json()
    assert len(await sql(servers, "SELECT 1 FROM boosts")) == 1


async def test_a_boost_whose_answer_was_lost_is_not_given_again(
    api: Api, north: Company, acme: Company, servers: Addresses
) -> None:
    body = {"seats": 1, "starts_at": later(DAY), "ends_at": later(2 * DAY)}
    path, key = f"/accounts/{acme.account_id}/boosts", {"Idempotency-Key": "one"}
    await sql(servers, "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    await sql(
        servers,
        "CREATE TRIGGER lose BEFORE UPDATE ON idempotency_keys FOR EACH ROW WHEN (NEW.state = 'answered') EXECUTE FUNCTION lose()",
    )
    try:
        await api.post(path, body, by=north.administrator, headers=key)
    finally:
        await sql(servers, "DROP FUNCTION lose CASCADE")
    again = await api.post(path, body, by=north.administrator, headers=key)
    assert (again.status_code, again.json()["code"]) == (409, "answer_lost")
    assert len(await sql(servers, "SELECT 1 FROM boosts")) == 1


async def test_a_process_that_has_just_started_knows_weekly_boosts(api: Api, north: Company, acme: Company, house: House) -> None:
    weekly = {
        "days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
        "from": "00:00",
        "to": "24:00",
    }
    assert (await give(api, north, acme, ends_at=None, weekly=weekly)).status_code == 201
    another = open_house(house.settings)
    try:
        async with open_client(application(another, beside=1)) as client:
            typed = {"email": acme.staff[0].email, "password": make.PASSWORD}
            assert (await client.post("/api/v1/login", json=typed)).status_code == 201
    finally:
        await another.close()
