"""The append-only record of who did what: the vocabulary, and the one function that writes a line."""

import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Index, func, insert
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.activity_vocabulary import VOCABULARY
from tenants.actors import NOWHERE, Actor, Origin, Person
from tenants.database import AccountOwned, Base, entered, insert_many, table_of

Result = Literal["done", "refused", "failed"]


class Event(StrEnum):
    """Everything of Portillon's own that leaves a line, `family.verb`; `activity.toml` says what each is about, and its facts."""

    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_STATUS_CHANGED = "account.status_changed"
    LICENCE_CHANGED = "licence.changed"
    BRAND_CHANGED = "brand.changed"
    BOOST_GIVEN = "boost.given"
    BOOST_ENDED = "boost.ended"
    POOL_OVERSOLD = "pool.oversold"
    USER_INVITED = "user.invited"
    USER_CHANGED = "user.changed"
    USER_SUSPENDED = "user.suspended"
    USER_STRUCK_OFF = "user.struck_off"
    USER_ACTIVATED = "user.activated"
    USER_DELETED = "user.deleted"
    USERS_INVITED = "user.invited_many"
    ROLE_CREATED = "role.created"
    ROLE_CHANGED = "role.changed"
    ROLE_DELETED = "role.deleted"
    DEPARTMENT_CREATED = "department.created"
    DEPARTMENT_CHANGED = "department.changed"
    RESTRICTIONS_CHANGED = "restrictions.changed"
    INVITATION_RESENT = "invitation.resent"
    INVITATION_LINK_SHOWN = "invitation.link_shown"
    INVITATION_WITHDRAWN = "invitation.withdrawn"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_RENEWAL_ASKED = "invitation.renewal_asked"
    PASSWORD_RESET_ASKED = "password.reset_asked"
    PASSWORD_CHANGED = "password.changed"
    EMAIL_CHANGE_ASKED = "email.change_asked"
    EMAIL_CHANGED = "email.changed"
    EMAIL_CHANGE_REVOKED = "email.change_revoked"
    SIGNED_IN = "session.signed_in"
    SIGN_IN_FAILED = "session.sign_in_failed"
    SIGNED_OUT = "session.signed_out"
    SESSION_ENDED = "session.ended"
    VISIT_ALLOWED = "visit.allowed"
    VISIT_REVOKED = "visit.revoked"
    VISIT_BEGAN = "visit.began"
    VISIT_ENDED = "visit.ended"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    SESSION_SEATED = "session.seated"
    SEAT_REFUSED = "seat.refused"
    SEAT_TAKEN = "seat.taken"
    SEAT_HANDED_OVER = "seat.handed_over"
    SEAT_ASKED_FOR = "seat.asked_for"
    LINE_CLEARED = "seat.line_cleared"
    SEAT_REQUESTED = "seat_request.asked"
    SEAT_REQUEST_DECIDED = "seat_request.decided"
    SEAT_REQUEST_WITHDRAWN = "seat_request.withdrawn"
    SEAT_REQUEST_EXPIRED = "seat_request.expired"
    MAIL_SENT = "mail.sent"
    MAIL_REFUSED = "mail.refused"
    MAIL_TRIED_AGAIN = "mail.tried_again"
    HISTORY_FORGOTTEN = "history.forgotten"
    ACTIVITY_EXPORTED = "activity.exported"
    PERSON_DATA_EXPORTED = "person.data_exported"


VOCABULARY.must_match(set(Event))


class Activity(AccountOwned, Base):
    """One line. The application role may insert and read, never change; names are frozen as they were.

    Ids begin with the moment at which the line was written (UUIDv7), and the table's partitions are months of ids: an id, or the time that
    a line can have at most, leads to few of them.
    """

    __tablename__ = "activity"
    __table_args__ = (
        Index("ix_activity_at", "account_id", "at", "id"),
        Index("ix_activity_actor", "account_id", "actor_user_id", "at", "id"),
        Index("ix_activity_target", "account_id", "target_id", "at", "id"),
        Index("ix_activity_event", "account_id", "event", "at", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), comment="when it happened")
    recorded_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="when the line was written; the id begins with the same moment"
    )
    event: Mapped[str] = mapped_column()
    result: Mapped[str] = mapped_column(default="done")
    actor_kind: Mapped[str] = mapped_column(comment="user, visitor, person, api_key or system")
    actor_user_id: Mapped[UUID | None] = mapped_column()
    actor_identity_id: Mapped[UUID | None] = mapped_column()
    actor_key_id: Mapped[UUID | None] = mapped_column(comment="the API key through which the line came")
    actor_account_id: Mapped[UUID | None] = mapped_column(comment="where the actor works, when it is not here")
    actor_account_name: Mapped[str | None] = mapped_column(comment="name of that account, as it was")
    actor_name: Mapped[str | None] = mapped_column()
    actor_email: Mapped[str | None] = mapped_column()
    target_type: Mapped[str | None] = mapped_column()
    target_id: Mapped[str | None] = mapped_column(comment="of an object of ours, or the vendor application's own")
    target_label: Mapped[str | None] = mapped_column()
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    ip: Mapped[str | None] = mapped_column()
    device: Mapped[str | None] = mapped_column()
    request_id: Mapped[str | None] = mapped_column()


