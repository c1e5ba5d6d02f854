"""Signing in: the one way a session comes to be, whatever opened the door (seat rule 14).

Throttle, one read, one hash, one script for the seat, one transaction. Whoever may not enter learns no more than a stranger
until the password was right; a refusal for lack of seats never counts as a failed try (seat rule 13).
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants.accounts import Account
from tenants.activity import Activity, Event, line
from tenants.actors import Actor, Origin, Person
from tenants.attempts import Attempts
from tenants.catalogue import ADMINISTRATOR
from tenants.database import enter, entered
from tenants.errors import AccountChoice, AccountUnavailable, InvalidCredentials, NotFound, SeatsFull, Unavailable, UserSuspended
from tenants.identities import Identity, normal_email
from tenants.licences import Licence
from tenants.passwords import Hasher, must_fit
from tenants.seats import Full, Presence, Seated, SessionKey
from tenants.sessions import (
    REMEMBER_SECONDS,
    Door,
    NewToken,
    SignedInSession,
    find_facts,
    hot_copy,
    licence_end,
    mark_replaced,
    search_alive,
)
from tenants.tokens import Purpose, Signer, decoded, encoded
from tenants.users import DirectoryEntry, User, active_administrators

TICKET_SECONDS = 600



@dataclass(frozen=True, slots=True)
class Keys:
    """What sign-in needs besides the door itself."""

    door: Door
    hasher: Hasher
    attempts: Attempts
    signer: Signer
    session_hours: int


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. `blob` is its hot copy, `ended` the sessions that made room for it with the reason why."""

    token: NewToken
    account_id: UUID
    session_id: UUID
    blob: bytes
    since: int
    ended: list[tuple[UUID, str]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person whose password was right, in one account that they chose or have only one of."""

    identity_id: UUID
    credentials_version: int
    email: str
    account_id: UUID
    user_id: UUID


class Ticket(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Stands for a right password for ten minutes, for one person in one account, until the password changes."""

    account_id: UUID
    user_id: UUID
    identity_id: UUID
    credentials_version: int
    expires: int


async def sign_in(
    keys: Keys,
    *,
    email: str,
    password: str,
    account: str | None,
    origin: Origin,
    replace: UUID | None = None,
    previous: SessionKey | None = None,
) -> SignedIn:
    """Open a session by address and password.

    `account` is a slug; `replace` a live session to end for room (one's own, or another's with `sessions.end`); `previous` the
    session that the same browser holds. Raises InvalidCredentials, UserSuspended, AccountUnavailable, AccountChoice, SeatsFull,
    TooManyAttempts, Busy, Unavailable; Invalid for what cannot be an address or a password.
    """
    must_fit(password)
    _, email_key = normal_email(email)
    guess = await keys.attempts.take(email_key, origin.ip)
    rows, chosen = await _look_up(keys, email_key, account)
    password_hash = rows[0].password_hash if rows else None
    right = await keys.hasher.verify(password_hash, password)
    if not right or chosen is None:
        places = [row for row in rows if row.account_id is not None and row.status in {"active", "suspended"}]
        if right and account is None and len(places) > 1:
            await guess.was_right()
            raise AccountChoice(accounts=[{"slug": row.slug, "name": row.name, "status": row.status} for row in places])
        await _note_failure(keys, rows, origin, why="password" if not right else "no_place")
        raise InvalidCredentials
    await guess.was_right()
    if password_hash is not None and keys.hasher.outdated(password_hash):
        await _renew_hash(keys, chosen.identity_id, password_hash, password)
    candidate = Candidate(chosen.identity_id, chosen.credentials_version, chosen.email, chosen.account_id, chosen.user_id)
    return await enter_account(keys, candidate, origin=origin, replace=replace, previous=previous)


async def sign_in_with_ticket(
    keys: Keys, *, ticket: str, origin: Origin, replace: UUID | None = None, previous: SessionKey | None = None
) -> SignedIn:
    """Try again after SeatsFull without the password. Raises as `sign_in`; InvalidCredentials when the ticket's time is over."""
    found = _read_ticket(keys.signer, ticket)
    async with keys.door.database.transaction() as session:
        identity = await session.get(Identity, found.identity_id)
    if identity is None or identity.credentials_version != found.credentials_version:
        raise InvalidCredentials
    candidate = Candidate(identity.id, identity.credentials_version, identity.email, found.account_id, found.user_id)
    return await enter_account(keys, candidate, origin=origin, replace=replace, previous=previous)


async def switch_account(keys: Keys, actor: Actor, *, account: str, origin: Origin, previous: SessionKey) -> SignedIn:
    """A session in another account of the same identity, without the password; the present one ends once the new one has its seat."""
    async with keys.door.database.transaction() as session:
        row = (
            await session.execute(
                select(Identity.credentials_version, Identity.email, DirectoryEntry.account_id, DirectoryEntry.user_id)
                .join(DirectoryEntry, DirectoryEntry.identity_id == Identity.id)
                .join(Account, Account.id == DirectoryEntry.account_id)
                .where(
                    Identity.id == actor.identity_id, Account.slug == account, DirectoryEntry.status.in_(("active", "suspended"))
                )
            )
        ).one_or_none()
    if row is None:
        raise NotFound
    candidate = Candidate(actor.identity_id, row.credentials_version, row.email, row.account_id, row.user_id)
    return await enter_account(keys, candidate, origin=origin, replace=None, previous=previous)


async def enter_account(
    keys: Keys, candidate: Candidate, *, origin: Origin, replace: UUID | None, previous: SessionKey | None
) -> SignedIn:
    """Take a seat and write the session. The last part of every way in."""
    door, account_id, session_id = keys.door, candidate.account_id, uuid7()
    place = await _place(keys, candidate, origin, replace, previous)
    taken = await _take(keys, candidate, place, session_id)
    if isinstance(taken, Full):
        raise await _refuse(keys, candidate, place, taken, origin)
    token = door.tokens.new(account_id, session_id)
    why = {session: "replaced" for session in taken.ended}
    if place.replaced is not None and place.replaced.user_id != candidate.user_id:
        why[place.replaced.session_id] = "ended_for_room"
    try:
        copy = await _write(keys, candidate, session_id, token, why, origin)
    except BaseException:
        # Nobody may hold a seat for a session that was never written.
        await asyncio.shield(_give_up(keys, candidate, session_id))
        raise
    if previous is not None and previous.account_id != account_id:
        await _leave_elsewhere(keys, previous, origin)
    verdict = await door.seats.open("open", copy, epoch=taken.epoch)
    since = verdict.since if isinstance(verdict, Seated) else int(time() * 1000)
    # Anything else than a seat (replaced or changed this very moment) is told at the session's first request.
    return SignedIn(token, account_id, session_id, copy.blob, since, [(ended, why[ended]) for ended in taken.ended])


@dataclass(frozen=True, slots=True)
class _Replaced:
    session_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class _Place:
    user: User
    account: Account
    alive: list[UUID]
    replaced: _Replaced | None
    may_end: bool


async def _look_up(keys: Keys, email_key: str, account: str | None) -> tuple[list[Row[Any]], Row[Any] | None]:
    # One statement for every address, known or not, before the hash: nothing can be told from the time.
    query = (
        select(
            Identity.id.label("identity_id"), Identity.password_hash, Identity.credentials_version, Identity.email,
            DirectoryEntry.account_id, DirectoryEntry.user_id, DirectoryEntry.status, Account.slug, Account.name,
        )
        .outerjoin(DirectoryEntry, DirectoryEntry.identity_id == Identity.id)
        .outerjoin(Account, (Account.id == DirectoryEntry.account_id) & (Account.status != "closed"))
        .where(Identity.email_key == email_key)
        .order_by(Account.name)
    )  # fmt: skip
    async with keys.door.database.transaction() as session:
        rows = [row for row in await session.execute(query) if row.account_id is None or row.slug is not None]
    places = [row for row in rows if row.status in {"active", "suspended"} and account in {None, row.slug}]
    return rows or [], places[0] if len(places) == 1 else None


async def _place(
    keys: Keys, candidate: Candidate, origin: Origin, replace: UUID | None, previous: SessionKey | None
) -> _Place:
    async with keys.door.database.transaction(candidate.account_id) as session:
        user = await session.get(User, (candidate.account_id, candidate.user_id))
        account = await session.get_one(Account, candidate.account_id)
        licence = await session.get_one(Licence, candidate.account_id)
        now = (await session.execute(select(func.now()))).scalar_one()
        alive = await search_alive(session)
        administrators = await active_administrators(session)
    refusal = _refusal(user, account, licence, now, administrators)
    if refusal is not None or user is None:
        async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
            await _note(session, Event.SIGN_IN_FAILED, candidate, result="refused", why=refusal.code if refusal else "no_place")
        raise refusal or InvalidCredentials
    rights = keys.door.catalogue.role_rights(user.role, account.kind)
    replaced = None
    wanted = replace or (previous.session_id if previous and previous.account_id == account.id else None)
    if wanted is not None:
        found = next((row for row, _ in alive if row.id == wanted), None)
        if found is not None and (found.user_id == user.id or "sessions.end" in rights or wanted != replace):
            replaced = _Replaced(found.id, found.user_id)
        elif replace is not None:
            raise NotFound
    own = [row.id for row, _ in alive if row.user_id == user.id]
    return _Place(user, account, own, replaced, "sessions.end" in rights)


def _refusal(user: User | None, account: Account, licence: Licence, now: datetime, administrators: list[User]) -> Exception | None:
    if user is None or user.status not in {"active", "suspended"} or account.status == "closed":
        return InvalidCredentials()
    contact = ", ".join(sorted(a.email for a in administrators if a.id != user.id)[:3]) or None
    if user.standing != "active":  # type: ignore[attr-defined]  # a column property
        return UserSuspended(until=user.suspended_until, reason=user.suspended_reason, contact=contact)
    if account.status == "suspended":
        return AccountUnavailable(why="account_suspended", contact=contact)
    ends = licence_end(licence.ends_on, account.time_zone)
    over = licence.starts_on > now.date() or (ends is not None and ends <= now)
    return AccountUnavailable(why="licence_ended", contact=contact) if over and user.role != ADMINISTRATOR else None


async def _take(keys: Keys, candidate: Candidate, place: _Place, session_id: UUID) -> Any:
    for _ in range(8):
        taken = await keys.door.seats.take(
            candidate.account_id,
            user_id=candidate.user_id,
            session_id=session_id,
            unit=place.account.seat_unit,
            sessions_per_user=place.account.sessions_per_user,
            alive=place.alive,
            replace=(place.replaced.session_id, place.replaced.user_id) if place.replaced else None,
        )
        if taken != "reread":
            return taken
        await keys.door.load_policy(candidate.account_id)
    raise Unavailable(retry_after=1)


async def _write(keys: Keys, candidate: Candidate, session_id: UUID, token: NewToken, why: dict[UUID, str], origin: Origin) -> Any:
    async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
        # The row lock of a suspension in the same moment: whoever comes second sees the other.
        done = await session.execute(
            update(User)
            .where(
                User.account_id == entered(session),
                User.id == candidate.user_id,
                User.standing == "active",  # type: ignore[attr-defined]  # a column property
            )
            .values(last_login_at=func.now())
            .execution_options(synchronize_session=False)
        )
        if not done.rowcount:  # type: ignore[attr-defined]  # an UPDATE returns a CursorResult
            raise InvalidCredentials
        await session.execute(
            insert(SignedInSession).values(
                account_id=entered(session),
                id=session_id,
                user_id=candidate.user_id,
                token_digest=token.digest,
                expires_at=func.now() + func.make_interval(0, 0, 0, 0, keys.session_hours),
                ip=origin.ip,
                device=origin.device,
            )
        )
        facts = await find_facts(session, session_id)
        copy = hot_copy(keys.door.catalogue, facts) if facts is not None else None
        if copy is None or facts is None:
            raise InvalidCredentials
        for reason in sorted(set(why.values())):
            await mark_replaced(session, [s for s, r in why.items() if r == reason], why=reason, by=facts.name or facts.email)
        await _note(session, Event.SIGNED_IN, candidate, name=facts.name, session_id=session_id, ended=list(why))
    return copy


async def _refuse(keys: Keys, candidate: Candidate, place: _Place, full: Full, origin: Origin) -> SeatsFull:
    async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
        await _note(
            session, Event.SEAT_REFUSED, candidate, result="refused", name=place.user.name, seats=full.seats, in_use=full.in_use
        )
        alive = await search_alive(session)
    holders = _holders(alive, await keys.door.seats.presence(candidate.account_id), candidate.user_id, place)
    choices = ["retry"]
    if any(holder["mine"] for holder in holders):
        choices.append("end_own")
    if place.may_end and any(not holder["mine"] for holder in holders):
        choices.append("end_other")
    shown = holders if place.account.show_holders or place.may_end else [holder for holder in holders if holder["mine"]]
    ticket = _make_ticket(keys.signer, candidate)
    return SeatsFull(seats=full.seats, in_use=full.in_use, holders=shown, choices=choices, ticket=ticket)


def _holders(
    alive: list[tuple[SignedInSession, User]], presence: Presence, user_id: UUID, place: _Place
) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    holding = {holder for holder, until in presence.leases.items() if until > now}
    return [
        {
            "session_id": row.id,
            "name": user.label,
            "since": row.started_at,
            "last_activity": presence.seen.get(row.id, row.started_at),
            "mine": user.id == user_id,
        }
        for row, user in alive
        if (user.id if place.account.seat_unit == "user" else row.id) in holding
    ]


async def _leave_elsewhere(keys: Keys, previous: SessionKey, origin: Origin) -> None:
    async with keys.door.database.transaction(previous.account_id, origin=origin) as session:
        await mark_replaced(session, [previous.session_id], why="switched", by=None)


async def _give_up(keys: Keys, candidate: Candidate, session_id: UUID) -> None:
    try:
        await keys.door.seats.end(
            candidate.account_id, user_id=candidate.user_id, session_id=session_id, why="never_began", remember=REMEMBER_SECONDS
        )
    except Unavailable:
        return  # given up by the script itself after ten seconds


async def _renew_hash(keys: Keys, identity_id: UUID, old: str, password: str) -> None:
    new = await keys.hasher.hash(password)
    async with keys.door.database.transaction() as session:
        await session.execute(
            update(Identity)
            .where(Identity.id == identity_id, Identity.password_hash == old)
            .values(password_hash=new)
            .execution_options(synchronize_session=False)
        )


async def _note_failure(keys: Keys, rows: list[Row[Any]], origin: Origin, *, why: str) -> None:
    # A stranger's try is written too, into the operator's account: the same work for every address.
    place = next((row for row in rows if row.account_id is not None), None)
    async with keys.door.database.transaction(origin=origin) as session:
        operator = await session.scalar(select(Account.id).where(Account.kind == "operator"))
        account_id = place.account_id if place else operator
        if account_id is None:
            return
        await enter(session, account_id)
        person = Person(place.user_id, place.identity_id, "", place.email) if place else None
        facts = line(session, Event.SIGN_IN_FAILED, by=person, result="failed", why=why)
        await session.execute(insert(Activity).values(facts))


async def _note(session: AsyncSession, event: Event, candidate: Candidate, *, name: str = "", result: Any = "done", **facts: Any) -> None:
    person = Person(candidate.user_id, candidate.identity_id, name or candidate.email, candidate.email)
    written = line(session, event, by=person, on=("user", candidate.user_id, name or candidate.email), result=result, **facts)
    await session.execute(insert(Activity).values(written))


def _make_ticket(signer: Signer, candidate: Candidate) -> str:
    body = msgspec.msgpack.encode(
        Ticket(candidate.account_id, candidate.user_id, candidate.identity_id, candidate.credentials_version, int(time()) + TICKET_SECONDS)
    )
    return encoded(signer.tag(Purpose.TICKET, body) + body)


def _read_ticket(signer: Signer, ticket: str) -> Ticket:
    raw = decoded(ticket)
    if raw is None or not signer.matches(raw[:24], Purpose.TICKET, raw[24:]):
        raise InvalidCredentials
    found = msgspec.msgpack.decode(raw[24:], type=Ticket)
    if found.expires < time():
        raise InvalidCredentials
    return found


