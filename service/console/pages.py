"""Every page of the console, as one router."""

from typing import Any

from litestar import Request, Router
from litestar.di import Provide
from litestar.types import Middleware

from service.console import (
    activity_exports,
    assets,
    brand_files,
    brand_settings,
    client_boosts,
    client_licences,
    client_page,
    client_requests,
    clients,
    connections,
    departments,
    email_changes,
    entering,
    history,
    history_exports,
    history_line,
    holding,
    home,
    invitations,
    invite,
    invite_many,
    invite_pending,
    licence,
    limit_page,
    line,
    own_account,
    own_history,
    passwords,
    pool_page,
    role_page,
    roles,
    seat_requests,
    settings,
    settings_keys,
    settings_visits,
    system,
    user_changes,
    user_history,
    user_rights,
    user_sessions,
    user_view,
    users,
    users_together,
    visits,
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
            *connections.routes,
            *licence.routes,
            event_route(house),
            *entering.routes,
            *waiting.routes,
            *limit_page.routes,
            *holding.routes,
            *line.routes,
            *passwords.routes,
            *invitations.routes,
            *email_changes.routes,
            *own_account.routes,
            *own_history.routes,
            *seat_requests.routes,
            *history.routes,
            *history_exports.routes,
            *activity_exports.routes,
            *history_line.routes,
            *users.routes,
            *users_together.routes,
            *user_view.routes,
            *user_changes.routes,
            *user_rights.routes,
            *user_sessions.routes,
            *user_history.routes,
            *invite.routes,
            *invite_many.routes,
            *invite_pending.routes,
            *departments.routes,
            *roles.routes,
            *role_page.routes,
            *settings.routes,
            *settings_visits.routes,
            *settings_keys.routes,
            *clients.routes,
            *client_page.routes,
            *visits.routes,
            *client_licences.routes,
            *client_boosts.routes,
            *client_requests.routes,
            *pool_page.routes,
            *brand_settings.routes,
            *system.routes,
            *assets.routes,
            *brand_files.routes,
        ],
        middleware=[gate],
        guards=[only_our_forms(house)],
        dependencies={"view": Provide(the_view, sync_to_thread=False)},
        exception_handlers=page_handlers(house),
    )
