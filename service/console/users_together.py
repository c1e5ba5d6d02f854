"""Several users at once: what would happen to whom is shown first; then each is changed alone, and the result says who was."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.browser import own_path
from service.console.forms import Fields
from service.console.routes import form, page
from service.console.user_fields import departments_of, suspension_of
from service.console.user_guards import roles_to_give, why_not_all
from service.console.user_words import REASONS, refusal_in_words
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from tenants import assignments, brands, invitations, sessions, statuses
from tenants.accounts import get_account
from tenants.actors import Actor as ActorOf
from tenants.catalogue import Catalogue
from tenants.database import entered
from tenants.errors import BeyondOwnRights, DomainError, Invalid, NotFound, OptionMissing
from tenants.house import House as HouseOf
from tenants.restrictions import read_restrictions
from tenants.roles import read_palette
from tenants.tokens import decoded, encoded
from tenants.users import User, get_user, search_users

#: As many as a page of the list has.
MOST = 50
_DONE, _OTHERWISE = "done", "unavailable"
_CODES = (_DONE, *REASONS)
_Number = Annotated[int, msgspec.Meta(ge=0)]
_TYPED = ("suspended_from", "suspended_until", "reason")
_Change = Callable[[AsyncSession, UUID], Awaitable[object]]
_Open = Callable[[], AbstractAsyncContextManager[AsyncSession]]


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done to several users: with which right, how the list offers it, and what the result calls it."""

    right: str
    label: str
    title: str
    result: str


ACTIONS: dict[str, Action] = {
    "role": Action("users.manage", _("Give a role"), _("Give these people a role"), _("Has the role now")),
    "departments": Action(
        "users.manage", _("Choose departments"), _("Choose the departments of these people"), _("Has the departments now")
    ),
    "suspend": Action("users.manage", _("Suspend"), _("Suspend these people"), _("Suspended")),
    "resend": Action(
        "users.manage", _("Send the invitation again"), _("Send these people their invitation again"), _("A new link is on its way")
    ),
    "sign-out": Action("sessions.end", _("Sign out everywhere"), _("Sign these people out everywhere"), _("Signed out everywhere")),
}


def offered(view: View, actor: ActorOf) -> list[tuple[str, str]]:
    """What this reader can do to several users, for the list."""
    return [(key, view.say(action.label)) for key, action in ACTIONS.items() if actor.may(action.right)]


