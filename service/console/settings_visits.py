"""Visits: whom the account lets in, with which rights; who came under each permission; and the end of it."""

from typing import Any
from uuid import UUID, uuid4

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console import sent_once
from service.console.forms import Fields
from service.console.role_matrix import by_section
from service.console.routes import form, page
from service.console.settings_words import refusal_in_words, tabs
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from service.paging import read_page
from tenants import brands, visit_permissions
from tenants.accounts import Account, find_names, find_operator, get_account
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError, Invalid, NotFound, OptionMissing, Unavailable
from tenants.house import House as HouseOf
from tenants.roles import Palette, read_palette
from tenants.visit_history import PastVisit, find_visits
from tenants.visit_permissions import LONGEST_REASON, PermissionState, Visitor, VisitPermission

_ROWS = 20


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {
    "allowed": _("The visit is allowed. It can be made from now on."),
    "revoked": _("The permission is taken back. Whoever was there has left."),
}
#: How a permission stands, and the shape that stands for it.
_STATES: dict[PermissionState, tuple[str, str]] = {
    "open": ("active", _("Open")),
    "used": ("none", _("Used")),
    "revoked": ("struck_off", _("Taken back")),
}
_TYPED = ("visitor", "how", "role", "reason", "once")


@page("/settings/visits", right="account.view")
async def visits_page(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Every permission, newest first, each with its latest visits; and the form for another one."""
    return await _show(view, session, house, actor)


@form("/settings/visits", right="account.manage")
async def allow(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Let people of the account's seller, or of the operator, in."""
    fields = await view.fields()
    mark = sent_once.mark_of(house, "/settings/visits", fields, _TYPED)
    try:
        async with work() as session:
            if await sent_once.is_first(session, actor, mark):
                await visit_permissions.allow_visits(session, house.catalogue, actor, **_wanted(fields))
                await sent_once.keep(session, actor, mark)
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        typed = {name: fields.text(name) for name in _TYPED}
        async with work() as session:
            return await _show(view, session, house, actor, typed=typed, error=error)
    return view.go("/settings/visits", done="allowed")


@form("/settings/visits/{permission_id:uuid}/revoke", right="account.manage")
async def revoke(permission_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor) -> Answer:
    """Take a permission back; visits under it end at once."""
    await visit_permissions.revoke_visits(session, actor, permission_id)
    return view.go("/settings/visits", done="revoked")


def _wanted(fields: Fields) -> dict[str, Any]:
    visitor, how, role = fields.text("visitor"), fields.text("how"), fields.text("role")
    if visitor not in {"reseller", "operator"}:
        raise Invalid("visitor", "required")
    if how not in {"once", "until"}:
        raise Invalid("how", "required")
    if not role:
        raise Invalid("role", "required")
    return {"visitor": visitor, "once": how == "once", "role": role, "reason": fields.text("reason") or None}


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    typed: dict[str, str] | None = None,
    error: DomainError | None = None,
) -> Answer:
    account = await get_account(session, actor.account_id)
    if account.parent_id is None:
        # Nobody stands above the operator: there is no such page.
        raise NotFound
    return view.show(
        "settings_visits.html",
        here="/settings/visits",
        brand=await brands.find_brand(session),
        said=None if error else view.said(SAID),
        tabs=tabs(actor),
        tab="/settings/visits",
        **await _permissions(view, session, house, account),
        zone=account.time_zone,
        visitors=await _visitors(session, account),
        roles=[("", view.say("Choose…")), *_roles(view, actor, await read_palette(session, house.catalogue, actor.account_kind))],
        typed=typed or {"visitor": "", "how": "once", "role": "", "reason": "", "once": str(uuid4())},
        longest=LONGEST_REASON,
        **refusal_in_words(view, error),
    )


async def _permissions(view: View, session: AsyncSession, house: HouseOf, account: Account) -> dict[str, Any]:
    cursor = view.request.query_params.get("cursor") or None
    rows, more = await read_page(
        session,
        visit_permissions.search_permissions(account.id),
        columns={"given_at": VisitPermission.given_at},
        key=VisitPermission.id,
        sort="-given_at",
        limit=_ROWS,
        cursor=cursor,
        signer=house.signer,
        of=f"visits|{account.id}",
    )
    names = await find_names(session, {row.visitor_account_id for row in rows})
    visits = await find_visits(session, [row.id for row in rows])
    return {
        "permissions": [_line(view, house, row, names[row.visitor_account_id], visits.get(row.id, [])) for row in rows],
        "more": f"/settings/visits?cursor={more}" if more else None,
        "beyond_first": cursor is not None,
    }


async def _visitors(session: AsyncSession, account: Account) -> list[tuple[Visitor, str]]:
    operator = await find_operator(session)
    found: list[tuple[Visitor, str]] = []
    if account.parent_id is not None and (operator is None or account.parent_id != operator.id):
        found.append(("reseller", (await get_account(session, account.parent_id)).name))
    return [*found, ("operator", operator.name)] if operator else found


def _roles(view: View, actor: ActorOf, palette: Palette) -> list[tuple[str, str]]:
    found = []
    for key in (*palette.catalogue.roles, *palette.own):
        if palette.gives(key) and actor.may_give(palette.gives(key), None):
            try:
                found.append((palette.must_know(key), palette.name_of(key, view.language)))
            except OptionMissing:
                continue
    return found


def _line(view: View, house: HouseOf, row: VisitPermission, visitor: str, visits: list[PastVisit]) -> dict[str, Any]:
    shape, words = _STATES[row.state]
    return {
        "id": row.id,
        "visitor": visitor,
        "shape": shape,
        "words": view.say(words),
        "open": row.state == "open" or any(visit.ended_at is None for visit in visits),
        "once": row.once,
        "reason": row.reason,
        "given_by": row.given_by,
        "given_at": row.given_at,
        "revoked_by": row.revoked_by,
        "revoked_at": row.revoked_at,
        "count": len(row.rights),
        "rights": by_section(house.catalogue, view.language, frozenset(row.rights)),
        "visits": visits,
    }


routes = [visits_page, allow, revoke]
