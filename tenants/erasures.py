"""Erasure: a deleted user's name and address leave every place where they were kept, and two deleted people stay two."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKeyConstraint, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import AccountOwned, Base
from tenants.users import User


class Erasure(AccountOwned, Base):
    """Somebody deleted, whose traces a worker replaces by a pseudonym (`tenants/erasing.py`). The row's id is the user's."""

    __tablename__ = "activity_erasures"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "id"], ["users.account_id", "users.id"]),
        Index("ix_activity_erasures_open", "asked_at", postgresql_where=text("done_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, comment="the deleted user")
    identity_id: Mapped[UUID] = mapped_column()
    known_as: Mapped[list[str]] = mapped_column(
        ARRAY(Text), default=list, server_default="{}", comment="name and address to look for; empty once it is done"
    )
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    erased_at: Mapped[datetime | None] = mapped_column(comment="the first time; what was under way then is looked for once more")
    done_at: Mapped[datetime | None] = mapped_column()


def pseudonym(user_id: UUID) -> str:
    """What stands in place of a deleted user's name and address, wherever they were kept. PostgreSQL makes the same one."""
    return f"deleted-{user_id.hex[-12:]}"


def call_by_pseudonym(user: User) -> None:
    """Take the user's name and address away. With the status `deleted`, in one statement, PostgreSQL owes the same for every other place."""
    user.name = user.email = pseudonym(user.id)
