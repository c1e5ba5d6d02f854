"""The mail of all accounts as the operator looks after it: how much waits, what was refused and why, and one more try. Never to whom."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.database import enter
from tenants.effects import effects_of
from tenants.errors import NotFound, NotInState
from tenants.outbox import MailState, OwedMail, step_into_sorting_room

#: Of each list.
MOST_SHOWN = 25
#: A refusal that is older is history.
REFUSED_WITHIN = timedelta(days=30)
# Mail servers like to repeat whom they refuse.
_ADDRESS = re.compile(r"[^\s<>:;,\"'()\[\]]+@[^\s<>:;,\"'()\[\]]+")


@dataclass(frozen=True, slots=True)
class Counts:
    """Mail that is due now, that a mail server put off, and that one refused in the last 30 days."""

    due: int
    put_off: int
    refused: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """A mail that did not go out. `reply` is the mail server's word, without anybody's address."""

    id: UUID
    account_id: UUID
    letter: str
    state: MailState
    attempts: int
    at: datetime
    reply: str


async def count_mail(session: AsyncSession) -> Counts:
    """Over all accounts. Call inside the sorting room."""
    owed = OwedMail.state == "owed"
    waiting = await session.execute(
        select(
            func.count().filter(OwedMail.next_try_at <= func.now()),
            func.count().filter(and_(OwedMail.next_try_at > func.now(), OwedMail.attempts > 0)),
        )
        .select_from(OwedMail)
        .where(owed)
        .execution_options(across_accounts=True)
    )
    due, put_off = waiting.one()
    refused = select(func.count()).select_from(OwedMail).where(*_refused()).execution_options(across_accounts=True)
    return Counts(due, put_off, await session.scalar(refused) or 0)


async def find_troubles(session: AsyncSession) -> list[Trouble]:
    """What was refused lately, newest first, and then what was put off. Call inside the sorting room."""
    refused = select(OwedMail).where(*_refused()).order_by(OwedMail.settled_at.desc())
    put_off = select(OwedMail).where(OwedMail.state == "owed", OwedMail.last_reply.is_not(None)).order_by(OwedMail.next_try_at)
    rows: list[OwedMail] = []
    for query in (refused, put_off):
        rows += await session.scalars(query.limit(MOST_SHOWN).execution_options(across_accounts=True))
    return [
        Trouble(
            row.id,
            row.account_id,
            row.letter,
            row.state,
            row.attempts,
            row.settled_at or row.next_try_at,
            _ADDRESS.sub("…", row.last_reply or ""),
        )
        for row in rows
    ]


async def try_again(session: AsyncSession, actor: Actor, mail_id: UUID) -> None:
    """Owe a mail once more that was refused or put off, from now on, with as many tries as a new one.

    What it was about may be over meanwhile: the worker then sends nothing. Raises NotFound, and NotInState for mail that went out.
    The operator's history tells of it; the account's own tells what becomes of it. Ends in the actor's account.
    """
    await step_into_sorting_room(session)
    found = (
        await session.execute(
            update(OwedMail)
            .where(OwedMail.id == mail_id, or_(OwedMail.state == "refused", _put_off()))
            # Whoever still has it in hand settles it no more.
            .values(state="owed", next_try_at=func.now(), attempts=0, settled_at=None, leased_until=None, fence=OwedMail.fence + 1)
            .returning(OwedMail.account_id, OwedMail.letter)
            .execution_options(across_accounts=True, synchronize_session=False)
        )
    ).one_or_none()
    if found is None:
        state = await session.scalar(select(OwedMail.state).where(OwedMail.id == mail_id).execution_options(across_accounts=True))
        raise NotFound if state is None else NotInState(state=state)
    await enter(session, actor.account_id)
    record(session, Event.MAIL_TRIED_AGAIN, by=actor, on=("mail", mail_id, found.letter), account=found.account_id)
    effects_of(session).mail_owed = True


def _refused() -> tuple[ColumnElement[bool], ...]:
    return OwedMail.state == "refused", OwedMail.settled_at > func.now() - REFUSED_WITHIN


def _put_off() -> ColumnElement[bool]:
    # Not while a worker talks to the mail server about it.
    free = or_(OwedMail.leased_until.is_(None), OwedMail.leased_until <= func.now())
    return and_(OwedMail.state == "owed", OwedMail.attempts > 0, free)
