"""The list of users: found by part of name or address, filtered, in an order that pages do not disturb."""

import asyncio
import random
from typing import Any

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person
from tests.tenants.rows import sql

PEOPLE = {
    "Élodie Lefèvre": "e.lefevre@atelier.example.com",
    "Hélène Bœuf": "helene@boucherie.example.com",
    "ÉMILE Zoltán": "emile@atelier.example.com",
    "Ægir 100%": "aegir@nord.example.com",
    "Jean_Paul Weiß": "jp@nord.example.com",
    "Anne Martin": "anne@nord.example.com",
}


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose administrator has signed in."""
    company = await make.company(house, staff=0)
    await api.sign_in(company.administrator)
    return company


@pytest.fixture
async def known(api: Api, acme: Company) -> Company:
    """The same with `PEOPLE` invited."""
    for name, email in PEOPLE.items():
        await invite(api, acme, email, name)
    return acme


async def invite(api: Api, company: Company, email: str, name: str = "", **more: Any) -> str:
    """A new user's id."""
    body = {"email": email, "name": name, "role": "user", **more}
    answer = await api.post("/users", body, by=company.administrator)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


async def listed(api: Api, by: Person, **query: Any) -> list[str]:
    """Names in the first page of the list, in its order."""
    answer = await api.get("/users", by=by, params=query)
    assert answer.status_code == 200, answer.text
    return [user["name"] for user in answer.json()["items"]]


async def walked(api: Api, by: Person, **query: Any) -> list[list[str]]:
    """Addresses, page by page, to the end."""
    pages, cursor = [], None
    while True:
        answer = (await api.get("/users", by=by, params={**query, **({"cursor": cursor} if cursor else {})})).json()
        pages.append([user["email"] for user in answer["items"]])
        cursor = answer["next_cursor"]
        if cursor is None:
            return pages


FOUND = {
    "elodie": ["Élodie Lefèvre"],
    "ÉLODIE": ["Élodie Lefèvre"],
    "lefe\u0300v": ["Élodie Lefèvre"],
    "émile": ["ÉMILE Zoltán"],
    "zoltan": ["ÉMILE Zoltán"],
    "boeuf": ["Hélène Bœuf"],
    "BŒUF": ["Hélène Bœuf"],
    "bœu": ["Hélène Bœuf"],
    "aegir": ["Ægir 100%"],
    "weiß": ["Jean_Paul Weiß"],
    "ATELIER.ex": ["Élodie Lefèvre", "ÉMILE Zoltán"],
    "@boucherie": ["Hélène Bœuf"],
    "  lefèvre   élo ": ["Élodie Lefèvre"],
    "nord anne": ["Anne Martin"],
    "anne elodie": [],
    "lefevreelodie": [],
    "martinanne@": [],
    "nobody": [],
}
LITERALLY = {
    "%": ["Ægir 100%"],
    "100%": ["Ægir 100%"],
    "1%": [],
    "_": ["Jean_Paul Weiß"],
    "jean_paul": ["Jean_Paul Weiß"],
    "ann_": [],
    "\\": [],
    "\\%": [],
    # Wide forms fold to the plain ones, and are no wildcards either.
    "\uff11\uff05": [],
    "\uff11\uff10\uff10\uff05": ["Ægir 100%"],
    "ann\uff3f": [],
    "\uff3c": [],
}


async def test_words_are_found_anywhere_whatever_their_accents_and_capitals(api: Api, known: Company) -> None:
    assert {q: await listed(api, known.administrator, q=q) for q in FOUND} == FOUND


async def test_a_wildcard_means_itself(api: Api, known: Company) -> None:
    assert {q: await listed(api, known.administrator, q=q) for q in LITERALLY} == LITERALLY


async def test_a_search_for_nothing_finds_everybody_and_an_impossible_one_is_refused(api: Api, known: Company) -> None:
    assert len(await listed(api, known.administrator, q="  ")) == 7
    for q in ("x" * 101, "an\x00ne", "an\u202ene"):
        answer = await api.get("/users", by=known.administrator, params={"q": q})
        assert answer.status_code == 422, q


async def test_a_renamed_user_is_found_by_the_new_name_alone(api: Api, acme: Company) -> None:
    user_id = await invite(api, acme, "one@acme.example.com", "Élise")
    await api.patch(f"/users/{user_id}", {"name": "Océane"}, by=acme.administrator)
    assert await listed(api, acme.administrator, q="oceane") == ["Océane"]
    assert await listed(api, acme.administrator, q="elise") == []


