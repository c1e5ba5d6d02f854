"""How the seats of an account were used: now, day by day, and what it says about their number."""

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from litestar.params import QueryParameter
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.advice_words import sentences
from service.dependencies import Actor, House, Language, Session
from service.routes import get
from tenants import boosts, licences
from tenants.accounts import get_account
from tenants.advice import Advice, advise
from tenants.database import entered
from tenants.house import House as HouseOf
from tenants.usage import KEPT_MONTHS, Day, read_days

MOST_DAYS = KEPT_MONTHS * 31
Days = Annotated[int, QueryParameter(ge=1, le=MOST_DAYS, description="How many days back, the present one included")]


class UsageCard(msgspec.Struct):
    """One day of the account's clock. `peak`: most seats held at one instant. Minutes are rounded down."""

    day: date
    peak: int
    refusals: int
    sign_ins: int
    minutes_waited: int
    idle_seat_minutes: int


class AdviceStep(msgspec.Struct):
    """So many seats would have avoided so many refusals."""

    seats: int
    avoided: int


class AdviceCard(msgspec.Struct):
    """What the days shown say about the cap.

    `refusals` would happen again under today's cap; `steps` name each number of seats that avoids more of them, `wanted` the first
    that avoids nine of ten. `spare` seats were never used while nobody was refused. `sentences` say it in the reader's language.
    """

    days: int
    refusals: int
    peak: int
    steps: list[AdviceStep]
    wanted: AdviceStep | None
    spare: int
    sentences: list[str]


class SeatsUsage(msgspec.Struct):
    """The pool at this moment (`seats` with live boosts), and the days on which anything happened, newest first."""

    seats: int
    in_use: int
    days: list[UsageCard]
    advice: AdviceCard


@get("/account/seats", right="licence.view")
async def read_seats(session: Session, actor: Actor, house: House, language: Language, days: Days = 30) -> SeatsUsage:
    """How many places are in use now, and how they were used."""
    return await seats_usage(session, house, language=language, days=days)


async def seats_usage(session: AsyncSession, house: HouseOf, *, language: str, days: int) -> SeatsUsage:
    """The usage of the account entered, for whoever may see it: numbers, and nobody's name."""
    account_id = entered(session)
    presence, figures = await house.seats.presence(account_id), await house.seats.figures(account_id)
    today = await present_day(session, account_id)
    found = await read_days(session, figures, since=today - timedelta(days=days - 1))
    licence = await licences.get_licence(session)
    now, time_zone = await boosts.database_now(session), await boosts.time_zone_of(session)
    boosted = boosts.seats_now(await boosts.find_current(session), time_zone, now)
    return SeatsUsage(
        seats=licence.seats + boosted,
        in_use=presence.in_use,
        days=[usage_card(day) for day in reversed(found)],
        advice=_advice_card(advise(found, seats=licence.seats), days=days, language=language),
    )


def usage_card(day: Day) -> UsageCard:
    """One day, as it is shown."""
    minute = timedelta(minutes=1)
    return UsageCard(day.day, day.peak, day.refused, day.sign_ins, day.waited // minute, day.idle // minute)


def _advice_card(advice: Advice, *, days: int, language: str) -> AdviceCard:
    return AdviceCard(
        days=days,
        refusals=advice.refused,
        peak=advice.peak,
        steps=[AdviceStep(step.seats, step.avoided) for step in advice.steps],
        wanted=AdviceStep(advice.wanted.seats, advice.wanted.avoided) if advice.wanted else None,
        spare=advice.spare,
        sentences=sentences(language, advice),
    )


async def present_day(session: AsyncSession, account_id: UUID) -> date:
    """The day on the account's clock."""
    now: datetime = (await session.execute(select(func.now()))).scalar_one()
    return now.astimezone(ZoneInfo((await get_account(session, account_id)).time_zone)).date()


routes = [read_seats]
