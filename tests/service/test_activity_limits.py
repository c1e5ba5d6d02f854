"""What an event about a document may be, how late it may come, and how many may: both sides of every limit."""

from asyncio import sleep
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from service.embedded import Addresses
from tenants.house import House, open_house
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.make import Company
from tests.refusals import Desk
from tests.reported import TARGET, event, keeping, lines, send, writing_key
from tests.tenants.rows import every_row


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company at work whose account keeps events about documents."""
    return await keeping(api, house)


@pytest.fixture
async def key(api: Api, acme: Company) -> str:
    """A key of Acme's application."""
    return await writing_key(api, acme)


@pytest.mark.parametrize("size", [1, 500])
async def test_a_batch_has_one_to_500_events(api: Api, acme: Company, key: str, servers: Addresses, size: int) -> None:
    answer = await send(api, key, *(event(number) for number in range(size)))
    assert answer.json() == {"accepted": size, "duplicates": 0, "dropped": 0}
    written = await lines(servers, acme)
    assert len(written) == size
    assert [line["id"] for line in written] == sorted(line["id"] for line in written)


NEVER = str(uuid4())
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("without a key", {"key": None}, "key", "wrong_type"),
    ("an empty key", {"key": ""}, "key", "too_short"),
    ("a long key", {"key": "k" * 201}, "key", "too_long"),
    ("a key of two lines", {"key": "a\r\nb"}, "key", "control_characters"),
    ("a key with a NUL", {"key": "a\0"}, "key", "control_characters"),
    ("another family", {"action": "user.deleted"}, "action", "malformed"),
    ("a line break after the action", {"action": "document.created\n"}, "action", "malformed"),
    ("an action without a verb", {"action": "document."}, "action", "malformed"),
    ("a long action", {"action": "document." + "a" * 41}, "action", "too_long"),
    ("an unknown field", {"result": "done"}, "result", "unknown_field"),
    ("a target without a label", {"target": {"type": "invoice", "id": "1"}}, "target.label", "required"),
    ("a target with more", {"target": {**TARGET, "account_id": NEVER}}, "target.account_id", "unknown_field"),
    ("a target's empty id", {"target": {**TARGET, "id": ""}}, "target.id", "too_short"),
    ("a target's blank id", {"target": {**TARGET, "id": "  "}}, "target.id", "too_short"),
    ("a target's long label", {"target": {**TARGET, "label": "l" * 201}}, "target.label", "too_long"),
    ("a label of two lines", {"target": {**TARGET, "label": "a\nb"}}, "target.label", "control_characters"),
    ("a label that reads backwards", {"target": {**TARGET, "label": "a\u202eb"}}, "target.label", "control_characters"),
    ("a target's odd type", {"target": {**TARGET, "type": "Invoice"}}, "target.type", "malformed"),
    ("a line break after the type", {"target": {**TARGET, "type": "invoice\n"}}, "target.type", "malformed"),
    ("a type of Portillon's own", {"target": {**TARGET, "type": "user"}}, "target.type", "reserved"),
    ("nobody", {"user_id": NEVER}, "user_id", "unknown"),
    ("no id at all", {"user_id": "p0@acme.example.com"}, "user_id", "malformed"),
    ("no time zone", {"at": "2026-01-01T00:00:00"}, "at", "malformed"),
    ("long ago", {"at": "0001-01-01T00:00:00+14:00"}, "at", "too_old"),
    ("far ahead", {"at": "9999-12-31T23:59:59-14:00"}, "at", "ahead"),
    ("details that are a list", {"details": [1]}, "details", "wrong_type"),
    ("details over 4 kB", {"details": {"text": "x" * 4086}}, "details", "too_long"),
    ("details over 4 kB once they are written", {"details": {"n": [1e308, -1e-300] * 7}}, "details", "too_long"),
    ("details too deep", {"details": {"a": {"b": {"c": {"d": 1}, "e": [[]]}}}}, "details", "too_nested"),
    ("details with a NUL", {"details": {"a": ["b\0"]}}, "details", "control_characters"),
    ("a NUL in a name of the details", {"details": {"a": {"b\0": 1}}}, "details", "control_characters"),
]  # fmt: skip