async def test_names_that_fold_to_ten_times_their_length_are_taken_and_found_by_address(api: Api, acme: Company) -> None:
    await invite(api, acme, "long@acme.example.com", "\ufdfa\u3316\ufdfb\u3330" * 30)
    answer = await api.get("/users", by=acme.administrator, params={"q": "long@acme"})
    assert [user["email"] for user in answer.json()["items"]] == ["long@acme.example.com"]


async def test_names_are_sorted_as_people_read_them(api: Api, known: Company) -> None:
    for email in ("z@acme.example.com", "a@acme.example.com"):
        await invite(api, known, email, "Anne")
    order = [
        "Ada of Acme",
        "Ægir 100%",
        "Anne",
        "Anne",
        "Anne Martin",
        "Élodie Lefèvre",
        "ÉMILE Zoltán",
        "Hélène Bœuf",
        "Jean_Paul Weiß",
    ]
    assert await listed(api, known.administrator) == order
    assert await listed(api, known.administrator, sort="-name") == order[::-1]


async def test_departments_filter_whoever_is_in_one_or_in_all(api: Api, known: Company) -> None:
    ids = {}
    for name in ("Lyon", "Paris"):
        ids[name] = (await api.post("/departments", {"name": name}, by=known.administrator)).json()["id"]
    await invite(api, known, "l@acme.example.com", "Luc", departments=[ids["Lyon"]])
    await invite(api, known, "p@acme.example.com", "Paula", departments=[ids["Paris"]])
    await invite(api, known, "b@acme.example.com", "Benoît", departments=[ids["Lyon"], ids["Paris"]])
    everywhere = {"Ada of Acme", *PEOPLE}
    assert set(await listed(api, known.administrator, department=ids["Lyon"])) == {"Luc", "Benoît", *everywhere}
    assert set(await listed(api, known.administrator, department=ids["Paris"])) == {"Paula", "Benoît", *everywhere}
    assert await listed(api, known.administrator, department=ids["Lyon"], q="benoit") == ["Benoît"]
    assert (await api.get("/users?department=lyon", by=known.administrator)).status_code in {400, 422}


async def test_another_accounts_department_finds_what_an_unknown_one_finds(api: Api, house: House, known: Company) -> None:
    other = await make.company(house, "Bistro", staff=0)
    await api.sign_in(other.administrator)
    theirs = (await api.post("/departments", {"name": "Theirs"}, by=other.administrator)).json()["id"]
    unknown = "01990000-0000-7000-8000-000000000000"
    answers = [(await api.get(f"/users?department={one}", by=known.administrator)).content for one in (theirs, unknown)]
    assert answers[0] == answers[1]


async def test_nobody_is_in_more_than_64_chosen_departments(api: Api, house: House, acme: Company, servers: Addresses) -> None:
    await sql(
        servers,
        "INSERT INTO departments (account_id, id, name) SELECT $1, gen_random_uuid(), 'D' || n FROM generate_series(1, 65) n",
        acme.account_id,
    )
    ids = [str(row["id"]) for row in await sql(servers, "SELECT id FROM departments WHERE account_id = $1", acme.account_id)]
    # With the longest of everything else that the list's index holds.
    chance = random.Random(4)
    letters = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length)) for length in (64, 60, 60, 59)]
    name = "".join(chr(chance.randrange(0x3300, 0x3357)) for _ in range(120))
    user_id = await invite(api, acme, f"{letters[0]}@{'.'.join(letters[1:])}.example", name)
    answers = [await api.patch(f"/users/{user_id}", {"departments": some}, by=acme.administrator) for some in (ids, ids[:64])]
    assert [answer.status_code for answer in answers] == [422, 200]
    assert answers[0].json()["errors"][0]["field"] == "departments"
    assert len(answers[1].json()["departments"]) == 64


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_connected_are_those_who_hold_a_seat_now(api: Api, house: House, servers: Addresses, unit: str) -> None:
    acme = await make.company(house, staff=3, seats=3)
    await sql(servers, "UPDATE accounts SET seat_unit = $2 WHERE id = $1", acme.account_id, unit)
    ada, (works, away, _) = acme.administrator, acme.staff
    for person in (ada, works, away):
        assert (await api.sign_in(person)).status_code == 201
    assert await listed(api, ada, connected="true") == [ada.name, works.name, away.name]
    await api.delete("/session", by=away)
    assert await listed(api, ada, connected="true") == [ada.name, works.name]
    assert await listed(api, ada, connected="false") == [away.name, acme.staff[2].name]
    assert await listed(api, ada, connected="true", q="person") == [works.name]
    assert await listed(api, ada) == [ada.name, *(person.name for person in acme.staff)]


