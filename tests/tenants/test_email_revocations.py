"""A change of address is undone from the old one, for 72 hours, whatever whoever made it did next."""

from asyncio import gather
from collections import Counter

from service.embedded import Addresses
from tenants.house import House
from tenants.tokens import Purpose
from tests.api import Api
from tests.make import Company
from tests.tenants.rows import every_row, sql
from tests.tenants.test_email_changes import NEW, PASSWORD, acme, addresses, ask, bistro, changed, confirm, link, log_in, revoke

__all__ = ["acme", "bistro"]  # fixtures


async def test_r5_a_link_revokes_once(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    token = await changed(api, house, servers, acme.staff[0])
    answers = await gather(*(revoke(api, token) for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 410: 99}
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'password_reset'")) == 1


async def test_a_change_can_be_revoked_for_72_hours_and_not_a_moment_longer(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    token = await changed(api, house, servers, acme.staff[0])
    [row] = await sql(servers, "SELECT revocable_until - confirmed_at AS valid FROM email_changes")
    assert row["valid"].total_seconds() == 72 * 3600
    await sql(servers, "UPDATE email_changes SET revocable_until = now()")
    before = await every_row(servers)
    over = await revoke(api, token)
    assert (over.status_code, over.json()["code"]) == (410, "link_expired")
    assert await every_row(servers) == before
    await sql(servers, "UPDATE email_changes SET revocable_until = now() + interval '5 seconds'")
    assert (await revoke(api, token)).status_code == 204


async def test_a_revocation_restores_the_address_ends_every_session_and_asks_for_a_new_password(
    api: Api, house: House, servers: Addresses, acme: Company, bistro: Company
) -> None:
    person, old = acme.staff[0], acme.staff[0].email
    token = await changed(api, house, servers, person)
    elsewhere = (await log_in(api, NEW, account="bistro")).json()["token"]
    colleague = api.tokens[acme.staff[1].email]
    assert (await revoke(api, token)).status_code == 204
    assert await addresses(servers, person) == [old] * 3
    for ended in (api.tokens[old], elsewhere):
        assert (await api.get("/session", by=ended)).status_code == 401
    assert (await api.get("/session", by=colleague)).status_code == 200
    for email in (old, NEW):
        assert (await log_in(api, email)).json()["code"] == "invalid_credentials", "whoever changed it knew the password"
    for company in (acme, bistro):
        events = await sql(
            servers, "SELECT event FROM activity WHERE account_id = $1 AND event LIKE 'email.%' ORDER BY id", company.account_id
        )
        assert [row[0] for row in events][-2:] == ["email.changed", "email.change_revoked"]
    [reset] = await sql(servers, "SELECT id, nonce FROM password_resets")
    word = house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=reset["id"], nonce=reset["nonce"])
    assert (await api.post("/password-resets/confirm", {"token": word, "password": PASSWORD})).status_code == 204
    assert (await log_in(api, old, password=PASSWORD)).status_code == 201


async def test_a_second_change_does_not_outrun_the_revocation_of_the_first(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    person, old = acme.staff[0], acme.staff[0].email
    first = await changed(api, house, servers, person, "thief1@new.example.com")
    second = await changed(api, house, servers, person, "thief2@new.example.com")
    await ask(api, person, "thief3@new.example.com")
    third = await link(house, servers, "thief3@new.example.com")
    assert (await revoke(api, first)).status_code == 204
    assert await addresses(servers, person) == [old] * 2
    for answer in (await revoke(api, second), await confirm(api, third)):
        assert (answer.status_code, answer.json()["code"]) == (410, "link_used")
    assert await addresses(servers, person) == [old] * 2


async def test_revoking_the_last_of_two_changes_leaves_the_first(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    person, old = acme.staff[0], acme.staff[0].email
    first = await changed(api, house, servers, person, "one@new.example.com")
    second = await changed(api, house, servers, person, "two@new.example.com")
    assert (await revoke(api, second)).status_code == 204
    assert await addresses(servers, person) == ["one@new.example.com"] * 2
    assert (await revoke(api, first)).status_code == 204
    assert await addresses(servers, person) == [old] * 2


async def test_a_former_address_that_is_somebody_elses_by_now_is_not_taken_back(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    token = await changed(api, house, servers, acme.staff[0])
    invited = {"email": acme.staff[0].email, "role": "user"}
    assert (await api.post("/users", invited, by=acme.administrator)).status_code == 201
    before = await every_row(servers)
    refused = await revoke(api, token)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_exists")
    assert await every_row(servers) == before
