"""Requests that may be sent twice and have one effect: the key is claimed first, and marked in the transaction that does the work."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, Text, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, Database, entered, table_of
from tenants.outbox import step_into_sorting_room

KEPT_FOR = timedelta(hours=24)
# A first request that neither answered nor failed within this was killed before it did anything.
RUNNING_FOR = timedelta(minutes=1)
# Keys that one statement forgets: with their answers, and well inside its time limit.
_BITE = 1_000

KeyState = Literal["running", "done", "answered"]


class IdempotencyKey(Base):
    """One key of one user. `done` without an answer: the work is committed, and the process died before it could say so."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (CheckConstraint("state IN ('running', 'done', 'answered')", name="state"),)

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True, comment="whose key; a visitor is a user of another account")
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(comment="keyed digest of path, query and body")
    state: Mapped[KeyState] = mapped_column(Text, default="running", server_default="running")
    status: Mapped[int | None] = mapped_column()
    content_type: Mapped[str | None] = mapped_column()
    body: Mapped[bytes | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier request with the same key left."""

    fingerprint: bytes
    state: KeyState
    status: int | None
    content_type: str | None
    body: bytes | None


async def claim(session: AsyncSession, *, user_id: UUID, key: str, fingerprint: bytes) -> Earlier | None:
    """Claim the key for a first request of the account entered; None when it is ours, otherwise what the earlier one left."""
    k = table_of(IdempotencyKey).c
    mine = (k.account_id == entered(session)) & (k.user_id == user_id) & (k.key == key)
    over = (k.created_at < func.now() - KEPT_FOR) | ((k.state == "running") & (k.created_at < func.now() - RUNNING_FOR))
    await session.execute(delete(table_of(IdempotencyKey)).where(mine, over))
    new = await session.execute(
        insert(table_of(IdempotencyKey))
        .values(account_id=entered(session), user_id=user_id, key=key, fingerprint=fingerprint)
        .on_conflict_do_nothing()
        .returning(k.key)
    )
    if new.scalar_one_or_none() is not None:
        return None
    row = (await session.execute(select(k.fingerprint, k.state, k.status, k.content_type, k.body).where(mine))).one()
    return Earlier(*tuple(row))


async def mark_done(session: AsyncSession, *, user_id: UUID, key: str) -> None:
    """In the transaction that does the work: it happened, whatever becomes of the answer."""
    await _update(session, user_id, key, state="done")


async def keep_answer(session: AsyncSession, *, user_id: UUID, key: str, status: int, content_type: str, body: bytes) -> None:
    """The answer, to be sent again to whoever repeats the request."""
    await _update(session, user_id, key, state="answered", status=status, content_type=content_type, body=body)


async def find_answer(session: AsyncSession, *, user_id: UUID, key: str) -> bytes | None:
    """The answer that is kept for the key in the account entered, for whoever asks once more; None for none, or one that is too old."""
    k = table_of(IdempotencyKey).c
    mine = (k.account_id == entered(session)) & (k.user_id == user_id) & (k.key == key)
    return (await session.execute(select(k.body).where(mine, k.created_at >= func.now() - KEPT_FOR))).scalar_one_or_none()


async def release(session: AsyncSession, *, user_id: UUID, key: str) -> None:
    """The request failed and changed nothing: the key may be used again."""
    k = table_of(IdempotencyKey).c
    await session.execute(
        delete(table_of(IdempotencyKey)).where(
            k.account_id == entered(session), k.user_id == user_id, k.key == key, k.state == "running"
        )
    )


_FORGET = text("""
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM idempotency_keys WHERE created_at < now() - CAST(:kept_for AS interval) ORDER BY created_at LIMIT :bite))
""")


async def forget_answers(database: Database) -> int:
    """Forget the keys of every account that count no more, and their answers; returns how many. In small bites, each on its own."""
    gone = 0
    while True:
        async with database.transaction() as session:
            await step_into_sorting_room(session)
            bite = await session.execute(_FORGET, {"kept_for": KEPT_FOR, "bite": _BITE})
        forgotten: int = bite.rowcount  # type: ignore[attr-defined]  # a cursor's result has it
        gone += forgotten
        if forgotten < _BITE:
            return gone


async def _update(session: AsyncSession, user_id: UUID, key: str, **values: object) -> None:
    k = table_of(IdempotencyKey).c
    await session.execute(
        update(table_of(IdempotencyKey))
        .where(k.account_id == entered(session), k.user_id == user_id, k.key == key)
        .values(**values)
    )
