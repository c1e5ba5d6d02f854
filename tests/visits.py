"""A client, its reseller and the operator, for tests of visits between them."""

from dataclasses import dataclass
from typing import Any

import httpx

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person
from tests.tenants.rows import sql

READER = ["invoices.view", "users.view"]


@dataclass
class World:
    """A client below a reseller below the operator, and another reseller beside it."""

    api: Api
    house: House
    operator: Company
    north: Company
    south: Company
    acme: Company

    @property
    def nora(self) -> Person:
        """Of the reseller's staff."""
        return self.north.staff[0]

    @property
    def ada(self) -> Person:
        """The client's administrator."""
        return self.acme.administrator

    async def allow(self, *, by: Person | None = None, **given: Any) -> httpx.Response:
        """POST /account/visits."""
        body = {"visitor": "reseller", "once": False, "rights": READER, **given}
        return await self.api.post(
            "/account/visits", {name: value for name, value in body.items() if value is not None}, by=by or self.ada
        )

    async def visit(self, *, by: Person | str | None = None, where: Any = None, **given: Any) -> httpx.Response:
        """POST /accounts/{id}/visits."""
        body = {"reason": "Invoice 17 is wrong", "minutes": 60, **given}
        return await self.api.post(f"/accounts/{where or self.acme.account_id}/visits", body, by=by or self.nora)

    async def token(self, **allowed: Any) -> str:
        """A visit by the reseller's staff that was just allowed."""
        assert (await self.allow(**allowed)).status_code == 201
        answer = await self.visit()
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def permissions(self) -> list[dict[str, Any]]:
        """GET /account/visits."""
        found: list[dict[str, Any]] = (await self.api.get("/account/visits", by=self.ada)).json()["items"]
        return found


async def world_of(api: Api, house: House) -> World:
    """Everybody of note is signed in."""
    operator = await make.operator(house)
    north = await make.company(house, "North", kind="reseller", parent=operator, staff=2, roles=("simple_administrator", "user"))
    south = await make.company(house, "South", kind="reseller", parent=operator, staff=0)
    acme = await make.company(house, "Acme", parent=north, staff=2)
    for person in (operator.administrator, *north.people, south.administrator, acme.administrator):
        assert (await api.sign_in(person)).status_code == 201
    return World(api, house, operator, north, south, acme)


async def lines(servers: Addresses, company: Company, event: str) -> list[Any]:
    """The account's history of one kind, oldest first."""
    return list(
        await sql(servers, "SELECT * FROM activity WHERE account_id = $1 AND event = $2 ORDER BY at, id", company.account_id, event)
    )
