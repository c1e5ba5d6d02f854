"""Accounts: the tree of operator, resellers and clients, and the settings that each decides for itself."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Text, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.catalogue import LANGUAGES, AccountKind
from tenants.database import Base, table_of
from tenants.effects import raise_epoch
from tenants.errors import AccountUnavailable, AlreadyExists, Invalid, NotFound
from tenants.slugs import checked_slug, propose_slug
from tenants.texts import one_line

AccountStatus = Literal["active", "suspended", "closed"]
SeatUnit = Literal["user", "session"]
DocumentEvents = Literal["kept", "dropped", "refused"]
IDLE_MINUTES = range(5, 241)
RECLAIM_MINUTES = range(1, 241)
SESSIONS_PER_USER = range(1, 11)
ACTIVITY_MONTHS = range(6, 37)
# Below the operator. A reseller on the last level could have no client.
MOST_LEVELS = 5
_STANDING = """CASE
    WHEN status = 'closed' OR above = 'closed' THEN 'closed'
    WHEN status = 'suspended' OR above = 'suspended' THEN 'suspended'
    ELSE 'active' END"""


class Account(Base):
    """An organisation. Not behind the wall itself: a sign-in must find it before anyone is inside."""

    __tablename__ = "accounts"
    __table_args__ = (
        Index("uq_accounts_operator", "kind", unique=True, postgresql_where=text("kind = 'operator'")),
        Index("ix_accounts_listed", "parent_id", "name", "id"),
        CheckConstraint("kind IN ('operator', 'reseller', 'client')", name="kind"),
        CheckConstraint("status IN ('active', 'suspended', 'closed')", name="status"),
        CheckConstraint("above IN ('active', 'suspended', 'closed')", name="above"),
        CheckConstraint("(closed_at IS NOT NULL) = (status = 'closed')", name="closed"),
        CheckConstraint("(kind = 'operator') = (parent_id IS NULL)", name="parent"),
        CheckConstraint("idle_timeout BETWEEN 5 AND 240", name="idle_timeout"),
        CheckConstraint("reclaim_after BETWEEN 1 AND 240", name="reclaim_after"),
        CheckConstraint("sessions_per_user BETWEEN 1 AND 10", name="sessions_per_user"),
        CheckConstraint("seat_unit IN ('user', 'session')", name="seat_unit"),
        CheckConstraint("activity_documents IN ('kept', 'dropped', 'refused')", name="activity_documents"),
        CheckConstraint("activity_months BETWEEN 6 AND 36", name="activity_months"),
    )
    # A changed account knows its standing at once: nothing is loaded later, behind the caller's back.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - read by SQLAlchemy, never changed

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[AccountKind] = mapped_column(Text)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str] = mapped_column()
    slug: Mapped[str] = mapped_column(unique=True)
    status: Mapped[AccountStatus] = mapped_column(Text, default="active", server_default="active")
    above: Mapped[AccountStatus] = mapped_column(
        Text, default="active", server_default="active", comment="the worst status of the accounts above"
    )
    standing: Mapped[AccountStatus] = mapped_column(
        Text, Computed(_STANDING, persisted=True), comment="what counts: its own status, or a worse one above"
    )
    closed_at: Mapped[datetime | None] = mapped_column()
    language: Mapped[str] = mapped_column(default="fr", server_default="fr")
    time_zone: Mapped[str] = mapped_column(default="Europe/Paris", server_default="Europe/Paris")
    seat_unit: Mapped[SeatUnit] = mapped_column(Text, default="user", server_default="user")
    sessions_per_user: Mapped[int] = mapped_column(default=1, server_default="1")
    idle_timeout: Mapped[int] = mapped_column(default=30, server_default="30", comment="minutes")
    reclaim_after: Mapped[int | None] = mapped_column(
        comment="minutes without a request after which a seat may be taken; none = never"
    )
    show_holders: Mapped[bool] = mapped_column(default=True, server_default="true")
    admin_sets_password: Mapped[bool] = mapped_column(
        default=False, server_default="false", comment="whether administrators may set first passwords"
    )
    activity_documents: Mapped[DocumentEvents] = mapped_column(
        Text, default="dropped", server_default="dropped", comment="what becomes of events about documents"
    )
    activity_months: Mapped[int] = mapped_column(default=12, server_default="12", comment="full months that the history is kept")
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


async def find_names(session: AsyncSession, account_ids: Iterable[UUID]) -> dict[UUID, str]:
    """What these accounts are called."""
    rows = await session.execute(select(Account.id, Account.name).where(Account.id.in_(list(account_ids))))
    return {row.id: row.name for row in rows}


async def find_operator(session: AsyncSession) -> Account | None:
    """The one operator's account, once it is created."""
    return await session.scalar(select(Account).where(Account.kind == "operator"))


