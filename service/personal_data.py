"""One's own data as an answer that a browser saves: all that is kept about somebody, from all of their companies, as one file."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from tenants import personal_data
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.database import Database
from tenants.personal_data import MOST_LINES, Kept, Place


class OwnIdentity(msgspec.Struct):
    """The login: one for all companies."""

    id: UUID
    email: str
    language: str
    created_at: datetime
    last_login_at: datetime | None


class OwnEmailChange(msgspec.Struct):
    """A change of address that was asked for."""

    old_email: str
    new_email: str
    asked_at: datetime
    confirmed_at: datetime | None
    revoked_at: datetime | None


class OwnUser(msgspec.Struct):
    """The person's place in one company. `departments` null is all of them."""

    account_id: UUID
    account: str
    id: UUID
    name: str
    email: str
    role: str
    status: str
    suspended_from: datetime | None
    suspended_until: datetime | None
    suspended_reason: str | None
    departments: list[str] | None
    created_at: datetime
    last_login_at: datetime | None


class OwnSession(msgspec.Struct):
    """A sign-in, over or not. `ended_reason` is a word of ours, such as `signed_out`."""

    account_id: UUID
    id: UUID
    started_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_reason: str | None
    ip: str | None
    device: str | None


class OwnLine(msgspec.Struct):
    """A line of a company's history. Network address, device and request only where the person acted themselves."""

    account_id: UUID
    id: UUID
    at: datetime
    event: str
    result: str
    actor_kind: str
    actor_name: str | None
    actor_account_name: str | None
    target_type: str | None
    target_id: str | None
    target_label: str | None
    facts: dict[str, Any]
    ip: str | None
    device: str | None
    request_id: str | None


class _Head(msgspec.Struct):
    made_at: datetime
    identity: OwnIdentity
    email_changes: list[OwnEmailChange]
    users: list[OwnUser]
    sessions: list[OwnSession]


class PersonalData(msgspec.Struct):
    """All that is kept. `activity` is what the person did, `activity_about` what others did that is about them, newest first in each
    company; `complete` is false where there was more than 100,000 lines of it.
    """

    made_at: datetime
    identity: OwnIdentity
    email_changes: list[OwnEmailChange]
    users: list[OwnUser]
    sessions: list[OwnSession]
    activity: list[OwnLine]
    activity_about: list[OwnLine]
    complete: bool


async def take_away(session: AsyncSession, actor: Actor) -> Kept:
    """What is kept of the actor beside the history, which tells that it was taken."""
    kept = await personal_data.read_kept(session, actor.identity_id)
    record(session, Event.PERSON_DATA_EXPORTED, by=actor, on=("user", actor.user_id, actor.name))
    return kept


def streamed(database: Database, kept: Kept, *, activity: bool = True) -> Stream:
    """The answer; lines of the history are read while it is sent, unless they do not belong to it."""
    return Stream(
        _written(database, kept, kept.places if activity else [], most=MOST_LINES),
        media_type="application/json",
        headers={"content-disposition": 'attachment; filename="portillon-personal-data.json"'},
    )


async def _written(database: Database, kept: Kept, places: list[Place], *, most: int) -> AsyncIterator[bytes]:
    # An object with two long lists in it, a part at a time; whoever gets no closing brace does not have all of it.
    yield msgspec.json.encode(_head(kept))[:-1]
    for name, kind in (("activity", "own"), ("activity_about", "about")):
        yield f',"{name}":['.encode()
        comma = b""
        for place in places:
            # One more than may be shown says whether there is more.
            async for part in personal_data.read_lines(database, place.account.id, place.user.id, kind, most=most + 1):  # type: ignore[arg-type]  # two words
                shown = [msgspec.json.encode(_line(place, row)) for row in part[: max(most, 0)]]
                most -= len(part)
                if shown:
                    yield comma + b",".join(shown)
                    comma = b","
        yield b"]"
    yield b',"complete":%b}' % (b"true" if most >= 0 else b"false")


def _line(place: Place, row: dict[str, Any]) -> OwnLine:
    return OwnLine(account_id=place.account.id, **row)


def _head(kept: Kept) -> _Head:
    identity, places = kept.identity, kept.places
    logins = [place.user.last_login_at for place in places if place.user.last_login_at]
    return _Head(
        made_at=datetime.now(UTC),
        identity=OwnIdentity(identity.id, identity.email, identity.language, identity.created_at, max(logins, default=None)),
        email_changes=[OwnEmailChange(c.old_email, c.new_email, c.created_at, c.confirmed_at, c.revoked_at) for c in kept.changes],
        users=[_user(place) for place in places],
        sessions=[_session(place, s) for place in places for s in place.sessions],
    )


def _user(place: Place) -> OwnUser:
    user = place.user
    return OwnUser(
        account_id=place.account.id,
        account=place.account.name,
        id=user.id,
        name=user.name,
        email=user.email,
        role=user.role,
        status=user.standing,
        suspended_from=user.suspended_from,
        suspended_until=user.suspended_until,
        suspended_reason=user.suspended_reason,
        departments=place.departments,
        created_at=user.created_at,
        last_login_at=user.last_login_at,
    )


def _session(place: Place, session: Any) -> OwnSession:
    return OwnSession(
        account_id=place.account.id,
        id=session.id,
        started_at=session.started_at,
        expires_at=session.expires_at,
        ended_at=session.ended_at,
        ended_reason=session.ended_reason,
        ip=session.ip,
        device=session.device,
    )
