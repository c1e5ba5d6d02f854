"""All clients at a glance: how they used their seats, and tables of clients and usage for spreadsheets."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from service.api.client_cards import AttentionFilter, Q, Sort, StatusFilter
from service.api.usage import Days, SeatsUsage, present_day, seats_usage
from service.client_pages import Wanted, page_of_clients
from service.client_tables import clients_csv, pieces
from service.csv_files import DESCRIBED, csv_file
from service.dependencies import Actor, House, Language, Session, Work
from service.overview_words import USE, headings, reasons
from service.paging import Cursor, Limit, Page
from service.routes import get
from service.use_tables import days_csv, minutes
from tenants.client_figures import SHOWN_DAYS, Reason
from tenants.client_lists import Client, Use, find_clients, is_child, read_use
from tenants.csv_text import Row
from tenants.database import enter, entered
from tenants.errors import Invalid, NotFound
from tenants.licences import FIRST_DAY, LAST_DAY
from tenants.usage import read_days

From = Annotated[date | None, QueryParameter(name="from", description="First day; without it, 30 days up to the last one")]
To = Annotated[date | None, QueryParameter(name="to", description="Last day; without it, the present one")]


class ClientUsage(msgspec.Struct):
    """How one client used its seats in the days asked for, by its own clock. Minutes are rounded down.

    `peak` is the most seats held at one instant, `seats` are the licence's, `attention` as in a client's card.
    """

    id: UUID
    slug: str
    name: str
    seats: int
    peak: int
    refused: int
    sign_ins: int
    minutes_waited: int
    idle_seat_minutes: int
    attention: list[Reason]


@get("/usage", right="clients.view")
async def read_usage(
    session: Session,
    actor: Actor,
    house: House,
    since: From = None,
    until: To = None,
    q: Q = None,
    status: StatusFilter = None,
    attention: AttentionFilter = None,
    sort: Sort = "attention",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ClientUsage]:
    """How the caller's clients used their seats, those first that need attention."""
    wanted = Wanted(actor.account_id, q, status, attention)
    first = await _first_day(session, since, until)
    ids, following = await page_of_clients(
        session, house, wanted, of=f"usage|{since}|{until}", sort=sort, limit=limit, cursor=cursor
    )
    return Page([_shown(client, use) for client, use in await _used(session, ids, first, until)], following)


@get("/accounts/{account_id:uuid}/usage", right="clients.view", refuses=(404,))
async def read_client_usage(
    account_id: FromPath[UUID], session: Session, actor: Actor, house: House, language: Language, days: Days = SHOWN_DAYS
) -> SeatsUsage:
    """One client's pool at this moment, day by day, and what it says about the number of its seats."""
    if not await is_child(session, actor.account_id, account_id):
        raise NotFound
    await enter(session, account_id)
    return await seats_usage(session, house, language=language, days=days)


@get("/accounts/export", right="clients.view", responses=DESCRIBED)
async def export_clients(
    actor: Actor,
    house: House,
    work: Work,
    language: Language,
    q: Q = None,
    status: StatusFilter = None,
    attention: AttentionFilter = None,
) -> Stream:
    """The caller's clients by name, as CSV: what their cards say."""

    return await clients_csv(work, house, Wanted(actor.account_id, q, status, attention), language)


@get("/usage/export", right="clients.view", responses=DESCRIBED)
async def export_usage(
    actor: Actor,
    house: House,
    work: Work,
    language: Language,
    since: From = None,
    until: To = None,
    q: Q = None,
    status: StatusFilter = None,
    attention: AttentionFilter = None,
) -> Stream:
    """How the caller's clients used their seats, by name, as CSV."""
    async with work() as session:
        first = await _first_day(session, since, until)

    async def read(session: AsyncSession, ids: Sequence[UUID]) -> list[Row]:
        return [_use_row(language, client, use) for client, use in await _used(session, ids, first, until)]

    tables = pieces(work, house, Wanted(actor.account_id, q, status, attention), read)
    return await csv_file("usage", language, headings(language, USE), tables)


@get("/account/seats/export", right="licence.view", responses=DESCRIBED)
async def export_seats(session: Session, actor: Actor, house: House, language: Language, days: Days = SHOWN_DAYS) -> Stream:
    """How the caller's account used its seats, oldest day first, as CSV."""
    since = await present_day(session, actor.account_id) - timedelta(days=days - 1)
    return await days_csv(language, await read_days(session, await house.seats.figures(actor.account_id), since=since))


async def _first_day(session: AsyncSession, since: date | None, until: date | None) -> date:
    for name, day in (("from", since), ("to", until)):
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            raise Invalid(name, "out_of_range", min=FIRST_DAY.isoformat(), max=LAST_DAY.isoformat())
    if since is None:
        last = until or await present_day(session, entered(session))
        return last - timedelta(days=SHOWN_DAYS - 1)
    if until is not None and until < since:
        raise Invalid("to", "before_start")
    return since


async def _used(session: AsyncSession, ids: Sequence[UUID], since: date, until: date | None) -> list[tuple[Client, Use]]:
    used = await read_use(session, ids, since=since, until=until)
    return [(client, used.get(client.id, Use())) for client in await find_clients(session, ids)]


def _shown(client: Client, use: Use) -> ClientUsage:
    minute = timedelta(minutes=1)
    return ClientUsage(
        id=client.id,
        slug=client.slug,
        name=client.name,
        seats=client.seats,
        peak=use.peak,
        refused=use.refused,
        sign_ins=use.sign_ins,
        minutes_waited=use.waited // minute,
        idle_seat_minutes=use.idle // minute,
        attention=client.attention,
    )


def _use_row(language: str, client: Client, use: Use) -> Row:
    return (
        client.name,
        client.slug,
        client.seats,
        use.peak,
        use.refused,
        use.sign_ins,
        minutes(use.waited),
        minutes(use.idle),
        reasons(language, client),
    )


routes = [read_usage, read_client_usage, export_clients, export_usage, export_seats]
