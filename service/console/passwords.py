"""Forgotten passwords: one answer for every address, and a link that only a button uses up."""

from typing import Annotated, Any

from litestar.params import QueryParameter

from service.console.branding import brand_of_link
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import House, Origin
from service.entrances import ask_for_reset, confirm_reset
from service.routes import Open
from tenants import password_resets
from tenants.brands import Look
from tenants.errors import Invalid, LinkExpired, LinkInvalid, LinkUsed, Unavailable
from tenants.tokens import Purpose

Token = Annotated[str, QueryParameter(name="token", required=False, description="Of a mailed link")]


@page("/forgot", right=Open.TO_ANYONE, sync_to_thread=False)
def forgot_page(view: ViewOf) -> Answer:
    """Asks for the address."""
    return _show_forgot(view)


@form("/forgot", right=Open.TO_ANYONE)
async def forget(view: ViewOf, house: House, origin: Origin) -> Answer:
    """The same answer for every address."""
    email = (await view.fields()).text("email")
    try:
        await ask_for_reset(house, email=email, origin=origin)
    except Invalid as error:
        return _show_forgot(view, status=status_of(error), email=email, complaints=[view.complaint(error)])
    return view.show("sent.html", here="/forgot", email=email)


@page("/reset", right=Open.TO_ANYONE)
async def reset_page(view: ViewOf, house: House, token: Token = "") -> Answer:
    """Asks for the new password; the link stays as good as it was."""
    try:
        async with house.database.transaction() as session:
            await password_resets.find_for_reset(session, house.signer, token)
    except (LinkExpired, LinkUsed, LinkInvalid) as error:
        return await _show_dead_link(view, error, token)
    return await _show_reset(view, token)


@form("/reset", right=Open.TO_ANYONE)
async def reset(view: ViewOf, house: House, origin: Origin) -> Answer:
    """The link's one use. Signs nobody in."""
    fields = await view.fields()
    token = fields.text("token")
    try:
        await confirm_reset(house, token=token, password=fields.text("password"), origin=origin)
    except (LinkExpired, LinkUsed, LinkInvalid) as error:
        return await _show_dead_link(view, error, token)
    except Invalid as error:
        return await _show_reset(view, token, status=status_of(error), complaints=[view.complaint(error)])
    except Unavailable as error:
        wait = error.facts["retry_after"]
        return await _show_reset(view, token, status=status_of(error), notice=view.notice(error), retry_after=wait)
    return view.show("changed.html", here="/login", brand=await _brand(view, token))


def _show_forgot(view: View, *, status: int = 200, email: str = "", complaints: list[dict[str, Any]] | None = None) -> Answer:
    return view.show("forgot.html", status=status, here="/forgot", email=email, complaints=complaints or [])


async def _show_reset(view: View, token: str, *, status: int = 200, retry_after: int | None = None, **facts: Any) -> Answer:
    known: dict[str, Any] = {"complaints": [], "notice": None, "shortest": view.house.settings.password_min_length} | facts
    brand, here = await _brand(view, token), f"/reset?token={token}"
    return view.show("reset.html", status=status, here=here, retry_after=retry_after, brand=brand, token=token, **known)


async def _show_dead_link(view: View, error: LinkExpired | LinkUsed | LinkInvalid, token: str) -> Answer:
    brand = await _brand(view, token)
    return view.show("reset_over.html", status=status_of(error), here="/forgot", brand=brand, code=error.code)


async def _brand(view: View, token: str) -> Look | None:
    return await brand_of_link(view.house, Purpose.PASSWORD_RESET, token)


routes = [forgot_page, forget, reset_page, reset]
