"""Signing in and out: the page, the choice of an account, the limit, and a way on from each refusal."""

from typing import Annotated, Any
from urllib.parse import quote, urlencode

from litestar.params import QueryParameter

from service.console.branding import brand_of_account, brand_of_slug
from service.console.browser import (
    home_token,
    no_home_cookie,
    no_session_cookie,
    no_waiting_cookie,
    own_path,
    session_cookie,
    waiting_ticket,
)
from service.console.forms import Fields
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.console.words import ENDED, ENDED_OTHERWISE, RETURN_FIRST, ago
from service.dependencies import Actor, Caller, House, Origin, Session
from service.routes import Open
from tenants import sessions, signing_in
from tenants.actors import Origin as OriginOf
from tenants.brands import Look
from tenants.endings import Ending, read_ending
from tenants.entering import SignedIn
from tenants.errors import (
    DomainError,
    Invalid,
    InvalidCredentials,
    NotFound,
    NotSignedIn,
    PasswordNeeded,
    TooManyAttempts,
    Unavailable,
)
from tenants.tickets import read_ticket

_PAGE_OF = {
    "user_suspended": "suspended.html",
    "account_unavailable": "unavailable.html",
    "account_choice": "choice.html",
    "seats_full": "full.html",
}

SIGN_OUT = "sign-out"
After = Annotated[str | None, QueryParameter(name="after", required=False, description="What the person has just done")]
Seller = Annotated[
    str | None, QueryParameter(name="account", required=False, description="Slug of the reseller whose brand is shown")
]
Told = Annotated[str | None, QueryParameter(name="ended", required=False, description="Why a session ended, signed")]
Next = Annotated[str | None, QueryParameter(name="next", required=False, description="A path on this origin")]


@page("/login", right=Open.TO_ANYONE)
async def login_page(view: ViewOf, wanted: Next = None, after: After = None, account: Seller = None, told: Told = None) -> Answer:
    """Address and password. Whoever is signed in already goes on. `account` shows its brand, as far as strangers may know it."""
    try:
        ended = await _ended(view, told)
    except _AlreadyIn:
        return view.go(own_path(wanted))
    said = view.say("You are signed out. Your place is free for a colleague.") if after == SIGN_OUT else None
    brand = await brand_of_slug(view.house, account)
    seller = account if brand else None
    return show_login(view, next=own_path(wanted), ended=ended, told=told if ended else None, said=said, brand=brand, seller=seller)


@form("/login", right=Open.TO_ANYONE)
async def log_in(view: ViewOf, origin: Origin) -> Answer:
    """Open a session by address and password, or by the ticket of a page that followed the right password."""
    fields = await view.fields()
    try:
        signed = await (_by_ticket if fields.text("ticket") else _by_password)(view, fields, origin)
    except DomainError as error:
        return await show_refusal(view, error, fields)
    return let_in(view, signed, to=own_path(fields.text("next")))


@form("/logout", right=Open.TO_SIGNED_IN, without_seat=True, visitors=True, management=True)
async def log_out(view: ViewOf, session: Session, actor: Actor) -> Answer:
    """The session, or the visit, ends and its place is free at once. A visit leads back to the session that it began from."""
    await sessions.end_session(session, actor, actor.session_id)
    if actor.visit is not None and view.home_cookies:
        return view.go("/clients?done=visited", cookies=view.home_cookies)
    return view.go(f"/login?after={SIGN_OUT}", cookies=[no_session_cookie()])


@form("/switch", right=Open.TO_SIGNED_IN, management=True)
async def switch(view: ViewOf, caller: Caller, house: House, origin: Origin) -> Answer:
    """Work in another account of the same person."""
    fields = await view.fields()
    try:
        account = fields.slug("account") or ""
        signed = await signing_in.switch_account(house.keys, caller.actor, account=account, origin=origin, previous=caller.key)
    except NotFound:
        return view.go("/")
    except DomainError as error:
        return await show_refusal(view, error, fields)
    return let_in(view, signed, to="/")


def show_login(view: View, *, status: int = 200, next: str = "/", email: str = "", **facts: Any) -> Answer:  # noqa: A002 - the field's name
    """The page to sign in, with what there is to say above the form."""
    known: dict[str, Any] = {"said": None, "ended": None, "notice": None, "complaints": [], "seller": None}
    known["came_from_home"] = bool(view.home_cookies)
    asked = {"next": None if next == "/" else next, "account": facts.get("seller"), "ended": facts.pop("told", None)}
    query = urlencode({name: value for name, value in asked.items() if value}, safe="/", quote_via=quote)
    here = f"/login?{query}" if query else "/login"
    return view.show("login.html", status=status, here=here, next=next, email=email, **(known | facts))


