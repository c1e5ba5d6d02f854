"""Signing in and out, who am I, who is at work."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.types import Scope

from service.api.caller_facts import AccountFacts, HomeFacts, LicenceFacts, SeatFacts, SessionFacts, UserFacts, VisitFacts
from service.api.shapes import Email, Password, Slug, Ticket
from service.authentication import Answer, as_json
from service.authentication import Caller as CallerOf
from service.dependencies import Actor, Caller, House, Origin, Session
from service.routes import BodyOptional, Open, delete, get, post
from tenants import sessions, signing_in
from tenants.entering import SignedIn as Entered
from tenants.errors import Invalid
from tenants.presence import SeatState, seat_states
from tenants.seats import Presence
from tenants.session_facts import Blob
from tenants.sessions import SignedInSession
from tenants.texts import one_line
from tenants.users import get_user
from tenants.visit_permissions import find_givers
from tenants.visits import Visit

Reason = Annotated[str | None, QueryParameter(max_length=300, description="Written into the history")]


class SignIn(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Address and password; or the ticket of a `seats_full` answer, for ten minutes. `account` is a slug.

    `management` lets whoever has the right `sessions.end` into a full pool without a seat: only to people, sessions and licence.
    """

    email: Email | None = None
    password: Password | None = None
    account: Annotated[str, msgspec.Meta(max_length=63)] | None = None
    ticket: Ticket | None = None
    replace_session: UUID | None = None
    management: bool = False


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`page` tells the pages of one browser apart, a new one each time that it is loaded; without it they are one, and close together."""

    closing: bool = False
    page: Annotated[str, msgspec.Meta(max_length=40, pattern="^[A-Za-z0-9_-]*$")] = ""


_THERE = Heartbeat()


class Switch(msgspec.Struct, forbid_unknown_fields=True):
    """`account` is a slug."""

    account: Slug


class WhoAmI(msgspec.Struct):
    """Everything a caller may know of themselves. `departments` null is all of them. On a visit, `user.id` is the visit's."""

    session: SessionFacts
    user: UserFacts
    account: AccountFacts
    rights: list[str]
    departments: list[UUID] | None
    licence: LicenceFacts
    visit: VisitFacts | None
    seat: SeatFacts


class EndedSession(msgspec.Struct):
    """A session that made room for this one."""

    session_id: UUID
    reason: str


class SignedIn(msgspec.Struct):
    """The token is shown here and never again."""

    token: str
    session: SessionFacts
    user: UserFacts
    account: AccountFacts
    seat: SeatFacts
    ended: list[EndedSession]


class SessionCard(msgspec.Struct):
    """A live session of the account; on a visit, `user.id` is the visit's."""

    id: UUID
    user: dict[str, Any]
    visit: VisitFacts | None
    device: str | None
    ip: str | None
    started_at: datetime
    last_activity: datetime
    seat: SeatState
    current: bool


class SessionList(msgspec.Struct):
    """Live sessions, oldest first."""

    items: list[SessionCard]
    next_cursor: str | None = None


class Ended(msgspec.Struct):
    """How many sessions ended."""

    ended: int


# No request of a person: it keeps no seat and needs none.
_LISTENS = {"looks": True, "visitors": True, "management": True, "keeps_answer": False}


def _written(reason: str | None) -> str | None:
    return None if reason is None else one_line("reason", reason, longest=300, shortest=0) or None


def answer_of(caller: CallerOf, _: Scope) -> Answer:
    """`WhoAmI` as JSON: prepared but for the seat."""
    return as_json(
        b'%b,"seat":{"kind":"%b","since":"%b"}}' % (caller.known.answer, caller.seat.encode(), moment(caller.since or 0))
    )


