"""Files of the history: written by workers in parts that outlive them, for one person, as long as that person may have it."""

import asyncio
import csv
import gzip
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from service.embedded import Addresses
from tenants.activity import Event, write_many
from tenants.export_writing import take
from tenants.house import House
from tests import make
from tests.api import Api
from tests.conftest import MailServer
from tests.make import Company, Person
from tests.tenants.rows import sql
from tests.workers.post import altered, change, deliver, html_of, text_of
from tests.workers.process import running_worker
from workers import exports
from workers.exports import LINES_OF_A_PART, write_exports

PLACE = "/activity/exports"


@pytest.fixture
async def company(api: Api, house: House, servers: Addresses) -> Company:
    """A company whose people have signed in; the mail that its making owed is out of the way."""
    made = await make.company(house, staff=2, roles=("simple_administrator", "user"))
    for person in made.people:
        await api.sign_in(person)
    await change(servers, "DELETE FROM outbox")
    return made


async def fill(house: House, company: Company, lines: int) -> None:
    """So many lines about departments."""
    for first in range(0, lines, 2_000):
        async with house.database.transaction(company.account_id) as session:
            on = (("department", uuid7(), f"Department {number}") for number in range(first, min(lines, first + 2_000)))
            await write_many(session, Event.DEPARTMENT_CREATED, by=None, lines=((each, {"code": None}) for each in on))


async def asked(api: Api, person: Person, **body: Any) -> str:
    """An export that this person asks for."""
    answer = await api.post(PLACE, body, by=person)
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "waiting"
    return str(answer.json()["id"])


async def shown(api: Api, person: Person, export: str) -> dict[str, Any]:
    """What its person sees of it."""
    answer = await api.get(f"{PLACE}/{export}", by=person)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ids_in(api: Api, person: Person, export: str) -> list[str]:
    """The lines of a file of JSON lines."""
    answer = await api.get(f"{PLACE}/{export}/file", by=person)
    assert answer.status_code == 200, answer.text
    return [json.loads(line)["id"] for line in gzip.decompress(answer.content).decode().splitlines()]


