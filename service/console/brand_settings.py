"""The brand of a reseller, or of the operator: what its clients read and see, tried out before it is kept."""

import asyncio
from typing import Annotated, Any

from babel.numbers import format_decimal
from litestar import Response
from litestar.datastructures import UploadFile
from litestar.params import QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.brand_files import DARK, LIGHT, properties
from service.console.client_words import wrong
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, Session, Work
from tenants import brands, logos
from tenants.actors import Actor as ActorOf
from tenants.brand_fields import LONGEST_NAME, LONGEST_SUPPORT, checked_brand
from tenants.brands import OPTION, Brand
from tenants.colours import TEXT, accent, contrast, known_colour, text_on
from tenants.errors import DomainError, Invalid, NotFound
from tenants.licences import get_licence

_TYPED = ("name", "sender", "reply_to", "colour", "support")
# A picture, and the form around it.
_LARGEST_FORM = logos.LARGEST + 4_000
_SOLD_BY = frozenset({"operator", "reseller"})


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


DONE = {
    "saved": _("Your brand is saved. The next page and mail of your clients show it."),
    "logo": _("The logo is changed."),
    "no-logo": _("The logo is removed."),
    "removed": _("Your brand is removed. Your clients see Portillon’s own looks again."),
}
Tried = Annotated[str, QueryParameter(max_length=20, required=False, description="A colour, as six digits")]


@page("/branding", right="account.view")
async def branding(view: ViewOf, session: Session, actor: Actor) -> Answer:
    """The brand as it is, with what clients see of it."""
    return await _show(view, session, actor)


@form("/branding", right="account.manage")
async def change_brand(view: ViewOf, actor: Actor, work: Work) -> Answer:
    """Show what the brand would look like, keep it, or take it away."""
    fields = await view.fields()
    typed = {name: fields.text(name).strip() for name in _TYPED}
    wanted = {name: value or None for name, value in typed.items()}
    decision = fields.text("decision")
    try:
        async with work() as session:
            _must_sell(actor)
            if decision == "remove":
                await brands.remove_brand(session, actor)
            elif decision == "save":
                await brands.set_brand(session, actor, wanted=wanted)
            else:
                await checked_brand(session, wanted)
                return await _show(view, session, actor, typed=typed, tried=True)
    except DomainError as error:
        async with work() as session:
            return await _show(view, session, actor, status=status_of(error), typed=typed, **wrong(view, error))
    return view.go("/branding", done="removed" if decision == "remove" else "saved")


@form("/branding/logo", right="account.manage", opt={"uploads": True}, request_max_body_size=_LARGEST_FORM)
async def change_logo(view: ViewOf, actor: Actor, work: Work) -> Answer:
    """Give the brand the picture that was chosen, or take its logo away."""
    sent = await view.request.form()
    given = sent.get("logo")
    try:
        _must_sell(actor)
        remove = sent.get("decision") == "remove"
        content = await given.read() if isinstance(given, UploadFile) else b""
        await sent.close()
        if not content and not remove:
            raise Invalid("logo", "required")
        # In a thread, and before a connection is taken: decoding takes as long as it takes.
        logo = None if remove else await asyncio.to_thread(logos.checked_logo, content)
        async with work() as session:
            await brands.set_logo(session, actor, logo)
    except DomainError as error:
        async with work() as session:
            return await _show(view, session, actor, status=status_of(error), **wrong(view, error))
    return view.go("/branding", done="no-logo" if remove else "logo")


@page("/branding/tried.css", right="account.view", sync_to_thread=False)
def tried_colours(colour: Tried = "") -> Response[bytes]:
    """The colours of a brand that is only tried out, for the part of the page that shows it."""
    found = known_colour(f"#{colour}")
    if found is None:
        raise NotFound
    light, dark = (properties(accent(found, on=on), ".tried") for on in (LIGHT, DARK))
    rules = f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
    return Response(rules.encode(), media_type="text/css")


async def _show(
    view: View,
    session: AsyncSession,
    actor: ActorOf,
    *,
    status: int = 200,
    typed: dict[str, str] | None = None,
    tried: bool = False,
    **told: Any,
) -> Answer:
    _must_sell(actor)
    brand = await _find(session)
    shown = typed or {name: (getattr(brand, name) if brand else None) or "" for name in _TYPED}
    colour = known_colour(shown["colour"])
    known: dict[str, Any] = {"complaints": [], "notice": None}
    return view.show(
        "brand.html",
        status=status,
        here="/branding",
        brand=await brands.find_brand(session),
        said=view.said(DONE),
        kept=brand,
        logo=brands.look_of(brand).logo if brand else None,
        included=OPTION in (await get_licence(session)).options,
        typed=shown,
        tried=tried,
        colour=colour,
        readings=_readings(colour, view.language) if colour else [],
        longest={"name": LONGEST_NAME, "support": LONGEST_SUPPORT},
        **(known | told),
    )


async def _find(session: AsyncSession) -> Brand | None:
    try:
        return await brands.get_brand(session)
    except NotFound:
        return None


def _readings(colour: str, language: str) -> list[dict[str, Any]]:
    """How the colour reads as it was chosen, and the shade that is taken instead where it would not (WCAG 2.2, 1.4.3)."""
    found: list[tuple[str, float, str | None]] = [("button", contrast(colour, text_on(colour)), None)]
    for where, grounds in (("light", LIGHT), ("dark", DARK)):
        ratio = min(contrast(colour, ground) for ground in grounds)
        found.append((where, ratio, None if ratio >= TEXT else accent(colour, on=grounds).link))
    return [
        {"where": where, "ratio": format_decimal(ratio, "0.0", locale=language), "shade": shade} for where, ratio, shade in found
    ]


def _must_sell(actor: ActorOf) -> None:
    # A client has nobody to show a brand to: to it, there is no such page.
    if actor.account_kind not in _SOLD_BY:
        raise NotFound


routes = [branding, change_brand, change_logo, tried_colours]
