"""A seller's clients: those first that need attention, found, filtered, and taken along as a table; and how a new one begins."""

from typing import Annotated, Any, get_args
from urllib.parse import urlencode
from uuid import UUID

from litestar.params import QueryParameter
from litestar.response import Stream
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.client_pages import Wanted, clients_at_work, page_of_clients
from service.client_tables import clients_csv
from service.console.client_words import SHAPES, plan_name, status_words, wrong
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Session, Work
from service.overview_words import REASONS, attention
from service.paging import Cursor
from service.problems import say as say_problem
from tenants import brands, pools, resellers
from tenants.accounts import Account, AccountStatus
from tenants.actors import Actor as ActorOf
from tenants.catalogue import LANGUAGES, AccountKind
from tenants.client_lists import Attention, Client
from tenants.errors import AlreadyExists, DomainError, Invalid
from tenants.house import House as HouseOf
from tenants.resellers import NewAdministrator, Prospect
from tenants.texts import one_line

_AT_ONCE = 30
_SORTS = ("attention", "name", "-created_at")
_TYPED = ("name", "slug", "kind", "plan", "language", "email", "person")


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


DONE = {"created": _("The client is created, and the invitation is on its way."), "visited": _("The visit is over. You are back.")}
Q = Annotated[str | None, QueryParameter(max_length=100, required=False, description="Part of name or slug")]
Choice = Annotated[str | None, QueryParameter(max_length=30, required=False, description="One of the list; anything else is all")]


@page("/clients", right="clients.view")
async def clients_page(
    view: ViewOf,
    *,
    session: Session,
    actor: Actor,
    house: House,
    q: Q = None,
    status: Choice = None,
    reason: Choice = None,
    kind: Choice = None,
    sort: Choice = None,
    cursor: Cursor = None,
) -> Answer:
    """The caller's own clients, most urgent first."""
    wanted = _wanted(actor, q, status, reason, kind)
    order = sort if sort in _SORTS else _SORTS[0]
    ids, following = await page_of_clients(
        session, house, wanted, of="client pages", sort=order, limit=_AT_ONCE, cursor=cursor or None
    )
    chosen = {"q": wanted.q, "status": wanted.status, "reason": wanted.attention, "kind": wanted.kind}
    filters = urlencode({name: value for name, value in chosen.items() if value})
    here = urlencode({name: value for name, value in {**chosen, "sort": order if sort else None}.items() if value})
    return view.show(
        "clients.html",
        brand=await brands.find_brand(session),
        said=view.said(DONE),
        clients=[_row(view, house, client, held) for client, held in await clients_at_work(session, house, ids)],
        typed={**{name: value or "" for name, value in chosen.items()}, "sort": order},
        filtered=bool(filters),
        export=f"/clients/export?{filters}" if filters else "/clients/export",
        start=f"/clients?{here}" if here else "/clients",
        more=f"/clients?{urlencode({'cursor': following})}{'&' + here if here else ''}" if following else None,
        first=bool(cursor),
        statuses=status_words(view),
        reasons={name: say_problem(view.language, text) for name, text in REASONS.items()},
    )


@page("/clients/export", right="clients.view", media_type="text/csv")
async def export(
    view: ViewOf,
    *,
    actor: Actor,
    house: House,
    work: Work,
    q: Q = None,
    status: Choice = None,
    reason: Choice = None,
    kind: Choice = None,
) -> Stream:
    """The clients of the list by name, as CSV."""
    return await clients_csv(work, house, _wanted(actor, q, status, reason, kind), view.language)


