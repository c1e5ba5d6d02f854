"""Seat requests: the seller's answer from the link of a letter, and the short form of whoever finds every place taken."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from service.console.branding import brand_of_account, brand_of_link
from service.console.browser import own_path
from service.console.entering import show_refusal
from service.console.forms import Fields
from service.console.passwords import Token
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import House, Origin
from service.routes import Open
from service.seat_requests import ask_with_ticket
from tenants import seat_decisions
from tenants.accounts import Account, get_account
from tenants.actors import Actor
from tenants.errors import (
    AccountUnavailable,
    AlreadyExists,
    DomainError,
    Forbidden,
    Invalid,
    InvalidCredentials,
    LinkInvalid,
    PoolExceeded,
    UserSuspended,
)
from tenants.licence_phases import licence_end
from tenants.licences import LAST_DAY, Licence
from tenants.seat_decisions import Until
from tenants.seat_requests import LONGEST_WORDS, SeatRequest
from tenants.tickets import read_ticket
from tenants.tokens import Purpose

_NUMBER = re.compile(r"[0-9]{1,9}")
# Of a link that decides nothing, or no more: gone, whoever asks.
_GONE = 410


@page("/seat-request", right=Open.TO_ANYONE)
async def request_page(view: ViewOf, token: Token = "") -> Answer:
    """Who asks for what. Decides nothing and marks nothing: programs that check mails open links too."""
    return await _show_request(view, token)


@form("/seat-request", right=Open.TO_ANYONE)
async def decide(view: ViewOf, house: House, origin: Origin) -> Answer:
    """The decision of the person to whom the link was mailed, with the rights that they have now."""
    fields = await view.fields()
    token = fields.text("token")
    try:
        async with house.database.transaction(origin=origin) as session:
            case = await _read(view, session, token)
            request = await _carry_out(view, session, case, fields)
    except (LinkInvalid, Forbidden) as error:
        return await _show_dead_link(view, error, token)
    except DomainError as error:
        return await _show_again(view, error, token, fields)
    brand = await brand_of_link(house, Purpose.SEAT_REQUEST, token)
    return view.show("seat_request_decided.html", here="/login", brand=brand, **_outcome(case, request))


@form("/seat-requests", right=Open.TO_ANYONE)
async def ask(view: ViewOf, house: House, origin: Origin) -> Answer:
    """Ask for more places from the page that says that all are taken; its ticket says who asks."""
    fields = await view.fields()
    ticket = fields.text("ticket")
    try:
        wanted, reason = _number(fields, "seats"), fields.text("reason")
        made = await ask_with_ticket(house, ticket=ticket, seats=wanted, reason=reason, origin=origin)
    except (InvalidCredentials, UserSuspended, AccountUnavailable) as error:
        return await show_refusal(view, error, fields)
    except AlreadyExists as error:
        return await _show_asked(view, fields, status=status_of(error), asked=None, expires_at=None)
    except DomainError as error:
        return await _show_ask_again(view, error, fields)
    return await _show_asked(view, fields, asked=made.seats, expires_at=made.expires_at)


async def _show_asked(view: View, fields: Fields, *, status: int = 200, **facts: Any) -> Answer:
    return view.show("seat_request_asked.html", status=status, here="", **await _from_the_limit(view, fields), **facts)


async def _show_ask_again(view: View, error: DomainError, fields: Fields) -> Answer:
    known = await _from_the_limit(view, fields) | {name: fields.text(name) for name in ("seats", "reason")}
    return view.show("seat_request_ask.html", status=status_of(error), here="", **known, **_wrong(view, error))


async def _from_the_limit(view: View, fields: Fields) -> dict[str, Any]:
    # What the page that says that all places are taken sent along, and the brand that it showed.
    ticket = fields.text("ticket")
    try:
        brand = await brand_of_account(view.house, read_ticket(view.house.signer, ticket).account_id)
    except InvalidCredentials:
        brand = None
    return {"ticket": ticket, "next": own_path(fields.text("next")), "brand": brand}


@dataclass(frozen=True, slots=True)
class _Case:
    """A request, who decides about it, and on whose clock."""

    actor: Actor
    request: SeatRequest
    client: Account
    zone: str
    seats_now: int

    @property
    def last_day(self) -> str:
        """The day that the form proposes: the last one that was asked for; empty for good."""
        until = self.request.until
        return "" if until is None else _last_day(until, self.zone).isoformat()


async def _read(view: View, session: AsyncSession, token: str) -> _Case:
    actor, request, client = await seat_decisions.open_link(session, view.house.signer, view.house.catalogue, token)
    seller = await get_account(session, actor.account_id)
    licence = await session.get_one(Licence, client.id)
    return _Case(actor, request, client, seller.time_zone, licence.seats)


async def _carry_out(view: View, session: AsyncSession, case: _Case, fields: Fields) -> SeatRequest:
    message = fields.text("message")
    if fields.text("decision") == "refuse":
        return await seat_decisions.refuse(session, case.actor, case.request.id, message=message)
    if fields.text("decision") != "approve":
        raise Invalid("decision", "required")
    return await seat_decisions.approve(
        session,
        view.house.catalogue,
        case.actor,
        case.request.id,
        seats=_number(fields, "seats"),
        ends_at=_until(fields, case),
        message=message,
    )


async def _show_request(view: View, token: str, *, status: int = 200, **facts: Any) -> Answer:
    try:
        async with view.house.database.transaction() as session:
            case = await _read(view, session, token)
    except (LinkInvalid, Forbidden) as error:
        return await _show_dead_link(view, error, token)
    request, brand = case.request, await brand_of_link(view.house, Purpose.SEAT_REQUEST, token)
    if request.standing != "open":
        over = {"code": request.standing, "brand": brand, **_outcome(case, request)}
        return view.show("seat_request_over.html", status=_GONE, here="/login", **over)
    known: dict[str, Any] = {
        "token": token,
        "brand": brand,
        "client": case.client.name,
        "request": request,
        "seats_now": case.seats_now,
        "decider": case.actor.name,
        "zone": case.zone,
        "typed": {"seats": str(request.seats), "ends_at": case.last_day, "message": ""},
        "longest": LONGEST_WORDS,
        "complaints": [],
        "notice": None,
    }
    return view.show("seat_request.html", status=status, here=f"/seat-request?token={token}", **(known | facts))


async def _show_again(view: View, error: DomainError, token: str, fields: Fields) -> Answer:
    # Somebody else may have decided meanwhile: then the page says so instead.
    typed = {name: fields.text(name) for name in ("seats", "ends_at", "message")}
    wrong = {"notice": _too_small(view, error, fields)} if isinstance(error, PoolExceeded) else _wrong(view, error)
    return await _show_request(view, token, status=status_of(error), typed=typed, **wrong)


async def _show_dead_link(view: View, error: LinkInvalid | Forbidden, token: str) -> Answer:
    nothing: dict[str, Any] = {"client": "", "request": None, "zone": "UTC"}
    brand = await brand_of_link(view.house, Purpose.SEAT_REQUEST, token)
    return view.show("seat_request_over.html", status=_GONE, here="/login", code=error.code, brand=brand, **nothing)


def _wrong(view: View, error: DomainError) -> dict[str, Any]:
    if isinstance(error, Invalid):
        return {"complaints": [view.complaint(error)], "notice": None}
    return {"complaints": [], "notice": view.notice(error)}


def _too_small(view: View, error: PoolExceeded, fields: Fields) -> dict[str, str]:
    # What a sale asks the pool for may count the places that the client has already.
    had = error.facts["asked"] - int(fields.text("seats"))
    free = max(0, error.facts["pool"] - error.facts["given"] - had)
    text = view.say(
        "Nothing was changed, and the request is still open. Your pool has %(pool)s places, of which %(free)s are free for this client.",
        pool=error.facts["pool"],
        free=free,
    )
    return {"title": view.say("Your pool of places is too small"), "text": text}


def _outcome(case: _Case, request: SeatRequest) -> dict[str, Any]:
    return {"client": case.client.name, "request": request, "zone": case.zone}


def _number(fields: Fields, name: str) -> int:
    text = fields.text(name).strip()
    if not _NUMBER.fullmatch(text):
        raise Invalid(name, "malformed" if text else "required")
    return int(text)


def _until(fields: Fields, case: _Case) -> Until:
    # A day that was left as it stood is the moment that was asked for, which may lie inside it.
    text = fields.text("ends_at").strip()
    if text == case.last_day:
        return "as_asked"
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Invalid("ends_at", "malformed") from error
    if day > LAST_DAY:
        raise Invalid("ends_at", "out_of_range")
    return licence_end(day, case.zone)


def _last_day(until: datetime, zone: str) -> date:
    # An end at midnight belongs to the day before.
    return (until.astimezone(ZoneInfo(zone)) - timedelta(microseconds=1)).date()


routes = [request_page, decide, ask]
