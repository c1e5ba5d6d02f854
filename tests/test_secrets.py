"""X11 and X4: no secret is written anywhere, and nothing tells a stranger who is known."""

import io
import json
import logging
import re
from typing import Any

import httpx
import pytest

from service.access_log import AccessLog
from service.embedded import Addresses
from tenants.house import House
from tenants.tokens import Purpose, decoded
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.tenants.rows import every_key, every_row, sql

NEW = "an unusual horse battery 71"
NEWER = "another unusual phrase 72"


async def everything_that_people_do(api: Api, house: House, servers: Addresses) -> list[str]:
    """A day of a company; returns every secret that was used in it."""
    acme = await make.company(house, staff=2)
    bistro = await make.company(house, "Bistro", staff=0)
    ada, person = acme.administrator, acme.staff[0]
    secrets = [make.PASSWORD, NEW, NEWER, "a wrong guess 73", "a weak one 74"]
    key = {"Idempotency-Key": "once"}

    async def signed_in(email: str, password: str, **more: Any) -> str:
        answer = await api.post("/login", {"email": email, "password": password, **more}, headers=key)
        assert answer.status_code == 201, answer.text
        secrets.append(answer.json()["token"])
        return secrets[-1]

    boss = await signed_in(ada.email, ada.password)
    await api.post("/login", {"email": person.email, "password": "a wrong guess 73"})
    await api.post("/login", {"email": "stranger@acme.example.com", "password": "a wrong guess 73"})
    user = (await api.post("/users", {"email": "new@acme.example.com", "role": "user"}, by=boss, headers=key)).json()["id"]
    invitation = await make.invitation_token(house, acme.account_id, user)
    secrets.append(invitation)
    await api.post("/invitations/lookup", {"token": invitation})
    await api.post("/invitations/accept", {"token": invitation, "password": "a weak one 74"[:8]})
    assert (await api.post("/invitations/accept", {"token": invitation, "password": NEW}, headers=key)).status_code == 204
    await api.post("/invitations/accept", {"token": invitation, "password": NEW})
    await signed_in("new@acme.example.com", NEW)
    await api.post("/password-resets", {"email": person.email})
    await house.finish()
    row = (await sql(servers, "SELECT id, nonce FROM password_resets"))[0]
    reset = house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"])
    secrets.append(reset)
    assert (await api.post("/password-resets/confirm", {"token": reset, "password": NEW}, headers=key)).status_code == 204
    await api.post("/password-resets/confirm", {"token": reset, "password": NEW})
    token = await signed_in(person.email, NEW)
    assert (await api.put("/password", {"current": NEW, "new": NEWER}, by=token)).status_code == 204
    await api.put("/password", {"current": "a wrong guess 73", "new": NEWER}, by=token)
    there = (await api.post("/users", {"email": "boss@bistro.example.com", "role": "user"}, by=boss)).json()["id"]
    assert there
    second = await _in_bistro_too(api, house, bistro, person.email, secrets)
    switched = await api.post("/session/switch", {"account": "bistro"}, by=token, headers={"Idempotency-Key": "switch"})
    assert switched.status_code == 201, switched.text
    secrets += [switched.json()["token"], second]
    await make.set_seats(house, acme, 1)
    refused = await api.post("/login", {"email": acme.staff[1].email, "password": make.PASSWORD})
    assert refused.json()["code"] == "seats_full"
    secrets.append(refused.json()["ticket"])
    await api.post("/login", {"ticket": refused.json()["ticket"]})
    await api.get(f"/users?q={NEW}", by=boss)
    await api.client.get(f"/api/v1/nothing/{invitation}?token={reset}", headers={"Authorization": f"Bearer {boss}"})
    await api.client.get(f"/invitation?token={invitation}")
    await _given_a_first_password(api, boss, secrets)
    await api.delete("/session", by=boss)
    return secrets


