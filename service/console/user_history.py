"""What one user did, and what was done to them."""

from uuid import UUID

from litestar.params import FromPath

from service.activity_lines import cards_of, read_history_about
from service.console.history_filters import Asked
from service.console.history_lines import days_of
from service.console.routes import page
from service.console.user_view import head_of, read_known
from service.console.view import Answer, ViewOf
from service.dependencies import Actor, House, Session

_ROWS = 50


@page("/users/{user_id:uuid}/activity", right="activity.view")
async def show_activity(user_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Newest first; the part of it that the reader sees in the account's history."""
    # Above the lines stands who it is.
    actor.must("users.view")
    known = await read_known(session, house, actor, user_id)
    asked = Asked.of(view.request.query_params.get).only()
    path = f"/users/{user_id}/activity"
    filters = await asked.filters(session)
    lines, more = await read_history_about(session, house, actor, user_id, filters, limit=_ROWS, cursor=asked.cursor)
    return view.show(
        "user_history.html",
        days=days_of(view, await cards_of(session, house, view.language, lines), known.account.time_zone),
        start=path,
        more=asked.address(path, cursor=more) if more else None,
        beyond_first=asked.cursor is not None,
        **await head_of(view, session, known),
    )


routes = [show_activity]
