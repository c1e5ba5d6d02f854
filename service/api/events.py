"""What happens to one's session and its seat, as it happens."""

from typing import Annotated

from litestar.params import HeaderParameter

from service.events import MEDIA_TYPE, stream
from service.routes import Open, get

LastEvent = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", description="The last `id` that was received: what came after it is sent first"),
]


@get(
    "/session/events",
    right=Open.TO_SIGNED_IN,
    opt={"streams": stream, "looks": True, "without_seat": True, "visitors": True, "management": True},
    media_type=MEDIA_TYPE,
    sync_to_thread=False,
)
def listen(last_event_id: LastEvent = None) -> str:
    """Server-sent events of the caller's session; listening keeps no seat and takes none.

    `ended` {reason, by, at, sign_in}: the session is over, and the stream with it. `seat_requested` {id, name, again, may_later}: a
    colleague asks for this seat; `seat_request_over` {id}: no longer. `seat_offered` {until}: a seat is held for this person.
    `seat_taken` {why, by}: this person's seat is gone. `seats` {in_use, seats}: at the beginning, and when they change, once a second
    at most. Of more than six streams of a session on one server the oldest ends. Sent by the authentication itself.
    """
    raise NotImplementedError


routes = [listen]
