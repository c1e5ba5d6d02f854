"""Signing in: the one way a session comes to be, whatever opened the door (seat rule 14).

Throttle, one read, one hash, one script for the seat, one transaction. Whoever may not enter learns no more than a stranger
until the password was right; a refusal for lack of seats never counts as a failed try (seat rule 13).
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from time import time
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants.accounts import Account
from tenants.activity import Event, write
from tenants.actors import Actor, Origin, Person
from tenants.attempts import Attempts
from tenants.catalogue import ADMINISTRATOR
from tenants.database import enter, entered, table_of
from tenants.errors import AccountChoice, InvalidCredentials, NotFound, SeatsFull, Unavailable
from tenants.full_pool import find_holders, seats_full
from tenants.identities import Identity, normal_email
from tenants.licences import covers
from tenants.passwords import Hasher, must_fit
from tenants.places import Place, find_place, may_not_enter
from tenants.seats import Full, HotCopy, Seated, SessionKey, Taken
from tenants.sessions import REMEMBER_SECONDS, Door, NewToken, SignedInSession, find_facts, hot_copy, mark_replaced, search_alive
from tenants.tickets import Candidate, candidate_of, make_ticket, read_ticket
from tenants.tokens import Signer
from tenants.users import DirectoryEntry, User, standing_in

_NOWHERE = UUID(int=0)


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
    known, place = await _look_up(keys, email_key, account)
    right = await keys.hasher.verify(known.password_hash, password)
    if right:
        await guess.was_right()
    if right and known.chosen is None and account is None and len(known.places) > 1:
        raise AccountChoice(accounts=[_choice(keys.signer, row) for row in known.places])
    if not right or known.chosen is None or known.password_hash is None:
        await _note_failure(keys, known, origin, why="no_place" if right else "password")
        raise InvalidCredentials
    if keys.hasher.outdated(known.password_hash):
        await _renew_hash(keys, known.chosen.identity_id, known.password_hash, password)
    return await _enter(keys, candidate_of(known.chosen), place, origin=origin, replace=replace, previous=previous)


async def sign_in_with_ticket(
    keys: Keys, *, ticket: str, origin: Origin, replace: UUID | None = None, previous: SessionKey | None = None
) -> SignedIn:
    """Try again after SeatsFull without the password. Raises as `sign_in`; InvalidCredentials when the ticket's time is over."""
    candidate = read_ticket(keys.signer, ticket)
    async with keys.door.database.transaction(candidate.account_id) as session:
        identity = await session.get(Identity, candidate.identity_id)
        place = await find_place(session, candidate.user_id)
    if identity is None or identity.credentials_version != candidate.credentials_version:
        raise InvalidCredentials
    return await _enter(keys, candidate, place, origin=origin, replace=replace, previous=previous)


async def switch_account(keys: Keys, actor: Actor, *, account: str, origin: Origin, previous: SessionKey) -> SignedIn:
    """A session in another account of the same identity, without the password; the present one ends once the new one has its seat."""
    async with keys.door.database.transaction() as session:
        row = (
            await session.execute(
                select(
                    Identity.id.label("identity_id"),
                    Identity.credentials_version,
                    Identity.email,
                    DirectoryEntry.account_id,
                    DirectoryEntry.user_id,
                )
                .join(DirectoryEntry, DirectoryEntry.identity_id == Identity.id)
                .join(Account, Account.id == DirectoryEntry.account_id)
                .where(
                    Identity.id == actor.identity_id, Account.slug == account, DirectoryEntry.status.in_(("active", "suspended"))
                )
            )
        ).one_or_none()
        if row is None:
            raise NotFound
        await enter(session, row.account_id)
        place = await find_place(session, row.user_id)
    return await _enter(keys, candidate_of(row), place, origin=origin, replace=None, previous=previous)


async def search_places(session: AsyncSession, identity_id: UUID) -> list[tuple[str, str]]:
    """Slug and name of every account that the person may switch to, by name."""
    found = await session.execute(
        select(Account.slug, Account.name)
        .join(DirectoryEntry, DirectoryEntry.account_id == Account.id)
        .where(DirectoryEntry.identity_id == identity_id, DirectoryEntry.status == "active", Account.status == "active")
        .order_by(Account.name)
    )
    return [(row.slug, row.name) for row in found]


