"""Every page of the console, as one router."""

from typing import Any

from litestar import Request, Router
from litestar.di import Provide
from litestar.types import Middleware

from service.console import (
    activity_exports,
    assets,
    brand_files,
    email_changes,
    entering,
    holding,
    home,
    invitations,
    line,
    passwords,
    seat_requests,
    waiting,
)
from service.console.events import event_route
from service.console.forms import only_our_forms
from service.console.refusals import page_handlers
from service.console.view import View
from tenants.house import House


def console_routes(house: House, *, gate: Middleware) -> Router:
    """The console, behind the gate that recognises callers; what its pages refuse, they refuse as pages."""

    def the_view(request: Request[Any, Any, Any]) -> View:
        return View(request, house)

    return Router(
        "/",
        route_handlers=[
            *home.routes,
            event_route(house),
            *entering.routes,
            *waiting.routes,
            *holding.routes,
            *line.routes,
            *passwords.routes,
            *invitations.routes,
            *email_changes.routes,
            *seat_requests.routes,
            *activity_exports.routes,
            *assets.routes,
            *brand_files.routes,
        ],
        middleware=[gate],
        guards=[only_our_forms(house)],
        dependencies={"view": Provide(the_view, sync_to_thread=False)},
        exception_handlers=page_handlers(house),
    )