async def _given_a_first_password(api: Api, boss: str, secrets: list[str]) -> None:
    key, email = {"Idempotency-Key": "first"}, "first@acme.example.com"
    secrets += ["seven kites above the harbour", "an own phrase nobody set 75"]
    assert (await api.patch("/account", {"admin_sets_password": True}, by=boss)).status_code == 200
    body = {"email": email, "role": "user", "password": secrets[-2]}
    assert (await api.post("/users", body, by=boss, headers=key)).status_code == 201
    await api.post("/login", {"email": email, "password": secrets[-1]})
    offered = await api.post("/login", {"email": email, "password": secrets[-2]}, headers=key)
    assert offered.json()["code"] == "password_needed"
    token = offered.json()["token"]
    secrets.append(token)
    assert (await api.post("/invitations/accept", {"token": token, "password": secrets[-3]})).status_code == 422
    assert (await api.post("/invitations/accept", {"token": token, "password": secrets[-2]})).status_code == 204


async def _in_bistro_too(api: Api, house: House, bistro: make.Company, email: str, secrets: list[str]) -> str:
    answer = await api.sign_in(bistro.administrator)
    secrets.append(answer.json()["token"])
    user = (await api.post("/users", {"email": email, "role": "user"}, by=bistro.administrator)).json()["id"]
    token = await make.invitation_token(house, bistro.account_id, user)
    assert (await api.post("/invitations/accept", {"token": token, "password": NEWER})).status_code == 204
    return token


async def test_x11_no_secret_is_written_anywhere(house: House, servers: Addresses, caplog: pytest.LogCaptureFixture) -> None:
    lines = io.StringIO()
    log = AccessLog(lines)
    caplog.set_level(logging.DEBUG)
    async with open_client(application(house, beside=1, access_log=log)) as client:
        secrets = await everything_that_people_do(Api(client), house, servers)
        await house.finish()
    log.flush()
    rows = "\n".join(row for table in (await every_row(servers)).values() for row in table)
    keys = repr(await every_key(servers))
    # The tests' own client logs every address that it asks.
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert lines.getvalue().count("\n") > 20
    assert rows.count("\n") > 30
    assert len(keys) > 200
    for where, text in (("access log", lines.getvalue()), ("log", ours), ("database", rows), ("Valkey", keys)):
        for secret in secrets:
            assert secret not in text, f"{where} holds a secret"
            assert secret.encode().hex() not in text, f"{where} holds a secret in bytes"
            # A token's bytes in another spelling are the token as well.
            raw = decoded(secret.removeprefix("ptl_")) if " " not in secret else None
            if raw:
                assert raw.hex() not in text, f"{where} holds a token's bytes"
                assert raw[-24:].hex() not in text, f"{where} holds a token's secret part"
    for text in (lines.getvalue(), ours):
        assert "@acme.example.com" not in text, "logs name nobody"
    for text in (rows, keys):
        assert "stranger@" not in text, "a stranger's address is kept nowhere"


async def test_the_access_log_says_these_things_and_no_more(house: House, servers: Addresses) -> None:
    lines = io.StringIO()
    log = AccessLog(lines)
    async with open_client(application(house, beside=1, access_log=log)) as client:
        acme = await make.company(house, staff=0)
        api = Api(client)
        await api.sign_in(acme.administrator)
        await api.get(f"/users/{acme.administrator.user_id}?x=secret", by=acme.administrator)
    log.flush()
    allowed = {"at", "request_id", "method", "route", "status", "ms", "account"}
    for line in lines.getvalue().splitlines():
        assert json.loads(line).keys() <= allowed
    assert "/users/{user_id" in lines.getvalue()
    assert str(acme.administrator.user_id) not in lines.getvalue()
    assert "secret" not in lines.getvalue()


STATES = ("unknown", "active", "invited", "first_password", "suspended", "struck_off", "deleted", "other_account")
FIRST = "seven kites above the harbour"


