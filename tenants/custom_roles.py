"""An account's own roles: made, copied, edited and deleted, never beyond what whoever does it has."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants.activity import Event, record, record_change
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.database import entered
from tenants.effects import raise_epoch
from tenants.errors import AlreadyExists, Forbidden, InUse, Invalid, NotFound
from tenants.licences import lock_licence
from tenants.restrictions import forget_restrictions, hide_sections, known_sections, read_restrictions
from tenants.roles import Palette, Role, read_palette
from tenants.texts import one_line
from tenants.users import User, counted

LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class RoleEffect:
    """What an edit would do: users with the role, and how many of them gain or lose each right."""

    users: int
    gains: dict[str, int]
    loses: dict[str, int]


async def lock_palette(session: AsyncSession, catalogue: Catalogue, actor: Actor) -> Palette:
    """The palette, true until the transaction ends: roles are given and changed one at a time in an account."""
    await lock_licence(session)
    return await read_palette(session, catalogue, actor.account_kind)


async def count_holders(session: AsyncSession, roles: Iterable[str] | None = None) -> dict[str, int]:
    """Users of the account entered by role, whatever their status."""
    query = select(User.role, func.count()).where(User.account_id == entered(session), User.status != "deleted").group_by(User.role)
    if roles is not None:
        query = query.where(User.role.in_(list(roles)))
    return {row[0]: row[1] for row in await session.execute(query)}


async def create_role(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    *,
    name: str,
    rights: Iterable[str] | None = None,
    copy_of: str | None = None,
    restrictions: Iterable[str] = (),
) -> str:
    """A new role with these rights, or with those of the role it copies; returns its id.

    Raises OptionMissing, Invalid, AlreadyExists (name) and BeyondOwnRights.
    """
    palette = await lock_palette(session, catalogue, actor)
    palette.must_have_custom_roles()
    if rights is None:
        rights = _rights_to_copy(palette, copy_of)
    role = Role(account_id=entered(session), id=uuid7(), name=_new_name(palette, name), rights=_known(palette, rights))
    actor.must_cover(role.rights, None)
    session.add(role)
    await session.flush()
    await session.refresh(role)
    record(session, Event.ROLE_CREATED, by=actor, on=role.target, rights=role.rights)
    await _hide(session, palette, actor, str(role.id), restrictions, of=frozenset(role.rights), on=role.target)
    return str(role.id)


async def change_role(session: AsyncSession, palette: Palette, actor: Actor, key: str, *, wanted: dict[str, Any]) -> None:
    """Change `name`, `rights` or `restrictions` of a role; of a built-in one only what is hidden for it. Call with `lock_palette`.

    Works at the next request of everyone who holds it. Raises NotFound, OptionMissing, Invalid, AlreadyExists, BeyondOwnRights.
    """
    edit = must_be_possible(palette, actor, key, wanted=wanted)
    role = palette.own.get(key)
    if role is not None and edit:
        await _edit(session, actor, role, edit)
    if "restrictions" in wanted:
        on = role.target if role else ("role", UUID(int=0), key)
        await _hide(session, palette, actor, key, wanted["restrictions"], of=palette.rights(key), on=on)


def must_be_possible(palette: Palette, actor: Actor, key: str, *, wanted: dict[str, Any]) -> dict[str, Any]:
    """The name and rights as `change_role` would store them, without those that are not wanted; raises what it would raise about them."""
    must_exist(palette, key)
    actor.must_cover(palette.reach(key), None)
    edit: dict[str, Any] = {name: wanted[name] for name in ("name", "rights") if name in wanted}
    if not edit:
        return {}
    role = palette.own.get(key)
    if role is None:
        raise Forbidden(right="built_in")
    palette.must_have_custom_roles()
    if "name" in edit and edit["name"] != role.name:
        edit["name"] = _new_name(palette, edit["name"], but=role)
    if "rights" in edit:
        edit["rights"] = _known(palette, edit["rights"])
        actor.must_cover(edit["rights"], None)
    return edit


async def preview_role(session: AsyncSession, palette: Palette, key: str, *, wanted: dict[str, Any]) -> RoleEffect:
    """What `change_role` would do to the rights of those who have the role and count in the licence; changes nothing."""
    must_exist(palette, key)
    role = palette.own.get(key)
    rights = _known(palette, wanted.get("rights", role.rights)) if role else None
    present = palette.hidden_for.get(key, frozenset())
    sections = known_sections(palette.catalogue, palette.kind, wanted.get("restrictions", present))
    holders = [
        str(user_id)
        for user_id in await session.scalars(
            select(User.id).where(User.account_id == entered(session), User.role == key, counted())
        )
    ]
    hidden = await read_restrictions(session, "user")
    gains, loses = Counter[str](), Counter[str]()
    for groups, times in Counter(hidden.get(holder, frozenset()) for holder in holders).items():
        before = palette.gives(key, hidden=groups)
        after = palette.catalogue.effective(
            palette.kind, key, rights, options=palette.options, hidden=palette.hidden | sections | groups
        )
        gains.update(dict.fromkeys(after - before, times))
        loses.update(dict.fromkeys(before - after, times))
    return RoleEffect(len(holders), dict(sorted(gains.items())), dict(sorted(loses.items())))


async def delete_role(session: AsyncSession, palette: Palette, actor: Actor, key: str, *, replacement: str | None) -> None:
    """Delete an own role; its holders get the `replacement`. Raises InUse when there are some and none is named.

    Call with `lock_palette`. A frozen role may be deleted too, by whoever has all that it could give.
    """
    must_exist(palette, key)
    role = palette.own.get(key)
    if role is None:
        raise Forbidden(right="built_in")
    actor.must_cover(palette.reach(key), None)
    users = (await count_holders(session, [key])).get(key, 0)
    if users:
        if replacement is None:
            raise InUse(users=users)
        if replacement == key:
            raise Invalid("replacement", "not_possible")
        actor.must_cover(palette.reach(palette.must_know(replacement)), None)
        await session.execute(
            update(User)
            .where(User.account_id == entered(session), User.role == key, User.status != "deleted")
            .values(role=replacement)
            .execution_options(synchronize_session=False)
        )
    await forget_restrictions(session, "role", key)
    await session.execute(delete(Role).where(Role.account_id == entered(session), Role.id == role.id))
    raise_epoch(session, entered(session))
    record(session, Event.ROLE_DELETED, by=actor, on=role.target, rights=role.rights, replacement=replacement, users=users)


def must_exist(palette: Palette, key: str) -> None:
    """Raise NotFound unless the account has the role."""
    if key not in palette.own and key not in palette.catalogue.roles:
        raise NotFound


async def _edit(session: AsyncSession, actor: Actor, role: Role, edit: dict[str, Any]) -> None:
    before: dict[str, Any] = {"name": role.name, "rights": list(role.rights)}
    for name, value in edit.items():
        setattr(role, name, value)
    after = {"name": role.name, "rights": list(role.rights)}
    if record_change(session, Event.ROLE_CHANGED, by=actor, on=role.target, before=before, after=after):
        await session.flush()
        raise_epoch(session, role.account_id)


async def _hide(
    session: AsyncSession,
    palette: Palette,
    actor: Actor,
    key: str,
    sections: Iterable[str],
    *,
    of: frozenset[str],
    on: tuple[str, UUID, str],
) -> None:
    await hide_sections(session, palette.catalogue, actor, scope="role", subject=key, wanted=sections, of=of, on=on)


def _rights_to_copy(palette: Palette, key: str | None) -> Iterable[str]:
    if key is None:
        raise Invalid("rights", "required")
    if key not in palette.own and key not in palette.catalogue.roles:
        raise Invalid("copy_of", "unknown")
    return palette.rights(key)


def _known(palette: Palette, rights: Iterable[str]) -> list[str]:
    # In the catalogue's order, so that two spellings of one set are one role.
    wanted = set(rights)
    if unknown := wanted - palette.catalogue.rights_of(palette.kind):
        raise Invalid("rights", "unknown", unknown=sorted(unknown))
    return [right for right in palette.catalogue.rights if right in wanted]


def _new_name(palette: Palette, name: str, *, but: Role | None = None) -> str:
    clean = one_line("name", name, longest=LONGEST_NAME)
    labels = {label.casefold() for role in palette.catalogue.roles.values() for label in (role.key, *role.label.values())}
    others = {role.name.casefold() for role in palette.own.values() if role is not but}
    if clean.casefold() in labels | others:
        raise AlreadyExists(what="name")
    return clean
