"""Sessions: somebody signed in, on one browser or device, in one account. Rows in PostgreSQL, a hot copy beside the seats."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Select, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.accounts import get_account
from tenants.activity import Event, inserted_from, plain_line, record
from tenants.actors import Actor, Origin, Person
from tenants.bearer_tokens import BearerTokens, NewToken
from tenants.database import AccountOwned, Base, Plain, entered
from tenants.effects import EndedSession, effects_of
from tenants.errors import NotFound
from tenants.seat_keys import SessionKey, session_key
from tenants.tokens import Purpose, Signer
from tenants.users import User
from tenants.visits import Visit, end_visits, end_visits_of

# How long a token is told why its session ended.
REMEMBER_SECONDS = 24 * 3600
_PREFIX = "ptl_"


class SignedInSession(AccountOwned, Base):
    """One sign-in, or one visit, which has no user. The token itself is nowhere: only its digest is stored."""

    __tablename__ = "sessions"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
        ForeignKeyConstraint(["account_id", "visit_id"], ["visits.account_id", "visits.id"]),
        CheckConstraint("num_nonnulls(user_id, visit_id) = 1", name="whose"),
        CheckConstraint("(ended_at IS NULL) = (ended_reason IS NULL)", name="ended"),
        Index("ix_sessions_alive", "account_id", "user_id", postgresql_where=text("ended_at IS NULL")),
    )

    user_id: Mapped[UUID | None] = mapped_column()
    visit_id: Mapped[UUID | None] = mapped_column(comment="of a visitor: no user of the account")
    token_digest: Mapped[bytes] = mapped_column()
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column()
    ended_at: Mapped[datetime | None] = mapped_column()
    ended_reason: Mapped[str | None] = mapped_column()
    ended_by: Mapped[str | None] = mapped_column(comment="name, as it was")
    ended_by_user_id: Mapped[UUID | None] = mapped_column()
    ip: Mapped[str | None] = mapped_column()
    device: Mapped[str | None] = mapped_column()
    management: Mapped[bool] = mapped_column(
        default=False, server_default="false", comment="began with the pool full: holds no seat, and may only make room"
    )


class Tokens:
    """Makes and reads session tokens. What was read is kept: every request brings one."""

    def __init__(self, signer: Signer) -> None:
        """Keys for the tags come from the installation's signer."""
        self._tokens = BearerTokens(signer, Purpose.SESSION, prefix=_PREFIX)
        self._read: dict[str, SessionKey] = {}

    def new(self, account_id: UUID, session_id: UUID) -> NewToken:
        """A fresh token for a session."""
        return self._tokens.new(account_id, session_id)

    def read(self, token: str) -> SessionKey | None:
        """Where the token leads; None for what was never one of ours."""
        key = self._read.get(token)
        if key is None:
            found = self._tokens.read(token)
            if found is None:
                return None
            key = session_key(found.account_id, found.row_id, found.digest)
            if len(self._read) >= 20_000:
                self._read.clear()
            self._read[token] = key
        return key


async def search_alive(session: AsyncSession, *, user_id: UUID | None = None) -> list[tuple[SignedInSession, User]]:
    """Live sessions of the account entered with their users, oldest first; of one user, if named. Visits have no user."""
    query = (
        select(SignedInSession, User)
        .join(User, (User.account_id == SignedInSession.account_id) & (User.id == SignedInSession.user_id))
        .where(
            SignedInSession.account_id == entered(session),
            SignedInSession.ended_at.is_(None),
            SignedInSession.expires_at > func.now(),
        )
        .order_by(SignedInSession.id)
    )
    if user_id is not None:
        query = query.where(SignedInSession.user_id == user_id)
    return [(row[0], row[1]) for row in await session.execute(query)]


