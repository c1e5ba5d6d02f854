"""Forgotten and changed passwords, and invitation links: all but one call are open to anyone who holds a link."""

from datetime import datetime

import msgspec
from litestar.params import JSONBody

from service.api.shapes import Email, Password, PersonName, Token
from service.dependencies import Actor, House, Language, Origin
from service.entrances import accept_invitation, ask_for_reset, change_password, confirm_reset
from service.routes import Open, post, put
from tenants import invitation_links


class ForgottenPassword(msgspec.Struct, forbid_unknown_fields=True):
    """Whose password is forgotten."""

    email: Email


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """A reset link's token and the new password."""

    token: Token
    password: Password


class PasswordChange(msgspec.Struct, forbid_unknown_fields=True):
    """The current password and the new one."""

    current: Password
    new: Password


class Link(msgspec.Struct, forbid_unknown_fields=True):
    """An invitation link's token."""

    token: Token


class Acceptance(msgspec.Struct, forbid_unknown_fields=True):
    """`password` is a new one for a new identity, the current one for an existing identity."""

    token: Token
    password: Password
    name: PersonName | None = None


class InvitingAccount(msgspec.Struct):
    """The account that invites."""

    name: str


class InvitationCard(msgspec.Struct):
    """What the holder of a link may know before accepting. `role_name` is in the reader's language; `departments` null is all of them.

    With `identity_exists` the acceptance asks for the password that the address has, else for a new one.
    """

    email: str
    account: InvitingAccount
    invited_by: str
    role: str
    role_name: str
    departments: list[str] | None
    language: str
    identity_exists: bool
    expires_at: datetime


@post("/password-resets", right=Open.TO_ANYONE, status_code=202)
async def ask(data: JSONBody[ForgottenPassword], house: House, origin: Origin) -> None:
    """Mail a link for a new password, if the address has one to forget. Always the same answer."""
    await ask_for_reset(house, email=data.email, origin=origin)


@post("/password-resets/confirm", right=Open.TO_ANYONE, status_code=204, refuses=(410,))
async def confirm(data: JSONBody[NewPassword], house: House, origin: Origin) -> None:
    """Set the new password; every session of the person ends, and nobody is signed in."""
    await confirm_reset(house, token=data.token, password=data.password, origin=origin)


@put("/password", right=Open.TO_SIGNED_IN, status_code=204, refuses=(401, 429))
async def change(data: JSONBody[PasswordChange], actor: Actor, house: House, origin: Origin) -> None:
    """Change one's own password; one's other sessions end everywhere."""
    await change_password(house, actor, current=data.current, new=data.new, origin=origin)


@post("/invitations/lookup", right=Open.TO_ANYONE, status_code=200, refuses=(410,))
async def look_up(data: JSONBody[Link], house: House, origin: Origin, language: Language) -> InvitationCard:
    """What an invitation link is about. Uses nothing up."""
    async with house.database.transaction(origin=origin) as session:
        invitation, user, identity, account = await invitation_links.look_up(session, house.signer, data.token)
        offer = await invitation_links.read_offer(session, house.catalogue, account, user, language=language)
    return InvitationCard(
        email=user.email,
        account=InvitingAccount(account.name),
        invited_by=invitation.invited_by,
        role=user.role,
        role_name=offer.role,
        departments=offer.departments,
        language=invitation.language,
        identity_exists=identity.password_hash is not None,
        expires_at=invitation.expires_at,
    )


@post("/invitations/accept", right=Open.TO_ANYONE, status_code=204, refuses=(401, 410, 429))
async def accept(data: JSONBody[Acceptance], house: House, origin: Origin) -> None:
    """Become a user of the account. Works once."""
    await accept_invitation(house, token=data.token, name=data.name, password=data.password, origin=origin)


@post("/invitations/renew", right=Open.TO_ANYONE, status_code=202)
async def renew(data: JSONBody[Link], house: House, origin: Origin) -> None:
    """Tell the account's administrators that an expired link was tried. Always the same answer."""
    async with house.database.transaction(origin=origin) as session:
        await invitation_links.ask_for_renewal(session, house.signer, data.token)


routes = [ask, confirm, change, look_up, accept, renew]
