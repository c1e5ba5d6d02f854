"""Pools: the seats and users that a reseller may give to its children, and what becomes of a sale beyond them.

Given is, over all children that are not closed, what their licences say, their largest boost that is planned or live, and, of
resellers among them, their own pools. Every sale locks the licence of the seller first: the next one counts it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from tenants import outbox
from tenants.accounts import Account, get_account
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import AccountKind
from tenants.database import enter, entered
from tenants.errors import Forbidden, Invalid, PoolExceeded
from tenants.licences import Licence, get_licence, lock_licence
from tenants.outbox import Letter
from tenants.users import active_administrators

What = Literal["seats", "users"]
COUNTED: tuple[What, What] = ("seats", "users")

# `mine` is what the child takes now: nothing as long as it is new or closed. Boosts of one account do not overlap: the largest is enough.
_GIVEN = text("""
WITH children AS (
    SELECT a.id, a.kind,
           l.seats + coalesce((SELECT max(b.seats) FROM boosts b
                                WHERE b.account_id = a.id AND b.ended_at IS NULL AND (b.ends_at IS NULL OR b.ends_at > now())), 0)
                   + CASE WHEN a.kind = 'reseller' THEN l.pool_seats ELSE 0 END AS seats,
           l.users + CASE WHEN a.kind = 'reseller' THEN l.pool_users ELSE 0 END AS users
      FROM accounts a JOIN licences l ON l.account_id = a.id
     WHERE a.parent_id = :parent AND a.status <> 'closed'
)
SELECT coalesce(sum(seats) FILTER (WHERE id IS DISTINCT FROM :child), 0) AS seats,
       coalesce(sum(users) FILTER (WHERE id IS DISTINCT FROM :child), 0) AS users,
       max(seats) FILTER (WHERE id = :child) AS my_seats,
       max(users) FILTER (WHERE id = :child) AS my_users,
       count(*) FILTER (WHERE seats IS NULL) AS endless_seats,
       count(*) FILTER (WHERE users IS NULL) AS endless_users
  FROM children
