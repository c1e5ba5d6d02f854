"""One request for a page: who reads it, in which language, and the answers that can be given."""

from collections.abc import Iterable, Mapping
from typing import Any

from litestar import MediaType, Response
from litestar.datastructures import Cookie
from litestar.di import NamedDependency

from service.authentication import Caller, cookie_value
from service.console import browser
from service.console.browser import AnyRequest
from service.console.compression import COMPRESSED, PLAIN, page_compressed
from service.console.forms import Fields, fields_of, public_form_token, session_form_token
from service.console.navigation import places_for, where
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
        places = places_for(self.caller.actor) if self.caller else []
        known = {
            "places": places,
            "place_here": where(places, self.request.url.path),
            "language": self.language,
            "brand": brand,
            "here": self._here() if here is None else here,
            "me": self.caller.actor if self.caller else None,
            "account": self.caller.known.blob.account_name if self.caller else None,
            "visit": self.caller.actor.visit if self.caller else None,
            "questions": (),
            "said": None,
            "public_token": public_form_token(self.house, key),
            "session_token": session_form_token(self.house, self.session_key) if self.session_key else None,
        }
        text = templates(self.language).get_template(template).render(known | facts)
        smaller = page_compressed(self.request, text)
        headers = PLAIN if smaller is None else COMPRESSED
        if retry_after is not None:
            headers = {**headers, "retry-after": str(retry_after)}
        content: Any = smaller or text
        return Response(content, status_code=status, media_type=MediaType.HTML, headers=headers, cookies=kept)

    def go(self, path: str, *, done: str | None = None, cookies: Iterable[Cookie] = ()) -> Answer:
        """Elsewhere on this origin: the address is relative, so that no Host header can bend it.

        `done` is a word for what was done, which the page there says with `said`.
        """
        if done is not None:
            path = f"{path}{'&' if '?' in path else '?'}done={done}"
        return Response("", status_code=303, media_type=MediaType.HTML, headers={"location": path}, cookies=list(cookies))

    def say(self, text: str, **facts: Any) -> str:
        """A text in the reader's language."""
        return say(self.language, text, **facts)

    def said(self, words: Mapping[str, str]) -> str | None:
        """What was just done, in the reader's language, if the address says one of these words; anybody may write an address."""
        text = words.get(self.request.query_params.get("done", ""))
        return None if text is None else self.say(text)

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

    @property
    def cookie_token(self) -> str:
        """The token in the browser's cookie, for whoever keeps it elsewhere in the same browser."""
        return cookie_value(self.request.scope) or ""

    @property
    def home_cookies(self) -> list[Cookie]:
        """What leads whoever visits an account in this browser back to the session that they came from; nothing for anybody else."""
        if browser.home_key(self.request, self.house) is None:
            return []
        return [browser.session_cookie(browser.home_token(self.request)), browser.no_home_cookie()]

    def _here(self) -> str:
        url = self.request.url
        if self.request.method == "POST":
            return "/"
        return f"{url.path}?{url.query}" if url.query else url.path


def status_of(error: DomainError) -> int:
    """The HTTP status that the table of refusals gives."""
    return TABLE[error.code].status


ViewOf = NamedDependency[View]
