"""What the browser keeps for us, and where it may be sent: cookies, languages, and paths on this origin."""

import re
import secrets
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie

from service.authentication import COOKIE, Caller, cookie_value
from tenants.catalogue import LANGUAGES
from tenants.house import House
from tenants.languages import chosen_language
from tenants.seat_keys import SessionKey
from tenants.settings import Settings

AnyRequest = Request[Any, Any, Any]

FORM_COOKIE = "__Host-portillon-form"
WAITING_COOKIE = "__Host-portillon-wait"
HOME_COOKIE = "__Host-portillon-home"
LANGUAGE_COOKIE = "portillon-language"
_ONE_YEAR = 365 * 24 * 3600
_FORM_KEY = re.compile(r"[A-Za-z0-9_-]{43}")
# An allow-list: browsers drop tabs and line breaks, and read a backslash, or a second slash, as the start of another host.
_OWN_PATH = re.compile(r"/(?:[A-Za-z0-9._~%-][A-Za-z0-9._~%?&=+-]*(?:/[A-Za-z0-9._~%?&=+-]+)*/?)?")
_LONGEST_PATH = 500


def session_key(request: AnyRequest, house: House) -> SessionKey | None:
    """Where the cookie's token leads, alive or not; None for what was never one of ours."""
    token = cookie_value(request.scope)
    return house.tokens.read(token) if token else None


def session_cookie(token: str) -> Cookie:
    """The session's cookie: this host only, over TLS (or localhost) only, out of reach of scripts, gone with the browser."""
    return _cookie(COOKIE.decode(), token)


def no_session_cookie() -> Cookie:
    """Makes the browser forget the session."""
    return _cookie(COOKIE.decode(), "", max_age=0)


def waiting_ticket(request: AnyRequest) -> str:
    """The ticket of whoever waits for a place in this browser; empty when nobody does."""
    return request.cookies.get(WAITING_COOKIE, "")


def waiting_cookie(ticket: str) -> Cookie:
    """So that a page which is only read knows who waits: a ticket has no business in an address. Gone with the browser."""
    return _cookie(WAITING_COOKIE, ticket)


def no_waiting_cookie() -> Cookie:
    """Nobody waits here any more."""
    return _cookie(WAITING_COOKIE, "", max_age=0)


def home_key(request: AnyRequest, house: House) -> SessionKey | None:
    """The session that whoever is on a visit in this browser came from; None where nobody is."""
    return house.tokens.read(request.cookies.get(HOME_COOKIE, ""))


def home_token(request: AnyRequest) -> str:
    """Its token; empty where nobody is on a visit."""
    return request.cookies.get(HOME_COOKIE, "")


def home_cookie(token: str) -> Cookie:
    """So that the end of a visit leads back to the session that it began from. Gone with the browser."""
    return _cookie(HOME_COOKIE, token)


def no_home_cookie() -> Cookie:
    """The visit is over: its visitor is back, or somebody else is here."""
    return _cookie(HOME_COOKIE, "", max_age=0)


def form_key(request: AnyRequest) -> str | None:
    """The random key that forms for strangers are bound to, if the browser has one."""
    found = request.cookies.get(FORM_COOKIE, "")
    return found if _FORM_KEY.fullmatch(found) else None


def new_form_key() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def form_cookie(key: str) -> Cookie:
    """Lax, not Strict: a link in a mail must not replace the key of forms that are open in other tabs."""
    return _cookie(FORM_COOKIE, key)


def language_cookie(language: str, settings: Settings) -> Cookie:
    """The reader's choice, for a year."""
    secure = settings.public_url.startswith("https://")
    return Cookie(LANGUAGE_COOKIE, value=language, path="/", max_age=_ONE_YEAR, secure=secure, httponly=True, samesite="lax")


def reader_language(request: AnyRequest, settings: Settings, caller: Caller | None) -> str:
    """What the reader chose, else their own language once they are known, else what the browser asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    if caller is not None and caller.actor.language in LANGUAGES:
        return caller.actor.language
    return chosen_language(request.headers.get("accept-language"), default=settings.language)


def own_path(wanted: str | None) -> str:
    """The path if it is plainly one on this origin, else the first page."""
    if wanted and len(wanted) <= _LONGEST_PATH and _OWN_PATH.fullmatch(wanted):
        return wanted
    return "/"


def _cookie(name: str, value: str, max_age: int | None = None) -> Cookie:
    return Cookie(name, value=value, path="/", max_age=max_age, secure=True, httponly=True, samesite="lax")
