"""A client's boosts: more places for some days, or at the same hours every week; given, listed, and ended before their time."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.client_page import get_client
from service.console.client_words import wrong
from service.console.forms import Fields
from service.console.licence_lines import boost_line, weekdays
from service.console.routes import form, page
from service.console.typed_terms import day, minute, needed_number
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Session, Work
from service.paging import Cursor, read_page
from tenants import boosts, brands
from tenants.boost_terms import Weekly
from tenants.boosts import Boost
from tenants.client_lists import Client
from tenants.database import enter
from tenants.errors import DomainError, Invalid, NotFound, NotInState
from tenants.house import House as HouseOf
from tenants.licence_phases import day_begins, day_of, licence_end
from tenants.licences import FIRST_DAY, LAST_DAY

_AT_ONCE = 20
_TYPED = ("seats", "how", "starts_at", "ends_at", "from", "to", "reason")
_DAY = 24 * 60


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


DONE = {
    "given": _("The boost is given. Its places work from the next sign-in on, as long as it lasts."),
    "ended": _("The boost is over. Nobody is put out."),
}


@page("/clients/{account_id:uuid}/boosts", right="clients.view")
async def boosts_page(account_id: FromPath[UUID], view: ViewOf, session: Session, house: House, cursor: Cursor = None) -> Answer:
    """Boosts that are planned, live and over, and the form for another one."""
    return await _show(view, session, house, account_id, cursor=cursor)


@form("/clients/{account_id:uuid}/boosts", right="clients.manage")
async def give(account_id: FromPath[UUID], view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Give more places, once or every week."""
    fields = await view.fields()
    try:
        async with work() as session:
            client = await get_client(session, account_id)
            given = _read(fields, client, await boosts.database_now(session))
            await boosts.give_boost(session, actor, account_id, **given)
    except NotFound:
        raise
    except DomainError as error:
        typed = {**{name: fields.text(name) for name in _TYPED}, "days": fields.several("days")}
        async with work() as session:
            return await _show(view, session, house, account_id, status=status_of(error), typed=typed, **wrong(view, error))
    return view.go(f"/clients/{account_id}/boosts", done="given")


@form("/clients/{account_id:uuid}/boosts/{boost_id:uuid}/end", right="clients.manage")
async def end(account_id: FromPath[UUID], boost_id: FromPath[UUID], view: ViewOf, actor: Actor, work: Work) -> Answer:
    """End a boost before its time."""
    try:
        async with work() as session:
            await boosts.end_boost(session, actor, account_id, boost_id)
    except NotInState:
        # It is over already: what was wanted is so.
        return view.go(f"/clients/{account_id}/boosts")
    return view.go(f"/clients/{account_id}/boosts", done="ended")


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    account_id: UUID,
    *,
    status: int = 200,
    cursor: str | None = None,
    typed: dict[str, Any] | None = None,
    **told: Any,
) -> Answer:
    client, brand = await get_client(session, account_id), await brands.find_brand(session)
    await enter(session, account_id)
    rows, following = await read_page(
        session,
        boosts.search_boosts(account_id),
        columns={"starts_at": Boost.starts_at},
        key=Boost.id,
        sort="-starts_at",
        limit=_AT_ONCE,
        cursor=cursor or None,
        signer=house.signer,
        of=f"boost pages|{account_id}",
    )
    now = await boosts.database_now(session)
    here = f"/clients/{account_id}/boosts"
    empty = {**dict.fromkeys(_TYPED, ""), "how": "once", "from": "08:00", "to": "12:00", "days": []}
    known: dict[str, Any] = {"complaints": [], "notice": None}
    return view.show(
        "client_boosts.html",
        status=status,
        here=here,
        brand=brand,
        said=view.said(DONE),
        client=client,
        boosts=[boost_line(view, boost, client.time_zone, now) for boost in rows],
        weekdays=weekdays(view.language),
        typed=typed or empty,
        more=f"{here}?cursor={following}" if following else None,
        start=here,
        first=bool(cursor),
        **(known | told),
    )


def _read(fields: Fields, client: Client, now: datetime) -> dict[str, Any]:
    weekly, zone = None, client.time_zone
    if fields.text("how") == "weekly":
        weekly = Weekly(
            [int(each) for each in fields.several("days") if each in set("1234567")],
            minute(fields, "from"),
            # A window that ends with the day ends at midnight.
            minute(fields, "to") or _DAY,
        )
    first, last = (_known(day(fields, name), name) for name in ("starts_at", "ends_at"))
    begins = None if first is None or first == day_of(now, zone) else day_begins(first, zone)
    return {
        "seats": needed_number(fields, "seats"),
        "starts_at": begins,
        "ends_at": None if last is None else licence_end(last, zone),
        "weekly": weekly,
        "reason": fields.text("reason"),
    }


def _known(chosen: date | None, name: str) -> date | None:
    if chosen is not None and not FIRST_DAY <= chosen <= LAST_DAY:
        raise Invalid(name, "in_the_past" if chosen < FIRST_DAY else "far")
    return chosen


routes = [boosts_page, give, end]
