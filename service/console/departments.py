"""Departments of the account: in use and archived; made, renamed, archived, brought back; what cannot be done is explained."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any
from uuid import UUID, uuid4

from litestar.params import FromPath, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from service.console import sent_once
from service.console.forms import Fields
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Session, Work
from service.paging import read_page
from tenants import brands, departments
from tenants.actors import Actor as ActorOf
from tenants.departments import Department, change_department, create_department
from tenants.errors import AlreadyExists, DomainError, InUse, Invalid, NotFound, Unavailable
from tenants.house import House as HouseOf
from tenants.licences import get_licence

_ROWS = 50
_Open = Callable[[], AbstractAsyncContextManager[AsyncSession]]


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {
    "created": _("The department is there. People can be put into it now."),
    "changed": _("The department is changed."),
    "archived": _("The department is archived. The history still names it."),
    "restored": _("The department is in use again."),
}
_COMPLAINTS: dict[tuple[str, str], str] = {
    ("name", "too_short"): _("Write the name of the department."),
    ("name", "already_exists"): _("Another department in use has this name already."),
    ("code", "already_exists"): _("Another department in use has this code already."),
    ("code", "too_long"): _("This code is too long: it can have %(max)s characters at most."),
    ("code", "control_characters"): _("This code contains invisible characters. Type it again."),
}

Archived = Annotated[bool, QueryParameter(required=False, description="Those that were archived instead")]


@page("/departments", right="departments.view")
async def list_departments(view: ViewOf, session: Session, actor: Actor, house: House, archived: Archived = False) -> Answer:
    """By name, fifty to a page; those in use, or those that were archived."""
    cursor = view.request.query_params.get("cursor") or None
    return await _show_list(view, session, house, actor, archived=archived, cursor=cursor)


@form("/departments", right="departments.manage")
async def create(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Add one, once however often the form is sent."""
    fields = await view.fields()
    mark = sent_once.mark_of(house, "/departments", fields, ("name", "code"))
    try:
        async with work() as session:
            if await sent_once.is_first(session, actor, mark):
                await create_department(session, actor, name=fields.text("name"), code=_code(fields))
                await sent_once.keep(session, actor, mark)
    except Unavailable:
        raise
    except DomainError as error:
        async with work() as session:
            return await _show_list(view, session, house, actor, fields=fields, error=error)
    return view.go("/departments", done="created")


@page("/departments/{department_id:uuid}", right="departments.view")
async def show_department(department_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor) -> Answer:
    """One department, archived or not."""
    return await _show_one(view, session, actor, department_id)


@form("/departments/{department_id:uuid}", right="departments.manage")
async def change(department_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor) -> Answer:
    """Another name, another code."""
    fields = await view.fields()
    wanted = {"name": fields.text("name"), "code": _code(fields)}

    async def act(session: AsyncSession) -> object:
        return await change_department(session, actor, department_id, wanted=wanted)

    return await _carry_out(view, work, actor, department_id, act, done="changed", fields=fields)


@form("/departments/{department_id:uuid}/archive", right="departments.manage")
async def archive(department_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor) -> Answer:
    """It counts no more, and nobody can be put into it."""

    async def act(session: AsyncSession) -> object:
        return await change_department(session, actor, department_id, wanted={"archived": True})

    return await _carry_out(view, work, actor, department_id, act, done="archived")


@form("/departments/{department_id:uuid}/restore", right="departments.manage")
async def restore(department_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor) -> Answer:
    """Bring it back, where the licence has room."""

    async def act(session: AsyncSession) -> object:
        return await change_department(session, actor, department_id, wanted={"archived": False})

    return await _carry_out(view, work, actor, department_id, act, done="restored")


async def _carry_out(
    view: View,
    work: _Open,
    actor: ActorOf,
    department_id: UUID,
    act: Callable[[AsyncSession], Awaitable[object]],
    *,
    done: str,
    fields: Fields | None = None,
) -> Answer:
    try:
        async with work() as session:
            await act(session)
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        # In a transaction of its own: what was refused is undone.
        async with work() as session:
            return await _show_one(view, session, actor, department_id, fields=fields, error=error)
    return view.go(f"/departments/{department_id}", done=done)


async def _show_list(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    archived: bool = False,
    cursor: str | None = None,
    fields: Fields | None = None,
    error: DomainError | None = None,
) -> Answer:
    rows, more = await read_page(
        session,
        departments.search_departments(actor.account_id, archived=archived),
        columns={"name": Department.name},
        key=Department.id,
        sort="name",
        limit=_ROWS,
        cursor=cursor,
        signer=house.signer,
        of=f"departments|{actor.account_id}|{archived}",
    )
    start = "/departments?archived=true" if archived else "/departments"
    return view.show(
        "departments.html",
        here="/departments" if error else None,
        said=None if error else view.said(SAID),
        archived=archived,
        rows=rows,
        people=await departments.users_of(session, [row.id for row in rows]),
        start=start,
        more=f"{start}{'&' if archived else '?'}cursor={more}" if more else None,
        later=cursor is not None,
        once=str(uuid4()),
        typed={"name": fields.text("name") if fields else "", "code": fields.text("code") if fields else ""},
        **await _facts(view, session, actor, error),
    )


async def _show_one(
    view: View,
    session: AsyncSession,
    actor: ActorOf,
    department_id: UUID,
    *,
    fields: Fields | None = None,
    error: DomainError | None = None,
) -> Answer:
    department = await departments.get_department(session, department_id)
    return view.show(
        "department.html",
        here=f"/departments/{department.id}",
        said=None if error else view.said(SAID),
        department=department,
        people=(await departments.users_of(session, [department.id])).get(department.id, 0),
        changes=actor.may("departments.manage") and actor.may_give((), [department.id]),
        typed={
            "name": fields.text("name") if fields else department.name,
            "code": fields.text("code") if fields else department.code or "",
        },
        **await _facts(view, session, actor, error),
    )


async def _facts(view: View, session: AsyncSession, actor: ActorOf, error: DomainError | None) -> dict[str, Any]:
    """What both pages say: how many the licence allows, whether this reader adds and archives, what was refused."""
    limit, used = (await get_licence(session)).departments, await departments.count_departments(session)
    return {
        "brand": await brands.find_brand(session),
        "used": used,
        "limit": limit,
        "full": limit is not None and used >= limit,
        "anywhere": actor.departments is None,
        "longest": {"name": departments.LONGEST_NAME, "code": departments.LONGEST_CODE},
        **_refusal(view, error),
    }


def _refusal(view: View, error: DomainError | None) -> dict[str, Any]:
    found: dict[str, Any] = {"status": 200 if error is None else status_of(error), "complaints": [], "notice": None}
    if error is None:
        return found
    if isinstance(error, Invalid | AlreadyExists):
        field, problem = (
            (error.field, error.problem) if isinstance(error, Invalid) else (str(error.facts["what"]), "already_exists")
        )
        own = _COMPLAINTS.get((field, problem))
        if own is not None:
            return found | {"complaints": [{"field": field, "text": view.say(own, **error.facts), "advice": []}]}
        return found | {"complaints": [view.complaint(error)] if isinstance(error, Invalid) else []}
    notice = view.notice(error)
    if isinstance(error, InUse):
        notice["text"] = view.say("People are limited to this department. Give them others first.")
    return found | {"notice": notice}


def _code(fields: Fields) -> str | None:
    return fields.text("code").strip() or None


routes = [list_departments, create, show_department, change, archive, restore]
