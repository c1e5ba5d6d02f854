"""Hand-overs: somebody without a seat asks a colleague for theirs, who answers in their page; the asker sees what comes of it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import FromPath, JSONBody

from service import waiting
from service.api.seats import EITHER, Plain, TicketAsked, asker_of
from service.api.shapes import Ticket
from service.dependencies import Actor, House, Origin
from service.routes import BodyOptional, Open, delete, get, post
from service.waiting import Asker
from tenants import handovers
from tenants.handovers import Handover, Reply, State
from tenants.house import House as HouseOf


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`session_id` is one of the `holders` of a `seats_full` answer; without it everybody who can be asked is.

    Who asks says the ticket of that answer; whoever lost the seat of their session sends their bearer alone.
    """

    ticket: Ticket | None = None
    session_id: UUID | None = None


_EVERYBODY = Ask()


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """`release` gives the seat, `later` asks for five minutes and can be said once, `no` ends it; whoever answered is left alone for a while."""

    answer: Annotated[Reply, msgspec.Meta(description="What becomes of the caller's seat")]


class HandoverCard(msgspec.Struct):
    """What became of it. `asked`, `later` and `refused` are how many have not answered yet, asked for time, or said no.

    `asked`: nobody gave their seat yet; `released`: one is held for the asker until `offered_until`, who signs in with the ticket or goes
    on working; `refused`: everybody said no; `over`: those asked have left. Who does not look for two minutes asks no more.
    `ticket` takes the place of the one that was sent, for ten minutes more.
    """

    id: UUID
    state: State
    asked_at: datetime
    offered_until: datetime | None
    asked: int
    later: int
    refused: int
    ticket: str | None


class QuestionCard(msgspec.Struct):
    """Who asks for the caller's seat. `again`: the caller said `later` before, and cannot say so twice."""

    id: UUID
    name: str
    asked_at: datetime
    again: bool
    may_later: bool


class QuestionList(msgspec.Struct):
    """What the caller is asked at this moment."""

    items: list[QuestionCard]


@post(
    "/seats/handovers",
    right=Open.TO_ANYONE,
    refuses=(401, 403, 404, 409),
    security=EITHER,
    operation_class=BodyOptional,
)
async def ask(request: Plain, house: House, origin: Origin, data: JSONBody[Ask] = _EVERYBODY) -> HandoverCard:
    """Ask a colleague for their seat. One hand-over a person: whoever is asked later is added to it."""
    asker = await asker_of(request, house, data.ticket)
    return _shown(await waiting.ask(house, asker, session_id=data.session_id, origin=origin), asker, house)


@get("/seats/handovers/{handover_id:uuid}", right=Open.TO_ANYONE, refuses=(401, 403, 404), security=EITHER)
async def look(request: Plain, house: House, handover_id: FromPath[UUID], ticket: TicketAsked = None) -> HandoverCard:
    """What became of it, every few seconds: it says as well that the asker is still there."""
    asker = await asker_of(request, house, ticket)
    return _shown(await handovers.look(house.door, asker.account_id, asker.user_id, handover_id), asker, house)


@delete("/seats/handovers/{handover_id:uuid}", right=Open.TO_ANYONE, refuses=(401, 403, 404), security=EITHER)
async def withdraw(request: Plain, house: House, handover_id: FromPath[UUID], ticket: TicketAsked = None) -> None:
    """Ask no more. A seat that was given already stays held."""
    asker = await asker_of(request, house, ticket)
    await handovers.withdraw(house.door, asker.account_id, asker.user_id, handover_id)


# To be asked is no request: a page that looks keeps nobody's seat.
@get("/seats/handovers", right=Open.TO_SIGNED_IN, opt={"looks": True})
async def list_questions(actor: Actor, house: House) -> QuestionList:
    """Who asks the caller for their seat at this moment."""
    found = await handovers.search_questions(house.door, actor)
    return QuestionList([QuestionCard(each.id, each.name, each.asked_at, each.again, each.may_later) for each in found])


@post(
    "/seats/handovers/{handover_id:uuid}/answer",
    right=Open.TO_SIGNED_IN,
    status_code=204,
    refuses=(404,),
    opt={"without_seat": True},
)
async def answer(handover_id: FromPath[UUID], data: JSONBody[Answer], actor: Actor, house: House) -> None:
    """Say what becomes of the caller's seat. To give it ends no session."""
    await handovers.reply(house.door, actor, handover_id, data.answer)


def _shown(handover: Handover, asker: Asker, house: HouseOf) -> HandoverCard:
    return HandoverCard(
        id=handover.id,
        state=handover.state,
        asked_at=handover.asked_at,
        offered_until=handover.offered_until,
        asked=handover.count("asked"),
        later=handover.count("later"),
        refused=handover.count("no"),
        ticket=asker.renewed(house),
    )


routes = [ask, look, withdraw, list_questions, answer]
