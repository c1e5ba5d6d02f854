"""Steps that API and console share because a hash stands between two transactions: no connection is held while it is computed."""

from tenants import email_changes, invitation_links, invitations, password_resets
from tenants.accounts import get_account
from tenants.actors import Actor, Origin
from tenants.errors import Invalid, InvalidCredentials
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


async def ask_for_email_change(house: House, actor: Actor, *, email: str, password: str, origin: Origin) -> None:
    """Owe a link to one's own new address, at most five an hour to one address; silent about whether it is somebody's already.

    A wrong password counts as a guess and raises InvalidCredentials; Invalid for one's present address.
    """
    must_fit(password)
    address = normal_email(email)
    async with house.database.transaction() as session:
        identity = await session.get_one(Identity, actor.identity_id)
    email_changes.must_differ(identity, address)
    verified = await _verified(house, identity, password, origin)
    # A window of its own: nobody uses up the reset mails of somebody else's address by naming it here.
    if not await house.attempts.may_mail(f"email change: {address}"):
        return
    async with house.database.transaction(actor.account_id, origin=origin) as session:
        await email_changes.ask(session, actor, email=address, verified_hash=verified)


async def confirm_email_change(house: House, *, token: str, origin: Origin) -> None:
    """Take the new address that a link was mailed to. Raises LinkExpired, LinkUsed, LinkInvalid or AlreadyExists."""
    async with house.database.transaction(origin=origin) as session:
        await email_changes.confirm(session, house.signer, token)


async def revoke_email_change(house: House, *, token: str, origin: Origin) -> None:
    """Put the old address back, sign everybody out, and owe a reset link to it. Raises as `confirm_email_change`."""
    async with house.database.transaction(origin=origin) as session:
        await email_changes.revoke(session, house.signer, token, new_hash=house.hasher.unknowable())


async def first_password_hash(house: House, actor: Actor, *, email: str, name: str | None, password: str | None) -> str | None:
    """The hash of a first password for somebody to be invited; always computed, whether or not the address is new.

    Raises Invalid where the account does not let its administrators set one, or it is not good enough; Busy.
    """
    if password is None:
        return None
    async with house.database.transaction(actor.account_id) as session:
        account = await get_account(session, actor.account_id)
    invitations.must_allow_first_password(account)
    house.hasher.check(password, context=[normal_email(email), account.name, name or ""])
    return await house.hasher.hash(password)


async def accept_invitation(house: House, *, token: str, name: str | None, password: str, origin: Origin) -> None:
    """Use an invitation link: with a new password, which no administrator set, or with the one that an existing identity has."""
    must_fit(password)
    async with house.database.transaction(origin=origin) as session:
        user, identity, account = await invitation_links.find_invitee(session, house.signer, token)
    verified = new_hash = None
    if identity.password_hash is None:
        house.hasher.check(password, context=[identity.email, account.name, name or user.name])
        await _must_be_ones_own(house, identity, password)
        new_hash = await house.hasher.hash(password)
    else:
        verified = await _verified(house, identity, password, origin)
    async with house.database.transaction(origin=origin) as session:
        await invitation_links.accept(session, house.signer, token, name=name, new_hash=new_hash, verified_hash=verified)


async def _must_be_ones_own(house: House, identity: Identity, password: str) -> None:
    first = identity.first_password_hash
    if first is not None and await house.hasher.verify(first, password):
        raise Invalid("password", "first_password")


async def _verified(house: House, identity: Identity, password: str, origin: Origin) -> str:
    guess = await house.attempts.take(identity.email, origin.ip)
    if identity.password_hash is None or not await house.hasher.verify(identity.password_hash, password):
        raise InvalidCredentials
    await guess.was_right()
    return identity.password_hash
