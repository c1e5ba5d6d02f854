"""The roles of the account: the built-in ones and its own, how many people have each; and how a new one begins."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from service.console import sent_once
from service.console.role_words import frozen, refusal_in_words
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from tenants import brands, custom_roles
from tenants.actors import Actor as ActorOf
from tenants.catalogue import CUSTOM_ROLES
from tenants.custom_roles import LONGEST_NAME, count_holders
from tenants.errors import DomainError, Unavailable
from tenants.house import House as HouseOf
from tenants.roles import Palette, read_palette


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {"deleted": _("The role is deleted.")}


@page("/roles", right="roles.view")
async def list_roles(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Every role, with what it gives and how many people have it."""
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    users = await count_holders(session)
    own = sorted(palette.own, key=lambda key: palette.own[key].name.casefold())
    built_in = [key for key in house.catalogue.roles if palette.rights(key)]
    return view.show(
        "roles.html",
        brand=await brands.find_brand(session),
        said=view.said(SAID),
        own=[_line(view, palette, actor, key, users.get(key, 0)) for key in own],
        built_in=[_line(view, palette, actor, key, users.get(key, 0)) for key in built_in],
        every=len(house.catalogue.rights_of(actor.account_kind)),
        included=CUSTOM_ROLES in palette.options,
    )


@page("/roles/new", right="roles.manage")
async def new_role(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """The name of a role to be, and what it starts from."""
    typed = {"name": "", "copy_of": view.request.query_params.get("copy_of", ""), "once": str(uuid4())}
    return await _show_new(view, session, house, actor, typed=typed)


@form("/roles/new", right="roles.manage")
async def create_role(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Make the role, and go on to its rights. Sent twice, it makes one."""
    fields = await view.fields()
    typed = {name: fields.text(name) for name in ("name", "copy_of", "once")}
    mark = sent_once.mark_of(house, "/roles/new", fields, ("name", "copy_of"))
    try:
        async with work() as session:
            if await sent_once.is_first(session, actor, mark):
                start: dict[str, Any] = {"copy_of": typed["copy_of"]} if typed["copy_of"] else {"rights": []}
                key = await custom_roles.create_role(session, house.catalogue, actor, name=typed["name"], **start)
                await sent_once.keep(session, actor, mark, outcome=key.encode())
            else:
                key = (await sent_once.find_outcome(session, actor.user_id, mark) or b"").decode()
    except Unavailable:
        raise
    except DomainError as error:
        async with work() as session:
            return await _show_new(view, session, house, actor, typed=typed, error=error)
    return view.go(f"/roles/{key}", done="created")


async def _show_new(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    typed: dict[str, str],
    error: DomainError | None = None,
) -> Answer:
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    keys = [key for key in (*house.catalogue.roles, *palette.own) if palette.rights(key)]
    copyable = [key for key in keys if may_copy(palette, actor, key)]
    return view.show(
        "role_new.html",
        here=f"/roles/new?{urlencode({'copy_of': typed['copy_of']})}" if typed["copy_of"] else "/roles/new",
        brand=await brands.find_brand(session),
        typed=typed,
        starts=[("", view.say("Nothing: an empty role")), *((key, palette.name_of(key, view.language)) for key in copyable)],
        fewer=len(copyable) < len(keys),
        included=CUSTOM_ROLES in palette.options,
        longest=LONGEST_NAME,
        **refusal_in_words(view, error),
    )


def may_copy(palette: Palette, actor: ActorOf, key: str) -> bool:
    """Whether this person could make a role with the same rights."""
    return CUSTOM_ROLES in palette.options and actor.may_give(palette.rights(key), None)


def _line(view: View, palette: Palette, actor: ActorOf, key: str, users: int) -> dict[str, Any]:
    own = palette.own.get(key)
    rights = palette.rights(key)
    return {
        "key": key,
        "name": palette.name_of(key, view.language),
        "help": "" if own else palette.catalogue.roles[key].help[view.language],
        "rights": len(rights),
        "gives": len(palette.gives(key)),
        "hidden": len(palette.hidden_for.get(key, ())),
        "frozen": frozen(view, palette, key),
        "users": users,
        "copy": actor.may("roles.manage") and may_copy(palette, actor, key),
        "mine": key == actor.role and actor.visit is None,
    }


routes = [list_roles, new_role, create_role]
