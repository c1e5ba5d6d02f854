"""Sends requests that must be refused, in both languages, and looks at everything that is stored."""

from typing import Any

import httpx

from service.embedded import Addresses
from tenants.house import House
from tests.api import Api
from tests.tenants.rows import every_row

GOOD = "an unusual horse battery"
# What a refused sign-in rightly leaves behind.
HISTORY = frozenset({"activity", "activity_unsealed"})


class Desk:
    """Sends requests that must be refused, in both languages, and looks at everything that is stored."""

    def __init__(self, api: Api, servers: Addresses, house: House) -> None:
        self.api = api
        self.house = house
        self.servers = servers

    async def refused(
        self, method: str, path: str, *, status: int, code: str, by: Any = None, but: frozenset[str] = frozenset(), **extra: Any
    ) -> dict[str, Any]:
        """The request is refused like this; returns the English document. `but` are tables that may change."""
        before = await every_row(self.servers)
        headers = extra.pop("headers", {})
        told = {}
        for language in ("fr", "en"):
            answer = await self.api.call(method, path, by=by, headers={**headers, "Accept-Language": language}, **extra)
            told[language] = well_formed(answer, status, code, f"{method} {path} {extra}")
        await self.house.finish()
        after = await every_row(self.servers)
        changed = {table for table in before if before[table] != after[table]}
        assert changed <= but, f"{method} {path} {extra} changed {changed}"
        assert told["fr"]["title"] != told["en"]["title"]
        assert told["fr"]["detail"] != told["en"]["detail"]
        return told["en"]

    async def invalid(self, method: str, path: str, field: str, problem: str, **extra: Any) -> None:
        """The request is refused for one value of it."""
        document = await self.refused(method, path, status=422, code="invalid", **extra)
        assert [(e["field"], e["code"]) for e in document["errors"]] == [(field, problem)], f"{extra}: {document}"
        assert document["errors"][0]["message"]


def well_formed(answer: httpx.Response, status: int, code: str, what: str) -> dict[str, Any]:
    """RFC 9457, with our members."""
    assert answer.status_code == status, f"{what}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json", what
    document: dict[str, Any] = answer.json()
    assert document["code"] == code, f"{what}: {document}"
    assert document["status"] == status
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["title"]
    assert document["detail"]
    assert document["type"].startswith("http://localhost:8000/")
    assert "{" not in document["detail"]
    return document
