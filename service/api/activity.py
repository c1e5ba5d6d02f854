"""The history, newest first: of the account for whoever may see it, and of one's own for everybody."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar.params import FromPath, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from service.dependencies import Actor, House, Language, Session
from service.paging import Cursor, Limit, Page, read_newest
from service.routes import Open, get
from tenants.accounts import get_account
from tenants.activity import Activity, Result
from tenants.activity_cards import LineCard, find_names, line_card
from tenants.activity_filters import LONGEST_TARGET, LONGEST_TEXT, read_filters
from tenants.activity_search import Line, Lines, get_line, in_time, search_lines, search_own
from tenants.activity_values import Reader
from tenants.database import entered
from tenants.house import House as HouseOf

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
    query = search_lines(actor.account_id, wanted, departments=actor.departments, viewer=actor.user_id)
    # Of a cursor's list, the reader's limits are a part: they may change between two pages.
    seen = None if actor.departments is None else sorted(map(str, actor.departments))
    rows, following = await _newest(session, house, query, limit, cursor, of=f"activity|{wanted}|{seen}")
    return Page(await _cards(session, house, language, rows), following)


@get("/activity/{line_id:uuid}", right="activity.view", refuses=(404,))
async def read_activity(line_id: FromPath[UUID], session: Session, actor: Actor, house: House, language: Language) -> LineCard:
    """One line, for good: its address stays the same as long as the line is kept."""
    line = await get_line(session, line_id, departments=actor.departments, viewer=actor.user_id)
    return (await _cards(session, house, language, [line]))[0]


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
    account = await get_account(session, actor.account_id)
    named = account.show_holders or actor.may("users.view")
    query = search_own(actor.account_id, actor.user_id, wanted, named=named)
    rows, following = await _newest(session, house, query, limit, cursor, of=f"own activity|{actor.user_id}|{wanted}")
    return Page(await _cards(session, house, language, rows), following)


async def _newest(
    session: AsyncSession, house: HouseOf, query: Lines, limit: int, cursor: str | None, *, of: str
) -> tuple[list[Line], str | None]:
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


async def _cards(session: AsyncSession, house: HouseOf, language: str, lines: Sequence[Line]) -> list[LineCard]:
    reader = Reader(language, (await get_account(session, entered(session))).time_zone, house.catalogue)
    names = await find_names(session, lines)
    return [line_card(line, reader, names) for line in lines]


routes = [list_activity, read_activity, list_own_activity]
