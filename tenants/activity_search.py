"""Reading the history: what a reader may see of it, and the few months in which an answer can lie."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, and_, any_, case, cast, func, or_, select, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Activity, Result
from tenants.activity_intake import AHEAD, LATEST
from tenants.database import array_of, entered
from tenants.departments import Department
from tenants.errors import Invalid, NotFound
from tenants.roles import Role
from tenants.texts import like_pattern
from tenants.users import User

Line = Row[Any]
Lines = Select[*tuple[Any, ...]]
#: What every line of this module has, under these names.
COLUMNS = (
    Activity.id, Activity.at, Activity.recorded_at, Activity.event, Activity.result,
    Activity.actor_kind, Activity.actor_user_id, Activity.actor_identity_id, Activity.actor_key_id,
    Activity.actor_account_id, Activity.actor_account_name, Activity.actor_name, Activity.actor_email,
    Activity.target_type, Activity.target_id, Activity.target_label,
    Activity.facts, Activity.ip, Activity.device, Activity.request_id,
)  # fmt: skip
SYSTEM = "system"
#: Stands before the id of an API key where an actor is named.
BY_KEY = "api_key:"
# Between a line's id and its moment, beside what events of the vendor's application may be late or early: a transaction that lasts, and
# clocks that disagree.
_APART = timedelta(days=1)
# Facts that somebody may know of what others did to them, and columns that they may not.
_TOLD = ("before", "after", "since", "until", "why", "how", "role", "departments", "scope", "seat", "session_id", "sessions")
_NAMES = ("actor_user_id", "actor_name", "actor_account_id", "actor_account_name")
_NOT_TOLD = ("actor_identity_id", "actor_key_id", "actor_email", "ip", "device", "request_id")
_TYPE = re.compile(r"[a-z][a-z0-9_]*")
_WORD = re.compile(r"[a-z_]+")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_GIVEN_UP = "57014"


@dataclass(frozen=True, slots=True)
class Filters:
    """What is looked for; None is everything. `tenants.activity_filters` makes them of what people type.

    The period is from `since` on and before `until`. `actor` is a user's id, `api_key:` and a key's id, or `system`; `action` an
    event or a family of them; `target` a type, `type:id`, or an id; `text` any part of the target's label, of the actor's name or
    address, or of the reason.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    action: str | None = None
    target: str | None = None
    result: Result | None = None
    ip: str | None = None
    text: str | None = None


EVERYTHING = Filters()


def search_lines(account_id: UUID, filters: Filters, *, departments: frozenset[UUID] | None, viewer: UUID | None = None) -> Lines:
    """Lines of the account with `COLUMNS`, in no order.

    A reader limited to `departments` sees what people limited to one of these did or underwent, what was done to the departments
    themselves, and the part of the user `viewer`; membership as it is now.
    """
    conditions = [*_during(filters.since, filters.until)]
    if filters.actor is not None:
        conditions.append(_by(filters.actor))
    if filters.action is not None:
        conditions.append(_of(filters.action))
    if filters.target is not None:
        conditions.append(_on(filters.target))
    if filters.result is not None:
        conditions.append(Activity.result == filters.result)
    if filters.ip is not None:
        conditions.append(Activity.ip == filters.ip)
    if filters.text is not None:
        conditions.append(_with(filters.text))
    if departments is not None:
        conditions.append(_about(account_id, departments, viewer))
    return select(*COLUMNS).where(Activity.account_id == account_id, *conditions)


def search_about(
    account_id: UUID, user_id: UUID, filters: Filters, *, departments: frozenset[UUID] | None, viewer: UUID | None = None
) -> Lines:
    """As `search_lines`: what one user of the account did, and what was done to them."""
    return search_lines(account_id, filters, departments=departments, viewer=viewer).where(_theirs(user_id))


def search_own(account_id: UUID, user_id: UUID, filters: Filters, *, named: bool) -> Lines:
    """What a user of the account did, and what was done to them, with `COLUMNS` as they may read them.

    Of what others did to them that is neither from where, nor why somebody noted that it was done. By whom it is only if `named`:
    else people are of the kind `somebody`.
    """
    lines = search_lines(account_id, filters, departments=None).where(_theirs(user_id))
    return lines.with_only_columns(*_own_columns(user_id, named=named))


async def get_line(
    session: AsyncSession, line_id: UUID, *, departments: frozenset[UUID] | None, viewer: UUID | None = None
) -> Line:
    """One line of the account entered, if this reader sees it in lists; else NotFound."""
    query = search_lines(entered(session), EVERYTHING, departments=departments, viewer=viewer)
    found = (await session.execute(query.where(Activity.id == line_id))).one_or_none()
    if found is None:
        raise NotFound
    return found


