"""Departments: parts of a company, counted by its licence; a user is in all of them or in a chosen few."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.activity import Event, record, record_change
from tenants.actors import Actor
from tenants.database import AccountOwned, Base, entered
from tenants.effects import raise_epoch
from tenants.errors import AlreadyExists, InUse, Invalid, NotFound, QuotaReached
from tenants.licences import lock_licence
from tenants.texts import one_line
from tenants.users import MOST_DEPARTMENTS, User, counted

LONGEST_NAME = 120
LONGEST_CODE = 30


class Department(AccountOwned, Base):
    """Archived rather than deleted, so that history still reads."""

    __tablename__ = "departments"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        Index("uq_departments_name", "account_id", text("lower(name)"), unique=True, postgresql_where=text("archived_at IS NULL")),
        Index("uq_departments_code", "account_id", text("lower(code)"), unique=True, postgresql_where=text("archived_at IS NULL")),
    )

    name: Mapped[str] = mapped_column()
    code: Mapped[str | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None] = mapped_column()

    @property
    def target(self) -> tuple[str, UUID, str]:
        """The department as what an activity line is about."""
        return ("department", self.id, self.name)


def search_departments(account_id: UUID, *, archived: bool = False) -> Select[Department]:
    """Departments of the account: those in use, or those that were archived."""
    kept = Department.archived_at.is_not(None) if archived else Department.archived_at.is_(None)
    return select(Department).where(Department.account_id == account_id, kept)


async def get_department(session: AsyncSession, department_id: UUID) -> Department:
    """A department of the account entered, archived or not; or NotFound."""
    found = await session.scalar(
        select(Department)
        .where(Department.account_id == entered(session), Department.id == department_id)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    return found


async def count_departments(session: AsyncSession) -> int:
    """Departments of the account entered that its licence counts: those that are not archived."""
    return (
        await session.scalar(
            select(func.count())
            .select_from(Department)
            .where(Department.account_id == entered(session), Department.archived_at.is_(None))
        )
        or 0
    )


async def users_of(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, int]:
    """For each department, how many users that the licence counts are limited to it (and perhaps to others)."""
    memberships = (
        select(func.unnest(User.departments).label("department"))
        .where(User.account_id == entered(session), counted(), User.departments.overlap(list(ids)))
        .subquery()
    )
    rows = await session.execute(select(memberships.c.department, func.count()).group_by(memberships.c.department))
    return {row[0]: row[1] for row in rows}


async def create_department(session: AsyncSession, actor: Actor, *, name: str, code: str | None = None) -> Department:
    """A new department. Raises QuotaReached, AlreadyExists for a name or code in use, BeyondOwnRights for whoever is limited to some."""
    actor.must_cover((), None)
    await _take_place(session)
    department = Department(account_id=entered(session), id=uuid7(), name=_name(name), code=_code(code))
    await _must_be_new(session, department)
    session.add(department)
    await session.flush()
    await session.refresh(department)
    raise_epoch(session, department.account_id)
    record(session, Event.DEPARTMENT_CREATED, by=actor, on=department.target, code=department.code)
    return department


async def change_department(session: AsyncSession, actor: Actor, department_id: UUID, *, wanted: dict[str, Any]) -> Department:
    """Rename it, give it another code, archive it or bring it back. `wanted` has `name`, `code` or `archived`.

    Archiving raises InUse while users are limited to it; bringing back passes the licence's limit.
    """
    await lock_licence(session)
    department = await get_department(session, department_id)
    actor.must_cover((), [department.id])
    before = _facts(department)
    if "name" in wanted:
        department.name = _name(wanted["name"])
    if "code" in wanted:
        department.code = _code(wanted["code"])
    if "archived" in wanted:
        await _archive(session, actor, department, archived=wanted["archived"])
    after = _facts(department)
    if record_change(session, Event.DEPARTMENT_CHANGED, by=actor, on=department.target, before=before, after=after):
        await _must_be_new(session, department)
        await session.flush()
        raise_epoch(session, department.account_id)
    return department


async def _archive(session: AsyncSession, actor: Actor, department: Department, *, archived: bool) -> None:
    if archived == (department.archived_at is not None):
        return
    # Whoever is in all departments gains or loses one: that is for those who are in all of them.
    actor.must_cover((), None)
    if not archived:
        await _take_place(session)
        department.archived_at = None
        return
    users = (await users_of(session, [department.id])).get(department.id, 0)
    if users:
        raise InUse(users=users)
    department.archived_at = await session.scalar(select(func.now()))


async def _take_place(session: AsyncSession) -> None:
    # Two takers of the last place queue at the licence; the second one counts the first.
    licence = await lock_licence(session)
    used = await count_departments(session)
    if licence.departments is not None and used >= licence.departments:
        raise QuotaReached(what="departments", limit=licence.departments, used=used)


async def _must_be_new(session: AsyncSession, department: Department) -> None:
    if department.archived_at is not None:
        return
    for field, column in (("name", Department.name), ("code", Department.code)):
        value = getattr(department, field)
        taken = value is not None and await session.scalar(
            search_departments(department.account_id)
            .where(func.lower(column) == func.lower(value), Department.id != department.id)
            .with_only_columns(Department.id)
        )
        if taken:
            raise AlreadyExists(what=field, id=taken)


def _facts(department: Department) -> dict[str, Any]:
    return {"name": department.name, "code": department.code, "archived": department.archived_at is not None}


def _name(name: str) -> str:
    return one_line("name", name, longest=LONGEST_NAME)


def _code(code: str | None) -> str | None:
    return None if code is None else one_line("code", code, longest=LONGEST_CODE)


def known_departments(found: Iterable[UUID], known: Iterable[UUID]) -> list[UUID]:
    """Departments to give a user, without doubles and in a fixed order.

    Invalid when one is not in use in the account, when none is named, and for more than 64.
    """
    wanted = sorted(set(found))
    if not wanted:
        raise Invalid("departments", "required")
    if len(wanted) > MOST_DEPARTMENTS:
        raise Invalid("departments", "too_long", max=MOST_DEPARTMENTS)
    if not set(wanted) <= set(known):
        raise Invalid("departments", "unknown")
    return wanted
