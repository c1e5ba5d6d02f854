"""Lists of an account's own clients, thousands of them: found, ordered, and told of in as many statements for a page as for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, any_, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account, AccountStatus
from tenants.boost_times import Timing, seats_at
from tenants.boosts import Boost
from tenants.catalogue import AccountKind
from tenants.client_figures import WEIGHTS, ClientFigures, Reason
from tenants.database import array_of, entered
from tenants.licences import Licence
from tenants.texts import like_pattern
from tenants.usage import UsageDay, search_days

Attention = Literal["any", "refusals", "near_cap", "licence_ending", "no_sign_in"]


class Client(NamedTuple):
    """A child as its parent may know it: numbers and dates, and nobody's name. `boosted` are the seats of boosts that are live now."""

    id: UUID
    kind: AccountKind
    slug: str
    name: str
    status: AccountStatus
    standing: AccountStatus
    closed_at: datetime | None
    language: str
    created_at: datetime
    time_zone: str
    plan: str
    seats: int
    ends_on: date | None
    peak: int
    refused: int
    attention: list[Reason]
    last_sign_in_at: datetime | None
    boosted: int
    users: int


@dataclass(frozen=True, slots=True)
class Use:
    """How a client's seats were used in some days. `peak` is the most that were held at one instant."""

    peak: int = 0
    refused: int = 0
    sign_ins: int = 0
    waited: timedelta = timedelta(0)
    idle: timedelta = timedelta(0)


def search_clients(
    parent_id: UUID,
    *,
    q: str | None = None,
    status: AccountStatus | None = None,
    attention: Attention | None = None,
    kind: AccountKind | None = None,
) -> Select[Account]:
    """Children by part of their name or slug, by status, kind, and by whether they need attention, at all or for this reason."""
    query = select(Account).where(Account.parent_id == parent_id, *_found(q, status, kind))
    if attention is None:
        return query
    return query.where(exists().where(ClientFigures.account_id == Account.id, *_needing(attention)))


def search_figures(
    parent_id: UUID,
    *,
    q: str | None = None,
    status: AccountStatus | None = None,
    attention: Attention | None = None,
    kind: AccountKind | None = None,
) -> Select[ClientFigures]:
    """The same children by their figures: to be listed by urgency from an index."""
    query = select(ClientFigures).where(ClientFigures.parent_id == parent_id, *_needing(attention))
    if not q and status is None and kind is None:
        return query
    # The account is looked up by its id alone: whose child it is, its figures have said.
    return query.where(exists().where(Account.id == ClientFigures.account_id, *_found(q, status, kind)))


async def is_child(session: AsyncSession, parent_id: UUID, account_id: UUID) -> bool:
    """Whether the account is a child of the other one."""
    return await session.scalar(select(Account.id).where(Account.id == account_id, Account.parent_id == parent_id)) is not None


async def find_clients(session: AsyncSession, ids: Sequence[UUID]) -> list[Client]:
    """These children of the account entered, in this order, without live boosts and users; whoever is not its child is left out."""
    rows = await session.execute(_FACTS.where(Account.parent_id == entered(session), Account.id == any_(array_of(ids))))
    found = {row.id: Client._make((*row, 0, 0)) for row in rows}
    return [found[one] for one in ids if one in found]


async def read_clients(session: AsyncSession, ids: Sequence[UUID]) -> list[Client]:
    """As `find_clients`, with the seats of live boosts and the number of users."""
    children = await find_clients(session, ids)
    boosted = await _boosted(session, children)
    users = await count_users_of(session, [child.id for child in children])
    return [child._replace(boosted=boosted.get(child.id, 0), users=users.get(child.id, 0)) for child in children]


async def count_users_of(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Users of children of the account entered that their licences count."""
    rows = await session.execute(text("SELECT child, used FROM users_of_children(CAST(:ids AS uuid[]))"), {"ids": list(ids)})
    return {row.child: row.used for row in rows}


async def read_use(session: AsyncSession, ids: Sequence[UUID], *, since: date, until: date | None) -> dict[UUID, Use]:
    """How children of the account entered used their seats from a day to another, both included, each by its own clock.

    Those of whom nothing was counted are left out.
    """
    rows = await session.execute(
        search_days(ids, since=since, until=until)
        .with_only_columns(
            UsageDay.account_id,
            func.max(UsageDay.peak),
            func.sum(UsageDay.refused),
            func.sum(UsageDay.sign_ins),
            func.sum(UsageDay.waited_ms),
            func.sum(UsageDay.idle_ms),
        )
        .group_by(UsageDay.account_id)
    )
    return {
        account_id: Use(peak, refused, sign_ins, timedelta(milliseconds=int(waited)), timedelta(milliseconds=int(idle)))
        for account_id, peak, refused, sign_ins, waited, idle in rows
    }


_FACTS = (
    select(
        Account.id,
        Account.kind,
        Account.slug,
        Account.name,
        Account.status,
        Account.standing,
        Account.closed_at,
        Account.language,
        Account.created_at,
        Account.time_zone,
        Licence.plan,
        Licence.seats,
        Licence.ends_on,
        func.coalesce(ClientFigures.peak, 0),
        func.coalesce(ClientFigures.refused, 0),
        func.coalesce(ClientFigures.attention, text("'{}'")),
        ClientFigures.last_sign_in_at,
    )
    .join(Licence, Licence.account_id == Account.id)
    # A release that knows no figures may have opened the account a moment ago.
    .outerjoin(ClientFigures, ClientFigures.account_id == Account.id)
)


def _found(q: str | None, status: AccountStatus | None, kind: AccountKind | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if q:
        pattern = like_pattern("q", q)
        conditions.append(Account.name.ilike(pattern) | Account.slug.ilike(pattern))
    conditions += [] if status is None else [Account.status == status]
    return conditions if kind is None else [*conditions, Account.kind == kind]


def _needing(attention: Attention | None) -> list[ColumnElement[bool]]:
    if attention is None:
        return []
    if attention == "any":
        return [ClientFigures.urgency > 0]
    # The index holds the urgency, and so the reasons it is the sum of: those without this one are passed over inside of it.
    weight = WEIGHTS[attention]
    return [ClientFigures.urgency >= weight, ClientFigures.urgency.bitwise_and(weight) > 0]


async def _boosted(session: AsyncSession, children: Sequence[Client]) -> dict[UUID, int]:
    rows = await session.execute(
        select(
            Boost.account_id,
            func.now(),
            Boost.seats,
            Boost.starts_at,
            Boost.ends_at,
            Boost.days,
            Boost.from_minute,
            Boost.to_minute,
        )
        .where(
            Boost.account_id == any_(array_of([child.id for child in children])),
            Boost.ended_at.is_(None),
            Boost.starts_at <= func.now(),
            or_(Boost.ends_at.is_(None), Boost.ends_at > func.now()),
        )
        .execution_options(across_accounts=True)
    )
    zones = {child.id: child.time_zone for child in children}
    timings: dict[UUID, list[Timing]] = {}
    moment: datetime | None = None
    for account_id, now, *timing in rows:
        timings.setdefault(account_id, []).append(Timing._make(timing))
        moment = now
    if moment is None:
        return {}
    return {account_id: seats_at(some, zones[account_id], moment)[0] for account_id, some in timings.items()}
