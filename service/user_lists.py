"""The list of an account's users as both edges page it: filtered, in one of its orders, with the columns that are shown."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.paging import read_page
from tenants.house import House
from tenants.presence import find_at_work
from tenants.users import Status, User, search_users

# What a card needs; whole entities would cost more than the rest of the list.
_SHOWN = (
    User.id, User.email, User.name, User.role, User.departments, User.status, User.standing, User.suspended_from,
    User.suspended_until, User.suspended_reason, User.last_login_at, User.created_at,
)  # fmt: skip
_ORDERS = {"name": User.search, "email": User.email, "last_login_at": User.last_login_order, "created_at": User.created_at}


@dataclass(frozen=True, slots=True)
class UserFilters:
    """Whom the list shows; `connected` is whether they hold a seat now. None leaves a question open."""

    q: str | None = None
    status: Status | None = None
    role: str | None = None
    department: UUID | None = None
    connected: bool | None = None

    @property
    def given(self) -> tuple[object, ...]:
        """All of them, as what a cursor is bound to."""
        return (self.q, self.status, self.role, self.department, self.connected)


async def read_users(
    session: AsyncSession,
    house: House,
    account_id: UUID,
    filters: UserFilters,
    *,
    sort: str,
    limit: int,
    cursor: str | None,
    at_work: list[UUID] | None = None,
) -> tuple[list[Any], str | None]:
    """A page of the account entered, without deleted users, and the next cursor. `at_work` spares whoever has read it a second look."""
    connected = filters.connected
    if connected is not None and at_work is None:
        at_work = await find_at_work(session, await house.seats.presence(account_id))
    query = search_users(
        account_id,
        q=filters.q,
        status=filters.status,
        role=filters.role,
        department=filters.department,
        among=at_work if connected else None,
        beside=at_work if connected is False else None,
    )
    return await read_page(
        session,
        query,
        show=_SHOWN,
        columns=_ORDERS,
        key=User.id,
        sort=sort,
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"users|{account_id}|{filters.given}",
    )
