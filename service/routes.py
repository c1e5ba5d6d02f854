"""How a route is declared: with the right that it needs. A route that names none is closed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from service.errors import CodedError
from service.problems import Problem
from tenants.api_keys import KeyScope

Connection = ASGIConnection[Any, Any, Any, Any]
Decorator = Callable[[Callable[..., Any]], HTTPRouteHandler]


class Open(StrEnum):
    """Deliberately not behind a right."""

    TO_ANYONE = "to anyone"
    TO_SIGNED_IN = "to whoever is signed in"


@dataclass
class BodyOptional(Operation):
    """For OpenAPI: the route's body may be left out, as its handler's default says."""

    def __post_init__(self) -> None:
        """Correct what the framework says of every body."""
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = False


def get(path: str, *, right: str | Open, refuses: Iterable[int] = (), **kwargs: Any) -> Decorator:
    """A route that reads. `refuses` names the statuses of its own refusals, for OpenAPI."""
    return litestar.get(path, **_declared(right, refuses, kwargs))


def post(
    path: str,
    *,
    right: str | Open,
    refuses: Iterable[int] = (),
    reads: Mapping[str, Callable[[bytes], Any]] | None = None,
    **kwargs: Any,
) -> Decorator:
    """A route that creates or does. `reads` names other types of body than JSON, each with what makes the handler's `data` of it."""
    if reads:
        kwargs = {**kwargs, "opt": {**kwargs.get("opt", {}), "reads": reads}, "operation_class": _TakesCsv}
    return litestar.post(path, guards=[_only_json], **_declared(right, {415, *refuses}, kwargs))


def put(path: str, *, right: str | Open, refuses: Iterable[int] = (), takes: tuple[str, ...] = (), **kwargs: Any) -> Decorator:
    """A route that replaces. `takes` names the types of a body that is a picture, and then nothing else is taken; the handler reads it."""
    if takes:
        kwargs = {**kwargs, "opt": {**kwargs.get("opt", {}), "takes": takes}, "operation_class": _taking(takes)}
    return litestar.put(path, guards=[_only_json], **_declared(right, {415, *refuses}, kwargs))


def patch(path: str, *, right: str | Open, refuses: Iterable[int] = (), **kwargs: Any) -> Decorator:
    """A route that changes the fields given."""
    return litestar.patch(path, guards=[_only_json], **_declared(right, {415, *refuses}, kwargs))


def delete(path: str, *, right: str | Open, refuses: Iterable[int] = (), **kwargs: Any) -> Decorator:
    """A route that ends something."""
    return litestar.delete(path, **_declared(right, refuses, kwargs))


def body_type(connection: Connection) -> str:
    """The media type of the body, without its parameters; JSON where none is named."""
    return connection.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


async def _only_json(connection: Connection, handler: BaseRouteHandler) -> None:
    pictures = handler.opt.get("takes")
    if pictures:
        if body_type(connection) not in pictures:
            raise CodedError("not_a_picture")
        return
    others = handler.opt.get("reads", {})
    if body_type(connection) not in {"application/json", *others}:
        raise CodedError("neither_json_nor_csv" if others else "not_acceptable_media_type")


@dataclass
class _TakesCsv(Operation):
    """Describes the CSV body beside the JSON one."""

    def __post_init__(self) -> None:
        if isinstance(self.request_body, RequestBody):
            self.request_body.content["text/csv"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


def _taking(types: tuple[str, ...]) -> type[Operation]:
    @dataclass
    class TakesPictures(Operation):
        """Describes a body that is a picture."""

        def __post_init__(self) -> None:
            picture = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY))
            self.request_body = RequestBody(content=dict.fromkeys(types, picture), required=True)

    return TakesPictures


def _declared(right: str | Open, refuses: Iterable[int], kwargs: dict[str, Any]) -> dict[str, Any]:
    statuses = {422, 503, *refuses}
    if right is not Open.TO_ANYONE:
        statuses |= {401, 409}
    if not isinstance(right, Open) or (right is Open.TO_SIGNED_IN and not kwargs.get("opt", {}).get("visitors")):
        statuses.add(403)
    responses = {
        status: ResponseSpec(Problem, media_type="application/problem+json", generate_examples=False, description=_WORDS[status])
        for status in sorted(statuses)
    }
    security: list[dict[str, list[str]]] = [] if right is Open.TO_ANYONE else [{"session": []}]
    if isinstance(right, KeyScope):
        security = [{"key": []}, {"key_as_password": []}]
    return {
        "opt": {"right": right, **kwargs.pop("opt", {})},
        "responses": {**responses, **kwargs.pop("responses", {})},
        "security": security,
        **kwargs,
    }


_WORDS = {
    401: "Not signed in, or wrong credentials",
    403: "The right is missing, or the person may not enter",
    404: "No such thing here",
    409: "The state of things forbids it: `seats_full`, `quota_reached` and others",
    410: "The link is expired, used or not one of ours",
    412: "Another version is current",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "A value breaks a rule; `errors` names each",
    428: "`If-Match` is required",
    429: "Too many attempts",
    503: "A part is away or busy; come back after `Retry-After` seconds",
}
