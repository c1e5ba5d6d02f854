"""An erasure that does not come to an end fails with words, holds up nobody else, and stays owed."""

import pytest

from service.embedded import Addresses
from tenants.erasing import LinesRemain, erase_due
from tenants.house import House
from tests.api import Api
from tests.tenants.rows import sql
from tests.tenants.test_erasure import NILS, ZORA, erase, hire, traces
from tests.visits import world_of


async def test_a_history_that_never_comes_to_an_end_is_given_up_and_stays_owed(api: Api, house: House, servers: Addresses) -> None:
    world = await world_of(api, house)
    zora, nils = await hire(house, world.acme, ZORA), await hire(house, world.north, NILS)
    for boss, person in ((world.ada, zora), (world.north.administrator, nils)):
        await api.sign_in(boss)
        assert (await api.delete(f"/users/{person.user_id}", by=boss)).status_code == 204
    await house.finish()
    [(made,)] = await sql(servers, "SELECT pg_get_functiondef('activity_erase'::regproc)")
    head, _, body = made.partition("BEGIN")
    await sql(servers, f"{head}BEGIN IF person = '{zora.user_id}' THEN RETURN 1; END IF;{body}")
    try:
        with pytest.raises(LinesRemain, match=f"still name user {zora.user_id} after 500 rounds"):
            await erase_due(house.database, house.signer, house.valkey)
    finally:
        await sql(servers, made)
    # It held up nobody else, and is made up for.
    assert [each for each in await traces(servers, "Nils Orval") if not each.startswith("activity_erasures:")] == []
    owed = "SELECT id FROM activity_erasures WHERE erased_at IS NULL"
    assert [row["id"] for row in await sql(servers, owed)] == [zora.user_id]
    await erase(house, servers)
    assert await traces(servers, "Zora Quill") == []
    assert await sql(servers, owed) == []
