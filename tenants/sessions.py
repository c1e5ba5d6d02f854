"""Sessions: somebody signed in, on one browser or device, in one account. Rows in PostgreSQL, a hot copy beside the seats."""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Row, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.accounts import Account
from tenants.activity import Event, record
from tenants.actors import Actor, Person
from tenants.catalogue import ADMINISTRATOR, AccountKind, Catalogue
from tenants.database import AccountOwned, Base, Database, entered, table_of
from tenants.effects import EndedSession, effects_of
from tenants.errors import NotFound, NotSignedIn, Unavailable
from tenants.identities import Identity
from tenants.licences import Licence, covers, licence_end
from tenants.seats import Full, Gone, HotCopy, Policy, Seated, Seats, SessionKey, session_key
from tenants.tokens import Purpose, Signer, decoded, encoded
from tenants.users import User, standing_in

# How long a token is told why its session ended.
REMEMBER_SECONDS = 24 * 3600
_PREFIX = "ptl_"
_TAG = 8


class SignedInSession(AccountOwned, Base):
    """One sign-in. The token itself is nowhere: only its digest is stored."""

    __tablename__ = "sessions"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
        CheckConstraint("(ended_at IS NULL) = (ended_reason IS NULL)", name="ended"),
        Index("ix_sessions_alive", "account_id", "user_id", postgresql_where=text("ended_at IS NULL")),
    )

    user_id: Mapped[UUID] = mapped_column()
    token_digest: Mapped[bytes] = mapped_column()
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column()
    ended_at: Mapped[datetime | None] = mapped_column()
    ended_reason: Mapped[str | None] = mapped_column()
    ended_by: Mapped[str | None] = mapped_column(comment="name, as it was")
    ip: Mapped[str | None] = mapped_column()
    device: Mapped[str | None] = mapped_column()


class Blob(msgspec.Struct, array_like=True):
    """A hot copy: all that a request may ask about its caller. Rights are bits of the catalogue named by `catalogue`."""

    catalogue: str
    account_id: UUID
    account_kind: AccountKind
    account_slug: str
    account_name: str
    user_id: UUID
    identity_id: UUID
    email: str
    name: str
    role: str
    rights: str
    departments: list[UUID] | None
    language: str
    session_id: UUID
    started_at: datetime
    expires_at: datetime
    device: str | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A session's token, shown once, and what is kept of it."""

    text: str
    digest: bytes


class Tokens:
    """Makes and reads session tokens: account, session, 256 random bits, and a tag that spares PostgreSQL a look-up for made-up ones."""

    def __init__(self, signer: Signer) -> None:
        """Keys for the tags come from the installation's signer."""
        self._signer = signer
        self._read: dict[str, SessionKey] = {}

    def new(self, account_id: UUID, session_id: UUID) -> NewToken:
        """A fresh token for a session."""
        body = account_id.bytes + session_id.bytes + secrets.token_bytes(32)
        return NewToken(_PREFIX + encoded(body + self._tag(body)), _digest(body))

    def read(self, token: str) -> SessionKey | None:
        """Where the token leads; None for what was never one of ours."""
        key = self._read.get(token)
        if key is None:
            raw = decoded(token.removeprefix(_PREFIX)) if token.startswith(_PREFIX) else None
            if raw is None or len(raw) != 64 + _TAG or not secrets.compare_digest(raw[64:], self._tag(raw[:64])):
                return None
            key = session_key(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), _digest(raw[:64]))
            if len(self._read) >= 20_000:
                self._read.clear()
            self._read[token] = key
        return key

    def _tag(self, body: bytes) -> bytes:
        return self._signer.tag(Purpose.SESSION, body)[:_TAG]


