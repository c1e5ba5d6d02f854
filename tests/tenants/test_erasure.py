"""The right to be forgotten: whoever is deleted is named nowhere any more, and the history stays whole."""

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text

from service.embedded import Addresses
from tenants.activity import Event, record
from tenants.activity_verification import verify_account
from tenants.erased_identities import empty_identity
from tenants.erasing import erase_due
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company, Person
from tests.tenants.rows import every_key, every_row, sql
from tests.tenants.test_email_changes import ask as ask_for_address
from tests.tenants.test_email_changes import link, revocation
from tests.visits import World, world_of
from tests.workers.post import invite

ZORA, NILS = "zora.quill", "nils.orval"
WORDS = {ZORA: (ZORA, "Zora Quill"), NILS: (NILS, "Nils Orval")}


async def hire(
    house: House, company: Company, local: str, *, role: str = "administrator", domain: str = "people.example.com"
) -> Person:
    """Somebody with a name like nobody else's, who has accepted their invitation."""
    user = await invite(house, company, f"{local}@{domain}", name=WORDS[local][1], role=role, message=f"Dear {WORDS[local][1]}")
    return await make.accept(house, company.account_id, user.id)


async def traces(servers: Addresses, *words: str) -> list[str]:
    """Every row and key that holds one of the words, in any capitals, as text or as bytes."""
    rows = [f"{table}: {row}" for table, found in (await every_row(servers)).items() for row in found]
    keys = [f"{key!r}: {value!r}" for key, value in (await every_key(servers)).items()]
    wanted = [form for word in words for form in (word.lower(), word.encode().hex())]
    return [each for each in rows + keys if any(form in each.lower() for form in wanted)]


async def erase(house: House, servers: Addresses, *, later: bool = True) -> None:
    """What the worker does at once, and what it does again ten minutes later."""
    await house.finish()
    await erase_due(house.database, house.signer, house.valkey)
    if later:
        await sql(servers, "UPDATE activity_erasures SET asked_at = asked_at - interval '10 minutes'")
        await erase_due(house.database, house.signer, house.valkey)


async def act_as_a_client(world: World, zora: Person, colleague: Person) -> None:
    """An administrator of the client does all there is to do."""
    api, servers_words = world.api, {"headers": {"Idempotency-Key": "zora-1"}}
    await api.post("/login", {"email": zora.email, "password": "not the password"})
    assert (await api.sign_in(zora)).status_code == 201
    assert (await api.sign_in(colleague)).status_code == 201
    ok = [
        await api.post("/users", {"email": "new@acme.example.com", "role": "user", "name": "New"}, by=zora, **servers_words),
        await api.post("/users/batch", {"users": [{"email": "two@acme.example.com"}], "role": "user"}, by=zora),
        await api.post("/roles", {"name": "Readers", "rights": ["invoices.view"]}, by=zora),
        await api.post("/departments", {"name": "Paris"}, by=zora),
        await api.post("/api-keys", {"name": "Invoicing", "scopes": ["sessions.introspect"]}, by=zora),
        await api.patch("/account", {"idle_timeout": 45}, by=zora),
        await api.patch(f"/users/{zora.user_id}", {"name": "Zora Q. Quill"}, by=world.ada),
        await api.patch(f"/users/{zora.user_id}", {"name": "Zora Quill"}, by=world.ada),
        await api.patch(f"/users/{colleague.user_id}", {"status": "suspended", "reason": "Holidays"}, by=zora),
        await api.patch(f"/users/{colleague.user_id}", {"status": "active"}, by=zora),
        await api.post(f"/users/{colleague.user_id}/password-reset", by=zora),
        await api.post("/account/seat-requests", {"seats": 2, "reason": "Season"}, by=zora),
        await api.post("/account/visits", {"visitor": "reseller", "once": False, "rights": ["users.view"]}, by=zora),
        await api.post("/activity/exports", {"format": "json", "text": "Zora Quill"}, by=zora),
        await ask_for_address(api, zora, f"{ZORA}.new@people.example.com"),
    ]
    assert {answer.status_code for answer in ok} <= {200, 201, 202}, [answer.text for answer in ok if answer.status_code > 202]
    assert (await api.delete(f"/api-keys/{ok[4].json()['id']}", by=zora)).status_code == 204


