"""Visits: people of a reseller or of the operator at work in a client's account, for a while, because its administrators let them in.

A visit is one session without a seat, by the same id. It is over when that session is: ended, expired, or left behind by its visitor.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.activity import Event, record
from tenants.actors import Actor, Person
from tenants.database import AccountOwned, Base, enter, entered
from tenants.effects import Effects, EndedSession, effects_of

#: Minutes.
LENGTHS = range(1, 8 * 60 + 1)


class Visit(AccountOwned, Base):
    """One visit to the account that owns the row. Names are frozen as they were."""

    __tablename__ = "visits"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "permission_id"], ["visit_permissions.account_id", "visit_permissions.id"]),
        CheckConstraint("ends_at > started_at AND ends_at <= started_at + interval '8 hours'", name="length"),
        Index("ix_visits_visitor", "visitor_account_id", "visitor_user_id", "ends_at"),
    )

    permission_id: Mapped[UUID] = mapped_column()
    visitor_account_id: Mapped[UUID] = mapped_column()
    visitor_account_name: Mapped[str] = mapped_column()
    visitor_user_id: Mapped[UUID] = mapped_column()
    visitor_identity_id: Mapped[UUID] = mapped_column(ForeignKey("identities.id"))
    visitor_name: Mapped[str] = mapped_column()
    visitor_email: Mapped[str] = mapped_column()
    reason: Mapped[str] = mapped_column()
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ends_at: Mapped[datetime] = mapped_column()

    @property
    def target(self) -> tuple[str, UUID, str]:
        """The visit as what a line of the client's history is about. Its visitor's name stands in the row alone, where it can be erased."""
        return ("visit", self.id, self.visitor_account_name)


async def end_visits(
    session: AsyncSession, ids: Iterable[UUID], *, by: Actor | Person | None, why: str, reason: str | None = None
) -> int:
    """End these visits to the account entered, where they are not over; both histories tell. Returns how many.

    Enters the visitors' accounts in turn, and returns.
    """
    here = entered(session)
    await session.flush()
    ended = await _rows(session, _END, here, list(ids), why, by.name if by else None, by.user_id if by else None)
    effects_of(session).ended.extend(EndedSession(here, row.id, row.id, why) for row in ended)
    visits = [await session.get_one(Visit, (here, row.id)) for row in ended]
    for visit in visits:
        record(session, Event.VISIT_ENDED, by=by, on=visit.target, visit=visit.id, why=why, reason=reason)
    if visits:
        client = await session.scalar(text("SELECT name FROM accounts WHERE id = :id"), {"id": here})
        await session.flush()
        for visit in visits:
            await enter(session, visit.visitor_account_id)
            record(session, Event.VISIT_ENDED, by=by, on=("account", here, client or ""), visit=visit.id, why=why, reason=reason)
            await session.flush()
        await enter(session, here)
    return len(visits)


async def end_visits_of(
    session: AsyncSession, by: Actor | Person | None, *, visitor_account_id: UUID, visitor_user_id: UUID | None = None, why: str
) -> int:
    """End every visit that people of an account (or this one of them) are on, wherever it is. Returns how many.

    Enters each client in turn, and returns. Whoever begins a visit holds the session that it begins from: end that one first.
    """
    back = entered(session)
    await session.flush()
    await enter(session, visitor_account_id)
    query = select(Visit.account_id, Visit.id).where(Visit.visitor_account_id == visitor_account_id, Visit.ends_at > func.now())
    if visitor_user_id is not None:
        query = query.where(Visit.visitor_user_id == visitor_user_id)
    ended = 0
    for row in (await session.execute(query.order_by(Visit.account_id).execution_options(across_accounts=True))).all():
        await enter(session, row.account_id)
        ended += await end_visits(session, [row.id], by=by, why=why)
    await enter(session, back)
    return ended


async def follow_visitors(session: AsyncSession, effects: Effects) -> None:
    """Before a commit: what is reread of an account is reread wherever its people are on a visit, too.

    Their rights at home decide whether they may be there. Changes of rights and the beginning of a visit queue at the licence's lock,
    so each sees the other. Leaves the account entered.
    """
    if not effects.raised:
        return
    homes = await _rows(session, "SELECT id FROM accounts WHERE id = ANY($1::uuid[]) AND kind <> 'client'", list(effects.raised))
    for home in homes:
        await enter(session, home.id)
        effects.raised.update(row.account_id for row in await _rows(session, _VISITED, home.id))


_END = """
UPDATE sessions SET ended_at = now(), ended_reason = $3, ended_by = $4, ended_by_user_id = $5
 WHERE account_id = $1 AND visit_id = ANY($2::uuid[]) AND ended_at IS NULL AND expires_at > now() RETURNING id
"""
_VISITED = "SELECT DISTINCT account_id FROM visits WHERE visitor_account_id = $1 AND ends_at > now()"


async def _rows(session: AsyncSession, statement: str, *values: Any) -> list[Any]:
    connection = await session.connection()
    return list(await connection.exec_driver_sql(statement, values))