async def get_child(session: AsyncSession, parent_id: UUID, account_id: UUID) -> Account:
    """A child of `parent_id`, locked for a change; anyone else's is NotFound.

    The lock is one that rows which only name the account do not wait for: its people go on working meanwhile.
    """
    query = select(Account).where(Account.id == account_id, Account.parent_id == parent_id)
    child = await session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))
    if child is None:
        raise NotFound
    return child


async def hold_account(session: AsyncSession, account_id: UUID) -> Account | None:
    """The account, whose standing stays what it is until the transaction ends. To be asked for before any other lock."""
    query = select(Account).where(Account.id == account_id).with_for_update(read=True)
    return await session.scalar(query.execution_options(populate_existing=True))


async def hold_parent(session: AsyncSession, account_id: UUID) -> Account:
    """As `hold_account`, for what is about to come below it. Raises AccountUnavailable when the account does not stand.

    A suspension and a new account below it queue here: one that comes first is seen by the other.
    """
    parent = await hold_account(session, account_id)
    if parent is None:
        raise NotFound
    if parent.standing != "active":
        raise AccountUnavailable(why=f"account_{parent.standing}", contact=None)
    return parent


async def open_account(
    session: AsyncSession, *, kind: AccountKind, parent_id: UUID | None, name: str, slug: str | None, language: str
) -> Account:
    """A new account below its parent. Without a slug one is proposed from the name, whoever else opens one by it at this moment.

    Raises AlreadyExists with a free one for a slug that is taken, AccountUnavailable below an account that does not stand, and Invalid
    for a place too far below the operator.
    """
    values: dict[str, Any] = {"kind": kind, "name": account_name(name), "language": known_language(language)}
    if parent_id is not None:
        parent = await hold_parent(session, parent_id)
        await _must_be_near(session, parent, kind)
        values |= {"parent_id": parent.id, "above": parent.standing}
    given = None if slug is None else checked_slug(slug)
    while True:
        wanted = given or await propose_slug(session, values["name"])
        account_id = await session.scalar(
            insert(table_of(Account))
            .values(id=uuid7(), slug=wanted, **values)
            .on_conflict_do_nothing(index_elements=["slug"])
            .returning(Account.id)
        )
        if account_id is not None:
            return await session.get_one(Account, account_id)
        if given is not None:
            raise AlreadyExists(what="slug", slug=given, proposed=await propose_slug(session, given))


async def free_slug(session: AsyncSession, name: str, *, wanted: str | None) -> str:
    """The slug that an account of this name would get now. Raises AlreadyExists with a free one for one that is taken, and Invalid."""
    if wanted is None:
        return await propose_slug(session, name)
    slug = checked_slug(wanted)
    if await session.scalar(select(Account.id).where(Account.slug == slug)) is not None:
        raise AlreadyExists(what="slug", slug=slug, proposed=await propose_slug(session, slug))
    return slug


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

    `idle_timeout` and `reclaim_after` in minutes, None for never. Works at the next request of everyone in the account.
    """
    checks: dict[str, Callable[[Any], Any]] = {
        "name": account_name,
        "language": known_language,
        "time_zone": known_time_zone,
        "seat_unit": lambda unit: _one_of("seat_unit", unit, ("user", "session")),
        "sessions_per_user": lambda count: _within("sessions_per_user", count, SESSIONS_PER_USER),
        "idle_timeout": lambda minutes: _within("idle_timeout", minutes, IDLE_MINUTES),
        "reclaim_after": lambda minutes: None if minutes is None else _within("reclaim_after", minutes, RECLAIM_MINUTES),
        "show_holders": bool,
        "admin_sets_password": bool,
        "activity_documents": lambda choice: _one_of("activity_documents", choice, get_args(DocumentEvents)),
        "activity_months": lambda months: _within("activity_months", months, ACTIVITY_MONTHS),
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


_LEVEL = text("""
WITH RECURSIVE line AS (
    SELECT parent_id, 0 AS level FROM accounts WHERE id = :id
    UNION ALL SELECT a.parent_id, line.level + 1 FROM line JOIN accounts a ON a.id = line.parent_id
) SELECT max(level) FROM line
""")


async def _must_be_near(session: AsyncSession, parent: Account, kind: AccountKind) -> None:
    level = 1 + (await session.execute(_LEVEL, {"id": parent.id})).scalar_one()
    if parent.kind == "client":
        raise Invalid("kind", "not_possible")
    if level > MOST_LEVELS - (kind == "reseller"):
        raise Invalid("kind", "too_deep", max=MOST_LEVELS)
