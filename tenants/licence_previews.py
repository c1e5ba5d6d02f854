"""What a change of a licence would do, before anybody makes it: who is above the new cap, and whom it would have refused lately."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants import pools, resellers
from tenants.accounts import get_child
from tenants.actors import Actor
from tenants.advice import refused_under
from tenants.boosts import find_current, seats_now
from tenants.catalogue import Catalogue
from tenants.licence_phases import Phase, day_of, stage_at
from tenants.licences import checked_terms, stage_of
from tenants.pools import PoolAfter
from tenants.seats import Seats
from tenants.usage import read_days

LOOKS_BACK = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would come of a change: `changes` field by field as (before, after), `phase` likewise, and numbers, never names.

    `above_cap` are seats in use now beyond the new cap, boosts included; `refusals` on `days` of the last 30 are those that it would have made.
    """

    changes: dict[str, tuple[Any, Any]]
    phase: tuple[Phase, Phase]
    above_cap: int
    refusals: int
    days: int
    pools: list[PoolAfter]


async def foresee(
    session: AsyncSession, catalogue: Catalogue, seats: Seats, actor: Actor, account_id: UUID, *, wanted: dict[str, Any]
) -> Foresight:
    """What `resellers.set_licence` would do; raises what it would raise, and changes nothing."""
    licence, changes = await resellers.preview_licence(session, catalogue, actor, account_id, wanted=wanted)
    child = await get_child(session, actor.account_id, account_id)
    terms = checked_terms(catalogue, wanted)
    now = (await session.execute(select(func.now()))).scalar_one()
    after = stage_at(terms.get("starts_on", licence.starts_on), terms["ends_on"], child.time_zone, now)
    since = day_of(now, child.time_zone) - LOOKS_BACK + timedelta(days=1)
    days = await read_days(session, await seats.figures(account_id), since=since)
    refusals, on_days = refused_under(days, terms["seats"])
    cap = terms["seats"] + seats_now(await find_current(session), child.time_zone, now)
    in_use = (await seats.presence(account_id)).in_use
    return Foresight(
        changes=changes,
        phase=(stage_of(child, licence, now).phase, after.phase),
        above_cap=max(0, in_use - cap),
        refusals=refusals,
        days=on_days,
        pools=await pools.foresee(session, actor, child, terms),
    )