async def people_in_every_state(api: Api, house: House) -> tuple[make.Company, dict[str, str]]:
    """A company, and an address for each state in which a person can be."""
    acme = await make.company(house, staff=4)
    bistro = await make.company(house, "Bistro", staff=1)
    ada = acme.administrator
    await api.sign_in(ada)
    active, suspended, struck, deleted = acme.staff
    await api.post("/users", {"email": "invited@acme.example.com", "role": "user"}, by=ada)
    await api.patch("/account", {"admin_sets_password": True}, by=ada)
    given = await api.post("/users", {"email": "first@acme.example.com", "role": "user", "password": FIRST}, by=ada)
    assert given.status_code == 201, given.text
    await api.patch(f"/users/{suspended.user_id}", {"status": "suspended"}, by=ada)
    await api.patch(f"/users/{struck.user_id}", {"status": "struck_off"}, by=ada)
    await api.delete(f"/users/{deleted.user_id}", by=ada)
    emails = (
        "unknown@acme.example.com",
        active.email,
        "invited@acme.example.com",
        "first@acme.example.com",
        suspended.email,
        struck.email,
        deleted.email,
        bistro.staff[0].email,
    )
    return acme, dict(zip(STATES, emails, strict=True))


def seen(answer: httpx.Response, email: str) -> tuple[int, str, list[tuple[str, str]]]:
    """All that a caller can tell two answers apart by."""
    text = re.sub(r'"request_id":"\w+"', "", answer.text.replace(email, "<email>"))
    return answer.status_code, text, [(k, v) for k, v in answer.headers.items() if k != "x-request-id"]


async def test_x4_a_wrong_password_tells_nothing(api: Api, house: House) -> None:
    _, people = await people_in_every_state(api, house)
    for extra in ({}, {"account": "acme"}, {"account": "nowhere"}):
        answers = {
            state: seen(await api.post("/login", {"email": email, "password": "a wrong guess", **extra}), email)
            for state, email in people.items()
        }
        assert len(set(map(repr, answers.values()))) == 1, answers
        assert answers["unknown"][0] == 401


async def test_x4_the_right_password_tells_only_whoever_may_know(api: Api, house: House) -> None:
    _, people = await people_in_every_state(api, house)
    silent = ("unknown", "invited", "first_password", "struck_off", "deleted", "other_account")
    answers = {}
    for state, email in people.items():
        answers[state] = seen(await api.post("/login", {"email": email, "password": make.PASSWORD, "account": "acme"}), email)
    assert len({repr(answers[state]) for state in silent}) == 1, answers
    assert (answers["active"][0], answers["suspended"][0], answers["unknown"][0]) == (201, 403, 401)
    first = {email: await api.post("/login", {"email": email, "password": FIRST}) for email in people.values()}
    assert [email for email, answer in first.items() if answer.json()["code"] == "password_needed"] == [people["first_password"]]
    assert {answer.status_code for email, answer in first.items() if email != people["first_password"]} == {401}


async def test_x4_a_forgotten_password_tells_nothing(api: Api, house: House) -> None:
    _, people = await people_in_every_state(api, house)
    answers = {state: seen(await api.post("/password-resets", {"email": email}), email) for state, email in people.items()}
    assert len(set(map(repr, answers.values()))) == 1, answers
    assert answers["unknown"][0] == 202


async def test_x4_an_invitation_tells_nothing_about_other_accounts(api: Api, house: House, servers: Addresses) -> None:
    _, people = await people_in_every_state(api, house)
    third = await make.company(house, "Third", staff=0)
    await api.sign_in(third.administrator)
    await api.patch("/account", {"admin_sets_password": True}, by=third.administrator)
    answers = {}
    for number, (state, email) in enumerate(people.items()):
        first = {"password": FIRST} if number % 2 else {}
        answer = await api.post("/users", {"email": email.upper(), "role": "user", **first}, by=third.administrator)
        status, text, headers = seen(answer, email)
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z", "<x>", text)
        answers[state] = (status, text, [header for header in headers if header[0] != "content-length"])
    assert len(set(map(repr, answers.values()))) == 1, answers
    assert answers["unknown"][0] == 201
