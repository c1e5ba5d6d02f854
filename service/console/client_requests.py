"""The inbox of a seller: what clients ask for, the answer to each, and every request before."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.client_words import wrong
from service.console.clients import Choice
from service.console.forms import Fields
from service.console.routes import form, page
from service.console.typed_terms import day, needed_number
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Session, Work
from service.paging import Cursor, read_page
from tenants import brands, pools, seat_decisions
from tenants.accounts import Account, find_names, get_account
from tenants.actors import Actor as ActorOf
from tenants.client_lists import find_clients
from tenants.errors import DomainError, Invalid, NotFound, NotInState
from tenants.house import House as HouseOf
from tenants.licence_phases import licence_end
from tenants.licences import LAST_DAY
from tenants.seat_decisions import Until
from tenants.seat_requests import LONGEST_WORDS, SeatRequest, find_childs_request, search_requests_of_children

_AT_ONCE = 20
_TYPED = ("seats", "ends_at", "message")


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


DONE = {
    "approved": _("The places are given, and the client is told."),
    "refused": _("The request is refused, and the client is told."),
}
#: The shape before each state, as the stylesheet names it.
SHAPES = {"open": "invited", "approved": "active", "refused": "struck_off", "withdrawn": "none", "expired": "suspended"}
STATES = {
    "open": _("Waits for your answer"),
    "approved": _("Accepted"),
    "refused": _("Refused"),
    "withdrawn": _("Withdrawn"),
    "expired": _("Expired"),
}


@page("/requests", right="clients.view")
async def inbox(
    view: ViewOf, *, session: Session, actor: Actor, house: House, show: Choice = None, cursor: Cursor = None
) -> Answer:
    """What waits for an answer; with `show=all` whatever was asked, newest first."""
    state = None if show == "all" else "open"
    rows, following = await read_page(
        session,
        search_requests_of_children(actor.account_id, state="open" if state else None),
        columns={"created_at": SeatRequest.created_at},
        key=SeatRequest.id,
        sort="-created_at",
        limit=_AT_ONCE,
        cursor=cursor or None,
        signer=house.signer,
        of=f"request pages|{actor.account_id}|{state}",
    )
    start = "/requests" if state else "/requests?show=all"
    return view.show(
        "client_requests.html",
        brand=await brands.find_brand(session),
        said=view.said(DONE),
        zone=(await get_account(session, actor.account_id)).time_zone,
        requests=rows,
        names=await find_names(session, {row.account_id for row in rows}),
        shapes=SHAPES,
        states={name: view.say(text) for name, text in STATES.items()},
        all=state is None,
        start=start,
        more=f"{start}{'?' if state else '&'}cursor={following}" if following else None,
        first=bool(cursor),
    )


@page("/requests/{request_id:uuid}", right="clients.view")
async def request_page(request_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor) -> Answer:
    """One request: what it asks for, and the answer to it or the form for one."""
    return await _show(view, session, actor, request_id)


@form("/requests/{request_id:uuid}", right="clients.manage")
async def decide(request_id: FromPath[UUID], view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Accept all or fewer of the places, or refuse them. Somebody else may have been faster: the page then says who."""
    fields = await view.fields()
    try:
        async with work() as session:
            made = await _carry_out(session, house, actor, request_id, fields)
    except NotFound:
        raise
    except DomainError as error:
        typed = {} if isinstance(error, NotInState) else {"typed": {name: fields.text(name) for name in _TYPED}}
        async with work() as session:
            return await _show(view, session, actor, request_id, status=status_of(error), **wrong(view, error), **typed)
    return view.go("/requests", done="approved" if made.standing == "approved" else "refused")


async def _carry_out(session: AsyncSession, house: HouseOf, actor: ActorOf, request_id: UUID, fields: Fields) -> SeatRequest:
    message = fields.text("message")
    if fields.text("decision") == "refuse":
        return await seat_decisions.refuse(session, actor, request_id, message=message)
    if fields.text("decision") != "approve":
        raise Invalid("decision", "unknown")
    request = await find_childs_request(session, actor.account_id, request_id)
    if request is None:
        raise NotFound
    zone = (await get_account(session, actor.account_id)).time_zone
    return await seat_decisions.approve(
        session,
        house.catalogue,
        actor,
        request_id,
        seats=needed_number(fields, "seats"),
        ends_at=_until(fields, request, zone),
        message=message,
    )


async def _show(view: View, session: AsyncSession, actor: ActorOf, request_id: UUID, *, status: int = 200, **told: Any) -> Answer:
    request = await find_childs_request(session, actor.account_id, request_id)
    if request is None:
        raise NotFound
    home: Account = await get_account(session, actor.account_id)
    [client] = await find_clients(session, [request.account_id])
    last = "" if request.until is None else last_day(request.until, home.time_zone).isoformat()
    known: dict[str, Any] = {
        "complaints": [],
        "notice": None,
        "typed": {"seats": str(request.seats), "ends_at": last, "message": ""},
    }
    return view.show(
        "client_request.html",
        status=status,
        here=f"/requests/{request_id}",
        brand=await brands.find_brand(session),
        zone=home.time_zone,
        request=request,
        client=client,
        pool=next(each for each in await pools.read_pools(session) if each.what == "seats"),
        shape=SHAPES[request.standing],
        state_words=view.say(STATES[request.standing]),
        longest=LONGEST_WORDS,
        **(known | told),
    )


def _until(fields: Fields, request: SeatRequest, zone: str) -> Until:
    # A day that was left as it stood is the moment that was asked for, which may lie inside it.
    chosen = day(fields, "ends_at")
    if chosen is None:
        return None
    if request.until is not None and chosen == last_day(request.until, zone):
        return "as_asked"
    if chosen > LAST_DAY:
        raise Invalid("ends_at", "far")
    return licence_end(chosen, zone)


def last_day(until: datetime, zone: str) -> date:
    """The day that a moment is the end of: one at midnight belongs to the day before."""
    return (until.astimezone(ZoneInfo(zone)) - timedelta(microseconds=1)).date()


routes = [inbox, request_page, decide]
