"""The events of a page's session: those of the API, for a browser that can send a cookie and no header."""

import litestar
from litestar.handlers import HTTPRouteHandler

from service.errors import exception_handlers
from service.events import MEDIA_TYPE, stream
from service.routes import Open
from tenants.house import House


def event_route(house: House) -> HTTPRouteHandler:
    """`GET /events`. What it refuses, it refuses as the API does: nobody looks at it."""

    @litestar.get(
        "/events",
        opt={
            "right": Open.TO_SIGNED_IN,
            "page": True,
            "streams": stream,
            "looks": True,
            "without_seat": True,
            "visitors": True,
            "management": True,
        },
        media_type=MEDIA_TYPE,
        include_in_schema=False,
        exception_handlers=exception_handlers(house.settings),
        sync_to_thread=False,
    )
    def listen() -> str:
        """Sent by the authentication itself."""
        raise NotImplementedError

    return listen
