"""A large installation on throw-away servers: `python -m tests.bench.crowd` fills one, and tells what it took."""

import asyncio
import random
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import click

from tests import make
from tests.bench.filling import Row, bar, copy, filler, settle
from tests.bench.people import hire, sign_in
from tests.faults.processes import Stage, stage

DEPARTMENTS, AT_WORK = 5, 50
# As many sign-ins as may come between two vacuums (tenants/migrations, UPKEEP): lists are never dearer than just before the next.
SIGN_INS = 0.002
_BATCH = 20_000
_YEARS = timedelta(days=3 * 365)
_HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IG9mIG91cnM$" + "b" * 43

# First names on one line, family names on the next.
FIRST, LAST = (line.split() for line in Path(__file__).with_name("names.txt").read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True, slots=True)
class Size:
    """Accounts and users of an installation, and how many of the users are in the account that is looked at."""

    accounts: int
    users: int
    watched: int


LARGE = Size(accounts=10_000, users=1_000_000, watched=5_000)
SMALL = Size(accounts=1, users=1_000, watched=1_000)


@dataclass
class Crowd:
    """An installation of that size. The watched account is made as every account is, and its first people are at work."""

    size: Size
    watched: UUID
    parent: UUID
    tokens: list[str]
    departments: dict[UUID, list[UUID]] = field(default_factory=dict)
    #: What filling took.
    seconds: float = 0


async def gather_crowd(on: Stage, size: Size) -> Crowd:
    """Fill servers that are empty."""
    async with on.house() as house:
        operator = await make.operator(house)
        (company,) = await hire(house, on, companies=1, staff=AT_WORK, name="Watched")
        crowd = Crowd(size, company.account_id, operator.account_id, await sign_in(house, company.people))
    crowd.seconds = await fill(on.addresses.superuser_url, crowd)
    return crowd


async def fill(url: str, crowd: Crowd) -> float:
    """Add what is missing, with a bar on a terminal. Returns seconds.

    People of an account lie scattered among all others, as years of invitations leave them.
    """
    began = time.monotonic()
    async with filler(url) as one, filler(url) as two, filler(url) as three:
        accounts = await _accounts(one, crowd)
        # The one index that is wide is sooner made anew than added to a million times in no order.
        listed = await one.fetchval("SELECT pg_get_indexdef('ix_users_listed'::regclass)")
        await one.execute("DROP INDEX ix_users_listed")
        with bar() as shown:
            task = shown.add_task("people", total=crowd.size.users, completed=AT_WORK)
            for people in _batches(crowd, accounts):
                await asyncio.gather(
                    copy(one, "users", _USER, [_user_row(each) for each in people]),
                    copy(two, "identities", _IDENTITY, [(each.id, each.email, _HASH, each.at) for each in people]),
                    copy(three, "directory", _ENTRY, [(each.id, each.account, each.id, each.status) for each in people]),
                )
                invited = [each for each in people if each.status == "invited"]
                await copy(two, "invitations", _INVITATION, [_invitation(each) for each in invited])
                await copy(three, "outbox", _LETTER, [_letter(each) for each in invited])
                shown.advance(task, len(people))
        await one.execute(listed)
        await settle(one)
        await one.execute("UPDATE users SET last_login_at = now() WHERE random() < $1", SIGN_INS)
    return time.monotonic() - began


@dataclass(slots=True)
class _Person:
    """Somebody made up. The identity, the user, the invitation and its mail share an id, which is of the day it was made."""

    id: UUID
    account: UUID
    name: str
    email: str
    role: str
    departments: list[UUID] | None
    status: str
    at: datetime
    seen: datetime | None


_USER = (
    "account_id",
    "id",
    "identity_id",
    "name",
    "email",
    "role",
    "departments",
    "status",
    "invited_until",
    "last_login_at",
    "created_at",
)
_IDENTITY = ("id", "email", "password_hash", "created_at")
_ENTRY = ("identity_id", "account_id", "user_id", "status")
_INVITATION = ("account_id", "id", "user_id", "nonce", "language", "invited_by", "created_at", "expires_at")
_LETTER = ("account_id", "id", "letter", "user_id", "about", "state", "created_at", "settled_at")


