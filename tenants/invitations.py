"""Invitations: a mailed link that works once, for one address and one account; made, sent again, withdrawn, and how far they are."""

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
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.database import AccountOwned, Base, entered
from tenants.errors import AlreadyExists, Invalid, NotFound, NotInState
from tenants.identities import ensure_identity
from tenants.outbox import Letter, OwedMail
from tenants.roles import Palette, must_outrank, read_palette
from tenants.texts import one_line, paragraph
from tenants.tokens import Purpose, Signer, new_nonce
from tenants.users import DirectoryEntry, User, lock_user, take_place

VALID_FOR = timedelta(days=7)
VALID_DAYS = range(1, 31)
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
    invited_by_user_id: Mapped[UUID | None] = mapped_column()
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
    valid_days: int | None = None,
    first_hash: str | None = None,
) -> User:
    """A new user of the account entered, and the mail that is owed to them. The answer does not tell whether the identity is new.

    `valid_days` is 1 to 30, 7 without. `first_hash` is of a first password, for a new identity only: Invalid where the account
    does not let its administrators set one.
    """
    await take_place(session)
    palette = await read_palette(session, catalogue, actor.account_kind)
    where = palette.must_know_departments(departments)
    actor.must_cover(palette.reach(palette.must_know(role)), where)
    account = await get_account(session, entered(session))
    if first_hash is not None:
        must_allow_first_password(account)
    return await add_invited(
        session,
        account,
        by=actor,
        email=email,
        role=role,
        name=name,
        departments=where,
        language=language or account.language,
        message=message,
        valid_for=_valid_for(valid_days),
        first_hash=first_hash,
    )


def must_allow_first_password(account: Account) -> None:
    """Raise Invalid unless the account lets its administrators set first passwords."""
    if not account.admin_sets_password:
        raise Invalid("password", "not_possible")


async def add_invited(
    session: AsyncSession,
    account: Account,
    *,
    by: Actor | None,
    email: str,
    role: str,
    name: str | None,
    language: str,
    departments: list[UUID] | None = None,
    message: str | None = None,
    valid_for: timedelta = VALID_FOR,
    first_hash: str | None = None,
) -> User:
    """The user, invitation and mail of `invite`, without its checks: for the first administrator of a new account."""
    first = None if first_hash is None else (first_hash, account.id)
    identity = await ensure_identity(session, email=email, language=known_language(language), first_password=first)
    if by is not None:
        by.must_be_another(identity.id)
    known = await session.scalar(
        select(User).where(User.account_id == account.id, User.identity_id == identity.id, User.status != "deleted")
    )
    if known is not None:
        raise AlreadyExists(what="user", id=known.id, status=known.status)
    user = User(
        account_id=account.id,
        id=uuid7(),
        identity_id=identity.id,
        email=identity.email,
        name="" if name is None else one_line("name", name, longest=120, shortest=0),
        role=role,
        departments=departments,
        status="invited",
        invited_until=func.now() + valid_for,
    )
    session.add(user)
    await session.flush()
    session.add(DirectoryEntry(identity_id=identity.id, account_id=account.id, user_id=user.id, status="invited"))
    invitation = _invitation(user, language=language, message=message, invited_by=account.name, valid_for=valid_for)
    if by is not None:
        _sign(invitation, by)
    session.add(invitation)
    await session.flush()
    await session.refresh(user)
    outbox.post(session, Letter.INVITATION, to=user.id, about=invitation.id)
    record(session, Event.USER_INVITED, by=by, on=user.target, role=role, departments=departments)
    return user


def _invitation(user: User, *, language: str, message: str | None, invited_by: str, valid_for: timedelta) -> Invitation:
    return Invitation(
        account_id=user.account_id,
        id=uuid7(),
        user_id=user.id,
        nonce=new_nonce(),
        language=language,
        message=None if message is None else _message(message),
        invited_by=invited_by,
        expires_at=func.now() + valid_for,
    )


def _sign(invitation: Invitation, by: Actor) -> None:
    invitation.invited_by, invitation.invited_by_user_id = by.name, by.user_id


