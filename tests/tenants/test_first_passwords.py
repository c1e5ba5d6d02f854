"""First passwords: set by an administrator for somebody new, good for choosing an own one, and gone with the invitation."""

from asyncio import gather
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from service.embedded import Addresses
from tenants.house import House, open_house
from tests import make
from tests.api import Api, open_client
from tests.conftest import MailServer, application
from tests.make import Company
from tests.tenants.rows import events, every_row, sql

FIRST = "seven kites above the harbour"
OWN = "an unusual horse battery"
NEW = "nina@newcomer.example.com"


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company that lets its administrators set first passwords; the administrator is signed in."""
    return await letting(api, house, "Acme")


async def letting(api: Api, house: House, name: str) -> Company:
    company = await make.company(house, name, staff=1)
    await api.sign_in(company.administrator)
    answer = await api.patch("/account", {"admin_sets_password": True}, by=company.administrator)
    assert (answer.status_code, answer.json()["admin_sets_password"]) == (200, True)
    return company


async def invite(api: Api, company: Company, email: str = NEW, password: str | None = FIRST, **more: Any) -> str:
    """Invite with a first password; returns the user's id."""
    body = {"email": email, "role": "user", **({"password": password} if password else {}), **more}
    answer = await api.post("/users", body, by=company.administrator)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def log_in(api: Api, password: str = FIRST, email: str = NEW, **more: Any) -> httpx.Response:
    return await api.post("/login", {"email": email, "password": password, **more})


def seen(answer: httpx.Response) -> tuple[Any, ...]:
    """All that a caller can tell two answers apart by."""
    body = {name: value for name, value in answer.json().items() if name != "request_id"}
    return answer.status_code, body, [header for header in answer.headers.items() if header[0] != "x-request-id"]


async def test_the_setting_is_off_until_an_administrator_turns_it_on(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    assert (await api.get("/account", by=acme.administrator)).json()["admin_sets_password"] is False
    before = await every_row(servers)
    for password in (FIRST, "x"):
        body = {"email": NEW, "role": "user", "password": password}
        refused = await api.post("/users", body, by=acme.administrator)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
        assert [(e["field"], e["code"]) for e in refused.json()["errors"]] == [("password", "not_possible")]
    assert await every_row(servers) == before
    await api.patch("/account", {"admin_sets_password": True}, by=acme.administrator)
    await invite(api, acme)
    assert (await log_in(api)).json()["code"] == "password_needed"
    assert (await api.patch("/account", {"admin_sets_password": "yes"}, by=acme.administrator)).status_code == 422
    assert "account.changed" in await events(servers, acme.account_id)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("short", "too_short"),
        ("x" * 129, "too_long"),
        ("Acme Acme Acme", "guessable"),
        ("Nina Dubois Nina", "guessable"),
        ("passwordpassword", "guessable"),
    ],
)
async def test_a_first_password_must_be_as_good_as_any(api: Api, acme: Company, password: str, problem: str) -> None:
    body = {"email": NEW, "name": "Nina Dubois", "role": "user", "password": password}
    refused = await api.post("/users", body, by=acme.administrator)
    assert refused.status_code == 422
    assert [(e["field"], e["code"]) for e in refused.json()["errors"]] == [("password", problem)]
    assert (await api.get("/users?status=invited", by=acme.administrator)).json()["items"] == []


async def test_a_first_password_opens_the_choice_of_an_own_one_and_nothing_else(
    api: Api, house: House, acme: Company, servers: Addresses
) -> None:
    user = await invite(api, acme)
    mailed = await make.invitation_token(house, acme.account_id, user)  # type: ignore[arg-type]  # an id as text does as well
    for more in ({}, {"account": "acme"}):
        offered = await log_in(api, **more)
        assert (offered.status_code, offered.json()["code"], offered.json()["token"]) == (403, "password_needed", mailed)
    assert (await log_in(api, account="elsewhere")).status_code == 401
    assert await sql(servers, "SELECT 1 FROM sessions WHERE user_id = $1", user) == []
    assert (await api.get(f"/users/{user}", by=acme.administrator)).json()["status"] == "invited"
    same = await api.post("/invitations/accept", {"token": mailed, "password": FIRST})
    assert (same.status_code, [(e["field"], e["code"]) for e in same.json()["errors"]]) == (422, [("password", "first_password")])
    assert (await api.post("/invitations/accept", {"token": mailed, "password": OWN})).status_code == 204
    assert (await log_in(api)).json()["code"] == "invalid_credentials"
    assert (await log_in(api, OWN)).status_code == 201
    row = (await sql(servers, "SELECT first_password_hash, first_password_account_id FROM identities WHERE email = $1", NEW))[0]
    assert tuple(row) == (None, None)


