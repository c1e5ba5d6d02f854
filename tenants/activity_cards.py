"""A line of the history as its readers get it, in answers of the API and in exports alike."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity_search import Line, find_named
from tenants.activity_sentences import changes, named_in, sentence
from tenants.activity_values import Names, Reader, person_called
from tenants.activity_vocabulary import label_of


class Place(msgspec.Struct):
    """The account in which an actor works, where that is another one."""

    id: UUID
    name: str | None


class ActorCard(msgspec.Struct):
    """Who did it, by the name and address of that day. `account` is null for whoever works here.

    `kind` is `user`, `visitor`, `person` (no user of this account), `api_key` or `system`.
    """

    kind: str
    user_id: UUID | None
    identity_id: UUID | None
    key_id: UUID | None
    name: str | None
    email: str | None
    account: Place | None


class TargetCard(msgspec.Struct):
    """What was acted on; its id is the vendor's own for what the vendor's application reports."""

    type: str
    id: str | None
    label: str | None


class ChangeCard(msgspec.Struct):
    """One thing that a change changed, with its name and both values in the reader's language."""

    field: str
    label: str
    before: str | None
    after: str | None


class LineCard(msgspec.Struct):
    """One line. `at` is when it happened, `recorded_at` when it was written; `label` and `sentence` are in the reader's language."""

    id: UUID
    at: datetime
    recorded_at: datetime
    action: str
    family: str
    label: str
    sentence: str
    result: str
    reason: str | None
    actor: ActorCard
    target: TargetCard | None
    changes: list[ChangeCard]
    facts: dict[str, Any]
    ip: str | None
    device: str | None
    request_id: str | None


async def find_names(session: AsyncSession, lines: Iterable[Line]) -> dict[str, str]:
    """What people, departments and roles that the lines name by their ids are called now; one query however many lines."""
    return await find_named(session, (list(named_in(line)) for line in lines))


def line_card(line: Line, reader: Reader, names: Names) -> LineCard:
    """The line; `names` are those that `find_names` found. Whoever was deleted since goes by their pseudonym, in the reader's words."""
    reason = line.facts.get("reason")
    return LineCard(
        id=line.id,
        at=line.at,
        recorded_at=line.recorded_at,
        action=line.event,
        family=line.event.partition(".")[0],
        label=label_of(line.event, reader.language),
        sentence=sentence(line, reader, names),
        result=line.result,
        reason=reason if isinstance(reason, str) else None,
        actor=_actor(line, reader),
        target=None if line.target_type is None else _target(line, reader, names),
        changes=[ChangeCard(*change) for change in changes(line, reader, names)],
        facts=line.facts,
        ip=line.ip,
        device=line.device,
        request_id=line.request_id,
    )


def _target(line: Line, reader: Reader, names: Names) -> TargetCard:
    return TargetCard(line.target_type, line.target_id, _called(line.target_label or names.get(line.target_id or ""), reader))


def _actor(line: Line, reader: Reader) -> ActorCard:
    return ActorCard(
        kind=_kind(line),
        user_id=line.actor_user_id,
        identity_id=line.actor_identity_id,
        key_id=line.actor_key_id,
        name=_called(line.actor_name, reader),
        email=_called(line.actor_email, reader),
        account=None if line.actor_account_id is None else Place(line.actor_account_id, line.actor_account_name),
    )


def _kind(line: Line) -> str:
    # Whoever has no session yet, as when they sign in, is noted as a person, and may be a user all the same.
    return "user" if line.actor_kind == "person" and line.actor_user_id is not None else line.actor_kind


def _called(name: str | None, reader: Reader) -> str | None:
    return None if name is None else person_called(name, reader)