async def act_as_a_seller(world: World, nils: Person, colleague: Person) -> None:
    """Somebody of the reseller does all there is to do about the client."""
    api, acme = world.api, f"/accounts/{world.acme.account_id}"
    assert (await api.sign_in(nils)).status_code == 201
    request = (await api.get("/seat-requests?state=open", by=nils)).json()["items"][0]["id"]
    boost = await api.post(f"{acme}/boosts", {"seats": 1, "ends_at": "2900-01-01T00:00:00Z", "reason": "Fair"}, by=nils)
    ok = [
        boost,
        await api.delete(f"{acme}/boosts/{boost.json()['id']}", by=nils),
        await api.post(f"/seat-requests/{request}/approve", {"seats": 1}, by=nils, headers={"Idempotency-Key": "nils-1"}),
        await api.put(f"{acme}/licence", {"plan": "enterprise", "seats": 30, "reason": "More"}, by=nils, headers={"If-Match": "*"}),
        await api.patch(acme, {"status": "suspended"}, by=nils),
        await api.patch(acme, {"status": "active"}, by=nils),
    ]
    visit = await api.post(f"{acme}/visits", {"reason": "A look", "minutes": 60}, by=nils)
    assert {answer.status_code for answer in [*ok, visit]} <= {200, 201, 204}, [answer.text for answer in ok]
    assert (await api.get("/users", by=visit.json()["token"])).status_code == 200
    assert (await api.delete("/session", by=visit.json()["token"])).status_code == 204
    assert (await api.delete(f"/users/{colleague.user_id}/sessions", by=nils)).status_code == 200


async def test_whoever_did_everything_is_named_nowhere_once_they_are_deleted(api: Api, house: House, servers: Addresses) -> None:
    world = await world_of(api, house)
    zora, nils = await hire(house, world.acme, ZORA), await hire(house, world.north, NILS)
    await act_as_a_client(world, zora, world.acme.staff[0])
    await act_as_a_seller(world, nils, world.north.staff[1])
    await api.sign_in(zora)
    permission = (await api.get("/account/visits", by=zora)).json()["items"][0]["id"]
    assert (await api.delete(f"/account/visits/{permission}", by=zora)).status_code == 204
    await api.sign_in(world.ada)
    # Others write their names down as well: an answer that is kept, a mail that was refused.
    await api.post(
        "/users/batch", {"users": [{"email": zora.email}], "role": "user"}, by=world.ada, headers={"Idempotency-Key": "a"}
    )
    await sql(servers, "UPDATE outbox SET last_reply = '550 <' || $1 || '>: unknown' WHERE user_id = $2", zora.email, zora.user_id)
    assert await never_filled(servers) == [], "a column that keeps somebody's name wants to be filled here, and erased"
    accounts = [world.operator, world.north, world.acme]
    before = {company.slug: await untouched(servers, company) for company in accounts}
    assert (await api.delete(f"/users/{zora.user_id}", by=world.ada)).status_code == 204
    assert (await api.delete(f"/users/{nils.user_id}", by=world.north.administrator)).status_code == 204
    await erase(house, servers)
    assert await traces(servers, *WORDS[ZORA], *WORDS[NILS]) == []
    for company in accounts:
        assert (await verify_account(house.database, house.signer, company.account_id)).finding is None, company.slug
        after = await untouched(servers, company)
        assert {line: after[line] for line in before[company.slug]} == before[company.slug]
    theirs = [zora.user_id, nils.user_id]
    from_where = "= ANY($1::uuid[]) AND (ip IS NOT NULL OR device IS NOT NULL)"
    for rows in ("activity WHERE actor_user_id", "sessions WHERE user_id"):
        assert await sql(servers, f"SELECT id FROM {rows} {from_where}", theirs) == []  # noqa: S608 - of this test
    assert await sql(servers, "SELECT id FROM sessions WHERE visit_id IS NOT NULL AND ip IS NOT NULL") == []
    names = {row[0] for row in await sql(servers, "SELECT DISTINCT actor_name FROM activity WHERE actor_name LIKE 'deleted-%'")}
    assert names == {f"deleted-{person.user_id.hex[-12:]}" for person in (zora, nils)}


# By their names, columns that keep whom they are about or who did it.
NAMING = """
SELECT table_name, column_name FROM information_schema.columns JOIN pg_tables ON schemaname = table_schema AND tablename = table_name
 WHERE table_schema = 'public' AND data_type = 'text' AND column_name ~ '(_by|by_name|email|actor_name|visitor_name|_label|last_reply)$'
"""


async def never_filled(servers: Addresses) -> list[str]:
    """Columns that keep names, and neither of the two in this test."""
    words = [f"%{word}%" for local in WORDS.values() for word in local]
    columns = [(row["table_name"], row["column_name"]) for row in await sql(servers, NAMING)]
    assert len(columns) >= 20
    found = [await sql(servers, f"SELECT FROM {table} WHERE {column} ILIKE ANY($1) LIMIT 1", words) for table, column in columns]
    return [f"{table}.{column}" for (table, column), rows in zip(columns, found, strict=True) if not rows]


