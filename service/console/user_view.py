"""The page about one user: who they are, what they have, how they stand; and what the reader can change of it, or why not."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.forms import Fields
from service.console.routes import page
from service.console.user_fields import first_day, last_day
from service.console.user_guards import Guards, read_guards, roles_to_give
from service.console.user_words import INVITATION, STATUSES, refusal_in_words
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session
from tenants import brands, invitations
from tenants.accounts import Account, get_account
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError
from tenants.house import House as HouseOf
from tenants.restrictions import find_hidden
from tenants.roles import Palette, read_palette
from tenants.users import User, get_user


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {
    "named": _("The name is changed."),
    "given": _("Role and departments are changed. They work at the next click of this person."),
    "suspended": _("The suspension is written down."),
    "activated": _("This person can sign in again."),
    "struck-off": _("This person is struck off."),
    "resent": _("A new link is on its way. Older ones no longer work."),
    "withdrawn": _("The invitation is withdrawn. Its link no longer works."),
    "reset": _("A link for a new password is on its way to this person. It works for one hour."),
}


@dataclass(frozen=True, slots=True)
class Known:
    """What every page about one user shows and decides by."""

    user: User
    account: Account
    palette: Palette
    hidden: frozenset[str]


async def read_known(session: AsyncSession, house: HouseOf, actor: ActorOf, user_id: UUID) -> Known:
    """Of a user of the account entered, or NotFound."""
    user = await get_user(session, user_id)
    account = await get_account(session, actor.account_id)
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    return Known(user, account, palette, await find_hidden(session, "user", str(user.id)))


async def head_of(view: View, session: AsyncSession, known: Known) -> dict[str, Any]:
    """What is above every page about one user."""
    user = known.user
    return {
        "brand": await brands.find_brand(session),
        "user": user,
        "zone": known.account.time_zone,
        "status_words": view.say(STATUSES[user.standing]),
        "role_name": known.palette.name_of(user.role, view.language),
    }


@page("/users/{user_id:uuid}", right="users.view")
async def show_user(user_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Profile, role and departments, status, invitation."""
    return await show_profile(view, session, house, actor, user_id)


async def show_profile(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    user_id: UUID,
    *,
    fields: Fields | None = None,
    form: str = "",
    error: DomainError | None = None,
) -> Answer:
    """The page, with what was typed into `form` and what is wrong with it."""
    known = await read_known(session, house, actor, user_id)
    user = known.user
    guards = await read_guards(session, actor, known.palette, user, known.hidden)
    return view.show(
        "user.html",
        here=f"/users/{user.id}",
        said=None if error else view.said(SAID),
        changes=actor.may("users.manage") and guards.refusal is None,
        guards=guards,
        form=form,
        invitation=await _invitation(view, session, user),
        planned=user.standing == "active" and _is_suspended_or_will_be(user),
        department_names=_department_names(known),
        typed=_typed(known, form, fields),
        **await head_of(view, session, known),
        **_offers(view, actor, known, guards),
        **refusal_in_words(view, error),
    )


def _is_suspended_or_will_be(user: User) -> bool:
    # A suspension that has ended by itself stays in the row until somebody changes the status.
    return user.status == "suspended" and (user.suspended_until is None or user.suspended_until > datetime.now(UTC))


def _department_names(known: Known) -> list[str] | None:
    ids, names = known.user.departments, known.palette.departments
    return None if ids is None else [names[each].name for each in ids if each in names]


def _offers(view: View, actor: ActorOf, known: Known, guards: Guards) -> dict[str, Any]:
    offers = roles_to_give(actor, known.palette, view.language, beside=known.user.role)
    return {
        "roles": offers,
        "fewer_roles": not actor.may_give(known.palette.catalogue.rights_of(actor.account_kind), ()),
        "departments": list(known.palette.departments.values()),
        "anywhere": actor.departments is None,
        "mine": actor.departments,
        "changes_status": not guards.myself and not guards.last,
    }


async def _invitation(view: View, session: AsyncSession, user: User) -> dict[str, Any] | None:
    if user.status != "invited":
        return None
    state = (await invitations.states(session, [user])).get(user.id)
    if state is None:
        return None
    shape, words = INVITATION[state["state"]]
    return {**state, "shape": shape, "words": view.say(words)}


def _typed(known: Known, form: str, fields: Fields | None) -> dict[str, Any]:
    # Every form shows what is so; the one that was refused, what was typed into it.
    user, zone = known.user, known.account.time_zone
    departments = [] if user.departments is None else [str(each) for each in user.departments]
    over = not _is_suspended_or_will_be(user)
    stands: dict[str, dict[str, Any]] = {
        "name": {"name": user.name},
        "role": {"role": user.role, "where": "some" if departments else "all", "department": departments},
        "suspend": {
            "suspended_from": "" if over else first_day(user.suspended_from, zone),
            "suspended_until": "" if over else last_day(user.suspended_until, zone),
            "reason": "" if over else user.suspended_reason or "",
        },
        "invitation": {"valid_days": "7", "message": ""},
    }
    if fields is not None and form in stands:
        stands[form] = {name: fields.text(name) for name in stands[form]}
        if form == "role":
            stands[form]["department"] = fields.several("department")
    return {name: value for part in stands.values() for name, value in part.items()}


routes = [show_user]
