"""Every change leaves exactly one line of its event, with what it was before and after, by whom and from where."""

import json
from typing import Any

from service.embedded import Addresses
from tenants.activity import Event
from tenants.house import House
from tenants.tokens import Purpose
from tests import make
from tests.api import Api
from tests.make import Company
from tests.tenants.rows import sql

NEW = "an unusual horse battery"


class Witness:
    """Tells which lines an account got since it was asked last."""

    def __init__(self, servers: Addresses, company: Company) -> None:
        self.servers, self.company = servers, company
        self.seen: set[Any] = set()

    async def new(self) -> list[tuple[str, dict[str, Any]]]:
        """Event and facts, oldest first."""
        rows = await sql(
            self.servers, "SELECT id, event, facts FROM activity WHERE account_id = $1 ORDER BY id", self.company.account_id
        )
        fresh = [(row["event"], json.loads(row["facts"])) for row in rows if row["id"] not in self.seen]
        self.seen |= {row["id"] for row in rows}
        return fresh


async def test_each_change_in_the_account_is_one_line(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1)
    ada, person = acme.people
    witness = Witness(servers, acme)
    await witness.new()

    async def left(*expected: str) -> list[dict[str, Any]]:
        await house.finish()
        lines = await witness.new()
        assert sorted(event for event, _ in lines) == sorted(expected), lines
        return [facts for _, facts in lines]

    await api.sign_in(ada)
    await left("session.signed_in")
    await api.post("/login", {"email": person.email, "password": "wrong"})
    assert (await left("session.sign_in_failed"))[0]["why"] == "password"
    user = (await api.post("/users", {"email": "new@acme.example.com", "role": "user"}, by=ada)).json()["id"]
    assert (await left("user.invited"))[0] == {"role": "user", "departments": None}
    await api.post(f"/users/{user}/invitation", by=ada)
    await left("invitation.resent")
    await api.delete(f"/users/{user}/invitation", by=ada)
    await api.delete(f"/users/{user}/invitation", by=ada)
    await left("invitation.withdrawn")
    await api.post(f"/users/{user}/invitation", by=ada)
    await left("invitation.resent")
    token = await make.invitation_token(house, acme.account_id, user)
    await api.post("/invitations/accept", {"token": token, "password": NEW})
    await left("invitation.accepted")
    await api.delete(f"/users/{user}", by=ada)
    await left("user.deleted")
    await api.patch("/account", {"idle_timeout": 45, "seat_unit": "user"}, by=ada)
    assert await left("account.changed") == [{"before": {"idle_timeout": 30}, "after": {"idle_timeout": 45}}]
    await api.patch("/account", {"idle_timeout": 45}, by=ada)
    await left()
    await api.post("/password-resets", {"email": person.email})
    await left("password.reset_asked")
    row = (await sql(servers, "SELECT id, nonce FROM password_resets"))[0]
    link = house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"])
    await api.post("/password-resets/confirm", {"token": link, "password": NEW})
    assert await left("password.changed") == [{"how": "reset"}]
    await api.put("/password", {"current": ada.password, "new": "another unusual phrase"}, by=ada)
    assert await left("password.changed") == [{"how": "change"}]
    await api.delete("/session", by=ada)
    await left("session.signed_out")


async def test_what_a_seller_changes_is_in_the_clients_history(api: Api, house: House, servers: Addresses) -> None:
    operator, acme = await make.operator(house), await make.company(house, staff=0)
    seller = operator.administrator
    await api.sign_in(seller)
    witness = Witness(servers, acme)
    await witness.new()
    await api.put(
        f"/accounts/{acme.account_id}/licence",
        {"plan": "enterprise", "seats": 7, "reason": "Spring"},
        by=seller,
        headers={"If-Match": "*"},
    )
    assert await witness.new() == [("licence.changed", {"before": {"seats": 20}, "after": {"seats": 7}, "reason": "Spring"})]
    await api.put(f"/accounts/{acme.account_id}/licence", {"plan": "enterprise", "seats": 7}, by=seller, headers={"If-Match": "*"})
    assert await witness.new() == []
    await api.patch(f"/accounts/{acme.account_id}", {"name": "Acme and Sons"}, by=seller)
    assert await witness.new() == [("account.changed", {"before": {"name": "Acme"}, "after": {"name": "Acme and Sons"}})]
    await api.patch(f"/accounts/{acme.account_id}", {"status": "suspended"}, by=seller)
    assert await witness.new() == [("account.status_changed", {"before": "active", "after": "suspended"})]
    line = (await sql(servers, "SELECT * FROM activity WHERE account_id = $1 ORDER BY id DESC LIMIT 1", acme.account_id))[0]
    assert line["actor_account_id"] == operator.account_id
    assert (line["actor_kind"], line["actor_name"], line["actor_email"]) == ("user", seller.name, seller.email)
    assert line["ip"] == "127.0.0.1"
    assert line["request_id"]


async def test_a_refused_change_leaves_no_line(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    witness = Witness(servers, acme)
    await witness.new()
    assert (await api.patch(f"/users/{acme.administrator.user_id}", {"role": "user"}, by=acme.administrator)).status_code == 409
    assert (await api.post("/users", {"email": acme.administrator.email, "role": "user"}, by=acme.administrator)).status_code == 409
    assert await witness.new() == []


def test_the_vocabulary_is_one_word_for_one_thing() -> None:
    assert all(len(event.value.split(".")) == 2 for event in Event)
    assert len({event.value for event in Event}) == len(Event)
