"""Why a user has a right or lacks it, and who has it."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar.params import FromPath, QueryParameter

from service.dependencies import Actor, House, Session
from service.paging import Cursor, Limit, Page, read_page
from service.routes import get
from tenants.users import User, get_user
from tenants.why import must_be_in_use, read_case, search_holders

Department = Annotated[UUID | None, QueryParameter(description="Asked for this department; without it, for any")]
Right = Annotated[str, msgspec.Meta(max_length=120)]


class Step(msgspec.Struct):
    """One thing that decides; a right is granted when every step grants it."""

    by: Literal["status", "account", "licence", "role", "option", "restriction", "department"]
    grants: bool
    facts: dict[str, Any]


class RightCard(msgspec.Struct):
    """A right of this kind of account, whether the user has it, and what decided."""

    right: str
    granted: bool
    why: list[Step]


class RightsOfUser(msgspec.Struct):
    """Every right of the account, granted or not, in the catalogue's order."""

    user_id: UUID
    role: str
    departments: list[UUID] | None
    rights: list[RightCard]


class Holder(msgspec.Struct):
    """Somebody who has the right."""

    id: UUID
    name: str
    email: str
    role: str
    departments: list[UUID] | None


@get("/users/{user_id:uuid}/rights", right="users.view", refuses=(404,))
async def explain_rights(
    user_id: FromPath[UUID], session: Session, actor: Actor, house: House, department: Department = None
) -> RightsOfUser:
    """What a user may do now, each with the chain that decided."""
    user = await get_user(session, user_id)
    case = await read_case(session, house.catalogue, user)
    must_be_in_use(case.palette, department)
    here = house.catalogue.rights_of(actor.account_kind)
    cards = []
    for right in house.catalogue.rights:
        if right in here:
            steps = case.steps(right, department=department)
            why = [Step(step.by, step.grants, step.facts) for step in steps]
            cards.append(RightCard(right, all(step.grants for step in steps), why))
    return RightsOfUser(user.id, user.role, user.departments, cards)


@get("/rights/{right:str}/holders", right="users.view", refuses=(404,))
async def list_holders(
    right: FromPath[Right],
    session: Session,
    actor: Actor,
    house: House,
    department: Department = None,
    sort: Annotated[str, QueryParameter(max_length=30, description="name or email; - before it for descending")] = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Holder]:
    """Who has a right now."""
    rows, next_cursor = await read_page(
        session,
        await search_holders(session, house.catalogue, right, department=department),
        columns={"name": User.name, "email": User.email},
        key=User.id,
        sort=sort,
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"holders|{actor.account_id}|{right}|{department}",
    )
    return Page([Holder(row.id, row.name, row.email, row.role, row.departments) for row in rows], next_cursor)


routes = [explain_rights, list_holders]
