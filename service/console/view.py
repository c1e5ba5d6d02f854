"""One request for a page: who reads it, in which language, and the answers that can be given."""

from collections.abc import Iterable
from typing import Any

from litestar import MediaType, Response
from litestar.datastructures import Cookie
from litestar.di import NamedDependency

from service.authentication import Caller
from service.console import browser
from service.console.browser import AnyRequest
from service.console.forms import Fields, fields_of, public_form_token, session_form_token
from service.console.words import COMPLAINTS, lasting, say, templates
from service.problems import TABLE, field_error
from service.problems import say as say_problem
from tenants.brands import Look
from tenants.errors import DomainError, Invalid
from tenants.house import House

Answer = Response[str]


class View:
    """Shows pages and sends elsewhere."""

    def __init__(self, request: AnyRequest, house: House) -> None:
        """Read what the browser brought."""
        self.request = request
        self.house = house
        self.caller: Caller | None = request.scope["state"].get("caller")
        self.language = browser.reader_language(request, house.settings, self.caller)
        self.session_key = browser.session_key(request, house)

    async def fields(self) -> Fields:
        """The form that was sent."""
        return await fields_of(self.request)

    def show(
        self,
        template: str,
        *,
        status: int = 200,
        here: str | None = None,
        retry_after: int | None = None,
        cookies: Iterable[Cookie] = (),
        brand: Look | None = None,
        **facts: Any,
    ) -> Answer:
        """A page. `here` is where a change of language leads back to, for a page that was posted; "" leaves the change out.

        `brand` is that of the account that the page is about, as `tenants.brands.find_brand` tells it.
        """
        key = browser.form_key(self.request)
        kept = list(cookies)
        if key is None:
            key = browser.new_form_key()
            kept.append(browser.form_cookie(key))
        known = {
            "language": self.language,
            "brand": brand,
            "here": self._here() if here is None else here,
            "me": self.caller.actor if self.caller else None,
            "account": self.caller.known.blob.account_name if self.caller else None,
            "visit": self.caller.actor.visit if self.caller else None,
            "questions": (),
            "public_token": public_form_token(self.house, key),
            "session_token": session_form_token(self.house, self.session_key) if self.session_key else None,
        }
        text = templates(self.language).get_template(template).render(known | facts)
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        return Response(text, status_code=status, media_type=MediaType.HTML, headers=headers, cookies=kept)

    def go(self, path: str, *, cookies: Iterable[Cookie] = ()) -> Answer:
        """Elsewhere on this origin: the address is relative, so that no Host header can bend it."""
        return Response("", status_code=303, media_type=MediaType.HTML, headers={"location": path}, cookies=list(cookies))

    def say(self, text: str, **facts: Any) -> str:
        """A text in the reader's language."""
        return say(self.language, text, **facts)

    def notice(self, error: DomainError) -> dict[str, str]:
        """Title and sentence of a refusal, as the API words it; a time to wait is said so that nobody has to count seconds."""
        words = TABLE[error.code]
        title = say_problem(self.language, words.title)
        if "retry_after" in error.facts:
            wait = lasting(self.language, error.facts["retry_after"])
            return {"title": title, "text": self.say("Nothing was changed. Try again in %(time)s.", time=wait)}
        return {"title": title, "text": say_problem(self.language, words.detail, **error.facts)}

    def complaint(self, error: Invalid) -> dict[str, Any]:
        """What is wrong with one field, and what would be better."""
        said = field_error(self.language, error)
        own = COMPLAINTS.get((error.field, error.problem))
        text = self.say(own, **error.facts) if own else said.message
        return {"field": error.field, "text": text, "advice": said.facts.get("advice", [])}

    def _here(self) -> str:
        url = self.request.url
        if self.request.method == "POST":
            return "/"
        return f"{url.path}?{url.query}" if url.query else url.path


def status_of(error: DomainError) -> int:
    """The HTTP status that the table of refusals gives."""
    return TABLE[error.code].status


ViewOf = NamedDependency[View]
