"""X3: nobody gives more than they have, nor changes who has more: actor x target x every path.

The operations of the paths are compared with the application's: one that manages people or rights and has no path fails the build.
"""

import asyncpg
import httpx
import pytest

from service.app import build as build_app
from service.embedded import Addresses
from tenants.house import House
from tests import ceilings
from tests.api import Api
from tests.ceiling_paths import PATHS
from tests.ceilings import ACTORS, BOTH, Somebody
from tests.test_rights import declared

# Of what they name, a brand alone gives nobody anything, and clients have none.
MANAGING = {"users.manage", "roles.manage", "departments.manage", "account.manage"}


def refused(answer: httpx.Response) -> bool:
    """For this reason and no other; a batch says it of its only line."""
    said = answer.json() if answer.content else {}
    if answer.status_code == 200 and "accepted" in said:
        return [line["code"] for line in said["refused"]] == ["beyond_own_rights"] and said["accepted"] == 0
    return answer.status_code == 403 and said["code"] == "beyond_own_rights"


async def test_x3_every_operation_that_manages_people_or_rights_has_a_path(house: House) -> None:
    found = {
        (route.replace("/api/v1", "").replace(":uuid", "").replace(":str", ""), right)
        for route, right in declared(build_app(house)).items()
        if right in MANAGING and "/api/v1/" in route and not route.startswith("GET") and "/account/brand" not in route
    }
    assert found == {(one.operation, one.right) for one in PATHS}


@pytest.mark.parametrize("who", ACTORS, ids=str)
async def test_x3_nobody_gives_more_than_they_have_nor_changes_who_has_more(
    who: Somebody, house: House, api: Api, emptied: Addresses
) -> None:
    database = await asyncpg.connect(emptied.superuser_url)
    try:
        world = await ceilings.build(house, api, database)
        actor = await world.person(who)
        wrong, tried, before = [], 0, None
        for way in (one for one in PATHS if one.right in who.rights):
            async for one in way.tries(world):
                tried += 1
                allowed = all(who.covers(asked) for asked in one.asks)
                before = None if allowed else await world.rows()
                method = way.operation.split(" ")[0]
                answer = await api.call(method, one.path, by=actor, json=one.body, headers={"If-Match": "*"})
                if allowed and answer.status_code < 300 and not refused(answer):
                    world.kept.pop(one.spoils, None)
                    continue
                if allowed or not refused(answer) or await world.rows() != before:
                    wrong.append(
                        f"{way.tries.__name__} {one.what}: {'may' if allowed else 'may not'}, {answer.status_code} {answer.text}"
                    )
        assert wrong == []
        assert tried > (40 if who.rights & {"users.manage"} else 0)
    finally:
        await database.close()


async def test_x3_nobody_raises_themselves(house: House, api: Api, emptied: Addresses) -> None:
    database = await asyncpg.connect(emptied.superuser_url)
    try:
        world = await ceilings.build(house, api, database)
        clerk = await world.person(Somebody("Clerk", ("Paris",), hidden=("invoices",)))
        before = await world.rows()
        raises: list[dict[str, object]] = [
            {"role": "administrator"},
            {"role": "user"},
            {"role": world.role("Keeper")},
            {"departments": None},
            {"departments": world.departments(BOTH)},
            {"restrictions": []},
        ]
        for body in raises:
            answer = await api.patch(f"/users/{clerk.user_id}", body, by=clerk)
            assert (answer.status_code, answer.json()["code"]) == (403, "beyond_own_rights"), f"{body}: {answer.text}"
        assert await world.rows() == before
    finally:
        await database.close()


async def test_x3_what_a_frozen_role_could_give_again_counts(house: House, api: Api, emptied: Addresses) -> None:
    database = await asyncpg.connect(emptied.superuser_url)
    try:
        world = await ceilings.build(house, api, database)
        simple = await world.person(Somebody("simple_administrator"))
        keeper = await world.user(Somebody("Keeper"))
        invited = await world.user(Somebody("Keeper"), status="invited")
        await database.execute("UPDATE licences SET options = '{}' WHERE account_id = $1", world.company.account_id)
        await api.patch("/account", {"restrictions": []}, by=world.company.administrator)
        seen = await api.get(f"/users/{keeper}/rights", by=simple)
        given = {card["right"] for card in seen.json()["rights"] if card["granted"]}
        assert given == {"invoices.view", "invoices.edit", "stock.view"}
        before = await world.rows()
        for method, way, body in (
            ("PATCH", f"/users/{keeper}", {"status": "suspended"}),
            ("PATCH", f"/users/{keeper}", {"role": "user"}),
            ("POST", f"/users/{keeper}/password-reset", None),
            ("POST", f"/users/{invited}/invitation", None),
        ):
            answer = await api.call(method, way, by=simple, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "beyond_own_rights"), f"{way} {body}: {answer.text}"
        assert await world.rows() == before
    finally:
        await database.close()
