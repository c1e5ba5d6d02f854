"""The tree of accounts: who is below whom, and what becomes of all that hangs below an account that is suspended or closed."""

import json
from asyncio import create_task, gather, sleep, wait
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from service.embedded import Addresses
from tenants import outbox, resellers
from tenants.house import House
from tests import make
from tests.api import Api
from tests.conftest import MailServer
from tests.make import Company, Person
from tests.tenants.rows import sql
from tests.workers.post import deliver, invite, lease_all, mails, token_in


@dataclass(frozen=True)
class Tree:
    """Operator, a reseller, a reseller below it, and a client below both; everybody is signed in."""

    api: Api
    house: House
    servers: Addresses
    operator: Company
    north: Company
    wood: Company
    acme: Company

    @property
    def below_north(self) -> list[Person]:
        """People whose account hangs below the reseller's."""
        return [self.wood.administrator, *self.acme.people]

    async def put(self, company: Company, status: str) -> httpx.Response:
        """Suspend, close or reopen, as the administrator of the account above, who signs in again if they have to."""
        above = {self.north.slug: self.operator, self.wood.slug: self.north, self.acme.slug: self.wood}[company.slug].administrator
        body, path = {"status": status}, f"/accounts/{company.account_id}"
        answer = await self.api.patch(path, body, by=above)
        if answer.status_code == 401 and (await self.api.sign_in(above)).status_code == 201:
            answer = await self.api.patch(path, body, by=above)
        return answer

    async def standing(self, company: Company) -> tuple[str, str, str]:
        """Own status, the worst above, and what counts."""
        rows = await sql(self.servers, "SELECT status, above, standing FROM accounts WHERE id = $1", company.account_id)
        return tuple(rows[0])

    async def suspended_while(self, *calls: Awaitable[httpx.Response], after: float = 0) -> list[httpx.Response]:
        """Answers of calls that are made while the reseller is suspended, `after` seconds."""

        async def suspend() -> httpx.Response:
            await sleep(after)
            return await self.put(self.north, "suspended")

        stopped, *answers = await gather(suspend(), *calls)
        assert stopped.status_code == 200, stopped.text
        return answers


@pytest.fixture
async def tree(api: Api, house: House, servers: Addresses) -> Tree:
    """A tree of four levels."""
    north = await make.company(house, "North", kind="reseller", staff=0)
    wood = await make.company(house, "Wood", kind="reseller", staff=0, parent=north)
    acme = await make.company(house, "Acme", staff=1, parent=wood)
    operator = await make.operator(house)
    for person in (operator.administrator, north.administrator, wood.administrator, *acme.people):
        assert (await api.sign_in(person)).status_code == 201
    return Tree(api, house, servers, operator, north, wood, acme)


@pytest.fixture
async def empty_box(tree: Tree, mail_server: MailServer) -> MailServer:
    """The mail server, once all that the tree's making owed is delivered."""
    await deliver(tree.house)
    mail_server.clear()
    return mail_server


async def open_account(api: Api, above: Company, name: str, **more: Any) -> httpx.Response:
    """One call, as the administrator of the account above."""
    body = {"name": name, "plan": "basic", "administrator": {"email": f"a@{uuid4().hex}.example.com"}, **more}
    return await api.post("/accounts", body, by=above.administrator)


async def test_each_sees_its_own_children_and_nobody_elses(tree: Tree) -> None:
    operator, north, wood, acme = tree.operator, tree.north, tree.wood, tree.acme
    south = await make.company(tree.house, "South", kind="reseller", staff=0)
    for above, child in ((operator, north), (north, wood), (wood, acme)):
        listed = (await tree.api.get("/accounts", by=above.administrator)).json()["items"]
        assert str(child.account_id) in [each["id"] for each in listed]
        assert (await tree.api.get(f"/accounts/{child.account_id}", by=above.administrator)).status_code == 200
    strangers = ((operator, acme), (operator, wood), (north, acme), (wood, south), (wood, north), (wood, wood), (north, operator))
    for above, child in strangers:
        listed = (await tree.api.get("/accounts", by=above.administrator)).json()["items"]
        assert str(child.account_id) not in [each["id"] for each in listed]
        for method, tail, body in (
            ("GET", "", None),
            ("PATCH", "", {"status": "closed"}),
            ("GET", "/licence", None),
            ("PUT", "/licence", {"plan": "pro"}),
        ):
            theirs, nobodys = [
                await tree.api.call(
                    method, f"/accounts/{target}{tail}", by=above.administrator, json=body, headers={"If-Match": "*"}
                )
                for target in (child.account_id, uuid4())
            ]
            assert theirs.status_code == 404, f"{method}{tail} of {child.slug} by {above.slug}"
            assert theirs.json() | {"request_id": ""} == nobodys.json() | {"request_id": ""}


