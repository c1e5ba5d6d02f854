"""Waiting for a place, in line or for a colleague who was asked: one page that stays up to date, with and without scripts."""

import asyncio
from typing import Annotated, Any
from urllib.parse import quote, urlencode
from uuid import UUID

from litestar.params import QueryParameter
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import waiting
from service.console.branding import brand_of_account
from service.console.browser import no_waiting_cookie, own_path, waiting_cookie, waiting_ticket
from service.console.entering import Next, show_refusal
from service.console.forms import Fields
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import House, Origin
from service.problem_cases import CASES
from service.problems import say as say_problem
from service.routes import Open
from service.waiting import Asker, who_asks
from tenants import handovers, waiting_line
from tenants.database import entered
from tenants.errors import DomainError, NotFound, NotInState
from tenants.full_pool import ENDS
from tenants.handovers import Handover
from tenants.sessions import SignedInSession
from tenants.tickets import lasting_ticket
from tenants.users import User
from tenants.waiting_line import Spot

# Seconds between two looks of a script. The server waits them out: browsers slow down the clocks of pages that nobody sees, and
# whoever waits for a place does something else meanwhile.
_SLOWLY = 3
# More holders than this are counted, not named.
_MOST_NAMED = 8
Asked = Annotated[UUID | None, QueryParameter(name="ask", required=False, description="The hand-over that was asked for")]
Slowly = Annotated[bool, QueryParameter(name="slowly", required=False, description="Answer in a few seconds")]


@page("/wait", right=Open.TO_ANYONE)
async def waiting_page(view: ViewOf, house: House, wanted: Next = None, asked: Asked = None, slowly: Slowly = False) -> Answer:
    """Where one stands. It says as well that one is still there: whoever closes it is out of the line half a minute later."""
    ticket, to = waiting_ticket(view.request), own_path(wanted)
    if not ticket:
        return view.go("/login")
    try:
        asker = await who_asks(house, ticket=ticket, token=None)
        if slowly:
            await asyncio.sleep(_SLOWLY)
        spot = await waiting_line.look(house.door, asker.account_id, asker.user_id)
        handover = await _find_handover(view, asker, asked)
    except DomainError as error:
        return await show_refusal(view, error, Fields({"ticket": ticket, "next": to}))
    lasting = lasting_ticket(house.signer, ticket)
    cookies = [] if lasting == ticket else [waiting_cookie(lasting)]
    named = await _named(view, asker, handover)
    facts: dict[str, Any] = {"spot": spot, "handover": handover, "named": named, "notice": None, "cookies": cookies}
    return await _show(view, asker, ticket=lasting, to=to, asked=asked, **facts)


@form("/wait", right=Open.TO_ANYONE)
async def wait_in_line(view: ViewOf, house: House) -> Answer:
    """Go to the end of the line; whoever stands in it already stays where they are."""
    fields = await view.fields()
    ticket, to = fields.text("ticket"), own_path(fields.text("next"))
    try:
        asker = await who_asks(house, ticket=ticket, token=None)
    except DomainError as error:
        return await show_refusal(view, error, fields)
    try:
        await waiting.join(house, asker)
    except NotInState as error:
        return await _show_not_possible(view, asker, error, ticket=ticket, to=to)
    return view.go(_address(to, fields.id("ask")), cookies=[waiting_cookie(ticket)])


@form("/ask", right=Open.TO_ANYONE)
async def ask_colleague(view: ViewOf, house: House, origin: Origin) -> Answer:
    """Ask whoever holds the place of the session named, or everybody who can be asked."""
    fields = await view.fields()
    ticket, to = fields.text("ticket"), own_path(fields.text("next"))
    try:
        asker = await who_asks(house, ticket=ticket, token=None)
    except DomainError as error:
        return await show_refusal(view, error, fields)
    try:
        handover = await waiting.ask(house, asker, session_id=fields.id("session"), origin=origin)
    except (NotFound, NotInState) as error:
        return await _show_not_possible(view, asker, error, ticket=ticket, to=to)
    return view.go(_address(to, handover.id), cookies=[waiting_cookie(ticket)])


