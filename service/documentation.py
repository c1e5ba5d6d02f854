"""The API's description: OpenAPI 3.1 for machines, and one page for people that loads nothing from elsewhere."""

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler

from service.routes import Open, get


@get("/api/v1/openapi.json", right=Open.TO_ANYONE, include_in_schema=False, sync_to_thread=False)
def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The description of every call."""
    document = request.app.openapi_schema.to_schema()
    return Response(msgspec.json.encode(document), media_type="application/json")


def documentation_routes() -> list[HTTPRouteHandler]:
    """Both."""
    return [openapi]
