"""The API's description: OpenAPI 3.1 for machines, and one page for people that loads nothing from elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Litestar, MediaType, Request, Response
from litestar.handlers import HTTPRouteHandler

from service.dependencies import House
from service.errors import language_of
from service.problems import LOCALE, TABLE, say
from service.routes import Open, get
from tenants.languages import translations

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Call:
    """One operation, as the page shows it."""

    id: str
    method: str
    path: str
    text: str
    right: str
    parameters: list[tuple[str, str]]
    body: list[tuple[str, str]]
    answers: list[tuple[str, str]]


@get("/api/v1/openapi.json", right=Open.TO_ANYONE, include_in_schema=False, sync_to_thread=False)
def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The description of every call."""
    return Response(msgspec.json.encode(described(request.app)), media_type="application/json")


@get("/api/docs", right=Open.TO_ANYONE, include_in_schema=False, sync_to_thread=False, media_type=MediaType.HTML)
def human_page(request: Request[Any, Any, Any], house: House) -> str:
    """The same for people, and every refusal in words."""
    language = language_of(request, house.settings)
    words = translations(LOCALE, language)
    return _PAGES.get_template("api.html").render(
        language=language,
        _=words.gettext,
        calls=calls_of(described(request.app), _rights(request)),
        problems=[(code, w.status, say(language, w.title), say(language, w.detail)) for code, w in sorted(TABLE.items())],
    )


def described(app: Litestar) -> dict[str, Any]:
    """The OpenAPI document. The framework announces a 400 for every value that it refuses; here it is the 422 beside it.

    It does not say either that bodies are closed: unknown fields are refused.
    """
    document = app.openapi_schema.to_schema()
    for operations in document["paths"].values():
        for method in _METHODS:
            responses = operations.get(method, {}).get("responses", {})
            responses.pop("400", None)
            _sort_headers(responses)
            _close(document, _body(operations.get(method, {})))
    return document


def _sort_headers(responses: dict[str, Any]) -> None:
    # The framework keeps them in a set, whose order is another one in each process.
    for response in responses.values():
        if "headers" in response:
            response["headers"] = dict(sorted(response["headers"].items()))


def calls_of(document: dict[str, Any], rights: dict[str, str]) -> list[Call]:
    """Every operation of an OpenAPI document, in the order of its paths. `rights` is by method and path."""
    return [
        _call(document, method, path, operations[method], rights.get(f"{method.upper()} {path}", ""))
        for path, operations in document["paths"].items()
        for method in _METHODS
        if method in operations
    ]


def documentation_routes() -> list[HTTPRouteHandler]:
    """Both."""
    return [openapi, human_page]


def _body(operation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return found


def _close(document: dict[str, Any], schema: dict[str, Any]) -> None:
    resolved = _resolved(document, schema)
    if "properties" in resolved:
        resolved["additionalProperties"] = False
        for inner in resolved["properties"].values():
            _close(document, inner)


def _call(document: dict[str, Any], method: str, path: str, operation: dict[str, Any], right: str) -> Call:
    body = _resolved(document, _body(operation))
    required = set(body.get("required", ()))
    return Call(
        id=f"{method}{path.replace('/', '-').replace('{', '').replace('}', '')}",
        method=method.upper(),
        path=path,
        text=operation.get("description") or operation.get("summary") or "",
        right=right,
        parameters=[
            (p["name"], _shape(document, p["schema"], p.get("description", ""), required=p.get("required", False)))
            for p in operation.get("parameters", ())
        ],
        body=[
            (name, _shape(document, schema, "", required=name in required)) for name, schema in body.get("properties", {}).items()
        ],
        answers=[(status, answer["description"]) for status, answer in sorted(operation["responses"].items())],
    )


def _shape(document: dict[str, Any], schema: dict[str, Any], text: str, *, required: bool) -> str:
    found = _resolved(document, schema)
    kinds = [_resolved(document, each) for each in found.get("oneOf", (found,))]
    named = " | ".join(dict.fromkeys(_kind(each) for each in kinds))
    limits = [f"{name} {each[name]}" for each in kinds for name in ("minimum", "maximum", "minLength", "maxLength") if name in each]
    parts = [named, *dict.fromkeys(limits), *(["required"] if required else []), text or found.get("description", "")]
    return ", ".join(part for part in parts if part)


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = schema.get("type", "object")
    kind = " | ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _rights(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {
        f"{method} {route.path_format}": str(handler.opt.get("right", ""))
        for route in request.app.routes
        for handler in getattr(route, "route_handlers", ())
        for method in handler.http_methods
    }
