"""Whose brand a page shows: that of the account which the page, its link or its reader is about."""

from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from tenants.accounts import Account
from tenants.brands import Look, find_brand, find_brand_for, find_shown
from tenants.email_changes import EmailChange
from tenants.errors import LinkInvalid
from tenants.house import House
from tenants.password_resets import PasswordReset
from tenants.tokens import Purpose

#: Links about a person and no account.
_ROWS: dict[Purpose, type[PasswordReset | EmailChange]] = {
    Purpose.PASSWORD_RESET: PasswordReset,
    Purpose.EMAIL_CHANGE: EmailChange,
    Purpose.EMAIL_REVOKE: EmailChange,
}


async def brand_of_account(house: House, account_id: UUID) -> Look | None:
    """What the account's people see."""
    async with house.database.transaction(account_id) as session:
        return await find_brand(session)


async def brand_of_link(house: House, purpose: Purpose, token: str) -> Look | None:
    """The brand of the account that a mailed link is about, or of its person's; whatever became of the link since.

    Only a link that was made here tells anything: whoever holds one has seen the brand in the mail that brought it.
    """
    try:
        link = house.signer.claim(purpose, token)
    except LinkInvalid:
        return None
    rows = _ROWS.get(purpose)
    if rows is None:
        return await brand_of_account(house, link.account_id)
    async with house.database.transaction() as session:
        identity_id = await session.scalar(select(rows.identity_id).where(rows.id == link.row_id))
        return await find_brand_for(session, identity_id) if identity_id else None


async def brand_of_slug(house: House, slug: str | None) -> Look | None:
    """The brand of the reseller, or the operator, of this slug.

    Tells a stranger that this reseller exists, which its public brand is there to tell; of clients it tells nothing: their slugs,
    unknown ones and resellers without a brand take the same statements and look the same.
    """
    if not slug:
        return None
    async with house.database.transaction() as session:
        seller = await session.scalar(select(Account.id).where(Account.slug == slug, Account.kind != "client"))
        return await find_shown(session, seller or uuid7())
