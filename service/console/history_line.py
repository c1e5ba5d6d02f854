"""One line of the history, under an address that stays: all that is kept of it, in words."""

import json
from collections.abc import Mapping
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.activity_lines import cards_of
from service.console.history_lines import row_of
from service.console.history_words import FACTS
from service.console.routes import page
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session
from tenants import brands
from tenants.accounts import get_account
from tenants.activity_around import find_beside, find_present, is_sealed, target_filter
from tenants.activity_cards import LineCard, find_names
from tenants.activity_search import Line, get_line
from tenants.activity_values import Names, Reader, told
from tenants.activity_vocabulary import VOCABULARY
from tenants.actors import Actor as ActorOf

# Kinds of facts that are told elsewhere on the page, or are ids of ours.
_NOT_TOLD = frozenset({"id", "ids", "changes"})


@page("/activity/{line_id:uuid}", right="activity.view")
async def show_line(line_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """What happened, who did it and from where, what it changed, and what happened to the same thing before and after."""
    line = await get_line(session, line_id, departments=actor.departments, viewer=actor.user_id)
    account = await get_account(session, actor.account_id)
    (card,) = await cards_of(session, house, view.language, [line])
    reader = Reader(view.language, account.time_zone, house.catalogue)
    return view.show(
        "history_line.html",
        brand=await brands.find_brand(session),
        zone=account.time_zone,
        line=card,
        row=row_of(view, card, account.time_zone),
        late=(card.recorded_at - card.at).total_seconds() >= 1,
        facts=_facts(view, line, reader, await find_names(session, [line])),
        details=_details(card),
        people=await _people(session, actor, card),
        beside=await find_beside(session, line, departments=actor.departments, viewer=actor.user_id),
        about=target_filter(line),
        sealed=await is_sealed(session, line.id),
    )


async def _people(session: AsyncSession, actor: ActorOf, card: LineCard) -> set[str]:
    # Whose pages can be opened: a visitor's id, say, is of another account.
    if not actor.may("users.view"):
        return set()
    ids = {card.actor.user_id} if card.actor.user_id else set()
    if card.target is not None and card.target.type == "user" and (target := _uuid(card.target.id)):
        ids.add(target)
    return {str(user_id) for user_id in await find_present(session, ids)}


def _facts(view: View, line: Line, reader: Reader, names: Names) -> list[tuple[str, str]]:
    entry = VOCABULARY.find_entry(line.event)
    if entry is None or entry.facts is None or not isinstance(line.facts, Mapping):
        return []
    found = []
    for name, kind in entry.facts.items():
        if name == "reason" or kind in _NOT_TOLD or name not in FACTS:
            continue
        value = told(kind, line.facts.get(name), reader, names)
        if value is not None:
            found.append((view.say(FACTS[name]), value))
    return found


def _details(card: LineCard) -> list[tuple[str, str]]:
    # The vendor's application's own, which nobody here can put into words.
    given = card.facts.get("details") if isinstance(card.facts, Mapping) else None
    if not isinstance(given, Mapping):
        return []
    return [
        (str(name), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for name, value in given.items()
    ]


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


routes = [show_line]
