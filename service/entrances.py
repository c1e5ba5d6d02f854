"""Steps that API and console share because a hash stands between two transactions: no connection is held while it is computed."""

from tenants import invitations, password_resets
from tenants.actors import Actor, Origin
from tenants.errors import InvalidCredentials
from tenants.house import House
from tenants.identities import Identity, find_identity, normal_email
from tenants.passwords import must_fit


async def ask_for_reset(house: House, *, email: str, origin: Origin) -> None:
    """Owe a reset mail, at most five an hour to one address; silent about whether there is anyone.

    What there is to do for a known address is done after the answer: its time is the same for all. A process killed in that
    moment loses the request, and the person asks again. Raises Unavailable while PostgreSQL or Redis is away.
    """
    address = normal_email(email)
    wanted = await house.attempts.may_mail(address)
    async with house.database.transaction() as session:
        await find_identity(session, address)
    if wanted:
        house.later(_owe_reset(house, address, origin))


async def _owe_reset(house: House, email: str, origin: Origin) -> None:
    async with house.database.transaction(origin=origin) as session:
        await password_resets.ask(session, email=email)


async def confirm_reset(house: House, *, token: str, password: str, origin: Origin) -> None:
    """Set the password that a reset link asks for. Raises LinkExpired, LinkUsed, LinkInvalid, Invalid or Busy."""
    must_fit(password)
    async with house.database.transaction() as session:
        _, identity = await password_resets.find_for_reset(session, house.signer, token)
    house.hasher.check(password, context=[identity.email])
    new_hash = await house.hasher.hash(password)
    async with house.database.transaction(origin=origin) as session:
        await password_resets.confirm(session, house.signer, token, new_hash=new_hash)


async def change_password(house: House, actor: Actor, *, current: str, new: str, origin: Origin) -> None:
    """Change one's own password. A wrong current one counts as a guess and raises InvalidCredentials."""
    must_fit(current)
    async with house.database.transaction() as session:
        identity = await session.get_one(Identity, actor.identity_id)
    house.hasher.check(new, context=[actor.email, actor.name])
    verified = await _verified(house, identity, current, origin)
    new_hash = await house.hasher.hash(new)
    async with house.database.transaction(origin=origin) as session:
        await password_resets.change(session, actor, verified_hash=verified, new_hash=new_hash)


async def accept_invitation(house: House, *, token: str, name: str | None, password: str, origin: Origin) -> None:
    """Use an invitation link: with a new password, or with the one that an existing identity has."""
    must_fit(password)
    async with house.database.transaction(origin=origin) as session:
        user, identity, account = await invitations.find_invitee(session, house.signer, token)
    verified = new_hash = None
    if identity.password_hash is None:
        house.hasher.check(password, context=[identity.email, account.name, name or user.name])
        new_hash = await house.hasher.hash(password)
    else:
        verified = await _verified(house, identity, password, origin)
    async with house.database.transaction(origin=origin) as session:
        await invitations.accept(session, house.signer, token, name=name, new_hash=new_hash, verified_hash=verified)


async def _verified(house: House, identity: Identity, password: str, origin: Origin) -> str:
    guess = await house.attempts.take(identity.email, origin.ip)
    if identity.password_hash is None or not await house.hasher.verify(identity.password_hash, password):
        raise InvalidCredentials
    await guess.was_right()
    return identity.password_hash
