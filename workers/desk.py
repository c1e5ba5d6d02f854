"""What letters are written at: paper, the key to links, and who reads them, in which language and by which clock."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account
from tenants.identities import Identity
from tenants.outbox import Lease
from tenants.tokens import Signer
from tenants.users import User
from workers.stationery import Reader, Stationery


@dataclass(frozen=True, slots=True)
class Desk:
    """What letters are written with."""

    stationery: Stationery
    signer: Signer


#: Writes one kind of letter in the account that is entered; None once its reason is no longer true.
Writer = Callable[[AsyncSession, Desk, Lease], Awaitable[EmailMessage | None]]


async def user_of(session: AsyncSession, lease: Lease) -> User:
    """To whom the mail is owed."""
    return await session.get_one(User, (lease.account_id, lease.user_id))


async def active_user_of(session: AsyncSession, lease: Lease) -> User | None:
    """The same while they are active, else None."""
    user = await user_of(session, lease)
    return user if user.standing == "active" else None


async def reader_of(session: AsyncSession, user: User, account: Account) -> Reader:
    """The user, in their own language, on the account's clock."""
    identity = await session.get_one(Identity, user.identity_id)
    return Reader(user.name, user.email, identity.language, account.time_zone)


async def database_now(session: AsyncSession) -> datetime:
    """The database's clock."""
    return (await session.execute(select(func.now()))).scalar_one()
