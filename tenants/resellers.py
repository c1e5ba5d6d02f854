"""The tree of accounts: new clients with their first administrator, their licences inside the parent's pool, their status."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants import invitations, outbox
from tenants.accounts import Account, AccountStatus, account_name, get_child, open_account
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import ADMINISTRATOR, AccountKind, Catalogue
from tenants.database import enter
from tenants.effects import raise_epoch
from tenants.errors import Forbidden, NotInState, PoolExceeded
from tenants.licences import Licence, change_licence, checked_terms, get_licence, grant_licence, lock_licence, terms
from tenants.outbox import Letter
from tenants.sessions import end_sessions_of_account
from tenants.users import User, active_administrators


@dataclass(frozen=True, slots=True)
class NewAdministrator:
    """Who gets the first invitation of a new account."""

    email: str
    name: str | None = None


async def create_account(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    *,
    name: str,
    plan: str,
    administrator: NewAdministrator,
    kind: AccountKind = "client",
    slug: str | None = None,
    language: str | None = None,
) -> tuple[Account, Licence, User]:
    """A child of the actor's account, with its licence and its first administrator's invitation. Stays in the new account.

    Only the operator has resellers. Raises PoolExceeded when the plan's seats do not fit into the parent's pool.
    """
    if kind == "operator" or (kind == "reseller" and actor.account_kind != "operator"):
        raise Forbidden(right="clients.manage")
    wanted = checked_terms(catalogue, {"plan": plan})
    if kind == "client":
        await _fit_pool(session, actor.account_id, seats=wanted["seats"], instead_of=None)
    account = await open_account(
        session, kind=kind, parent_id=actor.account_id, name=name, slug=slug, language=language or actor.language
    )
    record(session, Event.ACCOUNT_CREATED, by=actor, on=("account", account.id, account.name), kind=kind, plan=plan)
    await session.flush()
    await enter(session, account.id)
    licence = await grant_licence(session, actor, wanted=wanted)
    record(session, Event.ACCOUNT_CREATED, by=actor, on=("account", account.id, account.name), kind=kind, plan=plan)
    user = await invitations.add_invited(
        session,
        account,
        by=actor,
        email=administrator.email,
        role=ADMINISTRATOR,
        name=administrator.name,
        language=account.language,
    )
    return account, licence, user


async def create_operator(
    session: AsyncSession, catalogue: Catalogue, *, name: str, email: str, language: str
) -> tuple[Account, User]:
    """The one account without a parent, on the largest plan, and its administrator's invitation."""
    account = await open_account(session, kind="operator", parent_id=None, name=name, slug=None, language=language)
    await enter(session, account.id)
    plan = max(catalogue.plans.values(), key=lambda each: each.seats)
    await grant_licence(session, None, wanted=checked_terms(catalogue, {"plan": plan.key, "users": None}))
    record(session, Event.ACCOUNT_CREATED, by=None, on=("account", account.id, account.name), kind="operator", plan=plan.key)
    user = await invitations.add_invited(session, account, by=None, email=email, role=ADMINISTRATOR, name=None, language=language)
    return account, user


async def change_child(
    session: AsyncSession, actor: Actor, account_id: UUID, *, name: str | None = None, status: AccountStatus | None = None
) -> Account:
    """Rename a child, suspend, close or reopen it. Its people's sessions end before the answer is sent."""
    child = await get_child(session, actor.account_id, account_id)
    await enter(session, child.id)
    target = ("account", child.id, child.name)
    if name is not None and name != child.name:
        before, child.name = child.name, account_name(name)
        record(session, Event.ACCOUNT_CHANGED, by=actor, on=target, before={"name": before}, after={"name": child.name})
    if status is not None and status != child.status:
        if child.status == "closed":
            await _take_back(session, actor, child, status)
        record(session, Event.ACCOUNT_STATUS_CHANGED, by=actor, on=target, before=child.status, after=status)
        child.status = status
        if status != "active":
            await end_sessions_of_account(session, by=actor, why=f"account_{status}")
    await session.flush()
    raise_epoch(session, child.id)
    return child


