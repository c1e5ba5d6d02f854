"""Identities that nobody's user is any more: the login is emptied, and its address may become somebody new's."""

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.database import Database
from tenants.email_changes import EmailChange
from tenants.identities import Identity, lock_identity
from tenants.password_resets import withdraw
from tenants.tokens import new_nonce
from tenants.users import DirectoryEntry


async def empty_identity(database: Database, identity_id: UUID) -> bool:
    """Take address and password away, unless some account still knows the identity. Returns whether it is empty now.

    No link that was mailed to it works any more, and its address is a stranger's to whoever signs in, forgets or invites.
    """
    async with database.transaction() as session:
        if await _is_known(session, identity_id):
            return False
        # Resets before the identity, as whoever uses one locks them.
        await withdraw(session, identity_id)
        identity = await lock_identity(session, identity_id)
        # An invitation holds the row until its user is written: it was first, and is seen here; or it waits, and finds no such address.
        if await _is_known(session, identity_id):
            return False
        _empty(identity)
        await _close_changes(session, identity)
        return True


async def _is_known(session: AsyncSession, identity_id: UUID) -> bool:
    entry = select(DirectoryEntry.identity_id).where(DirectoryEntry.identity_id == identity_id).limit(1)
    return await session.scalar(entry) is not None


def _nobodys(identity_id: UUID) -> str:
    # No address, so nothing that is typed can ever be it.
    return f"deleted-{identity_id.hex}"


def _empty(identity: Identity) -> None:
    if identity.email == _nobodys(identity.id):
        return
    identity.email = _nobodys(identity.id)
    identity.password_hash = identity.first_password_hash = identity.first_password_account_id = None
    identity.credentials_version += 1


async def _close_changes(session: AsyncSession, identity: Identity) -> None:
    await session.flush()
    nobodys = _nobodys(identity.id)
    await session.execute(
        update(EmailChange)
        .where(EmailChange.identity_id == identity.id, EmailChange.old_email != nobodys)
        .values(
            old_email=nobodys,
            new_email=nobodys,
            nonce=new_nonce(),
            revoked_at=func.coalesce(EmailChange.revoked_at, func.now()),
        )
        .execution_options(synchronize_session=False)
    )
