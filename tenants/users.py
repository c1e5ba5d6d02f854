"""Users: an identity's place in one account, its status, and the last administrator."""

from datetime import datetime
from typing import Literal, NoReturn
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Select,
    Text,
    UniqueConstraint,
    and_,
    case,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, column_property, mapped_column

from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import ADMINISTRATOR, AccountKind, Catalogue
from tenants.database import AccountOwned, Base, entered
from tenants.effects import raise_epoch
from tenants.errors import Invalid, LastAdministrator, NotFound, QuotaReached
from tenants.licences import lock_licence
from tenants.texts import like_pattern, one_line

Status = Literal["invited", "active", "suspended", "struck_off", "deleted"]


class User(AccountOwned, Base):
    """A person's place in the account."""

    __tablename__ = "users"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        UniqueConstraint("account_id", "id", "status"),
        CheckConstraint("status IN ('invited', 'active', 'suspended', 'struck_off', 'deleted')", name="status"),
        CheckConstraint("status = 'suspended' OR (suspended_until IS NULL AND suspended_reason IS NULL)", name="suspension"),
        Index("uq_users_person", "account_id", "identity_id", unique=True, postgresql_where=text("status <> 'deleted'")),
    )

    identity_id: Mapped[UUID] = mapped_column(ForeignKey("identities.id"))
    email: Mapped[str] = mapped_column(comment="the identity's, copied: inside the wall it can be searched")
    name: Mapped[str] = mapped_column(default="", server_default="", comment="what this account calls the person")
    role: Mapped[str] = mapped_column()
    departments: Mapped[list[UUID] | None] = mapped_column(ARRAY(PG_UUID(as_uuid=True)), comment="none = all")
    status: Mapped[Status] = mapped_column(Text)
    suspended_until: Mapped[datetime | None] = mapped_column()
    suspended_reason: Mapped[str | None] = mapped_column()
    invited_until: Mapped[datetime | None] = mapped_column(comment="an invited user counts in the quota until then")
    last_login_at: Mapped[datetime | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None] = mapped_column()

    # A suspension ends by itself, on the database's clock; whoever reads a status reads this.
    standing: Mapped[Status] = column_property(
        case((and_(status == "suspended", suspended_until <= func.now()), "active"), else_=status)
    )

    @property
    def label(self) -> str:
        """How a line of history names the person."""
        return self.name or self.email

    @property
    def target(self) -> tuple[str, UUID, str]:
        """The person as what an activity line is about."""
        return ("user", self.id, self.label)


