"""What the reader cannot change about somebody, and why: told before they try. The domain decides again when they do."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.actors import Actor
from tenants.catalogue import CUSTOM_ROLES
from tenants.errors import LastAdministrator
from tenants.roles import Palette
from tenants.users import User, active_administrators, keep_an_administrator


@dataclass(frozen=True, slots=True)
class Guards:
    """About one person. `refusal` is a code of `user_words.REASONS`: nothing about them can be changed."""

    myself: bool
    refusal: str | None
    last: bool


@dataclass(frozen=True, slots=True)
class RoleOffer:
    """A role that the reader may give, and what it is, in their language."""

    key: str
    label: str
    help: str


async def read_guards(session: AsyncSession, actor: Actor, palette: Palette, user: User, hidden: frozenset[str]) -> Guards:
    """For the page about one user."""
    return Guards(
        myself=user.identity_id == actor.identity_id,
        refusal=_refusal(actor, palette, user, hidden),
        last=await _is_last_administrator(session, user),
    )


async def why_not_all(
    session: AsyncSession, actor: Actor, palette: Palette, users: list[User], hidden: Mapping[str, frozenset[str]], *, action: str
) -> dict[UUID, str]:
    """For whom of several an action is not possible, each with a code of `user_words.REASONS`."""
    found = {user.id: _for_one(actor, palette, user, hidden.get(str(user.id), frozenset()), action) for user in users}
    reasons = {user_id: code for user_id, code in found.items() if code is not None}
    if action in {"role", "departments", "suspend"}:
        reasons |= _keeping_one(await active_administrators(session), [user for user in users if user.id not in reasons])
    return reasons


def roles_to_give(actor: Actor, palette: Palette, language: str, *, beside: str | None = None) -> list[RoleOffer]:
    """Roles whose rights the reader has; and the one `beside` them, which somebody has already."""
    built_in = [
        RoleOffer(role.key, role.label[language], role.help[language])
        for role in palette.catalogue.roles.values()
        if palette.rights(role.key)
    ]
    own = [RoleOffer(key, role.name, "") for key, role in palette.own.items() if CUSTOM_ROLES in palette.options or key == beside]
    return [offer for offer in built_in + own if offer.key == beside or actor.may_give(palette.reach(offer.key), ())]


def _for_one(actor: Actor, palette: Palette, user: User, hidden: frozenset[str], action: str) -> str | None:
    if action == "resend" and user.status != "invited":
        return "only_invited"
    if user.identity_id == actor.identity_id:
        return "self"
    if action == "sign-out":
        return None
    if action == "suspend" and user.status == "invited":
        return "not_yet_here"
    return _refusal(actor, palette, user, hidden)


def _refusal(actor: Actor, palette: Palette, user: User, hidden: frozenset[str]) -> str | None:
    if user.identity_id == actor.identity_id:
        return "visitor" if actor.visit else None
    covered = actor.may_give(palette.reach(user.role, hidden=hidden), user.departments)
    return None if covered else "beyond_own_rights"


def _keeping_one(administrators: list[User], chosen: list[User]) -> dict[UUID, str]:
    # Whoever is chosen last stays, if every administrator is chosen.
    keeping = [user.id for user in administrators if user.status == "active" and user.departments is None]
    going = [user.id for user in chosen if user.id in keeping]
    return {going[-1]: "last_administrator"} if going and len(going) == len(keeping) else {}


async def _is_last_administrator(session: AsyncSession, user: User) -> bool:
    try:
        await keep_an_administrator(session, without=user)
    except LastAdministrator:
        return True
    return False