async def show_refusal(view: View, error: DomainError, fields: Fields) -> Answer:
    """What a person sees who may not enter, or not yet. Nothing here is a dead end."""
    wanted = own_path(fields.text("next"))
    if isinstance(error, PasswordNeeded):
        return view.go(f"/invitation?token={quote(error.facts['token'])}")
    if error.code in _PAGE_OF:
        brand = await _brand_behind(view, error)
        lost: dict[str, Any] = {"lost": None} if error.code == "seats_full" else {}
        return view.show(_PAGE_OF[error.code], status=status_of(error), here="", brand=brand, next=wanted, **lost, **error.facts)
    seller = fields.slug("seller")
    brand = await brand_of_slug(view.house, seller)
    known: dict[str, Any] = {"next": wanted, "email": fields.text("email"), "brand": brand, "seller": seller if brand else None}
    if isinstance(error, Invalid):
        return show_login(view, status=status_of(error), complaints=[view.complaint(error)], **known)
    notice = view.notice(error)
    if isinstance(error, InvalidCredentials) and fields.text("ticket"):
        notice = {"title": view.say("Your time to choose is over"), "text": view.say("Sign in again; nothing was changed.")}
    wait = error.facts["retry_after"] if isinstance(error, TooManyAttempts | Unavailable) else None
    return show_login(view, status=status_of(error), notice=notice, retry_after=wait, **known)


def let_in(view: View, signed: SignedIn, *, to: str) -> Answer:
    """A new token for the new session; the cookie of the old one is overwritten. Whoever waited waits no more, nor visits anybody."""
    waited = [no_waiting_cookie()] if waiting_ticket(view.request) else []
    visited = [no_home_cookie()] if home_token(view.request) else []
    return view.go(to, cookies=[session_cookie(signed.token.text), *waited, *visited])


async def _brand_behind(view: View, error: DomainError) -> Look | None:
    # The right password was given: its ticket names the account, where only one was meant.
    ticket = error.facts.get("ticket")
    return await brand_of_account(view.house, read_ticket(view.house.signer, ticket).account_id) if ticket else None


async def _by_password(view: View, fields: Fields, origin: OriginOf) -> SignedIn:
    if not fields.text("password"):
        raise Invalid("password", "required")
    return await signing_in.sign_in(
        view.house.keys,
        email=fields.text("email"),
        password=fields.text("password"),
        account=None,
        origin=origin,
        previous=view.session_key,
    )


async def _by_ticket(view: View, fields: Fields, origin: OriginOf) -> SignedIn:
    keys, replace = view.house.keys, fields.id("replace")
    given: dict[str, Any] = {"ticket": fields.text("ticket"), "origin": origin, "previous": view.session_key}
    given["management"] = fields.text("management") == "yes"
    try:
        return await signing_in.sign_in_with_ticket(keys, replace=replace, **given)
    except NotFound:
        # The session to end is over already: its place may be free.
        return await signing_in.sign_in_with_ticket(keys, **given)


class _AlreadyIn(Exception):
    """The browser's session is alive."""


async def _ended(view: View, told: str | None) -> str | None:
    # Why the session of this browser is over, or the one that it was sent here for, as far as its holder may know.
    known = (await _ending(view), read_ending(view.house.signer, told) if told else None)
    ending = next((each for each in known if each is not None and each.is_news), None)
    if ending is None:
        return None
    text = ENDED.get(ending.reason, ENDED_OTHERWISE)
    told_why = view.say(text, by=ending.by or view.say("Somebody"), when=ago(view.language, ending.at))
    return f"{told_why} {view.say(RETURN_FIRST)}" if ending.may_return_first else told_why


async def _ending(view: View) -> Ending | None:
    if view.session_key is None:
        return None
    try:
        await view.house.door.look(view.session_key)
    except NotSignedIn as gone:
        ended = gone.facts.get("ended")
        return None if ended is None else Ending(**ended)
    except Unavailable:
        return None
    raise _AlreadyIn


routes = [login_page, log_in, log_out, switch]