async def _enter(
    keys: Keys, candidate: Candidate, place: Place | None, *, origin: Origin, replace: UUID | None, previous: SessionKey | None
) -> SignedIn:
    # The last part of every way in: take a seat, then write the session.
    door, session_id = keys.door, uuid7()
    place = await _entitled(keys, candidate, place, origin)
    makes_room = await _makes_room(keys, candidate, place, replace, previous)
    taken = await _take(keys, candidate, place, session_id, makes_room)
    if isinstance(taken, Full):
        raise await _refuse(keys, candidate, place, taken, origin)
    token = door.tokens.new(candidate.account_id, session_id)
    why = dict.fromkeys(taken.ended, "replaced")
    if makes_room is not None and makes_room[0] == replace and makes_room[1] != candidate.user_id:
        why[replace] = "ended_for_room"
    try:
        copy = await _write(keys, candidate, NewSession(session_id, token, why), origin)
    except BaseException:
        # Nobody may hold a seat for a session that was never written.
        await asyncio.shield(_give_up(keys, candidate, session_id))
        raise
    if previous is not None and previous.account_id != candidate.account_id:
        await _leave_elsewhere(keys, previous, origin)
    verdict = await door.seats.open("open", copy, epoch=taken.epoch)
    if isinstance(verdict, Gone):
        await _end_what_was_replaced(keys, candidate, session_id, origin)
    since = verdict.since if isinstance(verdict, Seated) else int(time() * 1000)
    # Anything else than a seat (replaced or changed this very moment) is told at the session's first request.
    return SignedIn(token, candidate.account_id, session_id, copy.blob, since, [(ended, why[ended]) for ended in taken.ended])


class _Known(NamedTuple):
    """What is known of an address: its hash, the accounts it may choose from, and the one that is meant."""

    password_hash: str | None
    rows: list[Any]
    places: list[Any]
    chosen: Any


async def _look_up(keys: Keys, email_key: str, account: str | None) -> tuple[_Known, Place | None]:
    # Two statements for every address, known or not, and before the hash: nothing can be told from the time.
    i, d, a = (table_of(model).c for model in (Identity, DirectoryEntry, Account))
    query = (
        select(
            i.id.label("identity_id"), i.password_hash, i.credentials_version, i.email,
            d.account_id, d.user_id, d.status, a.slug, a.name,
        )
        .outerjoin_from(table_of(Identity), table_of(DirectoryEntry), d.identity_id == i.id)
        .outerjoin(table_of(Account), (a.id == d.account_id) & (a.status != "closed"))
        .where(i.email_key == email_key)
        .order_by(a.name)
    )  # fmt: skip
    async with keys.door.database.transaction() as session:
        rows = list(await session.execute(query))
        places = [row for row in rows if row.slug is not None and row.status in {"active", "suspended"}]
        meant = [row for row in places if account in {None, row.slug}]
        chosen = meant[0] if len(meant) == 1 else None
        await enter(session, chosen.account_id if chosen else _NOWHERE)
        place = await find_place(session, chosen.user_id if chosen else _NOWHERE)
    return _Known(rows[0].password_hash if rows else None, rows, places, chosen), place


async def _entitled(keys: Keys, candidate: Candidate, place: Place | None, origin: Origin) -> Place:
    # The password was right: from here on the person may be told why they cannot come in.
    if place is not None and place.standing == "active" and place.account_status == "active":
        in_time = covers(place.starts_on, place.ends_on, place.time_zone, place.now)
        if in_time or place.role == ADMINISTRATOR:
            return place
    async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
        refusal = await may_not_enter(session, place) or InvalidCredentials()
        await _note(session, Event.SIGN_IN_FAILED, candidate, result="refused", why=refusal.code)
    raise refusal


async def _makes_room(
    keys: Keys, candidate: Candidate, place: Place, replace: UUID | None, previous: SessionKey | None
) -> tuple[UUID, UUID] | None:
    # A live session that ends for this one, and its user: the one named, or the one that the same browser holds (seat rule 14).
    wanted = replace or (previous.session_id if previous and previous.account_id == candidate.account_id else None)
    if wanted is None:
        return None
    if wanted in place.alive:
        return wanted, candidate.user_id
    async with keys.door.database.transaction(candidate.account_id) as session:
        found = next((row for row, _ in await search_alive(session) if row.id == wanted), None)
    if found is None or (wanted == replace and not _may_end(keys, place)):
        if replace is not None:
            raise NotFound
        return None
    return found.id, found.user_id


