"""A browser tab for tests: follows no redirect, keeps cookies as a browser would, fills in forms as they stand on the page."""

import html
import re
from collections.abc import Mapping, Sequence
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx

from tests.make import Person

_FORM = re.compile(r'<form method="post" action="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
_INPUT = re.compile(r"<input ([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
SAME_ORIGIN = {"sec-fetch-site": "same-origin", "origin": "null"}


class Tab:
    """One browser. `page` is the last answer."""

    def __init__(self, client: httpx.AsyncClient, **headers: str) -> None:
        self.client = client
        self.headers = headers
        self.cookies: dict[str, str] = {}
        self.set: dict[str, Morsel[str]] = {}
        self.page: httpx.Response

    async def open(self, path: str, **headers: str) -> httpx.Response:
        """GET a page."""
        return await self.send("GET", path, headers=headers)

    async def submit(self, action: str, **typed: str) -> httpx.Response:
        """Send the form of the page that posts to `action`; `typed` replaces or adds fields."""
        return await self.post(action, {**self.form(action), **typed})

    async def post(self, action: str, fields: Mapping[str, str | Sequence[str]], **headers: str) -> httpx.Response:
        """POST fields as a form of this origin would."""
        return await self.send("POST", action, data=fields, headers={**SAME_ORIGIN, **headers})

    async def send(self, method: str, path: str, *, headers: dict[str, str] | None = None, **extra: Any) -> httpx.Response:
        """Any request, with this browser's cookies."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        named = {name.replace("_", "-"): value for name, value in {**self.headers, **(headers or {})}.items()}
        self.client.cookies.clear()
        self.page = await self.client.request(method, path, headers={**named, **({"cookie": cookie} if cookie else {})}, **extra)
        self._keep(self.page)
        return self.page

    async def sign_in(self, person: Person, **typed: str) -> httpx.Response:
        """Open the page to sign in, and send its form."""
        await self.open("/login")
        return await self.submit("/login", email=person.email, password=person.password, **typed)

    def form(self, action: str) -> dict[str, str]:
        """The fields of the page's first form that posts to `action`, as they stand."""
        found = next(body for target, body in _FORM.findall(self.page.text) if target == action)
        inputs = [dict(_ATTRIBUTE.findall(attributes)) for attributes in _INPUT.findall(found)]
        return {field["name"]: html.unescape(field.get("value", "")) for field in inputs}

    @property
    def session(self) -> str | None:
        """The token in the session's cookie."""
        return self.cookies.get("__Host-portillon")

    def _keep(self, answer: httpx.Response) -> None:
        self.set = {}
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.set[name] = morsel
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
