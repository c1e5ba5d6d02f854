"""Where one user is signed in now, and the way to end it all."""

from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.connections import may_end
from service.console.routes import form, page
from service.console.user_view import head_of, read_known
from service.console.user_words import SEATS, refusal_in_words
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from tenants import sessions
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError, NotFound, Unavailable
from tenants.house import House as HouseOf
from tenants.presence import seat_states
from tenants.texts import one_line
from tenants.users import get_user


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {"signed-out": _("This person is signed out everywhere."), "ended": _("The session has ended.")}


@page("/users/{user_id:uuid}/sessions", right="sessions.view")
async def show_sessions(user_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Their sessions of this account, oldest first."""
    return await _show(view, session, house, actor, user_id)


@form("/users/{user_id:uuid}/sessions/end", right="sessions.end")
async def end_all(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """End every session of the person; the reason is written into the history."""
    reason = (await view.fields()).text("reason")
    try:
        async with work() as session:
            written = one_line("reason", reason, longest=300, shortest=0) or None
            user = await get_user(session, user_id)
            await sessions.end_sessions_of(session, user, by=actor, why="ended_by_administrator", reason=written)
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        async with work() as session:
            return await _show(view, session, house, actor, user_id, typed=reason, error=error)
    return view.go(f"/users/{user_id}/sessions", done="signed-out")


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    user_id: UUID,
    *,
    typed: str = "",
    error: DomainError | None = None,
) -> Answer:
    known = await read_known(session, house, actor, user_id)
    rows = await sessions.search_alive(session, user_id=user_id)
    presence = await house.seats.presence(actor.account_id)
    states = await seat_states(session, presence, rows)
    return view.show(
        "user_sessions.html",
        here=f"/users/{user_id}/sessions",
        said=None if error else view.said(SAID),
        present=[
            {
                "id": row.id,
                "device": row.device,
                "ip": row.ip,
                "since": row.started_at,
                "seen": presence.seen.get(row.id, row.started_at),
                "shape": SEATS[states[row.id]][0],
                "words": view.say(SEATS[states[row.id]][1]),
                "current": row.id == actor.session_id,
            }
            for row, _ in rows
        ],
        # Who manages without a place gets the one that they end: where they see which ones there are.
        ends_one=may_end(actor, user_id) and not actor.management,
        mine=user_id == actor.user_id,
        typed=typed,
        **await head_of(view, session, known),
        **refusal_in_words(view, error),
    )


routes = [show_sessions, end_all]
