"""Who is calling, and may they: one call to Redis, before anything else of the framework runs for the request.

A raw ASGI middleware, not Litestar's authentication class: on this path every microsecond is paid by every request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from service.identity_headers import Header, identities
from service.keys import KeyCheck
from service.routes import Open
from tenants.actors import Actor
from tenants.api_keys import KeyScope
from tenants.errors import Forbidden, NotSignedIn, SeatsFull
from tenants.full_pool import seatless
from tenants.house import House
from tenants.seat_keys import SessionKey
from tenants.seat_verdicts import Full, SeatKind
from tenants.session_facts import Blob, actor_of

COOKIE = b"__Host-portillon"
_MOST_PREPARED = 20_000

#: Headers and body of a 200 that `opt["answer"]` of a route makes of its caller, in place of a handler.
Answer = tuple[list[Header], bytes]


@dataclass(frozen=True, slots=True)
class Known:
    """What a hot copy says, read once and kept for the requests that bring the same one."""

    blob: Blob
    actor: Actor
    #: `GET /session` up to the seat, which alone changes from request to request.
    answer: bytes
    #: Who it is, for the answer of `GET /gate/check`, by the seat that is held.
    identity: dict[SeatKind, list[Header]]
    #: The departments for which a right may be asked: the person's own, or all that exist.
    departments: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a live session. `since` is when their seat was taken, or their visit began (milliseconds); None without a seat."""

    known: Known
    key: SessionKey
    since: int | None
    seat: SeatKind

    @property
    def actor(self) -> Actor:
        """The same person, as the domain knows them."""
        return self.known.actor


class Recognition:
    """From a token to a caller."""

    def __init__(self, house: House) -> None:
        """Share what was read among all routes of the process."""
        self.house = house
        self._known: dict[bytes, Known] = {}
        self._encoder = msgspec.json.Encoder()

    async def caller(self, token: str, *, looks: bool = False, without_seat: bool = False, briefly: bool = False) -> Caller:
        """Raises NotSignedIn, SeatsFull (unless `without_seat` is enough) or Unavailable.

        Whoever `looks` keeps no seat and needs none. `briefly` leaves out of SeatsFull who holds seats and what can be done.
        """
        key = self.house.tokens.read(token)
        if key is None:
            raise NotSignedIn
        door = self.house.door
        verdict = await (door.look(key) if looks else door.find(key))
        known = self._known.get(verdict.blob)
        if known is None:
            known = self.read(verdict.blob)
            if known is None:
                raise NotSignedIn
        if isinstance(verdict, Full):
            if briefly:
                raise SeatsFull(seats=verdict.seats, in_use=verdict.in_use, held=verdict.held, choices=["retry"])
            if not without_seat:
                raise await seatless(door, self.house.signer, known.actor, verdict)
            return Caller(known, key, None, "none")
        return Caller(known, key, verdict.since, verdict.kind)

    def read(self, blob: bytes) -> Known:
        """Decode a hot copy and prepare the answer made of it."""
        decoded = msgspec.json.decode(blob, type=Blob)
        actor = actor_of(self.house.catalogue, decoded)
        departments = frozenset(decoded.existing if decoded.departments is None else decoded.departments)
        known = Known(decoded, actor, self._answer(decoded, actor), identities(decoded), departments)
        if len(self._known) >= _MOST_PREPARED:
            self._known.clear()
        self._known[blob] = known
        return known

    def _answer(self, blob: Blob, actor: Actor) -> bytes:
        document = {
            "session": {"id": blob.session_id, "started_at": blob.started_at, "expires_at": blob.expires_at, "device": blob.device},
            "user": {
                "id": blob.caller_id,
                "email": blob.email,
                "name": blob.name,
                "role": blob.role,
                "status": "active",
                "language": blob.language,
            },
            "account": {"id": blob.account_id, "slug": blob.account_slug, "name": blob.account_name, "kind": blob.account_kind},
            "rights": [right for right in self.house.catalogue.rights if right in actor.rights],
            "departments": blob.departments,
            "licence": {"phase": blob.phase, "ends_on": blob.ends_on, "changes_at": blob.phase_until},
            "visit": _visit(blob),
        }
        return self._encoder.encode(document)[:-1]


