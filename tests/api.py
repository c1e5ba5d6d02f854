"""A client of the API for tests: says who calls, returns plain responses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from tests.make import Person

BASE = "http://localhost:8000"


class Api:
    """Calls under /api/v1 and of the gate, as a person whose token it remembers, or as nobody."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.tokens: dict[str, str] = {}

    async def sign_in(self, person: Person, **extra: Any) -> httpx.Response:
        """POST /login; the token is remembered for later calls `by` this person."""
        answer = await self.client.post("/api/v1/login", json={"email": person.email, "password": person.password, **extra})
        if answer.status_code == 201:
            self.tokens[person.email] = answer.json()["token"]
        return answer

    async def call(self, method: str, path: str, *, by: Person | str | None = None, **extra: Any) -> httpx.Response:
        """Any call. `by` is a person who has signed in, or a token."""
        headers = dict(extra.pop("headers", {}))
        if by is not None:
            headers["Authorization"] = f"Bearer {by if isinstance(by, str) else self.tokens[by.email]}"
        return await self.client.request(method, full_path(path), headers=headers, **extra)

    async def get(self, path: str, *, by: Person | str | None = None, **extra: Any) -> httpx.Response:
        return await self.call("GET", path, by=by, **extra)

    async def post(self, path: str, body: Any = None, *, by: Person | str | None = None, **extra: Any) -> httpx.Response:
        return await self.call("POST", path, by=by, json=body, **extra)

    async def patch(self, path: str, body: Any, *, by: Person | str | None = None, **extra: Any) -> httpx.Response:
        return await self.call("PATCH", path, by=by, json=body, **extra)

    async def put(self, path: str, body: Any, *, by: Person | str | None = None, **extra: Any) -> httpx.Response:
        return await self.call("PUT", path, by=by, json=body, **extra)

    async def delete(self, path: str, *, by: Person | str | None = None, **extra: Any) -> httpx.Response:
        return await self.call("DELETE", path, by=by, **extra)


def full_path(path: str) -> str:
    """Where a call is: under /api/v1, but for the gate and what RFC 7662 calls elsewhere."""
    return path if path.startswith(("/gate/", "/oauth/")) else f"/api/v1{path}"


class _Brief:
    """The application for a client that reads whole answers: whoever listens to events leaves after the first ones."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        listens, heard = False, asyncio.Event()

        async def send_and_look(message: Any) -> None:
            nonlocal listens
            if message["type"] == "http.response.start":
                listens = (b"content-type", b"text/event-stream") in message["headers"]
            await send(message)
            if b"event:" in message.get("body", b""):
                heard.set()

        async def receive_or_leave() -> Any:
            if not listens:
                return await receive()
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await heard.wait()
            return {"type": "http.disconnect"}

        await self._app(scope, receive_or_leave, send_and_look)


@asynccontextmanager
async def open_client(app: Any, *, ip: str = "127.0.0.1", raise_app_exceptions: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client straight into an application."""
    transport = httpx.ASGITransport(app=_Brief(app), client=(ip, 40000), raise_app_exceptions=raise_app_exceptions)
    async with httpx.AsyncClient(transport=transport, base_url=BASE, timeout=30) as client:
        yield client