async def test_the_mail_is_sent_all_the_same(api: Api, acme: Company, servers: Addresses, mail_server: MailServer) -> None:
    user = await invite(api, acme)
    owed = await sql(servers, "SELECT letter, state FROM outbox WHERE user_id = $1", user)
    assert [tuple(row) for row in owed] == [("invitation", "owed")]
    assert mail_server.messages == []


async def test_it_is_for_somebody_new_and_the_answer_does_not_tell(api: Api, house: House, acme: Company) -> None:
    zeta = await make.company(house, "Zeta", staff=1)
    await api.sign_in(zeta.administrator)
    await invite(api, zeta, "waiting@zeta.example.com", password=None)
    known = {"active": zeta.staff[0].email, "invited": "waiting@zeta.example.com", "unknown": NEW}
    own = {"id", "email", "created_at", "invitation"}
    answers = {}
    for state, email in known.items():
        answer = await api.post("/users", {"email": email, "role": "user", "password": FIRST}, by=acme.administrator)
        facts = {name: value for name, value in answer.json().items() if name not in own}
        answers[state] = (answer.status_code, facts, answer.json()["invitation"]["state"])
    assert answers["active"] == answers["invited"] == answers["unknown"]
    assert {state: (await log_in(api, email=email)).status_code for state, email in known.items()} == {
        "active": 401,
        "invited": 401,
        "unknown": 403,
    }
    assert (await api.sign_in(zeta.staff[0])).status_code == 201, "their own password is what it was"


async def test_a_second_account_that_invites_the_same_person_changes_nothing(api: Api, house: House, acme: Company) -> None:
    zeta = await letting(api, house, "Zeta")
    user = await invite(api, acme)
    second = await invite(api, zeta, password="another phrase of nine words")
    mailed = await make.invitation_token(house, acme.account_id, user)  # type: ignore[arg-type]
    assert (await log_in(api)).json()["token"] == mailed
    assert (await log_in(api, "another phrase of nine words")).status_code == 401
    assert (await log_in(api, account="zeta")).status_code == 401
    assert (await api.post(f"/users/{second}/invitation", by=zeta.administrator)).status_code == 202
    assert (await api.delete(f"/users/{second}/invitation", by=zeta.administrator)).status_code == 204
    assert (await log_in(api)).json()["token"] == mailed
    assert (await api.post(f"/users/{second}/invitation", by=zeta.administrator)).status_code == 202
    token = await make.invitation_token(house, zeta.account_id, second)  # type: ignore[arg-type]
    assert (await api.post("/invitations/lookup", {"token": token})).json()["identity_exists"] is False
    assert (await api.post("/invitations/accept", {"token": token, "password": FIRST})).status_code == 422
    assert (await api.post("/invitations/accept", {"token": token, "password": OWN})).status_code == 204
    assert (await log_in(api)).status_code == 401, "an own password is there: the first one is over"
    assert (await api.post("/invitations/accept", {"token": mailed, "password": OWN})).status_code == 204
    assert (await log_in(api, OWN)).json()["code"] == "account_choice"


