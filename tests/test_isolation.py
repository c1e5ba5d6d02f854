"""X1: nothing of one account can be read, changed or even noticed from another, whatever identifier is put where.

Built from the OpenAPI document: every operation, every place in it that an identifier fits, every kind of identifier of company B,
as every role of company A, as another reseller, and as the operator. Three times: as it runs, without the application's own
filter, and without PostgreSQL's.
"""

# ruff: noqa: S608 - tables are named by the tests and by the schema itself

import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from service.app import build
from service.embedded import Addresses
from tenants.house import House, open_house
from tenants.settings import Settings
from tenants.tokens import encoded
from tests import make
from tests.api import Api, open_client
from tests.conftest import application
from tests.isolation import A_ROLES, FITTING, FREE_TEXT, NOT_ASKED_FOR, ROWS, UNIQUE_EVERYWHERE, Row
from tests.make import Company, Person
from tests.tenants.rows import rows_of

#: Kinds of identifiers that are no UUID.
SHAPES = frozenset({"email", "slug", "cursor", "ticket", "invitation_token", "reset_token"})
#: What a caller can learn from an answer: its status, its text and its headers.
Seen = tuple[int, str, list[tuple[str, str]]]


@dataclass
class World:
    """Company A under one reseller, company B under another, and everybody who calls from outside B."""

    house: House
    api: Api
    a: Company
    b: Company
    callers: dict[str, tuple[Person, Company]]
    ids: dict[str, str]
    strings: set[str]
    emails: list[str]
    database: asyncpg.Connection
    spare: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    #: What random identifiers got: by operation, place, caller and shape.
    randoms: dict[tuple[object, ...], Seen] = field(default_factory=dict)
    #: Where rows of B may be, and how they are told.
    tables: dict[str, str] = field(default_factory=dict)

    async def sign_in(self, name: str) -> None:
        """Sign a caller in (again)."""
        person, where = self.callers[name]
        answer = await self.api.sign_in(person, account=where.slug)
        assert answer.status_code == 201, answer.text
        self.tokens[name] = answer.json()["token"]

    async def rows_of_b(self) -> dict[str, list[str]]:
        """Every row of B, as a superuser sees them."""
        if not self.tables:
            tables = await self.database.fetch(
                "SELECT table_name FROM information_schema.columns WHERE column_name = 'account_id' AND table_schema = 'public'"
            )
            self.tables = dict.fromkeys((row[0] for row in tables), "account_id = $1") | {
                "accounts": "id = $1",
                "identities": "id IN (SELECT identity_id FROM users WHERE account_id = $1)",
                "password_resets": "identity_id IN (SELECT identity_id FROM users WHERE account_id = $1)",
            }
        return await rows_of(self.database, self.tables, self.b.account_id)


@asynccontextmanager
async def world_of(house: House, servers: Addresses) -> AsyncIterator[World]:
    """Build both companies and sign everybody in."""
    operator = await make.operator(house)
    north = await make.company(house, "North", kind="reseller", parent=operator, staff=0)
    south = await make.company(house, "South", kind="reseller", parent=operator, staff=0)
    a = await make.company(house, "Alpha", parent=north, staff=4, roles=(*A_ROLES[1:], "user_without_deletion"))
    child = await make.company(house, "Child", parent=north, staff=0)
    beside = await make.company(house, "Beside", parent=operator, staff=0)
    b = await make.company(house, "Bravissimo", parent=south, staff=7, roles=("user",))
    by = {person.role: person for person in a.people}
    callers = {role: (by[role], a) for role in A_ROLES}
    callers |= {"reseller": (north.administrator, north), "operator": (operator.administrator, operator)}
    spare = {
        "spare": str(by["user_without_deletion"].user_id),
        "child": str(child.account_id),
        "child of operator": str(beside.account_id),
    }
    database = await asyncpg.connect(servers.superuser_url)
    try:
        async with open_client(application(house, beside=1)) as client:
            world = World(house, Api(client), a, b, callers, {}, set(), [], database, spare)
            await _people_at_work(world, world.api)
            await _somebody_on_a_visit(world, world.api, south)
            for name in callers:
                await world.sign_in(name)
            yield world
    finally:
        await database.close()


