"""My activity: what I did in this account, what was done to me there, and all that is kept about me as a file."""

from typing import Any

from litestar.response import Stream

from service.activity_lines import cards_of, read_own_history
from service.console.history_filters import Asked, action_choices
from service.console.history_lines import Day, days_of
from service.console.history_words import refusal_in_words
from service.console.routes import form, page
from service.console.view import Answer, ViewOf
from service.dependencies import Actor, House, Session, Work
from service.personal_data import streamed, take_away
from service.routes import Open
from tenants import brands
from tenants.accounts import get_account
from tenants.errors import Invalid
from tenants.roles import read_palette

_ROWS = 50
_PATH = "/me/activity"


@page(_PATH, right=Open.TO_SIGNED_IN)
async def show_own(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Of what others did to them, people learn what and when; by whom only where the account shows its people to each other."""
    asked = Asked.of(view.request.query_params.get).only("from", "to", "action")
    zone = (await get_account(session, actor.account_id)).time_zone
    known: dict[str, Any] = {
        "brand": await brands.find_brand(session),
        "role": (await read_palette(session, house.catalogue, actor.account_kind)).name_of(actor.role, view.language),
        "asked": asked,
        "actions": action_choices(view, asked.word("action")),
    }
    days: list[Day] = []
    more, wrong = None, None
    try:
        filters = await asked.filters(session)
        lines, more = await read_own_history(session, house, actor, filters, limit=_ROWS, cursor=asked.cursor)
        days = days_of(view, await cards_of(session, house, view.language, lines), zone)
    except Invalid as error:
        if error.field == "cursor":
            raise
        wrong = error
    return view.show(
        "own_history.html",
        days=days,
        more=asked.address(_PATH, cursor=more) if more else None,
        **known,
        **refusal_in_words(view, wrong),
    )


@form("/me/data", right=Open.TO_SIGNED_IN, media_type="application/json")
async def take_own_data(work: Work, actor: Actor, house: House) -> Stream:
    """Everything that is kept about the reader, in every account of theirs, as a file to save."""
    async with work() as session:
        kept = await take_away(session, actor)
    return streamed(house.database, kept)


routes = [show_own, take_own_data]
