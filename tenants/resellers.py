"""The tree of accounts: new clients with their first administrator, their licences inside the parent's pool, their status."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tenants import invitations, outbox, pools, subtrees
from tenants.accounts import Account, AccountStatus, account_name, free_slug, get_child, hold_parent, open_account
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.brands import keep_brand_with_licence
from tenants.catalogue import ADMINISTRATOR, AccountKind, Catalogue
from tenants.client_figures import reckon
from tenants.database import enter
from tenants.effects import raise_epoch
from tenants.errors import Forbidden
from tenants.identities import normal_email
from tenants.licences import Licence, change_licence, checked_terms, get_licence, grant_licence, must_be_in_time, terms
from tenants.outbox import Letter
from tenants.pools import PoolAfter
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

    Clients have nobody below them. Raises PoolExceeded when the plan's seats do not fit into the parent's pool.
    """
    if kind == "operator" or actor.account_kind == "client":
        raise Forbidden(right="clients.manage")
    # Before the pool: whoever stops this account holds it first, and then what is below.
    await hold_parent(session, actor.account_id)
    wanted = checked_terms(catalogue, {"plan": plan})
    wanted, oversold = await pools.fit_new(session, actor, kind, wanted)
    account = await open_account(
        session, kind=kind, parent_id=actor.account_id, name=name, slug=slug, language=language or actor.language
    )
    record(session, Event.ACCOUNT_CREATED, by=actor, on=("account", account.id, account.name), kind=kind, plan=plan)
    await session.flush()
    await enter(session, account.id)
    licence = await grant_licence(session, actor, wanted=wanted)
    record(session, Event.ACCOUNT_CREATED, by=actor, on=("account", account.id, account.name), kind=kind, plan=plan)
    await pools.tell(session, actor, account, oversold)
    user = await invitations.add_invited(
        session,
        account,
        by=actor,
        email=administrator.email,
        role=ADMINISTRATOR,
        name=administrator.name,
        language=account.language,
    )
    await reckon(session)
    return account, licence, user


@dataclass(frozen=True, slots=True)
class Prospect:
    """A new account as `create_account` would make it, and the pools it would leave."""

    name: str
    slug: str
    email: str
    terms: dict[str, Any]
    pools: list[PoolAfter]


async def preview_account(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    *,
    name: str,
    plan: str,
    email: str,
    kind: AccountKind = "client",
    slug: str | None = None,
) -> Prospect:
    """What `create_account` would make: raises what it would raise of these values, and changes nothing."""
    called, address = account_name(name), normal_email(email)
    terms = checked_terms(catalogue, {"plan": plan})
    given = await pools.read_pools(session)
    terms, _ = await pools.fit_new(session, actor, kind, terms)
    after = [
        PoolAfter(each.what, each.pool, each.given + terms[each.what])
        for each in given
        if each.pool is not None and each.given is not None
    ]
    return Prospect(called, await free_slug(session, called, wanted=slug), address, terms, after)


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
    """Rename a child, suspend, close or reopen it, and what hangs below it. Its people's sessions end before the answer is sent.

    Raises NotInState for a closed one that is to be suspended, or was closed more than 30 days ago; PoolExceeded when its places are gone.
    """
    child = await get_child(session, actor.account_id, account_id)
    await enter(session, child.id)
    target = ("account", child.id, child.name)
    if name is not None and name != child.name:
        before, child.name = child.name, account_name(name)
        record(session, Event.ACCOUNT_CHANGED, by=actor, on=target, before={"name": before}, after={"name": child.name})
    if status is not None and status != child.status:
        if child.status == "closed":
            await subtrees.must_be_reopenable(session, child, to=status)
            await session.flush()
            await _take_back(session, actor, child)
        await subtrees.change_status(session, actor, child, to=status)
        await reckon(session)
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
    tell: bool = True,
) -> tuple[Licence, dict[str, Any]]:
    """Replace a child's licence; it works at its people's next request. Returns it with the terms before.

    The sum over the children never passes the parent's pool: changes queue at the parent's licence row. `tell` false owes no letter
    about the seats: another one says it.
    """
    child = await get_child(session, actor.account_id, account_id)
    complete = checked_terms(catalogue, wanted)
    oversold = await pools.fit_licence(session, actor, child, complete)
    await enter(session, child.id)
    before, change = await change_licence(session, actor, wanted=complete, version=version, reason=reason)
    licence = await get_licence(session)
    await keep_brand_with_licence(session, licence.options)
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
    if tell and "seats" in changed:
        for administrator in await active_administrators(session):
            outbox.post(session, Letter.SEATS_CHANGED, to=administrator.id, about=change.id)
    await pools.tell(session, actor, child, oversold)
    await reckon(session)
    return licence, before


async def preview_licence(
    session: AsyncSession, catalogue: Catalogue, actor: Actor, account_id: UUID, *, wanted: dict[str, Any]
) -> tuple[Licence, dict[str, tuple[Any, Any]]]:
    """What `set_licence` would change, field by field as (before, after); changes nothing."""
    child = await get_child(session, actor.account_id, account_id)
    complete = checked_terms(catalogue, wanted)
    await pools.fit_licence(session, actor, child, complete)
    await enter(session, child.id)
    licence = await get_licence(session)
    await must_be_in_time(session, licence, complete)
    before = terms(licence)
    after = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in complete.items()}
    return licence, {name: (before[name], value) for name, value in after.items() if before[name] != value}


async def _take_back(session: AsyncSession, actor: Actor, child: Account) -> None:
    # What a closed account had went back into the pool: it returns only while that is still there.
    oversold = await pools.fit(session, actor, child, terms(await get_licence(session)))
    await enter(session, child.id)
    await pools.tell(session, actor, child, oversold)
