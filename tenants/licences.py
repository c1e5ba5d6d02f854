"""Licences: what an account has bought, the quotas checked under its row lock, and the history of every change."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Text, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.actors import Actor
from tenants.catalogue import OPTIONS, Catalogue
from tenants.database import AccountOwned, Base, entered
from tenants.effects import raise_epoch
from tenants.errors import Invalid, NotFound, VersionConflict
from tenants.texts import one_line

MOST = 1_000_000
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
_FIELDS = ("plan", "users", "departments", "seats", "accountant_seats", "pool_seats", "options", "starts_on", "ends_on")


class Licence(Base):
    """One per account; its row is also the lock under which users, administrators and seats of a pool are counted."""

    __tablename__ = "licences"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        CheckConstraint(
            "seats >= 1 AND accountant_seats >= 0 AND users >= 1 AND departments >= 1 AND pool_seats >= 0", name="limits"
        ),
        CheckConstraint("ends_on >= starts_on", name="dates"),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column()
    users: Mapped[int | None] = mapped_column(comment="most users; none = no limit")
    departments: Mapped[int | None] = mapped_column(comment="most departments; none = no limit")
    seats: Mapped[int] = mapped_column()
    accountant_seats: Mapped[int] = mapped_column()
    pool_seats: Mapped[int | None] = mapped_column(comment="seats a reseller may give; none = no limit")
    options: Mapped[list[str]] = mapped_column(ARRAY(Text))
    starts_on: Mapped[date] = mapped_column(server_default=func.current_date())
    ends_on: Mapped[date | None] = mapped_column(comment="last day")
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class LicenceChange(AccountOwned, Base):
    """Who changed what, when, from and to. Frozen names: the changer is usually in another account."""

    __tablename__ = "licence_changes"
    __table_args__ = (ForeignKeyConstraint(["account_id"], ["accounts.id"]),)

    at: Mapped[datetime] = mapped_column(server_default=func.now())
    by_account_id: Mapped[UUID | None] = mapped_column()
    by_name: Mapped[str] = mapped_column()
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str | None] = mapped_column()


def licence_end(ends_on: date | None, time_zone: str) -> datetime | None:
    """The first moment after the licence's last day, in the account's time zone."""
    if ends_on is None:
        return None
    after = ends_on + timedelta(days=1)
    return datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


def covers(starts_on: date, ends_on: date | None, time_zone: str, moment: datetime) -> bool:
    """Whether the licence runs at the moment: from its first day to its last, as the account's clocks show them."""
    end = licence_end(ends_on, time_zone)
    return starts_on <= moment.astimezone(ZoneInfo(time_zone)).date() and (end is None or moment < end)


async def lock_licence(session: AsyncSession) -> Licence:
    """The licence of the account entered, locked until the transaction ends.

    Two takers of a last place, and two administrators who take each other's rights, queue here; the second counts the first.
    """
    licence = await session.scalar(
        select(Licence).where(Licence.account_id == entered(session)).with_for_update().execution_options(populate_existing=True)
    )
    if licence is None:
        raise NotFound
    return licence


async def get_licence(session: AsyncSession) -> Licence:
    """The licence of the account entered."""
    licence = await session.get(Licence, entered(session))
    if licence is None:
        raise NotFound
    return licence


async def search_changes(session: AsyncSession, *, limit: int) -> list[LicenceChange]:
    """The newest changes of the account entered."""
    found = await session.scalars(
        select(LicenceChange).where(LicenceChange.account_id == entered(session)).order_by(LicenceChange.id.desc()).limit(limit)
    )
    return list(found)


def terms(licence: Licence) -> dict[str, Any]:
    """The licence as facts that JSON can carry: for history, activity and previews."""
    return {name: _plain(getattr(licence, name)) for name in _FIELDS}


def checked_terms(catalogue: Catalogue, wanted: dict[str, Any]) -> dict[str, Any]:
    """The complete terms of a licence: absent fields take the plan's value. Raises Invalid."""
    plan = catalogue.plans.get(wanted.get("plan", ""))
    if plan is None:
        raise Invalid("plan", "unknown", known=list(catalogue.plans))
    complete = {
        "plan": plan.key,
        "users": wanted.get("users", plan.users),
        "departments": wanted.get("departments", plan.departments),
        "seats": wanted.get("seats", plan.seats),
        "accountant_seats": wanted.get("accountant_seats", plan.accountant_seats),
        "pool_seats": wanted.get("pool_seats"),
        "options": sorted(set(wanted.get("options", plan.options))),
        "ends_on": wanted.get("ends_on"),
    }
    if wanted.get("starts_on") is not None:
        complete["starts_on"] = wanted["starts_on"]
    _check(complete)
    return complete


def _check(complete: dict[str, Any]) -> None:
    for name, least in (("users", 1), ("departments", 1), ("seats", 1), ("accountant_seats", 0), ("pool_seats", 0)):
        value = complete[name]
        if value is not None and not least <= value <= MOST:
            raise Invalid(name, "out_of_range", min=least, max=MOST)
    if complete["seats"] is None or complete["accountant_seats"] is None:
        raise Invalid("seats", "required")
    if unknown := set(complete["options"]) - set(OPTIONS):
        raise Invalid("options", "unknown", unknown=sorted(unknown), known=list(OPTIONS))
    for name in ("starts_on", "ends_on"):
        # Days near the calendar's ends cannot be reckoned with: the end of a last day is a moment after it.
        if complete.get(name) and not FIRST_DAY <= complete[name] <= LAST_DAY:
            raise Invalid(name, "out_of_range", min=FIRST_DAY.isoformat(), max=LAST_DAY.isoformat())
    if complete["ends_on"] and complete.get("starts_on") and complete["ends_on"] < complete["starts_on"]:
        raise Invalid("ends_on", "before_start")


async def grant_licence(session: AsyncSession, by: Actor | None, *, wanted: dict[str, Any]) -> Licence:
    """The first licence of the account entered; `wanted` comes from `checked_terms`."""
    licence = Licence(account_id=entered(session), **wanted)
    session.add(licence)
    await session.flush()
    await session.refresh(licence)
    _write_history(session, by, before=None, after=terms(licence), reason=None)
    return licence


async def change_licence(
    session: AsyncSession, by: Actor, *, wanted: dict[str, Any], version: int | None, reason: str | None
) -> tuple[dict[str, Any], LicenceChange]:
    """Replace the terms of the account entered; works at the next request. Returns the terms before, and the history's row.

    `version` None accepts any version; otherwise VersionConflict tells that somebody was faster.
    """
    licence = await lock_licence(session)
    if version is not None and licence.version != version:
        raise VersionConflict(version=licence.version)
    before = terms(licence)
    for name, value in wanted.items():
        setattr(licence, name, value)
    if licence.ends_on and licence.ends_on < licence.starts_on:
        raise Invalid("ends_on", "before_start")
    licence.version += 1
    await session.flush()
    raise_epoch(session, entered(session))
    clean = None if reason is None else one_line("reason", reason, longest=300, shortest=0) or None
    change = _write_history(session, by, before=before, after=terms(licence), reason=clean)
    await session.flush()
    return before, change


def _write_history(
    session: AsyncSession, by: Actor | None, *, before: dict[str, Any] | None, after: dict[str, Any], reason: str | None
) -> LicenceChange:
    change = LicenceChange(
        account_id=entered(session),
        id=uuid7(),
        by_account_id=by.account_id if by else None,
        by_name=by.name if by else "",
        before=before,
        after=after,
        reason=reason,
    )
    session.add(change)
    return change


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
