"""What is done to one user: each form changes one thing; a refusal shows the page again with what was typed."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.forms import Fields
from service.console.routes import form
from service.console.user_fields import departments_of, number_of, suspension_of
from service.console.user_view import show_profile
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Work
from tenants import assignments, invitations, password_resets, statuses
from tenants.accounts import get_account
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError, NotFound, Unavailable
from tenants.house import House as HouseOf

_Open = Callable[[], AbstractAsyncContextManager[AsyncSession]]


@form("/users/{user_id:uuid}/name", right="users.manage")
async def rename(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """What this account calls the person."""
    fields = await view.fields()
    sent = _Try(view, work, actor, house, user_id, "name", fields)
    wanted = {"name": fields.text("name")}
    return await _carry_out(
        sent, lambda session: assignments.change_user(session, house.catalogue, actor, user_id, wanted=wanted), done="named"
    )


@form("/users/{user_id:uuid}/role", right="users.manage")
async def assign(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Role and departments. Works at the person's next request."""
    fields = await view.fields()

    async def change(session: AsyncSession) -> object:
        wanted = {"role": fields.text("role"), "departments": departments_of(fields)}
        return await assignments.change_user(session, house.catalogue, actor, user_id, wanted=wanted)

    # Whoever has just given up the right to see this page is better off on the first one.
    to = "/" if user_id == actor.user_id else ""
    return await _carry_out(_Try(view, work, actor, house, user_id, "role", fields), change, done="given", to=to)


@form("/users/{user_id:uuid}/suspend", right="users.manage")
async def suspend(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Now or from a day, for good or until one; on the days of the account's clocks."""
    fields = await view.fields()

    async def change(session: AsyncSession) -> object:
        terms = suspension_of(fields, (await get_account(session, actor.account_id)).time_zone)
        return await statuses.suspend(session, house.catalogue, actor, user_id, **terms)

    return await _carry_out(_Try(view, work, actor, house, user_id, "suspend", fields), change, done="suspended")


@form("/users/{user_id:uuid}/activate", right="users.manage")
async def activate(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """End a suspension, planned or present, or bring back somebody who was struck off."""
    sent = _Try(view, work, actor, house, user_id, "activate")
    return await _carry_out(sent, lambda session: statuses.activate(session, house.catalogue, actor, user_id), done="activated")


@form("/users/{user_id:uuid}/strike-off", right="users.manage")
async def strike_off(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """From now on the person is told what a stranger is told."""
    sent = _Try(view, work, actor, house, user_id, "strike-off")
    return await _carry_out(sent, lambda session: statuses.strike_off(session, house.catalogue, actor, user_id), done="struck-off")


@form("/users/{user_id:uuid}/delete", right="users.manage")
async def delete(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Delete the user; a pseudonym stays in the history."""
    sent = _Try(view, work, actor, house, user_id, "delete")
    return await _carry_out(
        sent, lambda session: statuses.delete_user(session, house.catalogue, actor, user_id), done="deleted", to="/users"
    )


@form("/users/{user_id:uuid}/invitation", right="users.manage")
async def resend(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """A new link; every older one is worthless. Without a message, the one that was written before goes again."""
    fields = await view.fields()

    async def change(session: AsyncSession) -> object:
        message = fields.text("message").strip() or None
        days = number_of(fields, "valid_days")
        return await invitations.resend(session, house.catalogue, actor, user_id, valid_days=days, message=message)

    return await _carry_out(_Try(view, work, actor, house, user_id, "invitation", fields), change, done="resent")


@form("/users/{user_id:uuid}/invitation/withdraw", right="users.manage")
async def withdraw(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """The link stops working, and the place in the licence is free."""
    sent = _Try(view, work, actor, house, user_id, "withdraw")
    return await _carry_out(sent, lambda session: invitations.withdraw(session, house.catalogue, actor, user_id), done="withdrawn")


@form("/users/{user_id:uuid}/password-reset", right="users.manage")
async def reset_password(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Mail the person a link for a new password."""
    sent = _Try(view, work, actor, house, user_id, "reset")
    return await _carry_out(sent, lambda session: password_resets.ask_for(session, house.catalogue, actor, user_id), done="reset")


@dataclass(frozen=True, slots=True)
class _Try:
    """One form that was sent: by whom, about whom, and what was typed."""

    view: View
    work: _Open
    actor: ActorOf
    house: HouseOf
    user_id: UUID
    name: str
    fields: Fields | None = None


async def _carry_out(sent: _Try, change: Callable[[AsyncSession], Awaitable[object]], *, done: str, to: str = "") -> Answer:
    try:
        async with sent.work() as session:
            await change(session)
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        # In a transaction of its own: what was refused is undone.
        async with sent.work() as session:
            return await show_profile(
                sent.view, session, sent.house, sent.actor, sent.user_id, fields=sent.fields, form=sent.name, error=error
            )
    return sent.view.go(to or f"/users/{sent.user_id}", done=done)


routes = [rename, assign, suspend, activate, strike_off, delete, resend, withdraw, reset_password]
