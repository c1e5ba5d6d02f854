"""Departments of the account: create, rename, archive, bring back."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from service.dependencies import Actor, House, Session
from service.etags import etag
from service.paging import Cursor, Limit, Page, read_page
from service.routes import delete, get, patch, post
from tenants import departments
from tenants.departments import Department

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=30)]


class NewDepartment(msgspec.Struct, forbid_unknown_fields=True):
    """Name and code are each one of a kind among the departments in use, whatever their capitals."""

    name: Name
    code: Code | None = None


class DepartmentChange(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change. An archived department counts no more, and nobody can be put into it."""

    name: Name | UnsetType = UNSET
    code: Code | UnsetType | None = UNSET
    archived: bool | UnsetType = UNSET


class DepartmentCard(msgspec.Struct):
    """A department. `users` are limited to it, and perhaps to others; whoever is in all departments is not among them."""

    id: UUID
    name: str
    code: str | None
    archived_at: datetime | None
    created_at: datetime
    users: int


@get("/departments", right="departments.view")
async def list_departments(
    session: Session,
    actor: Actor,
    house: House,
    archived: Annotated[bool, QueryParameter(description="Those that were archived instead")] = False,
    sort: Annotated[str, QueryParameter(max_length=30, description="name or created_at; - before it for descending")] = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DepartmentCard]:
    """Departments in use."""
    rows, next_cursor = await read_page(
        session,
        departments.search_departments(actor.account_id, archived=archived),
        columns={"name": Department.name, "created_at": Department.created_at},
        key=Department.id,
        sort=sort,
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"departments|{actor.account_id}|{archived}",
    )
    return Page(await _cards(session, rows), next_cursor)


@post("/departments", right="departments.manage", refuses=(403, 409))
async def create_department(data: JSONBody[NewDepartment], session: Session, actor: Actor) -> DepartmentCard:
    """Add a department, up to the licence's number. For administrators of all departments."""
    department = await departments.create_department(session, actor, name=data.name, code=data.code)
    return (await _cards(session, [department]))[0]


@get("/departments/{department_id:uuid}", right="departments.view", refuses=(404,))
async def read_department(department_id: FromPath[UUID], session: Session) -> Response[DepartmentCard]:
    """One department, archived or not."""
    card = (await _cards(session, [await departments.get_department(session, department_id)]))[0]
    return Response(card, headers={"etag": etag(card)})


@patch("/departments/{department_id:uuid}", right="departments.manage", refuses=(404,))
async def change_department(
    department_id: FromPath[UUID], data: JSONBody[DepartmentChange], session: Session, actor: Actor
) -> DepartmentCard:
    """Rename, give another code, archive or bring back. Archiving is refused while users are limited to it."""
    wanted = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
    department = await departments.change_department(session, actor, department_id, wanted=wanted)
    return (await _cards(session, [department]))[0]


@delete("/departments/{department_id:uuid}", right="departments.manage", refuses=(404,))
async def archive_department(department_id: FromPath[UUID], session: Session, actor: Actor) -> None:
    """Archive it: history still names it. Refused while users are limited to it."""
    await departments.change_department(session, actor, department_id, wanted={"archived": True})


async def _cards(session: AsyncSession, rows: list[Department]) -> list[DepartmentCard]:
    users = await departments.users_of(session, [row.id for row in rows])
    return [DepartmentCard(row.id, row.name, row.code, row.archived_at, row.created_at, users.get(row.id, 0)) for row in rows]


routes = [list_departments, create_department, read_department, change_department, archive_department]
