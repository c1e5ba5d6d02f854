"""The first page: who I am, who works now, and the way out."""

from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.browser import language_cookie, own_path
from service.console.routes import form, page
from service.console.view import Answer, ViewOf
from service.dependencies import Actor, Caller, House, Session
from service.routes import Open
from service.waiting import people_in_line
from tenants import accounts, boosts, brands, handovers, licences, sessions, signing_in
from tenants.actors import Actor as ActorOf
from tenants.catalogue import LANGUAGES
from tenants.errors import NotFound
from tenants.full_pool import ENDS
from tenants.presence import seat_states
from tenants.roles import read_palette


@page("/", right=Open.TO_SIGNED_IN, visitors=True, management=True)
async def first_page(view: ViewOf, session: Session, actor: Actor, caller: Caller, house: House) -> Answer:
    """Who I am, and who works now: everybody with the right `sessions.view`, else one's own sessions and the numbers."""
    sees_all = actor.may("sessions.view")
    rows = await sessions.search_alive(session, user_id=None if sees_all else actor.user_id)
    presence = await house.seats.presence(actor.account_id)
    states = await seat_states(session, presence, rows)
    account = await accounts.get_account(session, actor.account_id)
    boosted = boosts.seats_now(await boosts.find_current(session), account.time_zone, await boosts.database_now(session))
    in_pool = {row.id: presence.holds_pool_seat(user.id if account.seat_unit == "user" else row.id) for row, user in rows}
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    return view.show(
        "home.html",
        brand=await brands.find_brand(session),
        role=palette.name_of(actor.role, view.language),
        blob=caller.known.blob,
        zone=account.time_zone,
        seats=(await licences.get_licence(session)).seats + boosted,
        in_use=presence.in_use,
        questions=await handovers.search_questions(house.door, actor),
        line=await people_in_line(session, house) if actor.may(ENDS) else [],
        sees_all=sees_all,
        present=[
            {
                "id": row.id,
                "name": user.label,
                "device": row.device,
                "since": row.started_at,
                "last_activity": presence.seen.get(row.id, row.started_at),
                "state": states[row.id],
                "holds_pool_seat": states[row.id] != "none" and in_pool[row.id],
                "allowance": states[row.id] != "none" and not in_pool[row.id],
                "current": row.id == actor.session_id,
                "may_end": _may_end(actor, user.id),
            }
            for row, user in rows
        ],
        visitors=[
            {
                "id": row.id,
                "visit": visit,
                "since": row.started_at,
                "current": row.id == actor.session_id,
                "may_end": _may_end(actor, visit.id),
            }
            for row, visit in (await sessions.search_visits(session) if sees_all else [])
        ],
        elsewhere=await _other_places(session, actor, account.slug),
    )


async def _other_places(session: AsyncSession, actor: ActorOf, slug: str) -> list[tuple[str, str]]:
    # A visit is no place to switch from: it ends first.
    places = [] if actor.visit else await signing_in.search_places(session, actor.identity_id)
    return [place for place in places if place[0] != slug]


def _may_end(actor: ActorOf, user_id: UUID) -> bool:
    # The form is open to the account's own people.
    return actor.visit is None and (user_id == actor.user_id or actor.may(ENDS))


@form("/sessions/{session_id:uuid}/end", right=Open.TO_SIGNED_IN, management=True)
async def end_session(session_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor) -> Answer:
    """End a session of one's own, or another's with the right. Whoever is there to manage without a place gets that one."""
    try:
        await sessions.end_session(session, actor, session_id)
    except NotFound:
        # It ended by itself meanwhile: what was wanted is so.
        return view.go("/")
    return view.go("/")


@form("/language", right=Open.TO_ANYONE)
async def choose_language(view: ViewOf, house: House) -> Answer:
    """Remember the reader's language, and go back to where they were."""
    fields = await view.fields()
    wanted = fields.text("language")
    cookies = [language_cookie(wanted, house.settings)] if wanted in LANGUAGES else []
    return view.go(own_path(fields.text("next")), cookies=cookies)


routes = [first_page, end_session, choose_language]
