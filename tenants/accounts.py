"""Accounts: the tree of operator, resellers and clients, and the settings that each decides for itself."""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, Text, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.catalogue import LANGUAGES, AccountKind
from tenants.database import Base
from tenants.effects import raise_epoch
from tenants.errors import AlreadyExists, Invalid, NotFound
from tenants.texts import like_pattern, one_line

AccountStatus = Literal["active", "suspended", "closed"]
SeatUnit = Literal["user", "session"]
IDLE_MINUTES = range(5, 241)
SESSIONS_PER_USER = range(1, 11)
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Account(Base):
    """An organisation. Not behind the wall itself: a sign-in must find it before anyone is inside."""

    __tablename__ = "accounts"
    __table_args__ = (
        Index("uq_accounts_operator", "kind", unique=True, postgresql_where=text("kind = 'operator'")),
        CheckConstraint("kind IN ('operator', 'reseller', 'client')", name="kind"),
        CheckConstraint("status IN ('active', 'suspended', 'closed')", name="status"),
        CheckConstraint("(kind = 'operator') = (parent_id IS NULL)", name="parent"),
        CheckConstraint("idle_timeout BETWEEN 5 AND 240", name="idle_timeout"),
        CheckConstraint("sessions_per_user BETWEEN 1 AND 10", name="sessions_per_user"),
        CheckConstraint("seat_unit IN ('user', 'session')", name="seat_unit"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[AccountKind] = mapped_column(Text)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str] = mapped_column()
    slug: Mapped[str] = mapped_column(unique=True)
    status: Mapped[AccountStatus] = mapped_column(Text, default="active", server_default="active")
    language: Mapped[str] = mapped_column(default="fr", server_default="fr")
    time_zone: Mapped[str] = mapped_column(default="Europe/Paris", server_default="Europe/Paris")
    seat_unit: Mapped[SeatUnit] = mapped_column(Text, default="user", server_default="user")
    sessions_per_user: Mapped[int] = mapped_column(default=1, server_default="1")
    idle_timeout: Mapped[int] = mapped_column(default=30, server_default="30", comment="minutes")
    show_holders: Mapped[bool] = mapped_column(default=True, server_default="true")
    admin_sets_password: Mapped[bool] = mapped_column(
        default=False, server_default="false", comment="whether administrators may set first passwords"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


async def find_account(session: AsyncSession, account_id: UUID) -> Account | None:
    """The account, whatever its status."""
    return await session.get(Account, account_id)


async def get_account(session: AsyncSession, account_id: UUID) -> Account:
    """The account, or NotFound."""
    account = await find_account(session, account_id)
    if account is None:
        raise NotFound
    return account


async def find_operator(session: AsyncSession) -> Account | None:
    """The one operator's account, once it is created."""
    return await session.scalar(select(Account).where(Account.kind == "operator"))


async def get_child(session: AsyncSession, parent_id: UUID, account_id: UUID) -> Account:
    """A child of `parent_id`, locked for a change; anyone else's is NotFound."""
    child = await session.scalar(select(Account).where(Account.id == account_id, Account.parent_id == parent_id).with_for_update())
    if child is None:
        raise NotFound
    return child


def search_children(parent_id: UUID, *, q: str | None, status: AccountStatus | None) -> Select[Account]:
    """Children of an account by part of their name or slug, and by status."""
    query = select(Account).where(Account.parent_id == parent_id)
    if q:
        pattern = like_pattern("q", q)
        query = query.where(Account.name.ilike(pattern) | Account.slug.ilike(pattern))
    return query.where(Account.status == status) if status else query


async def open_account(
    session: AsyncSession, *, kind: AccountKind, parent_id: UUID | None, name: str, slug: str | None, language: str
) -> Account:
    """A new account. Without a slug one is proposed from the name and made unique; a given one that is taken raises AlreadyExists."""
    account = Account(id=uuid7(), kind=kind, parent_id=parent_id, name=account_name(name), language=known_language(language))
    if slug is not None:
        if not _SLUG.fullmatch(slug):
            raise Invalid("slug", "malformed")
        if await _taken(session, slug):
            raise AlreadyExists(what="slug")
        account.slug = slug
    else:
        account.slug = await _free_slug(session, account.name)
    session.add(account)
    await session.flush()
    return account


def account_name(name: str) -> str:
    """A name for an account: one line, 1 to 120 characters."""
    return one_line("name", name, longest=120)


def known_language(language: str) -> str:
    """A language that Portillon speaks, or Invalid."""
    if language not in LANGUAGES:
        raise Invalid("language", "unknown", known=list(LANGUAGES))
    return language


def known_time_zone(name: str) -> str:
    """An IANA time zone, or Invalid."""
    if name not in available_timezones():
        raise Invalid("time_zone", "unknown")
    return name


async def change_settings(
    session: AsyncSession, account: Account, *, wanted: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change settings that the account decides for itself; returns what changed, before and after. Raises Invalid.

    `idle_timeout` in minutes. Works at the next request of everyone in the account.
    """
    checks: dict[str, Callable[[Any], Any]] = {
        "name": account_name,
        "language": known_language,
        "time_zone": known_time_zone,
        "seat_unit": lambda unit: _one_of("seat_unit", unit, ("user", "session")),
        "sessions_per_user": lambda count: _within("sessions_per_user", count, SESSIONS_PER_USER),
        "idle_timeout": lambda minutes: _within("idle_timeout", minutes, IDLE_MINUTES),
        "show_holders": bool,
        "admin_sets_password": bool,
    }
    before = {name: getattr(account, name) for name in wanted}
    for name, value in wanted.items():
        setattr(account, name, checks[name](value))
    changed = [name for name in wanted if getattr(account, name) != before[name]]
    if changed:
        await session.flush()
        raise_epoch(session, account.id)
    return {name: before[name] for name in changed}, {name: getattr(account, name) for name in changed}


def _within(field: str, value: int, bounds: range) -> int:
    if value not in bounds:
        raise Invalid(field, "out_of_range", min=bounds.start, max=bounds.stop - 1)
    return value


def _one_of(field: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Invalid(field, "unknown", known=list(known))
    return value


async def _free_slug(session: AsyncSession, name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:50].strip("-") or "account"
    if not await _taken(session, base):
        return base
    return f"{base}-{uuid7().hex[-6:]}"


async def _taken(session: AsyncSession, slug: str) -> bool:
    return await session.scalar(select(Account.id).where(Account.slug == slug)) is not None
