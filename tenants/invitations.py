"""Invitations: a mailed link that works once, for one address and one account."""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants import outbox
from tenants.accounts import Account, get_account, known_language
from tenants.activity import Event, record
from tenants.actors import Actor, Person
from tenants.catalogue import Catalogue
from tenants.database import AccountOwned, Base, enter, entered
from tenants.effects import raise_epoch
from tenants.errors import AlreadyExists, Invalid, InvalidCredentials, LinkExpired, LinkInvalid, LinkUsed, NotFound, NotInState
from tenants.identities import Identity, ensure_identity, lock_identity, set_password_hash
from tenants.outbox import Letter, OwedMail
from tenants.texts import one_line, paragraph
from tenants.tokens import Purpose, Signer, new_nonce
from tenants.users import DirectoryEntry, User, active_administrators, known_role, lock_user, must_outrank, take_place

VALID_FOR = timedelta(days=7)
InvitationState = Literal["queued", "sent", "refused", "opened", "accepted", "expired", "withdrawn"]


class Invitation(AccountOwned, Base):
    """One per invited user. A resend gives it a new nonce, so that every older link is worthless."""

    __tablename__ = "invitations"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
        Index("uq_invitations_user", "account_id", "user_id", unique=True),
    )

    user_id: Mapped[UUID] = mapped_column()
    nonce: Mapped[bytes] = mapped_column()
    language: Mapped[str] = mapped_column()
    message: Mapped[str | None] = mapped_column()
    invited_by: Mapped[str] = mapped_column(comment="name, as it was")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column()
    opened_at: Mapped[datetime | None] = mapped_column()
    accepted_at: Mapped[datetime | None] = mapped_column()
    withdrawn_at: Mapped[datetime | None] = mapped_column()


async def invite(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    *,
    email: str,
    role: str,
    name: str | None = None,
    departments: list[UUID] | None = None,
    language: str | None = None,
    message: str | None = None,
) -> User:
    """A new user of the account entered, and the mail that is owed to them. The answer does not tell whether the identity is new."""
    actor.must_cover(known_role(catalogue, actor.account_kind, role), departments)
    if departments:
        raise Invalid("departments", "unknown")
    await take_place(session)
    account = await get_account(session, entered(session))
    return await add_invited(
        session, account, by=actor, email=email, role=role, name=name, language=language or account.language, message=message
    )


async def add_invited(
    session: AsyncSession,
    account: Account,
    *,
    by: Actor | None,
    email: str,
    role: str,
    name: str | None,
    language: str,
    message: str | None = None,
) -> User:
    """The user, invitation and mail of `invite`, without its checks: for the first administrator of a new account."""
    identity = await ensure_identity(session, email=email, language=known_language(language))
    known = await session.scalar(
        select(User).where(User.account_id == account.id, User.identity_id == identity.id, User.status != "deleted")
    )
    if known is not None:
        raise AlreadyExists(what="user", id=known.id, status=known.status)
    now = await _now(session)
    user = User(
        account_id=account.id,
        id=uuid7(),
        identity_id=identity.id,
        email=identity.email,
        name="" if name is None else one_line("name", name, longest=120, shortest=0),
        role=role,
        departments=None,
        status="invited",
        invited_until=now + VALID_FOR,
    )
    session.add(user)
    await session.flush()
    session.add(DirectoryEntry(identity_id=identity.id, account_id=account.id, user_id=user.id, status="invited"))
    invitation = Invitation(
        account_id=account.id,
        id=uuid7(),
        user_id=user.id,
        nonce=new_nonce(),
        language=language,
        message=None if message is None else paragraph("message", message, longest=1000) or None,
        invited_by=by.name if by else account.name,
        expires_at=now + VALID_FOR,
    )
    session.add(invitation)
    await session.flush()
    await session.refresh(user)
    outbox.post(session, Letter.INVITATION, to=user.id, about=invitation.id)
    record(session, Event.USER_INVITED, by=by, on=user.target, role=role, departments=None)
    return user


