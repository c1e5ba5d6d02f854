"""The history through the front door: what each filter finds and leaves out, page by page, and for whom."""

from typing import Any
from uuid import uuid4

import pytest

from service.embedded import Addresses
from tenants import database as wall
from tenants.house import House, open_house
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.history import add_line, found, lines, walked
from tests.make import Company
from tests.refusals import Desk
from tests.tenants.rows import sql

# Before anything that the tests themselves do.
LONG_AGO = "2026-03-01T12:00:00"


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose administrator has signed in."""
    company = await make.company(house, staff=2)
    await api.sign_in(company.administrator)
    return company


async def test_a_line_says_who_what_on_what_and_what_changed(api: Api, house: House, acme: Company) -> None:
    ada, person = acme.administrator, acme.staff[0]
    changed = await api.patch(
        f"/users/{person.user_id}",
        {"name": "Zoe", "role": "accountant"},
        by=ada,
        headers={"User-Agent": "Mozilla/5.0 Firefox/130.0"},
    )
    assert changed.status_code == 200
    (line,) = await lines(api, ada, action="user.changed")
    assert line["actor"] == {
        "kind": "user",
        "user_id": str(ada.user_id),
        "identity_id": line["actor"]["identity_id"],
        "key_id": None,
        "name": ada.name,
        "email": ada.email,
        "account": None,
    }
    assert line["target"] == {"type": "user", "id": str(person.user_id), "label": "Zoe"}
    assert (line["action"], line["family"], line["result"], line["reason"]) == ("user.changed", "user", "done", None)
    assert {change["field"] for change in line["changes"]} == {"name", "role"}
    assert (line["ip"], line["device"], line["request_id"]) == ("127.0.0.1", "Firefox", changed.headers["x-request-id"])
    assert (await api.get(f"/activity/{line['id']}", by=ada)).json() == line


async def test_the_period_begins_with_from_and_ends_before_to(api: Api, servers: Addresses, acme: Company) -> None:
    at = {moment: await add_line(servers, acme.account_id, f"2026-03-{moment}") for moment in (
        "01T22:59:59.999999", "01T23:00:00", "02T22:59:59.999999", "02T23:00:00",
    )}  # fmt: skip
    first, second, third, fourth = at.values()
    ada = acme.administrator
    # Midnight in Paris is 23:00 UTC in winter.
    assert await found(api, ada, from_="2026-03-02", to="2026-03-03") == [third, second]
    assert await found(api, ada, to="2026-03-02") == [first]
    assert await found(api, ada, from_="2026-03-02T23:00:00Z", to="2026-03-04") == [fourth]
    assert await found(api, ada, from_="2026-03-03T00:00:00+01:00", to="2026-03-04") == [fourth]
    assert await found(api, ada, from_="2026-03-02T22:59:59.999999Z", to="2026-03-02T23:00:00Z") == [third]
    assert await found(api, ada, from_="2026-03-02", to="2026-03-02") == []


async def test_late_and_early_events_are_found_by_when_they_happened(api: Api, servers: Addresses, acme: Company) -> None:
    late = await add_line(servers, acme.account_id, "2026-03-15T10:00:00", recorded_at="2026-04-15T10:00:00")
    early = await add_line(servers, acme.account_id, "2026-04-01T00:04:59", recorded_at="2026-03-31T23:59:59")
    ada = acme.administrator
    assert await found(api, ada, from_="2026-03-15T10:00:00Z", to="2026-03-15T10:00:00.000001Z") == [late]
    assert await found(api, ada, from_="2026-04-01T00:04:59Z", to="2026-04-01T00:05:00Z") == [early]
    assert await found(api, ada, to="2026-04-30") == [early, late]


async def test_each_filter_finds_its_lines_and_no_others(api: Api, servers: Addresses, acme: Company) -> None:
    ada, person = acme.administrator, acme.staff[0]
    key = (await api.post("/api-keys", {"name": "Invoicing", "scopes": ["sessions.introspect"]}, by=ada)).json()["id"]
    document = "INV:2026/7"
    rows: dict[str, dict[str, Any]] = {
        "by ada": {"actor_kind": "user", "actor_user_id": ada.user_id, "actor_name": "Ada 100%", "result": "refused"},
        "by key": {"actor_kind": "api_key", "actor_key_id": key, "event": "document.created"},
        "system": {"event": "user_group.changed", "ip": "203.0.113.7"},
        "person": {"actor_kind": "person", "target_type": "user", "target_id": str(person.user_id), "event": "user.suspended"},
        "document": {
            "actor_kind": "api_key", "actor_key_id": key, "event": "document.deleted", "target_type": "invoice",
            "target_id": document, "target_label": "Été_2026", "facts": {"reason": r"back\slash"},
        },
        "digits": {"actor_kind": "person", "event": "document.signed_v2", "target_type": "quote2", "target_id": "7"},
    }  # fmt: skip
    at = {name: await add_line(servers, acme.account_id, LONG_AGO, **row) for name, row in rows.items()}
    expected: list[tuple[dict[str, str], set[str]]] = [
        ({"actor": str(ada.user_id)}, {"by ada"}),
        ({"actor": key}, {"by key", "document"}),
        ({"actor": f"api_key:{key}"}, {"by key", "document"}),
        ({"actor": "system"}, {"system"}),
        ({"actor": str(uuid4())}, set()),
        ({"action": "user"}, {"by ada", "person"}),
        ({"action": "user.suspended"}, {"person"}),
        ({"action": "document"}, {"by key", "document", "digits"}),
        ({"target": "user"}, {"person"}),
        ({"target": f"user:{person.user_id}"}, {"person"}),
        ({"target": str(person.user_id)}, {"person"}),
        ({"target": f"invoice:{person.user_id}"}, set()),
        ({"target": document}, {"document"}),
        ({"target": f"invoice:{document}"}, {"document"}),
        ({"result": "refused"}, {"by ada"}),
        ({"result": "failed"}, set()),
        ({"ip": "203.0.113.7"}, {"system"}),
        ({"ip": "203.0.113.70"}, set()),
        ({"text": "100%"}, {"by ada"}),
        ({"text": "0%a"}, set()),
        ({"text": "éTÉ_2"}, {"document"}),
        ({"text": "ét__2"}, set()),
        ({"text": "K\\S"}, {"document"}),
        ({"text": "100%", "result": "done"}, set()),
        ({"action": "document.signed_v2"}, {"digits"}),
        ({"target": "quote2:7"}, {"digits"}),
        ({"target": "quote2"}, {"digits"}),
        ({"target": "7"}, {"digits"}),
    ]
    for query, names in expected:
        assert set(await found(api, ada, **query, to="2026-03-02")) == {at[name] for name in names}, query


async def test_bad_values_are_refused_with_what_the_field_takes(api: Api, servers: Addresses, house: House, acme: Company) -> None:
    desk = Desk(api, servers, house)
    for field, value, problem in (
        ("from", "yesterday", "neither_day_nor_moment"),
        ("from", "2026-02-30", "neither_day_nor_moment"),
        ("to", "2026-03-01T12:00:00", "neither_day_nor_moment"),
        ("to", "20260301", "neither_day_nor_moment"),
        ("to", "1999-12-31", "out_of_range"),
        ("from", "9999-12-31", "out_of_range"),
        ("from", "2026-01-01T00:00:00+99:99", "neither_day_nor_moment"),
        ("actor", "ada", "not_an_actor"),
        ("actor", "api_key:x", "not_an_actor"),
        ("action", "usr", "not_an_action"),
        ("action", "user.", "not_an_action"),
        ("action", "document.DROP", "not_an_action"),
        ("target", "a\x00b", "control_characters"),
        ("target", "x" * 301, "too_long"),
        ("result", "perhaps", "unknown"),
        ("ip", "example.com", "not_an_ip_address"),
        ("ip", "fe80::1%\x00", "control_characters"),
        ("text", "a\x00b", "control_characters"),
        ("text", "x" * 101, "too_long"),
        ("limit", "201", "out_of_range"),
    ):
        await desk.invalid("GET", "/activity", field, problem, by=acme.administrator, params={field: value})
    await desk.invalid(
        "GET", "/activity", "to", "before_start", by=acme.administrator, params={"from": "2026-03-02", "to": "2026-03-01"}
    )


async def test_pages_show_every_line_once_while_lines_are_added(api: Api, servers: Addresses, acme: Company) -> None:
    ada = acme.administrator
    old = [await add_line(servers, acme.account_id, "2026-03-01T12:00:00") for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"to": "2026-03-02", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await api.get("/activity", by=ada, params=query)).json()
        seen += [line["id"] for line in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await add_line(servers, acme.account_id, "2026-03-01T13:00:00")
    assert seen == sorted(old, reverse=True)


async def test_pages_go_on_over_the_borders_of_months(api: Api, servers: Addresses, acme: Company) -> None:
    months = [
        await add_line(servers, acme.account_id, f"20{year}-{month:02}-01T00:00:00") for year in (24, 25) for month in range(1, 13)
    ]
    pages = await walked(api, acme.administrator, to="2026-01-01", limit=5)
    assert [len(page) for page in pages] == [5, 5, 5, 5, 4]
    assert [line for page in pages for line in page] == months[::-1]


async def test_a_cursor_goes_on_only_where_it_came_from(api: Api, house: House, acme: Company) -> None:
    ada = acme.administrator
    other = await make.company(house, "Other", staff=0)
    await api.sign_in(other.administrator)
    cursor = (await api.get("/activity?limit=1", by=ada)).json()["next_cursor"]
    assert (await api.get("/activity", by=ada, params={"cursor": cursor})).status_code == 200
    for query, by in (({"action": "user"}, ada), ({"from": "2026-01-01"}, ada), ({}, other.administrator)):
        answer = await api.get("/activity", by=by, params={**query, "cursor": cursor})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "cursor")
    assert (await api.get("/me/activity", by=ada, params={"cursor": cursor})).status_code == 422


async def test_another_accounts_line_is_not_found(api: Api, house: House, acme: Company) -> None:
    other = await make.company(house, "Other", staff=0)
    await api.sign_in(other.administrator)
    theirs = (await lines(api, other.administrator))[0]["id"]
    answers = [await api.get(f"/activity/{one}", by=acme.administrator) for one in (theirs, str(uuid4()))]
    documents = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert documents[0] == documents[1]


async def test_a_person_of_two_companies_appears_in_each_they_enter_and_only_there(api: Api, house: House, acme: Company) -> None:
    other = await make.company(house, "Other", staff=0)
    third = await make.company(house, "Third", staff=0)
    both = acme.staff[0]
    for company in (other, third):
        await api.sign_in(company.administrator)
        answer = await api.post("/users", {"email": both.email, "role": "user"}, by=company.administrator)
        await make.accept(house, company.account_id, answer.json()["id"])

    async def entered(company: Company) -> list[str]:
        signed_in = await lines(api, company.administrator, action="session.signed_in")
        return [line["actor"]["email"] for line in signed_in if line["actor"]["email"] == both.email]

    for account, counts in (("acme", (1, 0, 0)), ("other", (1, 1, 0)), ("other", (1, 2, 0))):
        assert (await api.sign_in(both, account=account)).status_code == 201
        assert tuple([len(await entered(company)) for company in (acme, other, third)]) == counts


async def test_a_visitor_is_shown_with_both_names(api: Api, house: House, acme: Company) -> None:
    operator = await make.operator(house)
    boss = operator.administrator
    await api.sign_in(boss)
    await api.post(
        "/account/visits", {"visitor": "operator", "once": True, "rights": ["activity.view", "users.view"]}, by=acme.administrator
    )
    begun = await api.post(f"/accounts/{acme.account_id}/visits", {"reason": "A look", "minutes": 10}, by=boss)
    assert begun.status_code == 201, begun.text
    token = begun.json()["token"]
    line = (await lines(api, acme.administrator, action="visit.began"))[0]
    assert line["actor"]["kind"] == "visitor"
    assert line["actor"]["name"] == boss.name
    assert line["actor"]["account"] == {"id": str(operator.account_id), "name": "Operator"}
    assert line["id"] in await found(api, token)
    # What is one's own is at home.
    assert (await api.get("/me/activity", by=token)).status_code == 403


async def test_departments_bound_what_a_reader_sees(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=3, roles=("simple_administrator", "user", "user"))
    ada, (reader, inside, outside) = acme.administrator, acme.staff
    await api.sign_in(ada)
    paris, lyon = [(await api.post("/departments", {"name": name}, by=ada)).json()["id"] for name in ("Paris", "Lyon")]
    for person, where in ((reader, paris), (inside, paris), (outside, lyon)):
        assert (await api.patch(f"/users/{person.user_id}", {"departments": [where]}, by=ada)).status_code == 200
    await api.sign_in(reader)
    rows: dict[str, dict[str, Any]] = {
        "own": {"actor_kind": "user", "actor_user_id": reader.user_id},
        "by inside": {"actor_kind": "user", "actor_user_id": inside.user_id},
        "by outside": {"actor_kind": "user", "actor_user_id": outside.user_id},
        "by administrator": {"actor_kind": "user", "actor_user_id": ada.user_id},
        "about inside": {"target_type": "user", "target_id": str(inside.user_id)},
        "about outside": {"target_type": "user", "target_id": str(outside.user_id)},
        "about paris": {"target_type": "department", "target_id": paris},
        "about lyon": {"target_type": "department", "target_id": lyon},
        "about nothing": {},
    }
    at = {name: await add_line(servers, acme.account_id, LONG_AGO, **row) for name, row in rows.items()}
    seen = set(await found(api, reader, to="2026-03-02"))
    assert seen == {at[name] for name in ("own", "by inside", "about inside", "about paris")}
    assert set(await found(api, ada, to="2026-03-02")) == set(at.values())
    for line in at.values():
        assert (await api.get(f"/activity/{line}", by=reader)).status_code == (200 if line in seen else 404)
    # Membership counts as it is now.
    assert (await api.patch(f"/users/{inside.user_id}", {"departments": [lyon]}, by=ada)).status_code == 200
    assert set(await found(api, reader, to="2026-03-02")) == {at["own"], at["about paris"]}


async def test_a_search_that_takes_too_long_asks_for_a_shorter_period(
    api: Api, acme: Company, house: House, servers: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = """
