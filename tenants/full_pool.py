"""What somebody is told who finds every seat taken: the cap, who holds seats, and the choices they really have (seat rule 7)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.database import Plain, entered
from tenants.door import Door
from tenants.errors import SeatsFull
from tenants.places import Place, find_place
from tenants.presence import seat_state
from tenants.seat_requests import ASKS, find_open
from tenants.seat_verdicts import Full
from tenants.seats import Presence
from tenants.session_facts import read_policy
from tenants.sessions import search_alive
from tenants.tickets import Candidate, make_ticket
from tenants.tokens import Signer

ENDS = "sessions.end"


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Somebody whose password was right, and who may come in but for the cap. `managing`: they are in already, without a seat."""

    candidate: Candidate
    place: Place
    managing: bool = False


async def seats_full(session: AsyncSession, door: Door, signer: Signer, somebody: TurnedAway, full: Full) -> SeatsFull:
    """The refusal, with a ticket for whatever the person chooses. The account is entered.

    Colleagues are named where the account shows them, and always to whoever may end their sessions.
    """
    place, catalogue = somebody.place, door.catalogue
    presence = await door.seats.presence(entered(session))
    holders = await _holders(session, presence, somebody)
    others = any(not holder["mine"] for holder in holders)
    may_end, may_ask = place.may(catalogue, ENDS), _may_ask_for_seats(catalogue, place)
    waiting = await find_open(session) if may_ask else None
    choices = {
        "retry": True,
        "end_own": any(holder["mine"] for holder in holders),
        "end_other": may_end and others,
        # While the pool drains, no seat that comes free is anybody's.
        "ask_holder": others and full.in_use <= full.seats,
        "wait": True,
        "management": may_end and not somebody.managing,
        "request_seats": may_ask and waiting is None,
    }
    return SeatsFull(
        seats=full.seats,
        in_use=full.in_use,
        held=full.held,
        holders=[holder for holder in holders if place.show_holders or may_end or holder["mine"]],
        choices=[choice for choice, possible in choices.items() if possible],
        ticket=make_ticket(signer, somebody.candidate),
        seat_request=waiting and {"seats": waiting.seats, "expires_at": waiting.expires_at},
    )


async def seats_now(door: Door, signer: Signer, somebody: TurnedAway, *, held: int) -> SeatsFull:
    """What the person would read at this moment; a look that tries nothing. `held` is how many seats are kept for the line.

    With `in_use` and `held` below `seats` there is room by now.
    """
    account_id = somebody.candidate.account_id
    async with door.database.transaction(account_id) as session:
        connection = await (await session.connection()).get_raw_connection()
        policy, _ = await read_policy(Plain(connection.driver_connection), account_id)
        in_use = (await door.seats.presence(account_id)).in_use
        return await seats_full(session, door, signer, somebody, Full(in_use=in_use, seats=policy.seats, held=held))


async def seatless(door: Door, signer: Signer, actor: Actor, full: Full) -> SeatsFull:
    """The same for somebody who is signed in, and whose seat went to a colleague while they were away."""
    async with door.database.transaction(actor.account_id) as session:
        connection = await (await session.connection()).get_raw_connection()
        plain = Plain(connection.driver_connection)
        place = await find_place(plain, actor.account_id, actor.user_id)
        version = await plain.row("SELECT credentials_version FROM identities WHERE id = $1", actor.identity_id)
        if place is None or version is None:
            return SeatsFull(
                seats=full.seats, in_use=full.in_use, held=full.held, holders=[], choices=["retry"], ticket=None, seat_request=None
            )
        candidate = Candidate(
            actor.account_id, actor.user_id, actor.identity_id, version[0], actor.email, session_id=actor.session_id
        )
        return await seats_full(session, door, signer, TurnedAway(candidate, place, actor.management), full)


def _may_ask_for_seats(catalogue: Catalogue, place: Place) -> bool:
    # The operator's account has nobody to ask.
    return place.kind != "operator" and place.may(catalogue, ASKS)


async def _holders(session: AsyncSession, presence: Presence, somebody: TurnedAway) -> list[dict[str, Any]]:
    # Sessions of the account entered that hold a seat of the pool now.
    by_user = somebody.place.seat_unit == "user"

    def holder_of(session_id: UUID, user_id: UUID) -> UUID:
        return user_id if by_user else session_id

    return [
        {
            "session_id": row.id,
            "name": user.label,
            "since": row.started_at,
            "last_activity": presence.seen.get(row.id, row.started_at),
            "state": seat_state(presence, holder_of(row.id, user.id), row),
            "mine": user.id == somebody.candidate.user_id,
        }
        for row, user in await search_alive(session)
        if not row.management and presence.holds_pool_seat(holder_of(row.id, user.id))
    ]
