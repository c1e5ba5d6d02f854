"""Invitation links: what their holder may know and do, and the administrators whom an expired one is told to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants import outbox
from tenants.accounts import Account, get_account, hold_account
from tenants.activity import Event, record
from tenants.actors import Person
from tenants.catalogue import Catalogue
from tenants.database import enter, entered
from tenants.effects import raise_epoch
from tenants.errors import InvalidCredentials, LinkExpired, LinkInvalid, LinkUsed, NotFound
from tenants.identities import Identity, lock_identity, set_password_hash
from tenants.invitations import Invitation
from tenants.outbox import Letter, OwedMail
from tenants.roles import read_palette
from tenants.texts import one_line
from tenants.tokens import Claim, Purpose, Signer, new_nonce
from tenants.users import User, active_administrators, lock_user


@dataclass(frozen=True, slots=True)
class Offer:
    """What an invitation gives, in words: the role's name, and the departments' names; None is all of them."""

    role: str
    departments: list[str] | None


async def read_offer(session: AsyncSession, catalogue: Catalogue, account: Account, user: User, *, language: str) -> Offer:
    """What accepting gives, for whoever reads it before; in the account entered."""
    palette = await read_palette(session, catalogue, account.kind)
    ids = None if user.departments is None else [known for known in palette.departments if known in user.departments]
    departments = None if ids is None else [palette.departments[department].name for department in ids]
    return Offer(palette.name_of(user.role, language), departments)


async def look_up(session: AsyncSession, signer: Signer, token: str) -> tuple[Invitation, User, Identity, Account]:
    """What a link's holder may know; marks it as opened. Raises LinkExpired, LinkUsed or LinkInvalid."""
    found = await read_link(session, signer, token)
    if found[0].opened_at is None:
        found[0].opened_at = await _now(session)
    return found


async def read_link(session: AsyncSession, signer: Signer, token: str) -> tuple[Invitation, User, Identity, Account]:
    """As `look_up`, and changes nothing: programs that check mails follow links, and that is not a person opening one."""
    found = await _enter_by(session, signer, token)
    # One statement, one moment: a link that is open was not yet accepted when its identity had this password.
    row = (
        await session.execute(
            _invitation_of(found)
            .add_columns(User, Identity)
            .join(User, and_(User.account_id == Invitation.account_id, User.id == Invitation.user_id))
            .join(Identity, Identity.id == User.identity_id)
        )
    ).one_or_none()
    if row is None:
        raise LinkInvalid
    invitation, user, identity = row
    return invitation, user, identity, await _must_be_open(session, signer, found, invitation, user)


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
    invitation, user = await _lock_link(session, signer, token)
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
    if user.status != "invited" or (await get_account(session, found.account_id)).standing != "active":
        return
    for administrator in await active_administrators(session):
        outbox.post(session, Letter.INVITATION_RENEWAL, to=administrator.id, about=invitation.id)
    record(session, Event.INVITATION_RENEWAL_ASKED, by=Person(user.id, user.identity_id, user.label, user.email), on=user.target)


async def find_own_choice(session: AsyncSession, signer: Signer, *, identity_id: UUID, first_hash: str) -> str | None:
    """The token of the invitation, in the account entered, whose first password `first_hash` is of; None when that has lapsed.

    A first password lives as long as the invitation that made the identity: not accepted, expired, withdrawn or sent again.
    """
    row = (
        await session.execute(
            select(Invitation.account_id, Invitation.id, Invitation.nonce)
            .join(User, and_(User.account_id == Invitation.account_id, User.id == Invitation.user_id))
            .join(Identity, Identity.id == User.identity_id)
            .join(Account, Account.id == Invitation.account_id)
            .where(
                Invitation.account_id == entered(session),
                Identity.id == identity_id,
                Identity.password_hash.is_(None),
                Identity.first_password_hash == first_hash,
                Identity.first_password_account_id == Invitation.account_id,
                # Made in one transaction, whose moment both carry; a resend has another, and so has a later invitation.
                Invitation.created_at == Identity.created_at,
                Invitation.expires_at > func.now(),
                Invitation.accepted_at.is_(None),
                Invitation.withdrawn_at.is_(None),
                User.status == "invited",
                Account.standing == "active",
            )
        )
    ).one_or_none()
    return row and signer.link(Purpose.INVITATION, account_id=row.account_id, row_id=row.id, nonce=row.nonce)


async def _lock_link(session: AsyncSession, signer: Signer, token: str) -> tuple[Invitation, User]:
    found = await _enter_by(session, signer, token)
    # Nobody becomes active in an account that is suspended or closed at this moment: whichever comes first is seen by the other.
    await hold_account(session, found.account_id)
    await _queue_at_licence(session, await session.scalar(_invitation_of(found).with_only_columns(Invitation.user_id)))
    invitation = await session.scalar(_invitation_of(found).with_for_update())
    if invitation is None:
        raise LinkInvalid
    user = await session.get_one(User, (invitation.account_id, invitation.user_id))
    await _must_be_open(session, signer, found, invitation, user)
    return invitation, user


async def _enter_by(session: AsyncSession, signer: Signer, token: str) -> Claim:
    found = signer.claim(Purpose.INVITATION, token)
    await enter(session, found.account_id)
    return found


def _invitation_of(found: Claim) -> Select[Invitation]:
    query = select(Invitation).where(Invitation.account_id == found.account_id, Invitation.id == found.row_id)
    return query.execution_options(populate_existing=True)


async def _must_be_open(session: AsyncSession, signer: Signer, found: Claim, invitation: Invitation, user: User) -> Account:
    # Ours once. Older, used and withdrawn links are told alike.
    if not signer.opens(found, Purpose.INVITATION, nonce=invitation.nonce):
        raise LinkUsed
    if invitation.expires_at <= await _now(session):
        raise LinkExpired
    account = await get_account(session, invitation.account_id)
    if user.status != "invited" or account.standing != "active":
        raise LinkUsed
    return account


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
