"""The licence of the account: what was bought, how much of it is used, how long it lasts, and the way to more places."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.account_use import Pool, read_pool, read_use
from service.console.client_words import OPTION_LABELS, wrong
from service.console.forms import Fields
from service.console.licence_lines import boost_line, change_line
from service.console.routes import form, page
from service.console.typed_terms import day, needed_number
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Session, Work
from tenants import boosts, brands, licences, seat_requests
from tenants.accounts import find_names
from tenants.actors import Actor as ActorOf
from tenants.boosts import Boost
from tenants.catalogue import OPTIONS
from tenants.departments import count_departments
from tenants.errors import DomainError, Forbidden, Invalid, NotInState, Unavailable
from tenants.house import House as HouseOf
from tenants.licence_phases import GRACE, licence_end
from tenants.licences import LAST_DAY
from tenants.seat_requests import ASKS, LONGEST_WORDS, SeatRequest
from tenants.users import count_users

_CHANGES, _REQUESTS, _OVER, _ADVISED_DAYS = 30, 5, 5, 30
_TYPED = ("seats", "until", "reason")


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


DONE = {
    "asked": _("Your request is on its way. Whoever sells you the licence gets a mail now."),
    "withdrawn": _("The request is withdrawn."),
    "over": _("This request is over already: its outcome stands below."),
}


@page("/licence", right="licence.view")
async def licence_page(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Plan, limits and use, dates, boosts, requests and every change."""
    return await _show(view, session, house, actor)


@form("/licence/requests", right=ASKS)
async def ask(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Ask whoever sells the licence for more places."""
    fields = await view.fields()
    try:
        async with work() as session:
            pool = await read_pool(session, house)
            seats, until = _seats(fields), _until(fields, pool.account.time_zone)
            await seat_requests.ask(session, house.catalogue, actor, seats=seats, until=until, reason=fields.text("reason"))
    except (Forbidden, Unavailable):
        raise
    except DomainError as error:
        async with work() as session:
            return await _show(view, session, house, actor, error=error, typed={name: fields.text(name) for name in _TYPED})
    return view.go("/licence", done="asked")


@form("/licence/requests/{request_id:uuid}/withdraw", right=ASKS)
async def withdraw(request_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor) -> Answer:
    """The account no longer asks."""
    try:
        async with work() as session:
            await seat_requests.withdraw(session, actor, request_id)
    except NotInState as error:
        return view.go("/licence", done="withdrawn" if error.facts["state"] == "withdrawn" else "over")
    return view.go("/licence", done="withdrawn")


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    error: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Answer:
    pool = await read_pool(session, house)
    return view.show(
        "licence.html",
        status=200 if error is None else status_of(error),
        here="/licence",
        brand=await brands.find_brand(session),
        said=None if error else view.said(DONE),
        pool=pool,
        zone=pool.account.time_zone,
        users=await count_users(session),
        departments=await count_departments(session),
        advice=(await read_use(view, session, pool, days=_ADVISED_DAYS))["advice"],
        asks=actor.may(ASKS) and actor.visit is None,
        typed=typed or {"seats": "1", "until": "", "reason": ""},
        longest=LONGEST_WORDS,
        **_plan(view, house, pool),
        grace_days=GRACE.days,
        **await _boosts(view, session, pool),
        **await _requests(session, pool),
        **await _history(view, session, house, pool),
        **_refusal(view, error),
    )


def _plan(view: View, house: HouseOf, pool: Pool) -> dict[str, Any]:
    # A plan that the catalogue lost keeps its key.
    plan = house.catalogue.plans.get(pool.licence.plan)
    return {
        "plan": plan.label[view.language] if plan else pool.licence.plan,
        "plan_help": plan.help[view.language] if plan else None,
        "options": [(view.say(OPTION_LABELS[option]), option in pool.licence.options) for option in OPTIONS],
    }


async def _boosts(view: View, session: AsyncSession, pool: Pool) -> dict[str, Any]:
    # Those that are over are the last ones that began.
    query = boosts.search_boosts(pool.account.id).order_by(Boost.starts_at.desc()).limit(len(pool.boosts) + _OVER)
    over = [boost for boost in await session.scalars(query) if boost.state_at(pool.now) == "ended"]
    zone, now = pool.account.time_zone, pool.now
    return {
        "boosts": [boost_line(view, boost, zone, now) for boost in pool.boosts],
        "boosts_over": [boost_line(view, boost, zone, now) for boost in over[:_OVER]],
    }


async def _requests(session: AsyncSession, pool: Pool) -> dict[str, Any]:
    query = seat_requests.search_requests(pool.account.id).order_by(SeatRequest.id.desc()).limit(_REQUESTS)
    found = list(await session.scalars(query.execution_options(populate_existing=True)))
    names = await find_names(session, [pool.account.parent_id]) if pool.account.parent_id else {}
    return {
        "request": next((each for each in found if each.standing == "open"), None),
        "answered": [each for each in found if each.standing != "open"],
        "seller": next(iter(names.values()), None),
    }


async def _history(view: View, session: AsyncSession, house: HouseOf, pool: Pool) -> dict[str, Any]:
    changes = await licences.search_changes(session, limit=_CHANGES)
    accounts = await find_names(session, {change.by_account_id for change in changes if change.by_account_id})
    return {"history": [change_line(view, house.catalogue, change, accounts) for change in changes]}


def _refusal(view: View, error: DomainError | None) -> dict[str, Any]:
    if isinstance(error, Invalid):
        return {"complaints": [view.complaint(error)], "notice": None}
    return {"complaints": [], "notice": None} if error is None else wrong(view, error)


def _seats(fields: Fields) -> int:
    if not fields.text("seats").strip():
        raise Invalid("seats", "required")
    try:
        return needed_number(fields, "seats")
    except Invalid as error:
        raise Invalid("seats", "malformed") from error


def _until(fields: Fields, time_zone: str) -> datetime | None:
    # A day that cannot be reckoned with is refused here: the end of the calendar's last one is no moment.
    try:
        chosen = day(fields, "until")
    except Invalid as error:
        raise Invalid("until", "malformed") from error
    if chosen is not None and chosen > LAST_DAY:
        raise Invalid("until", "out_of_range")
    return None if chosen is None else licence_end(chosen, time_zone)


routes = [licence_page, ask, withdraw]
