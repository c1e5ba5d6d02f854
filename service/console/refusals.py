"""Every failure of a page becomes a page: with what can be done next, in the reader's language."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandler, ExceptionHandlersMap, Receive, Scope, Send

from service.console.browser import AnyRequest, own_path
from service.console.view import Answer, View
from service.console.words import LOST, LOST_OTHERWISE, ago, lasting
from service.errors import document_of
from service.problems import TABLE, detail_of, say
from tenants.brands import find_brand
from tenants.errors import Unavailable
from tenants.house import House
from tenants.seat_history import Loss, find_loss


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


#: What a page says where the sentence of the API would leave whoever looks at it without a next step.
_DETAIL = {
    "not_found": _("Nothing of this name is here, or not in your account. It may have been removed meanwhile."),
    "method_not_allowed": _(
        "There is nothing to look at here: this address only takes what a form sends. Go back, and begin from there."
    ),
    "invalid": _("Something in the address or in what was sent is not as it should be. Nothing was changed."),
    "too_large": _("This is more than can be sent at once. Nothing was changed. Send less of it, or a smaller file."),
    "internal": _(
        "Something went wrong on our side; nothing was changed as far as we know. Try again. If it happens once more, pass on the number"
        " below."
    ),
}
#: To read the address again may help.
_AGAIN = frozenset({"unavailable", "busy", "too_many_attempts", "internal", "still_running"})
_LIMIT = ("seats", "in_use", "held", "holders", "choices", "ticket", "seat_request")


def page_handlers(house: House) -> ExceptionHandlersMap:
    """For the console's own addresses."""

    def answer(request: AnyRequest, error: Exception) -> Answer:
        return refused_as_page(View(request, house), error)

    return {Exception: answer, HTTPException: answer}


def for_browsers(house: House, *, otherwise: ExceptionHandlersMap) -> ExceptionHandlersMap:
    """For addresses that lead nowhere: a page for whoever asks for one outside the API, the usual answer for everything else."""

    def of(handler: ExceptionHandler) -> ExceptionHandler:  # type: ignore[type-arg]  # handlers of any request
        def answer(request: AnyRequest, error: Exception) -> Response[Any]:
            wants_page = "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/api/")
            return refused_as_page(View(request, house), error) if wants_page else handler(request, error)

        return answer

    return {kind: of(handler) for kind, handler in otherwise.items()}


def refused_as_page(view: View, error: Exception) -> Answer:
    """The page for whatever was raised."""
    document = document_of(view.request, error, view.house.settings)
    code = document["code"]
    if code == "not_signed_in":
        return view.go(_sign_in_first(view))
    if code == "seats_full":
        return _Later(lambda: _limit_page(view, document))
    words = TABLE[code]
    return view.show(
        "refusal.html",
        status=words.status,
        retry_after=document.get("retry_after"),
        title=say(view.language, words.title),
        detail=_detail(view, code, document),
        code=words.status,
        again=_wanted(view) if code in _AGAIN and view.request.method != "POST" else None,
        request_id=document["request_id"],
    )


def _detail(view: View, code: str, document: dict[str, Any]) -> str:
    if "retry_after" in document:
        return view.say("Nothing was changed. Try again in %(time)s.", time=lasting(view.language, document["retry_after"]))
    if code in _DETAIL:
        return view.say(_DETAIL[code])
    return say(view.language, detail_of(code, document), **document)


class _Later(Response[str]):
    """An answer that is made when it is sent: a handler of exceptions cannot wait for the brand that the page shows."""

    def __init__(self, make: Callable[[], Awaitable[Answer]]) -> None:
        super().__init__("")
        self._make = make

    def to_asgi_response(self, *given: Any, **named: Any) -> Any:
        async def send_made(scope: Scope, receive: Receive, send: Send) -> None:
            answer = await self._make()
            await answer.to_asgi_response(*given, **named)(scope, receive, send)

        return send_made


async def _limit_page(view: View, document: dict[str, Any]) -> Answer:
    # Whoever is signed in and has no place any more: it went to a colleague while they were away.
    brand, loss = None, None
    if view.session_key is not None:
        with suppress(Unavailable):
            async with view.house.database.transaction(view.session_key.account_id) as session:
                brand, loss = await find_brand(session), await find_loss(session, view.session_key.session_id)
    facts = {name: document[name] for name in _LIMIT}
    return view.show("full.html", status=409, here="", brand=brand, next=_wanted(view), lost=_lost(view, loss), **facts)


def _lost(view: View, loss: Loss | None) -> str:
    # What became of the place of somebody who is still signed in.
    if loss is None or loss.why not in LOST:
        return view.say(LOST_OTHERWISE)
    return view.say(LOST[loss.why], who=loss.taker or view.say("Somebody"), when=ago(view.language, loss.at))


def _wanted(view: View) -> str:
    url = view.request.url
    return own_path(f"{url.path}?{url.query}" if url.query else url.path) if view.request.method != "POST" else "/"


def _sign_in_first(view: View) -> str:
    wanted = _wanted(view)
    return "/login" if wanted == "/" else f"/login?next={quote(wanted, safe='/')}"
