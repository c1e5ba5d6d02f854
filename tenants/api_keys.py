"""API keys: with one, an application asks on behalf of an account. It is nobody's session: it has no person's rights, and uses no seat.

A key belongs to the account and not to whoever made it: it goes on when they leave, until it expires or is revoked.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Select, Text, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.bearer_tokens import BearerTokens
from tenants.database import AccountOwned, Base, entered
from tenants.effects import raise_epoch
from tenants.errors import Invalid, NotFound, NotInState, OptionMissing
from tenants.licences import lock_licence
from tenants.seat_requests import must_lie_ahead
from tenants.texts import one_line
from tenants.tokens import Purpose, Signer

#: The licence's option without which no key is made, and those that were made are frozen.
OPTION = "api"
#: Keys of one account that are neither revoked nor expired.
MOST_LIVE = 50
LONGEST_NAME = 60
_PREFIX = "ptk_"
# Characters of a key by which people recognise it: the first come from the account, the last are the key's own.
_SHOWN_FIRST, _SHOWN_LAST = len(_PREFIX) + 6, 4


class KeyScope(StrEnum):
    """What a key may be used for; a new scope is a line here. Beside it the rights that whoever makes such a key must have."""

    needs: frozenset[str]

    def __new__(cls, word: str, *needs: str) -> Self:
        """A scope by its word."""
        scope = str.__new__(cls, word)
        scope._value_ = word
        scope.needs = frozenset(needs)
        return scope

    SESSIONS_INTROSPECT = "sessions.introspect", "sessions.view"
    # It writes and reads nothing; whoever lets an application write must be able to see what it wrote.
    ACTIVITY_WRITE = "activity.write", "activity.view"


class ApiKey(AccountOwned, Base):
    """One key. Its text is nowhere: only a digest is stored, and the few characters by which people recognise it."""

    __tablename__ = "api_keys"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked"),
        CheckConstraint("cardinality(scopes) > 0", name="scopes"),
    )

    name: Mapped[str] = mapped_column()
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    key_digest: Mapped[bytes] = mapped_column()
    prefix: Mapped[str] = mapped_column(comment="first characters of the key")
    ending: Mapped[str] = mapped_column(comment="last characters of the key")
    created_by: Mapped[str] = mapped_column(comment="name, as it was")
    created_by_user_id: Mapped[UUID | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None] = mapped_column(comment="none = never")
    last_used_at: Mapped[datetime | None] = mapped_column(comment="to the minute")
    revoked_at: Mapped[datetime | None] = mapped_column()
    revoked_by: Mapped[str | None] = mapped_column(comment="name, as it was")
    revoked_by_user_id: Mapped[UUID | None] = mapped_column()

    @property
    def target(self) -> tuple[str, UUID, str]:
        """The key as what an activity line is about."""
        return ("api_key", self.id, self.name)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; its text is shown once."""

    text: str
    key: ApiKey


def key_texts(signer: Signer) -> BearerTokens:
    """Makes and reads the texts of keys. None is ever a session's token, nor the other way round."""
    return BearerTokens(signer, Purpose.API_KEY, prefix=_PREFIX)


def search_keys(account_id: UUID) -> Select[ApiKey]:
    """Every key that the account has or had."""
    return select(ApiKey).where(ApiKey.account_id == account_id)


async def create_key(
    session: AsyncSession,
    signer: Signer,
    actor: Actor,
    *,
    name: str,
    scopes: Collection[KeyScope],
    expires_at: datetime | None = None,
) -> NewKey:
    """A new key of the account entered.

    Nobody gives an application more than they have: the maker needs the rights of each scope, in all departments, for a key is
    limited to none. Raises Forbidden for a visitor, OptionMissing, Invalid, BeyondOwnRights, and NotInState beyond 50 live keys.
    """
    actor.must_belong_here()
    words = _checked(scopes)
    label = one_line("name", name, longest=LONGEST_NAME)
    # Makers of keys, and a change of the licence that takes the option away, queue here; the second one sees the first.
    if OPTION not in (await lock_licence(session)).options:
        raise OptionMissing(option=OPTION)
    if expires_at is not None:
        await must_lie_ahead(session, "expires_at", expires_at)
    actor.must_cover(frozenset[str]().union(*(scope.needs for scope in scopes)), None)
    if await _count_live(session) >= MOST_LIVE:
        raise NotInState(state="too_many_keys", max=MOST_LIVE)
    key_id = uuid7()
    new = key_texts(signer).new(entered(session), key_id)
    key = ApiKey(
        account_id=entered(session),
        id=key_id,
        name=label,
        scopes=words,
        key_digest=new.digest,
        prefix=new.text[:_SHOWN_FIRST],
        ending=new.text[-_SHOWN_LAST:],
        created_by=actor.name,
        created_by_user_id=actor.user_id,
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    await session.refresh(key)
    record(session, Event.API_KEY_CREATED, by=actor, on=key.target, scopes=words, expires_at=expires_at)
    return NewKey(new.text, key)


async def revoke_key(session: AsyncSession, actor: Actor, key_id: UUID) -> None:
    """End a key: it opens nothing once this is answered, on any process. Revoking it again does nothing more. Raises NotFound."""
    key = await session.scalar(select(ApiKey).where(ApiKey.account_id == entered(session), ApiKey.id == key_id).with_for_update())
    if key is None:
        raise NotFound
    if key.revoked_at is not None:
        return
    key.revoked_at = (await session.execute(select(func.now()))).scalar_one()
    key.revoked_by, key.revoked_by_user_id = actor.name, actor.user_id
    # What processes remember of the account's keys is labelled with the epoch, like the hot copies of its sessions.
    raise_epoch(session, entered(session))
    record(session, Event.API_KEY_REVOKED, by=actor, on=key.target)


def _checked(scopes: Collection[KeyScope]) -> list[str]:
    if not scopes:
        raise Invalid("scopes", "too_short", min=1)
    if len(set(scopes)) < len(scopes):
        raise Invalid("scopes", "repeated")
    return sorted(scope.value for scope in scopes)


async def _count_live(session: AsyncSession) -> int:
    live = (
        ApiKey.account_id == entered(session),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
    )
    return await session.scalar(select(func.count()).select_from(ApiKey).where(*live)) or 0
