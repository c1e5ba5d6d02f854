"""The first operator: made, or given a new link, by whoever can run commands against the database."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants import invitations, outbox
from tenants.accounts import Account, find_operator
from tenants.actors import Actor
from tenants.catalogue import ADMINISTRATOR, Catalogue
from tenants.database import enter
from tenants.identities import normal_email
from tenants.invitations import Invitation
from tenants.resellers import create_operator
from tenants.tokens import Purpose, Signer
from tenants.users import User, active_administrators, search_users

LINK_VALID_FOR: timedelta = invitations.VALID_FOR


@dataclass(frozen=True, slots=True)
class Taken:
    """The operator's account is in use: these administrators can invite others and ask for a new password."""

    administrators: list[str]


async def operator_link(
    session: AsyncSession, catalogue: Catalogue, signer: Signer, *, email: str, name: str, language: str
) -> str | Taken:
    """The token of the one link with which this address becomes the operator's first administrator.

    Made anew at every call, so that older links are worthless; no mail is owed for it. An address that was mistyped before is
    replaced. Raises Invalid for what is not an address.
    """
    address = normal_email(email)
    operator = await find_operator(session)
    if operator is None:
        operator, user = await create_operator(session, catalogue, name=name, email=address, language=language)
    else:
        await enter(session, operator.id)
        if administrators := await active_administrators(session):
            return Taken([administrator.email for administrator in administrators])
        user = await _invited_again(session, catalogue, operator, email=address, language=language)
    await session.flush()
    invitation = await invitation_of(session, user)
    await outbox.cancel(session, about=invitation.id)
    return signer.link(Purpose.INVITATION, account_id=operator.id, row_id=invitation.id, nonce=invitation.nonce)


async def invitation_of(session: AsyncSession, user: User) -> Invitation:
    """The invitation of a user who was invited, in the account entered."""
    found = await session.scalars(select(Invitation).where(Invitation.account_id == user.account_id, Invitation.user_id == user.id))
    return found.one()


def acting(catalogue: Catalogue, account: Account, user: User) -> Actor:
    """Somebody with every right of their account, for commands that act in their name without a session."""
    return Actor(
        account_id=account.id,
        account_kind=account.kind,
        user_id=user.id,
        identity_id=user.identity_id,
        session_id=uuid7(),
        name=user.label,
        email=user.email,
        role=ADMINISTRATOR,
        rights=catalogue.rights_of(account.kind),
        departments=None,
        language=account.language,
    )


async def _invited_again(session: AsyncSession, catalogue: Catalogue, operator: Account, *, email: str, language: str) -> User:
    chosen: User | None = None
    for user in await session.scalars(search_users(operator.id, status="invited")):
        by = acting(catalogue, operator, user)
        if user.email == email:
            chosen = await invitations.resend(session, catalogue, by, user.id)
        else:
            await invitations.withdraw(session, catalogue, by, user.id)
    return chosen or await invitations.add_invited(
        session, operator, by=None, email=email, role=ADMINISTRATOR, name=None, language=language
    )
