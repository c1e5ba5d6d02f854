"""A person's change of address: confirmed from the new one, told to the old one, revocable from there for 72 hours."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants import outbox, password_resets
from tenants.accounts import Account
from tenants.activity import Event, record
from tenants.actors import Actor, Person
from tenants.database import Base, enter
from tenants.effects import raise_epoch
from tenants.errors import AlreadyExists, Invalid, InvalidCredentials, LinkExpired, LinkInvalid, LinkUsed
from tenants.identities import Identity, find_identity, lock_identity, set_password_hash
from tenants.outbox import Letter
from tenants.sessions import end_sessions_of
from tenants.tokens import Purpose, Signer, new_nonce
from tenants.users import DirectoryEntry, User

VALID_FOR = timedelta(hours=24)
REVOCABLE_FOR = timedelta(hours=72)

LinkPurpose = Literal[Purpose.EMAIL_CHANGE, Purpose.EMAIL_REVOKE]


class EmailChange(Base):
    """Belongs to the identity and so to no account. One that was replaced before it was confirmed counts as revoked."""

    __tablename__ = "email_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    identity_id: Mapped[UUID] = mapped_column(ForeignKey("identities.id"), index=True)
    old_email: Mapped[str] = mapped_column()
    new_email: Mapped[str] = mapped_column()
    nonce: Mapped[bytes] = mapped_column(comment="a new one makes every link of this change worthless")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column()
    confirmed_at: Mapped[datetime | None] = mapped_column()
    revocable_until: Mapped[datetime | None] = mapped_column()
    revoked_at: Mapped[datetime | None] = mapped_column()


async def ask(session: AsyncSession, actor: Actor, *, email: str, verified_hash: str) -> None:
    """Owe a link to the new address, in normal form; older links of the person's that were not confirmed stop working.

    Nothing here tells whether the address is somebody's: its link is then never written. `verified_hash` is what the current
    password matched. Raises Invalid for the present address.
    """
    identity = await lock_identity(session, actor.identity_id)
    if identity.password_hash != verified_hash:
        raise InvalidCredentials
    must_differ(identity, email)
    await _close(session, identity, EmailChange.confirmed_at.is_(None))
    change = EmailChange(
        id=uuid7(),
        identity_id=identity.id,
        old_email=identity.email,
        new_email=email,
        nonce=new_nonce(),
        expires_at=await _now(session) + VALID_FOR,
    )
    session.add(change)
    outbox.post(session, Letter.EMAIL_CHANGE, to=actor.user_id, about=change.id)
    record(session, Event.EMAIL_CHANGE_ASKED, by=actor, on=("user", actor.user_id, actor.name))


def must_differ(identity: Identity, email: str) -> None:
    """Raise Invalid when the address is the identity's already."""
    if email == identity.email:
        raise Invalid("email", "not_possible")


async def look_up(session: AsyncSession, signer: Signer, purpose: LinkPurpose, token: str) -> EmailChange:
    """What a link is about; changes nothing. Raises LinkExpired, LinkUsed or LinkInvalid."""
    found = signer.claim(purpose, token)
    change = await session.scalar(
        select(EmailChange).where(EmailChange.id == found.row_id).execution_options(populate_existing=True)
    )
    if change is None:
        raise LinkInvalid
    until = change.expires_at if purpose is Purpose.EMAIL_CHANGE else change.revocable_until
    confirmed = purpose is Purpose.EMAIL_REVOKE
    if change.revoked_at or (change.confirmed_at is not None) != confirmed or not signer.opens(found, purpose, nonce=change.nonce):
        raise LinkUsed
    if until is None or until <= await _now(session):
        raise LinkExpired
    return change