@page("/clients/new", right="clients.manage")
async def new_page(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Asks who the new client is, what it buys, and who looks after it there."""
    typed = dict.fromkeys(_TYPED, "") | {"kind": "client", "plan": next(iter(house.catalogue.plans)), "language": actor.language}
    return await _show_new(view, session, house, typed)


@form("/clients/new", right="clients.manage")
async def create(view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Show what would be created and what it takes of the pool; create it once that was seen; or go back to change it."""
    fields = await view.fields()
    typed = {name: fields.text(name).strip() for name in _TYPED}
    if fields.text("decision") == "change":
        async with work() as session:
            return await _show_new(view, session, house, typed)
    try:
        async with work() as session:
            if fields.text("decision") != "create":
                return await _show_review(view, session, house, typed, await _foreseen(session, house, actor, typed))
            account_id = await _create(session, house, actor, typed)
    except DomainError as error:
        return await _refused(view, work, house, actor, typed=typed, error=error)
    return view.go(f"/clients/{account_id}", done="created")


async def _foreseen(session: AsyncSession, house: HouseOf, actor: ActorOf, typed: dict[str, str]) -> Prospect:
    one_line("person", typed["person"], longest=120, shortest=0)
    return await resellers.preview_account(
        session,
        house.catalogue,
        actor,
        name=typed["name"],
        plan=typed["plan"],
        email=typed["email"],
        kind=_kind(typed),
        slug=typed["slug"] or None,
    )


async def _create(session: AsyncSession, house: HouseOf, actor: ActorOf, typed: dict[str, str]) -> UUID:
    one_line("person", typed["person"], longest=120, shortest=0)
    account, _, _ = await resellers.create_account(
        session,
        house.catalogue,
        actor,
        name=typed["name"],
        plan=typed["plan"],
        administrator=NewAdministrator(typed["email"], typed["person"] or None),
        kind=_kind(typed),
        slug=typed["slug"] or None,
        language=typed["language"] if typed["language"] in LANGUAGES else None,
    )
    return account.id


async def _refused(view: View, work: Work, house: HouseOf, actor: ActorOf, *, typed: dict[str, str], error: DomainError) -> Answer:
    async with work() as session:
        # Whoever pressed twice has the client already.
        mine = select(Account.id).where(
            Account.slug == typed["slug"], Account.parent_id == actor.account_id, Account.name == typed["name"]
        )
        made = await session.scalar(mine) if (await view.fields()).text("decision") == "create" else None
        if made is not None:
            return view.go(f"/clients/{made}", done="created")
        taken = isinstance(error, AlreadyExists) and error.facts["what"] == "slug"
        told = wrong(view, Invalid("slug", "taken", **error.facts) if taken else error)
        return await _show_new(view, session, house, typed, status=status_of(error), **told)


async def _show_new(
    view: View, session: AsyncSession, house: HouseOf, typed: dict[str, str], *, status: int = 200, **told: Any
) -> Answer:
    known: dict[str, Any] = {"complaints": [], "notice": None}
    return view.show(
        "client_new.html",
        status=status,
        here="/clients/new",
        brand=await brands.find_brand(session),
        typed=typed,
        plans=list(house.catalogue.plans.values()),
        pools={each.what: each for each in await pools.read_pools(session)},
        **(known | told),
    )


async def _show_review(view: View, session: AsyncSession, house: HouseOf, typed: dict[str, str], prospect: Prospect) -> Answer:
    return view.show(
        "client_review.html",
        here="/clients/new",
        brand=await brands.find_brand(session),
        typed=typed | {"name": prospect.name, "slug": prospect.slug},
        prospect=prospect,
        plan=plan_name(house.catalogue, prospect.terms["plan"], view.language),
    )


def _kind(typed: dict[str, str]) -> AccountKind:
    return "reseller" if typed["kind"] == "reseller" else "client"


def _wanted(actor: ActorOf, q: str | None, status: str | None, reason: str | None, kind: str | None) -> Wanted:
    # What a list does not know is left out: the address may be an old one.
    return Wanted(
        actor.account_id,
        q or None,
        next((each for each in get_args(AccountStatus) if each == status), None),
        next((each for each in get_args(Attention) if each == reason), None),
        next((each for each in get_args(AccountKind) if each == kind), None),
    )


def _row(view: View, house: HouseOf, client: Client, held: int) -> dict[str, Any]:
    return {
        "client": client,
        "held": held,
        "shape": SHAPES[client.standing],
        "attention": attention(view.language, client),
        "plan": plan_name(house.catalogue, client.plan, view.language),
    }


routes = [clients_page, export, new_page, create]
