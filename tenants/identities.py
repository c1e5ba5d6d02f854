"""Identities: a person's login, one per e-mail address for the whole installation, in as many accounts as invite them."""

import unicodedata
from datetime import datetime
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import CheckConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.database import Base
from tenants.errors import Invalid

LONGEST_EMAIL = 254
# Alphabets whose letters are taken for each other, as the first word of a character's name says.
_LOOK_ALIKE = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "FULLWIDTH", "MATHEMATICAL"})


class Identity(Base):
    """Nothing that one account's administrator does changes it as other accounts see it."""

    __tablename__ = "identities"
    __table_args__ = (
        CheckConstraint("(first_password_hash IS NULL) = (first_password_account_id IS NULL)", name="first_password"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    email: Mapped[str] = mapped_column(unique=True, comment="normal form")
    password_hash: Mapped[str | None] = mapped_column()
    credentials_version: Mapped[int] = mapped_column(default=1, server_default="1", comment="raised by every new password")
    language: Mapped[str] = mapped_column(default="fr", server_default="fr")
    first_password_hash: Mapped[str | None] = mapped_column(
        comment="set by the account that made the identity; good for nothing but choosing an own one"
    )
    first_password_account_id: Mapped[UUID | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def normal_email(email: str) -> str:
    """The form of an address under which it is one identity, and in which it is shown.

    Raises Invalid for anything that is not exactly one address (RFC 5321, RFC 6531), for control characters and for
    mixed-script look-alikes in the local part.
    """
    try:
        found = validate_email(
            email, check_deliverability=False, allow_quoted_local=False, allow_domain_literal=False, test_environment=True
        )
    except EmailNotValidError as error:
        raise Invalid("email", "malformed") from error
    if len(found.normalized) > LONGEST_EMAIL:
        raise Invalid("email", "too_long", max=LONGEST_EMAIL)
    if not found.normalized.isascii() and _mixes_scripts(found.normalized):
        raise Invalid("email", "look_alike")
    # Lower case, not case folding: "straße" and "strasse" are two mailboxes. Nothing else is kept, or the spelling of whoever
    # invited a person first would tell others that the person is known.
    return found.normalized.lower()


async def find_identity(session: AsyncSession, email: str) -> Identity | None:
    """The identity of an address in normal form."""
    return await session.scalar(select(Identity).where(Identity.email == email))


async def ensure_identity(
    session: AsyncSession, *, email: str, language: str, first_password: tuple[str, UUID] | None = None
) -> Identity:
    """The identity of the address, made if it is new. The language, and the first password with its account, are a new one's only.

    The same statements whether it is known or not: the time of an invitation does not tell.
    """
    key = normal_email(email)
    given_hash, by = first_password or (None, None)
    values = {"email": key, "language": language, "first_password_hash": given_hash, "first_password_account_id": by}
    new = insert(Identity).values(id=uuid7(), **values).on_conflict_do_nothing(index_elements=["email"])
    # Shared with other invitations; whoever changes the address waits until the user is written with it, or was first.
    known = select(Identity).where(Identity.email == key).with_for_update(read=True, key_share=True)
    while True:
        await session.execute(new)
        if (found := await session.scalar(known)) is not None:
            return found


async def lock_identity(session: AsyncSession, identity_id: UUID) -> Identity:
    """The identity, locked until the transaction ends: passwords change one at a time."""
    return (
        await session.execute(
            select(Identity).where(Identity.id == identity_id).with_for_update().execution_options(populate_existing=True)
        )
    ).scalar_one()


def set_password_hash(identity: Identity, password_hash: str) -> None:
    """A new password: everything that was derived from the old one stops working, and a first password with it."""
    identity.password_hash = password_hash
    identity.first_password_hash = identity.first_password_account_id = None
    identity.credentials_version += 1


def _mixes_scripts(address: str) -> bool:
    # Latin with Cyrillic, Greek or another of its doubles inside one label reads as another address.
    for label in address.replace("@", ".").split("."):
        scripts = {script for char in label if (script := _script(char))}
        if len(scripts) > 1:
            return True
    return False


def _script(char: str) -> str | None:
    if char.isascii():
        return "LATIN" if char.isalpha() else None
    script = unicodedata.name(char, "").partition(" ")[0]
    return script if script in _LOOK_ALIKE else None
