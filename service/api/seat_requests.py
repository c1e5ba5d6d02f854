"""Seat requests: a client asks its seller for more places; the seller approves, for a while or for good, or refuses."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.api.shapes import Reason
from service.dependencies import Actor, House, Origin, Session
from service.paging import Cursor, Limit, Page, read_page
from service.routes import Open, delete, get, post
from service.seat_requests import ask_with_ticket
from tenants import licences, seat_decisions, seat_requests
from tenants.accounts import Account
from tenants.house import House as HouseOf
from tenants.licences import Licence
from tenants.seat_requests import SeatRequest

State = Literal["open", "approved", "refused", "withdrawn", "expired"]
Seats = Annotated[int, msgspec.Meta(ge=1, le=licences.MOST, description="How many more")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
# The framework keeps the name `state` for itself.
StateFilter = Annotated[State | None, QueryParameter(name="state", required=False, description="Only requests in this state")]


class NewSeatRequest(msgspec.Struct, forbid_unknown_fields=True):
    """So many more places, until a moment, or for good without one."""

    seats: Seats
    until: Moment | None = None
    reason: Reason | None = None


class TicketSeatRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The same, with the ticket of a `seats_full` answer, for ten minutes."""

    ticket: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    seats: Seats
    until: Moment | None = None
    reason: Reason | None = None


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """Absent fields are as asked. `seats` may be fewer; `ends_at` null is for good."""

    seats: Seats | UnsetType = UNSET
    ends_at: Moment | UnsetType | None = UNSET
    message: Reason | None = None


class Refusal(msgspec.Struct, forbid_unknown_fields=True):
    """What the client is told."""

    message: Reason | None = None


class SeatRequestCard(msgspec.Struct):
    """A request and what became of it. `until` and `granted_until` null are for good."""

    id: UUID
    state: State
    seats: int
    until: datetime | None
    reason: str | None
    asked_by: str
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    granted_seats: int | None
    granted_until: datetime | None
    message: str | None


class AskingAccount(msgspec.Struct):
    """Who asks, and how many places its licence has now."""

    id: UUID
    slug: str
    name: str
    seats: int


class ChildSeatRequest(SeatRequestCard):
    """A request as the seller sees it."""

    account: AskingAccount


@get("/account/seat-requests", right="licence.view")
async def list_own(
    session: Session, actor: Actor, house: House, in_state: StateFilter = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[SeatRequestCard]:
    """What the caller's account has asked for, newest first."""
    query = seat_requests.search_requests(actor.account_id, state=in_state)
    rows, next_cursor = await _newest(session, house, query, limit, cursor, of=f"own seat requests|{actor.account_id}|{in_state}")
    return Page([card(row) for row in rows], next_cursor)


@post("/account/seat-requests", right="licence.manage")
async def ask(data: JSONBody[NewSeatRequest], session: Session, actor: Actor, house: House) -> SeatRequestCard:
    """Ask the account's seller for more places; whoever decides there gets a mail. One request is open at a time."""
    return card(await seat_requests.ask(session, house.catalogue, actor, seats=data.seats, until=data.until, reason=data.reason))


@delete("/account/seat-requests/{request_id:uuid}", right="licence.manage", refuses=(404,))
async def withdraw(request_id: FromPath[UUID], session: Session, actor: Actor) -> None:
    """No longer ask."""
    await seat_requests.withdraw(session, actor, request_id)


@post("/seat-requests/by-ticket", right=Open.TO_ANYONE, refuses=(401, 403, 409))
async def ask_by_ticket(data: JSONBody[TicketSeatRequest], house: House, origin: Origin) -> SeatRequestCard:
    """Ask without a place of one's own: the ticket says who, and they must have the right `licence.manage` now."""
    return card(
        await ask_with_ticket(house, ticket=data.ticket, seats=data.seats, until=data.until, reason=data.reason, origin=origin)
    )


@get("/seat-requests", right="clients.view")
async def list_of_children(
    session: Session, actor: Actor, house: House, in_state: StateFilter = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[ChildSeatRequest]:
    """What the caller's own children have asked for, newest first."""
    query = seat_requests.search_requests_of_children(actor.account_id, state=in_state)
    rows, next_cursor = await _newest(session, house, query, limit, cursor, of=f"seat requests|{actor.account_id}|{in_state}")
    clients = await _clients(session, actor.account_id, {row.account_id for row in rows})
    return Page([_of_child(row, clients[row.account_id]) for row in rows], next_cursor)


@post("/seat-requests/{request_id:uuid}/approve", right="clients.manage", status_code=200, refuses=(404,))
async def approve(
    request_id: FromPath[UUID], data: JSONBody[Approval], session: Session, actor: Actor, house: House
) -> ChildSeatRequest:
    """Give all or fewer of the places: a boost where there is an end, else a larger licence. They work at the next sign-in."""
    request = await seat_decisions.approve(
        session,
        house.catalogue,
        actor,
        request_id,
        seats=None if data.seats is UNSET else data.seats,
        ends_at="as_asked" if data.ends_at is UNSET else data.ends_at,
        message=data.message,
    )
    return await _decided(session, actor.account_id, request)


@post("/seat-requests/{request_id:uuid}/refuse", right="clients.manage", status_code=200, refuses=(404,))
async def refuse(request_id: FromPath[UUID], data: JSONBody[Refusal], session: Session, actor: Actor) -> ChildSeatRequest:
    """Give nothing; the client is told, with the message."""
    request = await seat_decisions.refuse(session, actor, request_id, message=data.message)
    return await _decided(session, actor.account_id, request)


def card(request: SeatRequest) -> SeatRequestCard:
    """A request as the account that asks sees it."""
    return SeatRequestCard(**_facts(request))


def _of_child(request: SeatRequest, client: AskingAccount) -> ChildSeatRequest:
    return ChildSeatRequest(**_facts(request), account=client)


def _facts(request: SeatRequest) -> dict[str, Any]:
    named = (name for name in SeatRequestCard.__struct_fields__ if name != "state")
    return {"state": request.standing, **{name: getattr(request, name) for name in named}}


async def _decided(session: AsyncSession, parent_id: UUID, request: SeatRequest) -> ChildSeatRequest:
    clients = await _clients(session, parent_id, {request.account_id})
    return _of_child(request, clients[request.account_id])


async def _newest(
    session: AsyncSession, house: HouseOf, query: Select[SeatRequest], limit: int, cursor: str | None, *, of: str
) -> tuple[list[SeatRequest], str | None]:
    return await read_page(
        session,
        query,
        columns={"created_at": SeatRequest.created_at},
        key=SeatRequest.id,
        sort="-created_at",
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=of,
    )


async def _clients(session: AsyncSession, parent_id: UUID, ids: set[UUID]) -> dict[UUID, AskingAccount]:
    rows = await session.execute(
        select(Account.id, Account.slug, Account.name, Licence.seats)
        .join(Licence, Licence.account_id == Account.id)
        .where(Account.parent_id == parent_id, Account.id.in_(ids))
    )
    return {row.id: AskingAccount(row.id, row.slug, row.name, row.seats) for row in rows}


routes = [list_own, ask, withdraw, ask_by_ticket, list_of_children, approve, refuse]
