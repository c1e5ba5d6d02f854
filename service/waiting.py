"""Waiting for a seat, and asking a colleague for theirs, without having one: what API and console share.

Who it is says the ticket of a `seats_full` answer, or a session that has no seat. Either stands for one person in one account.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants import handovers, signing_in, waiting_line
from tenants.accounts import get_account
from tenants.activity import Event, record, write
from tenants.actors import Actor, Origin, Person
from tenants.database import entered
from tenants.errors import NotFound, NotInState, NotSignedIn
from tenants.handovers import Handover
from tenants.house import House
from tenants.places import Place
from tenants.session_facts import Blob, actor_of
from tenants.sessions import search_alive
from tenants.tickets import Candidate, make_ticket
from tenants.users import User, get_user
from tenants.waiting_line import Spot, Waiting
from tenants.without_session import get_place


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who could sign in now, but for the cap. `session_id` is of their own session; None for whoever came with a ticket."""

    account_id: UUID
    identity_id: UUID
    place: Place
    session_id: UUID | None = None
    candidate: Candidate | None = None

    @property
    def user_id(self) -> UUID:
        """Who waits is a person, whatever holds the seats."""
        return self.place.user_id

    @property
    def person(self) -> Person:
        """As the history names them."""
        return Person(self.user_id, self.identity_id, self.place.name or self.place.email, self.place.email)

    @property
    def holder(self) -> UUID | None:
        """Who would hold their seat; None for the session that a ticket has yet to open."""
        return self.user_id if self.place.seat_unit == "user" else self.session_id

    @property
    def own(self) -> list[UUID]:
        """All holders that are this person."""
        return [self.user_id] if self.place.seat_unit == "user" else self.place.alive

    def renewed(self, house: House) -> str | None:
        """A fresh ticket in place of theirs: a line may be longer than a ticket lives."""
        return None if self.candidate is None else make_ticket(house.signer, self.candidate)


async def who_asks(house: House, *, ticket: str | None, token: str | None) -> Asker:
    """The holder of a ticket, or of a session's token where there is no ticket; a look, by which the session takes no seat.

    Raises InvalidCredentials for a ticket that is not or no longer good, NotSignedIn, Forbidden for a visitor, and whatever would keep
    the person from signing in.
    """
    if ticket is not None:
        candidate = await signing_in.holder_of(house.keys, ticket)
        place = await _place(house, candidate.account_id, candidate.user_id)
        return Asker(candidate.account_id, candidate.identity_id, place, candidate=candidate)
    key = house.tokens.read(token) if token is not None else None
    if key is None:
        raise NotSignedIn
    actor = actor_of(house.catalogue, msgspec.json.decode((await house.door.look(key)).blob, type=Blob))
    actor.must_belong_here()
    place = await _place(house, actor.account_id, actor.user_id)
    return Asker(actor.account_id, actor.identity_id, place, session_id=actor.session_id)


async def join(house: House, asker: Asker) -> Spot:
    """Wait in line. Raises NotInState `seated` for whoever has a seat."""
    await _must_be_without_seat(house, asker)
    return await waiting_line.join(house.door, asker.account_id, asker.user_id)


async def ask(house: House, asker: Asker, *, session_id: UUID | None, origin: Origin) -> Handover:
    """Ask whoever holds the seat of this session, or everybody who can be asked without one; recorded for whom it is new.

    Raises NotInState `seated` for whoever has a seat, and as `handovers.ask`.
    """
    await _must_be_without_seat(house, asker)
    holder, user = (None, None) if session_id is None else await _whose(house, asker, session_id)
    name = asker.person.name
    asked = await handovers.ask(house.door, asker.account_id, asker.user_id, name=name, own=asker.own, holder=holder)
    # What was asked in this very call bears its time.
    now = round(asked.asked_at.timestamp() * 1000)
    new = sum(each.times == 1 and each.state == "asked" and round(each.at) == now for each in asked.holders)
    if new:
        async with house.database.transaction(asker.account_id, origin=origin) as session:
            on = await _account(session) if user is None else _as_target(user)
            await write(session, Event.SEAT_ASKED_FOR, by=asker.person, on=on, handover=asked.id, holders=new)
    return asked


async def people_in_line(session: AsyncSession, house: House) -> list[tuple[Waiting, User]]:
    """All who wait in the account entered, in their order."""
    waiting = await waiting_line.everybody(house.door, entered(session))
    users = await _users(session, [each.user_id for each in waiting])
    return [(each, users[each.user_id]) for each in waiting if each.user_id in users]


async def clear_line(session: AsyncSession, house: House, by: Actor, *, user_id: UUID | None = None) -> int:
    """Send away everybody who waits in the account entered, or one of them. Returns how many; they may come again. Raises NotFound."""
    one = None if user_id is None else await get_user(session, user_id)
    away = await waiting_line.clear(house.door, entered(session), user_id)
    if away:
        users = await _users(session, away)
        on = await _account(session) if one is None else _as_target(one)
        record(session, Event.LINE_CLEARED, by=by, on=on, users=[each for each in away if each in users])
    return len(away)


async def _place(house: House, account_id: UUID, user_id: UUID) -> Place:
    async with house.database.transaction(account_id) as session:
        return await get_place(session, user_id)


async def _must_be_without_seat(house: House, asker: Asker) -> None:
    # A ticket opens one session more; whoever has as many at work as they may would only exchange one for another.
    holders, most = (asker.own, asker.place.sessions_per_user) if asker.holder is None else ([asker.holder], 1)
    held = await asyncio.gather(*(house.seats.holds(asker.account_id, holder) for holder in holders))
    if sum(held) >= most:
        raise NotInState(state="seated")


async def _whose(house: House, asker: Asker, session_id: UUID) -> tuple[UUID, User]:
    # Who holds the seat of a live session of the account.
    async with house.database.transaction(asker.account_id) as session:
        user = next((user for row, user in await search_alive(session) if row.id == session_id and not row.management), None)
    if user is None:
        raise NotFound
    return (user.id if asker.place.seat_unit == "user" else session_id), user


async def _users(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, User]:
    found = await session.scalars(select(User).where(User.account_id == entered(session), User.id.in_(ids)))
    return {user.id: user for user in found}


async def _account(session: AsyncSession) -> tuple[str, UUID, str]:
    account = await get_account(session, entered(session))
    return "account", account.id, account.name


def _as_target(user: User) -> tuple[str, UUID, str]:
    return "user", user.id, user.label
