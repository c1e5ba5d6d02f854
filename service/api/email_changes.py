"""A person's own change of address: asked for with the password, confirmed from the new mailbox, revocable from the old one."""

import msgspec
from litestar.params import JSONBody

from service.api.shapes import Email, Password, Token
from service.dependencies import Actor, House, Origin
from service.entrances import ask_for_email_change, confirm_email_change, revoke_email_change
from service.routes import Open, post


class NewAddress(msgspec.Struct, forbid_unknown_fields=True):
    """The address that shall be one's own, and one's current password."""

    email: Email
    password: Password


class ChangeLink(msgspec.Struct, forbid_unknown_fields=True):
    """The token of a mailed link."""

    token: Token


@post("/email-changes", right=Open.TO_SIGNED_IN, status_code=202, refuses=(401, 429))
async def ask(data: JSONBody[NewAddress], actor: Actor, house: House, origin: Origin) -> None:
    """Mail a link to the new address, for 24 hours; an older link stops working. Always the same answer."""
    await ask_for_email_change(house, actor, email=data.email, password=data.password, origin=origin)


@post("/email-changes/confirm", right=Open.TO_ANYONE, status_code=204, refuses=(409, 410))
async def confirm(data: JSONBody[ChangeLink], house: House, origin: Origin) -> None:
    """The new address signs in from now on; the old one is told, and can revoke it for 72 hours."""
    await confirm_email_change(house, token=data.token, origin=origin)


@post("/email-changes/revoke", right=Open.TO_ANYONE, status_code=204, refuses=(409, 410))
async def revoke(data: JSONBody[ChangeLink], house: House, origin: Origin) -> None:
    """The old address is back; every session of the person ends, and a link for a new password is mailed to it."""
    await revoke_email_change(house, token=data.token, origin=origin)


routes = [ask, confirm, revoke]
