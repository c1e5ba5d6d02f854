"""How a page is declared: with the right that it needs, as every route; read with GET or HEAD, acted upon with POST."""

from collections.abc import Callable
from typing import Any

import litestar
from litestar import MediaType
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from service.routes import Open

Decorator = Callable[[Callable[..., Any]], HTTPRouteHandler]


def page(
    path: str, *, right: str | Open, visitors: bool = False, management: bool = False, looks: bool = False, **kwargs: Any
) -> Decorator:
    """An address that shows something and changes nothing.

    `visitors` opens to them what is open to whoever is signed in, `management` to whoever is there to manage without a place. Whoever
    `looks` needs no place, and keeps none by it.
    """
    declared = _declared(right, kwargs, visitors=visitors, management=management, looks=looks)
    return litestar.route(path, http_method=[HttpMethod.GET, HttpMethod.HEAD], **declared)


def form(
    path: str,
    *,
    right: str | Open,
    without_seat: bool = False,
    visitors: bool = False,
    management: bool = False,
    looks: bool = False,
    **kwargs: Any,
) -> Decorator:
    """An address that a form of ours posts to, as a page; `without_seat` needs no place, and keeps the one there is."""
    opt = {"without_seat": without_seat, "visitors": visitors, "management": management, "looks": looks}
    return litestar.post(path, **_declared(right, kwargs, **opt))


def _declared(right: str | Open, kwargs: dict[str, Any], **opt: bool) -> dict[str, Any]:
    return {
        "opt": {"right": right, "page": True, **opt, **kwargs.pop("opt", {})},
        "status_code": 200,
        "media_type": MediaType.HTML,
        "include_in_schema": False,
        **kwargs,
    }
