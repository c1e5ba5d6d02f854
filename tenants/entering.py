"""Entering an account: the last part of every way in (seat rule 14). A seat first, then the session's row, then its hot copy."""

import asyncio
from dataclasses import dataclass, field
from time import time
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants.activity import Event, plain_line, write
from tenants.actors import Origin, Person
from tenants.attempts import Attempts
from tenants.bearer_tokens import NewToken
from tenants.database import Plain
from tenants.door import Door
from tenants.errors import DomainError, Forbidden, InvalidCredentials, NotFound, SeatsFull, Unavailable
from tenants.full_pool import ENDS, TurnedAway, seats_full
from tenants.passwords import Hasher
from tenants.places import Place, find_place, may_not_enter
from tenants.seat_keys import SessionKey
from tenants.seat_verdicts import Full, Gone, HotCopy, Seated, SeatKind, Soon, Taken
from tenants.session_facts import hot_copy, write_session
from tenants.sessions import mark_replaced, note_ended
from tenants.tickets import Candidate
from tenants.tokens import Signer

# How often a sign-in waits for a page that was just closed to be no reload.
_MOST_WAITS = 3
# Seconds. Nobody has the token of a session that never began: only what is still under way may yet meet it.
_REMEMBER_ATTEMPT = 60


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
    """A new session. `blob` is its hot copy, `kind` its seat, `ended` the sessions that made room for it with the reason why."""

    token: NewToken
    account_id: UUID
    session_id: UUID
    blob: bytes
    since: int
    kind: SeatKind
    ended: list[tuple[UUID, str]]


async def enter_account(
    keys: Keys,
    candidate: Candidate,
    *,
    origin: Origin,
    replace: UUID | None = None,
    previous: SessionKey | None = None,
    management: bool = False,
) -> SignedIn:
    """Take a seat and write the session.

    `replace` is a live session to end for room, `previous` the one that the same browser holds. With `management` whoever may end
    sessions enters a full pool without a seat. Raises InvalidCredentials, UserSuspended, AccountUnavailable, SeatsFull, Forbidden
    (for `management`), NotFound (for `replace`) or Unavailable.
    """
    session_id = uuid7()
    token = keys.door.tokens.new(candidate.account_id, session_id)
    new = NewSession(session_id, token, origin, replace, previous, management)
    found = await _patiently(keys, candidate, new)
    if found.taken is None:
        raise await _turned_away(keys, candidate, found.place, origin)
    if isinstance(found.taken, Full):
        raise await _refuse(keys, candidate, found, origin)
    if previous is not None and previous.account_id != candidate.account_id:
        await _leave_elsewhere(keys, previous, origin)
    return await _opened(keys, candidate, new, found)


async def _patiently(keys: Keys, candidate: Candidate, new: "NewSession") -> "_Found":
    for _ in range(_MOST_WAITS):
        try:
            found = await _try(keys, candidate, new)
        except BaseException:
            # Nobody may hold a seat for a session that was never written.
            await asyncio.shield(_give_up(keys, candidate, new.id))
            raise
        if not isinstance(found.taken, Soon):
            return found
        # A page was closed, or is being loaded again. No connection is held meanwhile.
        await asyncio.sleep(found.taken.seconds)
    raise Unavailable(retry_after=1)


class NewSession(NamedTuple):
    """A session about to be written, and what its browser brought along."""

    id: UUID
    token: NewToken
    origin: Origin
    replace: UUID | None
    previous: SessionKey | None
    management: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """How far it went: not entitled (nothing taken), no seat (yet), or written, with the sessions that made room and why."""

    place: Place | None
    taken: Taken | Full | Soon | None = None
    copy: HotCopy | None = None
    why: dict[UUID, str] = field(default_factory=dict)


