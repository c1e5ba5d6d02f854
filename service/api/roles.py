"""Roles of the account: the built-in ones and its own; what is hidden for each."""

from typing import Annotated, Any

import msgspec
from litestar import Response
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from service.api.shapes import Key, Rights, Sections
from service.dependencies import Actor, House, Session
from service.etags import IfMatch, etag, must_match
from service.routes import delete, get, patch, post
from tenants import custom_roles
from tenants.catalogue import CUSTOM_ROLES
from tenants.custom_roles import count_holders, lock_palette
from tenants.roles import Palette, read_palette

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class NewRole(msgspec.Struct, forbid_unknown_fields=True):
    """Give `rights`, or the role to copy them from, built-in or own; `restrictions` are sections hidden from its holders."""

    name: Name
    rights: Rights | None = None
    copy_of: Key | None = None
    restrictions: Sections = msgspec.field(default_factory=list)


class RoleChange(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change. Of a built-in role only `restrictions`."""

    name: Name | UnsetType = UNSET
    rights: Rights | UnsetType = UNSET
    restrictions: Sections | UnsetType = UNSET


class RoleDetails(msgspec.Struct):
    """A role. `name` in both languages; `users` hold it, whatever their status. A `frozen` one gives only what is also in `user`."""

    id: str
    name: dict[str, str]
    built_in: bool
    rights: list[str]
    restrictions: list[str]
    frozen: bool
    users: int


class RoleList(msgspec.Struct):
    """Built-in roles in the catalogue's order, then the account's own by name."""

    items: list[RoleDetails]
    next_cursor: str | None = None


class RoleEffect(msgspec.Struct):
    """What the change would do: how many users have the role, and how many of them gain or lose each right."""

    users: int
    gains: dict[str, int]
    loses: dict[str, int]


@get("/roles", right="roles.view")
async def list_roles(session: Session, actor: Actor, house: House) -> RoleList:
    """Every role that a user of the account can have."""
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    users = await count_holders(session)
    own = sorted(palette.own, key=lambda key: palette.own[key].name.casefold())
    return RoleList([_details(palette, key, users.get(key, 0)) for key in (*house.catalogue.roles, *own)])


@post("/roles", right="roles.manage", refuses=(403, 409))
async def create_role(data: JSONBody[NewRole], session: Session, actor: Actor, house: House) -> RoleDetails:
    """Make a role, never with more than one has oneself. Needs the option `custom_roles`."""
    key = await custom_roles.create_role(
        session,
        house.catalogue,
        actor,
        name=data.name,
        rights=data.rights,
        copy_of=data.copy_of,
        restrictions=data.restrictions,
    )
    return _details(await read_palette(session, house.catalogue, actor.account_kind), key, 0)


@get("/roles/{role_id:str}", right="roles.view", refuses=(404,))
async def read_role(role_id: FromPath[Key], session: Session, actor: Actor, house: House) -> Response[RoleDetails]:
    """One role; its ETag is what a change must name."""
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    return await _answer(session, palette, role_id)


@patch(
    "/roles/{role_id:str}",
    right="roles.manage",
    refuses=(404, 412, 428),
    description="Change a role; it works at the next request of everyone who holds it. `preview=true` answers a `RoleEffect`.",
)
async def change_role(
    role_id: FromPath[Key],
    data: JSONBody[RoleChange],
    session: Session,
    actor: Actor,
    house: House,
    if_match: IfMatch = None,
    preview: Annotated[bool, QueryParameter(description="Tell what would change, and change nothing")] = False,
) -> Response[RoleDetails | RoleEffect]:
    """Change a role."""
    wanted: dict[str, Any] = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
    palette = await lock_palette(session, house.catalogue, actor)
    if preview:
        effect = await custom_roles.preview_role(session, palette, role_id, wanted=wanted)
        return Response(RoleEffect(effect.users, effect.gains, effect.loses))
    custom_roles.must_exist(palette, role_id)
    must_match(if_match, _tag(_details(palette, role_id, 0)))
    await custom_roles.change_role(session, palette, actor, role_id, wanted=wanted)
    changed = await read_palette(session, house.catalogue, actor.account_kind)
    return await _answer(session, changed, role_id)  # type: ignore[return-value]  # Response is invariant in its content


@delete("/roles/{role_id:str}", right="roles.manage", refuses=(404, 412, 428))
async def delete_role(
    role_id: FromPath[Key],
    session: Session,
    actor: Actor,
    house: House,
    if_match: IfMatch = None,
    replacement: Annotated[str | None, QueryParameter(max_length=60, description="The role that its holders get")] = None,
) -> None:
    """Delete an own role. While users hold it, name a replacement."""
    palette = await lock_palette(session, house.catalogue, actor)
    custom_roles.must_exist(palette, role_id)
    must_match(if_match, _tag(_details(palette, role_id, 0)))
    await custom_roles.delete_role(session, palette, actor, role_id, replacement=replacement)


async def _answer(session: AsyncSession, palette: Palette, key: str) -> Response[RoleDetails]:
    custom_roles.must_exist(palette, key)
    details = _details(palette, key, (await count_holders(session, [key])).get(key, 0))
    return Response(details, headers={"etag": _tag(details)})


def _tag(details: RoleDetails) -> str:
    # Of what an administrator edits: somebody who joins or leaves the role makes no edit wrong.
    return etag(msgspec.structs.replace(details, users=0, frozen=False))


def _details(palette: Palette, key: str, users: int) -> RoleDetails:
    own = palette.own.get(key)
    rights = palette.rights(key)
    names = {"fr": own.name, "en": own.name} if own else dict(palette.catalogue.roles[key].label)
    return RoleDetails(
        id=key,
        name=names,
        built_in=own is None,
        rights=[right for right in palette.catalogue.rights if right in rights],
        restrictions=sorted(palette.hidden_for.get(key, ())),
        frozen=own is not None and CUSTOM_ROLES not in palette.options,
        users=users,
    )


routes = [list_roles, create_role, read_role, change_role, delete_role]