async def _people_at_work(world: World, api: Api) -> None:
    b, ada = world.b, world.b.administrator
    assert (await api.sign_in(ada)).status_code == 201
    session = (await api.sign_in(b.staff[0])).json()["session"]["id"]
    invited = (
        await api.post("/users", {"email": "invitee@bravissimo.example.com", "role": "user", "name": "Ines of Bravissimo"}, by=ada)
    ).json()["id"]
    suspended = await api.patch(f"/users/{b.staff[1].user_id}", {"status": "suspended", "reason": "leave of Bravissimo"}, by=ada)
    assert suspended.status_code == 200, suspended.text
    assert (await api.post("/password-resets", {"email": b.staff[2].email})).status_code == 202
    await world.house.finish()
    cursor = (await api.get("/users?limit=1", by=ada)).json()["next_cursor"]
    role = (await api.post("/roles", {"name": "Role of Bravissimo", "rights": ["invoices.view"]}, by=ada)).json()["id"]
    department = (await api.post("/departments", {"name": "Paris of Bravissimo", "code": "BRV"}, by=ada)).json()["id"]
    hidden = await api.patch(f"/users/{b.staff[4].user_id}", {"restrictions": ["stock"], "departments": [department]}, by=ada)
    assert hidden.status_code == 200, hidden.text
    asked = await api.post("/account/seat-requests", {"seats": 2, "reason": "More for Bravissimo"}, by=ada)
    assert asked.status_code == 201, asked.text
    handover = await _somebody_without_a_seat(world, api)
    one = world.database.fetchval
    key = await api.post("/api-keys", {"name": "Key of Bravissimo", "scopes": ["sessions.introspect"]}, by=ada)
    assert key.status_code == 201, key.text
    export = await api.post("/activity/exports", {}, by=ada)
    assert export.status_code == 202, export.text
    boost = "INSERT INTO boosts (account_id, id, seats, starts_at, ends_at, by_name) SELECT $1, gen_random_uuid(), 1, now(), now() + '1 day', 'S'"
    await world.database.execute(boost, b.account_id)
    identities = await world.database.fetch("SELECT identity_id FROM users WHERE account_id = $1", b.account_id)
    world.ids = {
        "account": str(b.account_id),
        "user": str(b.staff[0].user_id),
        "user_invited": invited,
        "session": session,
        "seat_request": asked.json()["id"],
        "api_key": key.json()["id"],
        "activity_export": export.json()["id"],
        "handover": handover,
        "role": role,
        "department": department,
        "identity": str(identities[0][0]),
        "boost": str(await one("SELECT id FROM boosts WHERE account_id = $1", b.account_id)),
        "slug": b.slug,
        "email": b.staff[3].email,
        "cursor": cursor,
        "ticket": cursor,
        **{
            table: str(await one(f"SELECT id FROM {table} WHERE account_id = $1 LIMIT 1", b.account_id))
            for table in ("invitations", "outbox", "licence_changes", "activity")
        },
        "password_reset": str(await one("SELECT id FROM password_resets LIMIT 1")),
    }
    world.ids["invitation_token"] = _token(world.ids["account"], world.ids["invitations"])
    world.ids["reset_token"] = _token("0" * 32, world.ids["password_reset"])
    world.emails = [person.email for person in b.staff[3:]]
    world.strings = {text for person in b.people for text in (person.email, person.name, str(person.user_id))}
    world.strings |= {world.ids[kind] for kind in world.ids if kind not in {"cursor", "ticket", "invitation_token", "reset_token"}}
    world.strings |= {"Bravissimo", "invitee@bravissimo", "Ines of", *(str(i[0]) for i in identities)}


async def _somebody_without_a_seat(world: World, api: Api) -> str:
    """Waits in line, and asks a colleague: the id of that."""
    await make.set_seats(world.house, world.b, 2)
    ticket = (await api.sign_in(world.b.staff[2])).json()["ticket"]
    waits = await api.post("/seats/queue", {"ticket": ticket})
    asked = await api.post("/seats/handovers", {"ticket": ticket})
    assert (waits.status_code, asked.status_code) == (201, 201), asked.text
    return str(asked.json()["id"])


async def _somebody_on_a_visit(world: World, api: Api, seller: Company) -> None:
    allowed = {"visitor": "reseller", "once": False, "rights": ["users.view"]}
    permission = await api.post("/account/visits", allowed, by=world.b.administrator)
    await api.sign_in(seller.administrator)
    visit = await api.post(f"/accounts/{world.b.account_id}/visits", {"reason": "help", "minutes": 60}, by=seller.administrator)
    assert (permission.status_code, visit.status_code) == (201, 201), visit.text
    world.ids["visit_permission"] = permission.json()["id"]
    world.ids["visit"] = visit.json()["visit"]["id"]
    world.strings |= {world.ids["visit_permission"], world.ids["visit"]}


