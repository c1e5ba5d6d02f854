"""Entering an account: the last part of every way in (seat rule 14). A seat first, then the session's row, then its hot copy."""

import asyncio
from dataclasses import dataclass
from time import time
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants.activity import Event, plain_line, write
from tenants.actors import Origin, Person
from tenants.attempts import Attempts
from tenants.catalogue import ADMINISTRATOR
from tenants.door import Door
from tenants.errors import InvalidCredentials, NotFound, SeatsFull, Unavailable
from tenants.full_pool import find_holders, seats_full
from tenants.licences import covers
from tenants.passwords import Hasher
from tenants.places import Place, may_not_enter
from tenants.seats import Full, Gone, HotCopy, Seated, SessionKey, Taken
from tenants.session_facts import hot_copy, write_session
from tenants.sessions import REMEMBER_SECONDS, NewToken, mark_replaced, search_alive
from tenants.tickets import Candidate, make_ticket
from tenants.tokens import Signer


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


async def enter_account(
    keys: Keys, candidate: Candidate, place: Place | None, *, origin: Origin, replace: UUID | None, previous: SessionKey | None
) -> SignedIn:
    """Take a seat and write the session.

    `replace` is a live session to end for room, `previous` the one that the same browser holds. Raises InvalidCredentials,
    UserSuspended, AccountUnavailable, SeatsFull, NotFound (for `replace`) or Unavailable.
    """
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
        copy = await _write(keys, candidate, place.name or place.email, NewSession(session_id, token, why), origin)
    except BaseException:
        # Nobody may hold a seat for a session that was never written.
        await asyncio.shield(_give_up(keys, candidate, session_id))
        raise
    if previous is not None and previous.account_id != candidate.account_id:
        await _leave_elsewhere(keys, previous)
    verdict = await door.seats.open("open", copy, epoch=taken.epoch)
    if isinstance(verdict, Gone):
        await _end_what_was_replaced(keys, candidate, session_id)
    since = verdict.since if isinstance(verdict, Seated) else int(time() * 1000)
    # Anything else than a seat (replaced or changed this very moment) is told at the session's first request.
    return SignedIn(token, candidate.account_id, session_id, copy.blob, since, [(ended, why[ended]) for ended in taken.ended])


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


async def _write(keys: Keys, candidate: Candidate, name: str, new: NewSession, origin: Origin) -> HotCopy:
    account_id = candidate.account_id
    person = Person(candidate.user_id, candidate.identity_id, name, candidate.email)
    told = {"session_id": new.id, "ended": list(new.why)}
    async with keys.door.database.plain(account_id) as plain:
        facts = await write_session(
            plain,
            account_id=account_id,
            session_id=new.id,
            user_id=candidate.user_id,
            digest=new.token.digest,
            hours=keys.session_hours,
            origin=origin,
            line=plain_line(Event.SIGNED_IN, account_id=account_id, origin=origin, by=person, **told),
        )
        copy = hot_copy(keys.door.catalogue, facts) if facts is not None else None
        if copy is None:
            raise InvalidCredentials
        for reason in sorted(set(new.why.values())):
            ended = [session_id for session_id, why in new.why.items() if why == reason]
            await mark_replaced(plain, account_id, ended, why=reason, by=name)
    return copy


async def _refuse(keys: Keys, candidate: Candidate, place: Place, full: Full, origin: Origin) -> SeatsFull:
    async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
        facts = {"seats": full.seats, "in_use": full.in_use}
        await _note(session, Event.SEAT_REFUSED, candidate, result="refused", name=place.name, **facts)
        holders = await find_holders(session, keys.door.seats, unit=place.seat_unit, user_id=candidate.user_id)
    refusal = seats_full(full, holders, may_end=_may_end(keys, place), shows=place.show_holders)
    refusal.facts["ticket"] = make_ticket(keys.signer, candidate)
    return refusal


async def _end_what_was_replaced(keys: Keys, candidate: Candidate, session_id: UUID) -> None:
    # The same person signed in again before this row was written, so that sign-in found no row to end. Left alive, it would come
    # back as a session too many at its first request.
    async with keys.door.database.plain(candidate.account_id) as plain:
        await mark_replaced(plain, candidate.account_id, [session_id], why="replaced", by=candidate.email)


async def _leave_elsewhere(keys: Keys, previous: SessionKey) -> None:
    async with keys.door.database.plain(previous.account_id) as plain:
        await mark_replaced(plain, previous.account_id, [previous.session_id], why="switched", by=None)


async def _give_up(keys: Keys, candidate: Candidate, session_id: UUID) -> None:
    try:
        await keys.door.seats.end(
            candidate.account_id, user_id=candidate.user_id, session_id=session_id, why="never_began", remember=REMEMBER_SECONDS
        )
    except Unavailable:
        return  # given up by the script itself after ten seconds


async def _note(
    session: AsyncSession, event: Event, candidate: Candidate, *, name: str = "", result: Any = "done", **facts: Any
) -> None:
    person = Person(candidate.user_id, candidate.identity_id, name or candidate.email, candidate.email)
    await write(session, event, by=person, on=("user", candidate.user_id, person.name), result=result, **facts)
