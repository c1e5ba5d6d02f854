"""Going on a visit: from one's own account into a client's that allows it, with a session there that holds no seat."""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants import outbox
from tenants.accounts import Account, hold_account
from tenants.activity import Event, record
from tenants.actors import Actor, Visiting
from tenants.bearer_tokens import NewToken
from tenants.catalogue import Catalogue
from tenants.database import enter, entered
from tenants.errors import AccountUnavailable, Invalid, NotFound, NotSignedIn, VisitNotAllowed
from tenants.licences import lock_licence
from tenants.outbox import Letter
from tenants.sessions import SignedInSession, Tokens
from tenants.texts import one_line
from tenants.users import active_administrators
from tenants.visit_permissions import LONGEST_REASON, VisitPermission, find_offer, use_offer
from tenants.visits import LENGTHS, Visit
from tenants.without_session import get_actor

VISITS = "clients.manage"


@dataclass(frozen=True, slots=True)
class Begun:
    """A new visit; its token is shown once."""

    token: NewToken
    visit: Visit
    permission: VisitPermission
    account: Account
    device: str | None


async def begin_visit(
    session: AsyncSession, catalogue: Catalogue, tokens: Tokens, actor: Actor, account_id: UUID, *, reason: str, minutes: int
) -> Begun:
    """Enter a client's account for so many minutes, by the database's clock. Its administrators get a letter each time.

    Raises VisitNotAllowed for an own child that did not allow it, NotFound for any other account that did not; AccountUnavailable
    when the account does not stand; Forbidden on a visit, and without the right; Invalid.
    """
    actor.must_belong_here()
    why = one_line("reason", reason, longest=LONGEST_REASON)
    if minutes not in LENGTHS:
        raise Invalid("minutes", "out_of_range", min=LENGTHS.start, max=LENGTHS.stop - 1)
    home = entered(session)
    account = await _hold_both(session, home, account_id)
    refusal = _refusal(account, home)
    offer = await find_offer(session, account_id)
    if offer is None or account is None:
        raise refusal
    if account.standing != "active":
        raise AccountUnavailable(why=f"account_{account.standing}", contact=None)
    await _still_may(session, catalogue, actor)
    await enter(session, account_id)
    permission = await use_offer(session, offer)
    if permission is None:
        raise refusal
    begun = await _write(session, tokens, actor, account, permission, reason=why, minutes=minutes)
    await enter(session, home)
    visit, target = begun.visit, ("account", account.id, account.name)
    told = {"visit": visit.id, "reason": why, "ends_at": visit.ends_at, "rights": permission.rights}
    record(session, Event.VISIT_BEGAN, by=actor, on=target, result="done", **told)
    return begun


async def _hold_both(session: AsyncSession, home: UUID, account_id: UUID) -> Account | None:
    # From the top down, as a change of status takes them.
    await hold_account(session, home)
    return await hold_account(session, account_id)


def _refusal(account: Account | None, home: UUID) -> VisitNotAllowed | NotFound:
    # Whoever sells to an account knows that it is there; to everybody else it is not.
    return VisitNotAllowed(account=account.name) if account is not None and account.parent_id == home else NotFound()


async def _still_may(session: AsyncSession, catalogue: Catalogue, actor: Actor) -> None:
    # Under the lock that changes of rights take, and holding the session that it begins from: whatever ends either of them comes
    # before this, and is seen here, or after it, and sees the visit.
    await lock_licence(session)
    own = select(SignedInSession.id).where(
        SignedInSession.account_id == entered(session),
        SignedInSession.id == actor.session_id,
        SignedInSession.ended_at.is_(None),
    )
    if await session.scalar(own.with_for_update(read=True)) is None:
        raise NotSignedIn
    (await get_actor(session, catalogue, actor.user_id)).must(VISITS)


async def _write(
    session: AsyncSession,
    tokens: Tokens,
    actor: Actor,
    account: Account,
    permission: VisitPermission,
    *,
    reason: str,
    minutes: int,
) -> Begun:
    now = (await session.execute(select(func.now()))).scalar_one()
    visit = Visit(
        account_id=account.id,
        id=uuid7(),
        permission_id=permission.id,
        visitor_account_id=actor.account_id,
        visitor_account_name=actor.account_name or "",
        visitor_user_id=actor.user_id,
        visitor_identity_id=actor.identity_id,
        visitor_name=actor.name,
        visitor_email=actor.email,
        reason=reason,
        started_at=now,
        ends_at=now + timedelta(minutes=minutes),
    )
    session.add(visit)
    await session.flush()
    token = tokens.new(account.id, visit.id)
    origin = session.info["origin"]
    session.add(
        SignedInSession(
            account_id=account.id,
            id=visit.id,
            visit_id=visit.id,
            token_digest=token.digest,
            started_at=now,
            expires_at=visit.ends_at,
            ip=origin.ip,
            device=origin.device,
        )
    )
    visiting = Visiting(visit.id, actor.account_id, visit.visitor_account_name, reason, visit.ends_at, permission.given_by)
    told = {"reason": reason, "ends_at": visit.ends_at, "rights": permission.rights}
    record(session, Event.VISIT_BEGAN, by=replace(actor, visit=visiting), on=visit.target, result="done", **told)
    for administrator in await active_administrators(session):
        outbox.post(session, Letter.VISIT_BEGAN, to=administrator.id, about=visit.id)
    await session.flush()
    return Begun(token, visit, permission, account, origin.device)
