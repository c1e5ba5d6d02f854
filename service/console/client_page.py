"""One client as its seller sees it: how its places are used, where its licence stands, and what can be done about the account."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.advice_words import sentences
from service.console.browser import home_cookie, home_key, no_home_cookie, session_cookie
from service.console.client_words import PHASES, SHAPES, plan_name, status_words, wrong
from service.console.day_bars import day_bars
from service.console.routes import form, page
from service.console.typed_terms import needed_number
from service.console.view import Answer, View, ViewOf, status_of
from service.console.visits import LENGTHS
from service.dependencies import Actor, House, Session, Work
from service.overview_words import attention
from service.routes import Open
from tenants import boosts, brands, licences, resellers
from tenants.accounts import AccountStatus, account_name
from tenants.actors import Actor as ActorOf
from tenants.advice import advise
from tenants.client_figures import SHOWN_DAYS
from tenants.client_lists import Client, read_clients
from tenants.database import enter
from tenants.errors import DomainError, Invalid, NotFound
from tenants.house import House as HouseOf
from tenants.licence_phases import day_of
from tenants.seat_requests import find_open
from tenants.subtrees import REOPENED_WITHIN
from tenants.usage import read_days
from tenants.visit_permissions import find_offer
from tenants.visiting import begin_visit

_STATUSES: dict[str, AccountStatus] = {"suspend": "suspended", "close": "closed", "reopen": "active"}


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


DONE = {
    "created": _("The client is created, and the invitation is on its way."),
    "renamed": _("The name is changed."),
    "suspend": _("The account is suspended. Everybody in it is signed out."),
    "close": _("The account is closed. Everybody in it is signed out, and its places are back in your pool."),
    "reopen": _("The account is open again. Its people can sign in."),
}


@page("/clients/{account_id:uuid}", right="clients.view")
async def client_page(account_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """The client's use of its places in thirty days, and what can be done."""
    return await _show(view, session, house, actor, account_id)


@form("/clients/{account_id:uuid}/name", right="clients.manage")
async def rename(account_id: FromPath[UUID], view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Call the account something else."""
    typed = (await view.fields()).text("name")
    try:
        async with work() as session:
            await resellers.change_child(session, actor, account_id, name=account_name(typed))
    except Invalid as error:
        return await _show_again(view, work, house, actor, account_id, error=error, typed={"name": typed})
    return view.go(f"/clients/{account_id}", done="renamed")


@form("/clients/{account_id:uuid}/status", right="clients.manage")
async def change_status(account_id: FromPath[UUID], view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Suspend the account, close it, or open it again."""
    wanted = (await view.fields()).text("status")
    if wanted not in _STATUSES:
        raise Invalid("status", "unknown")
    try:
        async with work() as session:
            await resellers.change_child(session, actor, account_id, status=_STATUSES[wanted])
    except NotFound:
        raise
    except DomainError as error:
        return await _show_again(view, work, house, actor, account_id, error=error)
    return view.go(f"/clients/{account_id}", done=wanted)


@form("/clients/{account_id:uuid}/visit", right="clients.manage")
async def visit(account_id: FromPath[UUID], view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Enter the client's account in this browser. The session that one comes from is kept, and the end of the visit leads back to it."""
    fields = await view.fields()
    try:
        async with work() as session:
            minutes, tokens = needed_number(fields, "minutes"), house.tokens
            begun = await begin_visit(
                session, house.catalogue, tokens, actor, account_id, reason=fields.text("reason"), minutes=minutes
            )
    except NotFound:
        raise
    except DomainError as error:
        typed = {name: fields.text(name) for name in ("reason", "minutes")}
        return await _show_again(view, work, house, actor, account_id, error=error, typed=typed)
    return view.go("/", cookies=[session_cookie(begun.token.text), home_cookie(view.cookie_token)])


@form("/visit/return", right=Open.TO_ANYONE, sync_to_thread=False)
def come_back(view: ViewOf, house: House) -> Answer:
    """After a visit that ended by itself: back to the session that it began from, if this browser came from one."""
    if home_key(view.request, house) is None:
        return view.go("/login", cookies=[no_home_cookie()])
    return view.go("/clients?done=visited", cookies=view.home_cookies)


async def _show_again(
    view: View, work: Work, house: HouseOf, actor: ActorOf, account_id: UUID, *, error: DomainError, **facts: Any
) -> Answer:
    async with work() as session:
        return await _show(view, session, house, actor, account_id, status=status_of(error), **wrong(view, error), **facts)


async def _show(
    view: View, session: AsyncSession, house: HouseOf, actor: ActorOf, account_id: UUID, *, status: int = 200, **told: Any
) -> Answer:
    client = await get_client(session, account_id)
    allowed = actor.visit is None and await find_offer(session, account_id) is not None
    brand = await brands.find_brand(session)
    await enter(session, account_id)
    known: dict[str, Any] = {"complaints": [], "notice": None, "typed": {}}
    typed = {"name": client.name, "reason": "", "minutes": "60"} | told.pop("typed", {})
    return view.show(
        "client.html",
        status=status,
        here=f"/clients/{account_id}",
        brand=brand,
        said=view.said(DONE),
        client=client,
        shape=SHAPES[client.standing],
        statuses=status_words(view),
        attention=attention(view.language, client),
        plan=plan_name(house.catalogue, client.plan, view.language),
        held=(await house.seats.presence(account_id)).in_use,
        request=await find_open(session),
        phase=view.say(PHASES[(await licences.read_stage(session)).phase]),
        allowed=allowed,
        reopen_until=client.closed_at + REOPENED_WITHIN if client.closed_at else None,
        lengths=LENGTHS,
        **await _use(view, session, house, client),
        **(known | told | {"typed": typed}),
    )


async def get_client(session: AsyncSession, account_id: UUID) -> Client:
    """A child of the account entered, or NotFound."""
    found = await read_clients(session, [account_id])
    if not found:
        raise NotFound
    return found[0]


async def _use(view: View, session: AsyncSession, house: HouseOf, client: Client) -> dict[str, Any]:
    now = await boosts.database_now(session)
    today = day_of(now, client.time_zone)
    days = await read_days(session, await house.seats.figures(client.id), since=today - timedelta(days=SHOWN_DAYS - 1))
    return {
        "now": now,
        "chart": day_bars(days, until=today, days=SHOWN_DAYS, cap=client.seats + client.boosted),
        "days": list(reversed(days)),
        "advice": sentences(view.language, advise(days, seats=client.seats)),
    }


routes = [client_page, rename, change_status, visit, come_back]