async def test_it_lapses_with_the_invitation(api: Api, house: House, acme: Company, servers: Addresses) -> None:
    ada = acme.administrator
    await invite(api, acme)
    wrong = seen(await log_in(api, "a wrong guess of some words"))
    assert wrong[0] == 401

    async def expire(user: str) -> None:
        await sql(servers, "UPDATE invitations SET expires_at = now() - interval '1 second' WHERE user_id = $1", user)
        await sql(servers, "UPDATE users SET invited_until = now() - interval '1 second' WHERE id = $1", user)

    async def delete_and_invite_again(user: str) -> None:
        await api.delete(f"/users/{user}", by=ada)
        again = await api.get(f"/users/{user}", by=ada)
        assert again.status_code == 404
        email = (await sql(servers, "SELECT email FROM identities WHERE first_password_hash IS NOT NULL ORDER BY id DESC LIMIT 1"))[
            0
        ]
        await invite(api, acme, email[0], password="quite another phrase altogether")

    async def suspend_the_account(user: str) -> None:
        await sql(servers, "UPDATE accounts SET status = 'suspended' WHERE id = $1", acme.account_id)

    ends: dict[str, Callable[[str], Awaitable[Any]]] = {
        "withdrawn": lambda user: api.delete(f"/users/{user}/invitation", by=ada),
        "resent": lambda user: api.post(f"/users/{user}/invitation", by=ada),
        "struck-off": lambda user: api.patch(f"/users/{user}", {"status": "struck_off"}, by=ada),
        "deleted": lambda user: api.delete(f"/users/{user}", by=ada),
        "expired": expire,
        "invited-again": delete_and_invite_again,
        "account-suspended": suspend_the_account,
    }
    for how, end in ends.items():
        email = f"{how}@newcomer.example.com"
        user = await invite(api, acme, email)
        assert (await log_in(api, email=email)).status_code == 403, how
        await end(user)
        assert seen(await log_in(api, email=email)) == wrong, how


async def test_it_counts_as_a_guess_and_is_given_back_when_right(api: Api, house: House, acme: Company) -> None:
    user = await invite(api, acme)
    strict = open_house(house.settings.model_copy(update={"attempts_per_identity": 3}))
    async with open_client(application(strict, beside=1)) as client:
        guarded = Api(client)
        assert [(await log_in(guarded)).status_code for _ in range(6)] == [403] * 6
        guesses = [(await log_in(guarded, "a wrong guess of some words")).status_code for _ in range(4)]
        assert guesses == [401, 401, 401, 429]
        assert (await log_in(guarded)).status_code == 429
        other = await invite(api, acme, "other@newcomer.example.com")
        await api.delete(f"/users/{other}/invitation", by=acme.administrator)
        lapsed = [(await log_in(guarded, email="other@newcomer.example.com")).status_code for _ in range(4)]
        assert lapsed == [401, 401, 401, 429], "what has lapsed counts as wrong"
    await strict.close()
    assert (await api.get(f"/users/{user}", by=acme.administrator)).json()["status"] == "invited"


async def test_a_forgotten_password_is_no_way_around_the_invitation(
    api: Api, house: House, acme: Company, servers: Addresses
) -> None:
    user = await invite(api, acme)
    assert (await api.post("/password-resets", {"email": NEW})).status_code == 202
    await house.finish()
    assert await sql(servers, "SELECT 1 FROM password_resets") == []
    assert (await api.post(f"/users/{user}/password-reset", by=acme.administrator)).status_code == 409
    assert (await api.get(f"/users/{user}", by=acme.administrator)).json()["status"] == "invited"
    assert (await log_in(api)).status_code == 403


async def test_r5_the_links_of_mail_and_sign_in_are_used_once_together(api: Api, house: House, acme: Company) -> None:
    user = await invite(api, acme)
    tokens = [(await log_in(api)).json()["token"], await make.invitation_token(house, acme.account_id, user)]  # type: ignore[arg-type]
    answers = await gather(
        *(api.post("/invitations/accept", {"token": tokens[number % 2], "password": f"{OWN} {number}"}) for number in range(100))
    )
    assert Counter(answer.status_code for answer in answers) == {204: 1, 410: 99}
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 204)
    assert (await log_in(api, f"{OWN} {winner}")).status_code == 201


async def test_two_accounts_that_invite_a_new_person_at_once_set_one_first_password(api: Api, house: House, acme: Company) -> None:
    zeta = await letting(api, house, "Zeta")
    phrases = {"acme": "three grey geese in a field", "zeta": "nine loud bells of the tower"}
    for number in range(10):
        email = f"n{number}@newcomer.example.com"
        await gather(invite(api, acme, email, phrases["acme"]), invite(api, zeta, email, phrases["zeta"]))
        answers = {slug: (await log_in(api, phrase, email)).status_code for slug, phrase in phrases.items()}
        assert sorted(answers.values()) == [401, 403], answers


async def test_an_invitation_with_a_first_password_is_made_once_per_key(api: Api, acme: Company) -> None:
    body = {"email": NEW, "role": "user", "password": FIRST}
    answers = [await api.post("/users", body, by=acme.administrator, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
