"""The first page: how the company stands today, what waits for somebody, and the way on."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.console.account_use import Pool, read_pool, read_use
from service.console.browser import language_cookie, own_path
from service.console.checklist import read_checklist
from service.console.history import read_latest
from service.console.routes import form, page
from service.console.user_words import SEATS
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, Caller, House, Session
from service.routes import Open
from service.waiting import people_in_line
from tenants import brands, handovers, seat_requests, sessions, signing_in
from tenants.actors import Actor as ActorOf
from tenants.catalogue import LANGUAGES
from tenants.full_pool import ENDS
from tenants.house import House as HouseOf
from tenants.licence_phases import GRACE
from tenants.presence import search_at_work, seat_state
from tenants.roles import read_palette
from tenants.users import count_invited, count_users

#: Days that the chart of the overview shows, and how wide and high it is drawn.
_DAYS, _WIDTH, _HEIGHT = 7, 320, 150
_AT_WORK = 5


@page("/", right=Open.TO_SIGNED_IN, visitors=True, management=True)
async def first_page(view: ViewOf, session: Session, actor: Actor, caller: Caller, house: House) -> Answer:
    """What the reader's rights let them see of the company; everybody sees their own session and how many places are in use."""
    pool = await read_pool(session, house)
    sees_use = actor.may("licence.view")
    return view.show(
        "home.html",
        brand=await brands.find_brand(session),
        questions=await handovers.search_questions(house.door, actor),
        role=await _role(view, session, house, actor),
        blob=caller.known.blob,
        pool=pool,
        zone=pool.account.time_zone,
        grace_days=GRACE.days,
        steps=await read_checklist(session, actor, pool),
        figures=await _figures(session, actor),
        use=await read_use(view, session, pool, days=_DAYS, width=_WIDTH, height=_HEIGHT) if sees_use else None,
        request=await seat_requests.find_open(session) if sees_use else None,
        at_work=await _at_work(view, session, pool) if actor.may("sessions.view") else None,
        waiting=len(await people_in_line(session, house)) if actor.may(ENDS) else 0,
        visits=len(await sessions.search_visits(session)) if actor.may("sessions.view") else 0,
        abilities=[] if actor.may("users.view") else _abilities(view, house, actor),
        elsewhere=await _other_places(session, actor, pool.account.slug),
        latest=await read_latest(view, session, house, actor, zone=pool.account.time_zone) if actor.may("activity.view") else None,
    )


@form("/language", right=Open.TO_ANYONE)
async def choose_language(view: ViewOf, house: House) -> Answer:
    """Remember the reader's language, and go back to where they were."""
    fields = await view.fields()
    wanted = fields.text("language")
    cookies = [language_cookie(wanted, house.settings)] if wanted in LANGUAGES else []
    return view.go(own_path(fields.text("next")), cookies=cookies)


async def _role(view: View, session: AsyncSession, house: HouseOf, actor: ActorOf) -> str:
    # Only a role of the account's own must be looked up.
    built_in = house.catalogue.roles.get(actor.role)
    if built_in is not None:
        return built_in.label[view.language]
    return (await read_palette(session, house.catalogue, actor.account_kind)).name_of(actor.role, view.language)


async def _figures(session: AsyncSession, actor: ActorOf) -> dict[str, int | None]:
    sees_people, sees_licence = actor.may("users.view"), actor.may("licence.view")
    return {
        "users": await count_users(session) if sees_people or sees_licence else None,
        "invited": await count_invited(session) if sees_people else None,
    }


async def _at_work(view: View, session: AsyncSession, pool: Pool) -> list[dict[str, Any]]:
    found = await search_at_work(session, pool.presence, most=_AT_WORK)
    states = [SEATS[seat_state(pool.presence, pool.holder(row.id, user.id), row)] for row, user in found]
    return [
        {
            "id": row.id,
            "user_id": user.id,
            "name": user.label,
            "device": row.device,
            "seen": pool.presence.seen.get(row.id, row.started_at),
            "shape": shape,
            "words": view.say(words),
        }
        for (row, user), (shape, words) in zip(found, states, strict=True)
    ]


def _abilities(view: View, house: HouseOf, actor: ActorOf) -> list[tuple[str, str]]:
    # Sections of the vendor's application in which the reader may do anything, and what.
    catalogue, language = house.catalogue, view.language
    found = []
    for section in catalogue.sections:
        allowed = [action for action in section.actions if actor.may(f"{section.key}.{action}")]
        if allowed and not section.administration:
            found.append((section.label[language], ", ".join(catalogue.actions[action][language] for action in allowed)))
    return found


async def _other_places(session: AsyncSession, actor: ActorOf, slug: str) -> list[tuple[str, str]]:
    # A visit is no place to switch from: it ends first.
    places = [] if actor.visit else await signing_in.search_places(session, actor.identity_id)
    return [place for place in places if place[0] != slug]


routes = [first_page, choose_language]
