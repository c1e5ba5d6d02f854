"""A change of address: confirmed from the new one, told to the old one, revocable from there, and never by anyone else."""

from asyncio import create_task, gather, sleep
from collections import Counter
from typing import Any

import pytest

from service.embedded import Addresses
from tenants.attempts import MAILS_AN_HOUR
from tenants.house import House, open_house
from tenants.identities import ensure_identity
from tenants.settings import Settings
from tenants.tokens import Purpose, new_nonce
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.make import Company, Person
from tests.tenants.rows import every_row, sql

NEW = "claire@new.example.com"
PASSWORD = "an unusual horse battery"


async def ask(api: Api, person: Person | str, email: str = NEW, **more: Any) -> Any:
    """POST /email-changes with the right password."""
    return await api.post("/email-changes", {"email": email, "password": make.PASSWORD, **more}, by=person)


async def link(house: House, servers: Addresses, email: str = NEW, *, purpose: Purpose = Purpose.EMAIL_CHANGE) -> str:
    """The token that the newest letter about this new address carries."""
    [row] = await sql(servers, "SELECT id, nonce FROM email_changes WHERE new_email = $1 ORDER BY id DESC LIMIT 1", email)
    return house.signer.link(purpose, account_id=None, row_id=row["id"], nonce=row["nonce"])


async def revocation(house: House, servers: Addresses, email: str = NEW) -> str:
    """The token in the letter to the old address."""
    return await link(house, servers, email, purpose=Purpose.EMAIL_REVOKE)


async def changed(api: Api, house: House, servers: Addresses, person: Person | str, email: str = NEW) -> str:
    """Change the address; returns the token that revokes it."""
    assert (await ask(api, person, email)).status_code == 202
    assert (await confirm(api, await link(house, servers, email))).status_code == 204
    return await revocation(house, servers, email)


async def confirm(api: Api, token: str) -> Any:
    """POST /email-changes/confirm."""
    return await api.post("/email-changes/confirm", {"token": token})


async def revoke(api: Api, token: str) -> Any:
    """POST /email-changes/revoke."""
    return await api.post("/email-changes/revoke", {"token": token})


async def log_in(api: Api, email: str, *, password: str = make.PASSWORD, account: str = "acme") -> Any:
    """POST /login."""
    return await api.post("/login", {"email": email, "password": password, "account": account})


