"""Signing in: the one way a session comes to be, whatever opened the door (seat rule 14).

Throttle, one read, one hash, one script for the seat, one transaction. Whoever may not enter learns no more than a stranger
until the password was right; a refusal for lack of seats never counts as a failed try (seat rule 13).
"""

import asyncio
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account
from tenants.activity import Event, write
from tenants.actors import Actor, Origin, Person
from tenants.attempts import Guess
from tenants.database import enter
from tenants.entering import Keys, SignedIn, enter_account
from tenants.errors import AccountChoice, InvalidCredentials, NotFound, PasswordNeeded, Unavailable
from tenants.identities import Identity, normal_email
from tenants.invitation_links import find_own_choice
from tenants.passwords import must_fit
from tenants.seat_keys import SessionKey
from tenants.tickets import Candidate, candidate_of, make_ticket, read_ticket
from tenants.tokens import Signer
from tenants.users import DirectoryEntry


async def sign_in(
    keys: Keys,
    *,
    email: str,
    password: str,
    account: str | None,
    origin: Origin,
    replace: UUID | None = None,
    previous: SessionKey | None = None,
    management: bool = False,
) -> SignedIn:
    """Open a session by address and password.

    `account` is a slug; `replace` a live session to end for room (one's own, or another's with `sessions.end`); `previous` the
    session that the same browser holds; `management` as for `enter_account`. Raises InvalidCredentials, PasswordNeeded,
    UserSuspended, AccountUnavailable, AccountChoice, SeatsFull, Forbidden, TooManyAttempts, Busy, Unavailable; Invalid for what
    cannot be an address or a password.
    """
    must_fit(password)
    address = normal_email(email)
    guess = await keys.attempts.take(address, origin.ip)
    known = await _look_up(keys, address, account)
    right = await keys.hasher.verify(known.password_hash or known.first_hash, password)
    if right and known.password_hash is None:
        raise await _only_a_first_password(keys, known, account, origin, guess)
    if right and known.chosen is None and account is None and len(known.places) > 1:
        await guess.was_right()
        raise AccountChoice(accounts=[_choice(keys.signer, row) for row in known.places])
    if not right or known.chosen is None or known.password_hash is None:
        # A right password that leads nowhere counts as a wrong one: whoever was struck off is a stranger to the throttle as well.
        await _note_failure(keys, known, origin, why="no_place" if right else "password")
        raise InvalidCredentials
    if keys.hasher.outdated(known.password_hash):
        await _renew_hash(keys, known.chosen.identity_id, known.password_hash, password)
    giving_back = asyncio.create_task(guess.was_right())
    try:
        candidate = candidate_of(known.chosen)
        return await enter_account(keys, candidate, origin=origin, replace=replace, previous=previous, management=management)
    finally:
        with suppress(Unavailable):
            await giving_back


async def sign_in_with_ticket(
    keys: Keys,
    *,
    ticket: str,
    origin: Origin,
    replace: UUID | None = None,
    previous: SessionKey | None = None,
    management: bool = False,
) -> SignedIn:
    """Try again after SeatsFull without the password. Raises as `sign_in`; InvalidCredentials when the ticket's time is over."""
    candidate = await holder_of(keys, ticket)
    return await enter_account(keys, candidate, origin=origin, replace=replace, previous=previous, management=management)


_PROVEN = """
SELECT credentials_version FROM identities
 WHERE id = $1 AND ($3::uuid IS NULL OR EXISTS (
       SELECT FROM sessions s WHERE s.account_id = $2 AND s.id = $3 AND s.ended_at IS NULL AND s.expires_at > now()))
"""


