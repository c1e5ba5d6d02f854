"""How a page is declared: with the right that it needs, as every route; read with GET or HEAD, acted upon with POST."""

from collections.abc import Callable
from typing import Any

import litestar
from litestar import MediaType
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from service.routes import Open

Decorator = Callable[[Callable[..., Any]], HTTPRouteHandler]


def page(path: str, *, right: str | Open, visitors: bool = False, **kwargs: Any) -> Decorator:
    """An address that shows something and changes nothing. `visitors` opens to them what is open to whoever is signed in."""
    declared = _declared(right, kwargs, visitors=visitors)
    return litestar.route(path, http_method=[HttpMethod.GET, HttpMethod.HEAD], **declared)


def form(path: str, *, right: str | Open, without_seat: bool = False, visitors: bool = False, **kwargs: Any) -> Decorator:
    """An address that a form of ours posts to. `visitors` as for a page."""
    return litestar.post(path, **_declared(right, kwargs, without_seat=without_seat, visitors=visitors))


def _declared(right: str | Open, kwargs: dict[str, Any], **opt: bool) -> dict[str, Any]:
    return {
        "opt": {"right": right, "page": True, **opt},
        "status_code": 200,
        "media_type": MediaType.HTML,
        "include_in_schema": False,
        **kwargs,
    }
