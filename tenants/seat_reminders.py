"""Seat requests that wait: the seller is reminded once, and what nobody answers is written down as expired."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import get_account
from tenants.catalogue import Catalogue
from tenants.database import Database
from tenants.errors import NotFound, NotInState
from tenants.outbox import Letter, step_into_sorting_room
from tenants.seat_requests import SeatRequest, database_now, expire, lock_open, write_to_sellers

REMIND_AFTER = timedelta(days=2)
#: Most requests of one round; what is left waits for the next.
MOST_AT_ONCE = 500


async def remind_and_expire(database: Database, catalogue: Catalogue) -> int:
    """Each request that is due in a transaction of its own; done twice it changes nothing. Returns how many were found."""
    async with database.transaction() as session:
        due = await _due(session)
    for account_id, request_id in due:
        async with database.transaction(account_id) as session:
            await _remind_or_expire(session, catalogue, account_id, request_id)
    return len(due)


async def _due(session: AsyncSession) -> list[tuple[UUID, UUID]]:
    await step_into_sorting_room(session)
    unreminded = and_(SeatRequest.reminded_at.is_(None), SeatRequest.created_at <= func.now() - REMIND_AFTER)
    rows = await session.execute(
        select(SeatRequest.account_id, SeatRequest.id)
        .where(SeatRequest.state == "open", or_(SeatRequest.expires_at <= func.now(), unreminded))
        .order_by(SeatRequest.expires_at)
        .limit(MOST_AT_ONCE)
        .execution_options(across_accounts=True)
    )
    return [(row.account_id, row.id) for row in rows]


async def _remind_or_expire(session: AsyncSession, catalogue: Catalogue, account_id: UUID, request_id: UUID) -> None:
    account = await get_account(session, account_id)
    try:
        request = await lock_open(session, request_id)
    except NotFound:
        return
    except NotInState:
        # Decided meanwhile, or its time is over.
        over = await session.get_one(SeatRequest, (account_id, request_id))
        if over.state == "open":
            await expire(session, over, account)
        return
    if request.reminded_at is None:
        request.reminded_at = await database_now(session)
        if account.standing == "active":
            await write_to_sellers(session, catalogue, Letter.SEAT_REQUEST_REMINDER, request, account)