async def addresses(servers: Addresses, person: Person) -> list[str]:
    """The identity's address, and its copy in every account."""
    return [
        row[0]
        for row in await sql(
            servers,
            "SELECT email FROM identities WHERE id = (SELECT identity_id FROM users WHERE id = $1) UNION ALL"
            " SELECT email FROM users WHERE identity_id = (SELECT identity_id FROM users WHERE id = $1)",
            person.user_id,
        )
    ]


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose people are signed in."""
    company = await make.company(house, staff=2)
    for person in company.people:
        await api.sign_in(person)
    return company


@pytest.fixture
async def bistro(api: Api, house: House, acme: Company) -> Company:
    """Another company, which the first person of Acme works in too."""
    company = await make.company(house, "Bistro", staff=0)
    await api.sign_in(company.administrator)
    user = (await api.post("/users", {"email": acme.staff[0].email, "role": "user"}, by=company.administrator)).json()["id"]
    await make.accept(house, company.account_id, user)
    return company


async def test_a_confirmed_address_signs_in_everywhere_and_the_old_one_is_a_stranger(
    api: Api, house: House, servers: Addresses, acme: Company, bistro: Company
) -> None:
    person, old = acme.staff[0], acme.staff[0].email
    elsewhere = (await log_in(api, old, account="bistro")).json()["token"]
    asked = await ask(api, person)
    assert (asked.status_code, asked.content in {b"", b"null"}) == (202, True)
    assert await addresses(servers, person) == [old] * 3, "nothing changes before the confirmation"
    confirmed = await confirm(api, await link(house, servers))
    assert (confirmed.status_code, confirmed.content, "set-cookie" in confirmed.headers) == (204, b"", False)
    assert await addresses(servers, person) == [NEW] * 3
    for token in (api.tokens[old], elsewhere):
        assert (await api.get("/session", by=token)).json()["user"]["email"] == NEW, "sessions stay, and know it at once"
    for company in (acme, bistro):
        assert (await log_in(api, NEW, account=company.slug)).status_code == 201
        stranger = await log_in(api, "nobody@acme.example.com", account=company.slug)
        assert (await log_in(api, old, account=company.slug)).json() | {"request_id": ""} == stranger.json() | {"request_id": ""}
        found = (await api.get("/users?q=claire@new", by=company.administrator)).json()["items"]
        assert [user["email"] for user in found] == [NEW]
        [line] = await sql(
            servers,
            "SELECT actor_email, target_id, facts FROM activity WHERE event = 'email.changed' AND account_id = $1",
            company.account_id,
        )
        assert line["actor_email"] == old
        assert line["facts"] == '{"after": {"email": "claire@new.example.com"}, "before": {"email": "p0@acme.example.com"}}'
    owed = await sql(servers, "SELECT letter FROM outbox WHERE letter LIKE 'email%' ORDER BY id")
    assert [row[0] for row in owed] == ["email_change", "email_changed"]
    before = len(await sql(servers, "SELECT 1 FROM password_resets"))
    assert (await api.post("/password-resets", {"email": old})).status_code == 202
    await house.finish()
    assert len(await sql(servers, "SELECT 1 FROM password_resets")) == before


async def test_people_of_the_same_accounts_keep_their_addresses(
    api: Api, house: House, servers: Addresses, acme: Company, bistro: Company
) -> None:
    others = [acme.administrator, acme.staff[1], bistro.administrator]
    before = [await addresses(servers, person) for person in others]
    await changed(api, house, servers, acme.staff[0])
    assert [await addresses(servers, person) for person in others] == before
    outsider = await make.company(house, "Cave", staff=0)
    assert await sql(servers, "SELECT 1 FROM activity WHERE account_id = $1 AND event LIKE 'email.%'", outsider.account_id) == []


async def test_a_struck_off_place_follows_and_a_deleted_one_keeps_its_pseudonym(
    api: Api, house: House, servers: Addresses, acme: Company, bistro: Company
) -> None:
    cave = await make.company(house, "Cave", staff=0)
    await api.sign_in(cave.administrator)
    [there] = (await api.get(f"/users?q={acme.staff[0].email}", by=bistro.administrator)).json()["items"]
    invited = (await api.post("/users", {"email": acme.staff[0].email, "role": "user"}, by=cave.administrator)).json()
    places = {"bistro": there["id"], "cave": invited["id"]}
    await api.patch(f"/users/{places['bistro']}", {"status": "struck_off"}, by=bistro.administrator)
    await api.delete(f"/users/{places['cave']}", by=cave.administrator)
    await changed(api, house, servers, acme.staff[0])
    rows = await sql(servers, "SELECT id::text, email FROM users WHERE id::text = ANY($1)", list(places.values()))
    found = {row[0]: row[1] for row in rows}
    assert found[places["bistro"]] == NEW
    assert found[places["cave"]].startswith("deleted-")
    assert (await log_in(api, NEW, account="bistro")).status_code == 401


async def test_an_invitation_in_another_account_follows_too(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    cave = await make.company(house, "Cave", staff=0)
    await api.sign_in(cave.administrator)
    user = (await api.post("/users", {"email": acme.staff[0].email, "role": "user"}, by=cave.administrator)).json()["id"]
    await changed(api, house, servers, acme.staff[0])
    await make.accept(house, cave.account_id, user)
    assert (await log_in(api, NEW, account="cave")).status_code == 201


async def test_a_wrong_password_changes_nothing_and_counts_as_a_guess(
    house: House, settings: Settings, servers: Addresses, acme: Company, api: Api
) -> None:
    person = acme.staff[0]
    wrong = await ask(api, person, password="not the password")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert (await ask(api, person, password="x" * 129)).status_code == 422
    assert (await api.post("/email-changes", {"email": NEW, "password": make.PASSWORD})).status_code == 401
    strict = open_house(settings.model_copy(update={"attempts_per_identity": 2}))
    try:
        async with open_client(application(strict, beside=1), ip="127.0.0.9") as client:
            careful = Api(client)
            careful.tokens = api.tokens
            await strict.valkey.call(b"FLUSHALL")
            answers = [await ask(careful, person, password="not the password") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [401, 401, 429]
            assert (await ask(careful, person)).status_code == 429
    finally:
        await strict.close()
    assert await sql(servers, "SELECT 1 FROM email_changes") == []


@pytest.mark.parametrize(
    ("email", "problem"),
    [
        ("p0@acme.example.com", "not_possible"),
        ("P0@ACME.example.com", "not_possible"),
        ("claire", "malformed"),
        ("a@example.com, b@example.com", "malformed"),
        ("claire@example.com\r\nBcc: x@example.com", "malformed"),
        ("cl\u0430ire@example.com", "look_alike"),
    ],
)
async def test_what_cannot_be_the_new_address_is_refused(
    api: Api, servers: Addresses, acme: Company, email: str, problem: str
) -> None:
    answer = await ask(api, acme.staff[0], email)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("email", problem)]
    assert await sql(servers, "SELECT 1 FROM email_changes") == []


async def test_a_taken_address_is_answered_as_a_free_one_and_can_never_be_confirmed(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    taken = acme.staff[1].email
    answers = [await ask(api, acme.staff[0], email) for email in (taken, NEW)]
    assert {(answer.status_code, answer.content, tuple(answer.headers)) for answer in answers} == {
        (202, answers[0].content, tuple(answers[0].headers))
    }
    assert (await ask(api, acme.staff[0], taken)).status_code == 202
    refused = await confirm(api, await link(house, servers, taken))
    assert (refused.status_code, refused.json()["code"]) == (409, "already_exists")
    assert await addresses(servers, acme.staff[0]) == [acme.staff[0].email] * 2


async def test_an_address_that_became_somebodys_meanwhile_is_refused_and_nothing_is_done(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    await ask(api, acme.staff[0])
    token = await link(house, servers)
    assert (await api.post("/users", {"email": NEW, "role": "user"}, by=acme.administrator)).status_code == 201
    before = await every_row(servers)
    refused = await confirm(api, token)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_exists")
    assert await every_row(servers) == before


async def test_an_invitation_and_a_confirmation_in_the_same_moment_leave_one_owner(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    """Whichever is first has the address; the copies in the accounts are true either way."""
    cave = await make.company(house, "Cave", staff=0)
    await api.sign_in(cave.administrator)
    for number in range(6):
        email = f"claire{number}@new.example.com"
        present = (await api.get("/session", by=acme.staff[0])).json()["user"]["email"]
        await ask(api, acme.staff[0], email)
        token = await link(house, servers, email)
        invited = {"email": email if number % 2 else present, "role": "user"}
        answers = await gather(confirm(api, token), api.post("/users", invited, by=cave.administrator))
        assert answers[0].status_code in {204, 409}, answers[0].text
        assert answers[1].status_code in {201, 409}, answers[1].text
        untrue = "SELECT u.email, i.email FROM users u JOIN identities i ON i.id = u.identity_id WHERE u.email <> i.email"
        assert await sql(servers, untrue) == []


async def test_a_confirmation_waits_for_whoever_is_being_invited_by_the_old_address(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    await ask(api, acme.staff[0])
    async with house.database.transaction() as session:
        await ensure_identity(session, email=acme.staff[0].email, language="en")
        confirming = create_task(confirm(api, await link(house, servers)))
        await sleep(0.5)
        assert not confirming.done(), "or the invited user would be written with an address that is the person's no more"
    assert (await confirming).status_code == 204


async def test_r5_a_link_confirms_once(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    await ask(api, acme.staff[0])
    token = await link(house, servers)
    answers = await gather(*(confirm(api, token) for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 410: 99}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 410} == {"link_used"}
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'email_changed'")) == 1


async def test_of_two_changes_in_a_race_only_an_address_that_was_mailed_is_taken(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    person = acme.staff[0]
    for number in range(8):
        first, second = f"first{number}@new.example.com", f"second{number}@new.example.com"
        assert (await ask(api, person, first)).status_code == 202
        mailed = await link(house, servers, first)
        answers = await gather(confirm(api, mailed), ask(api, person, second), confirm(api, mailed))
        done = [answer.status_code for answer in (answers[0], answers[2])]
        assert sorted(done) in ([204, 410], [410, 410])
        now = (await addresses(servers, person))[0]
        assert (now == first) == (204 in done), "the address whose link was used, and no other"
        assert now != second
        # The request that came second names the present address as the old one, or it was never confirmed.
        [row] = await sql(servers, "SELECT old_email, revoked_at FROM email_changes WHERE new_email = $1", second)
        assert (await confirm(api, await link(house, servers, second))).status_code == 204
        assert (await addresses(servers, person)) == [second] * 2
        assert row["old_email"] == now


async def test_a_newer_request_makes_older_links_worthless(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    await ask(api, acme.staff[0], "first@new.example.com")
    older = await link(house, servers, "first@new.example.com")
    await ask(api, acme.staff[0], "second@new.example.com")
    assert (await confirm(api, older)).json()["code"] == "link_used"
    assert (await confirm(api, await link(house, servers, "first@new.example.com"))).json()["code"] == "link_used"
    assert (await confirm(api, await link(house, servers, "second@new.example.com"))).status_code == 204


async def test_a_link_to_the_new_address_lives_a_day(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    await ask(api, acme.staff[0])
    [row] = await sql(servers, "SELECT expires_at - created_at AS valid FROM email_changes")
    assert row["valid"].total_seconds() == 24 * 3600
    await sql(servers, "UPDATE email_changes SET expires_at = now()")
    over = await confirm(api, await link(house, servers))
    assert (over.status_code, over.json()["code"]) == (410, "link_expired")
    await sql(servers, "UPDATE email_changes SET expires_at = now() + interval '5 seconds'")
    assert (await confirm(api, await link(house, servers))).status_code == 204


async def test_reset_links_and_tickets_of_before_are_worthless_after(
    api: Api, house: House, servers: Addresses, acme: Company, bistro: Company
) -> None:
    person = acme.staff[0]
    choice = (await api.post("/login", {"email": person.email, "password": person.password})).json()
    ticket = choice["accounts"][0]["ticket"]
    assert (await api.post("/password-resets", {"email": person.email})).status_code == 202
    await house.finish()
    [row] = await sql(servers, "SELECT id, nonce FROM password_resets")
    reset = house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"])
    await changed(api, house, servers, person)
    used = await api.post("/password-resets/confirm", {"token": reset, "password": PASSWORD})
    assert (used.status_code, used.json()["code"]) == (410, "link_used")
    assert (await api.post("/login", {"ticket": ticket})).json()["code"] == "invalid_credentials"
    assert (await log_in(api, NEW)).status_code == 201


async def test_links_of_others_and_made_up_ones_change_nothing(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    one, other = acme.staff
    await ask(api, one)
    await ask(api, other, "other@new.example.com")
    token = await link(house, servers)
    [row] = await sql(servers, "SELECT id, nonce FROM email_changes WHERE new_email = $1", NEW)
    [strange] = await sql(servers, "SELECT id FROM email_changes WHERE new_email = 'other@new.example.com'")
    signer = house.signer
    bad = {
        signer.link(Purpose.EMAIL_CHANGE, account_id=None, row_id=row["id"], nonce=new_nonce()): "link_used",
        signer.link(Purpose.EMAIL_CHANGE, account_id=None, row_id=strange["id"], nonce=row["nonce"]): "link_used",
        signer.link(Purpose.EMAIL_CHANGE, account_id=None, row_id=acme.account_id, nonce=row["nonce"]): "link_invalid",
        signer.link(Purpose.EMAIL_REVOKE, account_id=None, row_id=row["id"], nonce=row["nonce"]): "link_invalid",
        signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"]): "link_invalid",
        token[:-4]: "link_invalid",
        "x": "link_invalid",
    }
    before = await every_row(servers)
    for made_up, code in bad.items():
        answer = await confirm(api, made_up)
        assert (answer.status_code, answer.json()["code"]) == (410, code)
    early = await revoke(api, await revocation(house, servers))
    assert (early.status_code, early.json()["code"]) == (410, "link_used"), "nothing is there to revoke yet"
    assert await every_row(servers) == before
    assert (await confirm(api, token)).status_code == 204
    assert await addresses(servers, one) == [NEW] * 2
    assert await addresses(servers, other) == [other.email] * 2


async def test_whoever_is_nowhere_any_more_changes_no_address(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    await ask(api, acme.staff[0])
    token = await link(house, servers)
    await api.delete(f"/users/{acme.staff[0].user_id}", by=acme.administrator)
    assert (await confirm(api, token)).json()["code"] == "link_used"


async def test_five_mails_an_hour_go_to_one_new_address(api: Api, house: House, servers: Addresses, acme: Company) -> None:
    for _ in range(MAILS_AN_HOUR + 2):
        assert (await ask(api, acme.staff[0])).status_code == 202
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'email_change'")) == 5
    assert (await confirm(api, await link(house, servers))).status_code == 204, "the last one that was mailed is good"
    assert (await ask(api, acme.staff[1], "else@new.example.com")).status_code == 202
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'email_change'")) == 6


async def test_naming_an_address_here_uses_up_none_of_its_reset_mails(
    api: Api, house: House, servers: Addresses, acme: Company
) -> None:
    for _ in range(MAILS_AN_HOUR + 1):
        await ask(api, acme.staff[0], acme.staff[1].email)
    await api.post("/password-resets", {"email": acme.staff[1].email})
    await house.finish()
    assert len(await sql(servers, "SELECT 1 FROM password_resets")) == 1
