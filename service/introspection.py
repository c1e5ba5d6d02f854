"""Token introspection (RFC 7662): the vendor's application asks with an API key whose session a token is, and what they may do."""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl
from uuid import UUID

import litestar
import msgspec
from litestar import Request, Router
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, Reference, RequestBody, Schema
from litestar.types import Middleware
from msgspec import UNSET, UnsetType

from service.authentication import Caller, Recognition
from service.errors import CodedError, exception_handlers
from service.problems import MEDIA_TYPE, Problem
from service.routes import body_type
from tenants.api_keys import KeyScope
from tenants.errors import Invalid, NotSignedIn, SeatsFull

_FORM = "application/x-www-form-urlencoded"
_LARGEST_FORM = 10_000  # bytes
_MOST_FIELDS = 20


class Introspection(msgspec.Struct, omit_defaults=True):
    """`{"active": false}` for whatever is no live session of the key's account, whoever's it may be.

    A live session without a seat, when none is free, is not active either: `code` is `seats_full` then, `in_use` of `seats` are taken.
    Nor is a management session, which holds none.
    Of an active one: `sub` is the user (of a visitor the visit, which is no user of the account), `username` the address, `account` an
    id, `departments` null for all of them, `iat` and `exp` seconds since 1970; a visitor has `visit`, the company that they come from.
    """

    active: bool
    sub: UUID | UnsetType = UNSET
    username: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    account: UUID | UnsetType = UNSET
    account_slug: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    rights: list[str] | UnsetType = UNSET
    departments: list[UUID] | UnsetType | None = UNSET
    session: UUID | UnsetType = UNSET
    iat: int | UnsetType = UNSET
    exp: int | UnsetType = UNSET
    token_type: Literal["Bearer"] | UnsetType = UNSET
    visit: str | UnsetType = UNSET
    code: Literal["seats_full"] | UnsetType = UNSET
    seats: int | UnsetType = UNSET
    in_use: int | UnsetType = UNSET


_INACTIVE = Introspection(active=False)


@dataclass
class _TakesForm(Operation):
    """Describes the form, which the handler reads."""

    def __post_init__(self) -> None:
        fields: dict[str, Reference | Schema] = {
            "token": Schema(type=OpenAPIType.STRING, description="The session's token, as the application was given it"),
            "token_type_hint": Schema(type=OpenAPIType.STRING, description="Ignored"),
        }
        schema = Schema(type=OpenAPIType.OBJECT, properties=fields, required=["token"])
        self.request_body = RequestBody(content={_FORM: OpenAPIMediaType(schema=schema)}, required=True)


def introspection_routes(recognition: Recognition, *, gate: Middleware) -> Router:
    """The route, behind the middleware that checks its key."""

    @litestar.post(
        "/introspect",
        opt={"right": KeyScope.SESSIONS_INTROSPECT},
        status_code=200,
        request_max_body_size=_LARGEST_FORM,
        operation_class=_TakesForm,
        responses=_REFUSALS,
        security=[{"key": []}, {"key_as_password": []}],
    )
    async def introspect(request: Request[Any, Any, Any]) -> Introspection:
        """Whose session is this token, and what may they do? RFC 7662; for API keys with the scope `sessions.introspect`.

        Asking is a request made with the session: it keeps the session's seat, or takes a free one. The key itself uses none.
        """
        key = request.scope["state"]["api_key"]
        return await introspected(recognition, key.account_id, await _token(request))

    return Router(
        "/oauth", route_handlers=[introspect], middleware=[gate], exception_handlers=exception_handlers(recognition.house.settings)
    )


async def introspected(recognition: Recognition, account_id: UUID, token: str) -> Introspection:
    """What an application of the account learns of a token. Takes or keeps the session's seat, if it is one of the account's.

    Raises Unavailable.
    """
    key = recognition.house.tokens.read(token)
    if key is None or key.account_id != account_id:
        return _INACTIVE
    try:
        caller = await recognition.caller(token, briefly=True)
    except NotSignedIn:
        return _INACTIVE
    except SeatsFull as full:
        return Introspection(active=False, code="seats_full", seats=full.facts["seats"], in_use=full.facts["in_use"])
    # Whoever came only to make room is not at work in the application.
    return _INACTIVE if caller.known.blob.management else _active(recognition, caller)


def _active(recognition: Recognition, caller: Caller) -> Introspection:
    blob, actor = caller.known.blob, caller.actor
    return Introspection(
        active=True,
        sub=blob.caller_id,
        username=blob.email,
        name=blob.name or blob.email,
        account=blob.account_id,
        account_slug=blob.account_slug,
        role=blob.role,
        rights=[right for right in recognition.house.catalogue.rights if right in actor.rights],
        departments=blob.departments,
        session=blob.session_id,
        iat=int(blob.started_at.timestamp()),
        exp=int(blob.expires_at.timestamp()),
        token_type="Bearer",  # noqa: S106 - RFC 6749's name for the kind
        visit=blob.visit.account_name if blob.visit else UNSET,
    )


async def _token(request: Request[Any, Any, Any]) -> str:
    # RFC 6749, 3.2: what is not known is ignored, and nothing may be given twice.
    if body_type(request) != _FORM:
        raise CodedError("not_a_form")
    try:
        fields = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Invalid("body", "malformed") from None
    given = [value for name, value in fields if name == "token"]
    if not given or not given[0]:
        raise Invalid("token", "required")
    if len(given) > 1:
        raise Invalid("token", "repeated")
    return given[0]


_REFUSALS = {
    status: ResponseSpec(Problem, media_type=MEDIA_TYPE, generate_examples=False, description=text)
    for status, text in {
        401: "`invalid_key`: no API key, or one that is unknown, revoked or expired",
        403: "The key lacks the scope, the account is suspended or closed, or its licence lacks the option `api`",
        413: "The body is too large",
        415: "The body is not a form",
        422: "A value breaks a rule; `errors` names each",
        503: "A part is away or busy; come back after `Retry-After` seconds",
    }.items()
}