@form("/users/selected", right="users.view")
async def look(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """What would happen to whom. Changes nothing."""
    fields = await view.fields()
    action = ACTIONS.get(fields.text("action"))
    back = _list_page(fields)
    if action is None:
        return view.go(back, done="no-action")
    actor.must(action.right)
    if not fields.several("user"):
        return view.go(back, done="nobody")
    return await _show(view, session, house, actor, fields)


@form("/users/selected/change", right="users.manage")
async def change(view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Change each of them in a transaction of their own: one refusal undoes nobody else's change."""
    fields = await view.fields()
    if fields.text("action") not in {"role", "departments", "suspend", "resend"}:
        raise NotFound
    try:
        async with work() as session:
            step = await _read_step(session, house.catalogue, actor, fields)
        return await _go_through(view, work, actor, fields, step)
    except (Invalid, OptionMissing, BeyondOwnRights) as error:
        async with work() as session:
            return await _show(view, session, house, actor, fields, error=error)


@form("/users/selected/sign-out", right="sessions.end")
async def sign_out(view: ViewOf, actor: Actor, work: Work) -> Answer:
    """End every session of each of them."""

    async def step(session: AsyncSession, user_id: UUID) -> None:
        user = await get_user(session, user_id)
        await sessions.end_sessions_of(session, user, by=actor, why="ended_by_administrator")

    return await _go_through(view, work, actor, await view.fields(), step)


@page("/users/selected/result", right="users.view")
async def show_result(view: ViewOf, session: Session, actor: Actor) -> Answer:
    """A line for each of them, as the address tells: nothing is kept between the change and this page."""
    action, outcomes = _read_result(view.request.query_params.get("of", ""))
    users = {user.id: user for user in await _find(session, outcomes)}
    lines = [
        (users[user_id], None if code == _DONE else view.say(REASONS[code]))
        for user_id, code in outcomes.items()
        if user_id in users
    ]
    return view.show(
        "users_result.html", here="/users", brand=await brands.find_brand(session), action=ACTIONS[action], lines=lines
    )


async def _show(
    view: View, session: AsyncSession, house: HouseOf, actor: ActorOf, fields: Fields, *, error: DomainError | None = None
) -> Answer:
    key, ids = fields.text("action"), _ids(fields)
    users = await _find(session, ids)
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    hidden = await read_restrictions(session, "user", subjects=[str(user.id) for user in users])
    reasons = await why_not_all(session, actor, palette, users, hidden, action=key)
    return view.show(
        "users_selected.html",
        here="/users",
        brand=await brands.find_brand(session),
        key=key,
        action=ACTIONS[key],
        back=_list_page(fields),
        willing=[user for user in users if user.id not in reasons],
        unwilling=[(user, view.say(REASONS[reasons[user.id]])) for user in users if user.id in reasons],
        role_names={user.id: palette.name_of(user.role, view.language) for user in users},
        roles=roles_to_give(actor, palette, view.language),
        departments=list(palette.departments.values()),
        anywhere=actor.departments is None,
        mine=actor.departments,
        typed=_typed(fields),
        **refusal_in_words(view, error),
    )


async def _read_step(session: AsyncSession, catalogue: Catalogue, actor: ActorOf, fields: Fields) -> _Change:
    # What is wrong with the form itself is said once, on the form, and not for each person.
    palette = await read_palette(session, catalogue, actor.account_kind)
    match fields.text("action"):
        case "role":
            role = fields.text("role")
            if not role:
                raise Invalid("role", "required")
            actor.must_cover(palette.reach(palette.must_know(role)), ())
            return lambda session, user_id: _assign(session, catalogue, actor, user_id, role=role)
        case "departments":
            where = palette.must_know_departments(departments_of(fields))
            actor.must_cover((), where)
            return lambda session, user_id: _assign(session, catalogue, actor, user_id, departments=where)
        case "suspend":
            terms = suspension_of(fields, (await get_account(session, actor.account_id)).time_zone)
            return lambda session, user_id: statuses.suspend(session, catalogue, actor, user_id, **terms)
        case _:
            return lambda session, user_id: invitations.resend(session, catalogue, actor, user_id)


def _assign(session: AsyncSession, catalogue: Catalogue, actor: ActorOf, user_id: UUID, **wanted: Any) -> Awaitable[User]:
    return assignments.change_user(session, catalogue, actor, user_id, wanted=wanted)


async def _go_through(view: View, work: _Open, actor: ActorOf, fields: Fields, step: _Change) -> Answer:
    outcomes = [(user_id, await _one(work, actor, user_id, step)) for user_id in _ids(fields)]
    # Numbers for codes: some proxies cut off heads of more than four kilobytes.
    numbers = [[user_id.bytes, _CODES.index(code if code in _CODES else _OTHERWISE)] for user_id, code in outcomes]
    packed = msgspec.msgpack.encode([fields.text("action"), numbers])
    return view.go(f"/users/selected/result?of={encoded(packed)}")


async def _one(work: _Open, actor: ActorOf, user_id: UUID, step: _Change) -> str:
    try:
        async with work() as session:
            if (await get_user(session, user_id)).identity_id == actor.identity_id:
                return "self"
            await step(session, user_id)
    except DomainError as error:
        # What was typed is as wrong for everybody else: the form says so, and nobody is changed.
        if isinstance(error, Invalid) and error.field in _TYPED:
            raise
        return error.code
    return _DONE


async def _find(session: AsyncSession, ids: Iterable[UUID]) -> list[User]:
    found = await session.scalars(search_users(entered(session), among=list(ids)).order_by(User.search))
    return list(found)


def _ids(fields: Fields) -> list[UUID]:
    try:
        ids = [UUID(text) for text in fields.several("user")]
    except ValueError as error:
        raise NotFound from error
    if len(ids) > MOST:
        raise Invalid("user", "too_long", max=MOST)
    return ids


def _read_result(text: str) -> tuple[str, dict[UUID, str]]:
    # Anybody may write an address: one that says nothing is of no page.
    try:
        action, found = msgspec.msgpack.decode(decoded(text) or b"", type=tuple[str, list[tuple[bytes, _Number]]])
        outcomes = {UUID(bytes=raw): _CODES[number] for raw, number in found}
    except (msgspec.DecodeError, ValueError, IndexError) as error:
        raise NotFound from error
    if action not in ACTIONS or len(outcomes) > MOST:
        raise NotFound
    return action, outcomes


def _list_page(fields: Fields) -> str:
    path = own_path(fields.text("back"))
    return path if path == "/users" or path.startswith("/users?") else "/users"


def _typed(fields: Fields) -> dict[str, Any]:
    names = ("role", "where", "suspended_from", "suspended_until", "reason")
    return {name: fields.text(name) for name in names} | {"department": fields.several("department")}


routes = [look, change, sign_out, show_result]
