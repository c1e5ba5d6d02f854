"""What a user is given: name, role, departments, and what is hidden from them. Works at their next request."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Event, record_change
from tenants.actors import Actor
from tenants.catalogue import ADMINISTRATOR, Catalogue
from tenants.effects import raise_epoch
from tenants.restrictions import find_hidden, hide_sections
from tenants.roles import Palette, must_outrank
from tenants.texts import one_line
from tenants.users import User, keep_an_administrator, lock_user


async def change_user(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID, *, wanted: dict[str, Any]) -> User:
    """Change what `wanted` names: `name`, `role`, `departments` (None is all of them), `restrictions` (sections hidden).

    Nobody gives rights or departments they do not have, nor changes who has more: BeyondOwnRights. Raises Invalid, OptionMissing,
    LastAdministrator.
    """
    user = await lock_user(session, user_id)
    palette = await must_outrank(session, catalogue, actor, user)
    before = _facts(user)
    if "name" in wanted:
        user.name = one_line("name", wanted["name"], longest=120, shortest=0)
    if "role" in wanted or "departments" in wanted:
        await _assign(
            session,
            palette,
            actor,
            user,
            role=wanted.get("role", user.role),
            departments=wanted.get("departments", user.departments),
        )
    if record_change(session, Event.USER_CHANGED, by=actor, on=user.target, before=before, after=_facts(user)):
        await session.flush()
        raise_epoch(session, actor.account_id)
    if "restrictions" in wanted:
        await _hide(session, palette, actor, user, wanted["restrictions"])
    return user


async def _assign(
    session: AsyncSession, palette: Palette, actor: Actor, user: User, *, role: str, departments: list[UUID] | None
) -> None:
    if departments != user.departments:
        departments = palette.must_know_departments(departments)
    if (role, departments) == (user.role, user.departments):
        return
    if role != user.role:
        palette.must_know(role)
    hidden = await find_hidden(session, "user", str(user.id))
    actor.must_cover(palette.reach(role, hidden=hidden), departments)
    if role != ADMINISTRATOR or departments is not None:
        await keep_an_administrator(session, without=user)
    user.role, user.departments = role, departments


async def _hide(session: AsyncSession, palette: Palette, actor: Actor, user: User, sections: Iterable[str]) -> None:
    await hide_sections(
        session,
        palette.catalogue,
        actor,
        scope="user",
        subject=str(user.id),
        wanted=sections,
        of=palette.rights(user.role),
        on=user.target,
    )


def _facts(user: User) -> dict[str, Any]:
    departments = None if user.departments is None else [str(department) for department in user.departments]
    return {"name": user.name, "role": user.role, "departments": departments}
