"""API keys of the account: listed, made and shown once, revoked for good."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console import sent_once
from service.console.forms import Fields
from service.console.routes import form, page
from service.console.settings_words import refusal_in_words, tabs
from service.console.typed_terms import day
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from service.paging import read_page
from tenants import api_keys, brands
from tenants.accounts import get_account
from tenants.actors import Actor as ActorOf
from tenants.api_keys import LONGEST_NAME, OPTION, ApiKey, KeyScope
from tenants.errors import DomainError, Invalid, NotFound, Unavailable
from tenants.house import House as HouseOf
from tenants.licence_phases import licence_end
from tenants.licences import LAST_DAY, get_licence

_ROWS = 20


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {
    "revoked": _("The key is revoked. Nothing gets in with it any more."),
    "made": _("This key was made already, and its text is shown only once. If it is lost, revoke the key and make another one."),
}
#: What a key may be used for: its name, and what that means.
_SCOPES: dict[str, tuple[str, str]] = {
    "sessions.introspect": (
        _("Check connections"),
        _("Ask who is signed in behind a token, in which role and with which rights."),
    ),
    "activity.write": (
        _("Add to the history"),
        _("Report what happens to documents in your application. It reads nothing."),
    ),
}


@page("/settings/keys", right="integrations.view")
async def keys_page(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Every key that the account has or had, newest first."""
    return await _show(view, session, house, actor)


@form("/settings/keys", right="integrations.manage")
async def make_key(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Make a key, and show its text: here, and never again."""
    fields = await view.fields()
    mark = sent_once.mark_of(house, "/settings/keys", fields, ("name", "scope", "expires_on"))
    try:
        async with work() as session:
            if not await sent_once.is_first(session, actor, mark):
                return view.go("/settings/keys", done="made")
            wanted = await _wanted(session, actor, fields)
            made = await api_keys.create_key(session, house.signer, actor, **wanted)
            await sent_once.keep(session, actor, mark)
            brand = await brands.find_brand(session)
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        typed = {**{name: fields.text(name) for name in ("name", "expires_on", "once")}, "scope": fields.several("scope")}
        async with work() as session:
            return await _show(view, session, house, actor, typed=typed, error=error)
    return view.show("settings_key_made.html", here="", brand=brand, name=made.key.name, key=made.text)


@form("/settings/keys/{key_id:uuid}/revoke", right="integrations.manage")
async def revoke(key_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor) -> Answer:
    """End a key, at once and for good."""
    await api_keys.revoke_key(session, actor, key_id)
    return view.go("/settings/keys", done="revoked")


async def _wanted(session: AsyncSession, actor: ActorOf, fields: Fields) -> dict[str, Any]:
    known = {scope.value: scope for scope in KeyScope}
    scopes = fields.several("scope")
    if not set(scopes) <= known.keys():
        raise Invalid("scopes", "unknown")
    last_day = day(fields, "expires_on")
    if last_day is not None and last_day > LAST_DAY:
        raise Invalid("expires_at", "out_of_range")
    zone = (await get_account(session, actor.account_id)).time_zone
    return {
        "name": fields.text("name"),
        "scopes": [known[word] for word in scopes],
        "expires_at": None if last_day is None else licence_end(last_day, zone),
    }


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    typed: dict[str, Any] | None = None,
    error: DomainError | None = None,
) -> Answer:
    return view.show(
        "settings_keys.html",
        here="/settings/keys",
        brand=await brands.find_brand(session),
        said=None if error else view.said(SAID),
        tabs=tabs(actor),
        tab="/settings/keys",
        **await _keys(view, session, house, actor.account_id),
        included=OPTION in (await get_licence(session)).options,
        zone=(await get_account(session, actor.account_id)).time_zone,
        scopes=[(scope.value, *_scope(view, scope.value), actor.may_give(scope.needs, None)) for scope in KeyScope],
        typed=typed or {"name": "", "scope": [], "expires_on": "", "once": str(uuid4())},
        longest=LONGEST_NAME,
        **refusal_in_words(view, error),
    )


async def _keys(view: View, session: AsyncSession, house: HouseOf, account_id: UUID) -> dict[str, Any]:
    cursor = view.request.query_params.get("cursor") or None
    rows, more = await read_page(
        session,
        api_keys.search_keys(account_id),
        columns={"created_at": ApiKey.created_at},
        key=ApiKey.id,
        sort="-created_at",
        limit=_ROWS,
        cursor=cursor,
        signer=house.signer,
        of=f"api_keys|{account_id}",
    )
    return {
        "keys": [_line(view, row) for row in rows],
        "more": f"/settings/keys?cursor={more}" if more else None,
        "beyond_first": cursor is not None,
    }


def _scope(view: View, word: str) -> tuple[str, str]:
    name, meaning = _SCOPES.get(word, ("", ""))
    return (view.say(name), view.say(meaning)) if name else (word, "")


def _line(view: View, row: ApiKey) -> dict[str, Any]:
    expired = row.expires_at is not None and row.expires_at <= datetime.now(UTC)
    shape, words = ("active", view.say("In force"))
    if row.revoked_at is not None:
        shape, words = "struck_off", view.say("Revoked")
    elif expired:
        shape, words = "none", view.say("Expired")
    return {
        "id": row.id,
        "name": row.name,
        "shape": shape,
        "words": words,
        "live": row.revoked_at is None and not expired,
        "begins": row.prefix,
        "ends": row.ending,
        "scopes": ", ".join(_scope(view, word)[0] for word in row.scopes),
        "created_by": row.created_by,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "expires_at": row.expires_at,
        "revoked_by": row.revoked_by,
        "revoked_at": row.revoked_at,
    }


routes = [keys_page, make_key, revoke]
