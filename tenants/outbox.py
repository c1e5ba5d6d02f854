"""Mail that is owed: written in the transaction that makes it true, claimed and settled by the worker."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Select, Text, and_, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.activity import Event, record
from tenants.database import AccountOwned, Base, enter, entered, insert_many
from tenants.effects import effects_of

# Held: its account does not stand, and it waits until that is over.
MailState = Literal["owed", "held", "sent", "refused", "cancelled"]
MOST_ATTEMPTS = 12

#: The bell between a commit and the worker: one job without arguments; a ring while one is queued is the same ring.
BELL_QUEUE = "portillon:bell"
BELL_JOB = "deliver"
BELL_JOB_ID = "portillon:deliver"


class Letter(StrEnum):
    """Every mail that Portillon writes, and what its `about` is the id of."""

    INVITATION = "invitation"  # the invitation
    INVITATION_RENEWAL = "invitation_renewal"  # the expired invitation; to an administrator
    PASSWORD_RESET = "password_reset"  # the password reset
    PASSWORD_CHANGED = "password_changed"  # nothing
    SEATS_CHANGED = "seats_changed"  # the change of the licence
    BOOST_GIVEN = "boost_given"  # the boost
    BOOST_ENDED = "boost_ended"  # the boost
    POOL_OVERSOLD = "pool_oversold"  # the line of activity that says so
    VISIT_BEGAN = "visit_began"  # the visit; to an administrator
    EMAIL_CHANGE = "email_change"  # the change of address; to the new one
    EMAIL_CHANGED = "email_changed"  # the change of address; to the old one
    LICENCE_ENDING = "licence_ending"  # the licence's last day, as `licence_notices.mail_about` names it; to an administrator
    LICENCE_ENDED = "licence_ended"  # the same
    SEAT_REQUESTED = "seat_requested"  # the seat request of a child; to whoever decides
    SEAT_REQUEST_REMINDER = "seat_request_reminder"  # the same
    SEAT_REQUEST_DECIDED = "seat_request_decided"  # the seat request; to an administrator
    ACTIVITY_EXPORT_READY = "activity_export_ready"  # the export; to whoever asked for it


class OwedMail(AccountOwned, Base):
    """One mail to one user of the account. Holds ids only: address, words and links are made when it is sent."""

    __tablename__ = "outbox"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
        CheckConstraint("state IN ('owed', 'held', 'sent', 'refused', 'cancelled')", name="state"),
        Index("ix_outbox_owed", "bulk", "next_try_at", postgresql_where=text("state = 'owed'")),
        Index("ix_outbox_owed_in_turn", "account_id", "next_try_at", postgresql_where=text("state = 'owed' AND bulk")),
        Index("ix_outbox_about", "account_id", "about"),
        Index("ix_outbox_refused", "settled_at", postgresql_where=text("state = 'refused'")),
    )

    letter: Mapped[str] = mapped_column()
    user_id: Mapped[UUID] = mapped_column(comment="to whom")
    about: Mapped[UUID | None] = mapped_column()
    state: Mapped[MailState] = mapped_column(Text, default="owed", server_default="owed")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_try_at: Mapped[datetime] = mapped_column(server_default=func.now())
    leased_until: Mapped[datetime | None] = mapped_column()
    fence: Mapped[int] = mapped_column(
        default=0, server_default="0", comment="raised by every lease; an older holder cannot settle"
    )
    bulk: Mapped[bool] = mapped_column(default=False, server_default="false", comment="one of many: whatever is not goes first")
    last_reply: Mapped[str | None] = mapped_column(comment="of the mail server")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None] = mapped_column()


@dataclass(frozen=True, slots=True)
class Lease:
    """A mail in a worker's hand, until another lease raises its fence."""

    account_id: UUID
    id: UUID
    fence: int
    letter: str
    user_id: UUID
    about: UUID | None
    attempts: int
    bulk: bool = False


def post(session: AsyncSession, letter: Letter, *, to: UUID, about: UUID | None = None) -> None:
    """Owe a mail to a user of the account entered; the bell rings after the commit."""
    session.add(OwedMail(account_id=entered(session), id=uuid7(), letter=letter.value, user_id=to, about=about))
    effects_of(session).mail_owed = True


async def post_many(session: AsyncSession, letter: Letter, *, mails: Iterable[tuple[UUID, UUID]]) -> None:
    """Owe the letter to many users of the account entered, each with what it is about. Whatever else is owed goes first."""
    rows = [
        {"account_id": entered(session), "id": uuid7(), "letter": letter.value, "user_id": to, "about": about, "bulk": True}
        for to, about in mails
    ]
    await insert_many(session, OwedMail, rows)
    effects_of(session).mail_owed = True


async def cancel(session: AsyncSession, *, about: UUID) -> None:
    """What is still owed about this is no longer: a newer link replaced it, or it was withdrawn."""
    await session.execute(
        update(OwedMail)
        .where(OwedMail.account_id == entered(session), OwedMail.about == about, OwedMail.state.in_(("owed", "held")))
        .values(state="cancelled", settled_at=func.now(), fence=OwedMail.fence + 1)
    )


async def latest_about(session: AsyncSession, about: list[UUID], *, letter: Letter) -> dict[UUID, OwedMail]:
    """The newest such letter about each of these, in the account entered."""
    rows = await session.scalars(
        select(OwedMail)
        .where(OwedMail.account_id == entered(session), OwedMail.about.in_(about), OwedMail.letter == letter.value)
        .ext(distinct_on(OwedMail.about))
        .order_by(OwedMail.about, OwedMail.id.desc())
    )
    return {row.about: row for row in rows if row.about is not None}


