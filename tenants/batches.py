"""Many invitations at once: every line is judged by itself, and those that hold are invited together or not at all."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account, get_account, known_language
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.database import entered
from tenants.errors import DomainError, Invalid, QuotaReached
from tenants.identities import LONGEST_EMAIL, Identity, normal_email
from tenants.invitees import Invitee, add_many, any_of
from tenants.licences import Licence, get_licence, lock_licence
from tenants.roles import Palette, read_palette
from tenants.texts import one_line, paragraph
from tenants.users import User, count_users

MOST_LINES = 5_000
_LONGEST_WORD = 120
# Lines judged before the other requests of the process have their turn: a few milliseconds.
_JUDGED_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One person to invite, as somebody wrote it: role and departments by key, id, code or name. `departments` None is all of them."""

    number: int
    email: str
    name: str | None = None
    role: str | None = None
    departments: tuple[str, ...] | None = None
    language: str | None = None
    message: str | None = None
    #: What is wrong with the line as a whole, as its reader found: a problem of the field `line`.
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody is invited for a line. `code` is a refusal's, or the problem of the `field`."""

    line: int
    email: str
    code: str
    field: str | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines whose own values hold, cleaned and in their order, and those that are refused already."""

    lines: list[Line]
    refused: list[Refusal]


@dataclass(frozen=True, slots=True)
class Report:
    """What a batch came to. `users_after` counts as the licence does; `fits` tells whether that is within `users_limit` (None: no limit)."""

    accepted: int
    refused: list[Refusal]
    users_after: int
    users_limit: int | None
    fits: bool


async def check_lines(lines: Sequence[Line]) -> Batch:
    """Judge addresses, texts and duplicates, which needs no database: do it before a transaction holds a lock.

    Others are served in between. Raises Invalid for a batch without lines, or with more than `MOST_LINES`.
    """
    if not lines:
        raise Invalid("users", "no_lines")
    if len(lines) > MOST_LINES:
        raise Invalid("users", "too_many_lines", max=MOST_LINES)
    batch = Batch([], [])
    first: dict[str, int] = {}
    for position, line in enumerate(lines):
        if position % _JUDGED_AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            batch.lines.append(_cleaned(line, first))
        except Invalid as error:
            batch.refused.append(_refusal(line, error))
    return batch


async def invite_many(session: AsyncSession, catalogue: Catalogue, actor: Actor, batch: Batch) -> Report:
    """Invite everybody whose line holds, and owe each their mail. The report does not tell whether an identity is new.

    Raises QuotaReached, and then nobody is invited, when the licence has no room for all of them.
    """
    # The lock comes before the count, as for one invitation: two batches that want the last places queue here.
    licence = await lock_licence(session)
    account = await get_account(session, entered(session))
    invitees, report = await _judged(session, catalogue, actor, batch, account=account, licence=licence)
    if not report.fits:
        used = report.users_after - report.accepted
        raise QuotaReached(what="users", limit=licence.users, used=used, asked=report.accepted)
    if invitees:
        await add_many(session, actor, invitees)
        record(session, Event.USERS_INVITED, by=actor, accepted=report.accepted, refused=len(report.refused))
    return report


async def preview(session: AsyncSession, catalogue: Catalogue, actor: Actor, batch: Batch) -> Report:
    """What `invite_many` would report at this moment; changes and locks nothing, and a quota that is too small is only told."""
    licence = await get_licence(session)
    account = await get_account(session, entered(session))
    _, report = await _judged(session, catalogue, actor, batch, account=account, licence=licence)
    return report


def _cleaned(line: Line, first: dict[str, int]) -> Line:
    if line.fault:
        raise Invalid("line", line.fault)
    email = _address(line.email)
    if (earlier := first.setdefault(email, line.number)) != line.number:
        raise Invalid("email", "duplicate", first=earlier)
    return replace(
        line,
        email=email,
        name=one_line("name", line.name or "", longest=120, shortest=0),
        language=known_language(line.language) if line.language else None,
        message=paragraph("message", line.message or "", longest=1000) or None,
    )


def _address(email: str) -> str:
    if not email:
        raise Invalid("email", "required")
    # Before anything is computed of it: a cell may be as long as the file.
    if len(email) > LONGEST_EMAIL:
        raise Invalid("email", "too_long", max=LONGEST_EMAIL)
    return normal_email(email)


def _refusal(line: Line, error: DomainError) -> Refusal:
    given = line.email[:LONGEST_EMAIL]
    if isinstance(error, Invalid):
        return Refusal(line.number, given, error.problem, error.field, error.facts)
    return Refusal(line.number, given, error.code, None, error.facts)


async def _judged(
    session: AsyncSession, catalogue: Catalogue, actor: Actor, batch: Batch, *, account: Account, licence: Licence
) -> tuple[list[Invitee], Report]:
    choices = _Choices(await read_palette(session, catalogue, actor.account_kind), actor)
    known = await _known(session, [line.email for line in batch.lines])
    visitor = (await session.get_one(Identity, actor.identity_id)).email if actor.visit else None
    invitees: list[Invitee] = []
    refused = list(batch.refused)
    for position, line in enumerate(batch.lines):
        if position % _JUDGED_AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            if line.email == visitor:
                actor.must_belong_here()
            if line.email in known:
                raise Invalid("email", "already_exists", status=known[line.email])
            role, departments = choices.of(line)
        except DomainError as error:
            refused.append(_refusal(line, error))
        else:
            invitees.append(
                Invitee(line.email, line.name or "", role, departments, line.language or account.language, line.message)
            )
    used, limit = await count_users(session), licence.users
    after = used + len(invitees)
    fits = not invitees or limit is None or after <= limit
    return invitees, Report(len(invitees), sorted(refused, key=lambda each: each.line), after, limit, fits)


class _Choices:
    """Role and departments of a line, as far as the actor may give them. Thousands of lines name the same few: each is looked up once."""

    def __init__(self, palette: Palette, actor: Actor) -> None:
        self._palette = palette
        self._actor = actor
        self._role = cache(palette.find_role)
        self._reach = cache(palette.reach)
        self._department = cache(palette.find_department)

    def of(self, line: Line) -> tuple[str, list[UUID] | None]:
        """Raises Invalid, OptionMissing or BeyondOwnRights."""
        if not line.role:
            raise Invalid("role", "required")
        role = self._role(line.role) if len(line.role) <= _LONGEST_WORD else None
        if role is None:
            raise Invalid("role", "unknown", given=line.role[:_LONGEST_WORD])
        departments = self._departments(line.departments)
        self._actor.must_cover(self._reach(self._palette.must_know(role)), departments)
        return role, departments

    def _departments(self, words: tuple[str, ...] | None) -> list[UUID] | None:
        if words is None:
            return None
        found = []
        for word in words:
            department = self._department(word) if len(word) <= _LONGEST_WORD else None
            if department is None:
                raise Invalid("departments", "unknown", given=word[:_LONGEST_WORD])
            found.append(department)
        return self._palette.must_know_departments(found)


async def _known(session: AsyncSession, emails: list[str]) -> dict[str, str]:
    """Those of the addresses whose people are users of the account entered already, and their status."""
    rows = await session.execute(
        select(Identity.email, User.standing)
        .join(User, User.identity_id == Identity.id)
        .where(User.account_id == entered(session), User.status != "deleted", Identity.email == any_of(emails))
    )
    return {row.email: row.standing for row in rows}
