"""Notices that a licence ends: which are due, to whom, and each of them once, whoever posts it and however late."""

from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import ForeignKeyConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants import outbox
from tenants.accounts import Account, get_account
from tenants.database import Base, Database, entered
from tenants.licence_phases import GRACE, day_of, stage_at
from tenants.licences import Licence, get_licence
from tenants.outbox import Letter, step_into_sorting_room
from tenants.users import active_administrators

#: How many days before the last one.
DAYS = (30, 14, 7, 1)
#: The notice of the day after: from now on, everybody can only read.
ENDED = 0


class LicenceNotice(Base):
    """A notice that was posted, or that nobody needs any more because a later one was. Another last day has notices of its own."""

    __tablename__ = "licence_notices"
    __table_args__ = (ForeignKeyConstraint(["account_id"], ["accounts.id"]),)

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    ends_on: Mapped[date] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True, comment="how many before the end the notice is for")
    posted_at: Mapped[datetime] = mapped_column(server_default=func.now())


def due_notices(starts_on: date, ends_on: date | None, time_zone: str, moment: datetime) -> list[int]:
    """Every notice whose day has come, the nearest first; that one alone is worth sending."""
    phase = stage_at(starts_on, ends_on, time_zone, moment).phase
    if ends_on is None or phase not in {"running", "grace"}:
        return []
    left = (ends_on - day_of(moment, time_zone)).days
    return ([ENDED] if phase == "grace" else []) + sorted(days for days in DAYS if left <= days)


def mail_about(account_id: UUID, ends_on: date) -> UUID:
    """What the mails about one last day are about: they lapse when it is another one."""
    return uuid5(account_id, f"licence ends on {ends_on.isoformat()}")


async def post_due_notices(database: Database) -> None:
    """Post, in every account, the notice that is due and was not posted yet.

    Several workers may do this at once, and any may be killed at any line: a notice is marked in the transaction that owes its mails.
    What fails in one account is raised when all others are done.
    """
    failed: Exception | None = None
    for account_id in await _accounts_near_the_end(database):
        try:
            async with database.transaction(account_id) as session:
                await post_due_notice(session)
        except Exception as error:  # noqa: BLE001 - the others' notices do not wait for it
            failed = error
    if failed is not None:
        raise failed


async def post_due_notice(session: AsyncSession) -> None:
    """The same for the account entered."""
    account, licence = await get_account(session, entered(session)), await get_licence(session)
    now = (await session.execute(select(func.now()))).scalar_one()
    due = due_notices(licence.starts_on, licence.ends_on, account.time_zone, now)
    if not due or licence.ends_on is None or account.standing != "active" or account.kind == "operator":
        return
    if due[0] not in await _mark(session, licence.ends_on, due):
        return
    letter, about = Letter.LICENCE_ENDED if due[0] == ENDED else Letter.LICENCE_ENDING, mail_about(account.id, licence.ends_on)
    for administrator in await active_administrators(session):
        outbox.post(session, letter, to=administrator.id, about=about)


async def _mark(session: AsyncSession, ends_on: date, due: list[int]) -> set[int]:
    # Two workers queue at the key: the second one finds it taken, unless the first one died before its mails were owed.
    known = select(LicenceNotice.days).where(LicenceNotice.account_id == entered(session), LicenceNotice.ends_on == ends_on)
    missing = set(due) - set(await session.scalars(known))
    if not missing:
        return set()
    rows = [{"account_id": entered(session), "ends_on": ends_on, "days": days} for days in sorted(missing)]
    marked = insert(LicenceNotice).values(rows).on_conflict_do_nothing().returning(LicenceNotice.days)
    return set(await session.scalars(marked))


async def _accounts_near_the_end(database: Database) -> list[UUID]:
    # A day more on either side: the account's day is not the database's.
    soonest, latest = func.current_date() - GRACE - timedelta(days=1), func.current_date() + timedelta(days=max(DAYS) + 1)
    query = (
        select(Licence.account_id)
        .join(Account, Account.id == Licence.account_id)
        .where(Account.kind != "operator", Account.standing == "active", Licence.ends_on.between(soonest, latest))
        .order_by(Licence.ends_on, Licence.account_id)
    )
    async with database.transaction() as session:
        await step_into_sorting_room(session)
        return list(await session.scalars(query))