INSERT INTO activity (at, recorded_at, event, result, actor_kind, facts, target_label, account_id, id)
SELECT timestamptz '2026-03-01 12:00Z', now(), 'user.changed', 'done', 'system', '{}', repeat('label ', 30), $1,
       (lpad(to_hex(1772366400000), 12, '0') || lpad(to_hex(n), 20, '0'))::uuid FROM generate_series(1, 40000) n
"""
    await sql(servers, many, acme.account_id)
    monkeypatch.setattr(wall, "STATEMENT_TIMEOUT_MS", 10)
    hasty = open_house(house.settings)
    try:
        async with open_client(application(hasty, beside=1)) as client:
            impatient = Api(client)
            token = api.tokens[acme.administrator.email]
            answer = await impatient.get("/activity?text=nowhere", by=token)
            assert answer.status_code == 422, answer.text
            (error,) = answer.json()["errors"]
            assert (error["field"], error["code"]) == ("from", "too_much_to_search")
            assert "choose a shorter period" in error["message"]
            # Of a busy machine, so short a limit is now and then reached by anything.
            shorter = [(await impatient.get("/activity?text=nowhere&to=2026-01-01", by=token)).status_code for _ in range(10)]
            assert 200 in shorter
            assert set(shorter) <= {200, 503}
    finally:
        await hasty.close()
