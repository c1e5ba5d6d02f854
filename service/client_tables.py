"""All clients as one table for spreadsheets: a piece at a time, so that whoever reads slowly holds no connection meanwhile."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from service.client_pages import Wanted, clients_at_work, page_of_clients
from service.csv_files import csv_file
from service.dependencies import Work
from service.overview_words import CLIENTS, STATUSES, headings, reasons
from service.problems import say
from tenants.client_lists import Client
from tenants.csv_text import Row
from tenants.house import House

Read = Callable[[AsyncSession, Sequence[UUID]], Awaitable[list[Row]]]
_ROWS_AT_ONCE = 200


async def clients_csv(work: Work, house: House, wanted: Wanted, language: str) -> Stream:
    """These clients by name, as CSV: what their cards say."""

    async def read(session: AsyncSession, ids: Sequence[UUID]) -> list[Row]:
        return [_row(language, client, held) for client, held in await clients_at_work(session, house, ids)]

    return await csv_file("clients", language, headings(language, CLIENTS), pieces(work, house, wanted, read))


async def pieces(work: Work, house: House, wanted: Wanted, read: Read) -> AsyncIterator[list[Row]]:
    """The rows of these clients, some hundreds at a time, each piece read in a transaction of its own."""
    # By name, which hardly ever changes between two.
    cursor: str | None = None
    while True:
        async with work() as session:
            ids, cursor = await page_of_clients(
                session, house, wanted, of="export", sort="name", limit=_ROWS_AT_ONCE, cursor=cursor
            )
            rows = await read(session, ids)
        yield rows
        if cursor is None:
            return


def _row(language: str, client: Client, held: int) -> Row:
    return (
        client.name,
        client.slug,
        say(language, STATUSES[client.standing]),
        client.plan,
        client.seats,
        client.boosted,
        held,
        client.users,
        client.peak,
        client.refused,
        reasons(language, client),
        client.last_sign_in_at,
        client.ends_on,
        client.created_at,
    )
