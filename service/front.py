"""The outermost layer: request ids, security headers and the access log, on every answer, failures included."""

import secrets
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.access_log import AccessLog
from tenants.settings import Settings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def _headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    if settings.public_url.startswith("https://"):
        headers.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
    return headers


class Front:
    """Wraps the whole application."""

    def __init__(
        self, app: ASGIApp, settings: Settings, access_log: AccessLog | None, *, leave: Callable[[], None] = lambda: None
    ) -> None:
        """`access_log` None logs nothing. `leave` ends the answers that would never end by themselves."""
        self.app = app
        self.leave = leave
        self._log = access_log
        # Unique without asking the kernel for randomness at each request: it is a name, not a secret.
        self._process, self._number = secrets.token_hex(5), count()
        self._fixed = _headers(settings)
        self._policy = (b"content-security-policy", CONTENT_SECURITY_POLICY.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        request_id = f"{self._process}{next(self._number):08x}"
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers: Any = message["headers"]
                own = [*headers, (b"x-request-id", request_id.encode())]
                # A page may be stricter for itself, and then has its own word on the rest: mail shown in the development mailbox is.
                if any(name == b"content-security-policy" for name, _ in headers):
                    given = {name for name, _ in headers}
                    own.extend(header for header in self._fixed if header[0] not in given)
                else:
                    own.extend((*self._fixed, self._policy))
                message["headers"] = own
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            if self._log is not None:
                caller = scope.get("state", {}).get("caller")
                self._log.add(
                    request_id=request_id,
                    method=scope["method"],
                    route=scope.get("path_template") or "-",
                    status=status,
                    seconds=perf_counter() - started,
                    account=caller.known.actor.account_id.hex if caller is not None else None,
                )