async def test_resellers_open_resellers_to_the_fourth_level_and_clients_to_the_fifth(tree: Tree) -> None:
    above = tree.wood
    for level in (3, 4):
        above = await make.company(tree.house, f"Level {level}", kind="reseller", staff=0, parent=above)
    await tree.api.sign_in(above.administrator)
    refused = await open_account(tree.api, above, "Level 5", kind="reseller")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "too_deep")
    assert (await open_account(tree.api, above, "Client of level 5")).status_code == 201


async def test_clients_open_nothing(tree: Tree) -> None:
    for kind in ("client", "reseller"):
        refused = await open_account(tree.api, tree.acme, "Below", kind=kind)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("status", "login"), [("suspended", (403, "account_unavailable")), ("closed", (401, "invalid_credentials"))]
)
async def test_nothing_below_works_until_the_account_above_is_active_again(status: str, login: tuple[int, str], tree: Tree) -> None:
    api, acme = tree.api, tree.acme
    invitee = await invite(tree.house, acme, "new@acme.example.com")
    token = await make.invitation_token(tree.house, acme.account_id, invitee.id)
    assert (await tree.put(tree.north, status)).json()["standing"] == status
    assert await tree.standing(acme) == ("active", status, status)
    for person in tree.below_north:
        gone = await api.get("/session", by=person)
        assert (gone.status_code, gone.json()["ended"]["reason"], gone.json()["ended"]["by"]) == (401, f"account_{status}", "Olga")
        refused = await api.sign_in(person)
        assert (refused.status_code, refused.json()["code"]) == login
    for path, body in (("lookup", {}), ("accept", {"password": make.PASSWORD})):
        assert (await api.post(f"/invitations/{path}", {"token": token, **body})).json()["code"] == "link_used"
    assert (await tree.put(tree.north, "active")).json()["standing"] == "active"
    assert await tree.standing(acme) == ("active", "active", "active")
    for person in tree.below_north:
        assert (await api.get("/session", by=person)).status_code == 401
        assert (await api.sign_in(person)).status_code == 201
    assert (await api.post("/invitations/accept", {"token": token, "password": make.PASSWORD})).status_code == 204


async def test_what_is_stopped_by_itself_or_by_another_above_stays_so(tree: Tree) -> None:
    await tree.put(tree.acme, "suspended")
    await tree.put(tree.wood, "closed")
    assert await tree.standing(tree.acme) == ("suspended", "closed", "closed")
    await tree.put(tree.north, "suspended")
    assert await tree.standing(tree.wood) == ("closed", "suspended", "closed")
    await tree.put(tree.north, "active")
    assert await tree.standing(tree.wood) == ("closed", "active", "closed")
    assert await tree.standing(tree.acme) == ("suspended", "closed", "closed")
    assert (await tree.put(tree.wood, "active")).status_code == 200
    assert await tree.standing(tree.acme) == ("suspended", "active", "suspended")
    assert (await tree.api.sign_in(tree.acme.staff[0])).status_code == 403
    assert (await tree.put(tree.acme, "active")).status_code == 200
    assert (await tree.api.sign_in(tree.acme.staff[0])).status_code == 201


async def test_a_closed_account_returns_for_thirty_days(tree: Tree) -> None:
    closed_at = "UPDATE accounts SET closed_at = now() - interval '30 days' + $2::text::interval WHERE id = $1"
    await tree.put(tree.north, "closed")
    await sql(tree.servers, closed_at, tree.north.account_id, "-1 second")
    refused = await tree.put(tree.north, "active")
    facts = refused.json()
    assert (refused.status_code, facts["code"], facts["state"], facts["instead"]) == (409, "not_in_state", "closed", "new_account")
    assert facts["closed_at"] < facts["reopen_until"]
    assert facts["detail"] == "It was closed more than 30 days ago, and cannot be reopened. Open a new account."
    assert (await tree.put(tree.north, "suspended")).json()["code"] == "not_in_state"
    await sql(tree.servers, closed_at, tree.north.account_id, "5 seconds")
    answer = await tree.put(tree.north, "active")
    assert (answer.status_code, answer.json()["status"], answer.json()["closed_at"]) == (200, "active", None)


