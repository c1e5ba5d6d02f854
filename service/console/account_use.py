"""How an account uses its places, now and day by day: what the overview, the connections and the licence show alike."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.advice_words import sentences
from service.console.day_bars import day_bars
from service.console.view import View
from tenants import boosts, licences
from tenants.accounts import Account, get_account
from tenants.advice import advise
from tenants.boosts import Boost
from tenants.database import entered
from tenants.house import House
from tenants.licence_phases import Stage, day_of
from tenants.licences import Licence
from tenants.seats import Presence
from tenants.usage import read_days

#: So long before its end a licence is said to end.
_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pool:
    """An account's places at this moment. `boosts` are those planned and live."""

    account: Account
    licence: Licence
    presence: Presence
    boosts: list[Boost]
    now: datetime

    @property
    def boosted(self) -> int:
        """Places that boosts add now."""
        return boosts.seats_now(self.boosts, self.account.time_zone, self.now)

    @property
    def seats(self) -> int:
        """Places there are now."""
        return self.licence.seats + self.boosted

    @property
    def in_use(self) -> int:
        """Places that are held now."""
        return self.presence.in_use

    @property
    def accountants(self) -> int:
        """Places of the accountants' allowance that are held now."""
        now = datetime.now(UTC)
        return sum(until > now for until in self.presence.allowance.values())

    @property
    def stage(self) -> Stage:
        """Where the licence stands."""
        return licences.stage_of(self.account, self.licence, self.now)

    @property
    def ends_soon(self) -> bool:
        """Whether the licence still runs, and not for long."""
        stage = self.stage
        return stage.phase == "running" and stage.changes_at is not None and stage.changes_at - self.now <= _SOON

    def holder(self, session_id: UUID, user_id: UUID) -> UUID:
        """Who would hold the place of a session: its person, or the session itself."""
        return user_id if self.account.seat_unit == "user" else session_id


async def read_pool(session: AsyncSession, house: House) -> Pool:
    """Of the account entered."""
    account_id = entered(session)
    return Pool(
        account=await get_account(session, account_id),
        licence=await licences.get_licence(session),
        presence=await house.seats.presence(account_id),
        boosts=await boosts.find_current(session),
        now=await boosts.database_now(session),
    )


async def read_use(view: View, session: AsyncSession, pool: Pool, *, days: int, **drawn: int) -> dict[str, Any]:
    """The last `days` of the account entered: a chart (`drawn` so wide and high), figures of each day, and advice in sentences."""
    today = day_of(pool.now, pool.account.time_zone)
    figures = await view.house.seats.figures(pool.account.id)
    found = await read_days(session, figures, since=today - timedelta(days=days - 1))
    return {
        "chart": day_bars(found, until=today, days=days, cap=pool.seats, **drawn),
        "days": list(reversed(found)),
        "advice": sentences(view.language, advise(found, seats=pool.licence.seats)) if found else [],
    }