@form("/wait/leave", right=Open.TO_ANYONE)
async def stop_waiting(view: ViewOf, house: House) -> Answer:
    """Out of the line, and nobody is asked any more."""
    fields = await view.fields()
    asked = fields.id("ask")
    try:
        asker = await who_asks(house, ticket=fields.text("ticket"), token=None)
        await waiting_line.leave(house.door, asker.account_id, asker.user_id)
        if asked is not None:
            await handovers.withdraw(house.door, asker.account_id, asker.user_id, asked)
    except NotFound:
        # Nobody is asked any more as it is.
        pass
    except DomainError as error:
        return await show_refusal(view, error, fields)
    return view.go("/login", cookies=[no_waiting_cookie()])


def _address(to: str, asked: UUID | None, **more: str) -> str:
    query = more | ({"ask": str(asked)} if asked else {}) | ({"next": to} if to != "/" else {})
    return "/wait" + ("?" + urlencode(query, safe="/", quote_via=quote) if query else "")


async def _find_handover(view: View, asker: Asker, asked: UUID | None) -> Handover | None:
    if asked is None:
        return None
    try:
        return await handovers.look(view.house.door, asker.account_id, asker.user_id, asked)
    except NotFound:
        return None


async def _named(view: View, asker: Asker, handover: Handover | None) -> list[dict[str, str]]:
    # Where the account shows who holds places, and to whoever may end their sessions.
    shown = asker.place.show_holders or asker.place.may(view.house.catalogue, ENDS)
    if handover is None or not shown or len(handover.holders) > _MOST_NAMED:
        return []
    async with view.house.database.transaction(asker.account_id) as session:
        names = await _names(session, [UUID(each.holder) for each in handover.holders])
    return [{"name": names[UUID(each.holder)], "state": each.state} for each in handover.holders if UUID(each.holder) in names]


async def _names(session: AsyncSession, holders: list[UUID]) -> dict[UUID, str]:
    # Holders are users, or sessions: their ids are never the same.
    theirs = (SignedInSession.account_id == User.account_id) & (SignedInSession.user_id == User.id)
    query = (
        select(User, SignedInSession.id)
        .outerjoin(SignedInSession, theirs & SignedInSession.id.in_(holders))
        .where(User.account_id == entered(session), or_(User.id.in_(holders), SignedInSession.id.in_(holders)))
    )
    return {key: user.label for user, session_id in await session.execute(query) for key in (user.id, session_id) if key}


async def _show_not_possible(view: View, asker: Asker, error: DomainError, *, ticket: str, to: str) -> Answer:
    if isinstance(error, NotFound):
        text = view.say("This colleague holds no place any more. Try again: it may be free.")
    else:
        text = say_problem(view.language, CASES["not_in_state", error.facts["state"]], **error.facts)
    notice = {"title": view.say("Nobody was asked, and you do not wait"), "text": text}
    nothing: dict[str, Any] = {"spot": None, "handover": None, "named": [], "notice": notice}
    return await _show(view, asker, ticket=ticket, to=to, asked=None, status=status_of(error), **nothing)


async def _show(view: View, asker: Asker, *, spot: Spot | None, to: str, asked: UUID | None, **facts: Any) -> Answer:
    return view.show(
        "wait.html",
        here="" if facts["notice"] else _address(to, asked),
        brand=await brand_of_account(view.house, asker.account_id),
        zone=asker.place.time_zone,
        held_until=spot.offered_until if spot else None,
        ahead=spot.ahead if spot else None,
        live=_address(to, asked, slowly="true"),
        asked=asked,
        next=to,
        **facts,
    )


routes = [waiting_page, wait_in_line, ask_colleague, stop_waiting]
