"""Seals: every line of an account's history is closed into one chain, so that whoever changes or cuts it later is found out."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import AccountOwned, Base


class Unsealed(AccountOwned, Base):
    """A line that is committed and not in the chain yet. PostgreSQL writes it with the line; the sealer takes it away."""

    __tablename__ = "activity_unsealed"


class Head(Base):
    """Where an account's chain ends. It only ever moves on; its lock is what makes seals of one account take turns."""

    __tablename__ = "activity_heads"
    __table_args__ = (ForeignKeyConstraint(["account_id"], ["accounts.id"]),)

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, comment="of the last seal")
    lines: Mapped[int] = mapped_column(BigInteger, comment="sealed so far")
    digest: Mapped[bytes] = mapped_column()
    sealed_at: Mapped[datetime] = mapped_column()
    forgotten_through: Mapped[date | None] = mapped_column(comment="first day of the last month whose lines are gone")


class Seal(AccountOwned, Base):
    """A link of the chain: some lines of one month. The application may add one, never change it."""

    __tablename__ = "activity_seals"
    __table_args__ = (
        UniqueConstraint("account_id", "number"),
        # What is not forgotten yet.
        Index("ix_activity_seals_month", "account_id", "month", postgresql_where=text("lines <> '{}'")),
    )

    number: Mapped[int] = mapped_column(BigInteger)
    month: Mapped[date] = mapped_column(comment="of every line in it, first day")
    lines: Mapped[list[UUID]] = mapped_column(
        ARRAY(PG_UUID(as_uuid=True)), comment="in the order of the chain; empty once they are forgotten"
    )
    digests: Mapped[bytes] = mapped_column(comment="32 bytes for each line")
    actors: Mapped[bytes] = mapped_column(comment="32 bytes for each line: keyed digest of what is personal of the actor")
    targets: Mapped[bytes] = mapped_column(comment="32 bytes for each line: the same of the person acted on")
    content: Mapped[bytes] = mapped_column(comment="digest of the lines and their digests")
    previous: Mapped[bytes] = mapped_column(comment="digest of the seal before")
    digest: Mapped[bytes] = mapped_column()
    key: Mapped[str] = mapped_column(comment="which SECRET_KEY it was made with")
    sealed_at: Mapped[datetime] = mapped_column()


class PersonKey(AccountOwned, Base):
    """The key of what is personal in one person's lines. Once it is destroyed, their digests tell nothing, and the chain still holds."""

    __tablename__ = "activity_people"

    # The row's id is a user's, or that of an identity that is no user here.
    id: Mapped[UUID] = mapped_column(primary_key=True, comment="a user, or an identity that is no user here")
    key: Mapped[bytes] = mapped_column()
