"""Asking for more seats with the ticket of a full pool: what API and console share."""

from datetime import datetime

from tenants import seat_requests, signing_in
from tenants.actors import Origin
from tenants.house import House
from tenants.seat_requests import ASKS, SeatRequest
from tenants.without_session import get_actor


async def ask_with_ticket(
    house: House, *, ticket: str, seats: int, until: datetime | None = None, reason: str | None, origin: Origin
) -> SeatRequest:
    """As `seat_requests.ask`, for whoever the ticket stands for, with the rights that they have at this moment.

    Raises also InvalidCredentials when the ticket's time is over, Forbidden, and whatever keeps the person from signing in.
    """
    candidate = await signing_in.holder_of(house.keys, ticket)
    async with house.database.transaction(candidate.account_id, origin=origin) as session:
        actor = await get_actor(session, house.catalogue, candidate.user_id)
        actor.must(ASKS)
        return await seat_requests.ask(session, house.catalogue, actor, seats=seats, until=until, reason=reason)
