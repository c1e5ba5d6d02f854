"""Pages of the history for readers at either edge: the account's lines as far as they see them, those of one user, their own."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.paging import read_newest
from tenants.accounts import get_account
from tenants.activity import Activity
from tenants.activity_cards import LineCard, find_names, line_card
from tenants.activity_search import Filters, Line, Lines, in_time, search_about, search_lines, search_own
from tenants.activity_values import Reader
from tenants.actors import Actor
from tenants.database import entered
from tenants.house import House

Found = tuple[list[Line], str | None]


async def read_history(
    session: AsyncSession, house: House, actor: Actor, filters: Filters, *, limit: int, cursor: str | None = None
) -> Found:
    """Newest first, with the next cursor. Whoever is limited to departments sees what these and their people did and underwent."""
    query = search_lines(actor.account_id, filters, departments=actor.departments, viewer=actor.user_id)
    return await _newest(session, house, query, limit, cursor, of=f"activity|{filters}|{_limits(actor)}")


async def read_history_about(
    session: AsyncSession, house: House, actor: Actor, user_id: UUID, filters: Filters, *, limit: int, cursor: str | None = None
) -> Found:
    """As `read_history`, of one user alone: what they did, and what was done to them."""
    query = search_about(actor.account_id, user_id, filters, departments=actor.departments, viewer=actor.user_id)
    return await _newest(session, house, query, limit, cursor, of=f"activity about|{user_id}|{filters}|{_limits(actor)}")


async def read_own_history(
    session: AsyncSession, house: House, actor: Actor, filters: Filters, *, limit: int, cursor: str | None = None
) -> Found:
    """What the reader did in this account, and what was done to them there: by whom, only where they may know it anyway."""
    account = await get_account(session, actor.account_id)
    named = account.show_holders or actor.may("users.view")
    query = search_own(actor.account_id, actor.user_id, filters, named=named)
    return await _newest(session, house, query, limit, cursor, of=f"own activity|{actor.user_id}|{filters}")


async def cards_of(session: AsyncSession, house: House, language: str, lines: Sequence[Line]) -> list[LineCard]:
    """The lines in the reader's language, on the account's clock; one query for the names in all of them."""
    reader = Reader(language, (await get_account(session, entered(session))).time_zone, house.catalogue)
    names = await find_names(session, lines)
    return [line_card(line, reader, names) for line in lines]


def _limits(actor: Actor) -> list[str] | None:
    # Of a cursor's list, the reader's limits are a part: they may change between two pages.
    return None if actor.departments is None else sorted(map(str, actor.departments))


async def _newest(session: AsyncSession, house: House, query: Lines, limit: int, cursor: str | None, *, of: str) -> Found:
    with in_time():
        return await read_newest(
            session,
            query,
            column=Activity.at,
            key=Activity.id,
            limit=limit,
            cursor=cursor,
            signer=house.signer,
            of=f"{entered(session)}|{of}",
        )
