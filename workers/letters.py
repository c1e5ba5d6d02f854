"""One function per letter: what it says, to whom, in which language; None once its reason is no longer true."""

from dataclasses import replace
from email.message import EmailMessage

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account, get_account
from tenants.brands import find_brand
from tenants.email_changes import EmailChange
from tenants.identities import Identity, find_identity
from tenants.invitations import Invitation
from tenants.licences import LicenceChange
from tenants.outbox import Lease, Letter, OwedMail
from tenants.password_resets import PasswordReset
from tenants.tokens import Purpose
from tenants.users import User
from workers import activity_letters, licence_letters, pool_letters, seat_request_letters, visit_letters
from workers.desk import Desk, Writer, active_user_of, database_now, reader_of, user_of
from workers.stationery import Reader, moment


async def write_letter(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """The mail that is owed, written in its account, which the session has entered, under the brand that its people see.

    Raises whatever keeps it from being written.
    """
    branded = replace(desk, stationery=desk.stationery.under(await find_brand(session)))
    return await _WRITERS[Letter(lease.letter)](session, branded, lease)


async def invitation(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """Who invites to what, the link that works once, and until when."""
    invited, user, account = await _invited(session, lease)
    open_until = invited.expires_at
    if user.status != "invited" or _over(invited) or open_until <= await database_now(session):
        return None
    reader = Reader(user.name, user.email, invited.language, account.time_zone)
    token = desk.signer.link(Purpose.INVITATION, account_id=account.id, row_id=invited.id, nonce=invited.nonce)
    return desk.stationery.write(
        Letter.INVITATION,
        reader,
        mail=(lease.account_id, lease.id),
        link=f"{desk.stationery.public_url}/invitation?token={token}",
        account=account.name,
        invited_by="" if invited.invited_by == account.name else invited.invited_by,
        message=invited.message or "",
        until=moment(open_until, reader),
    )


async def invitation_renewal(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To an administrator: somebody tried a link that had expired, and would like another."""
    invited, invitee, account = await _invited(session, lease)
    administrator = await active_user_of(session, lease)
    if administrator is None or invitee.status != "invited" or _over(invited) or invited.expires_at > await database_now(session):
        return None
    reader = await reader_of(session, administrator, account)
    return desk.stationery.write(
        Letter.INVITATION_RENEWAL,
        reader,
        mail=(lease.account_id, lease.id),
        account=account.name,
        invitee=invitee.label,
        invitee_email=invitee.email,
        expired=moment(invited.expires_at, reader),
    )


async def password_reset(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """The link that sets a new password, once, for an hour."""
    reset = await session.get_one(PasswordReset, lease.about)
    user = await user_of(session, lease)
    replaced = await session.scalar(
        select(PasswordReset.id).where(PasswordReset.identity_id == reset.identity_id, PasswordReset.id > reset.id).limit(1)
    )
    if user.status not in {"active", "suspended"} or replaced or reset.used_at or reset.expires_at <= await database_now(session):
        return None
    reader = await reader_of(session, user, await get_account(session, lease.account_id))
    token = desk.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=reset.id, nonce=reset.nonce)
    return desk.stationery.write(
        Letter.PASSWORD_RESET,
        reader,
        mail=(lease.account_id, lease.id),
        link=f"{desk.stationery.public_url}/reset?token={token}",
        until=moment(reset.expires_at, reader),
    )


async def password_changed(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """The password is another one now; what to do if it was somebody else."""
    user = await user_of(session, lease)
    if user.status not in {"active", "suspended"}:
        return None
    reader = await reader_of(session, user, await get_account(session, lease.account_id))
    owed = await session.get_one(OwedMail, (lease.account_id, lease.id))
    return desk.stationery.write(
        Letter.PASSWORD_CHANGED,
        reader,
        mail=(lease.account_id, lease.id),
        link=f"{desk.stationery.public_url}/forgot",
        when=moment(owed.created_at, reader),
    )


async def seats_changed(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To an administrator: how many places there were, how many there are, by whom and why."""
    change = await session.get_one(LicenceChange, (lease.account_id, lease.about))
    administrator = await active_user_of(session, lease)
    if administrator is None:
        return None
    account = await get_account(session, lease.account_id)
    reader = await reader_of(session, administrator, account)
    return desk.stationery.write(
        Letter.SEATS_CHANGED,
        reader,
        mail=(lease.account_id, lease.id),
        account=account.name,
        before=(change.before or {})["seats"],
        after=change.after["seats"],
        by=change.by_name,
        reason=change.reason or "",
        when=moment(change.at, reader),
    )


async def email_change(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To the new address: the link that confirms it, once, for a day. Never to an address that is somebody's already."""
    change = await session.get_one(EmailChange, lease.about)
    over = change.confirmed_at or change.revoked_at or change.expires_at <= await database_now(session)
    if over or await find_identity(session, change.new_email) is not None:
        return None
    # By address alone: whether its owner is the person is not known yet, and a name could carry anything to strangers.
    reader = await _at(session, lease, change, name="", email=change.new_email)
    token = desk.signer.link(Purpose.EMAIL_CHANGE, account_id=None, row_id=change.id, nonce=change.nonce)
    return desk.stationery.write(
        Letter.EMAIL_CHANGE,
        reader,
        mail=(lease.account_id, lease.id),
        link=f"{desk.stationery.public_url}/email-change?token={token}",
        email=change.new_email,
        until=moment(change.expires_at, reader),
    )


async def email_changed(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To the old address: what it was changed to, when, and the link that puts it back, once, for 72 hours."""
    change = await session.get_one(EmailChange, lease.about)
    confirmed, until = change.confirmed_at, change.revocable_until
    if confirmed is None or until is None or change.revoked_at or until <= await database_now(session):
        return None
    reader = await _at(session, lease, change, name=(await user_of(session, lease)).name, email=change.old_email)
    token = desk.signer.link(Purpose.EMAIL_REVOKE, account_id=None, row_id=change.id, nonce=change.nonce)
    return desk.stationery.write(
        Letter.EMAIL_CHANGED,
        reader,
        mail=(lease.account_id, lease.id),
        link=f"{desk.stationery.public_url}/email-change/revoke?token={token}",
        old=change.old_email,
        new=change.new_email,
        when=moment(confirmed, reader),
        until=moment(until, reader),
    )


_WRITERS: dict[Letter, Writer] = {
    Letter.INVITATION: invitation,
    Letter.INVITATION_RENEWAL: invitation_renewal,
    Letter.PASSWORD_RESET: password_reset,
    Letter.PASSWORD_CHANGED: password_changed,
    Letter.SEATS_CHANGED: seats_changed,
    Letter.BOOST_GIVEN: pool_letters.boost_given,
    Letter.BOOST_ENDED: pool_letters.boost_ended,
    Letter.POOL_OVERSOLD: pool_letters.pool_oversold,
    Letter.EMAIL_CHANGE: email_change,
    Letter.EMAIL_CHANGED: email_changed,
    **activity_letters.WRITERS,
    **licence_letters.WRITERS,
    **seat_request_letters.WRITERS,
    **visit_letters.WRITERS,
}


async def _invited(session: AsyncSession, lease: Lease) -> tuple[Invitation, User, Account]:
    invited = await session.get_one(Invitation, (lease.account_id, lease.about))
    user = await session.get_one(User, (lease.account_id, invited.user_id))
    return invited, user, await get_account(session, lease.account_id)


def _over(invited: Invitation) -> bool:
    return invited.accepted_at is not None or invited.withdrawn_at is not None


async def _at(session: AsyncSession, lease: Lease, change: EmailChange, *, name: str, email: str) -> Reader:
    # The address is the change's: the user has the other one of the two.
    identity = await session.get_one(Identity, change.identity_id)
    account = await get_account(session, lease.account_id)
    return Reader(name, email, identity.language, account.time_zone)
