"""Lines of a history that tests write themselves: of any moment, by anybody."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from service.embedded import Addresses
from tests.api import Api
from tests.make import Person
from tests.tenants.rows import sql


async def add_line(servers: Addresses, account_id: UUID, at: str, *, recorded_at: str | None = None, **given: Any) -> str:
    """Write a line that happened `at`, and was recorded then or later. Returns its id."""
    happened, recorded = _utc(at), _utc(recorded_at or at)
    line_id = UUID(int=int(recorded.timestamp() * 1000) << 80 | 7 << 76 | uuid4().int & ((1 << 62) - 1) | 2 << 62)
    values = {
        "account_id": account_id,
        "id": line_id,
        "at": happened,
        "recorded_at": recorded,
        "event": "user.changed",
        "result": "done",
        "actor_kind": "system",
        **given,
        "facts": json.dumps(given.get("facts", {})),
    }
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await sql(servers, f"INSERT INTO activity ({', '.join(values)}) VALUES ({places})", *values.values())  # noqa: S608 - names of columns
    return str(line_id)


async def found(api: Api, by: Person | str, path: str = "/activity", **query: Any) -> list[str]:
    """Ids of the first page."""
    return [line["id"] for line in await lines(api, by, path, **query)]


async def lines(api: Api, by: Person | str, path: str = "/activity", **query: Any) -> list[dict[str, Any]]:
    """Lines of the first page."""
    answer = await api.get(path, by=by, params={name.rstrip("_"): value for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def walked(api: Api, by: Person, **query: Any) -> list[list[str]]:
    """Ids, page by page, to the end."""
    pages, cursor = [], None
    while True:
        answer = await api.get("/activity", by=by, params={**query, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        pages.append([line["id"] for line in answer.json()["items"]])
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return pages


def _utc(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)
