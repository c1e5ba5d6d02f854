"""API keys for tests: a company at work, its keys, and what an application asks with one."""

from typing import Any

import httpx

from tenants import licences
from tenants.effects import raise_epoch
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person

NEW = {"name": "Invoicing", "scopes": ["sessions.introspect"]}


async def at_work(api: Api, house: House) -> Company:
    """A company with two places, whose administrator and one user are at work."""
    company = await make.company(house, seats=2, staff=2)
    for person in company.people[:2]:
        assert (await api.sign_in(person)).status_code == 201
    return company


async def make_key(api: Api, by: Person, **given: Any) -> dict[str, Any]:
    """A key as its maker is shown it."""
    answer = await api.post("/api-keys", {**NEW, **given}, by=by)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def ask(client: httpx.AsyncClient, key: str | None, token: str | None, **more: Any) -> httpx.Response:
    """POST /oauth/introspect."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    form = {} if token is None else {"token": token}
    return await client.post("/oauth/introspect", data={**form, **more}, headers=headers)


async def told(api: Api, key: str, person: Person) -> dict[str, Any]:
    """What the application learns of somebody's session."""
    answer = await ask(api.client, key, api.tokens[person.email])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def relicense(house: House, company: Company, **changed: Any) -> None:
    """Change the licence as a sale would, without its letters."""
    async with house.database.transaction(company.account_id) as session:
        licence = await licences.lock_licence(session)
        for name, value in changed.items():
            setattr(licence, name, value)
        raise_epoch(session, company.account_id)
