"""Wiring and nothing else: settings in, application out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from litestar import Litestar, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Middleware

from service import health
from service.access_log import AccessLog
from service.api import (
    account,
    activity,
    activity_events,
    activity_exports,
    api_keys,
    batches,
    boosts,
    brands,
    client_licences,
    clients,
    departments,
    email_changes,
    events,
    overview,
    passwords,
    personal_data,
    rights,
    roles,
    seat_handovers,
    seat_requests,
    seats,
    sessions,
    slugs,
    usage,
    users,
    visits,
)
from service.authentication import COOKIE, Recognition, authentication
from service.bodies import StrictRequest
from service.console.pages import console_routes
from service.console.refusals import for_browsers
from service.dependencies import dependencies
from service.documentation import documentation_routes
from service.doorbell import open_bell
from service.errors import exception_handlers
from service.front import Front
from service.gate import gate_routes
from service.idempotency import idempotent
from service.introspection import introspection_routes
from service.mailbox import mailbox_routes
from tenants.activity_months import make_months_at_start
from tenants.house import House, open_house
from tenants.settings import Settings

VERSION = "0.1.0"
API = (
    sessions,
    events,
    passwords,
    email_changes,
    users,
    batches,
    account,
    clients,
    overview,
    client_licences,
    boosts,
    slugs,
    roles,
    departments,
    rights,
    seat_requests,
    seats,
    seat_handovers,
    usage,
    brands,
    visits,
    api_keys,
    activity,
    activity_events,
    activity_exports,
    personal_data,
)
LARGEST_BODY = 1_100_000  # bytes


def create_app(settings: Settings, *, house: House | None = None, access_log: AccessLog | None = None) -> Front:
    """The whole service. Opens a house of its own unless one is given (and then leaves it open at the end)."""
    bell, close_bell = open_bell(settings) if house is None else (None, None)
    ours = house or open_house(settings, bell=bell)
    log = access_log or AccessLog()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        if house is None:
            ours.later(make_months_at_start(ours.database))
        try:
            yield
        finally:
            log.flush()
            if house is None:
                await ours.close()
            if close_bell is not None:
                await close_bell()

    return Front(build(ours, lifespan=lifespan), settings, log, leave=ours.happenings.stop)


def build(house: House, *, lifespan: object = None) -> Litestar:
    """The routes, without the outermost layer."""
    settings = house.settings
    recognition = Recognition(house)
    gate: Middleware = authentication(recognition)
    api = Router(
        "/api/v1",
        route_handlers=[route for room in API for route in room.routes],
        middleware=[gate, idempotent(house)],
        request_class=StrictRequest,
        exception_handlers=exception_handlers(settings),
    )
    plain = Router(
        "/",
        route_handlers=[
            health.live,
            health.ready,
            *documentation_routes(),
            *(mailbox_routes(Path(settings.mailbox_dir)) if settings.mailbox_dir else []),
        ],
        middleware=[gate],
    )
    return Litestar(
        route_handlers=[
            api,
            plain,
            gate_routes(house, gate=gate),
            introspection_routes(recognition, gate=gate),
            console_routes(house, gate=gate),
        ],
        dependencies=dependencies(house),
        exception_handlers=for_browsers(house, otherwise=exception_handlers(settings)),
        lifespan=[lifespan] if lifespan else [],  # type: ignore[list-item]  # a context manager over the application
        openapi_config=OpenAPIConfig(
            title="Portillon",
            version=VERSION,
            description="The gate of business web applications: accounts, people, roles, and how many may work at the same time.",
            components=Components(
                security_schemes={
                    "session": SecurityScheme(type="http", scheme="bearer"),
                    "key": SecurityScheme(type="http", scheme="bearer", description="An API key"),
                    "key_as_password": SecurityScheme(type="http", scheme="basic", description="An API key, with any name"),
                    "cookie": SecurityScheme(type="apiKey", security_scheme_in="cookie", name=COOKIE.decode()),
                }
            ),
            # The document is served by `service.documentation`; the framework's own pages load scripts from elsewhere.
            openapi_router=Router("/api/v1/_", route_handlers=[], guards=[_nobody], include_in_schema=False),
            render_plugins=[JsonRenderPlugin()],
            use_handler_docstrings=True,
        ),
        request_max_body_size=LARGEST_BODY,
        logging_config=None,
        debug=False,
    )


def _nobody(_: object, __: object) -> None:
    raise NotFoundException