def _token(account: str, row: str) -> str:
    # What a stranger can make who knows an id but not the key.
    return encoded(UUID(account).bytes + UUID(row).bytes + b"x" * 32)


def _like(kind: str, value: str) -> str:
    """An identifier of the same shape and length that belongs to nobody."""
    if kind == "email":
        return uuid4().hex[: len(value) - 12] + "@example.com"
    if kind == "slug":
        return uuid4().hex[: len(value)]
    if kind in {"cursor", "ticket"}:
        return value[:-4] + "AAAA"
    if kind == "invitation_token":
        return _token(str(uuid4()), str(uuid4()))
    if kind == "reset_token":
        return _token("0" * 32, str(uuid4()))
    return str(uuid4())


def operations(house: House) -> dict[str, dict[str, Any]]:
    """Every documented operation: its places, from the OpenAPI document."""
    document = build(house).openapi_schema.to_schema()
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            # Numbers and booleans hold no identifier.
            places = [
                (p["in"], p["name"])
                for p in operation.get("parameters", [])
                if p["schema"].get("type") not in ("integer", "boolean")
            ]
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            places += [("body", name) for name in _fields(document, schema)] if schema else []
            found[f"{method.upper()} {path.removeprefix('/api/v1')}"] = {"places": [*places, *NOT_ASKED_FOR]}
    return found


def _fields(document: dict[str, Any], schema: dict[str, Any], inside: str = "") -> list[str]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    names = []
    for name, inner in schema.get("properties", {}).items():
        if name in FREE_TEXT:
            continue
        nested = _fields(document, inner, f"{inside}{name}.") if "$ref" in inner else []
        names += nested or [f"{inside}{name}"]
    return names


@dataclass(frozen=True)
class Shot:
    """One request with one identifier in one place."""

    method: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any] | None


def shot(operation: str, row: Row, place: tuple[str, str], value: str, own: dict[str, str]) -> Shot:
    """The operation with `value` in the place."""
    method, path = operation.split(" ")
    where, name = place
    headers = {"If-Match": "*"} if method in {"PUT", "PATCH", "DELETE"} else {}
    asked = dict(row.query)
    body = None if row.body is None else json.loads(json.dumps(row.body).replace("new@nowhere", f"{uuid4().hex}@nowhere"))
    if where == "path":
        path = path.replace("{" + name + "}", value)
    elif where == "query":
        asked[name] = value
    elif where == "header":
        headers[name] = value
    elif where == "cookie":
        headers["Cookie"] = f"{name}={value}"
    else:
        body = {} if body is None else body
        target = body
        *outer, last = name.split(".")
        for part in outer:
            target = target.setdefault(part, {})
        target[last] = [value] if last in {"departments", "options", "rights", "restrictions"} else value
    path = re.sub(r"\{\w+\}", lambda _: own.get(row.path, str(uuid4())), path)
    return Shot(method, f"{path}?{httpx.QueryParams(asked)}" if asked else path, headers, body)


def seen(answer: httpx.Response, value: str) -> Seen:
    """What a caller can learn, without what differs in any two answers."""

    def plain(text: str) -> str:
        text = text.replace(value, "<value>")
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "<time>", text)
        text = re.sub(r'"request_id":"\w+"|"history":\[.*\]', "", text)
        text = re.sub(r"[0-9a-f]{32}@nowhere", "<new>@nowhere", text)
        return re.sub(r'"slug":"new[-\w]*"', '"slug":"<slug>"', text)

    headers = [(k, v) for k, v in answer.headers.items() if k not in {"x-request-id", "content-length", "etag"}]
    return answer.status_code, plain(answer.text), headers


