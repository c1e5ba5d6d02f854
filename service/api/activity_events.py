"""What the vendor's application adds to the history of an account, with an API key."""

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from service.dependencies import House, Origin
from service.problems import MEDIA_TYPE, Problem
from service.routes import post
from tenants import activity_intake
from tenants.api_keys import KeyScope
from tenants.bearer_tokens import Bearer
from tenants.document_events import MOST_EVENTS, DocumentEvent


class EventBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Events about documents, in any order."""

    events: Annotated[list[DocumentEvent], msgspec.Meta(min_length=1, max_length=MOST_EVENTS)]


class Taken(msgspec.Struct):
    """What became of the batch: lines written, events whose key was known already, and events that the account does not keep."""

    accepted: int
    duplicates: int
    dropped: int


_REFUSALS = {
    status: ResponseSpec(Problem, media_type=MEDIA_TYPE, generate_examples=False, description=text)
    for status, text in {
        401: "`invalid_key`: no API key, or one that is unknown, revoked or expired",
        403: "The key lacks the scope, the account is suspended or closed, or its licence lacks the option `api`",
        409: "`documents_refused`: the account refuses events about documents",
        429: "`too_many_events`: the key sent more than its rate; come back after `Retry-After` seconds",
    }.items()
}


@post("/activity", right=KeyScope.ACTIVITY_WRITE, status_code=202, refuses=(413,), responses=_REFUSALS)
async def add_events(data: JSONBody[EventBatch], request: Request[Any, Any, Any], house: House, origin: Origin) -> Taken:
    """Add events about documents to the account's history; for API keys with the scope `activity.write`.

    All of them are written, or none: 422 names the first that breaks a rule as `events[3].user_id`. An event with a `key` that was sent
    before is a duplicate and writes nothing, so a batch whose answer was lost is simply sent again: `Idempotency-Key` is not needed, and
    not read. An event may come up to 31 days late, with its own `at`, and never more than five minutes ahead; its key is known for 32
    days. `details` are at most 4,096 bytes of JSON and 4 levels deep; the target type `user` is Portillon's own. Events are dropped,
    and said to be, where the account's `activity_documents` or its licence does not keep them. One key may send 200,000 events a minute
    unless the installation says otherwise.
    """
    key: Bearer = request.scope["state"]["api_key"]
    await house.event_rate.take(key.row_id, len(data.events))
    taken = await activity_intake.take_in(house.database, key, data.events, origin=origin)
    return Taken(taken.accepted, taken.duplicates, taken.dropped)


routes = [add_events]
