"""Statuses: suspend, strike off, delete, bring back. Leaving `active` ends the person's sessions before the answer is sent."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import DateTime, delete, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.effects import raise_epoch
from tenants.erasures import call_by_pseudonym
from tenants.errors import Invalid, NotInState
from tenants.licences import FIRST_DAY, LAST_DAY
from tenants.roles import must_outrank
from tenants.sessions import end_sessions_of
from tenants.texts import one_line
from tenants.users import DirectoryEntry, Status, User, keep_an_administrator, lock_user, take_place


async def suspend(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    user_id: UUID,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    reason: str | None = None,
) -> User:
    """No sign-in from `since` (now, without one) to `until` (or until someone ends it); told so after the right password.

    Begins and ends by the database's clock. `until` must lie ahead, and after `since`; a `since` that is past is now.
    """
    user = await lock_user(session, user_id)
    await must_outrank(session, catalogue, actor, user)
    if user.status == "invited":
        raise NotInState(state="invited")
    begins = await _planned(session, since, until)
    if user.status == "struck_off":
        # A suspension ends by itself, and nobody may become active who never accepted.
        await _must_have_accepted(session, user)
        await take_place(session)
    await keep_an_administrator(session, without=user)
    at_once = begins is None or _has_begun(user)
    user.status = "suspended"
    user.suspended_from, user.suspended_until = begins, until
    user.suspended_reason = None if reason is None else one_line("reason", reason, longest=300, shortest=0) or None
    await _flushed(session, user)
    if at_once:
        await end_sessions_of(session, user, by=actor, why="suspended")
    record(session, Event.USER_SUSPENDED, by=actor, on=user.target, since=begins, until=until, reason=user.suspended_reason)
    return user


async def strike_off(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> User:
    """From now on the person is told exactly what a stranger is told."""
    user = await lock_user(session, user_id)
    await must_outrank(session, catalogue, actor, user)
    if user.status == "struck_off":
        return user
    await keep_an_administrator(session, without=user)
    _leave(user, "struck_off")
    await _flushed(session, user)
    await end_sessions_of(session, user, by=actor, why="struck_off")
    record(session, Event.USER_STRUCK_OFF, by=actor, on=user.target)
    return user


async def activate(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> User:
    """Bring back a suspended or struck-off user, through the same quota as an invitation."""
    user = await lock_user(session, user_id)
    await must_outrank(session, catalogue, actor, user)
    if user.status == "active":
        return user
    if user.status == "invited":
        raise NotInState(state="invited")
    await _must_have_accepted(session, user)
    if user.status == "struck_off":
        await take_place(session)
    if _has_begun(user):
        # A planned suspension stopped these sessions by the clock; nothing may bring them back.
        await end_sessions_of(session, user, by=actor, why="suspended")
    _leave(user, "active")
    await _flushed(session, user)
    record(session, Event.USER_ACTIVATED, by=actor, on=user.target)
    return user


async def delete_user(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> User:
    """The person is unknown from now on; the row keeps a pseudonym so that history still reads, and a worker erases all other traces."""
    user = await lock_user(session, user_id)
    await must_outrank(session, catalogue, actor, user)
    await keep_an_administrator(session, without=user)
    record(session, Event.USER_DELETED, by=actor, on=user.target)
    await end_sessions_of(session, user, by=actor, why="deleted")
    await session.execute(
        delete(DirectoryEntry).where(DirectoryEntry.identity_id == user.identity_id, DirectoryEntry.account_id == user.account_id)
    )
    _leave(user, "deleted")
    call_by_pseudonym(user)
    user.deleted_at = await session.scalar(select(func.now()))
    await _flushed(session, user)
    return user


async def _planned(session: AsyncSession, since: datetime | None, until: datetime | None) -> datetime | None:
    # The moment at which the suspension begins, None for this one.
    if since is not None and not FIRST_DAY.year <= since.year <= LAST_DAY.year:
        raise Invalid("suspended_from", "out_of_range", min=FIRST_DAY.isoformat(), max=LAST_DAY.isoformat())
    begins = since if since is not None and await _lies_ahead(session, since) else None
    if until is not None:
        if until.year > LAST_DAY.year:
            raise Invalid("suspended_until", "out_of_range", min=datetime.now(UTC).date().isoformat(), max=LAST_DAY.isoformat())
        if until.year < FIRST_DAY.year or not await _lies_ahead(session, until):
            raise Invalid("suspended_until", "in_the_past")
        if since is not None and until <= since:
            raise Invalid("suspended_until", "before_start")
    return begins


async def _lies_ahead(session: AsyncSession, moment: datetime) -> bool:
    return bool(await session.scalar(select(literal(moment, DateTime(timezone=True)) > func.now())))


def _has_begun(user: User) -> bool:
    return user.suspended_from is not None and user.standing == "suspended"


def _leave(user: User, status: Status) -> None:
    user.status = status
    user.suspended_from = user.suspended_until = user.suspended_reason = None
    user.invited_until = None


async def _flushed(session: AsyncSession, user: User) -> None:
    await session.flush()
    await session.refresh(user)
    raise_epoch(session, user.account_id)


async def _must_have_accepted(session: AsyncSession, user: User) -> None:
    if user.last_login_at is not None:
        return
    found = await session.scalar(
        text("SELECT true FROM invitations WHERE account_id = :a AND user_id = :u AND accepted_at IS NOT NULL LIMIT 1"),
        {"a": user.account_id, "u": user.id},
    )
    if not found:
        raise NotInState(state="never_accepted")
