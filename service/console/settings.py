"""The settings of the account: what it is called and whose clock it keeps, what is hidden in it, and how its places are shared."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy.ext.asyncio import AsyncSession

from service.console.forms import Fields
from service.console.routes import form, page
from service.console.settings_words import done, refusal_in_words, saved, tabs
from service.console.typed_terms import needed_number
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from tenants import brands, licences
from tenants.account_settings import change_account
from tenants.accounts import ACTIVITY_MONTHS, IDLE_MINUTES, RECLAIM_MINUTES, SESSIONS_PER_USER, Account, get_account
from tenants.activity_intake import OPTION as DOCUMENTS
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError, Invalid, Unavailable
from tenants.house import House as HouseOf
from tenants.restrictions import find_hidden

_REGIONS = ("Europe", "Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Indian", "Pacific")
_Open = Callable[[], AbstractAsyncContextManager[AsyncSession]]
_Wanted = Callable[[Fields], dict[str, Any]]


@page("/settings", right="account.view")
async def settings_page(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Name, language and time zone; first passwords; sections hidden from whoever is no administrator."""
    return await _show_account(view, session, house, actor)


@page("/settings/places", right="account.view")
async def places_page(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """How the places of the licence are shared."""
    return await _show_places(view, session, house, actor)


@form("/settings", right="account.manage")
async def save_account(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Name, language and time zone."""
    return await _save(view, work, house, actor, wanted=_identity, card="account")


@form("/settings/passwords", right="account.manage")
async def save_passwords(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Whether administrators may set the first password of somebody new."""
    return await _save(
        view, work, house, actor, wanted=lambda f: {"admin_sets_password": bool(f.text("admin_sets_password"))}, card="passwords"
    )


@form("/settings/hidden", right="account.manage")
async def save_hidden(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Hide exactly the ticked sections from everybody who is no administrator."""
    return await _save(view, work, house, actor, wanted=lambda f: {"restrictions": f.several("section")}, card="hidden")


@form("/settings/history", right="account.manage")
async def save_history(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """How long the history is kept, and what becomes of what the application reports of documents. Fewer months must be ticked off."""
    return await _save(view, work, house, actor, wanted=_history, card="history")


@form("/settings/places", right="account.manage")
async def save_places(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """What takes a place, and when it comes free."""
    return await _save(view, work, house, actor, wanted=_policy, card="places")


async def _save(view: View, work: _Open, house: HouseOf, actor: ActorOf, *, wanted: _Wanted, card: str) -> Answer:
    fields = await view.fields()
    try:
        async with work() as session:
            asked = wanted(fields)
            await _must_mean_it(session, actor, asked, fields)
            _account, changed = await change_account(session, house.catalogue, actor, wanted=asked)
    except Unavailable:
        raise
    except DomainError as error:
        show = _show_places if card == "places" else _show_account
        async with work() as session:
            return await show(view, session, house, actor, typed=fields, card=card, error=error)
    return view.go("/settings/places" if card == "places" else "/settings", done=done(changed))


def _identity(fields: Fields) -> dict[str, Any]:
    return {name: fields.text(name) for name in ("name", "language", "time_zone")}


def _history(fields: Fields) -> dict[str, Any]:
    return {"activity_documents": fields.text("activity_documents"), "activity_months": needed_number(fields, "activity_months")}


async def _must_mean_it(session: AsyncSession, actor: ActorOf, asked: dict[str, Any], fields: Fields) -> None:
    # What a shorter time forgets does not come back with a longer one.
    months = asked.get("activity_months")
    if months is None or months not in ACTIVITY_MONTHS or fields.text("forget"):
        return
    account = await get_account(session, actor.account_id)
    if months < account.activity_months:
        raise Invalid("activity_months", "forgets")


def _policy(fields: Fields) -> dict[str, Any]:
    match fields.text("card"):
        case "taken":
            return {"seat_unit": fields.text("seat_unit"), "sessions_per_user": needed_number(fields, "sessions_per_user")}
        case "freed":
            reclaims = fields.text("reclaims") == "after"
            return {
                "idle_timeout": needed_number(fields, "idle_timeout"),
                "reclaim_after": needed_number(fields, "reclaim_after") if reclaims else None,
            }
        case _:
            return {"show_holders": bool(fields.text("show_holders"))}


async def _show_account(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    typed: Fields | None = None,
    card: str = "",
    error: DomainError | None = None,
) -> Answer:
    account = await get_account(session, actor.account_id)
    hidden = await find_hidden(session, "account")
    kept = ("name", "language", "time_zone", "admin_sets_password", "activity_documents", "activity_months")
    shown = {name: getattr(account, name) for name in kept}
    if typed is not None and card == "account":
        shown |= _identity(typed)
    if typed is not None and card == "passwords":
        shown["admin_sets_password"] = bool(typed.text("admin_sets_password"))
    if typed is not None and card == "history":
        shown |= {name: typed.text(name) for name in ("activity_documents", "activity_months")}
    if typed is not None and card == "hidden":
        hidden = frozenset(typed.several("section"))
    here = [section for section in house.catalogue.sections if actor.account_kind in section.account_kinds]
    return view.show(
        "settings.html",
        here="/settings",
        typed=shown,
        zones=_zones(account.time_zone),
        months=ACTIVITY_MONTHS,
        documents_included=DOCUMENTS in (await licences.get_licence(session)).options,
        forgets=isinstance(error, Invalid) and error.problem == "forgets",
        groups=[
            (part, [(s.key, s.label[view.language], s.key in hidden) for s in here if s.administration == part])
            for part in (False, True)
        ],
        **await _head(view, session, actor, "/settings", error),
    )


async def _show_places(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    typed: Fields | None = None,
    card: str = "",
    error: DomainError | None = None,
) -> Answer:
    account = await get_account(session, actor.account_id)
    return view.show(
        "settings_places.html",
        here="/settings/places",
        typed=_of_account(account) | (_as_typed(typed) if typed else {}),
        ranges={"sessions_per_user": SESSIONS_PER_USER, "idle_timeout": IDLE_MINUTES, "reclaim_after": RECLAIM_MINUTES},
        **await _head(view, session, actor, "/settings/places", error),
    )


def _of_account(account: Account) -> dict[str, Any]:
    return {
        "seat_unit": account.seat_unit,
        "sessions_per_user": str(account.sessions_per_user),
        "idle_timeout": str(account.idle_timeout),
        "reclaims": account.reclaim_after is not None,
        "reclaim_after": str(account.reclaim_after or account.idle_timeout),
        "show_holders": account.show_holders,
    }


def _as_typed(fields: Fields) -> dict[str, Any]:
    # Of the card that was sent; the others stand as they are kept.
    if fields.text("card") == "taken":
        return {name: fields.text(name) for name in ("seat_unit", "sessions_per_user")}
    texts = {name: fields.text(name) for name in ("idle_timeout", "reclaim_after")}
    return {**texts, "reclaims": fields.text("reclaims") == "after"}


async def _head(view: View, session: AsyncSession, actor: ActorOf, tab: str, error: DomainError | None) -> Mapping[str, Any]:
    return {
        "brand": await brands.find_brand(session),
        "said": None if error else saved(view),
        "tabs": tabs(actor),
        "tab": tab,
        **refusal_in_words(view, error),
    }


@cache
def _every_zone() -> dict[str, list[str]]:
    # A walk through the system's files, once.
    names = sorted(available_timezones())
    return {region: [name for name in names if name.startswith(f"{region}/")] for region in _REGIONS} | {"UTC": ["UTC"]}


def _zones(present: str) -> dict[str, list[str]]:
    known = _every_zone()
    return known if any(present in names for names in known.values()) else {present: [present], **known}


routes = [settings_page, places_page, save_account, save_passwords, save_hidden, save_history, save_places]
