"""One person is invited: who, with which role, in which words, and what it uses of the licence."""

from sqlalchemy.ext.asyncio import AsyncSession

from service.console import sent_once
from service.console.forms import Fields
from service.console.invite_fields import offers, refusal
from service.console.routes import form, page
from service.console.user_fields import departments_of, number_of
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Work
from service.entrances import first_password_hash
from tenants import invitations
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError, Invalid, NotFound
from tenants.house import House as HouseOf

_NAMES = ("email", "name", "role", "where", "department", "language", "message", "valid_days", "password")


@page("/invite", right="users.manage")
async def invite_page(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """The form, with what the licence leaves."""
    async with work() as session:
        return await _show(view, session, house, actor)


@form("/invite", right="users.manage")
async def invite(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Invite the person, once however often the form is sent."""
    fields = await view.fields()
    name, mark = fields.text("name").strip() or None, sent_once.mark_of(house, "/invite", fields, _NAMES)
    try:
        if not fields.text("role"):
            raise Invalid("role", "required")
        days, departments = number_of(fields, "valid_days"), departments_of(fields)
        first_hash = await first_password_hash(
            house, actor, email=fields.text("email"), name=name, password=fields.text("password") or None
        )
        async with work() as session:
            if await sent_once.is_first(session, actor, mark):
                await invitations.invite(
                    session,
                    house.catalogue,
                    actor,
                    email=fields.text("email"),
                    role=fields.text("role"),
                    name=name,
                    departments=departments,
                    language=fields.text("language") or None,
                    message=fields.text("message").strip() or None,
                    valid_days=days,
                    first_hash=first_hash,
                )
                await sent_once.keep(session, actor, mark)
    except NotFound:
        raise
    except DomainError as error:
        async with work() as session:
            return await _show(view, session, house, actor, fields=fields, error=error)
    return view.go("/invite/pending", done="invited")


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    fields: Fields | None = None,
    error: DomainError | None = None,
) -> Answer:
    return view.show("invite.html", here="/invite", **await offers(view, session, house, actor, fields), **refusal(view, error))


routes = [invite_page, invite]