async def _try(keys: Keys, candidate: Candidate, new: NewSession) -> _Found:
    # One transaction, and not one statement more than it needs: this is what a Monday morning is made of.
    async with keys.door.database.plain(candidate.account_id) as plain:
        place = await find_place(plain, candidate.account_id, candidate.user_id)
        if place is None or not _entitled(place):
            return _Found(place)
        if new.management and not _may_end(keys, place):
            raise Forbidden(right=ENDS)
        makes_room = await _makes_room(plain, keys, candidate, place, new)
        taken = await _take(plain, keys, candidate, place, new=new, makes_room=makes_room)
        if not isinstance(taken, Taken):
            return _Found(place, taken)
        why = dict.fromkeys(taken.ended, "replaced")
        if taken.kind == "management":
            # One for each administrator: of two who enter at once the second one waits here, and then sees the first.
            await plain.row(_LOCK_USER, candidate.account_id, candidate.user_id)
            rows = await plain.rows(_MANAGING, candidate.account_id, candidate.user_id)
            why |= dict.fromkeys((row[0] for row in rows), "replaced")
        if makes_room is not None and makes_room[0] == new.replace and makes_room[1] != candidate.user_id:
            why[makes_room[0]] = "ended_for_room"
        copy = await _write(plain, keys, candidate, new, name=place.name or place.email, kind=taken.kind, why=why)
        return _Found(place, taken, copy, why)


def _entitled(place: Place) -> bool:
    return place.standing == "active" and place.account_status == "active" and place.licence_lets_in


async def _turned_away(keys: Keys, candidate: Candidate, place: Place | None, origin: Origin) -> DomainError:
    # The password was right: the person may be told why they cannot come in.
    async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
        refusal = await may_not_enter(session, place) or InvalidCredentials()
        await _note(session, Event.SIGN_IN_FAILED, candidate, result="refused", why=refusal.code)
    return refusal


_ALIVE = """
SELECT user_id FROM sessions WHERE account_id = $1 AND id = $2 AND user_id IS NOT NULL AND ended_at IS NULL AND expires_at > now()
"""

_LOCK_USER = "SELECT id FROM users WHERE account_id = $1 AND id = $2 FOR UPDATE"
_MANAGING = (
    "SELECT id FROM sessions WHERE account_id = $1 AND user_id = $2 AND management AND ended_at IS NULL AND expires_at > now()"
)


async def _makes_room(plain: Plain, keys: Keys, candidate: Candidate, place: Place, new: NewSession) -> tuple[UUID, UUID] | None:
    # A live session that ends for this one, and its user: the one named, or the one that the same browser holds (seat rule 14).
    held = new.previous.session_id if new.previous and new.previous.account_id == candidate.account_id else None
    wanted = new.replace or held
    if wanted is None:
        return None
    row = await plain.row(_ALIVE, candidate.account_id, wanted)
    others = row is not None and row[0] != candidate.user_id
    if row is None or (others and wanted == new.replace and not _may_end(keys, place)):
        if new.replace is not None:
            raise NotFound
        return None
    return wanted, row[0]


def _may_end(keys: Keys, place: Place) -> bool:
    return place.may(keys.door.catalogue, ENDS)


async def _take(
    plain: Plain, keys: Keys, candidate: Candidate, place: Place, *, new: NewSession, makes_room: tuple[UUID, UUID] | None
) -> Taken | Full | Soon:
    for _ in range(8):
        taken = await keys.door.seats.take(
            candidate.account_id,
            user_id=candidate.user_id,
            session_id=new.id,
            unit=place.seat_unit,
            sessions_per_user=place.sessions_per_user,
            alive=place.alive,
            replace=makes_room,
            wanted="management" if new.management else keys.door.catalogue.wants(place.role),
        )
        if taken != "reread":
            return taken
        await keys.door.load_policy(plain, candidate.account_id)
    raise Unavailable(retry_after=1)


