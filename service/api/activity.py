"""The history, newest first: of the account for whoever may see it, and of one's own for everybody."""

from typing import Annotated
from uuid import UUID

from litestar.params import FromPath, QueryParameter

from service.activity_lines import cards_of, read_history, read_own_history
from service.dependencies import Actor, House, Language, Session
from service.paging import Cursor, Limit, Page
from service.routes import Open, get
from tenants.activity import Result
from tenants.activity_cards import LineCard
from tenants.activity_filters import LONGEST_TARGET, LONGEST_TEXT, read_filters
from tenants.activity_search import get_line

_MOMENT = "a day (2026-11-30, of the account's time zone) or a moment (2026-11-30T08:00:00Z)"
From = Annotated[str | None, QueryParameter(name="from", max_length=40, description=f"From then on: {_MOMENT}")]
To = Annotated[str | None, QueryParameter(name="to", max_length=40, description=f"Before that, which is not included: {_MOMENT}")]
ByActor = Annotated[
    str | None, QueryParameter(name="actor", max_length=60, description="Id of a user or of an API key; or `system`")
]
Action = Annotated[
    str | None,
    QueryParameter(max_length=121, description="An event, such as `user.suspended`; or all of a family, such as `user`"),
]
Target = Annotated[
    str | None,
    QueryParameter(max_length=LONGEST_TARGET, description="A type, such as `user`; a type and an id, `user:…`; or an id"),
]
ResultFilter = Annotated[Result | None, QueryParameter(name="result")]
Ip = Annotated[str | None, QueryParameter(max_length=60, description="Exactly this address")]
Words = Annotated[
    str | None,
    QueryParameter(
        name="text", max_length=LONGEST_TEXT, description="Part of the target's label, the actor's name or address, or the reason"
    ),
]


@get("/activity", right="activity.view")
async def list_activity(
    session: Session,
    actor: Actor,
    house: House,
    language: Language,
    since: From = None,
    until: To = None,
    by: ByActor = None,
    action: Action = None,
    target: Target = None,
    result: ResultFilter = None,
    ip: Ip = None,
    text: Words = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LineCard]:
    """The account's history. Whoever is limited to departments sees what these departments and their people did and underwent."""
    wanted = await read_filters(
        session, since=since, until=until, actor=by, action=action, target=target, result=result, ip=ip, text=text
    )
    rows, following = await read_history(session, house, actor, wanted, limit=limit, cursor=cursor)
    return Page(await cards_of(session, house, language, rows), following)


@get("/activity/{line_id:uuid}", right="activity.view", refuses=(404,))
async def read_activity(line_id: FromPath[UUID], session: Session, actor: Actor, house: House, language: Language) -> LineCard:
    """One line, for good: its address stays the same as long as the line is kept."""
    line = await get_line(session, line_id, departments=actor.departments, viewer=actor.user_id)
    return (await cards_of(session, house, language, [line]))[0]


@get("/me/activity", right=Open.TO_SIGNED_IN)
async def list_own_activity(
    session: Session,
    actor: Actor,
    house: House,
    language: Language,
    since: From = None,
    until: To = None,
    action: Action = None,
    result: ResultFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LineCard]:
    """What the caller did in this account, and what was done to them there.

    Of what others did to them they learn what and when, never the reason that was noted, nor from which address or device. By whom
    they learn where the account shows its people to each other (`show_holders`), or with the right `users.view`.
    """
    wanted = await read_filters(session, since=since, until=until, action=action, result=result)
    rows, following = await read_own_history(session, house, actor, wanted, limit=limit, cursor=cursor)
    return Page(await cards_of(session, house, language, rows), following)


routes = [list_activity, read_activity, list_own_activity]
