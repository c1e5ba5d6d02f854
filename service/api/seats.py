"""The waiting line of a full pool: come, look, leave; and for administrators, who waits."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import FromPath, JSONBody, QueryParameter

from service import waiting
from service.api.shapes import Ticket
from service.authentication import bearer_value
from service.dependencies import Actor, House, Session
from service.routes import BodyOptional, Open, delete, get, post
from service.waiting import Asker, who_asks
from tenants import waiting_line
from tenants.errors import NotFound
from tenants.house import House as HouseOf
from tenants.waiting_line import Spot

TicketAsked = Annotated[
    str | None,
    QueryParameter(
        name="ticket",
        required=False,
        min_length=1,
        max_length=1000,
        description="Of a `seats_full` answer; else the bearer decides",
    ),
]
Plain = Request[Any, Any, Any]
#: For a ticket, or for a session that has no seat: the authentication of other routes would ask for one.
EITHER: list[dict[str, list[str]]] = [{}, {"session": []}]


class TicketHolder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whoever has no session yet sends the ticket of a `seats_full` answer; whoever lost their seat sends their bearer alone."""

    ticket: Ticket | None = None


_NO_TICKET = TicketHolder()


class SpotInLine(msgspec.Struct):
    """1 is the head of the line. With `offered_until` a seat is held: sign in until then, with the ticket; or go on working.

    Whoever does not look for 30 seconds is out of the line. `ticket` takes the place of the one that was sent, for ten minutes more.
    """

    position: int
    ahead: int
    since: datetime
    offered_until: datetime | None
    ticket: str | None


class WaitingPerson(msgspec.Struct):
    """Who waits."""

    id: UUID
    name: str
    email: str


class InLine(msgspec.Struct):
    """One of those who wait. With `offered_until` a seat is held for them."""

    user: WaitingPerson
    position: int
    since: datetime
    offered_until: datetime | None


class Line(msgspec.Struct):
    """All who wait, in their order."""

    items: list[InLine]


class Cleared(msgspec.Struct):
    """How many were sent away."""

    cleared: int


async def asker_of(request: Plain, house: HouseOf, ticket: str | None) -> Asker:
    """Whoever calls, by the ticket or else by the bearer."""
    return await who_asks(house, ticket=ticket, token=bearer_value(request.scope))


@post(
    "/seats/queue",
    right=Open.TO_ANYONE,
    refuses=(401, 403, 409),
    security=EITHER,
    operation_class=BodyOptional,
)
async def join_line(request: Plain, house: House, data: JSONBody[TicketHolder] = _NO_TICKET) -> SpotInLine:
    """Wait for a seat. Whoever waits already stays where they are; whoever has a seat waits for none."""
    asker = await asker_of(request, house, data.ticket)
    return _shown(await waiting.join(house, asker), asker, house)


@get("/seats/queue", right=Open.TO_ANYONE, refuses=(401, 403, 404), security=EITHER)
async def look_at_line(request: Plain, house: House, ticket: TicketAsked = None) -> SpotInLine:
    """Where one stands, every few seconds: it says as well that one is still there. 404 for whoever does not wait."""
    asker = await asker_of(request, house, ticket)
    spot = await waiting_line.look(house.door, asker.account_id, asker.user_id)
    if spot is None:
        raise NotFound
    return _shown(spot, asker, house)


@delete("/seats/queue", right=Open.TO_ANYONE, refuses=(401, 403), security=EITHER, operation_class=BodyOptional)
async def leave_line(request: Plain, house: House, ticket: TicketAsked = None, data: JSONBody[TicketHolder] = _NO_TICKET) -> None:
    """Wait no more; a seat that was held is the next one's. The ticket may come in the body or in the query."""
    asker = await asker_of(request, house, ticket or data.ticket)
    await waiting_line.leave(house.door, asker.account_id, asker.user_id)


@get("/account/queue", right="sessions.view")
async def list_line(session: Session, house: House) -> Line:
    """Who waits for a seat of the caller's account."""
    found = await waiting.people_in_line(session, house)
    return Line(
        [
            InLine(WaitingPerson(user.id, user.name, user.email), position, each.since, each.offered_until)
            for position, (each, user) in enumerate(found, 1)
        ]
    )


@delete("/account/queue", right="sessions.end", status_code=200)
async def clear_line(session: Session, actor: Actor, house: House) -> Cleared:
    """Send everybody away who waits. They may come again."""
    return Cleared(await waiting.clear_line(session, house, actor))


@delete("/account/queue/{user_id:uuid}", right="sessions.end", status_code=200, refuses=(404,))
async def send_away(user_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> Cleared:
    """Send one of them away."""
    return Cleared(await waiting.clear_line(session, house, actor, user_id=user_id))


def _shown(spot: Spot, asker: Asker, house: HouseOf) -> SpotInLine:
    return SpotInLine(spot.position, spot.ahead, spot.since, spot.offered_until, asker.renewed(house))


routes = [join_line, look_at_line, leave_line, list_line, clear_line, send_away]