def search_live(account_id: UUID, *, user_id: UUID | None = None) -> Select[SignedInSession]:
    """Live sessions of an account's own people, for lists that are read in pages; of one user, if named."""
    query = select(SignedInSession).where(
        SignedInSession.account_id == account_id,
        SignedInSession.user_id.is_not(None),
        SignedInSession.ended_at.is_(None),
        SignedInSession.expires_at > func.now(),
    )
    return query if user_id is None else query.where(SignedInSession.user_id == user_id)


async def search_visits(session: AsyncSession) -> list[tuple[SignedInSession, Visit]]:
    """Live sessions of the account entered that are visits, oldest first."""
    rows = await session.execute(
        select(SignedInSession, Visit)
        .join(Visit, (Visit.account_id == SignedInSession.account_id) & (Visit.id == SignedInSession.visit_id))
        .where(
            SignedInSession.account_id == entered(session),
            SignedInSession.ended_at.is_(None),
            SignedInSession.expires_at > func.now(),
        )
        .order_by(SignedInSession.id)
    )
    return [(row[0], row[1]) for row in rows]


async def end_session(session: AsyncSession, by: Actor, session_id: UUID, *, reason: str | None = None) -> None:
    """End one's own session, or another's or a visit with the right. NotFound for what is not live here or may not be seen.

    Who is there to manage and gives no reason wants room: they get the seat, and whoever had it may return first (seat rule 11).
    """
    row = await session.scalar(
        select(SignedInSession)
        .where(SignedInSession.account_id == entered(session), SignedInSession.id == session_id, SignedInSession.ended_at.is_(None))
        .with_for_update()
    )
    if row is None:
        if session_id == by.session_id:
            # Somebody else ended it this very moment: what was wanted is so.
            return
        raise NotFound
    own = row.id == by.session_id
    theirs = own or row.user_id == by.user_id
    if not theirs and not by.may("sessions.view"):
        raise NotFound
    if not theirs:
        by.must("sessions.end")
    for_room = by.management and not theirs and reason is None
    why = "signed_out" if own else "ended_by_self" if theirs else "ended_for_room" if for_room else "ended_by_administrator"
    if row.visit_id is not None:
        await end_visits(session, [row.visit_id], by=by, why=why, reason=reason)
        return
    await _end(session, [row.id], why=why, by=by, heir=await _holder(session, by) if for_room else None)
    user = await session.get_one(User, (row.account_id, row.user_id))
    record(
        session,
        Event.SIGNED_OUT if own else Event.SESSION_ENDED,
        by=by,
        on=("user", user.id, user.label),
        why=why,
        reason=reason,
        session_id=row.id,
    )


async def end_several(session: AsyncSession, by: Actor, ids: Collection[UUID] | None, *, reason: str | None = None) -> int:
    """End these live sessions of the account entered, or all of them: never the actor's own one, nor visits. Returns how many.

    What is over meanwhile, or was never live here, is passed over. No place is kept for anybody by it.
    """
    by.must("sessions.end")
    query = search_live(entered(session)).where(SignedInSession.id != by.session_id)
    if ids is not None:
        query = query.where(SignedInSession.id.in_(ids))
    # In one order: two who end the same sessions queue, and the second one finds nothing left to do.
    rows = list(await session.scalars(query.order_by(SignedInSession.id).with_for_update()))
    for why, mine in (("ended_by_self", True), ("ended_by_administrator", False)):
        await _end(session, [row.id for row in rows if (row.user_id == by.user_id) == mine], why=why, by=by)
    counts = Counter(row.user_id for row in rows if row.user_id is not None)
    for user in await session.scalars(select(User).where(User.account_id == entered(session), User.id.in_(counts))):
        why = "ended_by_self" if user.id == by.user_id else "ended_by_administrator"
        record(session, Event.SESSION_ENDED, by=by, on=user.target, why=why, reason=reason, sessions=counts[user.id])
    return len(rows)


