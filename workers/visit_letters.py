"""The letter about visits: somebody of the reseller, or of the operator, is at work in the account."""

from email.message import EmailMessage

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import get_account
from tenants.outbox import Lease, Letter
from tenants.visit_permissions import VisitPermission
from tenants.visits import Visit
from workers.desk import Desk, Writer, active_user_of, reader_of
from workers.stationery import moment


async def visit_began(session: AsyncSession, desk: Desk, lease: Lease) -> EmailMessage | None:
    """To an administrator: who came from which company, why, with how many rights, until when, and how to end it."""
    administrator = await active_user_of(session, lease)
    if administrator is None:
        return None
    visit = await session.get_one(Visit, (lease.account_id, lease.about))
    permission = await session.get_one(VisitPermission, (lease.account_id, visit.permission_id))
    account = await get_account(session, lease.account_id)
    reader = await reader_of(session, administrator, account)
    return desk.stationery.write(
        Letter.VISIT_BEGAN,
        reader,
        mail=(lease.account_id, lease.id),
        account=account.name,
        visitor=visit.visitor_name,
        visitor_email=visit.visitor_email,
        home=visit.visitor_account_name,
        reason=visit.reason,
        rights=len(permission.rights),
        allowed_by=permission.given_by,
        once=permission.once,
        since=moment(visit.started_at, reader),
        until=moment(visit.ends_at, reader),
        link=f"{desk.stationery.public_url}/",
    )


WRITERS: dict[Letter, Writer] = {Letter.VISIT_BEGAN: visit_began}
