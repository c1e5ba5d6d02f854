"""My account: what this account calls me, my language, password and sessions, where else I work, and what I may do here."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.console.browser import language_cookie
from service.console.forms import Fields
from service.console.routes import form, page
from service.console.user_words import SEATS
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Origin, Session, Work
from service.entrances import change_password
from service.routes import Open
from tenants import brands, sessions, signing_in
from tenants.accounts import Account, get_account
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError, Invalid, InvalidCredentials, TooManyAttempts, Unavailable
from tenants.house import House as HouseOf
from tenants.own_profile import change_own_profile
from tenants.passwords import LONGEST
from tenants.presence import seat_states
from tenants.roles import read_palette
from tenants.users import get_user


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {
    "saved": _("Saved."),
    "password": _("Your password is changed. Your other sessions have ended, in every account."),
    "ended": _("This session has ended."),
    "all-ended": _("Your other sessions have ended."),
}


@page("/me", right=Open.TO_SIGNED_IN)
async def show_me(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Everything about the reader in this account."""
    return await _show(view, session, house, actor)


@page("/me/rights", right=Open.TO_SIGNED_IN)
async def show_rights(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Role, departments, and what the reader may do at this moment, section by section."""
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    departments = None
    if actor.departments is not None:
        departments = sorted(each.name for each in palette.departments.values() if each.id in actor.departments)
    return view.show(
        "me_rights.html",
        here="/me/rights",
        brand=await brands.find_brand(session),
        role=palette.name_of(actor.role, view.language),
        departments=departments,
        groups=_rights(view, house, actor),
    )


@form("/me", right=Open.TO_SIGNED_IN)
async def save(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Name and language. The language is this browser's as well."""
    fields = await view.fields()
    name, language = fields.text("name"), fields.text("language")
    try:
        async with work() as session:
            await change_own_profile(session, actor, name=name, language=language)
    except Invalid as error:
        async with work() as session:
            return await _show(view, session, house, actor, form="profile", fields=fields, error=error)
    return view.go("/me", done="saved", cookies=[language_cookie(language, house.settings)])


@form("/me/password", right=Open.TO_SIGNED_IN)
async def choose_password(view: ViewOf, work: Work, actor: Actor, house: House, origin: Origin) -> Answer:
    """The current password and a new one; the person's other sessions end, in every account."""
    fields = await view.fields()
    current, new = fields.text("current"), fields.text("password")
    try:
        if not current:
            raise Invalid("current", "required")
        if len(current) > LONGEST:
            raise InvalidCredentials
        await change_password(house, actor, current=current, new=new, origin=origin)
    except (Invalid, InvalidCredentials, TooManyAttempts, Unavailable) as error:
        async with work() as session:
            return await _show(view, session, house, actor, form="password", error=error)
    return view.go("/me", done="password")


@form("/me/sessions/end", right=Open.TO_SIGNED_IN)
async def end_sessions(view: ViewOf, session: Session, actor: Actor) -> Answer:
    """End the session named, if it is one of the person's own; without one all but this."""
    fields = await view.fields()
    if not fields.text("session"):
        user = await get_user(session, actor.user_id)
        await sessions.end_sessions_of(session, user, by=actor, why="ended_by_self", but=actor.session_id)
        return view.go("/me", done="all-ended")
    wanted = fields.id("session")
    mine = [row.id for row, _ in await sessions.search_alive(session, user_id=actor.user_id)]
    if wanted in mine:
        await sessions.end_session(session, actor, wanted)
    # One that ended by itself meanwhile: what was wanted is so.
    return view.go("/me", done="ended")


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    form: str = "",
    fields: Fields | None = None,
    error: DomainError | None = None,
) -> Answer:
    account = await get_account(session, actor.account_id)
    user = await get_user(session, actor.user_id)
    name, language = (user.name, actor.language) if fields is None else (fields.text("name"), fields.text("language"))
    return view.show(
        "me.html",
        here="/me",
        said=None if error else view.said(SAID),
        brand=await brands.find_brand(session),
        role=(await read_palette(session, house.catalogue, actor.account_kind)).name_of(actor.role, view.language),
        form=form,
        typed={"name": name, "language": language},
        shortest=house.settings.password_min_length,
        zone=account.time_zone,
        present=await _present(view, session, house, actor),
        elsewhere=await _elsewhere(session, actor, account),
        **_refusal(view, error),
    )


async def _present(view: View, session: AsyncSession, house: HouseOf, actor: ActorOf) -> list[dict[str, Any]]:
    # This session first, then the newest.
    rows = await sessions.search_alive(session, user_id=actor.user_id)
    presence = await house.seats.presence(actor.account_id)
    states = await seat_states(session, presence, rows)
    found = [
        {
            "id": row.id,
            "device": row.device,
            "ip": row.ip,
            "since": row.started_at,
            "seen": presence.seen.get(row.id, row.started_at),
            "ends": row.expires_at,
            "shape": SEATS[states[row.id]][0],
            "words": view.say(SEATS[states[row.id]][1]),
            "current": row.id == actor.session_id,
        }
        for row, _ in reversed(rows)
    ]
    return sorted(found, key=lambda each: not each["current"])


async def _elsewhere(session: AsyncSession, actor: ActorOf, account: Account) -> list[tuple[str, str]]:
    places = await signing_in.search_places(session, actor.identity_id)
    return [place for place in places if place[0] != account.slug]


def _rights(view: View, house: HouseOf, actor: ActorOf) -> list[tuple[bool, list[tuple[str, list[str]]]]]:
    # The application's sections, then those of the account's administration; only where there is something to do.
    actions = house.catalogue.actions
    groups: dict[bool, list[tuple[str, list[str]]]] = {False: [], True: []}
    for section in house.catalogue.sections:
        may = [actions[action][view.language] for action in section.actions if actor.may(f"{section.key}.{action}")]
        if may:
            groups[section.administration].append((section.label[view.language], may))
    return [(administration, lines) for administration, lines in groups.items() if lines]


def _refusal(view: View, error: DomainError | None) -> dict[str, Any]:
    known: dict[str, Any] = {"status": 200, "complaints": [], "notice": None, "retry_after": None}
    if error is None:
        return known
    known["status"] = status_of(error)
    if isinstance(error, Invalid) and error.field == "current":
        return known | {"complaints": [_wrong(view.say("Write your current password."))]}
    if isinstance(error, Invalid):
        return known | {"complaints": [view.complaint(error)]}
    if isinstance(error, InvalidCredentials):
        return known | {"complaints": [_wrong(view.say("This is not your password."))]}
    return known | {"notice": view.notice(error), "retry_after": error.facts.get("retry_after")}


def _wrong(text: str) -> dict[str, Any]:
    return {"field": "current", "text": text, "advice": []}


routes = [show_me, show_rights, save, choose_password, end_sessions]
