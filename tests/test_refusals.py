"""What the state of things forbids is refused in the reader's language: links, quotas, licences, accounts, versions, strangers' objects."""

# ruff: noqa: S608 - tables are named by the tests and by the schema itself

from typing import Any
from uuid import uuid4

import pytest

from service.embedded import Addresses
from tenants.house import House
from tenants.tokens import Purpose, encoded, new_nonce
from tests import make
from tests.api import Api
from tests.make import Company
from tests.refusals import GOOD, HISTORY, Desk
from tests.tenants.rows import sql


@pytest.fixture
def desk(api: Api, servers: Addresses, house: House) -> Desk:
    """Where requests are refused."""
    return Desk(api, servers, house)


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company whose administrator is signed in."""
    company = await make.company(house, staff=1)
    await api.sign_in(company.administrator)
    return company


async def test_links_that_are_not_good(desk: Desk, acme: Company, house: House) -> None:
    ada = acme.administrator
    links = await _links(desk, acme, house)
    for token, code in links.items():
        await desk.refused("POST", "/invitations/lookup", status=410, code=code, json={"token": token})
        await desk.refused("POST", "/invitations/accept", status=410, code=code, json={"token": token, "password": GOOD})
    resets = await _resets(desk, acme, house)
    for token, code in resets.items():
        await desk.refused("POST", "/password-resets/confirm", status=410, code=code, json={"token": token, "password": GOOD})
    for path, more in (
        ("/invitations/lookup", {}),
        ("/invitations/accept", {"password": GOOD}),
        ("/password-resets/confirm", {"password": GOOD}),
    ):
        await desk.invalid("POST", path, "token", "too_long", json={"token": "x" * 201, **more})
        await desk.invalid("POST", path, "token", "too_short", json={"token": "", **more})
        await desk.invalid("POST", path, "token", "wrong_type", json={"token": ["x"], **more})
    assert (await desk.api.get("/session", by=ada)).status_code == 200


async def _links(desk: Desk, acme: Company, house: House) -> dict[str, str]:
    ada, signer, found = acme.administrator, house.signer, {}

    async def invited(name: str) -> tuple[str, Any]:
        user = (await desk.api.post("/users", {"email": f"{name}@acme.example.com", "role": "user"}, by=ada)).json()["id"]
        return user, await make.invitation_token(house, acme.account_id, user)

    user, found_token = await invited("resent")
    await desk.api.post(f"/users/{user}/invitation", by=ada)
    found[found_token] = "link_used"
    user, found_token = await invited("withdrawn")
    await desk.api.delete(f"/users/{user}/invitation", by=ada)
    found[found_token] = "link_used"
    user, found_token = await invited("accepted")
    assert (await desk.api.post("/invitations/accept", {"token": found_token, "password": GOOD})).status_code == 204
    found[found_token] = "link_used"
    user, found_token = await invited("deleted")
    await desk.api.delete(f"/users/{user}", by=ada)
    found[found_token] = "link_used"
    user, found_token = await invited("struck")
    await desk.api.patch(f"/users/{user}", {"status": "struck_off"}, by=ada)
    found[found_token] = "link_used"
    user, found_token = await invited("expired")
    await sql(desk.servers, "UPDATE invitations SET expires_at = now() - interval '1 second' WHERE user_id = $1", user)
    found[found_token] = "link_expired"
    _, good = await invited("good")
    row = (await sql(desk.servers, "SELECT account_id, id, nonce FROM invitations ORDER BY created_at DESC LIMIT 1"))[0]
    other = signer.link(Purpose.INVITATION, account_id=uuid4(), row_id=row["id"], nonce=row["nonce"])
    found |= {
        other: "link_invalid",
        signer.link(Purpose.PASSWORD_RESET, account_id=row["account_id"], row_id=row["id"], nonce=row["nonce"]): "link_invalid",
        good[:-9] + good[-9:-1].swapcase() + good[-1]: "link_used",
        good[:40] + good[40:].swapcase(): "link_invalid",
        good + "=": "link_invalid", good + "A": "link_invalid", good[:-4]: "link_invalid", "x": "link_invalid", "é" * 20: "link_invalid",
        encoded(bytes(64)): "link_invalid", f" {good}": "link_invalid",
    }  # fmt: skip
    return found


async def _resets(desk: Desk, acme: Company, house: House) -> dict[str, str]:
    person, found = acme.staff[0], {}

    async def asked() -> str:
        assert (await desk.api.post("/password-resets", {"email": person.email})).status_code == 202
        await house.finish()
        row = (await sql(desk.servers, "SELECT id, nonce FROM password_resets ORDER BY id DESC LIMIT 1"))[0]
        return house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"])

    used = await asked()
    assert (await desk.api.post("/password-resets/confirm", {"token": used, "password": GOOD})).status_code == 204
    found[used] = "link_used"
    found[await asked()] = "link_used"
    expired = await asked()
    await sql(desk.servers, "UPDATE password_resets SET expires_at = now() - interval '1 second' WHERE used_at IS NULL")
    found[expired] = "link_expired"
    nobody = house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=uuid4(), nonce=new_nonce())
    found |= {
        nobody: "link_invalid",
        expired[:-6]: "link_invalid",
        "AAAA": "link_invalid",
        "\x00": "link_invalid",
        encoded(bytes(64)): "link_invalid",
    }
    return found


async def test_paths_and_methods_that_do_not_exist(desk: Desk, acme: Company) -> None:
    for path in ("/nothing", "/users/7", f"/users/{uuid4()}/nothing", "/users/../accounts/x", f"/accounts/{uuid4()}/nothing"):
        await desk.refused("GET", path, status=404, code="not_found", by=acme.administrator)
    for method, path in (
        ("PUT", "/users"),
        ("DELETE", "/account"),
        ("GET", "/login"),
        ("HEAD", "/users"),
        ("TRACE", "/session"),
        ("PATCH", "/session"),
    ):
        answer = await desk.api.call(method, path, by=acme.administrator)
        assert answer.status_code == 405, f"{method} {path}: {answer.status_code}"
    await desk.refused("PUT", "/users", status=405, code="method_not_allowed", by=acme.administrator)


async def test_quotas_at_both_edges(desk: Desk, house: House) -> None:
    alone = await make.company(house, "Alone", plan="basic", staff=0)
    await desk.api.sign_in(alone.administrator)
    full = await desk.refused(
        "POST",
        "/users",
        status=409,
        code="quota_reached",
        by=alone.administrator,
        json={"email": "a@alone.example.com", "role": "user"},
    )
    assert (full["what"], full["limit"], full["used"]) == ("users", 1, 1)
    pro = await make.company(house, "Pro", plan="pro", staff=4)
    await desk.api.sign_in(pro.administrator)
    sixth = await desk.api.post("/users", {"email": "sixth@pro.example.com", "role": "user"}, by=pro.administrator)
    assert sixth.status_code == 201
    seventh = {"email": "seventh@pro.example.com", "role": "user"}
    full = await desk.refused("POST", "/users", status=409, code="quota_reached", by=pro.administrator, json=seventh)
    assert (full["limit"], full["used"]) == (6, 6)
    await desk.api.patch(f"/users/{pro.staff[0].user_id}", {"status": "struck_off"}, by=pro.administrator)
    assert (await desk.api.post("/users", seventh, by=pro.administrator)).status_code == 201
    back = {"status": "active"}
    await desk.refused("PATCH", f"/users/{pro.staff[0].user_id}", status=409, code="quota_reached", by=pro.administrator, json=back)


async def test_a_licence_that_has_not_begun_or_is_over(desk: Desk, house: House, acme: Company) -> None:
    person = acme.staff[0]
    assert (await desk.api.sign_in(person)).status_code == 201
    for dates in ("ends_on = current_date - 9, starts_on = current_date - 20", "ends_on = NULL, starts_on = current_date + 2"):
        await _licence(house, acme, dates, desk.servers)
        credentials = {"email": person.email, "password": person.password}
        await desk.refused("POST", "/login", status=403, code="account_unavailable", json=credentials, but=HISTORY)
        assert (await desk.api.get("/session", by=person)).status_code == 401
        assert (await desk.api.post("/login", {**credentials, "password": "wrong"})).json()["code"] == "invalid_credentials"
        assert (await desk.api.sign_in(acme.administrator)).status_code == 201
    await _licence(house, acme, "starts_on = current_date", desk.servers)
    assert (await desk.api.sign_in(person)).status_code == 201


async def _licence(house: House, company: Company, dates: str, servers: Addresses) -> None:
    await sql(servers, f"UPDATE licences SET {dates} WHERE account_id = $1", company.account_id)
    await make.set_seats(house, company, 20)


async def test_an_account_suspended_or_closed(desk: Desk, house: House, acme: Company) -> None:
    operator, person = await make.operator(house), acme.staff[0]
    await desk.api.sign_in(operator.administrator)
    credentials = {"email": person.email, "password": person.password}
    invited = (await desk.api.post("/users", {"email": "new@acme.example.com", "role": "user"}, by=acme.administrator)).json()["id"]
    token = await make.invitation_token(house, acme.account_id, invited)
    for status, refusal in (("suspended", (403, "account_unavailable")), ("closed", (401, "invalid_credentials"))):
        changed = await desk.api.patch(f"/accounts/{acme.account_id}", {"status": status}, by=operator.administrator)
        assert changed.status_code == 200, changed.text
        assert (await desk.api.get("/session", by=acme.administrator)).status_code == 401
        await desk.refused("POST", "/login", status=refusal[0], code=refusal[1], json=credentials, but=HISTORY)
        await desk.refused("POST", "/invitations/lookup", status=410, code="link_used", json={"token": token})
    await desk.refused(
        "PATCH",
        f"/accounts/{acme.account_id}",
        status=409,
        code="not_in_state",
        by=operator.administrator,
        json={"status": "suspended"},
    )
    await desk.api.patch(f"/accounts/{acme.account_id}", {"status": "active"}, by=operator.administrator)
    assert (await desk.api.sign_in(person)).status_code == 201
    assert (await desk.api.post("/invitations/lookup", {"token": token})).status_code == 200


async def test_versions_of_a_licence(desk: Desk, house: House, acme: Company) -> None:
    operator = (await make.operator(house)).administrator
    await desk.api.sign_in(operator)
    path, body = f"/accounts/{acme.account_id}/licence", {"plan": "pro"}
    await desk.refused("PUT", path, status=428, code="version_required", by=operator, json=body)
    for tag in ('"v999"', '"x"', "v", '"v-1"', '"v1.0"', "\u00b2", '"v\u00b2"', '""', f'"v{"9" * 90}"'):
        headers = {"If-Match": tag.encode("latin-1")}
        await desk.refused("PUT", path, status=412, code="version_conflict", by=operator, json=body, headers=headers)
    current = (await desk.api.get(path, by=operator)).headers["etag"]
    first = await desk.api.put(path, body, by=operator, headers={"If-Match": current})
    assert first.status_code == 200, first.text
    assert first.json()["history"][0]["after"]["plan"] == "pro"
    await desk.refused("PUT", path, status=412, code="version_conflict", by=operator, json=body, headers={"If-Match": current})
    again = await desk.api.put(path, body, by=operator, headers={"If-Match": "*"})
    assert again.status_code == 200
    assert first.headers["etag"] != again.headers["etag"]


async def test_somebody_elses_and_nobodys_objects_are_not_found(desk: Desk, house: House, acme: Company) -> None:
    bistro = await make.company(house, "Bistro", staff=1)
    for user_id in (bistro.staff[0].user_id, uuid4()):
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/invitation"),
            ("DELETE", "/invitation"),
            ("POST", "/password-reset"),
            ("DELETE", "/sessions"),
        ):
            body = {"name": "x"} if method == "PATCH" else None
            await desk.refused(method, f"/users/{user_id}{path}", status=404, code="not_found", by=acme.administrator, json=body)


async def test_an_address_that_is_here_already(desk: Desk, acme: Company) -> None:
    for email in (acme.staff[0].email, acme.staff[0].email.upper()):
        document = await desk.refused(
            "POST", "/users", status=409, code="already_exists", by=acme.administrator, json={"email": email, "role": "user"}
        )
        assert document["what"] == "user"
