"""Brands: the name and looks that a reseller, or the operator, has on the mails and pages of its clients."""

import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, LargeBinary, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.accounts import Account
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.brand_fields import checked_brand
from tenants.database import Base, enter, entered
from tenants.errors import Invalid, NotFound, OptionMissing
from tenants.licences import lock_licence
from tenants.logos import Logo
from tenants.users import DirectoryEntry

OPTION = "branding"
# Versions count from here in seconds: a brand that was removed and comes back must not meet what caches kept of the first.
_FIRST_VERSION = datetime(2026, 1, 1, tzinfo=UTC)
_FIELDS = ("name", "sender", "reply_to", "colour", "support", "logo_type")


class Brand(Base):
    """At most one per account. Its row is kept while the licence lacks the option, and shown to nobody."""

    __tablename__ = "brands"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        CheckConstraint("(logo IS NULL) = (logo_type IS NULL)", name="logo"),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column()
    sender: Mapped[str | None] = mapped_column()
    reply_to: Mapped[str | None] = mapped_column()
    colour: Mapped[str | None] = mapped_column()
    support: Mapped[str | None] = mapped_column()
    logo: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    logo_type: Mapped[str | None] = mapped_column()
    in_licence: Mapped[bool] = mapped_column(
        default=True, server_default="true", comment="whether the licence has the option; kept when it lapses"
    )
    version: Mapped[int] = mapped_column(default=1, server_default="1")


@dataclass(frozen=True, slots=True)
class Look:
    """A brand as mails and pages show it. Addresses of its logo and stylesheet change with its version, and may be kept forever."""

    account_id: UUID
    name: str
    sender: str | None
    reply_to: str | None
    colour: str | None
    support: str | None
    logo_type: str | None
    version: int

    @property
    def logo(self) -> str | None:
        """Where the logo is on this origin, if there is one."""
        return f"/brands/{self.account_id}/logo?v={self.version}" if self.logo_type else None

    @property
    def stylesheet(self) -> str | None:
        """Where the colours are on this origin, if one was chosen."""
        return f"/brands/{self.account_id}/style.css?v={self.version}" if self.colour else None

    @property
    def support_address(self) -> str | None:
        """The contact as a link: `https:`, `mailto:` or `tel:`."""
        if self.support is None or self.support.startswith("https://"):
            return self.support
        return f"mailto:{self.support}" if "@" in self.support else f"tel:{re.sub(r'[^+0-9]', '', self.support)}"


def look_of(brand: Brand) -> Look:
    """How the brand would be shown."""
    return Look(**{field.name: getattr(brand, field.name) for field in fields(Look)})


# Columns, never the entity: the picture stays where it is.
_LOOK = tuple(getattr(Brand, field.name) for field in fields(Look))


async def find_brand(session: AsyncSession) -> Look | None:
    """What the people of the account entered see: its own brand if it has one, else its parent's, while the licence includes it."""
    here = entered(session)
    parent = select(Account.parent_id).where(Account.id == here).scalar_subquery()
    query = select(*_LOOK).where(Brand.in_licence, or_(Brand.account_id == here, Brand.account_id == parent))
    row = (await session.execute(query.order_by((Brand.account_id == here).desc()).limit(1))).one_or_none()
    return None if row is None else Look(*row)


async def find_brand_for(session: AsyncSession, identity_id: UUID) -> Look | None:
    """What a person sees where no account is named: the brand of the account in which their mail about themselves is owed.

    Steps into that account. None for somebody who works nowhere.
    """
    place = await session.scalar(
        select(DirectoryEntry.account_id)
        .where(DirectoryEntry.identity_id == identity_id, DirectoryEntry.status.in_(("active", "suspended")))
        .order_by(DirectoryEntry.status, DirectoryEntry.user_id)
        .limit(1)
    )
    if place is None:
        return None
    await enter(session, place)
    return await find_brand(session)


