"""The account's history, day by day, looked through by filters that stand in the address."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.activity_lines import cards_of, read_history
from service.console.history_filters import Asked, read_choices
from service.console.history_lines import Day, Row, days_of, row_of
from service.console.history_words import refusal_in_words
from service.console.routes import page
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session
from tenants import brands
from tenants.accounts import get_account
from tenants.activity_search import Filters
from tenants.actors import Actor as ActorOf
from tenants.errors import Invalid
from tenants.house import House as HouseOf

_ROWS = 50
_LATEST = 5
_RECENT = timedelta(days=30)


@page("/activity", right="activity.view")
async def show_history(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Fifty lines to a page; whoever is limited to departments sees what these and their people did and underwent."""
    asked = Asked.of(view.request.query_params.get)
    account = await get_account(session, actor.account_id)
    known: dict[str, Any] = {
        "brand": await brands.find_brand(session),
        "zone": account.time_zone,
        "months": account.activity_months,
        "asked": asked,
        "choices": await read_choices(view, session, actor, asked),
    }
    days, more, error = await _read(view, session, house, actor, asked, zone=account.time_zone)
    return view.show(
        "history.html",
        days=days,
        more=asked.address("/activity", cursor=more) if more else None,
        **known,
        **refusal_in_words(view, error),
    )


async def read_latest(view: View, session: AsyncSession, house: HouseOf, actor: ActorOf, *, zone: str) -> list[Row]:
    """The newest lines of the last weeks that this reader sees. Ask last: nothing can be read after a search that took too long."""
    # Without a border, whoever sees few of very many lines would wait for a search through all of them.
    recent = Filters(since=datetime.now(UTC) - _RECENT)
    try:
        lines, _more = await read_history(session, house, actor, recent, limit=_LATEST)
    except Invalid:
        return []
    return [row_of(view, card, zone) for card in await cards_of(session, house, view.language, lines)]


async def _read(
    view: View, session: AsyncSession, house: HouseOf, actor: ActorOf, asked: Asked, *, zone: str
) -> tuple[list[Day], str | None, Invalid | None]:
    try:
        filters = await asked.filters(session)
        lines, more = await read_history(session, house, actor, filters, limit=_ROWS, cursor=asked.cursor)
    except Invalid as error:
        if error.field == "cursor":
            raise
        return [], None, error
    return days_of(view, await cards_of(session, house, view.language, lines), zone), more, None


routes = [show_history]