async def untouched(servers: Addresses, company: Company) -> dict[Any, Any]:
    """What no erasure may change of the account's lines."""
    rows = await sql(
        servers,
        "SELECT id, (at, recorded_at, event, result, actor_kind, actor_user_id, target_type, target_id, request_id)::text AS plain"
        " FROM activity WHERE account_id = $1",
        company.account_id,
    )
    return {row["id"]: row["plain"] for row in rows}


async def test_whoever_still_works_elsewhere_stays_themselves_there(api: Api, house: House, servers: Addresses) -> None:
    acme, bistro = await make.company(house, staff=0), await make.company(house, "Bistro", staff=0)
    zora, there = await hire(house, acme, ZORA), await hire(house, bistro, ZORA)
    await api.sign_in(acme.administrator)
    for slug in ("acme", "bistro"):
        assert (await api.sign_in(there, account=slug)).status_code == 201
    kept = await sql(
        servers, "SELECT id, actor_name, actor_email, ip FROM activity WHERE account_id = $1 ORDER BY id", bistro.account_id
    )
    assert (await api.delete(f"/users/{zora.user_id}", by=acme.administrator)).status_code == 204
    await erase(house, servers)
    assert (
        await sql(
            servers, "SELECT id, actor_name, actor_email, ip FROM activity WHERE account_id = $1 ORDER BY id", bistro.account_id
        )
        == kept
    )
    for found in await traces(servers, *WORDS[ZORA]):
        assert str(bistro.account_id) in found or bistro.account_id.hex in found or found.startswith("identities:"), found
    assert (await api.sign_in(there)).status_code == 201