async def find_shown(session: AsyncSession, account_id: UUID) -> Look | None:
    """The account's own brand, as anybody may see it. Steps into the account, which need not exist."""
    await enter(session, account_id)
    row = (await session.execute(select(*_LOOK).where(Brand.in_licence, Brand.account_id == account_id))).one_or_none()
    return None if row is None else Look(*row)


async def find_logo(session: AsyncSession) -> bytes | None:
    """The picture of the brand of the account entered."""
    return await session.scalar(select(Brand.logo).where(Brand.account_id == entered(session)))


async def get_brand(session: AsyncSession) -> Brand:
    """The brand of the account entered, shown or not."""
    brand = await session.scalar(select(Brand).where(Brand.account_id == entered(session)))
    if brand is None:
        raise NotFound
    return brand


async def set_brand(session: AsyncSession, actor: Actor, *, wanted: dict[str, str | None]) -> Brand:
    """Give the account entered these looks; what is absent is taken away, but for the logo. Works on the next mail and page.

    Raises OptionMissing, and Invalid as `checked_brand`.
    """
    await _must_have_the_option(session, actor)
    values = await checked_brand(session, wanted)
    brand = await _lock(session)
    if brand is None:
        first = int((datetime.now(UTC) - _FIRST_VERSION).total_seconds())
        brand = Brand(account_id=entered(session), version=first, **values)
        session.add(brand)
        await _write(session, actor, brand, before=None)
        return brand
    before = _facts(brand)
    for name, value in values.items():
        setattr(brand, name, value)
    if _facts(brand) != before:
        brand.version += 1
        await _write(session, actor, brand, before=before)
    return brand


async def set_logo(session: AsyncSession, actor: Actor, logo: Logo | None) -> Brand:
    """Give the brand of the account entered this logo, or none. Raises NotFound without a brand, and OptionMissing."""
    if logo is not None:
        await _must_have_the_option(session, actor)
    brand = await _lock(session)
    if brand is None:
        raise NotFound
    before = _facts(brand)
    brand.logo, brand.logo_type = (logo.content, logo.media_type) if logo else (None, None)
    brand.version += 1
    await _write(session, actor, brand, before=before)
    return brand


async def remove_brand(session: AsyncSession, actor: Actor) -> None:
    """The account's clients see the installation's own looks again. Raises NotFound."""
    brand = await _lock(session)
    if brand is None:
        raise NotFound
    record(session, Event.BRAND_CHANGED, by=actor, on=("brand", brand.account_id, brand.name), before=_facts(brand), after=None)
    await session.execute(delete(Brand).where(Brand.account_id == brand.account_id))


async def keep_brand_with_licence(session: AsyncSession, options: list[str]) -> None:
    """After a change of the licence of the account entered: its brand is shown while the options include it, and kept otherwise."""
    included = OPTION in options
    await session.execute(
        update(Brand)
        .where(Brand.account_id == entered(session), Brand.in_licence != included)
        .values(in_licence=included, version=Brand.version + 1)
    )


async def _lock(session: AsyncSession) -> Brand | None:
    return await session.scalar(
        select(Brand).where(Brand.account_id == entered(session)).with_for_update().execution_options(populate_existing=True)
    )


async def _must_have_the_option(session: AsyncSession, actor: Actor) -> None:
    # A client has nobody to show a brand to.
    if actor.account_kind == "client":
        raise Invalid("account", "not_possible")
    # A first brand, and a change of the licence that takes the option away, queue here; the second one sees the first.
    if OPTION not in (await lock_licence(session)).options:
        raise OptionMissing(option=OPTION)


async def _write(session: AsyncSession, actor: Actor, brand: Brand, *, before: dict[str, Any] | None) -> None:
    await session.flush()
    on = ("brand", brand.account_id, brand.name)
    record(session, Event.BRAND_CHANGED, by=actor, on=on, before=before, after=_facts(brand))


def _facts(brand: Brand) -> dict[str, Any]:
    # The picture itself is no fact for a line of history; its type and the version tell that there was one.
    return {name: getattr(brand, name) for name in _FIELDS}
