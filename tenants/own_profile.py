"""What people change about themselves: what this account calls them, and the language of their pages and letters."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Event, record_change
from tenants.actors import Actor
from tenants.catalogue import LANGUAGES
from tenants.effects import raise_epoch
from tenants.errors import Invalid
from tenants.identities import lock_identity
from tenants.texts import one_line
from tenants.users import DirectoryEntry, User

LONGEST_NAME = 120


async def change_own_profile(session: AsyncSession, actor: Actor, *, name: str, language: str) -> None:
    """The name is this account's alone, the language goes with the person into every account. Works at their next request.

    Only this account's history tells: others have no business with where it was changed. Raises Invalid; Forbidden on a visit.
    """
    actor.must_belong_here()
    clean = one_line("name", name, longest=LONGEST_NAME)
    if language not in LANGUAGES:
        raise Invalid("language", "unknown")
    # First the identity, as for passwords and addresses.
    identity = await lock_identity(session, actor.identity_id)
    user = await session.get_one(User, (actor.account_id, actor.user_id), with_for_update=True, populate_existing=True)
    before = {"name": user.name, "language": identity.language}
    after = {"name": clean, "language": language}
    user.name, identity.language = clean, language
    if not record_change(session, Event.USER_CHANGED, by=actor, on=user.target, before=before, after=after):
        return
    await session.flush()
    raise_epoch(session, actor.account_id)
    if before["language"] != language:
        for account_id in await _accounts_of(session, actor.identity_id):
            raise_epoch(session, account_id)


async def _accounts_of(session: AsyncSession, identity_id: UUID) -> list[UUID]:
    found = await session.scalars(select(DirectoryEntry.account_id).where(DirectoryEntry.identity_id == identity_id))
    return list(found)