async def set_licence(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    account_id: UUID,
    *,
    wanted: dict[str, Any],
    version: int | None,
    reason: str | None,
) -> tuple[Licence, dict[str, Any]]:
    """Replace a child's licence; it works at its people's next request. Returns it with the terms before.

    The sum over the children never passes the parent's pool: changes queue at the parent's licence row.
    """
    child = await get_child(session, actor.account_id, account_id)
    complete = checked_terms(catalogue, wanted)
    if child.kind == "client":
        await _fit_pool(session, actor.account_id, seats=complete["seats"], instead_of=child.id)
    elif complete["pool_seats"] is not None:
        await _keep_what_was_given(session, child.id, pool=complete["pool_seats"])
    await enter(session, child.id)
    before, change = await change_licence(session, actor, wanted=complete, version=version, reason=reason)
    licence = await get_licence(session)
    after = terms(licence)
    changed = {name for name in after if after[name] != before[name]}
    if changed:
        record(
            session,
            Event.LICENCE_CHANGED,
            by=actor,
            on=("account", child.id, child.name),
            before={name: before[name] for name in sorted(changed)},
            after={name: after[name] for name in sorted(changed)},
            reason=change.reason,
        )
    if "seats" in changed:
        for administrator in await active_administrators(session):
            outbox.post(session, Letter.SEATS_CHANGED, to=administrator.id, about=change.id)
    return licence, before


async def preview_licence(
    session: AsyncSession, catalogue: Catalogue, actor: Actor, account_id: UUID, *, wanted: dict[str, Any]
) -> tuple[Licence, dict[str, tuple[Any, Any]]]:
    """What `set_licence` would change, field by field as (before, after); changes nothing."""
    child = await get_child(session, actor.account_id, account_id)
    complete = checked_terms(catalogue, wanted)
    if child.kind == "client":
        await _fit_pool(session, actor.account_id, seats=complete["seats"], instead_of=child.id)
    elif complete["pool_seats"] is not None:
        await _keep_what_was_given(session, child.id, pool=complete["pool_seats"])
    await enter(session, child.id)
    licence = await get_licence(session)
    before = terms(licence)
    after = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in complete.items()}
    return licence, {name: (before[name], value) for name, value in after.items() if before[name] != value}


async def _fit_pool(session: AsyncSession, parent_id: UUID, *, seats: int, instead_of: UUID | None) -> None:
    # Two sales from one pool queue at the parent's licence; the second one counts the first.
    await enter(session, parent_id)
    pool = (await lock_licence(session)).pool_seats
    if pool is None:
        return
    given = await _given(session, parent_id, instead_of=instead_of)
    if given + seats > pool:
        raise PoolExceeded(pool=pool, given=given, asked=seats)


async def _keep_what_was_given(session: AsyncSession, reseller_id: UUID, *, pool: int) -> None:
    # A pool is not made smaller than what was sold from it; sales queue at the same lock.
    await enter(session, reseller_id)
    await lock_licence(session)
    given = await _given(session, reseller_id, instead_of=None)
    if given > pool:
        raise PoolExceeded(pool=pool, given=given, asked=0)


async def _take_back(session: AsyncSession, actor: Actor, child: Account, status: AccountStatus) -> None:
    # A closed client's seats went back into the pool: it returns only while they are still there.
    if status == "suspended":
        raise NotInState(state="closed")
    if child.kind == "client":
        seats = (await get_licence(session)).seats
        await _fit_pool(session, actor.account_id, seats=seats, instead_of=child.id)
        await enter(session, child.id)


async def _given(session: AsyncSession, parent_id: UUID, *, instead_of: UUID | None) -> int:
    given = await session.scalar(
        select(func.coalesce(func.sum(Licence.seats), 0))
        .join(Account, Account.id == Licence.account_id)
        .where(Account.parent_id == parent_id, Account.kind == "client", Account.status != "closed", Account.id != instead_of)
        .execution_options(across_accounts=True)
    )
    return given or 0
