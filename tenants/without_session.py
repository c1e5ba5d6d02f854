"""People who act without a session: by a link or a ticket that stands for them, with the rights that they have at this moment."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.database import Plain, entered
from tenants.errors import InvalidCredentials
from tenants.identities import Identity
from tenants.places import Place, find_place, may_not_enter
from tenants.users import User

NO_SESSION = UUID(int=0)


async def get_place(session: AsyncSession, user_id: UUID) -> Place:
    """The place of a user of the account entered who could sign in now.

    Raises what keeps them from it: InvalidCredentials, UserSuspended or AccountUnavailable.
    """
    connection = await (await session.connection()).get_raw_connection()
    place = await find_place(Plain(connection.driver_connection), entered(session), user_id)
    refusal = await may_not_enter(session, place)
    if refusal is not None or place is None:
        raise refusal or InvalidCredentials()
    return place


async def get_actor(session: AsyncSession, catalogue: Catalogue, user_id: UUID) -> Actor:
    """The user of the account entered as a session would know them. Raises as `get_place`."""
    account_id = entered(session)
    place = await get_place(session, user_id)
    user = await session.get_one(User, (account_id, user_id), populate_existing=True)
    identity = await session.get_one(Identity, user.identity_id)
    account = await session.get_one(Account, account_id)
    return Actor(
        account_id=account_id,
        account_kind=place.kind,
        user_id=user.id,
        identity_id=identity.id,
        session_id=NO_SESSION,
        name=user.label,
        email=user.email,
        role=user.role,
        rights=place.rights(catalogue),
        departments=None if user.departments is None else frozenset(user.departments),
        language=identity.language,
        account_name=account.name,
    )
