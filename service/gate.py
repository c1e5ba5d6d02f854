"""The gate's question: may whoever sends this request do that now? Asked by a proxy in front of the vendor's application."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

import litestar
from litestar import Request, Response, Router
from litestar.datastructures import ResponseHeader
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.types import ExceptionHandlersMap, Middleware, Scope

from service.authentication import Answer, Caller, bearer_or_cookie
from service.errors import document_of
from service.identity_headers import visible
from service.problems import MEDIA_TYPE, Problem
from service.routes import Open
from service.sign_in_address import sign_in_address
from tenants.catalogue import Catalogue
from tenants.errors import Forbidden, Invalid
from tenants.house import House
from tenants.settings import Settings

_LONGEST_QUERY = 300  # bytes
_MOST_QUESTIONS = 10_000
# A proxy passes 401 and 403 on and makes an error of its own of everything else; the last two are errors.
_SAID_AS_THEY_ARE = frozenset({401, 500, 503})


class Question(NamedTuple):
    """What is asked. Without a right: is somebody at work? Without a department: in any of theirs?"""

    right: str | None
    department: UUID | None


def gate_routes(house: House, *, gate: Middleware) -> Router:
    """The gate, behind the middleware that recognises callers and answers for it."""
    opt: dict[str, Any] = {
        "right": Open.TO_SIGNED_IN,
        "visitors": True,
        "briefly": True,
        "token": bearer_or_cookie,
        "answer": answers(house.catalogue),
    }

    @litestar.get(
        "/check",
        opt=opt,
        sync_to_thread=False,
        responses=_REFUSALS,
        response_headers=_IDENTITY,
        security=[{"session": []}, {"cookie": []}],
    )
    def check(
        right: Annotated[str | None, QueryParameter(description="A right of the catalogue, such as `invoices.delete`")] = None,
        department: Annotated[UUID | None, QueryParameter(description="The department for which it is asked")] = None,
    ) -> None:
        """May whoever sends this do that now? Takes or keeps their seat. For a proxy's forward authentication: never redirects."""
        raise NotImplementedError

    @litestar.head("/check", opt=opt, sync_to_thread=False, include_in_schema=False)
    def check_head() -> None:
        """The same: the answer has no body anyway."""
        raise NotImplementedError

    return Router("/gate", route_handlers=[check, check_head], middleware=[gate], exception_handlers=refusals(house.settings))


def answers(catalogue: Catalogue) -> Callable[[Caller, Scope], Answer]:
    """From a caller and what is asked about them to the headers that say who they are. Raises Invalid or Forbidden."""

    @lru_cache(maxsize=_MOST_QUESTIONS)
    def read(query: bytes) -> Question:
        return question(catalogue, query)

    def answer(caller: Caller, scope: Scope) -> Answer:
        known = caller.known
        right, department = read(scope["query_string"])
        if right is not None and right not in known.actor.rights:
            raise Forbidden(right=right)
        # One answer for the departments of others and for those that never were.
        if department is not None and department not in known.departments:
            raise Forbidden(lacking="department")
        return known.identity[caller.seat], b""

    return answer


def question(catalogue: Catalogue, query: bytes) -> Question:
    """What a query string asks. Raises Invalid, which names the parameter that is unknown, repeated or malformed."""
    if len(query) > _LONGEST_QUERY:
        raise Invalid("query", "too_long", max=_LONGEST_QUERY)
    given: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in Question._fields:
            raise Invalid(re.sub(r"[^\w.-]", "", name, flags=re.ASCII)[:60], "unknown_field")
        if name in given:
            raise Invalid(name, "repeated")
        given[name] = value
    right, department = given.get("right"), given.get("department")
    if right is not None and right not in catalogue.rights:
        raise Invalid("right", "unknown")
    return Question(right, None if department is None else _department(department))


def _department(text: str) -> UUID:
    try:
        found = UUID(text)
    except ValueError:
        raise Invalid("department", "malformed") from None
    # The library also reads braces, `urn:` and digits without hyphens.
    if str(found) != text.lower():
        raise Invalid("department", "malformed")
    return found


def refusals(settings: Settings) -> ExceptionHandlersMap:
    """Every refusal as 401, 403 or 503, with its code where a proxy can read it."""
    sign_in = sign_in_address(settings)

    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
        document = document_of(request, error, settings)
        status = document["status"] if document["status"] in _SAID_AS_THEY_ARE else 403
        headers = {"x-portillon-code": document["code"]}
        if status == 401:
            headers |= {"www-authenticate": "Bearer", "x-portillon-sign-in": visible(document.get("sign_in", sign_in))}
        if "retry_after" in document:
            headers["retry-after"] = str(document["retry_after"])
        return Response({**document, "status": status}, status_code=status, media_type=MEDIA_TYPE, headers=headers)

    return {Exception: answer, HTTPException: answer}


_ENCODED = "percent-encoded (RFC 3986, UTF-8) but for visible ASCII"
_IDENTITY = [
    ResponseHeader(name=name, description=text, documentation_only=True)
    for name, text in {
        "X-Portillon-User": "Id of the user; of a visitor the id of the visit, which is no user of the account",
        "X-Portillon-Email": f"Their address, {_ENCODED}",
        "X-Portillon-Name": f"Their name, or their address where there is none, {_ENCODED}",
        "X-Portillon-Account": "Id of the account",
        "X-Portillon-Account-Slug": "Its short name",
        "X-Portillon-Role": "Key of a built-in role, or id of one that the account made; `visitor` of a visitor",
        "X-Portillon-Departments": "Ids, separated by commas; `*` for all of them, `none` for none",
        "X-Portillon-Session": "Id of the session",
        "X-Portillon-Seat": "`pool`: the seat counts among those of the licence; `allowance`: an accountant's, beside them; "
        "`visit`: a visitor, who holds none",
        "X-Portillon-Visit": f"Of a visitor alone: their name and the company that they come from, {_ENCODED}",
    }.items()
]
_REFUSALS = {
    status: ResponseSpec(Problem, media_type="application/problem+json", generate_examples=False, description=text)
    for status, text in {
        401: "Nobody is signed in: `X-Portillon-Code` is `not_signed_in`, `X-Portillon-Sign-In` the address of the sign-in page",
        403: "`X-Portillon-Code` says why: `forbidden`; `seats_full`, no place is free; `invalid`, the question itself is wrong",
        503: "A part is away: nobody is let through; come back after `Retry-After` seconds",
    }.items()
}