class Door:
    """What finding a session needs: the pool, the rows behind it, and a limit on how many look-ups go to the rows at once."""

    def __init__(self, *, database: Database, seats: Seats, catalogue: Catalogue, tokens: Tokens) -> None:
        """All of one process."""
        self.database = database
        self.seats = seats
        self.catalogue = catalogue
        self.tokens = tokens
        self._rereading = asyncio.Semaphore(8)

    async def find(self, key: SessionKey) -> Seated | Full:
        """The session at work, or Full when it has no seat and none is free.

        One round trip to Redis; PostgreSQL only when the hot copy is missing or out of date.
        Raises NotSignedIn (with why, if the session existed) and Unavailable.
        """
        verdict = await self.seats.keep(key)
        if isinstance(verdict, Seated):
            return verdict
        if verdict == "reread":
            async with self._rereading:
                verdict = await self._reread(key)
        if isinstance(verdict, Gone):
            raise NotSignedIn(**await self._why(key))
        return verdict

    async def _reread(self, key: SessionKey) -> Seated | Full | Gone:
        for _ in range(8):
            epoch = await self.seats.epoch(key.account_id)
            async with self.database.transaction(key.account_id) as session:
                row = await find_facts(session, key.session_id)
                policy, alive = await read_policy(session)
            if row is None or row.token_digest != key.digest:
                return Gone("unknown")
            copy = hot_copy(self.catalogue, row)
            if copy is None:
                await self.seats.end(
                    key.account_id,
                    user_id=row.user_id,
                    session_id=key.session_id,
                    why=row.ended_reason or "expired",
                    remember=REMEMBER_SECONDS,
                )
                return Gone(row.ended_reason or "expired")
            await self.seats.load_policy(key.account_id, policy, epoch=epoch, alive=alive)
            verdict = await self.seats.open("restore", copy, epoch=epoch)
            if verdict != "reread":
                return verdict
        raise Unavailable(retry_after=1)

    async def load_policy(self, account_id: UUID) -> None:
        """Bring the account's policy in Redis up to date."""
        epoch = await self.seats.epoch(account_id)
        async with self.database.transaction(account_id) as session:
            policy, alive = await read_policy(session)
        await self.seats.load_policy(account_id, policy, epoch=epoch, alive=alive)

    async def _why(self, key: SessionKey) -> dict[str, Any]:
        async with self.database.transaction(key.account_id) as session:
            row = await session.scalar(
                select(SignedInSession).where(
                    SignedInSession.account_id == key.account_id,
                    SignedInSession.id == key.session_id,
                    SignedInSession.token_digest == key.digest,
                )
            )
        if row is None:
            return {}
        reason, at = (row.ended_reason, row.ended_at) if row.ended_at else ("expired", row.expires_at)
        return {"ended": {"reason": reason, "by": row.ended_by, "at": at}}


async def find_facts(session: AsyncSession, session_id: UUID) -> Any:
    """Everything that decides about a session of the account entered, in one read; None without one. `now` is the database's."""
    s, u, i, a, li = (table_of(model).c for model in (SignedInSession, User, Identity, Account, Licence))
    found = await session.execute(
        select(
            s.id, s.account_id, s.user_id, s.token_digest, s.started_at, s.expires_at, s.ended_at, s.ended_reason, s.device,
            u.identity_id, u.email, u.name, u.role, u.departments, standing_in(u).label("standing"), i.language,
            a.kind, a.slug, a.name.label("account_name"), a.status.label("account_status"), a.time_zone, a.seat_unit,
            li.starts_on, li.ends_on, func.now().label("now"),
        )
        .join_from(table_of(SignedInSession), table_of(User), (u.account_id == s.account_id) & (u.id == s.user_id))
        .join(table_of(Identity), i.id == u.identity_id)
        .join(table_of(Account), a.id == s.account_id)
        .join(table_of(Licence), li.account_id == s.account_id)
        .where(s.account_id == entered(session), s.id == session_id)
    )  # fmt: skip
    return found.one_or_none()


async def read_policy(session: AsyncSession) -> tuple[Policy, int]:
    """The pool's policy of the account entered, and how many of its sessions PostgreSQL holds alive."""
    alive = (
        select(func.count())
        .select_from(SignedInSession)
        .where(
            SignedInSession.account_id == entered(session),
            SignedInSession.ended_at.is_(None),
            SignedInSession.expires_at > func.now(),
        )
        .scalar_subquery()
    )
    row = (
        await session.execute(
            select(Licence.seats, Account.idle_timeout, alive)
            .join(Account, Account.id == Licence.account_id)
            .where(Licence.account_id == entered(session))
        )
    ).one_or_none()
    if row is None:
        raise NotSignedIn
    return Policy(seats=row[0], idle=row[1] * 60), row[2]


