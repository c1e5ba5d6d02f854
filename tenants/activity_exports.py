"""Exports of the history that are too large for one answer: written by a worker in parts, kept for a week."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Select,
    Text,
    UniqueConstraint,
    and_,
    case,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, column_property, mapped_column
from uuid_utils.compat import uuid7

from tenants.accounts import get_account
from tenants.activity import Event, record
from tenants.activity_files import Extract, Format
from tenants.activity_search import Filters
from tenants.activity_values import Reader
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.database import AccountOwned, Base, entered
from tenants.errors import Forbidden, NotFound, NotInState
from tenants.licences import lock_licence

#: How long the file can be fetched, and how long its writing may take.
KEPT_FOR = timedelta(days=7)
#: Of one account, waiting or being written.
MOST_OPEN = 3
#: Files of one person that are kept: they lie in the database, whose disk is everybody's.
MOST_KEPT = 10
_NAMES = {"since": "from", "until": "to"}
_TOLD = ("since", "until", "action", "result")
# Parts that one statement deletes: its time is limited.
_AT_ONCE = 200

State = Literal["waiting", "running", "ready", "failed", "cancelled", "expired"]


class Export(AccountOwned, Base):
    """One export that somebody asked for, and how far it is. Its id is younger than every line that is in it."""

    __tablename__ = "activity_exports"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
        CheckConstraint("state IN ('waiting', 'running', 'ready', 'failed', 'cancelled', 'expired')", name="state"),
        CheckConstraint("format IN ('csv', 'json')", name="format"),
        Index("ix_activity_exports_open", "created_at", postgresql_where=text("state IN ('waiting', 'running')")),
    )

    user_id: Mapped[UUID] = mapped_column(comment="whose export it is")
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    format: Mapped[Format] = mapped_column(Text)
    language: Mapped[str] = mapped_column()
    time_zone: Mapped[str] = mapped_column()
    departments: Mapped[list[UUID] | None] = mapped_column(
        ARRAY(PG_UUID(as_uuid=True)), comment="the only departments that they saw; none = all"
    )
    state: Mapped[State] = mapped_column(Text, default="waiting", server_default="waiting")
    lines: Mapped[int | None] = mapped_column(BigInteger, comment="to write; none until a worker has counted them")
    written: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0", comment="lines written so far")
    bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    parts: Mapped[int] = mapped_column(default=0, server_default="0")
    position: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="the last line written")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    leased_until: Mapped[datetime | None] = mapped_column()
    fence: Mapped[int] = mapped_column(default=0, server_default="0", comment="raised by every lease; an older holder cannot write")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ready_at: Mapped[datetime | None] = mapped_column()
    expires_at: Mapped[datetime] = mapped_column()

    # What readers are told: a file is gone when its time is over, whether or not a worker has been there.
    standing: Mapped[State] = column_property(
        case((and_(state.in_(("waiting", "running", "ready")), expires_at <= func.now()), "expired"), else_=state)
    )


class ExportPart(AccountOwned, Base):
    """Some lines of an export."""

    __tablename__ = "activity_export_parts"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "export_id"], ["activity_exports.account_id", "activity_exports.id"]),
        UniqueConstraint("account_id", "export_id", "number"),
    )

    export_id: Mapped[UUID] = mapped_column()
    number: Mapped[int] = mapped_column()
    content: Mapped[bytes] = mapped_column(comment="gzip; parts in order of number are one file")


async def ask_for(session: AsyncSession, actor: Actor, *, filters: Filters, format: Format, language: str) -> Export:  # noqa: A002 - the API's word
    """Owe the actor a file with the lines that they may see now; a worker writes it and mails them where it is.

    Raises NotInState when `MOST_OPEN` of the account are not finished or `MOST_KEPT` of the actor's are kept, and Forbidden for visitors:
    there would be nobody to fetch it.
    """
    actor.must_belong_here()
    # Two who ask at once queue here; the second one counts the first one's.
    await lock_licence(session)
    here = select(func.count()).where(Export.account_id == entered(session))
    if (await session.scalar(here.where(Export.standing.in_(("waiting", "running")))) or 0) >= MOST_OPEN:
        raise NotInState(state="too_many_exports", max=MOST_OPEN)
    if (await session.scalar(here.where(Export.user_id == actor.user_id, Export.standing == "ready")) or 0) >= MOST_KEPT:
        raise NotInState(state="too_many_files", max=MOST_KEPT)
    account = await get_account(session, actor.account_id)
    export = Export(
        account_id=account.id,
        id=uuid7(),
        user_id=actor.user_id,
        filters=msgspec.to_builtins(filters),
        format=format,
        language=language,
        time_zone=account.time_zone,
        departments=None if actor.departments is None else sorted(actor.departments),
        expires_at=func.now() + KEPT_FOR,
    )
    session.add(export)
    record(session, Event.ACTIVITY_EXPORTED, by=actor, format=format, filters=named_filters(filters))
    await session.flush()
    await session.refresh(export)
    return export


def extract_of(export: Export, catalogue: Catalogue) -> Extract:
    """What the export takes away, by the limits that its person had when they asked."""
    return Extract(
        account_id=export.account_id,
        filters=msgspec.convert(export.filters, Filters),
        departments=None if export.departments is None else frozenset(export.departments),
        viewer=export.user_id,
        below=export.id,
        format=export.format,
        reader=Reader(export.language, export.time_zone, catalogue),
    )


def named_filters(filters: Filters) -> str | None:
    """Filters as the history remembers them. Whom and what somebody looked for is personal: only that they did."""
    given = {name: value for name, value in msgspec.to_builtins(filters).items() if value is not None}
    told = [f"{_NAMES.get(name, name)}={value}" if name in _TOLD else _NAMES.get(name, name) for name, value in given.items()]
    return ", ".join(told) or None


def search_exports(actor: Actor) -> Select[Export]:
    """The actor's own."""
    # A visitor's id is of another account: there is nothing of theirs here.
    return select(Export).where(Export.account_id == actor.account_id, Export.user_id == actor.user_id)


