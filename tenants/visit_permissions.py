"""Permissions to visit: a client's administrators let their reseller or the operator in, once or until they take it back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKeyConstraint, Index, Select, Text, and_, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.accounts import Account, find_operator, get_account
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.custom_roles import lock_palette
from tenants.database import AccountOwned, Base, entered
from tenants.errors import AlreadyExists, Invalid, NotFound
from tenants.roles import Palette
from tenants.texts import one_line
from tenants.visits import Visit, end_visits

Visitor = Literal["reseller", "operator"]
PermissionState = Literal["open", "used", "revoked"]
LONGEST_REASON = 300


class VisitPermission(AccountOwned, Base):
    """Who may come, and with which rights. There is one open permission at most for each account that may."""

    __tablename__ = "visit_permissions"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        ForeignKeyConstraint(["visitor_account_id"], ["accounts.id"]),
        Index(
            "uq_visit_permissions_open",
            "account_id",
            "visitor_account_id",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index("ix_visit_permissions_offered", "visitor_account_id", "given_at", "id", postgresql_where=text("revoked_at IS NULL")),
    )

    visitor_account_id: Mapped[UUID] = mapped_column()
    once: Mapped[bool] = mapped_column()
    rights: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reason: Mapped[str | None] = mapped_column()
    given_by: Mapped[str] = mapped_column(comment="name, as it was")
    given_by_user_id: Mapped[UUID | None] = mapped_column()
    given_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None] = mapped_column()
    revoked_at: Mapped[datetime | None] = mapped_column()
    revoked_by: Mapped[str | None] = mapped_column()
    revoked_by_user_id: Mapped[UUID | None] = mapped_column()

    @property
    def state(self) -> PermissionState:
        """Whether a visit may begin under it. One that was for a single visit is used, whatever came after it."""
        if self.revoked_by is not None:
            return "revoked"
        return "used" if self.once and self.used_at is not None else "open"


async def allow_visits(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    *,
    visitor: Visitor,
    once: bool,
    rights: Iterable[str] | None = None,
    role: str | None = None,
    reason: str | None = None,
) -> VisitPermission:
    """Let people of the account's reseller (its parent), or of the operator, in: with these rights, or with those of a role now.

    Raises Forbidden for a visitor, Invalid, BeyondOwnRights, and AlreadyExists with the id of the permission that is open.
    """
    actor.must_belong_here()
    palette = await lock_palette(session, catalogue, actor)
    given = _rights_to_give(palette, rights, role)
    actor.must_cover(given, None)
    seller = await _seller(session, await get_account(session, entered(session)), visitor)
    await _close_what_is_used(session, seller.id)
    words = None if reason is None else one_line("reason", reason, longest=LONGEST_REASON, shortest=0) or None
    values = {"visitor_account_id": seller.id, "once": once, "rights": sorted(given), "reason": words}
    values |= {"given_by": actor.name, "given_by_user_id": actor.user_id}
    made: VisitPermission | None = await session.scalar(
        insert(VisitPermission)
        .values(account_id=entered(session), id=uuid7(), **values)
        .on_conflict_do_nothing(index_elements=["account_id", "visitor_account_id"], index_where=text("revoked_at IS NULL"))
        .returning(VisitPermission)
    )
    if made is None:
        raise AlreadyExists(what="visit_permission", id=await session.scalar(_open(entered(session), seller.id)))
    target = ("account", seller.id, seller.name)
    record(session, Event.VISIT_ALLOWED, by=actor, on=target, permission=made.id, once=once, rights=sorted(given), reason=words)
    return made


async def revoke_visits(session: AsyncSession, actor: Actor, permission_id: UUID) -> int:
    """Take a permission back: no visit begins under it, and those under way end before the answer is sent. Returns how many did.

    Revoking it again does nothing more. Raises NotFound, and Forbidden for a visitor.
    """
    actor.must_belong_here()
    # Whoever begins a visit holds this row: it is either there already, and ended below, or it finds the permission gone.
    found = await session.scalar(
        select(VisitPermission)
        .where(VisitPermission.account_id == entered(session), VisitPermission.id == permission_id)
        .with_for_update()
    )
    if found is None:
        raise NotFound
    first = found.revoked_by is None
    if first:
        found.revoked_at = (await session.execute(select(func.now()))).scalar_one()
        found.revoked_by, found.revoked_by_user_id = actor.name, actor.user_id
    visits = await session.scalars(
        select(Visit.id).where(Visit.account_id == entered(session), Visit.permission_id == found.id, Visit.ends_at > func.now())
    )
    ended = await end_visits(session, list(visits), by=actor, why="visit_revoked")
    if first:
        visitor = await get_account(session, found.visitor_account_id)
        target = ("account", visitor.id, visitor.name)
        record(session, Event.VISIT_REVOKED, by=actor, on=target, permission=found.id, visits=ended)
    return ended


def search_permissions(account_id: UUID) -> Select[VisitPermission]:
    """Every permission that the account ever gave."""
    return select(VisitPermission).where(VisitPermission.account_id == account_id)


def search_offers(visitor_account_id: UUID) -> Select[VisitPermission]:
    """Permissions of any account under which this one's people may visit it now."""
    return (
        select(VisitPermission)
        .where(VisitPermission.visitor_account_id == visitor_account_id, VisitPermission.revoked_at.is_(None), _usable())
        .execution_options(across_accounts=True)
    )