async def test_mail_is_held_while_an_account_does_not_stand_and_leaves_when_it_does(tree: Tree, empty_box: MailServer) -> None:
    await invite(tree.house, tree.acme, "before@acme.example.com")
    await tree.put(tree.north, "suspended")
    await invite(tree.house, tree.acme, "meanwhile@acme.example.com")
    await deliver(tree.house)
    assert [(mail.state, mail.attempts) for mail in await mails(tree.house, tree.acme)][-2:] == [("held", 0), ("held", 0)]
    assert empty_box.messages == []
    await tree.put(tree.north, "active")
    await deliver(tree.house)
    assert sorted(to for _, [to], _ in empty_box.messages) == ["before@acme.example.com", "meanwhile@acme.example.com"]


async def test_held_mail_whose_reason_is_gone_is_never_sent(tree: Tree, empty_box: MailServer) -> None:
    await invite(tree.house, tree.acme, "late@acme.example.com")
    await tree.put(tree.north, "suspended")
    over = "UPDATE invitations SET expires_at = now() - interval '1 second' WHERE account_id = $1"
    await sql(tree.servers, over, tree.acme.account_id)
    await tree.put(tree.north, "active")
    await deliver(tree.house)
    assert (empty_box.messages, (await mails(tree.house, tree.acme))[-1].state) == ([], "cancelled")


async def test_mail_that_was_in_hand_when_its_account_was_stopped_is_not_sent_twice(tree: Tree, empty_box: MailServer) -> None:
    await invite(tree.house, tree.acme, "in.hand@acme.example.com")
    [lease] = await lease_all(tree.house)
    await tree.put(tree.north, "suspended")
    async with tree.house.database.transaction(tree.acme.account_id) as session:
        assert await outbox.settle_sent(session, lease, reply="250 taken")
    await tree.put(tree.north, "active")
    await deliver(tree.house)
    assert ((await mails(tree.house, tree.acme))[-1].state, empty_box.messages) == ("sent", [])


async def test_a_reset_is_for_whoever_works_somewhere(tree: Tree, empty_box: MailServer) -> None:
    api, both, only = tree.api, tree.acme.staff[0], tree.acme.administrator
    await _employed_elsewhere(tree, both)

    async def forgotten(person: Person) -> None:
        assert (await api.post("/password-resets", {"email": person.email})).status_code == 202
        await tree.house.finish()

    await deliver(tree.house)
    await forgotten(only)
    await deliver(tree.house)
    token = token_in(empty_box.messages[-1][2])
    empty_box.clear()
    await tree.put(tree.north, "suspended")
    await forgotten(both)
    await forgotten(only)
    await deliver(tree.house)
    assert [to for _, [to], _ in empty_box.messages] == [both.email]
    new = {"token": token, "password": "a brand new horse battery"}
    assert (await api.post("/password-resets/confirm", new)).json()["code"] == "link_used"
    await tree.put(tree.north, "active")
    assert (await api.post("/password-resets/confirm", new)).status_code == 204


async def _employed_elsewhere(tree: Tree, person: Person) -> Company:
    other = await make.company(tree.house, "Other", staff=0)
    invitee = await invite(tree.house, other, person.email)
    await make.accept(tree.house, other.account_id, invitee.id)
    return other


async def test_nobody_switches_into_an_account_that_does_not_stand(tree: Tree) -> None:
    person = tree.acme.staff[0]
    other = await _employed_elsewhere(tree, person)
    assert (await tree.api.sign_in(person, account=other.slug)).status_code == 201
    for status, refusal in (("suspended", (403, "account_unavailable")), ("closed", (404, "not_found"))):
        await tree.put(tree.north, status)
        answer = await tree.api.post("/session/switch", {"account": tree.acme.slug}, by=person)
        assert (answer.status_code, answer.json()["code"]) == refusal
    assert (await tree.api.sign_in(person)).json()["account"]["slug"] == "other"


async def test_every_history_below_names_the_account_that_caused_it(tree: Tree) -> None:
    await tree.put(tree.north, "suspended")
    await tree.put(tree.north, "active")
    query = (
        "SELECT actor_name, target_id, facts FROM activity WHERE account_id = $1 AND event = 'account.status_changed' ORDER BY id"
    )
    there, back = {"before": "active", "after": "suspended"}, {"before": "suspended", "after": "active"}
    for company, above in ((tree.north, {}), (tree.wood, {"above": "North"}), (tree.acme, {"above": "North"})):
        lines = [(row[0], row[1], json.loads(row[2])) for row in await sql(tree.servers, query, company.account_id)]
        assert lines == [("Olga", str(company.account_id), {**facts, **above}) for facts in (there, back)], company.slug


