"""Retention: whole months that an account need not keep leave its history, and the history itself says so first."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Event, write
from tenants.activity_months import months_made
from tenants.database import Database, entered
from tenants.errors import Unavailable
from tenants.outbox import step_into_sorting_room
from tenants.sealing import seal_account
from tenants.tokens import Signer

#: Lines deleted in one transaction.
BITE = 2_000
FEWEST_MONTHS = 6

# Every line is sealed within seconds, so the oldest seal that is not emptied says whether an account has something to forget: one step
# in an index for each of them, and no transaction for those that have nothing.
_DUE = """
SELECT a.id FROM accounts a
 CROSS JOIN LATERAL (SELECT month FROM activity_seals s WHERE s.account_id = a.id AND s.lines <> '{}' ORDER BY month LIMIT 1) oldest
 WHERE oldest.month + make_interval(months => 1 + a.activity_months) <= timezone('UTC', now()) ORDER BY a.id
"""
_THROUGH = """
SELECT (date_trunc('month', timezone('UTC', now())) - make_interval(months => 1 + activity_months))::date FROM accounts WHERE id = :here
"""
_MARK = """
UPDATE activity_heads SET forgotten_through = :through WHERE account_id = :here AND (forgotten_through IS NULL OR forgotten_through < :through)
RETURNING number
"""
_LEFT = """
SELECT DISTINCT month FROM activity_seals
 WHERE account_id = :here AND lines <> '{}' AND month <= (SELECT forgotten_through FROM activity_heads WHERE account_id = :here) ORDER BY month
"""


async def forget_old(database: Database, signer: Signer) -> int:
    """Delete what no account need keep any longer; returns how many accounts had something to forget.

    The line that says so is sealed before anything goes, so that `verify-activity` knows why lines are missing. May be killed anywhere and
    done again. What fails in one account is raised when all others are done.
    """
    due = await accounts_due(database)
    failed: Exception | None = None
    for account_id in due:
        try:
            await announce(database, signer, account_id)
        except Exception as error:  # noqa: BLE001 - the others' months do not wait for it
            failed = error
    # Dropping a month that everybody forgets costs nothing; deleting its lines does.
    await drop_months(database)
    for account_id in due:
        try:
            await forget(database, account_id)
        except Exception as error:  # noqa: BLE001
            failed = error
    # Those that only the last of its accounts still kept.
    await drop_months(database)
    if failed is not None:
        raise failed
    return len(due)


async def accounts_due(database: Database) -> list[UUID]:
    """Accounts with a month that they need not keep any longer."""
    async with database.transaction() as session:
        await step_into_sorting_room(session)
        return list(await session.scalars(text(_DUE)))


async def announce(database: Database, signer: Signer, account_id: UUID) -> None:
    """Write down through which month the account's history goes, once, and seal that with all that was written before."""
    await seal_account(database, signer, account_id)
    async with database.transaction(account_id) as session:
        through = (await session.execute(text(_THROUGH), {"here": account_id})).scalar_one()
        # Two workers queue at the head; the second one finds the month there, and writes nothing.
        if await session.scalar(text(_MARK), {"here": account_id, "through": through}) is not None:
            await write(session, Event.HISTORY_FORGOTTEN, by=None, through=written_month(through))
    await seal_account(database, signer, account_id)


async def forget(database: Database, account_id: UUID) -> None:
    """Delete every line of the months that the account's history says are gone."""
    async with database.transaction(account_id) as session:
        months = await _left(session)
    for month in months:
        gone = BITE
        while gone == BITE:
            async with database.transaction(account_id) as session:
                query = text("SELECT activity_forget_month(:month, :most)")
                gone = await session.scalar(query, {"month": month, "most": BITE}) or 0


async def drop_months(database: Database) -> list[date]:
    """Drop the months that nobody keeps, and return them. One that is in use for longer than half a second waits for another day."""
    over = _over(await months_made(database), datetime.now(UTC).date())
    return [month for month in over if await _dropped(database, month)]


def written_month(month: date) -> str:
    """As the history's fact `through` is written."""
    return month.isoformat()[:7]


def months_after(month: date, months: int) -> date:
    """First day of the month so many months later, or earlier."""
    years, rest = divmod(month.month - 1 + months, 12)
    return date(month.year + years, rest + 1, 1)


async def _dropped(database: Database, month: date) -> bool:
    with suppress(Unavailable):
        async with database.transaction() as session:
            return bool(await session.scalar(text("SELECT activity_drop_month(:month)"), {"month": month}))
    return False


async def _left(session: AsyncSession) -> list[date]:
    # Months of which lines or seals are still there though they were announced; none that the account has to keep again since.
    keeps = (await session.execute(text(_THROUGH), {"here": entered(session)})).scalar_one()
    return [month for month in await session.scalars(text(_LEFT), {"here": entered(session)}) if month <= keeps]


def _over(months: Iterable[date], today: date) -> list[date]:
    return [month for month in months if months_after(month, 1 + FEWEST_MONTHS) <= today]