async def step_into_sorting_room(session: AsyncSession) -> None:
    """For the rest of the transaction the outbox of every account is visible, and what housekeeping looks through: only the worker comes here."""
    await enter(session, None)
    await session.execute(text("SELECT set_config('app.sorting_room', 'on', true)"))


async def claim(
    session: AsyncSession, *, limit: int, lease_seconds: int, bulk: int | None = None, after: UUID | None = None
) -> list[Lease]:
    """Lease up to `limit` mails that are due, across all accounts, oldest first; each lease raises the fence and counts an attempt.

    Bulk mail only fills what other mail leaves free, up to `bulk` of it (None: no limit of its own), and accounts take turns: it begins
    with the first account behind `after`, so whoever passes the account of the last lease goes round them all, a few mails each, and one
    account's thousands do not hold up another's few. The index `ix_outbox_owed_in_turn` finds the next account in one step.

    A lease that ran out is due again: its holder was killed, and whatever it still does, its fence is too old to settle.
    Call inside the sorting room.
    """
    leases = await _lease(session, _due(bulk=False).order_by(OwedMail.next_try_at).limit(limit), lease_seconds)
    room = limit - len(leases) if bulk is None else min(bulk, limit - len(leases))
    if room > 0:
        in_turn = _due(bulk=True).order_by(OwedMail.account_id, OwedMail.next_try_at).limit(room)
        found = await _lease(session, in_turn.where(OwedMail.account_id > after), lease_seconds) if after is not None else []
        leases += found or await _lease(session, in_turn, lease_seconds)
    return leases


def _due(*, bulk: bool) -> Select[UUID, UUID]:
    return select(OwedMail.account_id, OwedMail.id).where(
        OwedMail.state == "owed",
        OwedMail.bulk if bulk else ~OwedMail.bulk,
        OwedMail.next_try_at <= func.now(),
        or_(OwedMail.leased_until.is_(None), OwedMail.leased_until <= func.now()),
    )


async def _lease(session: AsyncSession, chosen: Select[UUID, UUID], lease_seconds: int) -> list[Lease]:
    due = chosen.with_for_update(skip_locked=True).cte("due")
    o = OwedMail
    rows = await session.execute(
        update(OwedMail)
        .where(and_(OwedMail.account_id == due.c.account_id, OwedMail.id == due.c.id))
        .values(
            leased_until=func.now() + timedelta(seconds=lease_seconds), fence=OwedMail.fence + 1, attempts=OwedMail.attempts + 1
        )
        .returning(o.account_id, o.id, o.fence, o.letter, o.user_id, o.about, o.attempts, o.bulk)
        .execution_options(across_accounts=True, synchronize_session=False)
    )
    return [Lease(r.account_id, r.id, r.fence, r.letter, r.user_id, r.about, r.attempts, r.bulk) for r in rows]


async def settle_sent(session: AsyncSession, lease: Lease, *, reply: str) -> bool:
    """The server took it. False when the lease was lost meanwhile: another holder decides then."""
    if not await _settle(session, lease, state="sent", reply=reply):
        return False
    record(session, Event.MAIL_SENT, by=None, on=("user", lease.user_id, ""), letter=lease.letter)
    return True


async def settle_refused(session: AsyncSession, lease: Lease, *, reply: str) -> bool:
    """The server refused it for good, or it can never be written: not tried again, and shown."""
    if not await _settle(session, lease, state="refused", reply=reply):
        return False
    record(
        session,
        Event.MAIL_REFUSED,
        by=None,
        on=("user", lease.user_id, ""),
        result="failed",
        letter=lease.letter,
        reply=reply[:300],
    )
    return True


async def settle_cancelled(session: AsyncSession, lease: Lease) -> bool:
    """What it was about is no longer true: nothing to send."""
    return await _settle(session, lease, state="cancelled", reply=None)


async def hold_back(session: AsyncSession, lease: Lease) -> None:
    """Not before its account stands again; this was no try."""
    await session.execute(_in_hand(lease).values(state="held", leased_until=None, attempts=OwedMail.attempts - 1))


async def settle_later(session: AsyncSession, lease: Lease, *, reply: str, retry_in: timedelta) -> bool:
    """Not now: the server was away or asked to come back."""
    if lease.attempts >= MOST_ATTEMPTS:
        return await settle_refused(session, lease, reply=reply)
    done = await session.execute(
        _in_hand(lease).values(leased_until=None, next_try_at=func.now() + retry_in, last_reply=reply[:500])
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE returns a CursorResult


async def oldest_owed_seconds(session: AsyncSession) -> float:
    """Age of the oldest mail that is due and not in hand; 0 when nothing waits. Call inside the sorting room."""
    age = await session.scalar(
        select(func.extract("epoch", func.now() - func.min(OwedMail.next_try_at)))
        .where(OwedMail.state == "owed", OwedMail.next_try_at <= func.now())
        .execution_options(across_accounts=True)
    )
    return float(age or 0)


async def _settle(session: AsyncSession, lease: Lease, *, state: MailState, reply: str | None) -> bool:
    done = await session.execute(
        _in_hand(lease).values(state=state, leased_until=None, settled_at=func.now(), last_reply=reply and reply[:500])
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE returns a CursorResult


def _in_hand(lease: Lease):  # type: ignore[no-untyped-def]  # its type is private
    # Held meanwhile, it is still in this hand: what the server took is sent, and must not be sent again later.
    return (
        update(OwedMail)
        .where(
            OwedMail.account_id == lease.account_id,
            OwedMail.id == lease.id,
            OwedMail.fence == lease.fence,
            OwedMail.state.in_(("owed", "held")),
        )
        .execution_options(synchronize_session=False)
    )
