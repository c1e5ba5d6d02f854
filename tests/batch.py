"""Sends lists of people to invite, and looks at who was invited."""

from typing import Any

import httpx

from service.embedded import Addresses
from tests.api import Api
from tests.make import Company
from tests.tenants.rows import sql


async def send(api: Api, company: Company, file: str | bytes, *, query: str = "?role=user", **headers: str) -> httpx.Response:
    """A CSV file, by the company's administrator."""
    content = file.encode() if isinstance(file, str) else file
    given = {"Content-Type": "text/csv", "Accept-Language": "en", **headers}
    return await api.call("POST", f"/users/batch{query}", by=company.administrator, content=content, headers=given)


async def users(servers: Addresses, company: Company) -> dict[str, dict[str, Any]]:
    """Everybody who is invited, by address."""
    rows = await sql(
        servers,
        "SELECT u.email, u.name, u.role, u.departments, i.language, i.message FROM users u JOIN invitations i"
        " ON i.account_id = u.account_id AND i.user_id = u.id WHERE u.account_id = $1 AND u.status = 'invited'",
        company.account_id,
    )
    return {row["email"]: dict(row) for row in rows}


async def add_department(api: Api, company: Company, name: str, code: str | None = None) -> str:
    """A department, by the company's administrator; its id."""
    answer = await api.post("/departments", {"name": name, **({"code": code} if code else {})}, by=company.administrator)
    assert answer.status_code == 201, answer.text
    identifier: str = answer.json()["id"]
    return identifier


def refused(answer: httpx.Response) -> list[tuple[int, str, str]]:
    """Line, address and code of every line that a report refuses."""
    assert answer.status_code == 200, answer.text
    return [(each["line"], each["email"], each["code"]) for each in answer.json()["refused"]]