async def find_givers(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Who gave each of these permissions of the account entered."""
    wanted = select(VisitPermission.id, VisitPermission.given_by).where(
        VisitPermission.account_id == entered(session), VisitPermission.id.in_(list(ids))
    )
    return {row.id: row.given_by for row in await session.execute(wanted)}


class Offer(NamedTuple):
    """A client's account that lets the visitor's in, under this permission."""

    permission_id: UUID
    account_id: UUID


async def find_offer(session: AsyncSession, account_id: UUID) -> Offer | None:
    """The permission under which people of the account entered may visit this one now."""
    row = (await session.execute(_open(account_id, entered(session)).where(_usable()))).one_or_none()
    return None if row is None else Offer(row.id, account_id)


async def use_offer(session: AsyncSession, offer: Offer) -> VisitPermission | None:
    """In the client's account: the permission, used and held until the transaction ends; None when it is gone meanwhile."""
    held: VisitPermission | None = await session.scalar(
        update(VisitPermission)
        .where(
            VisitPermission.account_id == offer.account_id,
            VisitPermission.id == offer.permission_id,
            VisitPermission.revoked_at.is_(None),
            _usable(),
        )
        .values(used_at=func.now())
        .returning(VisitPermission)
    )
    return held


def _usable() -> ColumnElement[bool]:
    return or_(~VisitPermission.once, VisitPermission.used_at.is_(None))


def _open(account_id: UUID, visitor_account_id: UUID) -> Select[UUID]:
    # Read from either side of the permission.
    return (
        select(VisitPermission.id)
        .where(
            VisitPermission.account_id == account_id,
            VisitPermission.visitor_account_id == visitor_account_id,
            VisitPermission.revoked_at.is_(None),
        )
        .execution_options(across_accounts=True)
    )


async def _close_what_is_used(session: AsyncSession, visitor_account_id: UUID) -> None:
    # Its one visit was made, or is under way and goes on: it does not stand in the way of another permission.
    mine = and_(VisitPermission.account_id == entered(session), VisitPermission.visitor_account_id == visitor_account_id)
    used = and_(VisitPermission.once, VisitPermission.used_at.is_not(None), VisitPermission.revoked_at.is_(None))
    await session.execute(
        update(VisitPermission).where(mine, used).values(revoked_at=func.now()).execution_options(synchronize_session=False)
    )


async def _seller(session: AsyncSession, account: Account, visitor: Visitor) -> Account:
    if account.parent_id is None:
        raise Invalid("visitor", "not_possible")
    found = await find_operator(session) if visitor == "operator" else await get_account(session, account.parent_id)
    if found is None:
        raise Invalid("visitor", "not_possible")
    return found


def _rights_to_give(palette: Palette, rights: Iterable[str] | None, role: str | None) -> frozenset[str]:
    if rights is not None and role is not None:
        raise Invalid("role", "not_possible")
    if role is not None:
        return palette.gives(palette.must_know(role))
    wanted = frozenset(rights or ())
    if not wanted:
        raise Invalid("rights", "required")
    if unknown := wanted - palette.catalogue.rights_of(palette.kind):
        raise Invalid("rights", "unknown", unknown=sorted(unknown))
    return wanted
