"""Whoever holds a place: their pages say that they are there, and they answer a colleague who needs it."""

import re
from typing import Annotated, Any
from uuid import UUID

from litestar import Response
from litestar.params import QueryParameter

from service.console.branding import brand_of_account
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, Caller, House
from service.problem_cases import CASES
from service.problems import say as say_problem
from service.routes import Open
from tenants import handovers
from tenants.errors import DomainError, Invalid, NotFound, NotInState

GIVEN = "release"
_PAGE = re.compile(r"[A-Za-z0-9_-]{0,40}")
After = Annotated[str | None, QueryParameter(name="after", required=False, description="What was answered")]


@form("/heartbeat", right=Open.TO_SIGNED_IN, visitors=True, management=True, looks=True, status_code=204)
async def heartbeat(view: ViewOf, caller: Caller, house: House) -> Response[None]:
    """A page is there, or was closed. No request of a person: nobody stays at work by it."""
    fields = await view.fields()
    loaded = fields.text("page")
    if not _PAGE.fullmatch(loaded):
        raise Invalid("page", "malformed")
    await house.door.look(caller.key, "close" if fields.text("closing") else "beat", loaded)
    return Response(None, status_code=204)


# To read it is no request either: whoever is away stays so while their page asks who needs their place.
@page("/asked", right=Open.TO_SIGNED_IN, visitors=True, management=True, looks=True)
async def asked_page(view: ViewOf, actor: Actor, house: House, after: After = None) -> Answer:
    """Who needs the reader's place at this moment."""
    return await _show(view, actor.account_id, questions=await handovers.search_questions(house.door, actor), given=after == GIVEN)


@form("/asked", right=Open.TO_SIGNED_IN, without_seat=True)
async def answer(view: ViewOf, actor: Actor, house: House) -> Answer:
    """Give the place, ask for a moment, or say no. Who gives it stays signed in."""
    fields = await view.fields()
    handover, word = fields.id("id"), fields.text("answer")
    try:
        if handover is None:
            raise NotFound
        await handovers.reply(house.door, actor, handover, word)
    except (Invalid, NotFound, NotInState) as error:
        questions = await handovers.search_questions(house.door, actor)
        notice = {"title": view.say("Your answer came too late, or changes nothing"), "text": _why(view, error)}
        return await _show(view, actor.account_id, questions=questions, notice=notice, status=status_of(error))
    return view.go(f"/asked?after={GIVEN}" if word == GIVEN else "/")


def _why(view: View, error: DomainError) -> str:
    if isinstance(error, NotInState):
        return say_problem(view.language, CASES["not_in_state", error.facts["state"]], **error.facts)
    return view.say("Nobody asks for your place any more.")


async def _show(view: View, account_id: UUID, **facts: Any) -> Answer:
    known: dict[str, Any] = {"given": False, "notice": None}
    return view.show("asked.html", here="/asked", brand=await brand_of_account(view.house, account_id), **(known | facts))


routes = [heartbeat, asked_page, answer]
