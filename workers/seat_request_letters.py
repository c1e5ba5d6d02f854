"""Letters about seat requests: to the seller, who decides by their link, and back to the client that asked."""

from email.message import EmailMessage

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import get_account
from tenants.licences import Licence
from tenants.outbox import Lease, Letter
from tenants.seat_requests import SeatRequest, find_childs_request
from tenants.tokens import Purpose
from workers.desk import Desk, Writer, active_user_of, reader_of
from workers.stationery import moment


async def seat_requested(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To somebody who decides at the seller's: who asks for how many more, until when and why, and the link that answers."""
    return await _to_seller(session, desk, lease, Letter.SEAT_REQUESTED)


async def seat_request_reminder(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """The same, when nobody has answered for a while."""
    return await _to_seller(session, desk, lease, Letter.SEAT_REQUEST_REMINDER)


async def seat_request_decided(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To an administrator of the client: what came of it, by whom and with which words, or that nobody answered."""
    request = await session.get_one(SeatRequest, (lease.account_id, lease.about))
    administrator = await active_user_of(session, lease)
    if administrator is None or request.state not in {"approved", "refused", "expired"}:
        return None
    account = await get_account(session, lease.account_id)
    reader = await reader_of(session, administrator, account)
    return desk.stationery.write(
        Letter.SEAT_REQUEST_DECIDED,
        reader,
        mail=(lease.account_id, lease.id),
        account=account.name,
        outcome=request.state,
        asked=request.seats,
        granted=request.granted_seats or 0,
        until=moment(request.granted_until, reader) if request.granted_until else None,
        by=request.decided_by or "",
        message=request.message or "",
    )


async def _to_seller(session: AsyncSession, desk: Desk, lease: Lease, letter: Letter) -> EmailMessage | None:
    decider = await active_user_of(session, lease)
    request = await find_childs_request(session, lease.account_id, lease.about) if lease.about else None
    if decider is None or request is None or request.standing != "open":
        return None
    reader = await reader_of(session, decider, await get_account(session, lease.account_id))
    client = await get_account(session, request.account_id)
    licence = await session.get_one(Licence, client.id)
    # The mail's own row is in the link: so the page knows which of those who were asked is deciding.
    token = desk.signer.link(Purpose.SEAT_REQUEST, account_id=lease.account_id, row_id=lease.id, nonce=request.nonce)
    return desk.stationery.write(
        letter,
        reader,
        mail=(lease.account_id, lease.id),
        link=f"{desk.stationery.public_url}/seat-request?token={token}",
        client=client.name,
        asked_by=request.asked_by,
        asked=moment(request.created_at, reader),
        seats=request.seats,
        now=licence.seats,
        until=moment(request.until, reader) if request.until else None,
        reason=request.reason or "",
        expires=moment(request.expires_at, reader),
    )


WRITERS: dict[Letter, Writer] = {
    Letter.SEAT_REQUESTED: seat_requested,
    Letter.SEAT_REQUEST_REMINDER: seat_request_reminder,
    Letter.SEAT_REQUEST_DECIDED: seat_request_decided,
}
