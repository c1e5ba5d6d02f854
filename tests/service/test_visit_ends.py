"""What ends a visit: its permission, its time, and whatever its visitor loses at home; always at the next request, and for good."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.embedded import Addresses
from tenants.house import House
from tests.api import Api
from tests.tenants.rows import sql
from tests.visits import World, world_of


@pytest.fixture
async def world(api: Api, house: House) -> World:
    """A client that may let others in."""
    return await world_of(api, house)


async def test_a_revoked_visit_is_over_before_the_answer(world: World) -> None:
    token = await world.token()
    [permission] = await world.permissions()
    heard: list[tuple[float, int]] = []

    async def ask() -> None:
        began = time.monotonic()
        heard.append((began, (await world.api.get("/users?limit=1", by=token)).status_code))

    async def go_on() -> None:
        asked = []
        for _ in range(30):
            asked.append(asyncio.create_task(ask()))
            await asyncio.sleep(0.05)
        await asyncio.gather(*asked)

    asking = asyncio.create_task(go_on())
    await asyncio.sleep(0.6)
    revoked = await world.api.delete(f"/account/visits/{permission['id']}", by=world.ada)
    over = time.monotonic()
    await asking
    assert revoked.status_code == 204
    assert {status for began, status in heard if began < over - 0.3} == {200}
    after = [status for began, status in heard if began > over]
    assert len(after) > 5
    assert set(after) == {401}
    told = (await world.api.get("/session", by=token)).json()["ended"]
    assert (told["reason"], told["by"]) == ("visit_revoked", world.ada.name)
    assert (await world.visit()).json()["code"] == "visit_not_allowed"
    assert (await world.api.delete(f"/account/visits/{permission['id']}", by=world.ada)).status_code == 204
    assert (await world.api.delete(f"/account/visits/{uuid4()}", by=world.ada)).status_code == 404


async def test_revoking_and_coming_at_once_leaves_nobody_inside(world: World) -> None:
    for _ in range(10):
        permission = (await world.allow()).json()["id"]
        came, revoked = await asyncio.gather(world.visit(), world.api.delete(f"/account/visits/{permission}", by=world.ada))
        assert revoked.status_code == 204
        if came.status_code == 201:
            assert (await world.api.get("/session", by=came.json()["token"])).status_code == 401
        else:
            assert came.json()["code"] == "visit_not_allowed"


async def test_its_time_is_over_by_the_databases_clock(world: World, servers: Addresses) -> None:
    token = await world.token()
    await sql(servers, "UPDATE sessions SET expires_at = now() WHERE visit_id IS NOT NULL")
    await sql(servers, "UPDATE visits SET started_at = now() - interval '1 hour', ends_at = now()")
    await world.house.valkey.call(b"FLUSHALL")
    answer = await world.api.get("/session", by=token)
    assert (answer.status_code, answer.json()["ended"]["reason"]) == (401, "expired")
    [permission] = await world.permissions()
    assert [(visit["live"], visit["why"]) for visit in permission["visits"]] == [(False, "expired")]


LOSSES: dict[str, Any] = {
    "suspended": {"status": "suspended"},
    "struck off": {"status": "struck_off"},
    "another role": {"role": "user"},
    "clients hidden": {"restrictions": ["clients"]},
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_visit_ends_at_the_next_request_when_its_visitor_may_no_longer_visit(world: World, loss: str) -> None:
    token = await world.token()
    assert (await world.api.get("/users", by=token)).status_code == 200
    boss = world.north.administrator
    lost = await world.api.patch(f"/users/{world.nora.user_id}", LOSSES[loss], by=boss)
    assert lost.status_code == 200, lost.text
    assert (await world.api.get("/users", by=token)).status_code == 401
    back = {"status": "active"} if "status" in LOSSES[loss] else {"role": "simple_administrator", "restrictions": []}
    assert (await world.api.patch(f"/users/{world.nora.user_id}", back, by=boss)).status_code == 200
    await world.house.valkey.call(b"FLUSHALL")
    assert (await world.api.get("/users", by=token)).status_code == 401, "what is over does not come back"
    [permission] = await world.permissions()
    assert [visit["live"] for visit in permission["visits"]] == [False]


async def test_a_visit_ends_with_the_sessions_of_its_visitor(world: World) -> None:
    await world.allow()
    person, boss = f"/users/{world.nora.user_id}", world.north.administrator
    passwords = {"current": world.nora.password, "new": "an unusual horse battery"}
    ways: list[Callable[[], Awaitable[httpx.Response]]] = [
        lambda: world.api.delete(f"{person}/sessions", by=boss),
        lambda: world.api.put("/password", passwords, by=world.nora),
        lambda: world.api.delete(person, by=boss),
    ]
    for end in ways:
        if (await world.api.get("/session", by=world.nora)).status_code == 401:
            await world.api.sign_in(world.nora)
        token = (await world.visit()).json()["token"]
        assert (await world.api.get("/users", by=token)).status_code == 200
        assert (await end()).is_success
        assert (await world.api.get("/users", by=token)).status_code == 401


async def test_a_suspension_that_was_planned_ends_a_visit_by_the_clock(world: World) -> None:
    token = await world.token()
    begins = datetime.now(UTC) + timedelta(seconds=2)
    planned = {"status": "suspended", "suspended_from": begins.isoformat()}
    assert (await world.api.patch(f"/users/{world.nora.user_id}", planned, by=world.north.administrator)).status_code == 200
    assert (await world.api.get("/users", by=token)).status_code == 200
    await asyncio.sleep((begins - datetime.now(UTC)).total_seconds() + 0.2)
    assert (await world.api.get("/users", by=token)).status_code == 401


@pytest.mark.parametrize("status", ["suspended", "closed"])
async def test_a_visit_ends_when_either_account_stops_standing(world: World, status: str) -> None:
    boss = world.operator.administrator
    token = await world.token()
    assert (await world.api.patch(f"/accounts/{world.acme.account_id}", {"status": status}, by=world.nora)).status_code == 200
    assert (await world.api.get("/users", by=token)).status_code == 401
    refused = await world.visit()
    assert (refused.status_code, refused.json()["code"]) == (403, "account_unavailable")
    assert (await world.api.patch(f"/accounts/{world.acme.account_id}", {"status": "active"}, by=world.nora)).status_code == 200
    assert (await world.api.get("/users", by=token)).status_code == 401
    again = (await world.visit()).json()["token"]
    assert (await world.api.patch(f"/accounts/{world.north.account_id}", {"status": status}, by=boss)).status_code == 200
    assert (await world.api.get("/users", by=again)).status_code == 401
