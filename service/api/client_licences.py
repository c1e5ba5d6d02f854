"""Licences of client accounts: what each has, what a change would do, and the change."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from service.api.account import LicenceCard, licence_card
from service.api.shapes import Key, Reason
from service.dependencies import Actor, House, Session
from service.etags import IfMatch, version_etag, wanted_version
from service.routes import get, put
from tenants import accounts, licences, resellers
from tenants.database import enter
from tenants.house import House as HouseOf
from tenants.licence_phases import Phase
from tenants.licence_previews import foresee
from tenants.licences import Overselling

Count = Annotated[int, msgspec.Meta(ge=1, le=licences.MOST)]
CountOrNone = Annotated[int, msgspec.Meta(ge=0, le=licences.MOST)]


class NewTerms(msgspec.Struct, forbid_unknown_fields=True):
    """A whole licence: absent fields take the plan's value; null is no limit where a plan may have none.

    `pool_seats`, `pool_users` and `overselling` are of resellers alone.
    """

    plan: Key
    users: Count | UnsetType | None = UNSET
    departments: Count | UnsetType | None = UNSET
    seats: Count | UnsetType = UNSET
    accountant_seats: CountOrNone | UnsetType = UNSET
    pool_seats: CountOrNone | UnsetType | None = UNSET
    pool_users: CountOrNone | UnsetType | None = UNSET
    overselling: Overselling | UnsetType = UNSET
    options: list[Key] | UnsetType = UNSET
    starts_on: date | UnsetType = UNSET
    ends_on: date | UnsetType | None = UNSET
    reason: Reason | None = None


class Hindsight(msgspec.Struct):
    """How many people would have been refused, on how many days."""

    refusals: int
    days: int


class PoolAfter(msgspec.Struct):
    """The seller's pool of `seats` or `users` after the change: `given` to all its clients, this one included. Oversold, `free` is negative."""

    what: Literal["seats", "users"]
    pool: int
    given: int
    free: int


class Preview(msgspec.Struct):
    """What a licence change would do; numbers, and nobody's name.

    `above_cap`: seats in use now beyond the new cap; nobody is thrown out, nobody enters. `refused_30_days`: what the last 30 days
    would have refused under it. `phase`: where the licence stands, and where it would.
    """

    changes: dict[str, tuple[Any, Any]]
    phase: tuple[Phase, Phase]
    above_cap: int
    refused_30_days: Hindsight
    pool: list[PoolAfter]


@get("/accounts/{account_id:uuid}/licence", right="clients.view", refuses=(404,))
async def read_licence(account_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> Response[LicenceCard]:
    """A child's licence; its ETag is what a change must name."""
    child = await accounts.get_child(session, actor.account_id, account_id)
    await enter(session, child.id)
    return await _licence(session, house, child.id)


@put(
    "/accounts/{account_id:uuid}/licence",
    right="clients.manage",
    refuses=(404, 412, 428),
    description="Replace the licence; it works at the next request. `preview=true` answers a `Preview` and changes nothing.",
)
async def replace_licence(
    account_id: FromPath[UUID],
    data: JSONBody[NewTerms],
    session: Session,
    actor: Actor,
    house: House,
    if_match: IfMatch = None,
    preview: Annotated[bool, QueryParameter(description="Tell what would change, and change nothing")] = False,
) -> Response[LicenceCard | Preview]:
    """Replace a child's licence."""
    wanted = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET and name != "reason"}
    if preview:
        return await _preview(session, house, actor, account_id, wanted)  # type: ignore[return-value]  # as below
    version = wanted_version(if_match)
    await resellers.set_licence(session, house.catalogue, actor, account_id, wanted=wanted, version=version, reason=data.reason)
    return await _licence(session, house, account_id)  # type: ignore[return-value]  # Response is invariant in its content


async def _preview(
    session: AsyncSession, house: HouseOf, actor: Actor, account_id: UUID, wanted: dict[str, Any]
) -> Response[Preview]:
    seen = await foresee(session, house.catalogue, house.seats, actor, account_id, wanted=wanted)
    card = Preview(
        changes=seen.changes,
        phase=seen.phase,
        above_cap=seen.above_cap,
        refused_30_days=Hindsight(seen.refusals, seen.days),
        pool=[PoolAfter(each.what, each.pool, each.given, each.pool - each.given) for each in seen.pools],
    )
    return Response(card)


async def _licence(session: AsyncSession, house: HouseOf, account_id: UUID) -> Response[LicenceCard]:
    licence = await licences.get_licence(session)
    presence = await house.seats.presence(account_id)
    return Response(await licence_card(session, licence, in_use=presence.in_use), headers={"etag": version_etag(licence.version)})


routes = [read_licence, replace_licence]