async def test_a_file_is_asked_for_written_and_fetched_and_its_person_gets_a_letter(
    api: Api, house: House, company: Company, mail_server: MailServer
) -> None:
    ada = company.administrator
    await fill(house, company, LINES_OF_A_PART + 10)
    export = await asked(api, ada, format="json", action="department")
    assert (await api.get(f"{PLACE}/{export}/file", by=ada)).json()["state"] == "waiting"
    await write_exports(house)
    card = await shown(api, ada, export)
    assert (card["state"], card["lines"], card["written"]) == ("ready", LINES_OF_A_PART + 10, LINES_OF_A_PART + 10)
    assert card["filters"] == {"action": "department"}
    kept = datetime.fromisoformat(card["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < kept <= timedelta(days=7)
    answer = await api.get(f"{PLACE}/{export}/file", by=ada)
    assert answer.headers["content-type"] == "application/gzip"
    assert answer.headers["content-disposition"].endswith('.jsonl.gz"')
    assert int(answer.headers["content-length"]) == len(answer.content) == card["bytes"]
    found = await ids_in(api, ada, export)
    assert len(found) == len(set(found)) == LINES_OF_A_PART + 10
    assert [item["id"] for item in (await api.get(PLACE, by=ada)).json()["items"]] == [export]
    await deliver(house)
    [(_, recipients, message)] = mail_server.messages
    assert recipients == [ada.email]
    assert message["Subject"] == "Your export of the history of Acme is ready"
    for text in (text_of(message), html_of(message)):
        assert f"http://localhost:8000/activity/exports/{export}" in text
        assert "5,010 lines" in text


async def test_a_table_in_french_is_one_table_however_many_parts_it_has(api: Api, house: House, company: Company) -> None:
    await fill(house, company, LINES_OF_A_PART * 2)
    body = {"action": "department.created", "format": "csv"}
    answer = await api.post(PLACE, body, by=company.administrator, headers={"Accept-Language": "fr"})
    await write_exports(house)
    file = await api.get(f"{PLACE}/{answer.json()['id']}/file", by=company.administrator)
    text = gzip.decompress(file.content).decode("utf-8-sig")
    rows = list(csv.DictReader(StringIO(text, newline=""), delimiter=";", strict=True))
    assert len(rows) == LINES_OF_A_PART * 2
    assert {row["Action"] for row in rows} == {"Département créé"}


async def test_an_export_of_nothing_is_a_file_too(api: Api, house: House, company: Company) -> None:
    export = await asked(api, company.administrator, format="json", to="2000-01-02")
    await write_exports(house)
    assert (await shown(api, company.administrator, export))["state"] == "ready"
    assert await ids_in(api, company.administrator, export) == []


@pytest.mark.long
async def test_a_killed_worker_is_followed_by_one_that_goes_on_behind_the_last_part(
    api: Api, house: House, company: Company, servers: Addresses, tmp_path: Path
) -> None:
    lines = LINES_OF_A_PART * 6 + 7
    await fill(house, company, lines)
    export = await asked(api, company.administrator, format="json", action="department")
    settings = altered(house.settings, housekeeping_every=0.05)
    kills = 0
    for _ in range(3):
        before = (await shown(api, company.administrator, export))["written"]
        async with running_worker(settings, tmp_path / "worker.log") as worker:
            async with asyncio.timeout(30):
                while (card := await shown(api, company.administrator, export))["written"] < before + LINES_OF_A_PART:
                    await asyncio.sleep(0.01)
            worker.kill()
        kills += card["state"] == "running"
        # Nobody waits two minutes here for the dead one's lease to run out.
        await change(servers, "UPDATE activity_exports SET leased_until = now() WHERE leased_until IS NOT NULL")
        await change(servers, "DELETE FROM turns")
    await write_exports(house)
    assert kills > 0
    found = await ids_in(api, company.administrator, export)
    assert len(found) == len(set(found)) == lines
    everything = await sql(servers, "SELECT id FROM activity WHERE event = 'department.created'")
    assert {UUID(line) for line in found} == {row["id"] for row in everything}


async def test_two_workers_at_once_write_no_line_twice(api: Api, house: House, company: Company) -> None:
    await fill(house, company, LINES_OF_A_PART + 500)
    made = [await asked(api, company.administrator, format="json", action="department") for _ in range(3)]
    await asyncio.gather(*(write_exports(house) for _ in range(4)))
    await write_exports(house)
    for export in made:
        found = await ids_in(api, company.administrator, export)
        assert len(found) == len(set(found)) == LINES_OF_A_PART + 500


async def test_a_worker_whose_lease_was_taken_over_writes_nothing_more(
    api: Api, house: House, company: Company, servers: Addresses
) -> None:
    export = await asked(api, company.administrator, format="json")
    async with house.database.transaction(company.account_id) as session:
        late = await take(session, (company.account_id, UUID(export)), lease_seconds=60)
    assert late is not None
    await change(servers, "UPDATE activity_exports SET leased_until = now()")
    await write_exports(house)
    before = await shown(api, company.administrator, export)
    await exports._write_or_put_back(house, late)  # noqa: SLF001 - what a slow worker still does
    assert await shown(api, company.administrator, export) == before


async def test_three_of_an_account_are_written_at_once_and_the_fourth_waits_for_one_to_end(
    api: Api, house: House, company: Company
) -> None:
    ada = company.administrator
    answers = await asyncio.gather(*(api.post(PLACE, {}, by=ada) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [409] * 5
    refused = next(answer for answer in answers if answer.status_code == 409).json()
    assert (refused["code"], refused["state"], refused["max"]) == ("not_in_state", "too_many_exports", 3)
    cancelled = next(answer for answer in answers if answer.status_code == 202).json()["id"]
    assert (await api.delete(f"{PLACE}/{cancelled}", by=ada)).status_code == 204
    assert (await api.post(PLACE, {}, by=ada)).status_code == 202
    assert (await api.post(PLACE, {}, by=ada)).status_code == 409
    await write_exports(house)
    assert (await api.post(PLACE, {}, by=ada)).status_code == 202


async def test_ten_files_of_a_person_are_kept_and_room_for_another_is_made_by_deleting_one(
    api: Api, house: House, company: Company
) -> None:
    ada = company.administrator
    for _ in range(10):
        written = await asked(api, ada, action="department")
        await write_exports(house)
    refused = (await api.post(PLACE, {}, by=ada)).json()
    assert (refused["code"], refused["state"], refused["max"]) == ("not_in_state", "too_many_files", 10)
    assert "Delete one" in refused["detail"]
    assert (await api.post(PLACE, {}, by=company.staff[0])).status_code == 202
    assert (await api.delete(f"{PLACE}/{written}", by=ada)).status_code == 204
    assert (await api.post(PLACE, {}, by=ada)).status_code == 202


async def test_it_is_the_askers_alone(api: Api, house: House, company: Company) -> None:
    ada, other = company.administrator, company.staff[0]
    export = await asked(api, ada)
    await write_exports(house)
    stranger = (await make.company(house, "Beta", staff=0)).administrator
    await api.sign_in(stranger)
    for person in (other, stranger):
        assert (await api.get(f"{PLACE}/{export}", by=person)).status_code == 404
        assert (await api.get(f"{PLACE}/{export}/file", by=person)).status_code == 404
        assert (await api.delete(f"{PLACE}/{export}", by=person)).status_code == 404
        assert (await api.get(PLACE, by=person)).json()["items"] == []
    assert (await api.get(f"{PLACE}/{export}/file", by=ada)).status_code == 200


@pytest.mark.parametrize("how", ["demoted", "suspended"])
async def test_whoever_lost_the_right_or_left_gets_nothing(
    api: Api, house: House, company: Company, servers: Addresses, mail_server: MailServer, *, how: str
) -> None:
    person = company.staff[0]
    written = await asked(api, person)
    await write_exports(house)
    waiting = await asked(api, person)
    await change(servers, "DELETE FROM outbox")
    lost = {"role": "user"} if how == "demoted" else {"status": "suspended"}
    assert (await api.patch(f"/users/{person.user_id}", lost, by=company.administrator)).status_code == 200
    await write_exports(house)
    states = {str(row["id"]): row["state"] for row in await sql(servers, "SELECT id, state FROM activity_exports")}
    assert states == {written: "ready", waiting: "cancelled"}
    assert (await api.get(f"{PLACE}/{written}/file", by=person)).status_code in {401, 403}
    assert await sql(servers, "SELECT FROM activity_export_parts WHERE export_id = $1", UUID(waiting)) == []
    await deliver(house)
    assert mail_server.messages == []


async def test_a_deleted_file_is_gone_at_once(api: Api, house: House, company: Company, servers: Addresses) -> None:
    ada = company.administrator
    export = await asked(api, ada, text="secret words")
    await write_exports(house)
    for _ in range(2):
        assert (await api.delete(f"{PLACE}/{export}", by=ada)).status_code == 204
        card = await shown(api, ada, export)
        assert (card["state"], card["filters"]) == ("cancelled", {})
        assert (await api.get(f"{PLACE}/{export}/file", by=ada)).status_code == 409
    assert await sql(servers, "SELECT FROM activity_export_parts") == []


async def test_after_seven_days_the_file_is_gone_before_and_after_a_worker_was_there(
    api: Api, house: House, company: Company, servers: Addresses
) -> None:
    ada = company.administrator
    export = await asked(api, ada)
    await write_exports(house)
    await change(servers, "UPDATE activity_exports SET expires_at = now() + interval '1 minute'")
    await write_exports(house)
    assert (await api.get(f"{PLACE}/{export}/file", by=ada)).status_code == 200
    await change(servers, "UPDATE activity_exports SET expires_at = now()")
    for _ in range(2):
        assert (await shown(api, ada, export))["state"] == "expired"
        assert (await api.get(f"{PLACE}/{export}/file", by=ada)).status_code == 409
        await write_exports(house)
    assert await sql(servers, "SELECT FROM activity_export_parts") == []


async def test_one_that_cannot_be_written_is_given_up_after_five_tries_and_holds_up_no_other(
    api: Api, house: House, company: Company, servers: Addresses
) -> None:
    broken = await asked(api, company.administrator)
    good = await asked(api, company.staff[0])
    await change(servers, 'UPDATE activity_exports SET filters = \'{"actor": "nobody"}\' WHERE id = $1', UUID(broken))
    for _ in range(5):
        assert (await shown(api, company.administrator, broken))["state"] in {"waiting", "running"}
        await write_exports(house)
        await change(servers, "UPDATE activity_exports SET leased_until = now() WHERE leased_until IS NOT NULL")
    assert (await shown(api, company.administrator, broken))["state"] == "failed"
    assert (await shown(api, company.staff[0], good))["state"] == "ready"


async def test_one_that_killed_five_workers_is_not_tried_by_a_sixth(
    api: Api, house: House, company: Company, servers: Addresses
) -> None:
    export = await asked(api, company.administrator)
    await change(servers, "UPDATE activity_exports SET attempts = 5, state = 'running', leased_until = now()")
    await write_exports(house)
    assert (await shown(api, company.administrator, export))["state"] == "failed"


async def test_the_limits_to_departments_of_the_day_it_was_asked_for_hold(api: Api, house: House, company: Company) -> None:
    ada, person = company.administrator, company.staff[0]
    paris = (await api.post("/departments", {"name": "Paris"}, by=ada)).json()["id"]
    assert (await api.patch(f"/users/{person.user_id}", {"departments": [paris]}, by=ada)).status_code == 200
    export = await asked(api, person, format="json")
    seen = [line["id"] for line in (await api.get("/activity?limit=200", by=person)).json()["items"]]
    assert (await api.patch(f"/users/{person.user_id}", {"departments": None}, by=ada)).status_code == 200
    await write_exports(house)
    found = await ids_in(api, person, export)
    assert set(found) <= set(seen)
    assert 0 < len(found) < len(await all_ids(api, ada))


async def test_whoever_is_limited_to_departments_since_gets_no_file_of_all(api: Api, house: House, company: Company) -> None:
    ada, person = company.administrator, company.staff[0]
    paris, lyon = [(await api.post("/departments", {"name": name}, by=ada)).json()["id"] for name in ("Paris", "Lyon")]
    written = await asked(api, person, format="json")
    await write_exports(house)
    waiting = await asked(api, person, format="json")
    assert (await api.patch(f"/users/{person.user_id}", {"departments": [paris]}, by=ada)).status_code == 200
    await write_exports(house)
    assert (await shown(api, person, waiting))["state"] == "cancelled"
    refused = await api.get(f"{PLACE}/{written}/file", by=person)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "not in any more" in refused.json()["detail"]
    narrow = await asked(api, person, format="json")
    await write_exports(house)
    for departments, status in (([paris, lyon], 200), ([lyon], 403), (None, 200)):
        assert (await api.patch(f"/users/{person.user_id}", {"departments": departments}, by=ada)).status_code == 200
        assert (await api.get(f"{PLACE}/{narrow}/file", by=person)).status_code == status, departments


async def all_ids(api: Api, person: Person) -> list[str]:
    """Every line of the account."""
    return [line["id"] for line in (await api.get("/activity?limit=200", by=person)).json()["items"]]


async def test_asking_is_a_line_of_the_history_and_the_key_of_a_request_makes_it_one(
    api: Api, house: House, company: Company
) -> None:
    ada = company.administrator
    first, again = [await api.post(PLACE, {"ip": "192.0.2.7"}, by=ada, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert first.json() == again.json()
    lines = (await api.get("/activity?action=activity.exported", by=ada)).json()["items"]
    assert [line["facts"] for line in lines] == [{"format": "csv", "filters": "ip"}]