@lru_cache(maxsize=20_000)
def moment(milliseconds: int) -> bytes:
    """UTC, ISO 8601. The same few thousand moments are asked for again and again: one for each seat that is held."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z").encode()


@post("/login", right=Open.TO_ANYONE, refuses=(401, 403, 404, 409, 429))
async def log_in(data: JSONBody[SignIn], house: House, origin: Origin) -> SignedIn:
    """Open a session. A refusal for lack of places comes only after the right password."""
    if data.ticket is not None:
        if data.email is not None or data.password is not None:
            raise Invalid("ticket", "not_possible")
        signed = await signing_in.sign_in_with_ticket(
            house.keys, ticket=data.ticket, origin=origin, replace=data.replace_session, management=data.management
        )
        return shown(signed)
    if data.email is None or data.password is None:
        raise Invalid("email" if data.email is None else "password", "required")
    signed = await signing_in.sign_in(
        house.keys,
        email=data.email,
        password=data.password,
        account=data.account,
        origin=origin,
        replace=data.replace_session,
        management=data.management,
    )
    return shown(signed)


@get("/session", right=Open.TO_SIGNED_IN, opt={"answer": answer_of, "visitors": True, "management": True}, sync_to_thread=False)
def who_am_i() -> WhoAmI:
    """The caller, their account, rights and seat. Sent by the authentication itself, see `answer`."""
    raise NotImplementedError


@post("/session/switch", right=Open.TO_SIGNED_IN, refuses=(401, 403, 404), opt={"keeps_answer": False, "management": True})
async def switch(data: JSONBody[Switch], caller: Caller, house: House, origin: Origin) -> SignedIn:
    """Work in another account of the same person; the present session ends once the new one has its place."""
    signed = await signing_in.switch_account(house.keys, caller.actor, account=data.account, origin=origin, previous=caller.key)
    return shown(signed)


@delete("/session", right=Open.TO_SIGNED_IN, opt={"without_seat": True, "visitors": True, "management": True})
async def sign_out(session: Session, actor: Actor) -> None:
    """The session, or the visit, ends and its place is free at once."""
    await sessions.end_session(session, actor, actor.session_id)


@post("/session/heartbeat", right=Open.TO_SIGNED_IN, opt=_LISTENS, status_code=204, operation_class=BodyOptional)
async def heartbeat(house: House, caller: Caller, data: JSONBody[Heartbeat] = _THERE) -> None:
    """A page of the vendor's application, or of the console, is still there. Every 30 seconds; no request, so nobody stays at work by it.

    A browser that has ever sent one and falls silent for 90 seconds may lose its seat to somebody who needs one; so may one whose last
    page was closed, which has let go of its seat for good 60 seconds later.
    """
    await house.door.look(caller.key, "close" if data.closing else "beat", data.page)


@get("/sessions", right=Open.TO_SIGNED_IN, opt={"management": True})
async def list_sessions(session: Session, actor: Actor, house: House) -> SessionList:
    """Live sessions of the account, visits included; one's own without the right `sessions.view`."""
    rows = await sessions.search_alive(session, user_id=None if actor.may("sessions.view") else actor.user_id)
    presence = await house.seats.presence(actor.account_id)
    states = await seat_states(session, presence, rows)
    visits = await sessions.search_visits(session) if actor.may("sessions.view") else []
    givers = await find_givers(session, [visit.permission_id for _, visit in visits])
    visitors = [_visitor(row, visit, givers[visit.permission_id], presence) for row, visit in visits]
    return SessionList([
        SessionCard(
            id=row.id,
            user={"id": user.id, "name": user.name, "email": user.email},
            visit=None,
            device=row.device,
            ip=row.ip,
            started_at=row.started_at,
            last_activity=presence.seen.get(row.id, row.started_at),
            seat=states[row.id],
            current=row.id == actor.session_id,
        )
        for row, user in rows
    ] + visitors)  # fmt: skip


@delete("/sessions/{session_id:uuid}", right=Open.TO_SIGNED_IN, refuses=(403, 404), opt={"management": True})
async def end_session(session_id: FromPath[UUID], session: Session, actor: Actor, reason: Reason = None) -> None:
    """End a session: one's own, or another's or a visit with the right `sessions.end`.

    Whoever came to manage and gives no reason gets the seat, and whoever had it may return first.
    """
    await sessions.end_session(session, actor, session_id, reason=_written(reason))


@delete("/users/{user_id:uuid}/sessions", right="sessions.end", status_code=200, refuses=(404,))
async def end_sessions_of_user(user_id: FromPath[UUID], session: Session, actor: Actor, reason: Reason = None) -> Ended:
    """End every session of a user."""
    user = await get_user(session, user_id)
    return Ended(await sessions.end_sessions_of(session, user, by=actor, why="ended_by_administrator", reason=_written(reason)))


def _visitor(row: SignedInSession, visit: Visit, allowed_by: str, presence: Presence) -> SessionCard:
    home = HomeFacts(visit.visitor_account_id, visit.visitor_account_name)
    return SessionCard(
        id=row.id,
        user={"id": visit.id, "name": visit.visitor_name, "email": visit.visitor_email},
        visit=VisitFacts(visit.id, home, visit.reason, visit.ends_at, allowed_by),
        device=row.device,
        ip=row.ip,
        started_at=row.started_at,
        last_activity=presence.seen.get(row.id, row.started_at),
        seat="none",
        current=False,
    )


def shown(signed: Entered) -> SignedIn:
    """What the new session's holder is told."""
    blob = msgspec.json.decode(signed.blob, type=Blob)
    return SignedIn(
        token=signed.token.text,
        session=SessionFacts(blob.session_id, blob.started_at, blob.expires_at, blob.device),
        user=UserFacts(blob.user_id, blob.email, blob.name, blob.role, "active", blob.language),
        account=AccountFacts(blob.account_id, blob.account_slug, blob.account_name, blob.account_kind),
        seat=SeatFacts(signed.kind, datetime.fromtimestamp(signed.since / 1000, UTC)),
        ended=[EndedSession(session_id, reason) for session_id, reason in signed.ended],
    )


routes = [log_in, who_am_i, switch, sign_out, heartbeat, list_sessions, end_session, end_sessions_of_user]