async def test_two_deleted_people_of_one_name_stay_two(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    people = [
        await hire(house, acme, ZORA, domain=domain) for domain in ("one.example.com", "two.example.com", "three.example.com")
    ]
    for number, person in enumerate(people):
        await api.sign_in(person)
        await api.post("/users", {"email": f"n{number}@acme.example.com", "role": "user"}, by=person)
    for person in people[:2]:
        assert (await api.delete(f"/users/{person.user_id}", by=acme.administrator)).status_code == 204
    await erase(house, servers)
    invited = await sql(
        servers, "SELECT invited_by FROM invitations i JOIN users u ON u.id = i.user_id WHERE u.email LIKE 'n_@%' ORDER BY u.email"
    )
    assert [row[0] for row in invited] == [*(f"deleted-{person.user_id.hex[-12:]}" for person in people[:2]), "Zora Quill"]


async def test_an_address_that_nobody_uses_any_more_is_a_strangers(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    zora = await hire(house, acme, ZORA)
    await api.sign_in(acme.administrator)
    await api.sign_in(zora)
    await ask_for_address(api, zora)
    await api.post("/email-changes/confirm", {"token": await link(house, servers)})
    revoking = await revocation(house, servers)
    await api.post("/password-resets", {"email": "claire@new.example.com"})
    await house.finish()
    [(old,)] = await sql(servers, "SELECT identity_id FROM users WHERE id = $1", zora.user_id)
    assert (await api.delete(f"/users/{zora.user_id}", by=acme.administrator)).status_code == 204
    await erase(house, servers, later=False)
    [row] = await sql(servers, "SELECT email, password_hash, first_password_hash FROM identities WHERE id = $1", old)
    assert tuple(row) == (f"deleted-{old.hex}", None, None)
    assert (await api.post("/email-changes/revoke", {"token": revoking})).json()["code"] == "link_used"
    for email in (row["email"], "claire@new.example.com"):
        assert (await api.post("/login", {"email": email, "password": make.PASSWORD})).status_code in {401, 422}
    before = len(await sql(servers, "SELECT FROM password_resets"))
    assert (await api.post("/password-resets", {"email": "claire@new.example.com"})).status_code == 202
    await house.finish()
    assert len(await sql(servers, "SELECT FROM password_resets")) == before
    again = await invite(house, acme, "claire@new.example.com")
    assert again.identity_id != old


async def test_an_invitation_at_the_moment_of_erasure_finds_its_address(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    for number in range(12):
        email = f"r{number}@acme.example.com"
        first = await invite(house, acme, email)
        assert (await api.delete(f"/users/{first.id}", by=acme.administrator)).status_code == 204
        _, user = await asyncio.gather(empty_identity(house.database, first.identity_id), invite(house, acme, email))
        [(kept,)] = await sql(servers, "SELECT email FROM identities WHERE id = $1", user.identity_id)
        assert kept == user.email == email


async def test_what_was_under_way_is_erased_ten_minutes_later(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    zora = await hire(house, acme, ZORA)
    await api.sign_in(acme.administrator)
    actor = await make.actor(house, acme, zora)
    assert (await api.delete(f"/users/{zora.user_id}", by=acme.administrator)).status_code == 204
    await erase(house, servers, later=False)
    async with house.database.transaction(acme.account_id) as session:
        record(session, Event.USER_ACTIVATED, by=actor, on=("user", zora.user_id, zora.name))
    await erase_due(house.database, house.signer, house.valkey)
    assert await traces(servers, "Zora Quill") != []
    await sql(servers, "UPDATE activity_erasures SET asked_at = asked_at - interval '9 minutes 30 seconds'")
    await erase_due(house.database, house.signer, house.valkey)
    assert await traces(servers, "Zora Quill") != []
    await erase(house, servers)
    assert await traces(servers, *WORDS[ZORA]) == []
    assert (await verify_account(house.database, house.signer, acme.account_id)).finding is None
    assert await erase_due(house.database, house.signer, house.valkey) == 0


async def test_whoever_the_release_before_deletes_while_this_one_is_deployed_is_erased(house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    zora = await hire(house, acme, ZORA)
    person = {"id": zora.user_id, "pseudonym": f"deleted-{zora.user_id.hex[-12:]}"}
    forget = (
        "DELETE FROM directory d USING users u WHERE (u.account_id, u.identity_id) = (d.account_id, d.identity_id) AND u.id = :id"
    )
    delete = "UPDATE users SET status = 'deleted', name = :pseudonym, email = :pseudonym, deleted_at = now() WHERE id = :id"
    async with house.database.transaction(acme.account_id) as session:
        await session.execute(text(forget), {"id": zora.user_id})
        await session.execute(text(delete), person)
    assert await traces(servers, *WORDS[ZORA]) != []
    await erase(house, servers)
    assert await traces(servers, *WORDS[ZORA]) == []


async def test_a_worker_killed_anywhere_goes_on(api: Api, house: House, servers: Addresses) -> None:
    world = await world_of(api, house)
    zora = await hire(house, world.acme, ZORA)
    await api.sign_in(zora)
    assert (await api.delete(f"/users/{zora.user_id}", by=world.ada)).status_code == 204
    for _ in range(15):
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(0, 0.03)):
                await erase_due(house.database, house.signer, house.valkey)
    await erase(house, servers)
    assert await traces(servers, *WORDS[ZORA]) == []
    assert (await verify_account(house.database, house.signer, world.acme.account_id)).finding is None


async def test_whoever_asked_a_colleague_for_a_seat_asks_no_more(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    zora = await hire(house, acme, ZORA, role="user")
    await api.sign_in(acme.administrator)
    await make.set_seats(house, acme, 1)
    ticket = (await api.sign_in(zora)).json()["ticket"]
    assert (await api.post("/seats/handovers", {"ticket": ticket})).status_code == 201
    assert (await api.get("/seats/handovers", by=acme.administrator)).json()["items"] != []
    assert (await api.delete(f"/users/{zora.user_id}", by=acme.administrator)).status_code == 204
    await erase(house, servers)
    assert (await api.get("/seats/handovers", by=acme.administrator)).json()["items"] == []
    assert await traces(servers, *WORDS[ZORA]) == []


async def test_the_application_can_erase_nobody_who_was_not_deleted(api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    person = await make.actor(house, acme, acme.staff[0])
    ids = {"person": person.user_id, "identity": person.identity_id, "home": acme.account_id}
    for statement in ("activity_erase(:person, :identity, :home, 10)", "licence_changes_erase(:person, :identity, :home)"):
        with pytest.raises(Exception, match="nobody asked for the erasure"):
            async with house.database.transaction(acme.account_id) as session:
                await session.execute(text(f"SELECT {statement}"), ids)


async def test_a_name_put_back_into_the_history_is_found(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    zora = await hire(house, acme, ZORA)
    await api.sign_in(acme.administrator)
    await api.sign_in(zora)
    assert (await api.delete(f"/users/{zora.user_id}", by=acme.administrator)).status_code == 204
    await erase(house, servers)
    for column in ("actor_name", "actor_email", "target_label"):
        whose = "target_id = $1::text" if column == "target_label" else "actor_user_id::text = $1"
        [line] = await sql(servers, f"SELECT id, {column} AS was FROM activity WHERE {whose} LIMIT 1", str(zora.user_id))  # noqa: S608 - a column
        await sql(servers, f"UPDATE activity SET {column} = 'Somebody else' WHERE id = $1", line["id"])  # noqa: S608 - a column
        assert (await verify_account(house.database, house.signer, acme.account_id)).finding is not None, column
        await sql(servers, f"UPDATE activity SET {column} = $2 WHERE id = $1", line["id"], line["was"])  # noqa: S608 - a column
    assert (await verify_account(house.database, house.signer, acme.account_id)).finding is None