def _may_end(keys: Keys, place: Place) -> bool:
    return "sessions.end" in keys.door.catalogue.role_rights(place.role, place.kind)


async def _take(
    keys: Keys, candidate: Candidate, place: Place, session_id: UUID, makes_room: tuple[UUID, UUID] | None
) -> Taken | Full:
    for _ in range(8):
        taken = await keys.door.seats.take(
            candidate.account_id,
            user_id=candidate.user_id,
            session_id=session_id,
            unit=place.seat_unit,
            sessions_per_user=place.sessions_per_user,
            alive=place.alive,
            replace=makes_room,
        )
        if taken != "reread":
            return taken
        await keys.door.load_policy(candidate.account_id)
    raise Unavailable(retry_after=1)


class NewSession(NamedTuple):
    """A session about to be written. `why` are the sessions that made room for it, with their reasons."""

    id: UUID
    token: NewToken
    why: dict[UUID, str]


async def _write(keys: Keys, candidate: Candidate, new: NewSession, origin: Origin) -> HotCopy:
    u = table_of(User).c
    async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
        # The row lock of a suspension in the same moment: whoever comes second sees the other.
        done = await session.execute(
            update(table_of(User))
            .where(u.account_id == entered(session), u.id == candidate.user_id, standing_in(u) == "active")
            .values(last_login_at=func.now())
            .returning(u.name)
        )
        name = done.scalar_one_or_none()
        await session.execute(
            insert(table_of(SignedInSession)).values(
                account_id=entered(session),
                id=new.id,
                user_id=candidate.user_id,
                token_digest=new.token.digest,
                expires_at=func.now() + timedelta(hours=keys.session_hours),
                ip=origin.ip,
                device=origin.device,
            )
        )
        facts = await find_facts(session, new.id)
        copy = hot_copy(keys.door.catalogue, facts) if name is not None else None
        if copy is None:
            raise InvalidCredentials
        for reason in sorted(set(new.why.values())):
            ended = [session_id for session_id, why in new.why.items() if why == reason]
            await mark_replaced(session, ended, why=reason, by=name or candidate.email)
        await _note(session, Event.SIGNED_IN, candidate, name=name or "", session_id=new.id, ended=list(new.why))
    return copy


async def _refuse(keys: Keys, candidate: Candidate, place: Place, full: Full, origin: Origin) -> SeatsFull:
    async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
        facts = {"seats": full.seats, "in_use": full.in_use}
        await _note(session, Event.SEAT_REFUSED, candidate, result="refused", name=place.name, **facts)
        holders = await find_holders(session, keys.door.seats, unit=place.seat_unit, user_id=candidate.user_id)
    refusal = seats_full(full, holders, may_end=_may_end(keys, place), shows=place.show_holders)
    refusal.facts["ticket"] = make_ticket(keys.signer, candidate)
    return refusal


async def _end_what_was_replaced(keys: Keys, candidate: Candidate, session_id: UUID, origin: Origin) -> None:
    # The same person signed in again before this row was written, so that sign-in found no row to end. Left alive, it would come
    # back as a session too many at its first request.
    async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
        await mark_replaced(session, [session_id], why="replaced", by=candidate.email)


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


async def _note_failure(keys: Keys, known: _Known, origin: Origin, *, why: str) -> None:
    # A stranger's try is written too, into the operator's account: the same work for every address.
    place = next((row for row in known.rows if row.account_id is not None), None)
    async with keys.door.database.transaction(origin=origin) as session:
        operator = await session.scalar(select(Account.id).where(Account.kind == "operator"))
        account_id = place.account_id if place else operator
        if account_id is None:
            return
        await enter(session, account_id)
        person = Person(place.user_id, place.identity_id, "", place.email) if place else None
        await write(session, Event.SIGN_IN_FAILED, by=person, result="failed", why=why)


async def _note(
    session: AsyncSession, event: Event, candidate: Candidate, *, name: str = "", result: Any = "done", **facts: Any
) -> None:
    person = Person(candidate.user_id, candidate.identity_id, name or candidate.email, candidate.email)
    await write(session, event, by=person, on=("user", candidate.user_id, person.name), result=result, **facts)


def _choice(signer: Signer, row: Any) -> dict[str, Any]:
    # The password was right: whoever chooses needs not give it again.
    return {"slug": row.slug, "name": row.name, "status": row.status, "ticket": make_ticket(signer, candidate_of(row))}
