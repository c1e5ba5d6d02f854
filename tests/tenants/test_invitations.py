"""Invitations: one link, once; places in the licence; renewal; several accounts; and never one user too many."""

from asyncio import gather
from collections import Counter
from typing import Any

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company
from tests.tenants.rows import events, sql

GOOD = "an unusual horse battery"


@pytest.fixture
async def pro(api: Api, house: House) -> Company:
    """A company on the plan with six users, whose administrator is alone and signed in."""
    company = await make.company(house, "Pro", plan="pro", staff=0)
    await api.sign_in(company.administrator)
    return company


async def invite(api: Api, company: Company, email: str, **more: Any) -> str:
    """Invite; returns the user's id."""
    answer = await api.post("/users", {"email": email, "role": "user", **more}, by=company.administrator)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def used(api: Api, company: Company) -> int:
    """Users that the licence counts."""
    return int((await api.get("/account/licence", by=company.administrator)).json()["users"]["used"])


async def test_a_link_tells_what_it_is_about_and_works_once(api: Api, house: House, pro: Company) -> None:
    user = await invite(api, pro, "Claire@Pro.Example.com", name="Claire", language="fr")
    token = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]  # an id as text does as well
    shown = (await api.post("/invitations/lookup", {"token": token})).json()
    assert shown["email"] == "claire@pro.example.com"
    assert (shown["account"], shown["invited_by"], shown["language"]) == ({"name": "Pro"}, pro.administrator.name, "fr")
    assert shown["identity_exists"] is False
    assert (await api.get(f"/users/{user}", by=pro.administrator)).json()["invitation"]["state"] == "opened"
    assert (await api.post("/invitations/accept", {"token": token, "password": GOOD})).status_code == 204
    again = await api.post("/invitations/accept", {"token": token, "password": GOOD})
    assert (again.status_code, again.json()["code"]) == (410, "link_used")
    signed = await api.post("/login", {"email": "claire@pro.example.com", "password": GOOD})
    assert (signed.status_code, signed.json()["user"]["language"]) == (201, "fr")


async def test_a_resend_makes_older_links_worthless(api: Api, house: House, pro: Company, servers: Addresses) -> None:
    user = await invite(api, pro, "claire@pro.example.com")
    older = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    assert (await api.post(f"/users/{user}/invitation", by=pro.administrator)).status_code == 202
    newer = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    assert (await api.post("/invitations/lookup", {"token": older})).json()["code"] == "link_used"
    assert (await api.post("/invitations/lookup", {"token": newer})).status_code == 200
    states = [
        row[0]
        for row in await sql(servers, "SELECT state FROM outbox WHERE letter = 'invitation' AND user_id = $1 ORDER BY id", user)
    ]
    assert states == ["cancelled", "owed"]


async def test_places_are_freed_at_once_by_a_withdrawal_and_by_the_clock(
    api: Api, house: House, pro: Company, servers: Addresses
) -> None:
    users = [await invite(api, pro, f"p{number}@pro.example.com") for number in range(5)]
    assert await used(api, pro) == 6
    assert (await api.post("/users", {"email": "x@pro.example.com", "role": "user"}, by=pro.administrator)).status_code == 409
    assert (await api.delete(f"/users/{users[0]}/invitation", by=pro.administrator)).status_code == 204
    assert await used(api, pro) == 5
    await invite(api, pro, "sixth@pro.example.com")
    await sql(servers, "UPDATE users SET invited_until = now() - interval '1 second' WHERE id = $1", users[1])
    await sql(servers, "UPDATE invitations SET expires_at = now() - interval '1 second' WHERE user_id = $1", users[1])
    assert await used(api, pro) == 5
    assert (await api.get(f"/users/{users[1]}", by=pro.administrator)).json()["invitation"]["state"] == "expired"
    await invite(api, pro, "seventh@pro.example.com")
    for user in users[:2]:
        again = await api.post(f"/users/{user}/invitation", by=pro.administrator)
        assert (again.status_code, again.json()["code"]) == (409, "quota_reached"), "a new link takes a place again"
    await api.delete(f"/users/{users[2]}", by=pro.administrator)
    assert (await api.post(f"/users/{users[0]}/invitation", by=pro.administrator)).status_code == 202
    assert await used(api, pro) == 6


async def test_renewal_tells_administrators_once_a_day_and_the_asker_nothing(
    api: Api, house: House, pro: Company, servers: Addresses
) -> None:
    user = await invite(api, pro, "claire@pro.example.com")
    token = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    not_expired = await api.post("/invitations/renew", {"token": token})
    await sql(servers, "UPDATE invitations SET expires_at = now() - interval '1 second'")
    assert (await api.post("/invitations/accept", {"token": token, "password": GOOD})).json()["code"] == "link_expired"
    answers = [
        not_expired,
        *[await api.post("/invitations/renew", {"token": each}) for each in (token, token, "made up", token[:-4] + "AAAA")],
    ]
    assert {(a.status_code, a.content) for a in answers} == {(202, not_expired.content)}
    owed = await sql(servers, "SELECT user_id FROM outbox WHERE letter = 'invitation_renewal'")
    assert [row[0] for row in owed] == [pro.administrator.user_id]
    await sql(servers, "UPDATE outbox SET created_at = created_at - interval '25 hours' WHERE letter = 'invitation_renewal'")
    await api.post("/invitations/renew", {"token": token})
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'invitation_renewal'")) == 2
    await api.delete(f"/users/{user}", by=pro.administrator)
    await sql(servers, "UPDATE outbox SET created_at = created_at - interval '25 hours' WHERE letter = 'invitation_renewal'")
    assert (await api.post("/invitations/renew", {"token": token})).status_code == 202
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'invitation_renewal'")) == 2, (
        "nobody asks for somebody deleted"
    )


