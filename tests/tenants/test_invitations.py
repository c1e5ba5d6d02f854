"""Invitations: one link, once; places in the licence; renewal; several accounts; and never one user too many."""

from asyncio import gather
from collections import Counter
from datetime import UTC, datetime, timedelta
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


async def test_what_a_link_gives_is_told_before_it_is_accepted(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    ada = acme.administrator
    await api.sign_in(ada)
    role = (await api.post("/roles", {"name": "Chef d’atelier", "rights": ["quotes.view"]}, by=ada)).json()["id"]
    ids = [(await api.post("/departments", {"name": name}, by=ada)).json()["id"] for name in ("Lyon", "Brest", "Arras")]
    everywhere = await invite(api, acme, "everywhere@acme.example.com", role="simple_administrator")
    somewhere = await invite(api, acme, "somewhere@acme.example.com", role=role, departments=ids[:2])

    async def told(user: str, language: str) -> tuple[str, str, Any]:
        token = await make.invitation_token(house, acme.account_id, user)  # type: ignore[arg-type]
        card = (await api.post("/invitations/lookup", {"token": token}, headers={"Accept-Language": language})).json()
        return card["role"], card["role_name"], card["departments"]

    assert await told(everywhere, "en") == ("simple_administrator", "Simple administrator", None)
    assert await told(everywhere, "fr") == ("simple_administrator", "Administrateur simple", None)
    assert await told(somewhere, "fr") == (role, "Chef d’atelier", ["Brest", "Lyon"])
    await sql(servers, "UPDATE licences SET options = '{}' WHERE account_id = $1", acme.account_id)
    assert await told(somewhere, "en") == (role, "Chef d’atelier", ["Brest", "Lyon"]), "a frozen role is named all the same"


async def days_left(api: Api, company: Company, user: str) -> float:
    """Days until the user's link expires."""
    card = (await api.get(f"/users/{user}", by=company.administrator)).json()
    return (datetime.fromisoformat(card["invitation"]["expires_at"]) - datetime.now(UTC)) / timedelta(days=1)


async def test_a_link_is_good_for_seven_days_or_for_1_to_30(api: Api, pro: Company) -> None:
    ada = pro.administrator
    users = [
        await invite(api, pro, "p0@pro.example.com"),
        await invite(api, pro, "p1@pro.example.com", valid_days=1),
        await invite(api, pro, "p2@pro.example.com", valid_days=30),
    ]
    assert [round(await days_left(api, pro, user), 2) for user in users] == [7, 1, 30]
    wrong: list[Any] = [0, 31, -1, "7", 1.5, True]
    for days in wrong:
        body = {"email": "x@pro.example.com", "role": "user", "valid_days": days}
        answers = [await api.post("/users", body, by=ada)]
        answers.append(await api.post(f"/users/{users[0]}/invitation", {"valid_days": days}, by=ada))
        assert [(a.status_code, a.json()["errors"][0]["field"]) for a in answers] == [(422, "valid_days")] * 2, days
    assert round(await days_left(api, pro, users[0]), 2) == 7
    resent: list[tuple[Any, int]] = [(None, 7), ({}, 7), ({"valid_days": 1}, 1), ({"valid_days": 30}, 30)]
    for link, left in resent:
        assert (await api.post(f"/users/{users[2]}/invitation", link, by=ada)).status_code == 202
        assert round(await days_left(api, pro, users[2]), 2) == left


async def test_a_resend_keeps_language_and_message_or_changes_them(
    api: Api, house: House, pro: Company, servers: Addresses
) -> None:
    user = await invite(api, pro, "claire@pro.example.com", language="fr", message="À lundi")
    ways: list[tuple[Any, tuple[str, str | None]]] = [
        (None, ("fr", "À lundi")),
        ({"valid_days": 2}, ("fr", "À lundi")),
        ({"language": "en", "message": "See you\non Monday"}, ("en", "See you\non Monday")),
        ({"message": None}, ("en", "See you\non Monday")),
        ({"message": "  "}, ("en", None)),
    ]
    for body, kept in ways:
        assert (await api.post(f"/users/{user}/invitation", body, by=pro.administrator)).status_code == 202
        assert tuple((await sql(servers, "SELECT language, message FROM invitations WHERE user_id = $1", user))[0]) == kept, body
    refused: list[dict[str, Any]] = [{"language": "de"}, {"message": "x" * 1001}, {"message": "a\x00b"}, {"role": "user"}]
    for body in refused:
        assert (await api.post(f"/users/{user}/invitation", body, by=pro.administrator)).status_code == 422, body
    token = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    assert (await api.post("/invitations/lookup", {"token": token})).json()["language"] == "en"


async def test_a_resend_waits_until_archived_departments_are_replaced(api: Api, pro: Company) -> None:
    ada = pro.administrator
    old, new = [(await api.post("/departments", {"name": name}, by=ada)).json()["id"] for name in ("Lyon", "Brest")]
    user = await invite(api, pro, "claire@pro.example.com", departments=[old])
    assert (await api.delete(f"/users/{user}/invitation", by=ada)).status_code == 204
    archived = await api.patch(f"/departments/{old}", {"archived": True}, by=ada)
    assert archived.status_code == 200, archived.text
    refused = await api.post(f"/users/{user}/invitation", by=ada)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "departments")
    assert (await api.patch(f"/users/{user}", {"departments": [new]}, by=ada)).status_code == 200
    assert (await api.post(f"/users/{user}/invitation", by=ada)).status_code == 202


