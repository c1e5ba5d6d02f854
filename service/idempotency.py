"""`Idempotency-Key`: a POST that is sent twice has one effect and one answer, for 24 hours.

For signed-in callers; answers that carry a secret are never kept, so routes that send one opt out with `opt={"keeps_answer": False}`.
"""

from collections.abc import Callable
from contextlib import suppress

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from service.authentication import Caller
from service.errors import CodedError
from tenants import idempotency
from tenants.errors import Invalid, Unavailable
from tenants.house import House
from tenants.idempotency import Earlier
from tenants.tokens import Purpose

LONGEST_KEY = 200


def idempotent(house: House) -> Callable[[ASGIApp], ASGIApp]:
    """The middleware; it stands behind authentication."""

    def around(app: ASGIApp) -> ASGIApp:
        async def once(scope: Scope, receive: Receive, send: Send) -> None:
            key = _key(scope)
            caller: Caller | None = scope["state"].get("caller")
            if key is None or caller is None or not scope["route_handler"].opt.get("keeps_answer", True):
                await app(scope, receive, send)
            else:
                await _First(house, app, caller, key).serve(scope, receive, send)

        return once

    return around


class _First:
    """One request with a key."""

    def __init__(self, house: House, app: ASGIApp, caller: Caller, key: str) -> None:
        self._house = house
        self._app = app
        self._account, self._user, self._key = caller.actor.account_id, caller.actor.user_id, key

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: HTTPRouteHandler = scope["route_handler"]  # type: ignore[assignment]  # a POST is HTTP
        body = await _read(receive, route.resolve_request_max_body_size())
        # Keyed: a body may hold a password, and whoever reads the table must not be able to try guesses against it.
        fingerprint = self._house.signer.tag(Purpose.IDEMPOTENCY, scope["path"].encode(), scope.get("query_string", b""), body)
        async with self._house.database.transaction(self._account) as session:
            earlier = await idempotency.claim(session, user_id=self._user, key=self._key, fingerprint=fingerprint)
        if earlier is not None:
            await _replay(earlier, fingerprint, send)
            return
        scope["state"]["idempotency_key"] = self._key
        answer = _Answer(send)
        try:
            await self._app(scope, _again(body), answer.send)
        except BaseException:
            await self._release()
            raise
        if answer.status >= 400:
            await self._release()
        else:
            await self._keep(answer)
        await answer.forward()

    async def _keep(self, answer: "_Answer") -> None:
        # The work is done and marked so. A store that is away now costs a repetition its answer, not this request its own.
        with suppress(Unavailable):
            async with self._house.database.transaction(self._account) as session:
                await idempotency.keep_answer(
                    session,
                    user_id=self._user,
                    key=self._key,
                    status=answer.status,
                    content_type=answer.content_type,
                    body=bytes(answer.body),
                )

    async def _release(self) -> None:
        with suppress(Unavailable):
            async with self._house.database.transaction(self._account) as session:
                await idempotency.release(session, user_id=self._user, key=self._key)


class _Answer:
    """Holds an answer back until it is kept."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._messages: list[Message] = []
        self.status = 500
        self.content_type = ""
        self.body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.content_type = next((v.decode() for n, v in message["headers"] if n.lower() == b"content-type"), "")
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
        self._messages.append(message)

    async def forward(self) -> None:
        for message in self._messages:
            await self._send(message)


async def _replay(earlier: Earlier, fingerprint: bytes, send: Send) -> None:
    if earlier.fingerprint != fingerprint:
        raise CodedError("key_reused")
    if earlier.state == "running":
        raise CodedError("still_running")
    if earlier.state == "done" or earlier.status is None:
        raise CodedError("answer_lost")
    body = earlier.body or b""
    headers = [(b"content-length", b"%d" % len(body)), (b"idempotency-replayed", b"true")]
    if earlier.content_type:
        headers.append((b"content-type", earlier.content_type.encode()))
    await send({"type": "http.response.start", "status": earlier.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _key(scope: Scope) -> str | None:
    if scope.get("method") != "POST":
        return None
    for name, value in scope["headers"]:
        if name == b"idempotency-key":
            text: str = value.decode("latin-1")
            if not 1 <= len(text) <= LONGEST_KEY or not text.isascii() or not text.isprintable():
                raise Invalid("Idempotency-Key", "malformed")
            return text
    return None


async def _read(receive: Receive, largest: int | None) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        assert message["type"] == "http.request"  # noqa: S101 - what ASGI promises for HTTP
        body += message.get("body", b"")
        if largest is not None and len(body) > largest:
            raise CodedError("too_large")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes) -> Receive:
    sent = False

    async def receive() -> HTTPReceiveMessage:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
