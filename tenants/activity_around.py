"""What stands around a line of the history: those before and after it about the same thing, and whether it is sealed yet."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import any_, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.activity import Activity
from tenants.activity_seals import Unsealed
from tenants.activity_search import Filters, Line, search_lines
from tenants.api_keys import ApiKey
from tenants.database import array_of, entered
from tenants.users import User


class Beside(NamedTuple):
    """Ids of the nearest lines about the same thing that the reader sees; None where there is none, or the line is about nothing."""

    earlier: UUID | None
    later: UUID | None


class Actors(NamedTuple):
    """Whom lines can be looked for by, ids with names. `people` is empty where there are more than anybody would look through."""

    people: list[tuple[UUID, str]]
    keys: list[tuple[UUID, str]]


async def find_beside(session: AsyncSession, line: Line, *, departments: frozenset[UUID] | None, viewer: UUID | None) -> Beside:
    """What happened to the same thing just before and after."""
    target = target_filter(line)
    if target is None:
        return Beside(None, None)
    about = search_lines(entered(session), Filters(target=target), departments=departments, viewer=viewer)
    ids = about.with_only_columns(Activity.id)
    here = tuple_(literal(line.at, Activity.at.type), literal(line.id, Activity.id.type))
    there = tuple_(Activity.at, Activity.id)
    earlier = ids.where(there < here).order_by(Activity.at.desc(), Activity.id.desc()).limit(1)
    later = ids.where(there > here).order_by(Activity.at, Activity.id).limit(1)
    return Beside(await session.scalar(earlier), await session.scalar(later))


def target_filter(line: Line) -> str | None:
    """The filter that finds everything about what the line is about; None for a line about nothing that has an id."""
    return f"{line.target_type}:{line.target_id}" if line.target_type and line.target_id else None


async def is_sealed(session: AsyncSession, line_id: UUID) -> bool:
    """Whether a line of the account entered is in its chain: from then on, whoever changes it is found out."""
    return await session.get(Unsealed, (entered(session), line_id)) is None


async def find_present(session: AsyncSession, user_ids: set[UUID]) -> set[UUID]:
    """Those of these ids that are users of the account entered who are not deleted."""
    if not user_ids:
        return set()
    query = select(User.id).where(
        User.account_id == entered(session), User.id == any_(array_of(sorted(user_ids))), User.status != "deleted"
    )
    return set(await session.scalars(query))


async def search_actors(session: AsyncSession, *, departments: frozenset[UUID] | None, viewer: UUID, most: int) -> Actors:
    """Users and API keys of the account entered whose lines this reader may see, by name, up to `most` of each."""
    here = entered(session)
    people = select(User.id, User.name, User.email).where(User.account_id == here, User.status != "deleted")
    if departments is not None:
        inside = User.departments.overlap(array_of(sorted(departments)))
        people = people.where(or_(inside, User.id == viewer))
    found = (await session.execute(people.order_by(User.search, User.id).limit(most + 1))).all()
    keys = select(ApiKey.id, ApiKey.name).where(ApiKey.account_id == here).order_by(ApiKey.name, ApiKey.id).limit(most)
    # Lines of keys concern no department.
    named = [] if departments is not None else [(row.id, row.name) for row in await session.execute(keys)]
    return Actors([] if len(found) > most else [(row.id, row.name or row.email) for row in found], named)