async def test_one_person_in_two_accounts_has_one_password_and_two_roles(api: Api, house: House, pro: Company) -> None:
    bistro = await make.company(house, "Bistro", staff=1)
    person = bistro.staff[0]
    user = await invite(api, pro, person.email, role="accountant", name="Called differently here")
    token = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    assert (await api.post("/invitations/lookup", {"token": token})).json()["identity_exists"] is True
    assert (await api.post("/invitations/accept", {"token": token, "password": "not their password"})).json()[
        "code"
    ] == "invalid_credentials"
    assert (await api.post("/invitations/accept", {"token": token, "password": person.password})).status_code == 204
    choice = await api.sign_in(person)
    assert (choice.status_code, choice.json()["code"]) == (409, "account_choice")
    assert {(a["slug"], a["status"]) for a in choice.json()["accounts"]} == {("bistro", "active"), ("pro", "active")}
    assert (await api.sign_in(person, account="pro")).json()["user"]["role"] == "accountant"
    switched = await api.post("/session/switch", {"account": "bistro"}, by=person)
    assert (switched.status_code, switched.json()["user"]["role"], switched.json()["user"]["name"]) == (201, "user", person.name)
    assert (await api.get("/session", by=person)).status_code == 401, "the session in the other account is over"


async def test_an_invitation_answers_the_same_for_known_and_unknown_people(
    api: Api, house: House, pro: Company, servers: Addresses
) -> None:
    bistro = await make.company(house, "Bistro", staff=1)
    await sql(servers, "UPDATE identities SET language = 'fr'")
    known = await api.post("/users", {"email": bistro.staff[0].email.replace("p0", "P0"), "role": "user"}, by=pro.administrator)
    unknown = await api.post("/users", {"email": "P1@elsewhere.example.com", "role": "user"}, by=pro.administrator)
    own = {"id", "email", "created_at", "invitation"}
    assert known.status_code == unknown.status_code == 201
    assert {k: v for k, v in known.json().items() if k not in own} == {k: v for k, v in unknown.json().items() if k not in own}
    assert known.json()["email"] == "p0@bistro.example.com"
    assert unknown.json()["email"] == "p1@elsewhere.example.com"
    assert known.json()["invitation"].keys() == unknown.json()["invitation"].keys()


async def test_two_invitations_of_a_new_person_set_one_password(api: Api, house: House, pro: Company) -> None:
    bistro = await make.company(house, "Bistro", staff=0)
    await api.sign_in(bistro.administrator)
    tokens = []
    for company in (pro, bistro):
        user = await invite(api, company, "claire@claire.example.com")
        tokens.append(await make.invitation_token(house, company.account_id, user))  # type: ignore[arg-type]
    assert (await api.post("/invitations/accept", {"token": tokens[0], "password": GOOD})).status_code == 204
    other = await api.post("/invitations/accept", {"token": tokens[1], "password": "another unusual phrase"})
    assert (other.status_code, other.json()["code"]) == (401, "invalid_credentials")
    assert (await api.post("/invitations/accept", {"token": tokens[1], "password": GOOD})).status_code == 204


async def test_r3_parallel_invitations_fill_the_quota_exactly(api: Api, house: House, servers: Addresses) -> None:
    fifty = await make.company(house, "Fifty", staff=0)
    await sql(servers, "UPDATE licences SET users = 50 WHERE account_id = $1", fifty.account_id)
    await api.sign_in(fifty.administrator)
    answers = await gather(
        *(
            api.post("/users", {"email": f"p{number}@fifty.example.com", "role": "user"}, by=fifty.administrator)
            for number in range(200)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {201: 49, 409: 151}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"quota_reached"}
    assert await used(api, fifty) == 50
    assert (await events(servers, fifty.account_id)).count("user.invited") == 50  # the first administrator's among them
    assert (
        len(
            await sql(
                servers, "SELECT 1 FROM outbox WHERE account_id = $1 AND letter = 'invitation' AND state = 'owed'", fifty.account_id
            )
        )
        == 49
    )


async def test_r5_an_invitation_is_used_once(api: Api, house: House, pro: Company) -> None:
    user = await invite(api, pro, "claire@pro.example.com")
    token = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    answers = await gather(*(api.post("/invitations/accept", {"token": token, "password": GOOD}) for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 410: 99}