async def find_named(session: AsyncSession, facts: Iterable[Any]) -> dict[str, str]:
    """What users, departments and roles whose ids the facts hold are called now in the account entered; one query for a page."""
    here, ids = entered(session), sorted(set(_ids_in(list(facts))))
    if not ids:
        return {}
    among = array_of(ids)
    named = union_all(
        select(User.id, func.coalesce(func.nullif(User.name, ""), User.email)).where(
            User.account_id == here, User.id == any_(among)
        ),
        select(Department.id, Department.name).where(Department.account_id == here, Department.id == any_(among)),
        select(Role.id, Role.name).where(Role.account_id == here, Role.id == any_(among)),
    )
    return {str(row[0]): row[1] for row in await session.execute(named)}


@contextmanager
def in_time() -> Iterator[None]:
    """Raise Invalid where PostgreSQL gave up a search because it took too long: a shorter period is what helps."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _GIVEN_UP:
            raise
        raise Invalid("from", "too_much_to_search") from error


def _theirs(user_id: UUID) -> ColumnElement[bool]:
    return or_(Activity.actor_user_id == user_id, and_(Activity.target_type == "user", Activity.target_id == str(user_id)))


def _own_columns(user_id: UUID, *, named: bool) -> Iterator[ColumnElement[Any]]:
    mine = Activity.actor_user_id.is_not_distinct_from(user_id)
    parts = func.jsonb_each(Activity.facts).table_valued("key", "value")
    told = select(func.jsonb_object_agg(parts.c.key, parts.c.value)).where(parts.c.key.in_(_TOLD)).scalar_subquery()
    less: dict[str, Any] = {**dict.fromkeys(_NOT_TOLD), "facts": func.coalesce(told, cast({}, JSONB))}
    if not named:
        less |= {**dict.fromkeys(_NAMES), "actor_kind": case((Activity.actor_kind == SYSTEM, SYSTEM), else_="somebody")}
    for column in COLUMNS:
        key = column.key
        yield case((mine, column), else_=less[key]).label(key) if key in less else column.expression


def first_id(moment: datetime) -> UUID:
    """The first UUIDv7 of that moment: as the borders between the table's months are made."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def _during(since: datetime | None, until: datetime | None) -> Iterator[ColumnElement[bool]]:
    # The bounds on the id follow from those on `at`, and PostgreSQL looks only into the months that they leave.
    if since is not None:
        yield Activity.at >= since
        yield Activity.id >= first_id(since - AHEAD - _APART)
    if until is not None:
        yield Activity.at < until
        yield Activity.id < first_id(until + LATEST + _APART)


def _by(actor: str) -> ColumnElement[bool]:
    if actor == SYSTEM:
        return Activity.actor_kind == SYSTEM
    if actor.startswith(BY_KEY):
        return Activity.actor_key_id == UUID(actor.removeprefix(BY_KEY))
    return Activity.actor_user_id == UUID(actor)


def _of(action: str) -> ColumnElement[bool]:
    if "." in action:
        return Activity.event == action
    # A range that the index knows; `/` is the character after the point.
    return and_(Activity.event >= f"{action}.", Activity.event < f"{action}/")


def _on(target: str) -> ColumnElement[bool]:
    # The vendor's own ids may hold colons too.
    kind, colon, target_id = target.partition(":")
    if not _TYPE.fullmatch(kind):
        return Activity.target_id == target
    if colon:
        return and_(Activity.target_type == kind, Activity.target_id == target_id)
    # With digits in it, it may be either.
    return Activity.target_type == kind if _WORD.fullmatch(kind) else or_(Activity.target_id == kind, Activity.target_type == kind)


def _with(text: str) -> ColumnElement[bool]:
    pattern = like_pattern("text", text)
    searched = (Activity.target_label, Activity.actor_name, Activity.actor_email, Activity.facts["reason"].astext)
    return or_(*(column.ilike(pattern) for column in searched))


def _about(account_id: UUID, departments: frozenset[UUID], viewer: UUID | None) -> ColumnElement[bool]:
    inside = User.departments.overlap(array_of(sorted(departments)))
    people = select(User.id).where(User.account_id == account_id, inside if viewer is None else or_(inside, User.id == viewer))
    named = people.with_only_columns(cast(User.id, Text))
    return or_(
        Activity.actor_user_id.in_(people),
        and_(Activity.target_type == "user", Activity.target_id.in_(named)),
        and_(Activity.target_type == "department", Activity.target_id.in_([str(one) for one in sorted(departments)])),
    )


def _ids_in(value: Any) -> Iterator[UUID]:
    if isinstance(value, str):
        if _ID.fullmatch(value):
            yield UUID(value)
        return
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _ids_in(inner)
