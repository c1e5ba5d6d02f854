"""The letter about exports of the history: the file is there to be fetched."""

from email.message import EmailMessage

from babel.numbers import format_decimal
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import get_account
from tenants.activity_exports import Export
from tenants.outbox import Lease, Letter
from workers.desk import Desk, Writer, active_user_of, reader_of
from workers.stationery import locale_of, moment


async def activity_export_ready(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To whoever asked: how much it is, until when it is kept, and the page that gives it to them once they have signed in."""
    export = await session.get_one(Export, (lease.account_id, lease.about))
    person = await active_user_of(session, lease)
    if person is None or export.standing != "ready":
        return None
    account = await get_account(session, lease.account_id)
    reader = await reader_of(session, person, account)
    return desk.stationery.write(
        Letter.ACTIVITY_EXPORT_READY,
        reader,
        mail=(lease.account_id, lease.id),
        link=f"{desk.stationery.public_url}/activity/exports/{export.id}",
        account=account.name,
        format=export.format,
        lines=export.written,
        number=format_decimal(export.written, locale=locale_of(reader)),
        asked=moment(export.created_at, reader),
        until=moment(export.expires_at, reader),
    )


WRITERS: dict[Letter, Writer] = {Letter.ACTIVITY_EXPORT_READY: activity_export_ready}
