"""Boosts of client accounts: more places for a time, or at the same hours every week."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar.params import FromPath, JSONBody, QueryParameter

from service.api.shapes import Reason
from service.dependencies import Actor, House, Session
from service.paging import Cursor, Limit, Page, read_page
from service.routes import delete, get, post
from tenants import boosts, licences, pools
from tenants.accounts import get_child
from tenants.boost_terms import Weekly
from tenants.boosts import Boost
from tenants.database import enter

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[Day, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]"
Clock = Annotated[str, msgspec.Meta(pattern=f"^{_HOUR}$", max_length=5, examples=["08:00"])]
ClockOrEnd = Annotated[str, msgspec.Meta(pattern=f"^({_HOUR}|24:00)$", max_length=5, examples=["12:00"])]


class WeeklyWindow(msgspec.Struct, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """The same hours of some days of every week, on the clocks of the client's time zone; `to` may be 24:00."""

    days: Annotated[list[Day], msgspec.Meta(min_length=1, max_length=7)]
    start: Clock
    end: ClockOrEnd


class NewBoost(msgspec.Struct, forbid_unknown_fields=True):
    """More places. Begins now unless `starts_at` says when; only a weekly one may have no `ends_at`: it runs until it is ended."""

    seats: Annotated[int, msgspec.Meta(ge=1, le=licences.MOST)]
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    reason: Reason | None = None
    weekly: WeeklyWindow | None = None


class BoostCard(msgspec.Struct):
    """A boost. `adds_now`: whether its places are there at this moment; a live weekly one pauses between its hours.

    `warnings` name the seller's pools that this sale has passed, where its licence allows that with a warning.
    """

    id: UUID
    seats: int
    starts_at: datetime
    ends_at: datetime | None
    weekly: WeeklyWindow | None
    reason: str | None
    state: boosts.State
    adds_now: bool
    by: str
    created_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    warnings: list[dict[str, Any]]


@get("/accounts/{account_id:uuid}/boosts", right="clients.view", refuses=(404,))
async def list_boosts(
    account_id: FromPath[UUID],
    session: Session,
    actor: Actor,
    house: House,
    sort: Annotated[
        str, QueryParameter(max_length=30, description="starts_at or created_at; - before it for descending")
    ] = "-starts_at",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BoostCard]:
    """Boosts of a client: planned, live and over."""
    child = await get_child(session, actor.account_id, account_id)
    await enter(session, child.id)
    rows, next_cursor = await read_page(
        session,
        boosts.search_boosts(child.id),
        columns={"starts_at": Boost.starts_at, "created_at": Boost.created_at},
        key=Boost.id,
        sort=sort,
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"boosts|{actor.account_id}|{child.id}",
    )
    now = await boosts.database_now(session)
    return Page([boost_card(boost, child.time_zone, now) for boost in rows], next_cursor)


@post("/accounts/{account_id:uuid}/boosts", right="clients.manage", refuses=(404,))
async def give_boost(account_id: FromPath[UUID], data: JSONBody[NewBoost], session: Session, actor: Actor) -> BoostCard:
    """Give a client more places for a time. They work from the next sign-in on, and go by themselves: nobody is put out."""
    weekly = None
    if data.weekly is not None:
        days = [DAYS.index(day) + 1 for day in data.weekly.days]
        weekly = Weekly(days, _minute(data.weekly.start), _minute(data.weekly.end))
    boost = await boosts.give_boost(
        session,
        actor,
        account_id,
        seats=data.seats,
        starts_at=data.starts_at,
        ends_at=data.ends_at,
        weekly=weekly,
        reason=data.reason,
    )
    card = boost_card(boost, await boosts.time_zone_of(session), await boosts.database_now(session))
    card.warnings = pools.warnings_of(session)
    return card


@delete("/accounts/{account_id:uuid}/boosts/{boost_id:uuid}", right="clients.manage", refuses=(404,))
async def end_boost(account_id: FromPath[UUID], boost_id: FromPath[UUID], session: Session, actor: Actor) -> None:
    """End a boost before its time. Nobody is put out; nobody new enters until fewer are at work than there are places."""
    await boosts.end_boost(session, actor, account_id, boost_id)


def boost_card(boost: Boost, time_zone: str, now: datetime) -> BoostCard:
    """A boost of an account with these clocks, as it is at the moment."""
    state = boost.state_at(now)
    return BoostCard(
        id=boost.id,
        seats=boost.seats,
        starts_at=boost.starts_at,
        ends_at=boost.ends_at,
        weekly=_window(boost),
        reason=boost.reason,
        state=state,
        adds_now=state == "live" and boosts.seats_now([boost], time_zone, now) > 0,
        by=boost.by_name,
        created_at=boost.created_at,
        ended_at=boost.ended_at,
        ended_by=boost.ended_by,
        warnings=[],
    )


def _window(boost: Boost) -> WeeklyWindow | None:
    if boost.days is None or boost.from_minute is None or boost.to_minute is None:
        return None
    return WeeklyWindow([DAYS[day - 1] for day in boost.days], _clock(boost.from_minute), _clock(boost.to_minute))


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


routes = [list_boosts, give_boost, end_boost]
