"""Forgotten and changed passwords: one answer for every address, one use of every link, and no old session survives."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants import outbox
from tenants.accounts import Account
from tenants.activity import Event, record
from tenants.actors import Actor, Person
from tenants.catalogue import Catalogue
from tenants.database import Base, enter, entered
from tenants.errors import InvalidCredentials, LinkExpired, LinkInvalid, LinkUsed, NotInState
from tenants.identities import Identity, find_identity, lock_identity, set_password_hash
from tenants.outbox import Letter
from tenants.roles import must_outrank
from tenants.sessions import end_sessions_of
from tenants.tokens import Purpose, Signer, new_nonce
from tenants.users import DirectoryEntry, User, get_user

VALID_FOR = timedelta(hours=1)


class PasswordReset(Base):
    """A link to set a new password. It is the identity's and no account's, so it stands outside the wall, and holds ids only."""

    __tablename__ = "password_resets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    identity_id: Mapped[UUID] = mapped_column(ForeignKey("identities.id"), index=True)
    nonce: Mapped[bytes] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column()
    used_at: Mapped[datetime | None] = mapped_column()


async def ask(session: AsyncSession, *, email: str) -> None:
    """Owe a reset mail, if the address has a password and works anywhere; silent otherwise. Older links stop working."""
    identity = await find_identity(session, email)
    if identity is None or identity.password_hash is None:
        return
    places = await _places(session, identity.id)
    if not places or await _works_nowhere(session, identity.id):
        return
    await enter(session, places[0].account_id)
    await _owe(session, identity, by=None, to=places[0].user_id)


async def ask_for(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> None:
    """An administrator starts a reset for a user of the account entered, who alone will read the link."""
    user = await get_user(session, user_id)
    await must_outrank(session, catalogue, actor, user)
    if user.status != "active":
        raise NotInState(state=user.status)
    await _owe(session, await session.get_one(Identity, user.identity_id), by=actor, to=user.id)


async def find_for_reset(session: AsyncSession, signer: Signer, token: str) -> tuple[PasswordReset, Identity]:
    """Whose password a link is about, before a new one is hashed. Raises LinkExpired, LinkUsed or LinkInvalid."""
    return await _opened(session, signer, token, lock=False)


async def confirm(session: AsyncSession, signer: Signer, token: str, *, new_hash: str) -> None:
    """The link's one use: a new password, no session of the identity left in any account, a notice mail. Signs nobody in."""
    reset, identity = await _opened(session, signer, token, lock=True)
    reset.used_at, reset.nonce = (await session.execute(select(func.now()))).scalar_one(), new_nonce()
    set_password_hash(identity, new_hash)
    await session.flush()
    await _everywhere(session, identity, how="reset", keep=None)


async def change(session: AsyncSession, actor: Actor, *, verified_hash: str, new_hash: str) -> None:
    """A signed-in person's new password; their other sessions end everywhere. `verified_hash` is what the current one matched."""
    identity = await lock_identity(session, actor.identity_id)
    if identity.password_hash != verified_hash:
        raise InvalidCredentials
    set_password_hash(identity, new_hash)
    await session.flush()
    await _everywhere(session, identity, how="change", keep=actor.session_id)


async def withdraw(session: AsyncSession, identity_id: UUID) -> None:
    """No unused link of the identity works any more, nor is one sent that is still owed. Before the identity is locked, not after."""
    now = (await session.execute(select(func.now()))).scalar_one()
    for older in await session.scalars(
        select(PasswordReset).where(PasswordReset.identity_id == identity_id, PasswordReset.used_at.is_(None)).with_for_update()
    ):
        older.nonce, older.expires_at = new_nonce(), min(older.expires_at, now)


async def _everywhere(session: AsyncSession, identity: Identity, *, how: str, keep: UUID | None) -> None:
    # In every account where the person works: sessions end, and that account's history tells.
    for number, place in enumerate(await _places(session, identity.id)):
        await enter(session, place.account_id)
        user = await session.get_one(User, (place.account_id, place.user_id))
        person = Person(user.id, identity.id, user.label, identity.email)
        await end_sessions_of(session, user, by=person, why="password_changed", but=keep)
        record(session, Event.PASSWORD_CHANGED, by=person, on=user.target, how=how)
        if number == 0:
            outbox.post(session, Letter.PASSWORD_CHANGED, to=user.id)
        await session.flush()


async def _owe(session: AsyncSession, identity: Identity, *, by: Actor | None, to: UUID) -> None:
    now = (await session.execute(select(func.now()))).scalar_one()
    await withdraw(session, identity.id)
    reset = PasswordReset(id=uuid7(), identity_id=identity.id, nonce=new_nonce(), expires_at=now + VALID_FOR)
    session.add(reset)
    outbox.post(session, Letter.PASSWORD_RESET, to=to, about=reset.id)
    user = await session.get_one(User, (entered(session), to))
    record(session, Event.PASSWORD_RESET_ASKED, by=by or Person(user.id, identity.id, user.label, identity.email), on=user.target)


async def _places(session: AsyncSession, identity_id: UUID) -> list[DirectoryEntry]:
    # First the one whose mail leaves now: that of an account which does not stand is held.
    found = await session.scalars(
        select(DirectoryEntry)
        .join(Account, Account.id == DirectoryEntry.account_id)
        .where(DirectoryEntry.identity_id == identity_id, DirectoryEntry.status.in_(("active", "suspended")))
        .order_by(Account.standing != "active", DirectoryEntry.status, DirectoryEntry.user_id)
    )
    return list(found)


async def _works_nowhere(session: AsyncSession, identity_id: UUID) -> bool:
    # Every account that the person may sign in to is suspended or closed.
    stands = await session.scalar(
        select(func.bool_or(Account.standing == "active"))
        .join(DirectoryEntry, DirectoryEntry.account_id == Account.id)
        .where(DirectoryEntry.identity_id == identity_id, DirectoryEntry.status.in_(("active", "suspended")))
    )
    return stands is False


async def _opened(session: AsyncSession, signer: Signer, token: str, *, lock: bool) -> tuple[PasswordReset, Identity]:
    found = signer.claim(Purpose.PASSWORD_RESET, token)
    query = select(PasswordReset).where(PasswordReset.id == found.row_id).execution_options(populate_existing=True)
    reset = await session.scalar(query.with_for_update() if lock else query)
    if reset is None:
        raise LinkInvalid
    if reset.used_at or not signer.opens(found, Purpose.PASSWORD_RESET, nonce=reset.nonce):
        raise LinkUsed
    if reset.expires_at <= (await session.execute(select(func.now()))).scalar_one():
        raise LinkExpired
    if await _works_nowhere(session, reset.identity_id):
        raise LinkUsed
    identity = await lock_identity(session, reset.identity_id) if lock else await session.get_one(Identity, reset.identity_id)
    return reset, identity
