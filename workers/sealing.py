"""Keeps the history: seals what was written, makes months ahead, and lets go of those that nobody need keep."""

import asyncio

from tenants.activity_months import make_months
from tenants.house import House
from tenants.retention import forget_old
from tenants.sealing import accounts_owing, seal_account

# Accounts that are sealed at once: most have few lines, and most of their time is the way to PostgreSQL and back.
_LANES = 4


async def seal_all(house: House) -> None:
    """Every account that owes a seal. What fails in one is raised when all others are done."""
    owing = iter(await accounts_owing(house.database))
    failed: list[Exception] = []

    async def lane() -> None:
        for account_id in owing:
            try:
                await seal_account(house.database, house.signer, account_id)
            except Exception as error:  # noqa: BLE001 - the others' lines do not wait for it
                failed.append(error)

    await asyncio.gather(*(lane() for _ in range(_LANES)))
    if failed:
        raise failed[0]


async def months(house: House) -> None:
    """Months ahead of the present one."""
    await make_months(house.database)


async def retention(house: House) -> None:
    """Months that are over for those who kept them long enough."""
    await forget_old(house.database, house.signer)
