"""Licences: what an account has bought, the quotas checked under its row lock, and the history of every change."""

from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Text, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.accounts import Account, get_account
from tenants.actors import Actor
from tenants.catalogue import OPTIONS, Catalogue
from tenants.database import AccountOwned, Base, entered
from tenants.effects import raise_epoch
from tenants.errors import Invalid, NotFound, VersionConflict
from tenants.licence_phases import Stage, day_of, stage_at
from tenants.texts import one_line

Overselling = Literal["refuse", "warn", "allow"]
OVERSELLING: tuple[Overselling, ...] = get_args(Overselling)
MOST = 1_000_000
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
#: How far ahead a licence may begin: whatever is further is a slip of the pen.
BEGINS_WITHIN = timedelta(days=3 * 366)
_FIELDS = (
    "plan",
    "users",
    "departments",
    "seats",
    "accountant_seats",
    "pool_seats",
    "pool_users",
    "overselling",
    "options",
    "starts_on",
    "ends_on",
)


_LEAST = {"users": 1, "departments": 1, "seats": 1, "accountant_seats": 0, "pool_seats": 0, "pool_users": 0}


class Licence(Base):
    """One per account; its row is also the lock under which users, administrators and seats of a pool are counted."""

    __tablename__ = "licences"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        CheckConstraint(
            "seats >= 1 AND accountant_seats >= 0 AND users >= 1 AND departments >= 1 AND pool_seats >= 0", name="limits"
        ),
        CheckConstraint("ends_on >= starts_on", name="dates"),
        CheckConstraint("pool_users >= 0", name="pool_users"),
        CheckConstraint("overselling IN ('refuse', 'warn', 'allow')", name="overselling"),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column()
    users: Mapped[int | None] = mapped_column(comment="most users; none = no limit")
    departments: Mapped[int | None] = mapped_column(comment="most departments; none = no limit")
    seats: Mapped[int] = mapped_column()
    accountant_seats: Mapped[int] = mapped_column()
    pool_seats: Mapped[int | None] = mapped_column(comment="seats a reseller may give; none = no limit")
    pool_users: Mapped[int | None] = mapped_column(comment="users a reseller may give; none = no limit")
    overselling: Mapped[Overselling] = mapped_column(
        Text, default="refuse", server_default="refuse", comment="what becomes of a sale beyond the pool"
    )
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
    by_user_id: Mapped[UUID | None] = mapped_column()
    by_name: Mapped[str] = mapped_column()
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str | None] = mapped_column()


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


def stage_of(account: Account, licence: Licence, moment: datetime) -> Stage:
    """Where an account's licence stands at the moment."""
    return stage_at(licence.starts_on, licence.ends_on, account.time_zone, moment)


async def read_stage(session: AsyncSession) -> Stage:
    """Where the licence of the account entered stands now, by the database's clock."""
    account = await get_account(session, entered(session))
    return stage_of(account, await get_licence(session), await _now(session))


async def search_changes(session: AsyncSession, *, limit: int) -> list[LicenceChange]:
    """The newest changes of the account entered."""
    found = await session.scalars(
        select(LicenceChange).where(LicenceChange.account_id == entered(session)).order_by(LicenceChange.id.desc()).limit(limit)
    )
    return list(found)


def terms(licence: Licence) -> dict[str, Any]:
    """The licence as facts that JSON can carry: for history, activity and previews."""
    return {name: _plain(getattr(licence, name)) for name in _FIELDS}


def present_terms(licence: Licence) -> dict[str, Any]:
    """The licence as `checked_terms` takes it: for a change of one term that leaves the others as they are."""
    return {name: getattr(licence, name) for name in _FIELDS}


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
        "pool_users": wanted.get("pool_users"),
        "overselling": wanted.get("overselling", "refuse"),
        "options": sorted(set(wanted.get("options", plan.options))),
        "ends_on": wanted.get("ends_on"),
    }
    if wanted.get("starts_on") is not None:
        complete["starts_on"] = wanted["starts_on"]
    _check(complete)
    return complete


def _check(complete: dict[str, Any]) -> None:
    for name, least in _LEAST.items():
        value = complete[name]
        if value is not None and not least <= value <= MOST:
            raise Invalid(name, "out_of_range", min=least, max=MOST)
    if complete["seats"] is None or complete["accountant_seats"] is None:
        raise Invalid("seats", "required")
    if complete["overselling"] not in OVERSELLING:
        raise Invalid("overselling", "unknown", known=list(OVERSELLING))
    if unknown := set(complete["options"]) - set(OPTIONS):
        raise Invalid("options", "unknown", unknown=sorted(unknown), known=list(OPTIONS))
    _check_days(complete)


def _check_days(complete: dict[str, Any]) -> None:
    for name in ("starts_on", "ends_on"):
        # Days near the calendar's ends cannot be reckoned with: the end of a last day is a moment after it.
        if complete.get(name) and not FIRST_DAY <= complete[name] <= LAST_DAY:
            raise Invalid(name, "out_of_range", min=FIRST_DAY.isoformat(), max=LAST_DAY.isoformat())
    if complete["ends_on"] and complete.get("starts_on") and complete["ends_on"] < complete["starts_on"]:
        raise Invalid("ends_on", "before_start")


async def must_be_in_time(session: AsyncSession, licence: Licence, wanted: dict[str, Any]) -> None:
    """Raise Invalid for days, as the account's clocks show them, on which no licence could be changed to end or begin.

    What is so already may stay: whoever changes the seats of a licence that is over need not move its end.
    """
    account = await get_account(session, licence.account_id)
    today = day_of(await _now(session), account.time_zone)
    starts_on, ends_on = wanted.get("starts_on", licence.starts_on), wanted["ends_on"]
    if ends_on is not None and ends_on < today and ends_on != licence.ends_on:
        raise Invalid("ends_on", "in_the_past", today=today.isoformat())
    if ends_on is not None and ends_on < starts_on:
        raise Invalid("ends_on", "before_start")
    if starts_on > today + BEGINS_WITHIN and starts_on != licence.starts_on:
        raise Invalid("starts_on", "out_of_range", min=FIRST_DAY.isoformat(), max=(today + BEGINS_WITHIN).isoformat())


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
    await must_be_in_time(session, licence, wanted)
    before = terms(licence)
    for name, value in wanted.items():
        setattr(licence, name, value)
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
        by_user_id=by.user_id if by else None,
        by_name=by.name if by else "",
        before=before,
        after=after,
        reason=reason,
    )
    session.add(change)
    return change


async def _now(session: AsyncSession) -> datetime:
    return (await session.execute(select(func.now()))).scalar_one()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
