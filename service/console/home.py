"""The first page: who I am, who works now, and the way out."""

from uuid import UUID

from litestar.params import FromPath

from service.console.browser import language_cookie, own_path
from service.console.routes import form, page
from service.console.view import Answer, ViewOf
from service.dependencies import Actor, Caller, House, Session
from service.routes import Open
from tenants import accounts, licences, sessions, signing_in
from tenants.catalogue import LANGUAGES
from tenants.errors import NotFound
from tenants.presence import seat_states
from tenants.roles import read_palette


@page("/", right=Open.TO_SIGNED_IN)
async def first_page(view: ViewOf, session: Session, actor: Actor, caller: Caller, house: House) -> Answer:
    """Who I am, and who works now: everybody with the right `sessions.view`, else one's own sessions and the numbers."""
    sees_all = actor.may("sessions.view")
    rows = await sessions.search_alive(session, user_id=None if sees_all else actor.user_id)
    presence = await house.seats.presence(actor.account_id)
    states = await seat_states(session, presence, rows)
    account = await accounts.get_account(session, actor.account_id)
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    return view.show(
        "home.html",
        role=palette.name_of(actor.role, view.language),
        blob=caller.known.blob,
        zone=account.time_zone,
        seats=(await licences.get_licence(session)).seats,
        in_use=presence.in_use,
        sees_all=sees_all,
        present=[
            {
                "id": row.id,
                "name": user.label,
                "device": row.device,
                "since": row.started_at,
                "last_activity": presence.seen.get(row.id, row.started_at),
                "state": states[row.id],
                "current": row.id == actor.session_id,
                "may_end": user.id == actor.user_id or actor.may("sessions.end"),
            }
            for row, user in rows
        ],
        elsewhere=[place for place in await signing_in.search_places(session, actor.identity_id) if place[0] != account.slug],
    )


@form("/sessions/{session_id:uuid}/end", right=Open.TO_SIGNED_IN)
async def end_session(session_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor) -> Answer:
    """End a session of one's own, or another's with the right."""
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
