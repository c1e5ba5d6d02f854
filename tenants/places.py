"""A person's place in an account at the moment they want to enter: all that decides whether they may, in one read."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, func, select
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account
from tenants.catalogue import ADMINISTRATOR, AccountKind
from tenants.database import entered, table_of
from tenants.errors import AccountUnavailable, DomainError, InvalidCredentials, UserSuspended
from tenants.licences import Licence, covers
from tenants.sessions import SignedInSession
from tenants.users import User, active_administrators, standing_in

# Columns and not entities: every sign-in reads this, and the ORM would cost more than PostgreSQL does.
_USER, _ACCOUNT, _LICENCE, _SESSION = (table_of(model) for model in (User, Account, Licence, SignedInSession))
_MOST_CONTACTS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """The user, the account's rules and the licence's dates; `alive` are the user's own live sessions. `now` is the database's."""

    user_id: UUID
    name: str
    email: str
    role: str
    standing: str
    suspended_until: datetime | None
    suspended_reason: str | None
    kind: AccountKind
    account_status: str
    time_zone: str
    seat_unit: str
    sessions_per_user: int
    show_holders: bool
    starts_on: date
    ends_on: date | None
    now: datetime
    alive: list[UUID]


async def find_place(session: AsyncSession, user_id: UUID) -> Place | None:
    """The place of a user of the account entered. The same one statement whether there is such a user or not."""
    u, a, li, s = _USER.c, _ACCOUNT.c, _LICENCE.c, _SESSION.c
    alive = (
        select(s.id)
        .where(s.account_id == u.account_id, s.user_id == u.id, s.ended_at.is_(None), s.expires_at > func.now())
        .order_by(s.id)
        .scalar_subquery()
    )
    row = (
        await session.execute(
            select(
                u.id, u.name, u.email, u.role, standing_in(u), u.suspended_until, u.suspended_reason,
                a.kind, a.status, a.time_zone, a.seat_unit, a.sessions_per_user, a.show_holders,
                li.starts_on, li.ends_on, func.now(), func.array(alive, type_=ARRAY(PG_UUID(as_uuid=True))),
            )
            .join_from(_USER, _ACCOUNT, a.id == u.account_id)
            .join(_LICENCE, li.account_id == u.account_id)
            .where(u.account_id == entered(session), u.id == user_id)
        )
    ).one_or_none()  # fmt: skip
    return Place(*tuple(row)) if row is not None else None


async def may_not_enter(session: AsyncSession, place: Place | None) -> DomainError | None:
    """Why the person may not enter the account entered, said only after the right password; None when they may."""
    if place is None or place.standing not in {"active", "suspended"} or place.account_status == "closed":
        return InvalidCredentials()
    facts: dict[str, Any]
    if place.standing == "suspended":
        kind: type[DomainError] = UserSuspended
        facts = {"until": place.suspended_until, "reason": place.suspended_reason}
    elif place.account_status == "suspended":
        kind, facts = AccountUnavailable, {"why": "account_suspended"}
    elif place.role != ADMINISTRATOR and not covers(place.starts_on, place.ends_on, place.time_zone, place.now):
        kind, facts = AccountUnavailable, {"why": "licence_ended"}
    else:
        return None
    others = sorted(user.email for user in await active_administrators(session) if user.id != place.user_id)
    return kind(**facts, contact=", ".join(others[:_MOST_CONTACTS]) or None)