async def become_ordinary(session: AsyncSession, session_id: UUID) -> None:
    """A session of the account entered that was there to manage has a seat now. Nothing when it had one already."""
    row = await session.scalar(
        update(SignedInSession)
        .where(SignedInSession.account_id == entered(session), SignedInSession.id == session_id, SignedInSession.management)
        .values(management=False)
        .returning(SignedInSession.user_id)
        .execution_options(synchronize_session=False)
    )
    if row is not None:
        user = await session.get_one(User, (entered(session), row))
        record(session, Event.SESSION_SEATED, by=None, on=("user", user.id, user.label), session_id=session_id)


async def end_sessions_of(
    session: AsyncSession, user: User, *, by: Actor | Person | None, why: str, reason: str | None = None, but: UUID | None = None
) -> int:
    """End every live session of a user of the account entered (but one, if named), and every visit they are on. Returns how many."""
    ids = [row.id for row, _ in await search_alive(session, user_id=user.id) if row.id != but]
    if ids:
        await _end(session, ids, why=why, by=by)
        record(session, Event.SESSION_ENDED, by=by, on=("user", user.id, user.label), why=why, reason=reason, sessions=len(ids))
    visits = await end_visits_of(session, by, visitor_account_id=user.account_id, visitor_user_id=user.id, why=why)
    return len(ids) + visits


_END = """
UPDATE sessions SET ended_at = now(), ended_reason = $3, ended_by = $4, ended_by_user_id = $5
 WHERE account_id = $1 AND id = ANY($2::uuid[]) AND ended_at IS NULL RETURNING id, coalesce(user_id, id)
"""


async def mark_replaced(plain: Plain, account_id: UUID, ids: list[UUID], *, why: str, by: tuple[UUID, str] | None) -> list[UUID]:
    """Sessions of the account entered that made room for a sign-in; their hot copies go with the commit. `by` is a user, as it was named.

    Returns those that were still alive.
    """
    whose, name = by or (None, None)
    ended = await plain.rows(_END, account_id, ids, why, name, whose)
    plain.effects.ended.extend(EndedSession(account_id, user_id, session_id, why) for session_id, user_id in ended)
    return [session_id for session_id, _ in ended]


_WHOSE = """
SELECT s.id, u.id, coalesce(nullif(u.name, ''), u.email) FROM sessions s JOIN users u ON u.account_id = s.account_id AND u.id = s.user_id
 WHERE s.account_id = $1 AND s.id = ANY($2::uuid[])
"""
_LINE = inserted_from("(SELECT 1) AS once", first=1)


async def note_ended(plain: Plain, account_id: UUID, ids: list[UUID], *, why: str, by: Person | None, origin: Origin) -> None:
    """The history's line for each of these sessions, which a sign-in has ended: another person's, or one in another account."""
    for session_id, user_id, label in await plain.rows(_WHOSE, account_id, ids) if ids else ():
        on, facts = ("user", user_id, label), {"why": why, "session_id": session_id}
        line = plain_line(Event.SESSION_ENDED, account_id=account_id, origin=origin, by=by, on=on, **facts)
        await plain.rows(_LINE, *line)


async def _holder(session: AsyncSession, of: Actor) -> UUID:
    # Who would hold the seat of the actor's session.
    unit = (await get_account(session, entered(session))).seat_unit
    return of.user_id if unit == "user" else of.session_id


async def _end(session: AsyncSession, ids: list[UUID], *, why: str, by: Actor | Person | None, heir: UUID | None = None) -> None:
    if not ids:
        return
    rows = await session.execute(
        update(SignedInSession)
        .where(SignedInSession.account_id == entered(session), SignedInSession.id.in_(ids), SignedInSession.ended_at.is_(None))
        .values(
            ended_at=func.now(), ended_reason=why, ended_by=by.name if by else None, ended_by_user_id=by.user_id if by else None
        )
        .returning(SignedInSession.id, func.coalesce(SignedInSession.user_id, SignedInSession.id).label("whose"))
        .execution_options(synchronize_session=False)
    )
    effects_of(session).ended.extend(EndedSession(entered(session), row.whose, row.id, why, heir) for row in rows)
