"""Who is signed in and who works: to see it, and to end sessions; who waits, who visits, and how the places were used."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.account_use import Pool, read_pool, read_use
from service.console.routes import form, page
from service.console.user_words import SEATS
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Session, Work
from service.paging import read_page
from service.routes import Open
from service.use_tables import days_csv
from service.waiting import people_in_line
from tenants import brands, sessions
from tenants.actors import Actor as ActorOf
from tenants.errors import Invalid, NotFound
from tenants.full_pool import ENDS
from tenants.house import House as HouseOf
from tenants.licence_phases import day_of
from tenants.presence import seat_state
from tenants.sessions import SignedInSession
from tenants.texts import one_line
from tenants.usage import read_days
from tenants.users import User

#: Days back that can be looked at.
PERIODS = (7, 30, 90)
_ROWS = 100
_LONGEST = 300


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


DONE = {
    "ended": _("The session has ended."),
    "several": _("These sessions have ended."),
    "removed": _("This person waits no more. They may come again."),
    "cleared": _("Nobody waits any more. They may come again."),
}


@page("/connections", right=Open.TO_SIGNED_IN, visitors=True, management=True)
async def connections_page(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Everybody's sessions with the right `sessions.view`, else one's own; usage for whoever may see the licence."""
    return await _show(view, session, house, actor)


@page("/connections/export", right="licence.view", media_type="text/csv")
async def export(view: ViewOf, session: Session, house: House) -> Stream:
    """The days of the chart as CSV, oldest first."""
    pool = await read_pool(session, house)
    since = day_of(pool.now, pool.account.time_zone) - timedelta(days=_period(view) - 1)
    return await days_csv(view.language, await read_days(session, await house.seats.figures(pool.account.id), since=since))


@form("/sessions/{session_id:uuid}/end", right=Open.TO_SIGNED_IN, management=True)
async def end_session(session_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """End a session of one's own, or another's with the right. Whoever is there to manage without a place gets that one.

    From the page of one `user`, which the form then names, the way leads back there.
    """
    fields = await view.fields()
    typed, user_id = fields.text("reason"), fields.id("user")
    back = f"/users/{user_id}/sessions" if user_id else "/connections"
    try:
        reason = _written(typed)
        async with work() as session:
            await sessions.end_session(session, actor, session_id, reason=reason)
    except NotFound:
        # It ended by itself meanwhile: what was wanted is so.
        return view.go(back)
    except Invalid as error:
        async with work() as session:
            return await _show(view, session, house, actor, error=error, where=str(session_id), reason=typed)
    return view.go(back, done="ended")


@form("/connections/end", right=ENDS)
async def end_several(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """End the sessions that were ticked, or all but this one; the reason is written into the history."""
    fields = await view.fields()
    typed, which = fields.text("reason"), "others" if fields.text("which") == "others" else "ticked"
    ticked = [each for each in map(_uuid, fields.several("session")) if each is not None]
    try:
        reason = _written(typed)
        if which == "ticked" and not ticked:
            raise Invalid("session", "required")
        async with work() as session:
            await sessions.end_several(session, actor, None if which == "others" else ticked, reason=reason)
    except Invalid as error:
        async with work() as session:
            return await _show(view, session, house, actor, error=error, where=which, reason=typed, ticked=ticked)
    return view.go("/connections", done="several")


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    error: Invalid | None = None,
    where: str = "",
    reason: str = "",
    ticked: Sequence[UUID] = (),
) -> Answer:
    sees_all, pool, days = actor.may("sessions.view"), await read_pool(session, house), _period(view)
    rows, following = await _page(view, session, actor, sees_all=sees_all)
    users = await _users(session, rows)
    return view.show(
        "connections.html",
        status=200 if error is None else status_of(error),
        brand=await brands.find_brand(session),
        here=None if error is None else "/connections",
        said=None if error else view.said(DONE),
        sees_all=sees_all,
        pool=pool,
        zone=pool.account.time_zone,
        present=[_row(view, actor, pool, row, users[row.user_id]) for row in rows if row.user_id in users],
        ticked=ticked,
        line=await people_in_line(session, house) if actor.may(ENDS) else [],
        visitors=await _visitors(session, actor) if sees_all else [],
        # Nobody ends several to make room: the first one that ends is enough.
        ends_several=sees_all and actor.may(ENDS) and not actor.management,
        use=await read_use(view, session, pool, days=days) if actor.may("licence.view") else None,
        period=days,
        periods=PERIODS,
        more=f"/connections?cursor={following}" if following else None,
        first="cursor" in view.request.query_params,
        where=where,
        reason=reason,
        complaints=[] if error is None else [_complaint(view, error, where)],
    )


def _period(view: View) -> int:
    # Words that mean nothing are as if they were not there: anybody may write an address.
    wanted = view.request.query_params.get("days", "")
    return next((days for days in PERIODS if str(days) == wanted), 30)


async def _page(view: View, session: AsyncSession, actor: ActorOf, *, sees_all: bool) -> tuple[list[SignedInSession], str | None]:
    # Of an account of one's own; somebody who visits has no session of a user here.
    mine = None if sees_all else actor.user_id
    return await read_page(
        session,
        sessions.search_live(actor.account_id, user_id=mine),
        columns={"started_at": SignedInSession.started_at},
        key=SignedInSession.id,
        sort="started_at",
        limit=_ROWS,
        cursor=view.request.query_params.get("cursor") or None,
        signer=view.house.signer,
        of=f"connections|{actor.account_id}|{mine}",
    )


async def _users(session: AsyncSession, rows: Sequence[SignedInSession]) -> dict[UUID | None, User]:
    wanted = {row.user_id for row in rows}
    if not rows:
        return {}
    found = await session.scalars(select(User).where(User.account_id == rows[0].account_id, User.id.in_(wanted)))
    return {user.id: user for user in found}


def _row(view: View, actor: ActorOf, pool: Pool, row: SignedInSession, user: User) -> dict[str, Any]:
    holder = pool.holder(row.id, user.id)
    state = seat_state(pool.presence, holder, row)
    in_pool = state != "none" and pool.presence.holds_pool_seat(holder)
    shape, words = SEATS[state]
    return {
        "id": row.id,
        "user_id": user.id,
        "name": user.label,
        "device": row.device,
        "ip": row.ip,
        "since": row.started_at,
        "seen": pool.presence.seen.get(row.id, row.started_at),
        "shape": shape,
        "words": view.say(words),
        "in_pool": in_pool,
        "allowance": state != "none" and not in_pool,
        "manages": row.management,
        "current": row.id == actor.session_id,
        "mine": user.id == actor.user_id,
        "may_end": may_end(actor, user.id),
    }


async def _visitors(session: AsyncSession, actor: ActorOf) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "visit": visit,
            "since": row.started_at,
            "current": row.id == actor.session_id,
            "may_end": may_end(actor, None),
        }
        for row, visit in await sessions.search_visits(session)
    ]


def may_end(actor: ActorOf, user_id: UUID | None) -> bool:
    """Whether the reader may end a session of this user, or of a visitor: the form is open to the account's own people."""
    return actor.visit is None and (user_id == actor.user_id or actor.may(ENDS))


def _complaint(view: View, error: Invalid, where: str) -> dict[str, Any]:
    if error.field == "session":
        return {"field": "several", "text": view.say("Tick at least one session first."), "advice": []}
    return view.complaint(error) | {"field": f"why-{where}"}


def _written(reason: str) -> str | None:
    return one_line("reason", reason, longest=_LONGEST, shortest=0) or None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


routes = [connections_page, export, end_session, end_several]
