"""One's own address: a form to change it, and what the mailed links open: pages that show, buttons that use up."""

from typing import Any

from service.console.branding import brand_of_account, brand_of_link
from service.console.passwords import Token
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Origin
from service.entrances import ask_for_email_change, confirm_email_change, revoke_email_change
from service.routes import Open
from tenants import email_changes
from tenants.actors import Actor as ActorOf
from tenants.email_changes import LinkPurpose
from tenants.errors import (
    AlreadyExists,
    DomainError,
    Invalid,
    InvalidCredentials,
    LinkExpired,
    LinkInvalid,
    LinkUsed,
    TooManyAttempts,
    Unavailable,
)
from tenants.tokens import Purpose


@page("/account/email", right=Open.TO_SIGNED_IN)
async def address_page(view: ViewOf, actor: Actor, house: House) -> Answer:
    """Asks for the new address and the current password."""
    return _show_address(view, brand=await brand_of_account(house, actor.account_id))


@form("/account/email", right=Open.TO_SIGNED_IN)
async def ask(view: ViewOf, actor: Actor, house: House, origin: Origin) -> Answer:
    """The same answer for every address but one's own."""
    fields = await view.fields()
    email, password = fields.text("email"), fields.text("password")
    try:
        if not password:
            raise Invalid("password", "required")
        await ask_for_email_change(house, actor, email=email, password=password, origin=origin)
    except (Invalid, InvalidCredentials, TooManyAttempts, Unavailable) as error:
        return await _show_again(view, error, actor, email=email)
    brand = await brand_of_account(house, actor.account_id)
    return view.show("email_change_asked.html", here="/account/email", brand=brand, email=email)


@page("/email-change", right=Open.TO_ANYONE)
async def change_page(view: ViewOf, token: Token = "") -> Answer:
    """What the link to the new address would do. Uses nothing up: programs that check mails open links too."""
    return await _show_link(view, Purpose.EMAIL_CHANGE, token)


@form("/email-change", right=Open.TO_ANYONE)
async def confirm(view: ViewOf, house: House, origin: Origin) -> Answer:
    """The link's one use. Signs nobody in or out."""
    token = (await view.fields()).text("token")
    try:
        await confirm_email_change(house, token=token, origin=origin)
    except (LinkExpired, LinkUsed, LinkInvalid) as error:
        return await _show_dead_link(view, Purpose.EMAIL_CHANGE, error, token)
    except AlreadyExists as error:
        return await _show_taken(view, Purpose.EMAIL_CHANGE, error, token)
    return view.show("email_changed.html", here="/login", brand=await brand_of_link(house, Purpose.EMAIL_CHANGE, token))


@page("/email-change/revoke", right=Open.TO_ANYONE)
async def revocation_page(view: ViewOf, token: Token = "") -> Answer:
    """What the link to the old address would do. Uses nothing up."""
    return await _show_link(view, Purpose.EMAIL_REVOKE, token)


@form("/email-change/revoke", right=Open.TO_ANYONE)
async def revoke(view: ViewOf, house: House, origin: Origin) -> Answer:
    """The link's one use: the old address is back and nobody is signed in."""
    token = (await view.fields()).text("token")
    try:
        await revoke_email_change(house, token=token, origin=origin)
    except (LinkExpired, LinkUsed, LinkInvalid) as error:
        return await _show_dead_link(view, Purpose.EMAIL_REVOKE, error, token)
    except AlreadyExists as error:
        return await _show_taken(view, Purpose.EMAIL_REVOKE, error, token)
    return view.show("email_change_revoked.html", here="/login", brand=await brand_of_link(house, Purpose.EMAIL_REVOKE, token))


def _show_address(view: View, *, status: int = 200, retry_after: int | None = None, **facts: Any) -> Answer:
    known: dict[str, Any] = {"email": "", "complaints": [], "notice": None} | facts
    return view.show("email_address.html", status=status, here="/account/email", retry_after=retry_after, **known)


async def _show_again(view: View, error: DomainError, actor: ActorOf, *, email: str) -> Answer:
    brand = await brand_of_account(view.house, actor.account_id)
    again: dict[str, Any] = {"status": status_of(error), "email": email, "brand": brand}
    if isinstance(error, Invalid):
        return _show_address(view, complaints=[view.complaint(error)], **again)
    if isinstance(error, InvalidCredentials):
        wrong = {"field": "password", "text": view.say("This is not your password."), "advice": []}
        return _show_address(view, complaints=[wrong], **again)
    return _show_address(view, notice=view.notice(error), retry_after=error.facts["retry_after"], **again)


async def _show_link(view: View, purpose: LinkPurpose, token: str) -> Answer:
    try:
        async with view.house.database.transaction() as session:
            change = await email_changes.look_up(session, view.house.signer, purpose, token)
    except (LinkExpired, LinkUsed, LinkInvalid) as error:
        return await _show_dead_link(view, purpose, error, token)
    template = "email_change.html" if purpose is Purpose.EMAIL_CHANGE else "email_change_revoke.html"
    brand = await brand_of_link(view.house, purpose, token)
    return view.show(template, brand=brand, token=token, old=change.old_email, new=change.new_email)


async def _show_dead_link(view: View, purpose: LinkPurpose, error: LinkExpired | LinkUsed | LinkInvalid, token: str) -> Answer:
    brand, status = await brand_of_link(view.house, purpose, token), status_of(error)
    return view.show("email_change_over.html", status=status, here="/login", brand=brand, code=error.code, purpose=purpose.value)


async def _show_taken(view: View, purpose: LinkPurpose, error: AlreadyExists, token: str) -> Answer:
    brand = await brand_of_link(view.house, purpose, token)
    return view.show("email_change_taken.html", status=status_of(error), here="/login", brand=brand, purpose=purpose.value)


routes = [address_page, ask, change_page, confirm, revocation_page, revoke]
