"""Letters about the end of a licence: to its administrators, with what happens when, and whom to ask."""

from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import find_account, get_account
from tenants.brands import find_brand
from tenants.licence_notices import mail_about
from tenants.licence_phases import day_begins, day_of, grace_end
from tenants.licences import get_licence, stage_of
from tenants.outbox import Lease, Letter
from workers.desk import Desk, Writer, active_user_of, database_now, reader_of
from workers.stationery import moment


async def licence_ending(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """Before the last day: how long is left, and what follows."""
    return await _write(session, desk, lease, Letter.LICENCE_ENDING, phases={"running"})


async def licence_ended(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """After the last day: until when everybody can still look at everything."""
    return await _write(session, desk, lease, Letter.LICENCE_ENDED, phases={"grace", "over"})


async def _write(session: AsyncSession, desk: Desk, lease: Lease, letter: Letter, *, phases: set[str]) -> EmailMessage | None:
    administrator = await active_user_of(session, lease)
    account, licence = await get_account(session, lease.account_id), await get_licence(session)
    now = await database_now(session)
    ends_on = licence.ends_on
    # Renewed or changed meanwhile: what this mail was about is no longer so.
    if ends_on is None or lease.about != mail_about(account.id, ends_on) or stage_of(account, licence, now).phase not in phases:
        return None
    if administrator is None:
        return None
    reader = await reader_of(session, administrator, account)
    over = grace_end(ends_on, account.time_zone)
    return desk.stationery.write(
        letter,
        reader,
        mail=(lease.account_id, lease.id),
        account=account.name,
        days=(ends_on - day_of(now, account.time_zone)).days,
        last_day=moment(day_begins(ends_on, account.time_zone), reader).day,
        read_until=moment(over - timedelta(seconds=1), reader).day,
        closed_from=moment(over, reader).day,
        **await _seller(session, account.parent_id),
    )


async def _seller(session: AsyncSession, parent_id: Any) -> dict[str, str]:
    # Whom to ask: by the name that the client knows its seller by, with a contact where it gave one.
    parent, brand = await find_account(session, parent_id), await find_brand(session)
    sold_by = brand if brand is not None and brand.account_id == parent_id else None
    name = sold_by.name if sold_by else parent.name if parent else ""
    return {"seller": name, "contact": (sold_by.support or "") if sold_by else ""}


WRITERS: dict[Letter, Writer] = {
    Letter.LICENCE_ENDING: licence_ending,
    Letter.LICENCE_ENDED: licence_ended,
}