class DirectoryEntry(Base):
    """Which accounts know an identity. Outside the wall: a sign-in looks here before it may enter anywhere.

    PostgreSQL itself keeps `status` equal to the user's: it is part of the foreign key, updated with it.
    """

    __tablename__ = "directory"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "user_id", "status"],
            ["users.account_id", "users.id", "users.status"],
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
    )

    identity_id: Mapped[UUID] = mapped_column(ForeignKey("identities.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column()
    status: Mapped[Status] = mapped_column(Text)


def counted() -> ColumnElement[bool]:
    """Who counts in the licence's users: active, suspended, and invited until the invitation expires."""
    return or_(User.status.in_(("active", "suspended")), and_(User.status == "invited", User.invited_until > func.now()))


#: `User.standing` for the plain statements that every request or sign-in pays for; the user's table is `u` there.
STANDING_SQL = "CASE WHEN u.status = 'suspended' AND u.suspended_until <= now() THEN 'active' ELSE u.status END"


async def count_users(session: AsyncSession) -> int:
    """Users of the account entered that the licence counts."""
    return await session.scalar(select(func.count()).select_from(User).where(User.account_id == entered(session), counted())) or 0


async def take_place(session: AsyncSession) -> None:
    """Room for one more user, or QuotaReached. Holds the licence's lock until the transaction ends: call it before adding."""
    licence = await lock_licence(session)
    used = await count_users(session)
    if licence.users is not None and used >= licence.users:
        raise QuotaReached(what="users", limit=licence.users, used=used)


async def find_user(session: AsyncSession, user_id: UUID) -> User | None:
    """A user of the account entered who is not deleted."""
    return await session.scalar(
        select(User).where(User.account_id == entered(session), User.id == user_id, User.status != "deleted")
    )


async def get_user(session: AsyncSession, user_id: UUID) -> User:
    """The same, or NotFound."""
    return await find_user(session, user_id) or _not_found()


def search_users(account_id: UUID, *, q: str | None = None, status: Status | None = None, role: str | None = None) -> Select[User]:
    """Users of the account, without deleted ones, by part of name or address, status and role."""
    query = select(User).where(User.account_id == account_id, User.status != "deleted")
    if q:
        pattern = like_pattern("q", q)
        query = query.where(or_(User.name.ilike(pattern), User.email.ilike(pattern)))
    if status:
        query = query.where(User.standing == status)
    return query.where(User.role == one_line("role", role, longest=60)) if role else query


async def active_administrators(session: AsyncSession) -> list[User]:
    """Active administrators of the account entered: whom the account's letters go to."""
    found = await session.scalars(
        select(User).where(
            User.account_id == entered(session),
            User.standing == "active",
            User.role == ADMINISTRATOR,
        )
    )
    return list(found)


async def lock_user(session: AsyncSession, user_id: UUID) -> User:
    """The user, read again after the licence's lock is held, so that what is decided next is decided on the truth."""
    await lock_licence(session)
    found = await session.scalar(
        select(User)
        .where(User.account_id == entered(session), User.id == user_id, User.status != "deleted")
        .execution_options(populate_existing=True)
    )
    return found or _not_found()


def known_role(catalogue: Catalogue, kind: AccountKind, role: str) -> frozenset[str]:
    """The rights of a role in an account of this kind, or Invalid."""
    if role not in catalogue.roles:
        raise Invalid("role", "unknown", known=list(catalogue.roles))
    return catalogue.role_rights(role, kind)


def must_outrank(catalogue: Catalogue, actor: Actor, user: User) -> None:
    """Raise BeyondOwnRights when the user has a right or department that the actor lacks: nobody changes who has more."""
    actor.must_cover(catalogue.role_rights(user.role, actor.account_kind), user.departments)


async def change_user(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    user_id: UUID,
    *,
    name: str | None = None,
    role: str | None = None,
    departments: list[UUID] | None = None,
    all_departments: bool = False,
) -> User:
    """Rename, or give another role or other departments. Works at the person's next request."""
    user = await lock_user(session, user_id)
    must_outrank(catalogue, actor, user)
    before = {"name": user.name, "role": user.role, "departments": user.departments}
    if name is not None:
        user.name = one_line("name", name, longest=120, shortest=0)
    if departments:
        raise Invalid("departments", "unknown")
    if all_departments:
        user.departments = None
    if role is not None and role != user.role:
        actor.must_cover(known_role(catalogue, actor.account_kind, role), user.departments)
        await keep_an_administrator(session, catalogue, actor.account_kind, without=user, unless_role=role)
        user.role = role
    after = {"name": user.name, "role": user.role, "departments": user.departments}
    if after != before:
        await session.flush()
        raise_epoch(session, actor.account_id)
        changed = {key: before[key] for key in before if before[key] != after[key]}
        record(session, Event.USER_CHANGED, by=actor, on=user.target, before=changed, after={key: after[key] for key in changed})
    return user


async def keep_an_administrator(
    session: AsyncSession, catalogue: Catalogue, kind: AccountKind, *, without: User, unless_role: str | None = None
) -> None:
    """Raise LastAdministrator if the account entered would be left without an active administrator.

    Call it under the licence's lock: two administrators who take each other's rights queue there.
    """
    everything = catalogue.rights_of(kind)
    full = [key for key in catalogue.roles if catalogue.role_rights(key, kind) == everything] or [ADMINISTRATOR]
    if without.standing != "active" or without.role not in full or unless_role in full:
        return
    others = await session.scalar(
        select(func.count())
        .select_from(User)
        .where(
            User.account_id == entered(session),
            User.id != without.id,
            User.standing == "active",
            User.role.in_(full),
            User.departments.is_(None),
        )
    )
    if not others:
        raise LastAdministrator


def _not_found() -> NoReturn:
    raise NotFound
