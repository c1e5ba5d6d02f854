"""Letters about what was given on top of a licence, and about a pool that holds less than what was sold from it."""

from datetime import date, time, timedelta
from email.message import EmailMessage

from babel.dates import format_date, format_time
from babel.lists import format_list
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import get_account
from tenants.activity import Activity
from tenants.boosts import Boost, get_boost
from tenants.outbox import Lease, Letter
from workers.desk import Desk, active_user_of, reader_of
from workers.stationery import Reader, locale_of, moment

_MONDAY = date(2024, 1, 1)
_END_OF_DAY = 24 * 60


async def boost_given(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To an administrator: how many more places, from when to when, by whom and why. Not once the boost was ended again."""
    boost = await get_boost(session, lease.about) if lease.about else None
    administrator = await active_user_of(session, lease)
    if boost is None or administrator is None or boost.ended_at is not None:
        return None
    account = await get_account(session, lease.account_id)
    reader = await reader_of(session, administrator, account)
    return desk.stationery.write(
        Letter.BOOST_GIVEN,
        reader,
        mail=(lease.account_id, lease.id),
        account=account.name,
        boost=boost,
        starts=moment(boost.starts_at, reader),
        ends=moment(boost.ends_at, reader) if boost.ends_at else None,
        weekly=_weekly(boost, reader),
    )


async def boost_ended(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To an administrator: the places go before their time, by whom."""
    boost = await get_boost(session, lease.about) if lease.about else None
    administrator = await active_user_of(session, lease)
    if boost is None or administrator is None or boost.ended_at is None:
        return None
    account = await get_account(session, lease.account_id)
    reader = await reader_of(session, administrator, account)
    return desk.stationery.write(
        Letter.BOOST_ENDED,
        reader,
        mail=(lease.account_id, lease.id),
        account=account.name,
        boost=boost,
        when=moment(boost.ended_at, reader),
    )


async def pool_oversold(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To an administrator of the reseller or of its parent: how large the pool is, and how much was given. Names none of its clients."""
    line = await session.get_one(Activity, (lease.account_id, lease.about))
    administrator = await active_user_of(session, lease)
    if administrator is None:
        return None
    account = await get_account(session, lease.account_id)
    reader = await reader_of(session, administrator, account)
    facts = line.facts
    return desk.stationery.write(
        Letter.POOL_OVERSOLD,
        reader,
        mail=(lease.account_id, lease.id),
        reseller=facts["seller"],
        what=facts["what"],
        pool=facts["pool"],
        sold=facts["pool"] + facts["over"],
        when=moment(line.at, reader),
    )


def _weekly(boost: Boost, reader: Reader) -> dict[str, str] | None:
    # Days and hours are the account's, and so is the reader's clock.
    if boost.days is None or boost.from_minute is None or boost.to_minute is None:
        return None
    locale = locale_of(reader)
    days = [format_date(_MONDAY + timedelta(days=day - 1), "EEEE", locale=locale) for day in boost.days]
    return {
        "days": format_list(days, locale=locale),
        "start": _clock(boost.from_minute, locale),
        "end": _clock(boost.to_minute, locale),
    }


def _clock(minute: int, locale: str) -> str:
    # The end of a day is written as such: 00:00 would be read as its beginning.
    return "24:00" if minute == _END_OF_DAY else format_time(time(minute // 60, minute % 60), "short", locale=locale)
