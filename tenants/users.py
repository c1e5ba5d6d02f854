"""Users: an identity's place in one account, its status, and the last administrator."""

from datetime import datetime
from typing import Literal, NoReturn
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Select,
    Text,
    UniqueConstraint,
    all_,
    and_,
    any_,
    case,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, column_property, mapped_column

from tenants.catalogue import ADMINISTRATOR
from tenants.database import AccountOwned, Base, array_of, entered
from tenants.errors import LastAdministrator, NotFound, QuotaReached
from tenants.licences import lock_licence
from tenants.texts import one_line

Status = Literal["invited", "active", "suspended", "struck_off", "deleted"]
# Whoever works in more than this is in all of them.
MOST_DEPARTMENTS = 64


class User(AccountOwned, Base):
    """A person's place in the account."""

    __tablename__ = "users"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        UniqueConstraint("account_id", "id", "status"),
        CheckConstraint("status IN ('invited', 'active', 'suspended', 'struck_off', 'deleted')", name="status"),
        CheckConstraint(
            "status = 'suspended' OR (suspended_from IS NULL AND suspended_until IS NULL AND suspended_reason IS NULL)",
            name="suspension",
        ),
        CheckConstraint("suspended_from < suspended_until", name="suspension_dates"),
        ForeignKeyConstraint(["account_id", "custom_role_id"], ["roles.account_id", "roles.id"]),
        Index("ix_users_custom_role_id", "account_id", "custom_role_id", postgresql_where=text("custom_role_id IS NOT NULL")),
        Index("uq_users_person", "account_id", "identity_id", unique=True, postgresql_where=text("status <> 'deleted'")),
        CheckConstraint(f"cardinality(departments) <= {MOST_DEPARTMENTS}", name="departments"),
        # Lists are answered from this index alone, but for the rows that are shown: an account's people lie scattered over the
        # whole table. A row of it must stay under 2,704 bytes: hence the limits of `search` and `departments`.
        Index(
            "ix_users_listed",
            "account_id",
            "search",
            "id",
            postgresql_include=["status", "suspended_from", "suspended_until", "role", "departments", "email", "created_at"],
        ),
        Index("ix_users_email", "account_id", "email", "id"),
        Index("ix_users_created", "account_id", "created_at", "id"),
        # For this one every sign-in pays, a few tenths of a percent of its hash.
        Index("ix_users_last_login", "account_id", "last_login_order", "id"),
    )

    identity_id: Mapped[UUID] = mapped_column(ForeignKey("identities.id"))
    email: Mapped[str] = mapped_column(comment="the identity's, copied: inside the wall it can be searched")
    name: Mapped[str] = mapped_column(default="", server_default="", comment="what this account calls the person")
    role: Mapped[str] = mapped_column(comment="the key of a built-in role, or the id of one of the account's own")
    custom_role_id: Mapped[UUID | None] = mapped_column(
        # In PostgreSQL's own spelling, so that the comparison of code and schema recognises it.
        Computed(
            "CASE WHEN status <> 'deleted'::text AND role ~~ '________-____-____-____-____________'::text"
            " THEN role::uuid ELSE NULL::uuid END",
            True,
        )
    )
    departments: Mapped[list[UUID] | None] = mapped_column(ARRAY(PG_UUID(as_uuid=True)), comment="none = all")
    status: Mapped[Status] = mapped_column(Text)
    suspended_from: Mapped[datetime | None] = mapped_column(comment="none = since it was suspended")
    suspended_until: Mapped[datetime | None] = mapped_column()
    suspended_reason: Mapped[str | None] = mapped_column()
    invited_until: Mapped[datetime | None] = mapped_column(comment="an invited user counts in the quota until then")
    last_login_at: Mapped[datetime | None] = mapped_column()
    last_login_order: Mapped[datetime] = mapped_column(
        # A column and not an expression: only then does a page begin inside the index.
        Computed("COALESCE(last_login_at, to_timestamp((0)::double precision))", True),
        comment="whoever never signed in comes before everybody who did",
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None] = mapped_column()
    search: Mapped[str] = mapped_column(
        # No text that is typed has the character between the two: the column sorts by name, then by address.
        Computed('"left"(folded(name), 240) || chr(9) || folded(email)', True),
        comment="name and address, folded",
    )

    # A suspension begins and ends by itself, on the database's clock; whoever reads a status reads this.
    standing: Mapped[Status] = column_property(
        case(
            (and_(status == "suspended", or_(suspended_from > func.now(), suspended_until <= func.now())), "active"),
            else_=status,
        )
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
STANDING_SQL = (
    "CASE WHEN u.status = 'suspended' AND (u.suspended_from > now() OR u.suspended_until <= now()) THEN 'active' ELSE u.status END"
)


async def count_users(session: AsyncSession) -> int:
    """Users of the account entered that the licence counts."""
    return await session.scalar(select(func.count()).select_from(User).where(User.account_id == entered(session), counted())) or 0


async def count_invited(session: AsyncSession) -> int:
    """Users of the account entered whose invitation may still be accepted."""
    pending = (User.account_id == entered(session), User.status == "invited", User.invited_until > func.now())
    return await session.scalar(select(func.count()).select_from(User).where(*pending)) or 0


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


def search_users(
    account_id: UUID,
    *,
    q: str | None = None,
    status: Status | None = None,
    role: str | None = None,
    department: UUID | None = None,
    among: list[UUID] | None = None,
    beside: list[UUID] | None = None,
) -> Select[User]:
    """Users of the account, without deleted ones.

    `q`: words that all occur in name or address, in any order, whatever their accents and capitals. `department`: whoever is in
    it or in all. `among` and `beside`: only these users, and all but these.
    """
    query = select(User).where(User.account_id == account_id, User.status != "deleted")
    for word in dict.fromkeys(one_line("q", q or "", longest=100, shortest=0).split()):
        query = query.where(User.search.like(_anywhere(word)))
    if status:
        query = query.where(User.standing == status)
    if role:
        query = query.where(User.role == one_line("role", role, longest=60))
    if department is not None:
        query = query.where(or_(User.departments.is_(None), User.departments.contains([department])))
    if among is not None:
        query = query.where(User.id == any_(array_of(among)))
    return query if beside is None else query.where(User.id != all_(array_of(beside)))


def _anywhere(word: str) -> ColumnElement[str]:
    # Folded first and then quoted, because wide forms fold to wildcards; in a query of its own, so that it is done once.
    quoted = func.regexp_replace(func.folded(word), r"([%_\\])", r"\\\1", "g")
    return select(func.concat("%", quoted, "%")).scalar_subquery()


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


async def keep_an_administrator(session: AsyncSession, *, without: User) -> None:
    """Raise LastAdministrator if the account entered would be left without an active administrator once this one is none.

    An administrator counts who is active, in all departments, and whom no planned suspension awaits. Call it under the
    licence's lock: two administrators who take each other's rights queue there.
    """
    if without.role != ADMINISTRATOR or without.standing != "active":
        return
    others = await session.scalar(
        select(func.count())
        .select_from(User)
        .where(
            User.account_id == entered(session),
            User.id != without.id,
            User.standing == "active",
            or_(User.suspended_until <= func.now(), User.status == "active"),
            User.role == ADMINISTRATOR,
            User.departments.is_(None),
        )
    )
    if not others:
        raise LastAdministrator


def _not_found() -> NoReturn:
    raise NotFound
