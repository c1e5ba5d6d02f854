"""Events about documents for tests: an account that keeps them, its application's key, and what stands in the history afterwards."""

import json
from typing import Any

import httpx

from service.embedded import Addresses
from tenants.house import House
from tests import keys
from tests.api import Api
from tests.keys import make_key
from tests.make import Company
from tests.tenants.rows import sql

TARGET = {"type": "invoice", "id": "2026-117", "label": "Invoice 2026-117"}


async def keeping(api: Api, house: House) -> Company:
    """A company at work whose account keeps events about documents."""
    company = await keys.at_work(api, house)
    await keep(api, company, "kept")
    return company


async def writing_key(api: Api, company: Company) -> str:
    """A key with which events can be added."""
    made = await make_key(api, company.administrator, scopes=["activity.write"])
    return str(made["key"])


async def keep(api: Api, company: Company, choice: str) -> None:
    """What becomes of events about documents."""
    answer = await api.patch("/account", {"activity_documents": choice}, by=company.administrator)
    assert answer.status_code == 200, answer.text


def event(number: int = 0, **given: Any) -> dict[str, Any]:
    """An event that nothing is wrong with."""
    return {"action": "document.created", "target": TARGET, "key": f"event {number}", **given}


async def send(api: Api, key: str, *sent: dict[str, Any], **extra: Any) -> httpx.Response:
    """POST /activity."""
    return await api.post("/activity", {"events": list(sent)}, by=key, **extra)


async def lines(servers: Addresses, company: Company) -> list[dict[str, Any]]:
    """What stands in the history about documents, oldest id first."""
    rows = await sql(
        servers, "SELECT * FROM activity WHERE account_id = $1 AND event LIKE 'document.%' ORDER BY id", company.account_id
    )
    return [{**row, "facts": json.loads(row["facts"])} for row in rows]