async def get_export(session: AsyncSession, actor: Actor, export_id: UUID) -> Export:
    """One of the actor's own. Raises NotFound for anybody else's."""
    found = await session.scalar(search_exports(actor).where(Export.id == export_id))
    if found is None:
        raise NotFound
    return found


async def get_ready(session: AsyncSession, actor: Actor, export_id: UUID) -> Export:
    """One of the actor's own whose file can be fetched.

    Raises NotFound, NotInState, or Forbidden for a file of departments that the actor was in when they asked, and is not in any more.
    """
    export = await get_export(session, actor, export_id)
    if export.standing != "ready":
        raise NotInState(state=export.standing)
    if not is_within(export, actor.departments):
        raise Forbidden(what="departments")
    return export


def is_within(export: Export, departments: Collection[UUID] | None) -> bool:
    """Whether somebody limited to these departments, or to none, may see what the export holds."""
    return departments is None or (export.departments is not None and set(departments).issuperset(export.departments))


async def read_part(session: AsyncSession, export_id: UUID, number: int) -> bytes:
    """A part of a file that is ready; raises NotFound once it is gone."""
    content = await session.scalar(
        select(ExportPart.content)
        .join(Export, and_(Export.account_id == ExportPart.account_id, Export.id == ExportPart.export_id))
        .where(
            ExportPart.account_id == entered(session),
            ExportPart.export_id == export_id,
            ExportPart.number == number,
            Export.standing == "ready",
        )
    )
    if content is None:
        raise NotFound
    return content


async def cancel(session: AsyncSession, actor: Actor, export_id: UUID) -> None:
    """Nobody wants it any more: it is not written further, and its file is gone. Done twice it changes nothing."""
    export = await get_export(session, actor, export_id)
    await session.refresh(export, with_for_update=True)
    if export.state in {"waiting", "running", "ready"}:
        close(export, "cancelled")
        await drop_parts(session, export)


def close(export: Export, state: State) -> None:
    """There is no file and will be none. What was looked for is forgotten: it may name people."""
    export.state, export.leased_until, export.filters = state, None, {}
    export.fence += 1


async def drop_parts(session: AsyncSession, export: Export) -> None:
    """Delete some parts of one that is closed, from its end; `parts` says how many are left."""
    left = max(0, export.parts - _AT_ONCE)
    await session.execute(
        delete(ExportPart).where(
            ExportPart.account_id == export.account_id, ExportPart.export_id == export.id, ExportPart.number >= left
        )
    )
    export.parts = left