async def _write(
    plain: Plain, keys: Keys, candidate: Candidate, new: NewSession, *, name: str, kind: SeatKind, why: dict[UUID, str]
) -> HotCopy:
    account_id = candidate.account_id
    person = Person(candidate.user_id, candidate.identity_id, name, candidate.email)
    told: dict[str, Any] = {"session_id": new.id, "ended": list(why), "seat": kind}
    facts = await write_session(
        plain,
        account_id=account_id,
        session_id=new.id,
        user_id=candidate.user_id,
        digest=new.token.digest,
        hours=keys.session_hours,
        origin=new.origin,
        management=kind == "management",
        line=plain_line(Event.SIGNED_IN, account_id=account_id, origin=new.origin, by=person, **told),
    )
    copy = hot_copy(keys.door.catalogue, facts) if facts is not None else None
    if copy is None:
        raise InvalidCredentials
    for reason in sorted(set(why.values())):
        ids = [ended for ended in why if why[ended] == reason]
        ended = await mark_replaced(plain, account_id, ids, why=reason, by=(candidate.user_id, name))
        if reason == "ended_for_room":
            await note_ended(plain, account_id, ended, why=reason, by=person, origin=new.origin)
    return copy


async def _opened(keys: Keys, candidate: Candidate, new: NewSession, found: _Found) -> SignedIn:
    if found.copy is None or not isinstance(found.taken, Taken):
        raise InvalidCredentials
    verdict = await keys.door.seats.open("open", found.copy, epoch=found.taken.epoch)
    if isinstance(verdict, Gone):
        await _end_what_was_replaced(keys, candidate, new.id)
    since, kind = (verdict.since, verdict.kind) if isinstance(verdict, Seated) else (int(time() * 1000), found.taken.kind)
    # Anything else than a seat (replaced or changed this very moment) is told at the session's first request.
    return SignedIn(new.token, candidate.account_id, new.id, found.copy.blob, since, kind, list(found.why.items()))


async def _refuse(keys: Keys, candidate: Candidate, found: _Found, origin: Origin) -> SeatsFull:
    place, full = found.place, found.taken
    if place is None or not isinstance(full, Full):
        raise InvalidCredentials
    async with keys.door.database.transaction(candidate.account_id, origin=origin) as session:
        facts = {"seats": full.seats, "in_use": full.in_use, "held": full.held}
        await _note(session, Event.SEAT_REFUSED, candidate, result="refused", name=place.name, **facts)
        return await seats_full(session, keys.door, keys.signer, TurnedAway(candidate, place), full)


async def _end_what_was_replaced(keys: Keys, candidate: Candidate, session_id: UUID) -> None:
    # The same person signed in again before this row was written, so that sign-in found no row to end. Left alive, it would come
    # back as a session too many at its first request.
    async with keys.door.database.plain(candidate.account_id) as plain:
        await mark_replaced(plain, candidate.account_id, [session_id], why="replaced", by=(candidate.user_id, candidate.email))


async def _leave_elsewhere(keys: Keys, previous: SessionKey, origin: Origin) -> None:
    async with keys.door.database.plain(previous.account_id) as plain:
        ended = await mark_replaced(plain, previous.account_id, [previous.session_id], why="switched", by=None)
        # Whoever signed in may be somebody else, at the same browser.
        await note_ended(plain, previous.account_id, ended, why="switched", by=None, origin=origin)


async def _give_up(keys: Keys, candidate: Candidate, session_id: UUID) -> None:
    try:
        await keys.door.seats.end(
            candidate.account_id, user_id=candidate.user_id, session_id=session_id, why="never_began", remember=_REMEMBER_ATTEMPT
        )
    except Unavailable:
        return  # given up by the script itself after ten seconds


async def _note(
    session: AsyncSession, event: Event, candidate: Candidate, *, name: str = "", result: Any = "done", **facts: Any
) -> None:
    person = Person(candidate.user_id, candidate.identity_id, name or candidate.email, candidate.email)
    await write(session, event, by=person, on=("user", candidate.user_id, person.name), result=result, **facts)
