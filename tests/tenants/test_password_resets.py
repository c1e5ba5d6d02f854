"""Forgotten and changed passwords: one answer for everybody, one use of a link, no old session left, nobody activated."""

from asyncio import gather
from collections import Counter

from service.embedded import Addresses
from tenants.house import House
from tenants.tokens import Purpose
from tests import make
from tests.api import Api
from tests.make import Company, Person
from tests.tenants.rows import sql

NEW = "an unusual horse battery"


async def ask(api: Api, house: House, servers: Addresses, email: str) -> str:
    """Ask for a reset; returns the link's token."""
    assert (await api.post("/password-resets", {"email": email})).status_code == 202
    await house.finish()
    row = (await sql(servers, "SELECT id, nonce FROM password_resets ORDER BY id DESC LIMIT 1"))[0]
    return house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"])


async def in_two_accounts(house: House, api: Api) -> tuple[Company, Company, Person]:
    """Two companies and a person of both."""
    acme = await make.company(house, staff=1)
    bistro = await make.company(house, "Bistro", staff=0)
    await api.sign_in(bistro.administrator)
    person = acme.staff[0]
    user = (await api.post("/users", {"email": person.email, "role": "user"}, by=bistro.administrator)).json()["id"]
    await make.accept(house, bistro.account_id, user)
    return acme, bistro, person


async def test_a_reset_ends_every_session_in_every_account_and_says_so_by_mail(api: Api, house: House, servers: Addresses) -> None:
    acme, bistro, person = await in_two_accounts(house, api)
    tokens = [(await api.sign_in(person, account=company.slug)).json()["token"] for company in (acme, bistro)]
    older = await ask(api, house, servers, person.email)
    newer = await ask(api, house, servers, person.email)
    assert (await api.post("/password-resets/confirm", {"token": older, "password": NEW})).json()["code"] == "link_used"
    done = await api.post("/password-resets/confirm", {"token": newer, "password": NEW})
    assert (done.status_code, done.content, "set-cookie" in done.headers) == (204, b"", False)
    for token in tokens:
        assert (await api.get("/session", by=token)).status_code == 401
    assert (await api.post("/login", {"email": person.email, "password": person.password, "account": "acme"})).status_code == 401
    assert (await api.post("/login", {"email": person.email, "password": NEW, "account": "acme"})).status_code == 201
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'password_changed'")) == 1
    assert len(await sql(servers, "SELECT 1 FROM activity WHERE event = 'password.changed'")) == 2, "each account's history tells"


async def test_ones_own_change_keeps_the_present_session_only(api: Api, house: House, servers: Addresses) -> None:
    acme, bistro, person = await in_two_accounts(house, api)
    elsewhere = (await api.sign_in(person, account=bistro.slug)).json()["token"]
    await api.sign_in(person, account=acme.slug)
    assert (await api.put("/password", {"current": person.password, "new": NEW}, by=person)).status_code == 204
    assert (await api.get("/session", by=person)).status_code == 200
    assert (await api.get("/session", by=elsewhere)).status_code == 401
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'password_changed'")) == 1


async def test_a_weak_password_leaves_the_link_good(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    token = await ask(api, house, servers, acme.staff[0].email)
    weak = await api.post(
        "/password-resets/confirm", {"token": token, "password": "password1234"}, headers={"Accept-Language": "fr"}
    )
    assert weak.status_code == 422
    assert weak.json()["errors"][0]["code"] == "guessable"
    assert weak.json()["errors"][0]["facts"]["advice"][0].startswith(("C'est", "Il ressemble"))
    assert (await api.post("/password-resets/confirm", {"token": token, "password": NEW})).status_code == 204


async def test_a_reset_activates_nobody(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=2)
    ada = acme.administrator
    await api.sign_in(ada)
    for person, status, code in (
        (acme.staff[0], "suspended", "user_suspended"),
        (acme.staff[1], "struck_off", "invalid_credentials"),
    ):
        token = await ask(api, house, servers, person.email)
        await api.patch(f"/users/{person.user_id}", {"status": status}, by=ada)
        await api.post("/password-resets/confirm", {"token": token, "password": NEW})
        assert (await api.post("/login", {"email": person.email, "password": NEW})).json()["code"] == code
        assert (await api.get(f"/users/{person.user_id}", by=ada)).json()["status"] == status
    before = len(await sql(servers, "SELECT 1 FROM password_resets"))
    invited = (await api.post("/users", {"email": "invited@acme.example.com", "role": "user"}, by=ada)).json()["id"]
    for email in ("invited@acme.example.com", acme.staff[1].email, "stranger@acme.example.com"):
        assert (await api.post("/password-resets", {"email": email})).status_code == 202
    await house.finish()
    assert len(await sql(servers, "SELECT 1 FROM password_resets")) == before, "nothing is owed to whoever cannot work"
    started = await api.post(f"/users/{invited}/password-reset", by=ada)
    assert (started.status_code, started.json()["code"]) == (409, "not_in_state")


async def test_an_administrator_starts_a_reset_and_never_sees_it(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    await api.sign_in(acme.administrator)
    answer = await api.post(f"/users/{acme.staff[0].user_id}/password-reset", by=acme.administrator)
    assert (answer.status_code, answer.content in {b"", b"null"}) == (202, True)
    owed = await sql(servers, "SELECT user_id FROM outbox WHERE letter = 'password_reset'")
    assert [row[0] for row in owed] == [acme.staff[0].user_id]


async def test_r5_a_reset_link_is_used_once(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    token = await ask(api, house, servers, acme.staff[0].email)
    answers = await gather(*(api.post("/password-resets/confirm", {"token": token, "password": NEW}) for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 410: 99}
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'password_changed'")) == 1


async def test_mails_that_nobody_asked_for_are_few(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    for _ in range(8):
        assert (await api.post("/password-resets", {"email": acme.staff[0].email})).status_code == 202
        await house.finish()
    assert len(await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'password_reset'")) == 5
