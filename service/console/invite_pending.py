"""Invitations that nobody has accepted yet: how far each is, in the mail server's words too; sent again, or withdrawn."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.invite_fields import read_room
from service.console.routes import form, page
from service.console.user_words import INVITATION, REASONS, refusal_in_words
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from service.user_lists import UserFilters, read_users
from tenants import brands, invitations
from tenants.accounts import get_account
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError, NotFound, Unavailable
from tenants.house import House as HouseOf
from tenants.restrictions import read_restrictions
from tenants.roles import Palette, read_palette
from tenants.users import get_user

_HERE = "/invite/pending"
_ROWS = 50
_OVER = frozenset({"expired", "withdrawn"})
_Open = Callable[[], AbstractAsyncContextManager[AsyncSession]]


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {
    "invited": _("The invitation is on its way. This list shows how far it is."),
    "resent": _("A new link is on its way. Older ones no longer work."),
    "withdrawn": _("The invitation is withdrawn. Its link no longer works."),
}


_NO_LINK = _(
    "The link itself can be shown only where administrators may choose first passwords, for whoever holds it chooses the password."
    " It is a setting of the account."
)


@page(_HERE, right="users.manage")
async def pending(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """The latest first, fifty to a page."""
    return await _show(view, session, house, actor, cursor=view.request.query_params.get("cursor") or None)


@form(_HERE + "/{user_id:uuid}/resend", right="users.manage")
async def resend(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """A new link and a new mail, in the words of before."""

    async def act(session: AsyncSession) -> object:
        return await invitations.resend(session, house.catalogue, actor, user_id)

    return await _carry_out(view, work, house, actor, act, done="resent")


@form(_HERE + "/{user_id:uuid}/withdraw", right="users.manage")
async def withdraw(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """The link stops working, and the place in the licence is free."""

    async def act(session: AsyncSession) -> None:
        await invitations.withdraw(session, house.catalogue, actor, user_id)

    return await _carry_out(view, work, house, actor, act, done="withdrawn")


@form(_HERE + "/{user_id:uuid}/link", right="users.manage")
async def show_link(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """The link of the mail, in a page that nothing keeps: to be handed over by whoever asks for it."""
    try:
        async with work() as session:
            token = await invitations.show_link(session, house.catalogue, house.signer, actor, user_id)
            user = await get_user(session, user_id)
            brand, account = await brands.find_brand(session), await get_account(session, actor.account_id)
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        async with work() as session:
            return await _show(view, session, house, actor, error=error)
    link = f"{house.settings.public_url}/invitation?token={token}"
    return view.show(
        "invite_link.html", here=_HERE, brand=brand, name=user.label, link=link, until=user.invited_until, zone=account.time_zone
    )


async def _carry_out(
    view: View, work: _Open, house: HouseOf, actor: ActorOf, act: Callable[[AsyncSession], Awaitable[object]], *, done: str
) -> Answer:
    try:
        async with work() as session:
            await act(session)
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        # In a transaction of its own: what was refused is undone.
        async with work() as session:
            return await _show(view, session, house, actor, error=error)
    return view.go(_HERE, done=done)


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    cursor: str | None = None,
    error: DomainError | None = None,
) -> Answer:
    filters = UserFilters(status="invited")
    account = await get_account(session, actor.account_id)
    rows, more = await read_users(session, house, actor.account_id, filters, sort="-created_at", limit=_ROWS, cursor=cursor)
    return view.show(
        "invite_pending.html",
        here=_HERE,
        brand=await brands.find_brand(session),
        said=None if error else view.said(SAID),
        people=await _people(view, session, house, actor, rows),
        why_no_link=None if account.admin_sets_password else view.say(_NO_LINK),
        more=f"{_HERE}?cursor={more}" if more else None,
        later=cursor is not None,
        room=await read_room(session),
        zone=account.time_zone,
        **_told(view, error),
    )


async def _people(view: View, session: AsyncSession, house: HouseOf, actor: ActorOf, rows: list[Any]) -> list[dict[str, Any]]:
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    states = await invitations.states(session, rows)
    hidden = await read_restrictions(session, "user", subjects=[str(row.id) for row in rows])
    people = []
    for row in rows:
        state = states[row.id]
        shape, words = INVITATION[state["state"]]
        people.append(
            {
                "id": row.id,
                "label": row.name or row.email,
                "email": row.email if row.name else None,
                "role": palette.name_of(row.role, view.language),
                "shape": shape,
                "words": view.say(words),
                "over": state["state"] in _OVER,
                "expires_at": state["expires_at"],
                "mail_reply": state["mail_reply"],
                "why_not": _why_not(view, actor, palette, row, hidden.get(str(row.id), frozenset())),
            }
        )
    return people


def _why_not(view: View, actor: ActorOf, palette: Palette, row: Any, hidden: frozenset[str]) -> str | None:
    if actor.may_give(palette.reach(row.role, hidden=hidden), row.departments):
        return None
    reason = REASONS["beyond_own_rights"]
    return view.say(reason)


def _told(view: View, error: DomainError | None) -> dict[str, Any]:
    found = refusal_in_words(view, error)
    # There is no field here to be wrong: a department that was archived meanwhile is the person's.
    wrong = found["complaints"]
    notice = {"title": view.say("Nothing was changed"), "text": wrong[0]["text"]} if wrong else found["notice"]
    return {"status": found["status"], "complaints": [], "notice": notice}


routes = [pending, resend, show_link, withdraw]
