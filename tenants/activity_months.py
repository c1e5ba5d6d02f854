"""The history by months: each is a partition, made ahead, and made anew whenever one was forgotten."""

import logging
from datetime import date

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tenants.database import Database
from tenants.errors import DomainError

log = logging.getLogger("portillon")

#: Months made ahead of the present one. A line of a month that nobody made is kept with all others and moves when it is made.
AHEAD = 3
#: For whoever is connected already; makes what is missing, and says how many.
MAKE_MONTHS = f"""
SELECT count(*) FILTER (WHERE activity_make_month((date_trunc('month', timezone('UTC', now())) + make_interval(months => n))::date))
  FROM generate_series(0, {AHEAD}) n
"""  # noqa: S608 - a number of ours


async def make_months(database: Database) -> int:
    """Make this month and those ahead, and return how many were missing.

    Raises Unavailable when somebody holds the history for longer than a second: it is tried again, for nobody waits for a month.
    """
    async with database.transaction() as session:
        return await session.scalar(text(MAKE_MONTHS)) or 0


async def make_months_at_start(database: Database) -> None:
    """As `make_months`, for a process that has other things to do: whatever stands in the way, a worker does it later."""
    try:
        await make_months(database)
    except (DomainError, DBAPIError) as error:
        log.warning("no months were made ahead (%s): a worker will", type(error).__name__)


async def months_made(database: Database) -> list[date]:
    """First days of the months there are, oldest first."""
    async with database.transaction() as session:
        return list(await session.scalars(text("SELECT activity_months_made()")))
