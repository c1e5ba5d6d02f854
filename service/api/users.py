"""Users of the caller's account: list, invite, change, suspend, strike off, delete, bring back."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from service.api.shapes import Departments, Email, Key, PersonName, Reason
from service.dependencies import Actor, House, Session
from service.etags import etag
from service.paging import Cursor, Limit, Page, read_page
from service.routes import delete, get, patch, post
from tenants import invitations, password_resets, statuses, users
from tenants.actors import Actor as ActorOf
from tenants.catalogue import Catalogue
from tenants.errors import Invalid
from tenants.users import User

Status = Literal["invited", "active", "suspended", "struck_off"]
Language = Literal["fr", "en"]
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to invite. `departments` null or absent is all of them; `language` is of the mail, and of a new person's pages."""

    email: Email
    role: Key
    name: PersonName | None = None
    departments: Departments = None
    language: Language | None = None
    message: Annotated[str, msgspec.Meta(max_length=1000)] | None = None


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change. `suspended_until` and `reason` go with `status: suspended`; without an end it lasts until someone ends it."""

    name: PersonName | UnsetType = UNSET
    role: Key | UnsetType = UNSET
    departments: Departments | UnsetType = UNSET
    status: Literal["active", "suspended", "struck_off"] | UnsetType = UNSET
    suspended_until: Annotated[datetime, msgspec.Meta(tz=True)] | UnsetType | None = UNSET
    reason: Reason | UnsetType = UNSET


class InvitationFacts(msgspec.Struct):
    """How far the invitation is. `mail_reply` is what the mail server said when it refused or put off."""

    state: Literal["queued", "sent", "refused", "opened", "accepted", "expired", "withdrawn"]
    expires_at: datetime
    mail_reply: str | None = None


class UserCard(msgspec.Struct):
    """A user of the account."""

    id: UUID
    email: str
    name: str
    role: str
    departments: list[UUID] | None
    status: Status
    suspended_until: datetime | None
    suspended_reason: str | None
    last_login_at: datetime | None
    created_at: datetime
    invitation: InvitationFacts | None


@get("/users", right="users.view")
async def list_users(
    session: Session,
    actor: Actor,
    house: House,
    q: Annotated[str | None, QueryParameter(max_length=100, description="Part of name or address")] = None,
    status: Annotated[Status | None, QueryParameter()] = None,
    role: Annotated[str | None, QueryParameter(max_length=60)] = None,
    sort: Annotated[
        str, QueryParameter(max_length=30, description="name, email, last_login_at or created_at; - before it for descending")
    ] = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UserCard]:
    """Users of the account, without deleted ones."""
    rows, next_cursor = await read_page(
        session,
        users.search_users(actor.account_id, q=q, status=status, role=role),
        columns={
            "name": User.name,
            "email": User.email,
            "last_login_at": func.coalesce(User.last_login_at, _EPOCH),
            "created_at": User.created_at,
        },
        key=User.id,
        sort=sort,
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"users|{actor.account_id}|{q}|{status}|{role}",
    )
    return Page(await _cards(session, rows), next_cursor)


@post("/users", right="users.manage", refuses=(409,))
async def invite_user(data: JSONBody[NewUser], session: Session, actor: Actor, house: House) -> UserCard:
    """Invite somebody by mail. The answer does not tell whether the address is known elsewhere."""
    user = await invitations.invite(
        session,
        house.catalogue,
        actor,
        email=data.email,
        role=data.role,
        name=data.name,
        departments=data.departments,
        language=data.language,
        message=data.message,
    )
    return await _card(session, user)


@get("/users/{user_id:uuid}", right="users.view", refuses=(404,))
async def read_user(user_id: FromPath[UUID], session: Session) -> Response[UserCard]:
    """One user."""
    card = await _card(session, await users.get_user(session, user_id))
    return Response(card, headers={"etag": etag(card)})


@patch("/users/{user_id:uuid}", right="users.manage", refuses=(404,))
async def change_user(
    user_id: FromPath[UUID], data: JSONBody[UserChange], session: Session, actor: Actor, house: House
) -> UserCard:
    """Change name, role, departments or status. A new role works at the person's next request; leaving `active` ends their sessions first."""
    if data.status != "suspended" and (data.suspended_until is not UNSET or data.reason is not UNSET):
        raise Invalid("suspended_until" if data.suspended_until is not UNSET else "reason", "needs_status")
    user = await users.change_user(
        session,
        house.catalogue,
        actor,
        user_id,
        name=_given(data.name),
        role=_given(data.role),
        departments=_given(data.departments),
        all_departments=data.departments is None,
    )
    if data.status is not UNSET:
        user = await _set_status(session, house.catalogue, actor, user_id, data)
    return await _card(session, user)


@delete("/users/{user_id:uuid}", right="users.manage", refuses=(404,))
async def delete_user(user_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> None:
    """Delete a user. The person is unknown from now on; history keeps a pseudonym. Suspending or striking off is kinder to history."""
    await statuses.delete_user(session, house.catalogue, actor, user_id)


@post("/users/{user_id:uuid}/invitation", right="users.manage", status_code=202, refuses=(404,))
async def resend_invitation(user_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> UserCard:
    """Send a new link; every older one is worthless from now on."""
    return await _card(session, await invitations.resend(session, house.catalogue, actor, user_id))


@delete("/users/{user_id:uuid}/invitation", right="users.manage", refuses=(404,))
async def withdraw_invitation(user_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> None:
    """The link stops working and the place in the licence is free at once."""
    await invitations.withdraw(session, house.catalogue, actor, user_id)


@post("/users/{user_id:uuid}/password-reset", right="users.manage", status_code=202, refuses=(404,))
async def start_reset(user_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> None:
    """Mail the user a link for a new password. Only they see it."""
    await password_resets.ask_for(session, house.catalogue, actor, user_id)


async def _set_status(session: AsyncSession, catalogue: Catalogue, actor: ActorOf, user_id: UUID, data: UserChange) -> User:
    match data.status:
        case "suspended":
            until, reason = _given(data.suspended_until), _given(data.reason)
            return await statuses.suspend(session, catalogue, actor, user_id, until=until, reason=reason)
        case "struck_off":
            return await statuses.strike_off(session, catalogue, actor, user_id)
        case _:
            return await statuses.activate(session, catalogue, actor, user_id)


async def _card(session: AsyncSession, user: User) -> UserCard:
    # What PostgreSQL computes, the standing, is read again once the changes are written.
    await session.flush()
    await session.refresh(user)
    return (await _cards(session, [user]))[0]


async def _cards(session: AsyncSession, rows: list[User]) -> list[UserCard]:
    states = await invitations.states(session, rows)
    return [
        UserCard(
            id=user.id,
            email=user.email,
            name=user.name,
            role=user.role,
            departments=user.departments,
            status=user.standing,  # type: ignore[arg-type]  # deleted users are in no list
            suspended_until=user.suspended_until if user.standing == "suspended" else None,
            suspended_reason=user.suspended_reason if user.standing == "suspended" else None,
            last_login_at=user.last_login_at,
            created_at=user.created_at,
            invitation=InvitationFacts(**states[user.id]) if user.id in states else None,
        )
        for user in rows
    ]


def _given(value: Any) -> Any:
    return None if value is UNSET else value


routes = [list_users, invite_user, read_user, change_user, delete_user, resend_invitation, withdraw_invitation, start_reset]
