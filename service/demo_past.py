"""Lets the domain's own verbs write as if they had been called weeks ago: what is new in a transaction is of the moment it says."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tenants.activity import Activity
from tenants.database import Database, enter
from tenants.licences import Licence, LicenceChange
from tenants.outbox import OwedMail

#: The history has a partition for each month; those in which the demo plays are made before its lines are written.
_MAKE_MONTHS = text("""
SELECT activity_make_month((date_trunc('month', timezone('UTC', now())) - make_interval(months => n))::date) FROM generate_series(0, 4) n
""")
_SATURDAY = 5


class Past:
    """One transaction whose new rows carry `moment`. A mail that is owed is owed now, whatever brought it about.

    Lines and licence changes get ids of their moments as well: lists and seals are in the order of ids. All of it is committed at once,
    so that no sealer ever sees a line that is older than one it has sealed.
    """

    def __init__(self, session: AsyncSession, today: date) -> None:
        """It is `today` until `at` says otherwise."""
        self.session, self.today = session, today
        self.moment = datetime.combine(today, time(), UTC)
        event.listen(session.sync_session, "before_attach", self._date)

    def at(self, days: int, clock: str = "09:00", *, zone: str = "Europe/Paris") -> datetime:
        """From here on it is so many days ago, or the Friday before a weekend, by the clocks of the zone. Returns the moment (UTC)."""
        there = datetime.combine(self._workday(days), time.fromisoformat(clock), ZoneInfo(zone))
        self.moment = there.astimezone(UTC)
        return self.moment

    def monday(self, weeks: int, clock: str = "08:00", *, zone: str = "Europe/Paris") -> datetime:
        """A Monday ahead, so many weeks after the present one, by the clocks of the zone."""
        day = self.today + timedelta(days=7 * weeks - self.today.weekday())
        return datetime.combine(day, time.fromisoformat(clock), ZoneInfo(zone)).astimezone(UTC)

    def later(self, minutes: float = 1) -> datetime:
        """A little later."""
        self.moment += timedelta(minutes=minutes)
        return self.moment

    async def enter(self, account_id: UUID | None) -> None:
        """Write what is new, then step into another account: the wall lets nobody write into the one before."""
        await self.session.flush()
        await enter(self.session, account_id)

    def _workday(self, days: int) -> date:
        day = self.today - timedelta(days=days)
        return day - timedelta(days=max(0, day.weekday() - _SATURDAY + 1))

    def _date(self, _session: Session, row: Any) -> None:
        if isinstance(row, Activity):
            row.id, row.at, row.recorded_at = id_of(self.moment), self.moment, self.moment
        elif isinstance(row, LicenceChange):
            row.id, row.at = id_of(self.moment), self.moment
        elif isinstance(row, Licence):
            row.starts_on = self.moment.date()
        elif not isinstance(row, OwedMail) and hasattr(row, "created_at"):
            row.created_at = self.moment


async def make_past_months(database: Database) -> None:
    """Make room for lines of the last months."""
    async with database.transaction() as session:
        await session.execute(_MAKE_MONTHS)


def id_of(moment: datetime) -> UUID:
    """A UUIDv7 (RFC 9562, 5.7) of the moment."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | uuid4().int & 0xFFF << 64 | 2 << 62 | uuid4().int & (1 << 62) - 1)
