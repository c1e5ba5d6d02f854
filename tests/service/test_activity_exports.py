"""Taking the history away in one answer: whole, in the reader's language, and whatever happens meanwhile."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import StringIO
from typing import cast
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from service.activity_files import streamed
from service.embedded import Addresses
from tenants import activity_files
from tenants.activity import Event, write, write_many
from tenants.activity_files import Extract
from tenants.activity_search import EVERYTHING
from tenants.activity_values import Reader
from tenants.house import House, open_house
from tenants.settings import Settings
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.history import add_line
from tests.make import Company
from tests.tenants.rows import sql
from tests.workers.post import altered, change

BOM = b"\xef\xbb\xbf"


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose people have signed in."""
    made = await make.company(house, staff=2)
    for person in made.people:
        await api.sign_in(person)
    return made


async def fill(house: House, company: Company, lines: int) -> None:
    """So many lines about departments."""
    async with house.database.transaction(company.account_id) as session:
        on = (("department", uuid7(), f"Department {number}") for number in range(lines))
        await write_many(session, Event.DEPARTMENT_CREATED, by=None, lines=((each, {"code": None}) for each in on))


def table(content: bytes, separator: str) -> list[dict[str, str]]:
    """Cells by their headings."""
    assert content.startswith(BOM)
    return list(csv.DictReader(StringIO(content.decode("utf-8-sig"), newline=""), delimiter=separator, strict=True))


