"""Statuses: suspend, strike off, delete, bring back. Leaving `active` ends the person's sessions before the answer is sent."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import DateTime, delete, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.effects import raise_epoch
from tenants.errors import Invalid, NotInState
from tenants.licences import FIRST_DAY, LAST_DAY
from tenants.sessions import end_sessions_of
from tenants.texts import one_line
from tenants.users import DirectoryEntry, Status, User, keep_an_administrator, lock_user, must_outrank, take_place


async def suspend(
    session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID, *, until: datetime | None, reason: str | None
) -> User:
    """No sign-in until the date (or until someone ends it); told so after the right password. `until` must lie ahead."""
    user = await lock_user(session, user_id)
    must_outrank(catalogue, actor, user)
    if user.status == "invited":
        raise NotInState(state="invited")
    if until is not None:
        await _must_lie_ahead(session, until)
    if user.status == "struck_off":
        # A suspension ends by itself, and nobody may become active who never accepted.
        await _must_have_accepted(session, user)
        await take_place(session)
    await keep_an_administrator(session, catalogue, actor.account_kind, without=user)
    user.status = "suspended"
    user.suspended_until = until
    user.suspended_reason = None if reason is None else one_line("reason", reason, longest=300, shortest=0) or None
    await _flushed(session, user)
    await end_sessions_of(session, user, by=actor, why="suspended")
    record(session, Event.USER_SUSPENDED, by=actor, on=user.target, until=until, reason=user.suspended_reason)
    return user


async def strike_off(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> User:
    """From now on the person is told exactly what a stranger is told."""
    user = await lock_user(session, user_id)
    must_outrank(catalogue, actor, user)
    if user.status == "struck_off":
        return user
    await keep_an_administrator(session, catalogue, actor.account_kind, without=user)
    _leave(user, "struck_off")
    await _flushed(session, user)
    await end_sessions_of(session, user, by=actor, why="struck_off")
    record(session, Event.USER_STRUCK_OFF, by=actor, on=user.target)
    return user


async def activate(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> User:
    """Bring back a suspended or struck-off user, through the same quota as an invitation."""
    user = await lock_user(session, user_id)
    must_outrank(catalogue, actor, user)
    if user.status == "active":
        return user
    if user.status == "invited":
        raise NotInState(state="invited")
    await _must_have_accepted(session, user)
    if user.status == "struck_off":
        await take_place(session)
    user.status = "active"
    user.suspended_until = None
    user.suspended_reason = None
    await _flushed(session, user)
    record(session, Event.USER_ACTIVATED, by=actor, on=user.target)
    return user


async def delete_user(session: AsyncSession, catalogue: Catalogue, actor: Actor, user_id: UUID) -> User:
    """The person is unknown from now on; the row keeps a pseudonym so that history still reads."""
    user = await lock_user(session, user_id)
    must_outrank(catalogue, actor, user)
    await keep_an_administrator(session, catalogue, actor.account_kind, without=user)
    record(session, Event.USER_DELETED, by=actor, on=user.target)
    await end_sessions_of(session, user, by=actor, why="deleted")
    await session.execute(
        delete(DirectoryEntry).where(DirectoryEntry.identity_id == user.identity_id, DirectoryEntry.account_id == user.account_id)
    )
    _leave(user, "deleted")
    user.name = user.email = f"deleted-{user.id.hex[-12:]}"
    user.deleted_at = await session.scalar(select(func.now()))
    await _flushed(session, user)
    return user


async def _must_lie_ahead(session: AsyncSession, until: datetime) -> None:
    if until.year > LAST_DAY.year:
        raise Invalid("suspended_until", "out_of_range", min=datetime.now(UTC).date().isoformat(), max=LAST_DAY.isoformat())
    if until.year < FIRST_DAY.year or not await session.scalar(select(literal(until, DateTime(timezone=True)) > func.now())):
        raise Invalid("suspended_until", "in_the_past")


def _leave(user: User, status: Status) -> None:
    user.status = status
    user.suspended_until = None
    user.suspended_reason = None
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
