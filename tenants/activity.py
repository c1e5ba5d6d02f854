"""The append-only record of who did what: the vocabulary, and the one function that writes a line."""

import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, func, insert
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from tenants.actors import NOWHERE, Actor, Origin, Person
from tenants.database import AccountOwned, Base, entered, insert_many, table_of

Result = Literal["done", "refused", "failed"]


class Event(StrEnum):
    """Everything that leaves a line. `family.verb`; a line's facts are named beside it."""

    ACCOUNT_CREATED = "account.created"  # kind, plan
    ACCOUNT_CHANGED = "account.changed"  # before, after
    ACCOUNT_STATUS_CHANGED = "account.status_changed"  # before, after
    LICENCE_CHANGED = "licence.changed"  # before, after, reason
    USER_INVITED = "user.invited"  # role, departments
    USER_CHANGED = "user.changed"  # before, after
    USER_SUSPENDED = "user.suspended"  # since, until, reason
    USER_STRUCK_OFF = "user.struck_off"
    USER_ACTIVATED = "user.activated"
    USER_DELETED = "user.deleted"
    USERS_INVITED = "user.invited_many"  # accepted, refused
    ROLE_CREATED = "role.created"  # rights
    ROLE_CHANGED = "role.changed"  # before, after
    ROLE_DELETED = "role.deleted"  # rights, replacement, users
    DEPARTMENT_CREATED = "department.created"  # code
    DEPARTMENT_CHANGED = "department.changed"  # before, after
    RESTRICTIONS_CHANGED = "restrictions.changed"  # scope, before, after: sections hidden
    INVITATION_RESENT = "invitation.resent"
    INVITATION_WITHDRAWN = "invitation.withdrawn"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_RENEWAL_ASKED = "invitation.renewal_asked"
    PASSWORD_RESET_ASKED = "password.reset_asked"
    PASSWORD_CHANGED = "password.changed"  # how: reset, change
    EMAIL_CHANGE_ASKED = "email.change_asked"
    EMAIL_CHANGED = "email.changed"  # before, after
    EMAIL_CHANGE_REVOKED = "email.change_revoked"  # before, after
    SIGNED_IN = "session.signed_in"
    SIGN_IN_FAILED = "session.sign_in_failed"  # why: password, suspended, account, licence
    SIGNED_OUT = "session.signed_out"
    SESSION_ENDED = "session.ended"  # why
    SEAT_REFUSED = "seat.refused"  # seats, in_use
    MAIL_SENT = "mail.sent"  # letter
    MAIL_REFUSED = "mail.refused"  # letter, reply


class Activity(AccountOwned, Base):
    """One line. The application role may insert and read, never change; names are frozen as they were."""

    __tablename__ = "activity"
    __table_args__ = (ForeignKeyConstraint(["account_id"], ["accounts.id"]),)

    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    event: Mapped[str] = mapped_column()
    result: Mapped[str] = mapped_column(default="done")
    actor_kind: Mapped[str] = mapped_column(comment="user, person or system")
    actor_user_id: Mapped[UUID | None] = mapped_column()
    actor_identity_id: Mapped[UUID | None] = mapped_column()
    actor_account_id: Mapped[UUID | None] = mapped_column(comment="where the actor works, when it is not here")
    actor_name: Mapped[str | None] = mapped_column()
    actor_email: Mapped[str | None] = mapped_column()
    target_type: Mapped[str | None] = mapped_column()
    target_id: Mapped[UUID | None] = mapped_column()
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
) -> None:
    """Write one line into the account entered; it becomes true with the transaction. Facts are JSON, and never a secret.

    `by` None is the system itself; `on` is type, id and label of what was acted on.
    """
    session.add(Activity(**_line(session, event, by=by, on=on, result=result, **facts)))


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


def plain_line(event: Event, *, account_id: UUID, origin: Origin, by: Person, **facts: Any) -> list[Any]:
    """A line about the person's own doing, as the values of `inserted_from`."""
    values = _values(account_id, origin, event, by=by, on=None if by.user_id is None else ("user", by.user_id, by.name), **facts)
    return [json.dumps(value) if name == "facts" else value for name, value in values.items()]


def inserted_from(source: str, *, first: int) -> str:
    """SQL that writes a `plain_line`, given from `$first` on, if the `source` has a row: for a statement that does more than that."""
    columns = table_of(Activity).c
    names = list(_values(UUID(int=0), NOWHERE, Event.SIGNED_IN, by=None))
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
    return {
        "account_id": account_id,
        "id": uuid7(),
        "event": event.value,
        "result": result,
        "actor_kind": "user" if isinstance(by, Actor) else "person" if by else "system",
        "actor_user_id": by.user_id if by else None,
        "actor_identity_id": by.identity_id if by else None,
        "actor_account_id": by.account_id if isinstance(by, Actor) and by.account_id != account_id else None,
        "actor_name": by.name if by else None,
        "actor_email": by.email if by else None,
        "target_type": target_type,
        "target_id": target_id,
        "target_label": target_label,
        "facts": {name: _plain(value) for name, value in facts.items()},
        "ip": origin.ip,
        "device": origin.device,
        "request_id": origin.request_id,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple | frozenset | set):
        return [_plain(item) for item in value]
    return value