def hot_copy(catalogue: Catalogue, row: Row[Any]) -> HotCopy | None:
    """The copy to keep beside the seats; None when the session may not work."""
    licence_ends = licence_end(row.ends_on, row.time_zone)
    enters = row.role == ADMINISTRATOR or covers(row.starts_on, row.ends_on, row.time_zone, row.now)
    if row.ended_at or row.expires_at <= row.now or row.standing != "active" or row.account_status != "active" or not enters:
        return None
    expires_at = row.expires_at if row.role == ADMINISTRATOR or licence_ends is None else min(row.expires_at, licence_ends)
    blob = Blob(
        catalogue=catalogue.digest,
        account_id=row.account_id,
        account_kind=row.kind,
        account_slug=row.slug,
        account_name=row.account_name,
        user_id=row.user_id,
        identity_id=row.identity_id,
        email=row.email,
        name=row.name,
        role=row.role,
        rights=catalogue.mask(catalogue.role_rights(row.role, row.kind)),
        departments=row.departments,
        language=row.language,
        session_id=row.id,
        started_at=row.started_at,
        expires_at=row.expires_at,
        device=row.device,
    )
    member = row.user_id if row.seat_unit == "user" else row.id
    return HotCopy(row.account_id, row.id, row.user_id, member, row.token_digest, msgspec.json.encode(blob), expires_at)


def actor_of(catalogue: Catalogue, blob: Blob) -> Actor:
    """The actor that a hot copy describes."""
    departments = None if blob.departments is None else frozenset(blob.departments)
    return Actor(
        account_id=blob.account_id,
        account_kind=blob.account_kind,
        user_id=blob.user_id,
        identity_id=blob.identity_id,
        session_id=blob.session_id,
        name=blob.name or blob.email,
        email=blob.email,
        role=blob.role,
        rights=catalogue.unmask(blob.rights),
        departments=departments,
        language=blob.language,
    )


async def search_alive(session: AsyncSession, *, user_id: UUID | None = None) -> list[tuple[SignedInSession, User]]:
    """Live sessions of the account entered with their users, oldest first; of one user, if named."""
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


async def end_session(session: AsyncSession, by: Actor, session_id: UUID, *, reason: str | None = None) -> None:
    """End one's own session, or another's with the right. NotFound for what is not live here or may not be seen."""
    row = await session.scalar(
        select(SignedInSession)
        .where(SignedInSession.account_id == entered(session), SignedInSession.id == session_id, SignedInSession.ended_at.is_(None))
        .with_for_update()
    )
    if row is None or (row.user_id != by.user_id and not by.may("sessions.view")):
        raise NotFound
    if row.user_id != by.user_id:
        by.must("sessions.end")
    own = row.id == by.session_id
    why = "signed_out" if own else "ended_by_self" if row.user_id == by.user_id else "ended_by_administrator"
    await _end(session, [row.id], why=why, by=by.name)
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


async def end_sessions_of(
    session: AsyncSession, user: User, *, by: Actor | Person | None, why: str, reason: str | None = None, but: UUID | None = None
) -> int:
    """End every live session of a user of the account entered (but one, if named). Returns how many."""
    ids = [row.id for row, _ in await search_alive(session, user_id=user.id) if row.id != but]
    if ids:
        await _end(session, ids, why=why, by=by.name if by else None)
        record(session, Event.SESSION_ENDED, by=by, on=("user", user.id, user.label), why=why, reason=reason, sessions=len(ids))
    return len(ids)


async def end_sessions_of_account(session: AsyncSession, *, by: Actor, why: str) -> int:
    """End every live session of the account entered."""
    alive = await search_alive(session)
    await _end(session, [row.id for row, _ in alive], why=why, by=by.name)
    return len(alive)


async def mark_replaced(session: AsyncSession, ids: list[UUID], *, why: str, by: str | None) -> None:
    """Sessions that made room for a sign-in."""
    await _end(session, ids, why=why, by=by)


async def _end(session: AsyncSession, ids: list[UUID], *, why: str, by: str | None) -> None:
    if not ids:
        return
    rows = await session.execute(
        update(SignedInSession)
        .where(SignedInSession.account_id == entered(session), SignedInSession.id.in_(ids), SignedInSession.ended_at.is_(None))
        .values(ended_at=func.now(), ended_reason=why, ended_by=by)
        .returning(SignedInSession.id, SignedInSession.user_id)
        .execution_options(synchronize_session=False)
    )
    effects_of(session).ended.extend(EndedSession(entered(session), row.user_id, row.id, why) for row in rows)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
