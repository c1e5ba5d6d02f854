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
_OURS = frozenset({"same-origin", "none"})
_SLUG = re.compile(r"[a-z0-9-]{1,63}")


class Fields:
    """What a form says. A missing field is an empty one; a repeated one counts once."""

    def __init__(self, given: dict[str, str]) -> None:
        """Take the first value of each field."""
        self._given = given

    def text(self, name: str) -> str:
        """As typed."""
        return self._given.get(name, "")

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
    return Fields({name: value for name in sent if isinstance(value := sent.getone(name), str)})


def session_form_token(house: House, key: SessionKey) -> str:
    """For forms of whoever is signed in: worthless in any other session."""
    return encoded(house.signer.tag(Purpose.FORM, b"session", key.session_id.bytes, key.digest))


def public_form_token(house: House, browser_key: str) -> str:
    """For forms of strangers: worthless in any other browser."""
    return encoded(house.signer.tag(Purpose.FORM, b"browser", browser_key.encode()))


def only_our_forms(house: House) -> Guard:
    """A guard: whatever is posted comes from a form of ours, in this browser and this session, or CodedError `form_expired`."""

    async def guard(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]  # guards take any connection
        if connection.scope["method"] != "POST":  # type: ignore[typeddict-item]  # an HTTP route has no websocket
            return
        request: AnyRequest = connection  # type: ignore[assignment]  # an HTTP route's connection is its request
        if not _from_here(request, house.settings.public_url) or request.content_type[0] != FORM_TYPE:
            raise CodedError("form_expired")
        expected = _expected(request, house)
        given = decoded((await fields_of(request)).text(TOKEN_FIELD))
        if expected is None or given is None or not house.signer.matches(given, Purpose.FORM, *expected):
            raise CodedError("form_expired")

    return guard


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