async def resend(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    user_id: UUID,
    *,
    valid_days: int | None = None,
    language: str | None = None,
    message: str | None = None,
) -> User:
    """A new link and a new mail; older links and a first password are worthless from now on.

    Takes a place again if the invitation had expired or was withdrawn. Language and message stay as they were unless given; an
    empty message removes it. Raises Invalid while a department of the user is archived.
    """
    user, invitation, palette = await _locked(session, catalogue, actor, user_id)
    palette.must_know_departments(user.departments)
    now = await _now(session)
    if user.invited_until is None or user.invited_until <= now:
        await take_place(session)
    invitation.nonce = new_nonce()
    invitation.created_at, invitation.expires_at = now, now + _valid_for(valid_days)
    invitation.opened_at = invitation.withdrawn_at = None
    _sign(invitation, actor)
    if language is not None:
        invitation.language = known_language(language)
    if message is not None:
        invitation.message = _message(message)
    user.invited_until = invitation.expires_at
    await outbox.cancel(session, about=invitation.id)
    outbox.post(session, Letter.INVITATION, to=user.id, about=invitation.id)
    record(session, Event.INVITATION_RESENT, by=actor, on=user.target)
    return user


async def show_link(session: AsyncSession, catalogue: Catalogue, signer: Signer, actor: Actor, user_id: UUID) -> str:
    """The token of an open invitation, for an administrator who hands it over by another way than mail; the history says so.

    Whoever holds it chooses the password of somebody new. So it is shown only where administrators may choose first passwords; raises
    Invalid elsewhere, and NotInState once it has expired or was withdrawn.
    """
    must_allow_first_password(await get_account(session, actor.account_id))
    user, invitation, _ = await _locked(session, catalogue, actor, user_id)
    if user.invited_until is None or user.invited_until <= await _now(session):
        raise NotInState(state="invitation_over")
    record(session, Event.INVITATION_LINK_SHOWN, by=actor, on=user.target)
    return signer.link(Purpose.INVITATION, account_id=user.account_id, row_id=invitation.id, nonce=invitation.nonce)


async def withdraw(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> None:
    """The link stops working and the place is free at once; the user stays in the list as invited, to be invited again or deleted."""
    user, invitation, _ = await _locked(session, catalogue, actor, user_id)
    now = await _now(session)
    if invitation.withdrawn_at is None:
        invitation.withdrawn_at, invitation.nonce = now, new_nonce()
        user.invited_until = now
        await outbox.cancel(session, about=invitation.id)
        record(session, Event.INVITATION_WITHDRAWN, by=actor, on=user.target)


async def states(session: AsyncSession, users: list[User]) -> dict[UUID, dict[str, Any]]:
    """For each user of a list who is invited or came by an invitation: its state, its end, and what the mail server said."""
    wanted = [user.id for user in users if user.status in {"invited", "active", "suspended"}]
    if not wanted:
        return {}
    query = select(Invitation, func.now()).where(Invitation.account_id == entered(session), Invitation.user_id.in_(wanted))
    found = (await session.execute(query)).all()
    open_ones = [invitation.id for invitation, _ in found if invitation.accepted_at is None]
    mails = await outbox.latest_about(session, open_ones, letter=Letter.INVITATION) if open_ones else {}
    return {invitation.user_id: _shown(invitation, mails.get(invitation.id), now) for invitation, now in found}


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


async def _locked(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> tuple[User, Invitation, Palette]:
    user = await lock_user(session, user_id)
    palette = await must_outrank(session, catalogue, actor, user)
    if user.status != "invited":
        raise NotInState(state=user.status)
    invitation = await session.scalar(
        select(Invitation).where(Invitation.account_id == user.account_id, Invitation.user_id == user.id).with_for_update()
    )
    if invitation is None:
        raise NotFound
    return user, invitation, palette


def _valid_for(days: int | None) -> timedelta:
    if days is None:
        return VALID_FOR
    if days not in VALID_DAYS:
        raise Invalid("valid_days", "out_of_range", min=VALID_DAYS.start, max=VALID_DAYS.stop - 1)
    return timedelta(days=days)


def _message(text: str) -> str | None:
    return paragraph("message", text, longest=1000) or None


async def _now(session: AsyncSession) -> datetime:
    return (await session.execute(select(func.now()))).scalar_one()
