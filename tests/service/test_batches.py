"""Many invitations at once: every line is judged and explained, and the whole batch finds room or nobody is invited."""

import json
from asyncio import gather
from typing import Any
from uuid import uuid4

import pytest

from service.embedded import Addresses
from tenants import licences
from tenants.house import House
from tests import make
from tests.api import Api
from tests.batch import add_department, refused, send, users
from tests.make import Company
from tests.tenants.rows import events, every_row, sql

FRENCH = {"Accept-Language": "fr"}


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company without a limit of users, whose administrator is signed in."""
    company = await make.company(house, staff=1)
    await api.sign_in(company.administrator)
    return company


async def limit_users(house: House, company: Company, users: int) -> None:
    async with house.database.transaction(company.account_id) as session:
        (await licences.lock_licence(session)).users = users


async def test_a_pasted_list_of_addresses_is_invited_with_the_role_of_the_request(
    api: Api, acme: Company, servers: Addresses
) -> None:
    answer = await send(api, acme, "Kim@Example.com\n\nlee@example.com\r\n")
    assert answer.json() == {
        "accepted": 2,
        "refused": [],
        "users_after": 4,
        "users_limit": None,
        "fits": True,
        "dry_run": False,
    }
    found = await users(servers, acme)
    assert {email: person["role"] for email, person in found.items()} == {"kim@example.com": "user", "lee@example.com": "user"}
    mails = await sql(servers, "SELECT letter, bulk, state FROM outbox WHERE bulk")
    assert [tuple(mail) for mail in mails] == [("invitation", True, "owed")] * 2
    history = await events(servers, acme.account_id)
    assert history[-3:] == ["user.invited", "user.invited", "user.invited_many"]


async def test_an_invitation_of_a_batch_can_be_accepted_and_signs_in(
    api: Api, house: House, acme: Company, servers: Addresses
) -> None:
    await send(api, acme, "kim@example.com")
    [user_id] = [row[0] for row in await sql(servers, "SELECT id FROM users WHERE email = 'kim@example.com'")]
    kim = await make.accept(house, acme.account_id, user_id)
    assert (await api.sign_in(kim)).status_code == 201


async def test_what_is_wrong_with_a_line_stops_no_other_line(api: Api, acme: Company, servers: Addresses) -> None:
    long = "x" * 300
    people = [
        {"email": "kim@example.com"},
        {"email": ""},
        {"email": "nobody"},
        {"email": f"{long}@example.com"},
        {"email": "p\u0430ypal@example.com"},
        {"email": "KIM@example.com"},
        {"email": acme.staff[0].email},
        {"email": "a1@example.com", "role": "emperor"},
        {"email": "a2@example.com", "departments": [str(uuid4())]},
        {"email": "a3@example.com", "departments": []},
        {"email": "a4@example.com", "language": "de"},
        {"email": "a5@example.com", "name": long},
        {"email": "a6@example.com", "name": "Eve\r\nBcc: all"},
        {"email": "a7@example.com", "message": "x" * 1001},
        {"email": "lee@example.com"},
    ]
    answer = await api.post("/users/batch", {"users": people, "role": "user"}, by=acme.administrator, headers=FRENCH)
    assert refused(answer) == [
        (2, "", "required"),
        (3, "nobody", "malformed"),
        (4, f"{long}@example.com"[:254], "too_long"),
        (5, "p\u0430ypal@example.com", "look_alike"),
        (6, "KIM@example.com", "duplicate"),
        (7, acme.staff[0].email, "already_exists"),
        (8, "a1@example.com", "unknown"),
        (9, "a2@example.com", "unknown"),
        (10, "a3@example.com", "required"),
        (11, "a4@example.com", "unknown"),
        (12, "a5@example.com", "too_long"),
        (13, "a6@example.com", "control_characters"),
        (14, "a7@example.com", "too_long"),
    ]
    assert answer.json()["accepted"] == 2
    assert set(await users(servers, acme)) == {"kim@example.com", "lee@example.com"}
    messages = {each["line"]: each["message"] for each in answer.json()["refused"]}
    assert messages[3] == "Ce n'est pas une adresse unique et bien formée."
    assert messages[6] == "Cette adresse figure déjà à la ligne 1."
    assert messages[7] == "Cette personne est déjà utilisatrice du compte."
    assert messages[8] == "« emperor » ne désigne pas un rôle précis."


async def test_known_people_are_explained_by_their_status(api: Api, house: House, acme: Company) -> None:
    ada = acme.administrator
    for number, status in enumerate(("suspended", "struck_off")):
        made = (await api.post("/users", {"email": f"s{number}@example.com", "role": "user"}, by=ada)).json()["id"]
        await make.accept(house, acme.account_id, made)
        assert (await api.patch(f"/users/{made}", {"status": status}, by=ada)).status_code == 200
    gone = (await api.post("/users", {"email": "gone@example.com", "role": "user"}, by=ada)).json()["id"]
    assert (await api.delete(f"/users/{gone}", by=ada)).status_code == 204
    await api.post("/users", {"email": "i@example.com", "role": "user"}, by=ada)
    answer = await send(api, acme, f"{ada.email}\ns0@example.com\ns1@example.com\ni@example.com\ngone@example.com")
    assert answer.json()["accepted"] == 1
    assert [(each["code"], each["message"]) for each in answer.json()["refused"]] == [
        ("already_exists", "This person is a user of the account already."),
        ("already_exists", "This person is a user of the account already, and suspended."),
        ("already_exists", "This person is a user of the account already, and struck off. The list of users brings them back."),
        ("already_exists", "This person is invited already. The list of users sends the invitation again."),
    ]


async def test_a_batch_has_at_most_5000_lines(api: Api, acme: Company, servers: Addresses) -> None:
    lines = [f"n{number}@example.com" for number in range(5001)]
    for answer in (
        await send(api, acme, "\n".join(lines)),
        await api.post("/users/batch", {"users": [{"email": line} for line in lines], "role": "user"}, by=acme.administrator),
        await api.post("/users/batch", {"users": [], "role": "user"}, by=acme.administrator),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] in {"too_many_lines", "no_lines"}
    answer = await send(api, acme, "email\n" + "\n".join(lines[:5000]), query="?role=user&dry_run=true")
    assert (answer.json()["accepted"], answer.json()["users_after"]) == (5000, 5002)
    assert await users(servers, acme) == {}


async def test_a_dry_run_tells_the_same_and_changes_nothing(api: Api, house: House, acme: Company, servers: Addresses) -> None:
    await limit_users(house, acme, 4)
    body = {"users": [{"email": "kim@example.com"}, {"email": "lee@example.com"}, {"email": "bad"}], "role": "user"}
    before = await every_row(servers)
    tried = await api.post("/users/batch", {**body, "dry_run": True}, by=acme.administrator)
    queried = await api.post("/users/batch?dry_run=true", body, by=acme.administrator)
    await house.finish()
    assert await every_row(servers) == before
    assert tried.json() == queried.json()
    done = await api.post("/users/batch", body, by=acme.administrator)
    assert done.json() == {**tried.json(), "dry_run": False}
    assert (done.json()["users_after"], done.json()["users_limit"], done.json()["fits"]) == (4, 4, True)


async def test_a_batch_that_is_one_too_many_invites_nobody(api: Api, house: House, acme: Company, servers: Addresses) -> None:
    await limit_users(house, acme, 4)
    file = "kim@example.com\nlee@example.com\nmo@example.com\nbad"
    tried = (await send(api, acme, file, query="?role=user&dry_run=true")).json()
    assert (tried["accepted"], tried["users_after"], tried["users_limit"], tried["fits"]) == (3, 5, 4, False)
    before = await every_row(servers)
    answer = await send(api, acme, file)
    assert answer.status_code == 409
    assert {name: answer.json()[name] for name in ("code", "what", "limit", "used", "asked")} == {
        "code": "quota_reached",
        "what": "users",
        "limit": 4,
        "used": 2,
        "asked": 3,
    }
    assert await every_row(servers) == before


async def test_a_batch_that_adds_nobody_fits_a_full_account(api: Api, house: House, acme: Company) -> None:
    await limit_users(house, acme, 1)
    answer = await send(api, acme, f"bad\n{acme.administrator.email}")
    assert (answer.status_code, answer.json()["accepted"], answer.json()["fits"]) == (200, 0, True)


async def test_batches_and_single_invitations_race_for_the_last_places(
    api: Api, house: House, acme: Company, servers: Addresses
) -> None:
    await limit_users(house, acme, 32)
    files = ["\n".join(f"b{batch}n{number}@example.com" for number in range(10)) for batch in range(6)]
    answers = await gather(
        *(send(api, acme, file) for file in files),
        *(api.post("/users", {"email": f"s{n}@example.com", "role": "user"}, by=acme.administrator) for n in range(6)),
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    [(count,)] = await sql(servers, "SELECT count(*) FROM users WHERE account_id = $1", acme.account_id)
    taken = sum({200: 10, 201: 1}.get(answer.status_code, 0) for answer in answers)
    assert count == 2 + taken <= 32
    assert taken > 22


async def test_two_accounts_that_invite_the_same_people_wait_for_each_other_and_both_succeed(
    api: Api, house: House, acme: Company, servers: Addresses
) -> None:
    zeta = await make.company(house, "Zeta", staff=0)
    await api.sign_in(zeta.administrator)
    lines = [f"n{number}@example.com" for number in range(300)]
    answers = await gather(
        *(send(api, company, "\n".join(order)) for company, order in ((acme, lines), (zeta, lines[::-1]))),
    )
    assert [answer.json()["accepted"] for answer in answers] == [300, 300]
    [(identities,)] = await sql(servers, "SELECT count(*) FROM identities WHERE email LIKE 'n%@example.com'")
    assert identities == 300


async def test_the_answer_does_not_tell_whether_an_identity_exists_elsewhere(api: Api, house: House, acme: Company) -> None:
    zeta = await make.company(house, "Zeta", staff=2)
    known = await send(api, acme, f"{zeta.staff[0].email}\n{zeta.staff[1].email}", query="?role=user&dry_run=true")
    unknown = await send(api, acme, "new0@zeta.example.com\nnew1@zeta.example.com", query="?role=user&dry_run=true")
    assert known.json() == unknown.json()
    assert (await send(api, acme, zeta.staff[0].email)).json()["accepted"] == 1


async def test_the_same_key_replays_the_answer_and_invites_once(api: Api, acme: Company, servers: Addresses) -> None:
    file, key = "kim@example.com\nbad", {"Idempotency-Key": "k1"}
    first, again = await send(api, acme, file, **key), await send(api, acme, file, **key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await sql(servers, "SELECT id FROM outbox WHERE bulk")) == 1
    other = await send(api, acme, f"{file}\nlee@example.com", **key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


async def test_wrong_types_and_unknown_fields_are_refused_whole(api: Api, acme: Company) -> None:
    kim = {"email": "kim@example.com", "role": "user"}
    bodies: list[Any] = [
        {"users": [kim, {**kim, "email": 7}]},
        {"users": [{**kim, "status": "active"}]},
        {"users": [{**kim, "line": 7}]},
        {"users": [{"role": "user"}]},
        {"users": kim},
        {"users": [kim], "dry_run": "yes"},
        {"users": [kim], "admin": True},
        [kim],
        {},
    ]
    for body in bodies:
        answer = await api.call(
            "POST",
            "/users/batch",
            by=acme.administrator,
            content=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), f"{body}: {answer.text}"


async def test_x3_no_line_gives_more_than_its_writer_has(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1, roles=("simple_administrator",))
    simple = acme.staff[0]
    await api.sign_in(simple)
    people = [{"email": f"{role}@example.com", "role": role} for role in ("administrator", "simple_administrator", "user")]
    answer = await api.post("/users/batch", {"users": people}, by=simple)
    assert refused(answer) == [(1, "administrator@example.com", "beyond_own_rights")]
    assert set(await users(servers, acme)) == {"simple_administrator@example.com", "user@example.com"}


async def test_whoever_is_limited_to_departments_invites_into_them_alone(api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=1, roles=("simple_administrator",))
    await api.sign_in(acme.administrator)
    north, south = await add_department(api, acme, "North"), await add_department(api, acme, "South")
    simple = acme.staff[0]
    given = await api.patch(f"/users/{simple.user_id}", {"departments": [north]}, by=acme.administrator)
    assert given.status_code == 200, given.text
    await api.sign_in(simple)
    people = [
        {"email": "all@example.com"},
        {"email": "north@example.com", "departments": ["North"]},
        {"email": "south@example.com", "departments": [south]},
        {"email": "both@example.com", "departments": [north, south]},
    ]
    answer = await api.post("/users/batch", {"users": people, "role": "user"}, by=simple)
    assert [(line, code) for line, _, code in refused(answer)] == [(n, "beyond_own_rights") for n in (1, 3, 4)]
    assert set(await users(servers, acme)) == {"north@example.com"}


async def test_roles_and_departments_of_another_account_are_nobodys(api: Api, house: House, acme: Company) -> None:
    zeta = await make.company(house, "Zeta", staff=0)
    await api.sign_in(zeta.administrator)
    theirs = await add_department(api, zeta, "Theirs", "T")
    role = (await api.post("/roles", {"name": "Their role", "rights": ["invoices.view"]}, by=zeta.administrator)).json()["id"]
    answers = []
    for department, named in ((theirs, role), (str(uuid4()), str(uuid4()))):
        people = [
            {"email": "k1@example.com", "role": "user", "departments": [department]},
            {"email": "k2@example.com", "role": named},
            {"email": "k3@example.com", "role": "Their role"},
            {"email": "k4@example.com", "role": "user", "departments": ["T"]},
        ]
        answer = await api.post("/users/batch", {"users": people}, by=acme.administrator)
        answers.append([(line, code) for line, _, code in refused(answer)])
    assert answers == [[(number, "unknown") for number in (1, 2, 3, 4)]] * 2


async def test_a_custom_role_is_found_by_its_name_and_refused_while_it_is_frozen(
    api: Api, house: House, acme: Company, servers: Addresses
) -> None:
    made = await api.post("/roles", {"name": "Vendeur", "rights": ["invoices.view"]}, by=acme.administrator)
    assert made.status_code == 201, made.text
    assert (await send(api, acme, "kim@example.com", query="?role=vendeur")).json()["accepted"] == 1
    assert (await users(servers, acme))["kim@example.com"]["role"] == made.json()["id"]
    async with house.database.transaction(acme.account_id) as session:
        (await licences.lock_licence(session)).options = []
    assert refused(await send(api, acme, "lee@example.com", query="?role=Vendeur")) == [(1, "lee@example.com", "option_missing")]