def record(
    session: AsyncSession,
    event: Event,
    *,
    by: Actor | Person | None,
    on: tuple[str, UUID, str] | None = None,
    result: Result = "done",
    **facts: Any,
) -> UUID:
    """Write one line into the account entered; it becomes true with the transaction. Facts are JSON, and never a secret.

    `by` None is the system itself; `on` is type, id and label of what was acted on. Returns the line's id. Raises VocabularyError for
    a target or a fact that the event's entry in `activity.toml` does not declare; people are facts by their ids.
    """
    line = Activity(**_line(session, event, by=by, on=on, result=result, **facts))
    session.add(line)
    return line.id


def record_change(
    session: AsyncSession,
    event: Event,
    *,
    by: Actor | Person | None,
    on: tuple[str, UUID, str],
    before: dict[str, Any],
    after: dict[str, Any],
) -> bool:
    """Write one line with what differs, and tell whether anything does."""
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        facts = {"before": {name: before[name] for name in changed}, "after": {name: after[name] for name in changed}}
        record(session, event, by=by, on=on, result="done", **facts)
    return bool(changed)


async def write(
    session: AsyncSession,
    event: Event,
    *,
    by: Actor | Person | None,
    on: tuple[str, UUID, str] | None = None,
    result: Result = "done",
    **facts: Any,
) -> None:
    """As `record`, at once and without the ORM: for sign-ins, which are many."""
    await session.execute(insert(table_of(Activity)), _line(session, event, by=by, on=on, result=result, **facts))


async def write_many(
    session: AsyncSession,
    event: Event,
    *,
    by: Actor | Person | None,
    lines: Iterable[tuple[tuple[str, UUID, str], dict[str, Any]]],
) -> None:
    """As `write`, a line for each thing acted on with its facts: for what is done to many at once."""
    rows = [_line(session, event, by=by, on=on, result="done", **facts) for on, facts in lines]
    await insert_many(session, Activity, rows)


def plain_line(
    event: Event, *, account_id: UUID, origin: Origin, by: Person | None, on: tuple[str, UUID, str] | None = None, **facts: Any
) -> list[Any]:
    """A line about the person's own doing, or what is done to somebody else, as the values of `inserted_from`."""
    if on is None and by is not None and by.user_id is not None:
        on = ("user", by.user_id, by.name)
    return _driver_values(_values(account_id, origin, event, by=by, on=on, **facts))


def line_by(session: AsyncSession, event: Event, *, by: Actor, on: tuple[str, UUID, str], **facts: Any) -> list[Any]:
    """A line about what somebody does to something of the account entered, as the values of `inserted_from`."""
    return _driver_values(_line(session, event, by=by, on=on, **facts))


def _driver_values(values: dict[str, Any]) -> list[Any]:
    return [json.dumps(value) if name == "facts" else value for name, value in values.items()]


def inserted_from(source: str, *, first: int) -> str:
    """SQL that writes such a line, given from `$first` on, if the `source` has a row: for a statement that does more than that."""
    columns = table_of(Activity).c
    names = list(_values(UUID(int=0), NOWHERE, Event.SIGN_IN_FAILED, by=None))
    given = [f"${n}::{columns[name].type.compile(postgresql.dialect())}" for n, name in enumerate(names, first)]  # type: ignore[no-untyped-call]  # SQLAlchemy's dialect
    return f"INSERT INTO activity ({', '.join(names)}) SELECT {', '.join(given)} FROM {source}"  # noqa: S608 - names of columns


def _line(
    session: AsyncSession,
    event: Event,
    *,
    by: Actor | Person | None,
    on: tuple[str, UUID, str] | None = None,
    result: Result = "done",
    **facts: Any,
) -> dict[str, Any]:
    return _values(entered(session), session.info.get("origin", NOWHERE), event, by=by, on=on, result=result, **facts)


def _values(
    account_id: UUID,
    origin: Origin,
    event: Event,
    *,
    by: Actor | Person | None,
    on: tuple[str, UUID, str] | None = None,
    result: Result = "done",
    **facts: Any,
) -> dict[str, Any]:
    target_type, target_id, target_label = on or (None, None, None)
    visit = by.visit if isinstance(by, Actor) else None
    elsewhere = _elsewhere(account_id, by)
    if visit is not None:
        facts["visit"] = visit.id
    VOCABULARY.entries[event].must_allow(target_type, facts)
    return {
        "account_id": account_id,
        "id": uuid7(),
        "event": event.value,
        "result": result,
        "actor_kind": _kind(by, visiting=visit is not None and elsewhere is not None),
        "actor_user_id": by.user_id if by else None,
        "actor_identity_id": by.identity_id if by else None,
        "actor_account_id": elsewhere[0] if elsewhere else None,
        "actor_account_name": elsewhere[1] if elsewhere else None,
        "actor_name": by.name if by else None,
        "actor_email": by.email if by else None,
        "target_type": target_type,
        "target_id": None if target_id is None else str(target_id),
        "target_label": target_label,
        "facts": {name: _plain(value) for name, value in facts.items()},
        "ip": origin.ip,
        "device": origin.device,
        "request_id": origin.request_id,
    }


def _elsewhere(account_id: UUID, by: Actor | Person | None) -> tuple[UUID, str | None] | None:
    # Where the actor is at home, when that is not the account whose line it is.
    if not isinstance(by, Actor):
        return None
    home = (by.visit.account_id, by.visit.account_name) if by.visit else (by.account_id, by.account_name)
    return None if home[0] == account_id else home


def _kind(by: Actor | Person | None, *, visiting: bool) -> str:
    if isinstance(by, Actor):
        return "visitor" if visiting else "user"
    return "person" if by else "system"


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple | frozenset | set):
        return [_plain(item) for item in value]
    return value
