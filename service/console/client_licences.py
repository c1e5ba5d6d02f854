"""A client's licence: what it has, what a change would do before anybody makes it, the change, and every change before."""

from typing import Any
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.client_page import get_client
from service.console.client_words import (
    FIELD_LABELS,
    OPTION_LABELS,
    OVERSELLING_LABELS,
    PHASES,
    labels,
    wrong,
)
from service.console.forms import Fields
from service.console.licence_lines import change_line, written_term
from service.console.routes import form, page
from service.console.typed_terms import day, needed_number, number
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Session, Work
from tenants import brands, licences, resellers
from tenants.accounts import find_names
from tenants.actors import Actor as ActorOf
from tenants.catalogue import OPTIONS, Plan
from tenants.client_lists import Client
from tenants.database import enter
from tenants.departments import count_departments
from tenants.errors import DomainError, Invalid, NotFound, VersionConflict
from tenants.house import House as HouseOf
from tenants.licence_previews import Foresight, foresee
from tenants.licences import OVERSELLING, Licence
from tenants.texts import one_line

_NUMBERS = ("users", "departments", "seats", "accountant_seats", "pool_seats", "pool_users")
_TYPED = ("plan", *_NUMBERS, "overselling", "starts_on", "ends_on", "reason", "version")
_SHOWN_CHANGES = 30


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


DONE = {"saved": _("The licence is changed. It works from the next request on.")}


@page("/clients/{account_id:uuid}/licence", right="clients.view")
async def licence_page(account_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """The licence as it is, to be changed, and its history."""
    return await _show(view, session, house, actor, account_id=account_id)


@form("/clients/{account_id:uuid}/licence", right="clients.manage")
async def change_licence(account_id: FromPath[UUID], view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Tell what the change would do; make it once that was seen; or go back, or take the limits of the plan, and change nothing."""
    fields = await view.fields()
    decision = fields.text("decision")
    typed = _typed(fields)
    if decision in {"change", "plan"}:
        plan = house.catalogue.plans.get(typed["plan"]) if decision == "plan" else None
        async with work() as session:
            return await _show(view, session, house, actor, account_id=account_id, typed=typed | (_of_plan(plan) if plan else {}))
    try:
        async with work() as session:
            client = await get_client(session, account_id)
            wanted, reason = _wanted(fields, client), one_line("reason", typed["reason"], longest=300, shortest=0) or None
            if decision != "save":
                seen = await foresee(session, house.catalogue, house.seats, actor, account_id, wanted=wanted)
                await enter(session, actor.account_id)
                return await _show_preview(view, session, house, client, typed=typed, seen=seen)
            version = needed_number(fields, "version")
            await resellers.set_licence(session, house.catalogue, actor, account_id, wanted=wanted, version=version, reason=reason)
    except NotFound:
        raise
    except DomainError as error:
        # Saved again, what was typed replaces what somebody else wrote: their change is in the history below.
        fresh = {"version": str(error.facts["version"])} if isinstance(error, VersionConflict) else {}
        async with work() as session:
            told = {"status": status_of(error), "typed": typed | fresh, **wrong(view, error)}
            return await _show(view, session, house, actor, account_id=account_id, **told)
    return view.go(f"/clients/{account_id}/licence", done="saved")


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    account_id: UUID,
    status: int = 200,
    typed: dict[str, Any] | None = None,
    **told: Any,
) -> Answer:
    client, brand = await get_client(session, account_id), await brands.find_brand(session)
    await enter(session, account_id)
    licence = await licences.get_licence(session)
    changes = await licences.search_changes(session, limit=_SHOWN_CHANGES)
    sellers = await find_names(session, {change.by_account_id for change in changes if change.by_account_id})
    known: dict[str, Any] = {"complaints": [], "notice": None}
    return view.show(
        "client_licence.html",
        status=status,
        here=f"/clients/{account_id}/licence",
        brand=brand,
        said=view.said(DONE),
        client=client,
        typed=typed or _of_licence(licence),
        plans=[(plan.key, plan.label[view.language]) for plan in house.catalogue.plans.values()],
        options=labels(view, OPTION_LABELS),
        overselling=labels(view, OVERSELLING_LABELS),
        operates=actor.account_kind == "operator",
        phase=view.say(PHASES[(await licences.read_stage(session)).phase]),
        departments=await count_departments(session),
        history=[change_line(view, house.catalogue, change, sellers) for change in changes],
        terms=_terms(view, house, client, licence),
        **(known | told),
    )


async def _show_preview(
    view: View, session: AsyncSession, house: HouseOf, client: Client, *, typed: dict[str, Any], seen: Foresight
) -> Answer:
    words = labels(view, FIELD_LABELS)
    return view.show(
        "client_licence_preview.html",
        here=f"/clients/{client.id}/licence",
        brand=await brands.find_brand(session),
        client=client,
        typed=typed,
        seen=seen,
        phases=[view.say(PHASES[phase]) for phase in seen.phase],
        changes=[
            (words[name], *(written_term(view, house.catalogue, name, value) for value in pair))
            for name, pair in sorted(seen.changes.items())
        ],
    )


def _typed(fields: Fields) -> dict[str, Any]:
    return {**{name: fields.text(name) for name in _TYPED}, "options": fields.several("options")}


def _of_licence(licence: Licence) -> dict[str, Any]:
    texts = {name: getattr(licence, name, None) for name in _TYPED}
    kept = {name: "" if value is None else str(value) for name, value in texts.items()}
    return {**kept, "options": list(licence.options)}


def _of_plan(plan: Plan) -> dict[str, Any]:
    limits = {name: getattr(plan, name) for name in ("users", "departments", "seats", "accountant_seats")}
    texts = {name: "" if value is None else str(value) for name, value in limits.items()}
    return {**texts, "options": [option for option in OPTIONS if option in plan.options]}


def _wanted(fields: Fields, client: Client) -> dict[str, Any]:
    sells = client.kind == "reseller"
    wanted: dict[str, Any] = {name: number(fields, name) for name in ("users", "departments")}
    wanted |= {name: needed_number(fields, name) for name in ("seats", "accountant_seats")}
    wanted |= {"plan": fields.text("plan"), "options": fields.several("options"), "ends_on": day(fields, "ends_on")}
    if sells:
        wanted |= {name: number(fields, name) for name in ("pool_seats", "pool_users")}
        wanted["overselling"] = fields.text("overselling") or OVERSELLING[0]
    if unknown := [option for option in wanted["options"] if option not in OPTIONS]:
        raise Invalid("options", "unknown", unknown=unknown)
    starts_on = day(fields, "starts_on")
    return wanted if starts_on is None else wanted | {"starts_on": starts_on}


def _terms(view: View, house: HouseOf, client: Client, licence: Licence) -> list[tuple[str, Any]]:
    # What is of resellers alone says nothing about a client.
    words, plain = labels(view, FIELD_LABELS), licences.terms(licence)
    sellers = {"pool_seats", "pool_users", "overselling"}
    shown = [name for name in FIELD_LABELS if client.kind == "reseller" or name not in sellers]
    return [(words[name], written_term(view, house.catalogue, name, plain[name])) for name in shown]


routes = [licence_page, change_licence]
