"""One's own data, to take away: everything that is kept about whoever is signed in, from all of their companies, as one file."""

from typing import Annotated

from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Stream

from service.dependencies import Actor, House, Work
from service.personal_data import PersonalData, streamed, take_away
from service.routes import Open, get

WithActivity = Annotated[bool, QueryParameter(description="Whether lines of the history belong to it")]
_DESCRIBED = {200: ResponseSpec(PersonalData, media_type="application/json", generate_examples=False, description="A file to keep")}


@get("/me/data", right=Open.TO_SIGNED_IN, responses=_DESCRIBED)
async def read_personal_data(work: Work, house: House, actor: Actor, activity: WithActivity = True) -> Stream:
    """Everything that is kept about the caller, in every company of theirs, as a file. Their history tells that it was taken."""
    async with work() as session:
        kept = await take_away(session, actor)
    return streamed(house.database, kept, activity=activity)


routes = [read_personal_data]
