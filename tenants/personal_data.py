"""One's own data: what Portillon keeps about a person, read in each company that they know of, one after the other."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, and_, case, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account
from tenants.activity import Activity
from tenants.database import Database, enter, entered
from tenants.departments import Department
from tenants.email_changes import EmailChange
from tenants.identities import Identity
from tenants.sessions import SignedInSession
from tenants.users import DirectoryEntry, User

#: Of both kinds together, in all companies; the newest of each come first.
MOST_LINES = 100_000
LINES_AT_ONCE = 1_000

#: What the person did, and what others did that is about them.
Kind = Literal["own", "about"]
# Whoever was struck off is told what a stranger is told, here as well.
_KNOWN_TO_THEM = ("invited", "active", "suspended")


class Place(NamedTuple):
    """What one company keeps: the account, the person's user, the departments they are in (None: all), and every sign-in."""

    account: Account
    user: User
    departments: list[str] | None
    sessions: list[SignedInSession]


class Kept(NamedTuple):
    """What is kept of a person beside the history."""

    identity: Identity
    changes: list[EmailChange]
    places: list[Place]


async def read_kept(session: AsyncSession, identity_id: UUID) -> Kept:
    """All of it. Enters each company of the person in turn, and returns."""
    back = entered(session)
    identity = await session.get_one(Identity, identity_id)
    changes = await session.scalars(
        select(EmailChange).where(EmailChange.identity_id == identity_id).order_by(EmailChange.created_at)
    )
    rows = await session.execute(
        select(Account, DirectoryEntry.user_id)
        .join(DirectoryEntry, DirectoryEntry.account_id == Account.id)
        .where(DirectoryEntry.identity_id == identity_id, DirectoryEntry.status.in_(_KNOWN_TO_THEM))
        .order_by(Account.name, Account.id)
    )
    kept = Kept(identity, list(changes), [])
    for account, user_id in rows.all():
        await enter(session, account.id)
        kept.places.append(await _read_place(session, account, user_id))
    await enter(session, back)
    return kept


async def _read_place(session: AsyncSession, account: Account, user_id: UUID) -> Place:
    user = await session.get_one(User, (account.id, user_id))
    departments = None
    if user.departments is not None:
        names = select(Department.name).where(Department.account_id == account.id, Department.id.in_(user.departments))
        departments = list(await session.scalars(names.order_by(Department.name)))
    sessions = await session.scalars(
        select(SignedInSession)
        .where(SignedInSession.account_id == account.id, SignedInSession.user_id == user_id)
        .order_by(SignedInSession.id)
    )
    return Place(account, user, departments, list(sessions))


async def read_lines(
    database: Database, account_id: UUID, user_id: UUID, kind: Kind, *, most: int
) -> AsyncIterator[list[dict[str, Any]]]:
    """The person's lines in one company, newest first, some at a time and `most` altogether; each part in a transaction of its own.

    Of people other than them nothing but a name: no address, network address or device of whoever acted on them, and of whom they
    acted on no fact that names or describes that person.
    """
    last: tuple[datetime, UUID] | None = None
    while most > 0:
        async with database.transaction(account_id) as session:
            query = _lines(account_id, user_id, kind, after=last).limit(min(most, LINES_AT_ONCE))
            part = [dict(row) for row in (await session.execute(query)).mappings()]
        if part:
            yield part
        most -= len(part)
        if len(part) < LINES_AT_ONCE:
            return
        last = part[-1]["at"], part[-1]["id"]


def _lines(account_id: UUID, user_id: UUID, kind: Kind, *, after: tuple[datetime, UUID] | None) -> Select[Any]:
    line = Activity
    about_them = and_(line.target_type == "user", line.target_id == str(user_id))
    mine = line.actor_user_id == user_id if kind == "own" else and_(about_them, line.actor_user_id.is_distinct_from(user_id))
    nothing = (literal(None, Text).label(name) for name in ("ip", "device", "request_id"))
    own = (line.ip, line.device, line.request_id, _facts_of_nobody_else(about_them).label("facts"))
    columns: list[Any] = [
        line.id,
        line.at,
        line.event,
        line.result,
        line.actor_kind,
        line.actor_name,
        line.actor_account_name,
        line.target_type,
        line.target_id,
        line.target_label,
        *(own if kind == "own" else (*nothing, line.facts)),
    ]
    query: Select[Any] = select(*columns).where(line.account_id == account_id, mine)
    if after is not None:
        query = query.where(tuple_(line.at, line.id) < tuple_(literal(after[0]), literal(after[1])))
    return query.order_by(line.at.desc(), line.id.desc())


def _facts_of_nobody_else(about_them: ColumnElement[bool]) -> ColumnElement[Any]:
    others = and_(Activity.target_type == "user", ~about_them)
    return case((others, func.activity_facts_without(Activity.facts, "", type_=Activity.facts.type)), else_=Activity.facts)
