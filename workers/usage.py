"""Writes down what the seat scripts counted: the request path only counts in Redis, and PostgreSQL learns of it from here."""

import asyncio
from uuid import UUID

from sqlalchemy import select

from tenants import client_figures, usage
from tenants.accounts import Account
from tenants.house import House
from tenants.seat_figures import Figures

_AT_ONCE = 100


class Collector:
    """Remembers what it wrote down: an account where nothing happened since costs one call to Redis and nothing else."""

    def __init__(self) -> None:
        """Nothing is written down yet."""
        self._written: dict[UUID, int] = {}

    async def collect(self, house: House) -> None:
        """Write down the figures of every account in which something was counted since the last time.

        May be killed anywhere and done again: figures replace those of the same life, and days are dropped from Redis only once
        they are over and written down.
        """
        async with house.database.transaction() as session:
            ids = list(await session.scalars(select(Account.id).order_by(Account.id)))
        for first in range(0, len(ids), _AT_ONCE):
            some = ids[first : first + _AT_ONCE]
            for account_id, figures in zip(some, await asyncio.gather(*map(house.seats.figures, some)), strict=True):
                if figures is not None and self._written.get(account_id) != (mark := _mark(figures)):
                    await _write_down(house, account_id, figures)
                    self._written[account_id] = mark


async def reckon_all(house: House) -> None:
    """What the passing of days alone changes, and days that are too old: to be done daily."""
    async with house.database.transaction() as session:
        ids = list(await session.scalars(select(Account.id).order_by(Account.id)))
    for account_id in ids:
        async with house.database.transaction(account_id) as session:
            await usage.forget_old(session)
            await client_figures.reckon(session)


async def _write_down(house: House, account_id: UUID, figures: Figures) -> None:
    async with house.database.transaction(account_id) as session:
        await usage.write_down(session, figures)
        await client_figures.reckon(session)
    if over := [day for day in figures.by_day if (figures.today - day).days > 1]:
        await house.seats.forget_figures(account_id, over)


def _mark(figures: Figures) -> int:
    return hash((figures.life, figures.today, *((day, *sorted(values.items())) for day, values in sorted(figures.by_day.items()))))
