"""Invitation links: who invites to what, a password, and what to do about a link that no longer works."""

from typing import Any

from service.console.branding import brand_of_account, brand_of_link
from service.console.entering import show_login
from service.console.passwords import Token
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import House, Origin
from service.entrances import accept_invitation
from service.routes import Open
from tenants import invitation_links
from tenants.brands import find_brand
from tenants.errors import (
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


@page("/invitation", right=Open.TO_ANYONE)
async def invitation_page(view: ViewOf, token: Token = "") -> Answer:
    """What the link is about. Uses nothing up and marks nothing: programs that check mails open links too."""
    return await _show_invitation(view, token)


@form("/invitation", right=Open.TO_ANYONE)
async def accept(view: ViewOf, house: House, origin: Origin) -> Answer:
    """The link's one use; the person then signs in, with the address filled in."""
    fields = await view.fields()
    token, name = fields.text("token"), fields.text("name").strip()
    try:
        async with house.database.transaction() as session:
            found = await invitation_links.read_link(session, house.signer, token)
        await accept_invitation(house, token=token, name=name or None, password=fields.text("password"), origin=origin)
    except (LinkExpired, LinkUsed, LinkInvalid) as error:
        return await _show_dead_link(view, error, token)
    except (Invalid, InvalidCredentials, TooManyAttempts, Unavailable) as error:
        return await _show_again(view, error, token=token, name=name)
    said = view.say("You have joined %(account)s. Sign in to begin.", account=found[3].name)
    return show_login(view, said=said, email=found[1].email, brand=await brand_of_account(house, found[3].id))


@form("/invitation/renew", right=Open.TO_ANYONE)
async def renew(view: ViewOf, house: House, origin: Origin) -> Answer:
    """Tell the account's administrators that an expired link was tried. Always the same answer."""
    token = (await view.fields()).text("token")
    async with house.database.transaction(origin=origin) as session:
        await invitation_links.ask_for_renewal(session, house.signer, token)
    return view.show("renewal_asked.html", here="/login", brand=await brand_of_link(house, Purpose.INVITATION, token))


async def _show_invitation(view: View, token: str, *, status: int = 200, retry_after: int | None = None, **facts: Any) -> Answer:
    try:
        async with view.house.database.transaction() as session:
            invitation, user, identity, account = await invitation_links.read_link(session, view.house.signer, token)
            catalogue, language = view.house.catalogue, view.language
            offer = await invitation_links.read_offer(session, catalogue, account, user, language=language)
            brand = await find_brand(session)
    except (LinkExpired, LinkUsed, LinkInvalid) as error:
        return await _show_dead_link(view, error, token)
    known: dict[str, Any] = {
        "brand": brand,
        "token": token,
        "email": user.email,
        "name": user.name,
        "inviting": account.name,
        "invited_by": invitation.invited_by,
        "role": offer.role,
        "departments": offer.departments,
        "expires_at": invitation.expires_at,
        "zone": account.time_zone,
        "has_password": identity.password_hash is not None,
        "had_first_password": identity.first_password_hash is not None,
        "shortest": view.house.settings.password_min_length,
        "complaints": [],
        "notice": None,
    }
    return view.show(
        "invitation.html", status=status, here=f"/invitation?token={token}", retry_after=retry_after, **(known | facts)
    )


async def _show_again(view: View, error: DomainError, *, token: str, name: str) -> Answer:
    again: dict[str, Any] = {"status": status_of(error), "name": name}
    if isinstance(error, Invalid):
        return await _show_invitation(view, token, complaints=[view.complaint(error)], **again)
    if isinstance(error, InvalidCredentials):
        wrong = {"field": "password", "text": view.say("This is not the password of this address."), "advice": []}
        return await _show_invitation(view, token, complaints=[wrong], **again)
    wait = error.facts["retry_after"]
    return await _show_invitation(view, token, notice=view.notice(error), retry_after=wait, **again)


async def _show_dead_link(view: View, error: LinkExpired | LinkUsed | LinkInvalid, token: str) -> Answer:
    brand, status = await brand_of_link(view.house, Purpose.INVITATION, token), status_of(error)
    return view.show("invitation_over.html", status=status, here="/login", brand=brand, code=error.code, token=token)


routes = [invitation_page, accept, renew]
