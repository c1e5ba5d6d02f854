"""Accounts that let the reader's own in, clients of its resellers too; and the visit that begins from there."""

from typing import Any
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.browser import home_cookie, session_cookie
from service.console.client_words import wrong
from service.console.routes import form, page
from service.console.typed_terms import needed_number
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Session, Work
from service.paging import Cursor, read_page
from tenants import brands
from tenants.accounts import find_names, get_account
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError, NotFound, Unavailable, VisitNotAllowed
from tenants.visit_permissions import VisitPermission, find_offer, search_offers
from tenants.visiting import begin_visit

#: Minutes that a visit can be chosen to last.
LENGTHS = (15, 30, 60, 120, 240, 480)
_ROWS = 30


@page("/visits", right="clients.manage")
async def offers_page(view: ViewOf, session: Session, actor: Actor, house: House, cursor: Cursor = None) -> Answer:
    """Who lets the reader's account in now, the newest permission first."""
    actor.must_belong_here()
    rows, more = await read_page(
        session,
        search_offers(actor.account_id),
        columns={"given_at": VisitPermission.given_at},
        key=VisitPermission.id,
        sort="-given_at",
        limit=_ROWS,
        cursor=cursor or None,
        signer=house.signer,
        of=f"offers|{actor.account_id}",
    )
    names = await find_names(session, {row.account_id for row in rows})
    return view.show(
        "visits.html",
        brand=await brands.find_brand(session),
        zone=(await get_account(session, actor.account_id)).time_zone,
        offers=[(row, names[row.account_id]) for row in rows],
        more=f"/visits?cursor={more}" if more else None,
        first=bool(cursor),
    )


@page("/visits/{account_id:uuid}", right="clients.manage")
async def offer_page(account_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor) -> Answer:
    """Asks why, and for how long."""
    return await _show(view, session, actor, account_id)


@form("/visits/{account_id:uuid}", right="clients.manage")
async def visit(account_id: FromPath[UUID], view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Enter the account in this browser. The session that one comes from is kept, and the end of the visit leads back to it."""
    fields = await view.fields()
    try:
        async with work() as session:
            minutes = needed_number(fields, "minutes")
            begun = await begin_visit(
                session, house.catalogue, house.tokens, actor, account_id, reason=fields.text("reason"), minutes=minutes
            )
    except (NotFound, Unavailable):
        raise
    except VisitNotAllowed:
        # It was taken back meanwhile; the client's page says so, and whom to ask.
        return view.go(f"/clients/{account_id}")
    except DomainError as error:
        typed = {name: fields.text(name) for name in ("reason", "minutes")}
        async with work() as session:
            return await _show(view, session, actor, account_id, typed=typed, status=status_of(error), **wrong(view, error))
    return view.go("/", cookies=[session_cookie(begun.token.text), home_cookie(view.cookie_token)])


async def _show(view: View, session: AsyncSession, actor: ActorOf, account_id: UUID, *, status: int = 200, **told: Any) -> Answer:
    actor.must_belong_here()
    if await find_offer(session, account_id) is None:
        raise NotFound
    known: dict[str, Any] = {"complaints": [], "notice": None, "typed": {"reason": "", "minutes": "60"}}
    return view.show(
        "visit.html",
        status=status,
        here=f"/visits/{account_id}",
        brand=await brands.find_brand(session),
        client={"id": account_id, "name": (await find_names(session, [account_id]))[account_id]},
        lengths=LENGTHS,
        **(known | told),
    )


routes = [offers_page, offer_page, visit]