def _user_row(one: _Person) -> Row:
    until = one.at + timedelta(days=7) if one.status == "invited" else None
    return one.account, one.id, one.id, one.name, one.email, one.role, one.departments, one.status, until, one.seen, one.at


def _invitation(one: _Person) -> Row:
    return one.account, one.id, one.id, b"n" * 16, "fr", "Ada", one.at, one.at + timedelta(days=7)


def _letter(one: _Person) -> Row:
    return one.account, one.id, "invitation", one.id, one.id, "sent", one.at, one.at


async def _accounts(connection: asyncpg.Connection, crowd: Crowd) -> list[UUID]:
    """The accounts other than the watched one, new, with their licences; departments of all of them."""
    chance = random.Random(1)
    now = datetime.now(UTC)
    new = [_id(chance, now - _YEARS) for _ in range(crowd.size.accounts - 1)]
    rows = [(one, "client", crowd.parent, f"Société {number}", f"societe-{number}") for number, one in enumerate(new)]
    await copy(connection, "accounts", ("id", "kind", "parent_id", "name", "slug"), rows)
    licences: list[Row] = [(one, "enterprise", 10, 1, []) for one in new]
    await copy(connection, "licences", ("account_id", "plan", "seats", "accountant_seats", "options"), licences)
    for one in (crowd.watched, *new):
        crowd.departments[one] = [_id(chance, now - _YEARS) for _ in range(DEPARTMENTS)]
    rooms = [(account, one, f"Agence {n}") for account, ids in crowd.departments.items() for n, one in enumerate(ids)]
    await copy(connection, "departments", ("account_id", "id", "name"), rooms)
    return new


def _batches(crowd: Crowd, others: list[UUID]) -> Iterator[list[_Person]]:
    """Everybody who is missing, oldest first."""
    chance = random.Random(2)
    elsewhere = crowd.size.users - crowd.size.watched
    owners = [others[number % len(others)] for number in range(elsewhere)] + [crowd.watched] * (crowd.size.watched - AT_WORK)
    chance.shuffle(owners)
    now = datetime.now(UTC)
    for first in range(0, len(owners), _BATCH):
        yield [
            _person(chance, crowd, account, number, now - _YEARS * (1 - number / len(owners)))
            for number, account in enumerate(owners[first : first + _BATCH], first)
        ]


def _person(chance: random.Random, crowd: Crowd, account: UUID, number: int, at: datetime) -> _Person:
    given, family = chance.choice(FIRST), chance.choice(LAST)
    status = chance.choices(("active", "invited", "suspended", "struck_off", "deleted"), (88, 5, 3, 3, 1))[0]
    departments = None if chance.random() < 0.5 else chance.sample(crowd.departments[account], chance.choice((1, 1, 2)))
    return _Person(
        id=_id(chance, at),
        account=account,
        name=f"{given} {family}",
        email=f"{_plain(given)}.{_plain(family)}.{number}@atelier{number % 997}.example.com",
        role=chance.choices(("user", "accountant", "simple_administrator", "administrator"), (90, 4, 4, 2))[0],
        departments=departments,
        status=status,
        at=at,
        seen=None if status == "invited" else at + (datetime.now(UTC) - at) * chance.random(),
    )


def _id(chance: random.Random, at: datetime) -> UUID:
    """UUIDv7 (RFC 9562) of that moment."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | chance.getrandbits(12) << 64 | 2 << 62 | chance.getrandbits(62))


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower().replace("œ", "oe").replace("ß", "ss"))
    return "".join(c for c in letters if c.isascii() and (c.isalnum() or c == "-"))


@click.command()
def main() -> None:
    """Fill throw-away servers, tell what it took, and take them away again."""
    with stage() as on:
        crowd = asyncio.run(gather_crowd(on, LARGE))
    click.echo(f"{LARGE.users:,} users in {LARGE.accounts:,} accounts: {crowd.seconds:.0f} s")


if __name__ == "__main__":
    main()