async def attack(world: World, *, every_kind: bool) -> int:
    """Every shot; returns how many. Fails at the first that tells or changes anything."""
    found = operations(world.house)
    assert found.keys() == ROWS.keys(), (
        f"without a row: {sorted(found.keys() - ROWS.keys())}; gone: {sorted(ROWS.keys() - found.keys())}"
    )
    before, shots = await world.rows_of_b(), 0
    for operation, row in ROWS.items():
        for number, caller in enumerate(world.callers):
            own = {**world.spare, "child": world.spare["child of operator"]} if caller == "operator" else world.spare
            for place in found[operation]["places"]:
                for kind in _kinds(world, caller, place, every_kind):
                    if (operation, place[1], kind) in UNIQUE_EVERYWHERE:
                        continue
                    # Whoever was invited once is known here: each caller invites somebody else.
                    theirs = (
                        world.emails[number % len(world.emails)]
                        if (kind, operation) == ("email", "POST /users")
                        else world.ids[kind]
                    )
                    shots += await _same(world, operation, place, kind, theirs, caller=caller, own=own)
        await world.house.finish()
        after = await world.rows_of_b()
        changed = {table for table in before if before[table] != after[table]} - row.writes
        assert not changed, f"{operation} changed rows of B in {sorted(changed)}"
        before = after
    return shots


def _kinds(world: World, caller: str, place: tuple[str, str], every_kind: bool) -> Iterable[str]:
    if every_kind and caller == "administrator" and place not in NOT_ASKED_FOR:
        return world.ids
    return FITTING.get(place[1].rsplit(".", 1)[-1], ("account",))


async def _same(
    world: World,
    operation: str,
    place: tuple[str, str],
    kind: str,
    theirs: str,
    *,
    caller: str,
    own: dict[str, str],
) -> int:
    """Compare with what a random identifier of this shape gets, asked now unless it got the same before; returns the shots."""
    row, shots = ROWS[operation], 0

    async def answered(value: str) -> Seen:
        nonlocal shots
        shots += 1
        aimed = shot(operation, row, place, value, own)
        answer = await world.api.call(aimed.method, aimed.url, by=world.tokens[caller], headers=aimed.headers, json=aimed.body)
        told = [text for text in world.strings if text not in theirs and theirs not in text and text in answer.text]
        assert not told, f"{operation} {place} as {caller} tells {told}: {answer.text}"
        assert answer.status_code < 500, f"{operation} {place}={value!r} as {caller}: {answer.text}"
        if row.signs_out and answer.status_code < 300:
            await world.sign_in(caller)
        return seen(answer, value)

    found, key = await answered(theirs), (operation, place, caller, kind if kind in SHAPES else "uuid")
    if world.randoms.get(key) != found:
        world.randoms[key] = await answered(_like(kind, theirs))
    assert found == world.randoms[key], f"{operation} {place}={theirs!r} as {caller}: not as for a random one"
    if place[0] == "path":
        assert found[0] in {404, 403}, f"{operation} as {caller}: {found}"
    return shots


async def _b_still_works(world: World) -> None:
    for person in (world.b.administrator, world.b.staff[0]):
        assert (await world.api.get("/session", by=person)).status_code == 200


@pytest.mark.long
async def test_x1_every_id_of_another_account_is_nobodys(house: House, servers: Addresses) -> None:
    async with world_of(house, servers) as world:
        assert await attack(world, every_kind=True) > 600
        await _b_still_works(world)


async def test_x1_the_same_idempotency_key_in_two_accounts_is_two_keys(house: House, servers: Addresses) -> None:
    async with world_of(house, servers) as world:
        body, key = {"email": "both@elsewhere.example.com", "role": "user"}, {"Idempotency-Key": "the-same"}
        theirs = await world.api.post("/users", body, by=world.b.administrator, headers=key)
        ours = await world.api.post("/users", body, by=world.tokens["administrator"], headers=key)
        assert (theirs.status_code, ours.status_code) == (201, 201)
        assert "idempotency-replayed" not in ours.headers
        assert ours.json()["id"] != theirs.json()["id"]


@pytest.mark.long
@pytest.mark.parametrize("layer", ["without the application's filter", "without row-level security"])
async def test_x1_each_layer_of_the_wall_holds_alone(layer: str, settings: Settings, servers: Addresses) -> None:
    if layer == "without row-level security":
        settings = settings.model_copy(
            update={
                "database_url": type(settings.database_url)(servers.superuser_url.replace("postgresql://", "postgresql+asyncpg://"))
            }
        )
        house = open_house(settings)
    else:
        house = open_house(settings, names_account=False)
    try:
        async with world_of(house, servers) as world:
            assert await attack(world, every_kind=False) > 300
            await _b_still_works(world)
    finally:
        await house.close()