async def test_an_invitation_is_shown_as_accepted_once_it_is(api: Api, house: House, pro: Company) -> None:
    user = await invite(api, pro, "claire@pro.example.com")
    token = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    shown = (await api.get(f"/users/{user}", by=pro.administrator)).json()
    assert (shown["status"], shown["invitation"]["state"]) == ("invited", "queued")
    assert (await api.delete(f"/users/{user}/invitation", by=pro.administrator)).status_code == 204
    assert (await api.get(f"/users/{user}", by=pro.administrator)).json()["invitation"]["state"] == "withdrawn"
    assert (await api.post(f"/users/{user}/invitation", by=pro.administrator)).json()["invitation"]["state"] == "queued"
    token = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    assert (await api.post("/invitations/accept", {"token": token, "password": GOOD})).status_code == 204
    for card in (
        (await api.get(f"/users/{user}", by=pro.administrator)).json(),
        (await api.get("/users?q=claire", by=pro.administrator)).json()["items"][0],
    ):
        assert (card["status"], card["invitation"]["state"], card["invitation"]["mail_reply"]) == ("active", "accepted", None)


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


async def test_an_expired_link_that_was_asked_for_again_is_sent_again_and_takes_a_place(
    api: Api, house: House, pro: Company, servers: Addresses
) -> None:
    user = await invite(api, pro, "claire@pro.example.com")
    older = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    await sql(servers, "UPDATE invitations SET expires_at = now() - interval '1 second'")
    await sql(servers, "UPDATE users SET invited_until = now() - interval '1 second' WHERE id = $1", user)
    assert (await api.post("/invitations/renew", {"token": older})).status_code == 202
    assert await used(api, pro) == 1
    await sql(servers, "UPDATE licences SET users = 1 WHERE account_id = $1", pro.account_id)
    full = await api.post(f"/users/{user}/invitation", by=pro.administrator)
    assert (full.status_code, full.json()["code"], full.json()["limit"], full.json()["used"]) == (409, "quota_reached", 1, 1)
    assert (await api.post("/invitations/lookup", {"token": older})).json()["code"] == "link_expired"
    await sql(servers, "UPDATE licences SET users = 2 WHERE account_id = $1", pro.account_id)
    assert (await api.post(f"/users/{user}/invitation", by=pro.administrator)).status_code == 202
    assert await used(api, pro) == 2
    assert (await api.post(f"/users/{user}/invitation", by=pro.administrator)).status_code == 202, "it has its place already"
    newer = await make.invitation_token(house, pro.account_id, user)  # type: ignore[arg-type]
    assert (await api.post("/invitations/accept", {"token": older, "password": GOOD})).json()["code"] == "link_used"
    assert (await api.post("/invitations/accept", {"token": newer, "password": GOOD})).status_code == 204
    assert await used(api, pro) == 2


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
