"""Links as mails carry them, for tests that open them."""

from uuid import UUID

from tenants import invitations, password_resets
from tenants.email_changes import EmailChange
from tenants.house import House
from tenants.identities import normal_email
from tenants.outbox import Letter, OwedMail
from tenants.password_resets import PasswordReset
from tenants.seat_requests import find_childs_request
from tenants.tokens import Purpose
from tests import make
from tests.make import Company

NEW_PASSWORD = "seven purple kites over Brest"


async def invited(house: House) -> tuple[Company, str]:
    """Acme, and the token in the mail to somebody it invites."""
    acme = await make.company(house, staff=0)
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email="new@acme.example.com", role="user")
    return acme, await make.invitation_token(house, acme.account_id, user.id)


async def reset_token(house: House, email: str) -> str:
    """The token of the newest reset mail to the address."""
    from sqlalchemy import select

    async with house.database.transaction() as session:
        await password_resets.ask(session, email=normal_email(email))
    async with house.database.transaction() as session:
        reset = (await session.scalars(select(PasswordReset).order_by(PasswordReset.id.desc()).limit(1))).one()
    return house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=reset.id, nonce=reset.nonce)


async def email_change_token(house: House, purpose: Purpose) -> str:
    """The token of the newest letter about a change of address: to the new one, or back to the old one."""
    from sqlalchemy import select

    async with house.database.transaction() as session:
        change = (await session.scalars(select(EmailChange).order_by(EmailChange.id.desc()).limit(1))).one()
    return house.signer.link(purpose, account_id=None, row_id=change.id, nonce=change.nonce)


async def seat_request_tokens(house: House, seller: Company, request: UUID) -> dict[UUID, str]:
    """The token in the letter about a seat request to each person of the seller."""
    from sqlalchemy import select

    async with house.database.transaction(seller.account_id) as session:
        found = await find_childs_request(session, seller.account_id, request)
        assert found is not None
        asked = OwedMail.letter == Letter.SEAT_REQUESTED.value
        mails = await session.scalars(select(OwedMail).where(OwedMail.about == request, asked))
        return {
            mail.user_id: house.signer.link(Purpose.SEAT_REQUEST, account_id=seller.account_id, row_id=mail.id, nonce=found.nonce)
            for mail in mails
        }