async def confirm(session: AsyncSession, signer: Signer, token: str) -> None:
    """The link's one use: the new address signs in everywhere, and the old one is told and may revoke it for 72 hours.

    Sessions stay; tickets and reset links do not. Raises AlreadyExists when the address has become somebody's since, and as `look_up`.
    """
    change, identity = await _take(session, signer, Purpose.EMAIL_CHANGE, token)
    change.confirmed_at = await _now(session)
    change.revocable_until = change.confirmed_at + REVOCABLE_FOR
    change.nonce = new_nonce()
    identity.credentials_version += 1
    await _give(session, identity, change.new_email)
    users = []
    async for user in _everywhere(session, identity):
        person = Person(user.id, identity.id, user.label, change.old_email)
        _move(session, user, to=identity.email, by=person, event=Event.EMAIL_CHANGED)
        users.append(user)
    if not users:
        # Struck from every list meanwhile: there is nobody whose address this would be, and no account that could write.
        raise LinkUsed
    accounts = [user.account_id for user in users]
    standing = set(await session.scalars(select(Account.id).where(Account.id.in_(accounts), Account.standing == "active")))
    home = min(users, key=lambda user: (user.account_id not in standing, user.status != "active", user.status != "suspended"))
    await enter(session, home.account_id)
    outbox.post(session, Letter.EMAIL_CHANGED, to=home.id, about=change.id)


async def revoke(session: AsyncSession, signer: Signer, token: str, *, new_hash: str) -> None:
    """The old address is back, whatever followed; nobody is signed in, and a reset link is owed to it.

    Whoever changed the address knew the password, so it gives way to `new_hash`, which must be one that nobody's password fits.
    Raises AlreadyExists when the old address is somebody else's by now, and as `look_up`.
    """
    change, identity = await _take(session, signer, Purpose.EMAIL_REVOKE, token)
    # Later changes go with it: who made this one could otherwise revoke its revocation.
    await _close(session, identity, or_(EmailChange.confirmed_at.is_(None), EmailChange.confirmed_at > change.confirmed_at))
    change.revoked_at, change.nonce = await _now(session), new_nonce()
    set_password_hash(identity, new_hash)
    await _give(session, identity, change.old_email)
    async for user in _everywhere(session, identity):
        person = Person(user.id, identity.id, user.label, identity.email)
        await end_sessions_of(session, user, by=person, why="email_change_revoked")
        _move(session, user, to=identity.email, by=person, event=Event.EMAIL_CHANGE_REVOKED)
    await password_resets.ask(session, email=identity.email)


async def _take(session: AsyncSession, signer: Signer, purpose: LinkPurpose, token: str) -> tuple[EmailChange, Identity]:
    change = await look_up(session, signer, purpose, token)
    # Resets first, then the identity: whoever uses a reset locks in this order as well.
    await password_resets.withdraw(session, change.identity_id)
    identity = await lock_identity(session, change.identity_id)
    # Everything about the identity's address queues at its lock; the second one finds the link used.
    return await look_up(session, signer, purpose, token), identity


async def _give(session: AsyncSession, identity: Identity, email: str) -> None:
    holder = await find_identity(session, email)
    if holder is not None and holder.id != identity.id:
        raise AlreadyExists(what="email")
    identity.email = email
    try:
        await session.flush()
    except IntegrityError as error:
        # Somebody was invited by this address in the same moment, and was first.
        raise AlreadyExists(what="email") from error


async def _everywhere(session: AsyncSession, identity: Identity) -> AsyncIterator[User]:
    # Each account that knows the person, entered in turn, by id, so that no two transactions wait for each other in a circle.
    places = await session.execute(
        select(DirectoryEntry.account_id, DirectoryEntry.user_id)
        .where(DirectoryEntry.identity_id == identity.id)
        .order_by(DirectoryEntry.account_id)
    )
    for account_id, user_id in places.all():
        await enter(session, account_id)
        user = await session.scalar(
            select(User)
            .where(User.account_id == account_id, User.id == user_id, User.status != "deleted")
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        if user is not None:
            yield user
            await session.flush()


def _move(session: AsyncSession, user: User, *, to: str, by: Person, event: Event) -> None:
    before, target = user.email, user.target
    user.email = to
    raise_epoch(session, user.account_id)
    record(session, event, by=by, on=target, before={"email": before}, after={"email": to})


async def _close(session: AsyncSession, identity: Identity, which: ColumnElement[bool]) -> None:
    await session.execute(
        update(EmailChange)
        .where(EmailChange.identity_id == identity.id, EmailChange.revoked_at.is_(None), which)
        .values(revoked_at=func.now(), nonce=new_nonce())
        .execution_options(synchronize_session=False)
    )


async def _now(session: AsyncSession) -> datetime:
    return (await session.execute(select(func.now()))).scalar_one()