async def test_a_session_without_a_seat_is_not_connected(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    ada, (idle,) = acme.administrator, acme.staff
    await api.sign_in(ada)
    await api.sign_in(idle)
    # As after the idle time: the lease is over, the session lives on.
    await house.valkey.call(b"ZADD", f"h:{{{acme.account_id.hex}}}".encode(), b"1", idle.user_id.hex.encode())
    assert await listed(api, ada, connected="true") == [ada.name]
    assert await listed(api, ada, connected="false") == [idle.name]
    assert (await api.get("/session", by=idle)).status_code == 200
    assert await listed(api, ada, connected="true") == [ada.name, idle.name]


@pytest.mark.parametrize("sort", ["name", "email", "created_at", "last_login_at"])
async def test_pages_show_everybody_once_in_both_directions(api: Api, known: Company, servers: Addresses, sort: str) -> None:
    # Equal values on both sides of a page's end; nobody but the administrator has signed in.
    await sql(servers, "UPDATE users SET created_at = '2026-01-01' WHERE account_id = $1 AND role = 'user'", known.account_id)
    for limit in (1, 2, 3, 6, 7, 8):
        up = await walked(api, known.administrator, sort=sort, limit=limit)
        down = await walked(api, known.administrator, sort=f"-{sort}", limit=limit)
        order = [email for page in up for email in page]
        assert len(order) == 7
        assert set(order) == {known.administrator.email, *PEOPLE.values()}
        assert [email for page in down for email in page] == order[::-1]
        assert [len(page) for page in up] == [limit] * (7 // limit) + ([7 % limit] if 7 % limit else [])


async def test_equal_values_stay_in_the_order_of_invitation(api: Api, acme: Company, servers: Addresses) -> None:
    emails = [f"{letter}@acme.example.com" for letter in "dbca"]
    for email in emails:
        await invite(api, acme, email, "Same")
    await sql(servers, "UPDATE users SET created_at = '2026-01-01' WHERE account_id = $1 AND role = 'user'", acme.account_id)
    for sort in ("created_at", "last_login_at"):
        pages = await walked(api, acme.administrator, sort=sort, q="same", limit=3)
        assert pages == [emails[:3], emails[3:]]


async def test_whoever_joins_between_two_pages_disturbs_neither(api: Api, known: Company) -> None:
    first = (await api.get("/users", by=known.administrator, params={"limit": 3})).json()
    await invite(api, known, "aa@acme.example.com", "Aaron")
    await invite(api, known, "zz@acme.example.com", "Zoé")
    second = (await api.get("/users", by=known.administrator, params={"limit": 50, "cursor": first["next_cursor"]})).json()
    names = [user["name"] for user in [*first["items"], *second["items"]]]
    assert names == [
        "Ada of Acme",
        "Ægir 100%",
        "Anne Martin",
        "Élodie Lefèvre",
        "ÉMILE Zoltán",
        "Hélène Bœuf",
        "Jean_Paul Weiß",
        "Zoé",
    ]


async def test_a_cursor_opens_only_the_list_it_was_made_for(api: Api, house: House, known: Company) -> None:
    room = (await api.post("/departments", {"name": "Lyon"}, by=known.administrator)).json()["id"]
    cursor = (await api.get("/users?limit=1", by=known.administrator)).json()["next_cursor"]
    others: list[dict[str, str]] = [
        {"q": "a"},
        {"status": "invited"},
        {"role": "user"},
        {"department": room},
        {"connected": "true"},
        {"connected": "false"},
        {"sort": "-name"},
        {"sort": "email"},
        {"cursor": cursor[:-2]},
    ]
    asked = [{"cursor": cursor, **other} for other in others]
    answers = await asyncio.gather(*(api.get("/users", by=known.administrator, params=query) for query in asked))
    assert [(answer.status_code, answer.json()["errors"][0]["field"]) for answer in answers] == [(422, "cursor")] * len(others)
    other = await make.company(house, "Bistro", staff=2)
    await api.sign_in(other.administrator)
    assert (await api.get("/users", by=other.administrator, params={"cursor": cursor})).status_code == 422
    assert (await api.get("/users", by=known.administrator, params={"cursor": cursor})).status_code == 200


async def test_the_list_says_of_a_user_what_their_own_page_says(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    await api.sign_in(acme.administrator)
    person = acme.staff[0]
    await api.patch(f"/users/{person.user_id}", {"status": "suspended", "reason": "Holiday"}, by=acme.administrator)
    await invite(api, acme, "new@acme.example.com", "New")
    cards = (await api.get("/users", by=acme.administrator)).json()["items"]
    assert len(cards) == 3
    for card in cards:
        assert card == (await api.get(f"/users/{card['id']}", by=acme.administrator)).json()
