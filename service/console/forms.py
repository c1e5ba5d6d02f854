"""Forms that only our own pages can send: bound to the session, or to the browser where nobody is signed in yet."""

import re
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from service.authentication import Caller
from service.console.browser import AnyRequest, form_key
from service.errors import CodedError
from tenants.house import House
from tenants.seat_keys import SessionKey
from tenants.tokens import Purpose, decoded, encoded

TOKEN_FIELD = "form_token"  # noqa: S105 - a field's name
FORM_TYPE = "application/x-www-form-urlencoded"
UPLOAD_TYPE = "multipart/form-data"
_OURS = frozenset({"same-origin", "none"})
_SLUG = re.compile(r"[a-z0-9-]{1,63}")


class Fields:
    """What a form says. A missing field is an empty one; a repeated one counts once, but for whoever asks for `several`."""

    def __init__(self, given: dict[str, str], every: dict[str, list[str]] | None = None) -> None:
        """Take the first value of each field, and `every` one where there may be more."""
        self._given = given
        self._every = every or {}

    def text(self, name: str) -> str:
        """As typed."""
        return self._given.get(name, "")

    def several(self, name: str) -> list[str]:
        """Every value of a field that may be ticked or chosen more than once, without doubles."""
        return list(dict.fromkeys(self._every.get(name, [])))

    def but(self, **other: str) -> "Fields":
        """The same form with other words in these fields."""
        return Fields(self._given | other, self._every | {name: [value] for name, value in other.items()})

    def slug(self, name: str) -> str | None:
        """An account's slug, if it can be one."""
        value = self.text(name)
        return value if _SLUG.fullmatch(value) else None

    def id(self, name: str) -> UUID | None:
        """A UUID, if it is one."""
        try:
            return UUID(self.text(name))
        except ValueError:
            return None


async def fields_of(request: AnyRequest) -> Fields:
    """The fields of the request's form."""
    sent = await request.form()
    every = {name: [value for value in sent.getall(name) if isinstance(value, str)] for name in sent}
    return Fields({name: values[0] for name, values in every.items() if values}, every)


def session_form_token(house: House, key: SessionKey) -> str:
    """For forms of whoever is signed in: worthless in any other session."""
    return encoded(house.signer.tag(Purpose.FORM, b"session", key.session_id.bytes, key.digest))


def public_form_token(house: House, browser_key: str) -> str:
    """For forms of strangers: worthless in any other browser."""
    return encoded(house.signer.tag(Purpose.FORM, b"browser", browser_key.encode()))


def only_our_forms(house: House) -> Guard:
    """A guard: whatever is posted comes from a form of ours, in this browser and this session, or CodedError `form_expired`."""

    async def guard(connection: ASGIConnection, handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]  # guards take any connection
        if connection.scope["method"] != "POST":  # type: ignore[typeddict-item]  # an HTTP route has no websocket
            return
        request: AnyRequest = connection  # type: ignore[assignment]  # an HTTP route's connection is its request
        if not _from_here(request, house.settings.public_url) or request.content_type[0] != _type_of(handler):
            raise CodedError("form_expired")
        expected = _expected(request, house)
        given = decoded((await fields_of(request)).text(TOKEN_FIELD))
        if expected is None or given is None or not house.signer.matches(given, Purpose.FORM, *expected):
            # Of a form with a file in it, nobody will read that.
            await (await request.form()).close()
            raise CodedError("form_expired")

    return guard


def _type_of(handler: BaseRouteHandler) -> str:
    # Only a form with a file in it is sent in parts.
    return UPLOAD_TYPE if handler.opt.get("uploads") else FORM_TYPE


def _expected(request: AnyRequest, house: House) -> tuple[bytes, ...] | None:
    caller: Caller | None = request.scope["state"].get("caller")
    if caller is not None:
        return b"session", caller.key.session_id.bytes, caller.key.digest
    browser_key = form_key(request)
    return (b"browser", browser_key.encode()) if browser_key else None


def _from_here(request: AnyRequest, public_url: str) -> bool:
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in _OURS:
        return False
    # Under `Referrer-Policy: no-referrer` a browser's own form posts say `Origin: null` (Fetch, 3.2); the site header then decides.
    return origin in {None, public_url} or (origin == "null" and site is not None)