async def test_a_table_holds_every_line_newest_first_in_the_readers_language_and_on_the_accounts_clock(
    api: Api, acme: Company, servers: Addresses
) -> None:
    await change(servers, "UPDATE accounts SET time_zone = 'Europe/Paris' WHERE id = $1", acme.account_id)
    await api.patch(f"/users/{acme.staff[0].user_id}", {"status": "suspended", "reason": '=1+1; "no"'}, by=acme.administrator)
    answer = await api.get("/activity/export", by=acme.administrator, headers={"Accept-Language": "fr"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="activity-acme-20')
    rows = table(answer.content, ";")
    listed = (await api.get("/activity?limit=200", by=acme.administrator, headers={"Accept-Language": "fr"})).json()["items"]
    assert [row["Identifiant de la ligne"] for row in rows] == [line["id"] for line in listed[1:]]
    assert [row["Description"] for row in rows] == [line["sentence"] for line in listed[1:]]
    first = rows[0]
    at = datetime.strptime(first["Date et heure (Europe/Paris)"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs((at - datetime.now(UTC)).total_seconds()) > 3000
    assert first["Auteur"] == "Ada of Acme"
    assert first["Type d’auteur"] == "utilisateur"
    assert first["Code de l’action"] == "user.suspended"
    assert first["Motif"] == '\'=1+1; "no"'
    assert first["Objet"] == "Person 0 of Acme"
    assert first["Résultat"] == "effectué"


async def test_a_table_tells_kinds_in_the_readers_language_and_what_the_vendors_application_told(
    api: Api, acme: Company, servers: Addresses
) -> None:
    ada = acme.administrator
    await api.patch("/account", {"name": "Acme & fils"}, by=ada)
    facts = {"details": {"à": "Zoé", "pages": 2}}
    await add_line(
        servers, acme.account_id, "2026-03-03", event="document.sent", target_type="invoice", target_id="8127", facts=facts
    )
    await api.get("/activity/export?format=json", by=ada)
    rows = table((await api.get("/activity/export", by=ada, headers={"Accept-Language": "fr"})).content, ";")
    kinds = {row["Code de l’action"]: (row["Type d’auteur"], row["Type d’objet"]) for row in rows}
    assert kinds["account.changed"] == ("utilisateur", "compte")
    assert kinds["session.signed_in"] == ("utilisateur", "utilisateur")
    assert kinds["document.sent"] == ("système", "invoice")
    assert kinds["activity.exported"] == ("utilisateur", "")
    assert [row["Détails"] for row in rows if row["Détails"]] == ['{"à": "Zoé", "pages": 2}']


async def test_lines_of_json_are_the_lines_of_the_list(api: Api, acme: Company) -> None:
    answer = await api.get("/activity/export?format=json", by=acme.administrator)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].endswith('.jsonl"')
    found = [json.loads(line) for line in answer.text.splitlines()]
    listed = (await api.get("/activity?limit=200", by=acme.administrator)).json()["items"]
    assert found == listed[1:]
    assert listed[0]["action"] == "activity.exported"
    assert listed[0]["facts"] == {"format": "json", "lines": len(found), "filters": None}


async def test_the_filters_are_those_of_the_list_and_what_was_looked_for_is_not_written_down(api: Api, acme: Company) -> None:
    query = f"action=session.signed_in&actor={acme.staff[0].user_id}&text=person"
    listed = (await api.get(f"/activity?{query}", by=acme.administrator)).json()["items"]
    answer = await api.get(f"/activity/export?format=json&{query}", by=acme.administrator)
    assert [json.loads(line) for line in answer.text.splitlines()] == listed
    assert len(listed) == 1
    newest = (await api.get("/activity?limit=1", by=acme.administrator)).json()["items"][0]
    assert newest["facts"] == {"format": "json", "lines": 1, "filters": "actor, action=session.signed_in, text"}


@pytest.mark.parametrize(
    ("query", "field"),
    [("format=xml", "format"), ("from=yesterday", "from"), ("ip=nowhere", "ip"), ("action=nothing", "action")],
)
async def test_a_bad_filter_is_named_and_nothing_is_exported(api: Api, acme: Company, query: str, field: str) -> None:
    answer = await api.get(f"/activity/export?{query}", by=acme.administrator)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    newest = (await api.get("/activity?limit=1", by=acme.administrator)).json()["items"][0]
    assert newest["action"] == "session.signed_in"


async def test_an_export_of_nothing_is_a_table_of_headings(api: Api, acme: Company) -> None:
    answer = await api.get("/activity/export?to=2000-01-02", by=acme.administrator)
    assert answer.content.count(b"\r\n") == 1
    empty = await api.get("/activity/export?to=2000-01-02&format=json", by=acme.administrator)
    assert (empty.status_code, empty.content) == (200, b"")


@asynccontextmanager
async def small(settings: Settings, lines: int) -> AsyncIterator[Api]:
    """An installation whose answers carry so many lines."""
    house = open_house(altered(settings, activity_export_lines=lines))
    try:
        async with open_client(application(house)) as client:
            yield Api(client)
    finally:
        await house.close()


async def test_one_line_more_than_an_answer_carries_is_refused_with_the_way_to_get_it(
    settings: Settings, house: House, acme: Company
) -> None:
    await fill(house, acme, 21)
    async with small(settings, 20) as api:
        await api.sign_in(acme.administrator)
        refused = await api.get("/activity/export?action=department", by=acme.administrator)
        problem = refused.json()
        assert (refused.status_code, problem["code"], problem["lines"], problem["limit"]) == (409, "export_too_large", 21, 20)
        assert "POST /api/v1/activity/exports" in problem["detail"]
        french = await api.get("/activity/export?action=department", by=acme.administrator, headers={"Accept-Language": "fr"})
        assert "21 lignes" in french.json()["detail"]
        assert (await api.get("/activity?action=activity", by=acme.administrator)).json()["items"] == []
    async with small(settings, 21) as api:
        await api.sign_in(acme.administrator)
        carried = await api.get("/activity/export?action=department&format=json", by=acme.administrator)
        assert len(carried.text.splitlines()) == 21


async def test_people_limited_to_departments_take_away_what_they_see(api: Api, acme: Company) -> None:
    ada, person = acme.administrator, acme.staff[0]
    paris = (await api.post("/departments", {"name": "Paris"}, by=ada)).json()["id"]
    changed = await api.patch(f"/users/{person.user_id}", {"role": "simple_administrator", "departments": [paris]}, by=ada)
    assert changed.status_code == 200, changed.text
    seen = [line["id"] for line in (await api.get("/activity?limit=200", by=person)).json()["items"]]
    taken = await api.get("/activity/export?format=json", by=person)
    assert [json.loads(line)["id"] for line in taken.text.splitlines()] == seen
    everything = await api.get("/activity/export?format=json", by=ada)
    assert len(everything.text.splitlines()) > len(seen)


async def test_without_the_right_nobody_takes_anything_away(api: Api, acme: Company) -> None:
    for path in ("/activity/export", "/activity/exports"):
        assert (await api.get(path, by=acme.staff[1])).status_code == 403
    assert (await api.post("/activity/exports", {}, by=acme.staff[1])).status_code == 403


async def read(house: House, company: Company) -> AsyncIterator[bytes]:
    """Everything that is there now, as JSON, in the pieces in which it is sent."""
    reader = Reader("en", "UTC", house.catalogue)
    extract = Extract(company.account_id, EVERYTHING, None, company.administrator.user_id, uuid7(), "json", reader)
    return cast("AsyncIterator[bytes]", (await streamed(house.database, extract, name="x")).iterator)


async def test_lines_written_while_the_reader_reads_shift_nothing_and_no_connection_waits_for_the_reader(
    house: House, servers: Addresses, acme: Company
) -> None:
    await fill(house, acme, 2_000)
    answer = await read(house, acme)
    found: list[UUID] = []
    async for piece in answer:
        assert house.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # a queue pool
        found += [UUID(json.loads(line)["id"]) for line in piece.splitlines()]
        if len(found) < 300:
            async with house.database.transaction(acme.account_id) as session:
                await write(session, Event.DEPARTMENT_CREATED, by=None, on=("department", uuid7(), "Late"), code=None)
    assert len(found) == len(set(found))
    everything = await sql(
        servers, "SELECT id FROM activity WHERE account_id = $1 AND target_label IS DISTINCT FROM 'Late'", acme.account_id
    )
    assert set(found) == {row["id"] for row in everything}


async def test_twenty_thousand_lines_are_never_in_memory_at_once(house: House, acme: Company) -> None:
    for _ in range(10):
        await fill(house, acme, 2_000)
    answer = await read(house, acme)
    largest, lines = 0, 0
    async for piece in answer:
        largest = max(largest, len(piece))
        lines += piece.count(b"\n")
    assert lines > 20_000
    # Fifty lines of less than a kilobyte are made at a time, from the five hundred that were read.
    assert largest < 50 * 1_024
    assert activity_files.READ_AT_ONCE == 500


async def test_others_are_served_between_two_pieces(house: House, acme: Company) -> None:
    await fill(house, acme, 1_000)
    answer = await read(house, acme)
    turns, done = 0, asyncio.Event()

    async def others() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    pieces = 0
    async for _ in answer:
        pieces += 1
    done.set()
    await beside
    assert pieces >= 20
    assert turns >= pieces