async def test_one_bad_event_refuses_the_batch_and_is_named(
    api: Api, acme: Company, key: str, house: House, servers: Addresses
) -> None:
    desk = Desk(api, servers, house)
    for what, wrong, field, problem in WRONG:
        # A key is charged for what it sends, and noted as used.
        sent = {"events": [event(1), event(2), {**event(3), **wrong}, event(4)]}
        before = await every_row(servers)
        answer = await api.post("/activity", sent, by=key)
        assert answer.status_code == 422, f"{what}: {answer.text}"
        [error] = answer.json()["errors"]
        assert (error["field"], error["code"]) == (f"events[2].{field}", problem), what
        after = await every_row(servers)
        assert {name: after[name] for name in after if name != "api_keys"} == {n: before[n] for n in before if n != "api_keys"}
    for body, field, problem in (
        ({"events": []}, "events", "too_short"),
        ({"events": [event(n) for n in range(501)]}, "events", "too_long"),
        ({"events": [{"action": "document.created", "target": TARGET}]}, "events[0].key", "required"),
        ({"events": [event()], "account_id": NEVER}, "account_id", "unknown_field"),
        ({}, "events", "required"),
    ):
        await desk.invalid("POST", "/activity", field, problem, by=key, json=body, but=frozenset({"api_keys"}))
    large = await api.post("/activity", {"events": [event(n, details={"text": "x" * 4000}) for n in range(300)]}, by=key)
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


async def test_what_is_just_within_the_limits_is_written_as_it_came(api: Api, acme: Company, key: str, servers: Addresses) -> None:
    taken: list[dict[str, Any]] = [
        {"key": "k" * 200},
        {"action": "document.a" + "b" * 39},
        {"target": {"type": "t" * 40, "id": "i" * 200, "label": "é" * 200}},
        {"details": {"text": "x" * 4085}},
        {"details": {"a": {"b": {"c": {}, "d": []}}}},
        {"details": {"backslash": "\\u0000", "large": 2**70, "small": -1.5e-9, "none": None, "yes": True}},
        {"details": {}},
    ]
    answer = await send(api, key, *({**event(number), **one} for number, one in enumerate(taken)))
    assert answer.json() == {"accepted": len(taken), "duplicates": 0, "dropped": 0}
    written = await lines(servers, acme)
    assert [line["facts"] for line in written] == [{"details": one["details"]} if "details" in one else {} for one in taken]
    assert (written[2]["target_type"], written[2]["target_id"], written[2]["target_label"]) == ("t" * 40, "i" * 200, "é" * 200)


async def test_somebody_of_another_account_is_as_unknown_as_nobody(api: Api, acme: Company, key: str, house: House) -> None:
    bravo = await make.company(house, "Bravo", staff=0)
    said = []
    for user_id in (str(bravo.administrator.user_id), str(uuid4()), str((await make.operator(house)).administrator.user_id)):
        answer = await send(api, key, event(user_id=str(acme.administrator.user_id)), event(1, user_id=user_id))
        document = answer.json()
        document.pop("request_id")
        said.append((answer.status_code, document))
    assert said[0] == said[1] == said[2]
    assert (said[0][0], said[0][1]["errors"][0]["field"]) == (422, "events[1].user_id")


async def test_events_may_be_31_days_late_and_five_minutes_ahead(api: Api, acme: Company, key: str) -> None:
    second, now = timedelta(seconds=1), datetime.now(UTC)
    late, ahead = now - timedelta(days=31), now + timedelta(minutes=5)
    for number, (moment, problem) in enumerate(
        ((late + 10 * second, None), (late - second, "too_old"), (ahead - second, None), (ahead + 10 * second, "ahead"))
    ):
        answer = await send(api, key, event(number, at=moment.isoformat()))
        if problem is None:
            assert answer.json()["accepted"] == 1, answer.text
        else:
            assert [error["code"] for error in answer.json()["errors"]] == [problem]


async def test_a_key_may_send_so_many_events_a_minute_and_no_more(
    api: Api, acme: Company, key: str, house: House, servers: Addresses
) -> None:
    frugal = open_house(house.settings.model_copy(update={"activity_rate": 500}))
    try:
        async with open_client(application(frugal, beside=1)) as client:
            await sends_500_a_minute(Api(client), key, await writing_key(api, acme))
            # And the next minute is another one.
            windows = await house.valkey.call(b"KEYS", b"*events*")
            assert len(windows) == 2
            for window in windows:
                assert 0 < await house.valkey.call(b"TTL", window) <= 60
                await house.valkey.call(b"PEXPIRE", window, 1)
            await sleep(0.05)
            answer = await send(Api(client), key, *(event(n) for n in range(501, 1001)))
            assert answer.json() == {"accepted": 500, "duplicates": 0, "dropped": 0}
    finally:
        await frugal.close()
    assert len(await lines(servers, acme)) == 1001


async def sends_500_a_minute(api: Api, key: str, other: str) -> None:
    """Not one more with either key."""
    assert (await send(api, key, *(event(n) for n in range(400)))).json()["accepted"] == 400
    refused = await send(api, key, *(event(n) for n in range(400, 501)))
    assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (429, "too_many_events", 500)
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    # What was refused is not counted: the last hundred still go in.
    assert (await send(api, key, *(event(n) for n in range(400, 500)))).json()["accepted"] == 100
    assert (await send(api, key, event(500))).status_code == 429
    assert (await send(api, other, event(500))).json()["accepted"] == 1
