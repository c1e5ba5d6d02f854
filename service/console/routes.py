"""How a page is declared: with the right that it needs, as every route; read with GET or HEAD, acted upon with POST."""

from collections.abc import Callable
from typing import Any

import litestar
from litestar import MediaType
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from service.routes import Open

Decorator = Callable[[Callable[..., Any]], HTTPRouteHandler]


def page(path: str, *, right: str | Open, **kwargs: Any) -> Decorator:
    """An address that shows something and changes nothing."""
    return litestar.route(path, http_method=[HttpMethod.GET, HttpMethod.HEAD], **_declared(right, kwargs))


def form(path: str, *, right: str | Open, without_seat: bool = False, **kwargs: Any) -> Decorator:
    """An address that a form of ours posts to."""
    return litestar.post(path, **_declared(right, kwargs, without_seat=without_seat))


def _declared(right: str | Open, kwargs: dict[str, Any], **opt: bool) -> dict[str, Any]:
    return {
        "opt": {"right": right, "page": True, **opt},
        "status_code": 200,
        "media_type": MediaType.HTML,
        "include_in_schema": False,
        **kwargs,
    }