""")
_LARGEST_BOOST = text("""
SELECT coalesce(max(seats), 0) FROM boosts WHERE account_id = :child AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > now())
""")


@dataclass(frozen=True, slots=True)
class Oversold:
    """A sale beyond a pool. `given` is to the other children, `asked` is all that this one takes."""

    what: What
    pool: int
    given: int
    asked: int
    warned: bool

    @property
    def facts(self) -> dict[str, Any]:
        """For the history and the answer; `over` is by how much the pool is passed."""
        over = self.given + self.asked - self.pool
        return {"what": self.what, "pool": self.pool, "given": self.given, "asked": self.asked, "over": over}


@dataclass(frozen=True, slots=True)
class PoolAfter:
    """A pool as a change would leave it: `given` is to all children, the changed one included."""

    what: What
    pool: int
    given: int


@dataclass(frozen=True, slots=True)
class PoolNow:
    """A pool of the account entered: `pool` None is no limit, `given` None is a child without a limit."""

    what: What
    pool: int | None
    given: int | None

    @property
    def free(self) -> int | None:
        """What is left to give: negative where the pool is oversold, None where nothing limits it."""
        return None if self.pool is None or self.given is None else self.pool - self.given


async def read_pools(session: AsyncSession) -> list[PoolNow]:
    """Both pools of the account entered, and what it has given to all its children."""
    licence = await get_licence(session)
    given = await _given(session, licence.account_id, child_id=None)
    return [
        PoolNow(what, getattr(licence, f"pool_{what}"), None if getattr(given, f"endless_{what}") else int(getattr(given, what)))
        for what in COUNTED
    ]


async def fit_new(
    session: AsyncSession, actor: Actor, kind: AccountKind, terms: dict[str, Any]
) -> tuple[dict[str, Any], list[Oversold]]:
    """As `fit`, for a new child; also returns its terms: a reseller below a limited pool begins with an empty one."""
    await enter(session, actor.account_id)
    holder = await lock_licence(session)
    if kind == "reseller":
        empty = {name: 0 for name in ("pool_seats", "pool_users") if getattr(holder, name) is not None and terms[name] is None}
        terms = {**terms, **empty}
    return terms, await _fit(session, holder, child_id=None, kind=kind, terms=terms, boost=0)


async def fit(session: AsyncSession, actor: Actor, child: Account, terms: Mapping[str, Any], *, boost: int = 0) -> list[Oversold]:
    """Enter the actor's account, lock its pools, and see whether they hold the child with these terms and a boost of so many seats.

    Returns sales beyond them that the actor's licence allows: pass these to `tell`. Raises PoolExceeded, and Invalid when the child
    lacks a limit that the pool has. Whoever takes no more than before always fits.
    """
    await enter(session, actor.account_id)
    holder = await lock_licence(session)
    largest = await session.scalar(_LARGEST_BOOST, {"child": child.id}) or 0
    return await _fit(session, holder, child_id=child.id, kind=child.kind, terms=terms, boost=max(boost, largest))


async def fit_licence(session: AsyncSession, actor: Actor, child: Account, terms: Mapping[str, Any]) -> list[Oversold]:
    """As `fit`, for a child's new licence; a reseller's own pool must go on holding what was sold from it.

    Raises Invalid for a pool of an account that is no reseller, and Forbidden when anyone but the operator allows overselling.
    """
    _check_kind(actor, child.kind, terms)
    oversold = await fit(session, actor, child, terms)
    if child.kind == "reseller":
        await _keep_what_was_given(session, child, terms)
    return oversold


async def tell(session: AsyncSession, actor: Actor, child: Account, oversold: list[Oversold]) -> None:
    """Write sales beyond the pool into the history of the seller and of its parent, and mail both where the licence says `warn`.

    The parent learns what was sold and by which account, not to whom nor by which person. Stays in the account entered.
    """
    if not oversold:
        return
    stay = entered(session)
    session.info.setdefault("warnings", []).extend(one for one in oversold if one.warned)
    seller = await get_account(session, actor.account_id)
    await _tell(session, seller.id, actor, child, oversold, seller=seller.name)
    if seller.parent_id is not None:
        await _tell(session, seller.parent_id, None, seller, oversold, seller=seller.name)
    await enter(session, stay)


def warnings_of(session: AsyncSession) -> list[dict[str, Any]]:
    """What this transaction sold beyond a pool with a warning: for the answer."""
    return [one.facts for one in session.info.get("warnings", ())]


def _check_kind(actor: Actor, kind: AccountKind, terms: Mapping[str, Any]) -> None:
    if kind != "reseller":
        for name, nothing in (("pool_seats", None), ("pool_users", None), ("overselling", "refuse")):
            if terms[name] != nothing:
                raise Invalid(name, "not_possible")
    elif terms["overselling"] != "refuse" and actor.account_kind != "operator":
        raise Forbidden(right="platform.manage")


async def _keep_what_was_given(session: AsyncSession, reseller: Account, terms: Mapping[str, Any]) -> None:
    # A pool is not made smaller than what was sold from it; sales queue at the same lock.
    await enter(session, reseller.id)
    licence = await lock_licence(session)
    given = await _given(session, reseller.id, child_id=None)
    for what in COUNTED:
        name = f"pool_{what}"
        pool, before = terms[name], getattr(licence, name)
        if pool is None:
            continue
        if endless := getattr(given, f"endless_{what}"):
            # How many, and not which ones: they are the reseller's children, and nobody else knows them.
            raise Invalid(name, "children_without_limit", accounts=endless)
        if pool < getattr(given, what) and (before is None or pool < before):
            raise PoolExceeded(why="pool_lowered", what=what, pool=pool, given=int(getattr(given, what)), free=0, asked=0)


async def foresee(session: AsyncSession, actor: Actor, child: Account, terms: Mapping[str, Any]) -> list[PoolAfter]:
    """Each limited pool of the actor's account as it would be with these terms of the child. Enters the actor's account."""
    await enter(session, actor.account_id)
    holder = await lock_licence(session)
    largest = await session.scalar(_LARGEST_BOOST, {"child": child.id}) or 0
    given, found = await _given(session, holder.account_id, child_id=child.id), []
    for what in COUNTED:
        pool: int | None = getattr(holder, f"pool_{what}")
        if pool is not None:
            others = int(getattr(given, what))
            asked = _asked(what, child.kind, terms, pool=pool, given=others) + (largest if what == "seats" else 0)
            found.append(PoolAfter(what, pool, others + asked))
    return found


async def _tell(
    session: AsyncSession, where: UUID, by: Actor | None, about: Account, oversold: list[Oversold], *, seller: str
) -> None:
    # Lines that wait to be written belong into the account entered until now.
    await session.flush()
    await enter(session, where)
    for one in oversold:
        line = record(session, Event.POOL_OVERSOLD, by=by, on=("account", about.id, about.name), seller=seller, **one.facts)
        if one.warned:
            for administrator in await active_administrators(session):
                outbox.post(session, Letter.POOL_OVERSOLD, to=administrator.id, about=line)
    await session.flush()


async def _fit(
    session: AsyncSession, holder: Licence, *, child_id: UUID | None, kind: AccountKind, terms: Mapping[str, Any], boost: int
) -> list[Oversold]:
    given = await _given(session, holder.account_id, child_id=child_id)
    found = []
    for what in COUNTED:
        pool: int | None = getattr(holder, f"pool_{what}")
        if pool is None:
            continue
        others, mine = int(getattr(given, what)), getattr(given, f"my_{what}")
        asked = _asked(what, kind, terms, pool=pool, given=others) + (boost if what == "seats" else 0)
        if others + asked > pool and (mine is None or asked > mine):
            found.append(Oversold(what, pool, others, asked, warned=holder.overselling == "warn"))
    if found and holder.overselling == "refuse":
        facts = {**found[0].facts, "free": max(0, found[0].pool - found[0].given)}
        del facts["over"]
        raise PoolExceeded(**facts)
    return found


def _asked(what: What, kind: AccountKind, terms: Mapping[str, Any], *, pool: int, given: int) -> int:
    parts = (what, f"pool_{what}") if kind == "reseller" else (what,)
    for name in parts:
        if terms[name] is None:
            raise Invalid(name, "required", what=what, pool=pool, given=given, free=max(0, pool - given))
    return sum(terms[name] for name in parts)


async def _given(session: AsyncSession, parent_id: UUID, *, child_id: UUID | None) -> Row[Any]:
    return (await session.execute(_GIVEN, {"parent": parent_id, "child": child_id})).one()
