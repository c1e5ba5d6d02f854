"""The framework and nothing else: what an answer costs before Portillon does anything."""

from typing import Any

from litestar import Litestar, get


@get("/bare")
async def bare() -> dict[str, Any]:
    """As much JSON as a small answer has."""
    return {"status": "ok", "user": {"id": 1, "name": "Ada"}, "rights": ["invoices.view", "invoices.edit"]}


app = Litestar([bare], openapi_config=None, logging_config=None)