async def holder_of(keys: Keys, ticket: str) -> Candidate:
    """Whom a ticket stands for, while it is good and what it followed still is: the password, or the session.

    Raises InvalidCredentials.
    """
    candidate = read_ticket(keys.signer, ticket)
    async with keys.door.database.plain(candidate.account_id) as plain:
        version = await plain.row(_PROVEN, candidate.identity_id, candidate.account_id, candidate.session_id)
    if version is None or version[0] != candidate.credentials_version:
        raise InvalidCredentials
    return candidate


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
                    Identity.id == actor.identity_id,
                    Account.slug == account,
                    Account.standing != "closed",
                    DirectoryEntry.status.in_(("active", "suspended")),
                )
            )
        ).one_or_none()
        if row is None:
            raise NotFound
    return await enter_account(keys, candidate_of(row), origin=origin, previous=previous)


async def search_places(session: AsyncSession, identity_id: UUID) -> list[tuple[str, str]]:
    """Slug and name of every account that the person may switch to, by name."""
    found = await session.execute(
        select(Account.slug, Account.name)
        .join(DirectoryEntry, DirectoryEntry.account_id == Account.id)
        .where(DirectoryEntry.identity_id == identity_id, DirectoryEntry.status == "active", Account.standing == "active")
        .order_by(Account.name)
    )
    return [(row.slug, row.name) for row in found]


class _Known(NamedTuple):
    """What is known of an address: its hash or that of a first password, the accounts it may choose from, and the one meant."""

    password_hash: str | None
    first_hash: str | None
    rows: list[Any]
    places: list[Any]
    chosen: Any


class _KnownPlace(NamedTuple):
    """One account that an address leads to; nothing after the version when it leads to none."""

    identity_id: UUID
    password_hash: str | None
    first_hash: str | None
    first_account_id: UUID | None
    credentials_version: int
    email: str
    account_id: UUID | None
    user_id: UUID | None
    status: str | None
    slug: str | None
    name: str | None


_KNOWN = """
SELECT i.id, i.password_hash, i.first_password_hash, i.first_password_account_id, i.credentials_version, i.email,
       d.account_id, d.user_id, d.status, a.slug, a.name
  FROM identities i LEFT JOIN directory d ON d.identity_id = i.id
  LEFT JOIN accounts a ON a.id = d.account_id AND a.standing <> 'closed'
 WHERE i.email = $1 ORDER BY a.name, a.id
"""


async def _look_up(keys: Keys, address: str, account: str | None) -> _Known:
    # The same statement for every address, known or not, and before the hash: nothing can be told from the time.
    async with keys.door.database.plain() as plain:
        rows = [_KnownPlace(*row) for row in await plain.rows(_KNOWN, address)]
    places = [row for row in rows if row.slug is not None and row.status in {"active", "suspended"}]
    meant = [row for row in places if account in {None, row.slug}]
    own, first = (rows[0].password_hash, rows[0].first_hash) if rows else (None, None)
    return _Known(own, first, rows, places, meant[0] if len(meant) == 1 else None)


async def _only_a_first_password(
    keys: Keys, known: _Known, account: str | None, origin: Origin, guess: Guess
) -> PasswordNeeded | InvalidCredentials:
    # It opens nothing but the invitation that it came with. One that has lapsed is a wrong one, and takes as many statements.
    place = next((row for row in known.rows if row.account_id == row.first_account_id and row.status == "invited"), None)
    if place is None or known.first_hash is None or account not in {None, place.slug}:
        await _note_failure(keys, known, origin, why="no_place")
        return InvalidCredentials()
    async with keys.door.database.transaction(place.account_id, origin=origin) as session:
        found = {"identity_id": place.identity_id, "first_hash": known.first_hash}
        token = await find_own_choice(session, keys.signer, **found)
        if token is None:
            person = Person(place.user_id, place.identity_id, "", place.email)
            await write(session, Event.SIGN_IN_FAILED, by=person, result="failed", why="no_place")
            return InvalidCredentials()
    await guess.was_right()
    return PasswordNeeded(token=token)


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


def _choice(signer: Signer, row: Any) -> dict[str, Any]:
    # The password was right: whoever chooses needs not give it again.
    return {"slug": row.slug, "name": row.name, "status": row.status, "ticket": make_ticket(signer, candidate_of(row))}