def authentication(recognition: Recognition) -> Callable[[ASGIApp], ASGIApp]:
    """The middleware of every route: reads the right that the route names, and lets through whoever has it.

    A route may say in its `opt` where its token is (`token`; in the bearer header without it) and how it answers (`answer`, or `streams`).
    A route that names a scope is for API keys, and for them alone.
    What is open to whoever is signed in is about their own session and password: closed to visitors unless the route says `visitors`,
    and to whoever came to manage without a seat unless it says `management`. A route that `looks` keeps no seat and needs none; one
    `without_seat` keeps one and needs none.
    """

    keys = KeyCheck(recognition.house)

    def around(app: ASGIApp) -> ASGIApp:
        async def let_through(scope: Scope, receive: Receive, send: Send) -> None:
            opt: Any = scope["route_handler"].opt
            right = opt.get("right")
            if right is Open.TO_ANYONE or scope.get("method") == "OPTIONS":
                await app(scope, receive, send)
                return
            if right is None:
                raise Forbidden(right="unnamed")
            if isinstance(right, KeyScope):
                scope["state"]["api_key"] = await keys.admit(scope, bearer_value(scope), right)
                await app(scope, receive, send)
                return
            token = _cookie(scope) if opt.get("page") else opt.get("token", _bearer)(scope)
            caller = await recognition.caller(
                token,
                looks=bool(opt.get("looks")),
                without_seat=bool(opt.get("without_seat")),
                briefly=bool(opt.get("briefly")),
            )
            # A page that refuses stays one of theirs: with their menu, in their language.
            scope["state"]["caller"] = caller
            _must_pass(caller.known.actor, right, opt)
            answer, streams = opt.get("answer"), opt.get("streams")
            if answer is not None:
                await _send(send, answer(caller, scope))
            elif streams is not None:
                await streams(recognition.house, caller, scope, receive, send)
            else:
                await app(scope, receive, send)

        return let_through

    return around


def _must_pass(actor: Actor, right: str | Open, opt: dict[str, Any]) -> None:
    if right is Open.TO_SIGNED_IN:
        if not opt.get("visitors"):
            actor.must_belong_here()
        if actor.management and not opt.get("management"):
            raise Forbidden(closed_to="management")
    elif right not in actor.rights:
        raise Forbidden(right=right, **({"closed_to": "management"} if actor.management else {}))


def _visit(blob: Blob) -> dict[str, Any] | None:
    if blob.visit is None:
        return None
    visit = blob.visit
    home = {"id": visit.account_id, "name": visit.account_name}
    return {"id": visit.id, "account": home, "reason": visit.reason, "ends_at": visit.ends_at, "allowed_by": visit.allowed_by}


def as_json(body: bytes) -> Answer:
    """The answer that consists of this document."""
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))], body


async def _send(send: Send, answer: Answer) -> None:
    # Nothing of the request is left to read, so the framework's handling of it is left out.
    headers, body = answer
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def bearer_or_cookie(scope: Scope) -> str:
    """The session's token, wherever it is. A bearer decides alone: whoever sends one means it."""
    found = bearer_value(scope)
    return _cookie(scope) if found is None else found


def _bearer(scope: Scope) -> str:
    found = bearer_value(scope)
    if found is None:
        raise NotSignedIn
    return found


def _cookie(scope: Scope) -> str:
    found = cookie_value(scope)
    if found is None:
        raise NotSignedIn
    return found


def bearer_value(scope: Scope) -> str | None:
    """What the authorization header bears; None without one."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.partition(b" ")
            if kind.lower() == b"bearer":
                return str(token.decode("latin-1").strip())
    return None


def cookie_value(scope: Scope) -> str | None:
    """The session's token in the console's cookie."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            for part in value.split(b";"):
                key, _, token = part.strip().partition(b"=")
                if key == COOKIE:
                    return str(token.decode("latin-1"))
    return None
