"""Decisions about seat requests: by a seller at work, or by the link of the letter that asked for one."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account, get_account, get_child
from tenants.activity import Event
from tenants.actors import Actor
from tenants.boosts import give_boost
from tenants.catalogue import Catalogue
from tenants.database import enter
from tenants.errors import (
    AccountUnavailable,
    Forbidden,
    Invalid,
    InvalidCredentials,
    LinkInvalid,
    NotFound,
    NotInState,
    UserSuspended,
)
from tenants.licences import get_licence, present_terms
from tenants.outbox import OwedMail
from tenants.resellers import set_licence
from tenants.seat_requests import (
    DECIDES,
    SeatRequest,
    find_childs_request,
    lock_open,
    must_lie_ahead,
    said,
    settle,
    tell_both,
    write_to_client,
)
from tenants.tokens import Purpose, Signer
from tenants.without_session import get_actor

#: Until when seats are given: a moment, for good (None), or what was asked for.
Until = datetime | Literal["as_asked"] | None


async def approve(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    request_id: UUID,
    *,
    seats: int | None = None,
    ends_at: Until = "as_asked",
    message: str | None = None,
) -> SeatRequest:
    """Give a child what it asked for, or fewer seats; they work at the next sign-in. Ends in the actor's account.

    With an end it is a boost, for good it raises the licence; both inside the pool. Raises NotFound, NotInState, Invalid,
    PoolExceeded: the request then stays open.
    """
    request, account = await _take(session, actor, request_id)
    granted = request.seats if seats is None else seats
    if not 1 <= granted <= request.seats:
        raise Invalid("seats", "out_of_range", min=1, max=request.seats)
    until = request.until if ends_at == "as_asked" else ends_at
    if until is not None:
        await must_lie_ahead(session, "ends_at", until)
    words = said("message", message)
    reason = words or request.reason
    if until is None:
        await _raise_licence(session, catalogue, actor, account, seats=granted, reason=reason)
    else:
        await give_boost(session, actor, account.id, seats=granted, starts_at=None, ends_at=until, reason=reason, tell=False)
    await enter(session, account.id)
    return await _decide(session, actor, request, account, "approved", granted_seats=granted, granted_until=until, message=words)


async def refuse(session: AsyncSession, actor: Actor, request_id: UUID, *, message: str | None = None) -> SeatRequest:
    """Give a child nothing of what it asked for. Ends in the actor's account. Raises NotFound, NotInState, Invalid."""
    request, account = await _take(session, actor, request_id)
    return await _decide(session, actor, request, account, "refused", message=said("message", message))


async def open_link(session: AsyncSession, signer: Signer, catalogue: Catalogue, token: str) -> tuple[Actor, SeatRequest, Account]:
    """Who decides by the letter's link, what about, and the account that asks; enters the seller's account, changes nothing.

    Whatever state the request is in. Raises LinkInvalid, and Forbidden when the person may no longer decide.
    """
    claim = signer.claim(Purpose.SEAT_REQUEST, token)
    await enter(session, claim.account_id)
    mail = await session.get(OwedMail, (claim.account_id, claim.row_id))
    request = await find_childs_request(session, claim.account_id, mail.about) if mail and mail.about else None
    if mail is None or request is None or not signer.opens(claim, Purpose.SEAT_REQUEST, nonce=request.nonce):
        raise LinkInvalid
    try:
        actor = await get_actor(session, catalogue, mail.user_id)
    except (InvalidCredentials, UserSuspended, AccountUnavailable) as error:
        raise Forbidden(right=DECIDES) from error
    actor.must(DECIDES)
    return actor, request, await get_account(session, request.account_id)


async def _take(session: AsyncSession, actor: Actor, request_id: UUID) -> tuple[SeatRequest, Account]:
    # The account first, as every sale to it does: two who decide and somebody who sells queue in one order.
    await enter(session, actor.account_id)
    found = await find_childs_request(session, actor.account_id, request_id)
    if found is None:
        raise NotFound
    account = await get_child(session, actor.account_id, found.account_id)
    if account.status == "closed":
        raise NotInState(state="closed")
    await enter(session, account.id)
    return await lock_open(session, request_id), account


async def _raise_licence(
    session: AsyncSession, catalogue: Catalogue, actor: Actor, account: Account, *, seats: int, reason: str | None
) -> None:
    licence = await get_licence(session)
    await session.refresh(licence)
    wanted = present_terms(licence) | {"seats": licence.seats + seats}
    # The decision's own letter says how many there are now.
    await set_licence(session, catalogue, actor, account.id, wanted=wanted, version=licence.version, reason=reason, tell=False)


async def _decide(
    session: AsyncSession,
    actor: Actor,
    request: SeatRequest,
    account: Account,
    state: Literal["approved", "refused"],
    **outcome: Any,
) -> SeatRequest:
    await settle(session, request, state, by=actor, **outcome)
    facts = {"outcome": state, "asked": request.seats, "seats": request.granted_seats, "until": request.granted_until}
    await tell_both(session, Event.SEAT_REQUEST_DECIDED, request, account, by=actor, **facts, message=request.message)
    await write_to_client(session, request)
    await session.flush()
    await enter(session, actor.account_id)
    return request