async def resend(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> User:
    """A new link and a new mail; older links are worthless from now on. Takes a place again if the invitation had expired."""
    user, invitation = await _locked(session, catalogue, actor, user_id)
    now = await _now(session)
    if user.invited_until is None or user.invited_until <= now:
        await take_place(session)
    invitation.nonce = new_nonce()
    invitation.created_at, invitation.expires_at = now, now + VALID_FOR
    invitation.opened_at = invitation.withdrawn_at = None
    invitation.invited_by = actor.name
    user.invited_until = invitation.expires_at
    await outbox.cancel(session, about=invitation.id)
    outbox.post(session, Letter.INVITATION, to=user.id, about=invitation.id)
    record(session, Event.INVITATION_RESENT, by=actor, on=user.target)
    return user


async def withdraw(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> None:
    """The link stops working and the place is free at once; the user stays in the list as invited, to be invited again or deleted."""
    user, invitation = await _locked(session, catalogue, actor, user_id)
    now = await _now(session)
    if invitation.withdrawn_at is None:
        invitation.withdrawn_at, invitation.nonce = now, new_nonce()
        user.invited_until = now
        await outbox.cancel(session, about=invitation.id)
        record(session, Event.INVITATION_WITHDRAWN, by=actor, on=user.target)


async def look_up(session: AsyncSession, signer: Signer, token: str) -> tuple[Invitation, User, Identity, Account]:
    """What a link's holder may know; marks it as opened. Raises LinkExpired, LinkUsed or LinkInvalid."""
    found = await read_link(session, signer, token)
    if found[0].opened_at is None:
        found[0].opened_at = await _now(session)
    return found


async def read_link(session: AsyncSession, signer: Signer, token: str) -> tuple[Invitation, User, Identity, Account]:
    """As `look_up`, and changes nothing: programs that check mails follow links, and that is not a person opening one."""
    invitation, user = await _opened(session, signer, token, lock=False)
    identity = await session.get_one(Identity, user.identity_id)
    return invitation, user, identity, await get_account(session, invitation.account_id)


async def find_invitee(session: AsyncSession, signer: Signer, token: str) -> tuple[User, Identity, Account]:
    """Whose password an acceptance is about, before it is hashed or verified. Raises as `look_up`."""
    _, user, identity, account = await look_up(session, signer, token)
    return user, identity, account


async def accept(
    session: AsyncSession, signer: Signer, token: str, *, name: str | None, new_hash: str | None, verified_hash: str | None
) -> User:
    """The link's one use: the user is active from now on.

    A new identity gets `new_hash`; an existing one must still have `verified_hash`, the hash its password was verified against.
    """
    invitation, user = await _opened(session, signer, token, lock=True)
    identity = await lock_identity(session, user.identity_id)
    if identity.password_hash != verified_hash:
        raise InvalidCredentials
    if identity.password_hash is None:
        if new_hash is None:
            raise InvalidCredentials
        set_password_hash(identity, new_hash)
        identity.language = invitation.language
    if name is not None:
        user.name = one_line("name", name, longest=120)
    user.status, user.invited_until = "active", None
    invitation.accepted_at, invitation.nonce = await _now(session), new_nonce()
    await outbox.cancel(session, about=invitation.id)
    await session.flush()
    raise_epoch(session, user.account_id)
    record(session, Event.INVITATION_ACCEPTED, by=Person(user.id, identity.id, user.label, user.email), on=user.target)
    return user


async def ask_for_renewal(session: AsyncSession, signer: Signer, token: str) -> None:
    """Tell the account's administrators that an expired link was tried. Silent about everything else, and once a day at most."""
    try:
        found = signer.claim(Purpose.INVITATION, token)
    except LinkInvalid:
        return
    await enter(session, found.account_id)
    invitation = await session.scalar(
        select(Invitation).where(Invitation.account_id == found.account_id, Invitation.id == found.row_id).with_for_update()
    )
    if invitation is None or not signer.opens(found, Purpose.INVITATION, nonce=invitation.nonce):
        return
    if invitation.accepted_at or invitation.withdrawn_at or invitation.expires_at > await _now(session):
        return
    recently = await session.scalar(
        select(OwedMail.id)
        .where(
            OwedMail.account_id == found.account_id,
            OwedMail.about == invitation.id,
            OwedMail.letter == Letter.INVITATION_RENEWAL.value,
            OwedMail.created_at > func.now() - timedelta(days=1),
        )
        .limit(1)
    )
    if recently:
        return
    user = await session.get_one(User, (invitation.account_id, invitation.user_id))
    if user.status != "invited":
        return
    for administrator in await active_administrators(session):
        outbox.post(session, Letter.INVITATION_RENEWAL, to=administrator.id, about=invitation.id)
    record(session, Event.INVITATION_RENEWAL_ASKED, by=Person(user.id, user.identity_id, user.label, user.email), on=user.target)


async def states(session: AsyncSession, users: list[User]) -> dict[UUID, dict[str, Any]]:
    """For each invited user of a list: state of the invitation, its end, and what the mail server said."""
    wanted = [user.id for user in users if user.status == "invited"]
    if not wanted:
        return {}
    found = list(
        await session.scalars(select(Invitation).where(Invitation.account_id == entered(session), Invitation.user_id.in_(wanted)))
    )
    mails = await outbox.latest_about(session, [invitation.id for invitation in found], letter=Letter.INVITATION)
    now = await _now(session)
    return {i.user_id: _shown(i, mails.get(i.id), now) for i in found}


def _shown(invitation: Invitation, mail: OwedMail | None, now: datetime) -> dict[str, Any]:
    state: InvitationState
    if invitation.accepted_at:
        state = "accepted"
    elif invitation.withdrawn_at:
        state = "withdrawn"
    elif invitation.expires_at <= now:
        state = "expired"
    elif invitation.opened_at:
        state = "opened"
    elif mail is not None and mail.state in {"sent", "refused"}:
        state = "sent" if mail.state == "sent" else "refused"
    else:
        state = "queued"
    said = mail.last_reply if mail is not None and state in {"refused", "queued"} else None
    return {"state": state, "expires_at": invitation.expires_at, "mail_reply": said}


async def _locked(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> tuple[User, Invitation]:
    user = await lock_user(session, user_id)
    must_outrank(catalogue, actor, user)
    if user.status != "invited":
        raise NotInState(state=user.status)
    invitation = await session.scalar(
        select(Invitation).where(Invitation.account_id == user.account_id, Invitation.user_id == user.id).with_for_update()
    )
    if invitation is None:
        raise NotFound
    return user, invitation


async def _opened(session: AsyncSession, signer: Signer, token: str, *, lock: bool) -> tuple[Invitation, User]:
    found = signer.claim(Purpose.INVITATION, token)
    await enter(session, found.account_id)
    query = select(Invitation).where(Invitation.account_id == found.account_id, Invitation.id == found.row_id)
    if lock:
        await _queue_at_licence(session, await session.scalar(query.with_only_columns(Invitation.user_id)))
        query = query.with_for_update()
    invitation = await session.scalar(query.execution_options(populate_existing=True))
    if invitation is None:
        raise LinkInvalid
    # Ours once. Older, used and withdrawn links are told alike.
    if not signer.opens(found, Purpose.INVITATION, nonce=invitation.nonce):
        raise LinkUsed
    if invitation.expires_at <= await _now(session):
        raise LinkExpired
    user = await session.get_one(User, (invitation.account_id, invitation.user_id))
    account = await get_account(session, invitation.account_id)
    if user.status != "invited" or account.status != "active":
        raise LinkUsed
    return invitation, user


async def _queue_at_licence(session: AsyncSession, user_id: UUID | None) -> None:
    # The licence first, as everywhere: a withdrawal and an acceptance of one link queue here.
    if user_id is None:
        raise LinkInvalid
    try:
        await lock_user(session, user_id)
    except NotFound:
        raise LinkUsed from None


async def _now(session: AsyncSession) -> datetime:
    return (await session.execute(select(func.now()))).scalar_one()