async def test_a_visit_ends_like_every_session(tree: Tree) -> None:
    visit = await _visit(tree.servers, visitor=tree.north, of=tree.acme)
    await tree.put(tree.north, "suspended")
    rows = await sql(tree.servers, "SELECT ended_reason, ended_by FROM sessions WHERE visit_id = $1", visit)
    assert [tuple(row) for row in rows] == [("account_suspended", "Olga")]


async def _visit(servers: Addresses, *, visitor: Company, of: Company) -> UUID:
    permission, visit, person = uuid4(), uuid4(), visitor.administrator
    await sql(
        servers,
        "INSERT INTO visit_permissions (account_id, id, visitor_account_id, once, rights, given_by) VALUES ($1, $2, $3, true, '{}', 'Ada')",
        of.account_id, permission, visitor.account_id,
    )  # fmt: skip
    await sql(
        servers,
        "INSERT INTO visits (account_id, id, permission_id, visitor_account_id, visitor_account_name, visitor_user_id, visitor_identity_id,"
        " visitor_name, visitor_email, reason, ends_at) SELECT $1, $2, $3, $4, 'North', $5, u.identity_id, 'N', 'n@x', 'help',"
        " now() + interval '1 hour' FROM users u WHERE u.id = $5",
        of.account_id, visit, permission, visitor.account_id, person.user_id,
    )  # fmt: skip
    await sql(
        servers,
        "INSERT INTO sessions (account_id, id, visit_id, token_digest, expires_at) VALUES ($1, $2, $3, 'x', now() + interval '1 hour')",
        of.account_id, uuid4(), visit,
    )  # fmt: skip
    return visit


@pytest.mark.parametrize("seller", ["north", "wood"])
async def test_an_account_opened_while_one_above_is_suspended_does_not_stay_open(seller: str, tree: Tree) -> None:
    company: Company = getattr(tree, seller)
    seen: set[int] = set()
    for number in range(8):
        opened = (open_account(tree.api, company, f"New {number} {each}") for each in range(4))
        # From at once to when all of them may be open.
        answers = await tree.suspended_while(*opened, after=number * 0.01)
        seen |= {answer.status_code for answer in answers}
        assert await sql(tree.servers, "SELECT name FROM accounts WHERE kind <> 'operator' AND standing = 'active'") == []
        await tree.put(tree.north, "active")
        await tree.api.sign_in(company.administrator)
    assert seen <= {201, 401, 403}
    assert 201 in seen, "no account was opened in time: this showed nothing"


async def test_an_invitation_is_accepted_before_its_account_is_suspended_or_not_at_all(tree: Tree) -> None:
    acme, seen = tree.acme, set()
    for number in range(3):
        users = [await invite(tree.house, acme, f"n{number}{each}@acme.example.com") for each in range(4)]
        tokens = [await make.invitation_token(tree.house, acme.account_id, user.id) for user in users]
        calls = [tree.api.post("/invitations/accept", {"token": token, "password": make.PASSWORD}) for token in tokens]
        answers = await tree.suspended_while(*calls)
        for answer, user in zip(answers, users, strict=True):
            login = await tree.api.client.post("/api/v1/login", json={"email": user.email, "password": make.PASSWORD})
            seen.add((answer.status_code, login.status_code))
        await tree.put(tree.north, "active")
    assert seen <= {(204, 403), (410, 401)}


async def test_an_acceptance_waits_for_a_suspension_under_way_and_is_refused(tree: Tree) -> None:
    user = await invite(tree.house, tree.acme, "waits@acme.example.com")
    token = await make.invitation_token(tree.house, tree.acme.account_id, user.id)
    olga = await make.actor(tree.house, tree.operator, tree.operator.administrator)
    async with tree.house.database.transaction(tree.operator.account_id) as session:
        await resellers.change_child(session, olga, tree.north.account_id, status="suspended")
        accepting = create_task(tree.api.post("/invitations/accept", {"token": token, "password": make.PASSWORD}))
        assert await wait({accepting}, timeout=0.5) == (set(), {accepting})
    assert (await accepting).json()["code"] == "link_used"
    assert await sql(tree.servers, "SELECT status FROM users WHERE id = $1", user.id) == [("invited",)]


async def test_a_sign_in_while_what_is_above_is_suspended_leads_nowhere(tree: Tree) -> None:
    for _ in range(6):
        await tree.suspended_while(*(tree.api.sign_in(person) for person in tree.acme.people * 2))
        for person in tree.acme.people:
            assert (await tree.api.get("/session", by=person)).status_code == 401
        await tree.put(tree.north, "active")
        alive = await sql(tree.servers, "SELECT 1 FROM sessions WHERE account_id = $1 AND ended_at IS NULL", tree.acme.account_id)
        assert alive == [], "a session came back with the account"
