"""Users of the caller's account: list, invite, change, suspend, strike off, delete, bring back."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.api.shapes import Departments, Email, Key, Password, PersonName, Reason, Sections
from service.dependencies import Actor, House, Session, Work
from service.entrances import first_password_hash
from service.etags import etag
from service.paging import Cursor, Limit, Page
from service.routes import BodyOptional, delete, get, patch, post
from service.user_lists import UserFilters, read_users
from tenants import assignments, invitations, password_resets, statuses, users
from tenants.actors import Actor as ActorOf
from tenants.catalogue import Catalogue
from tenants.errors import Invalid
from tenants.restrictions import read_restrictions
from tenants.users import User

Status = Literal["invited", "active", "suspended", "struck_off"]
Language = Literal["fr", "en"]
Message = Annotated[str, msgspec.Meta(max_length=1000)]
ValidDays = Annotated[int, msgspec.Meta(ge=1, le=30)]
_OF_A_SUSPENSION = ("suspended_from", "suspended_until", "reason")


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to invite. `departments` null or absent is all of them; `language` is of the mail, and of a new person's pages.

    The link is good for `valid_days`, 7 without. `password` is a first password, where the account's settings allow it: it works
    for somebody new only, as long as this invitation, and for nothing but choosing an own one.
    """

    email: Email
    role: Key
    name: PersonName | None = None
    departments: Departments = None
    language: Language | None = None
    message: Message | None = None
    valid_days: ValidDays | None = None
    password: Password | None = None


class NewLink(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Of a new link: what is absent or null stays as it was, an empty message removes it; `valid_days` is 7 without."""

    valid_days: ValidDays | None = None
    message: Message | None = None
    language: Language | None = None


_AS_BEFORE = NewLink()


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change. `departments` null is all of them; `restrictions` are the sections hidden from this user.

    `suspended_from`, `suspended_until` and `reason` go with `status: suspended`: without a start it begins at once, without an end it
    lasts until someone ends it.
    """

    name: PersonName | UnsetType = UNSET
    role: Key | UnsetType = UNSET
    departments: Departments | UnsetType = UNSET
    status: Literal["active", "suspended", "struck_off"] | UnsetType = UNSET
    suspended_from: Annotated[datetime, msgspec.Meta(tz=True)] | UnsetType | None = UNSET
    suspended_until: Annotated[datetime, msgspec.Meta(tz=True)] | UnsetType | None = UNSET
    reason: Reason | UnsetType = UNSET
    restrictions: Sections | UnsetType = UNSET


class InvitationFacts(msgspec.Struct):
    """How far the invitation is. `mail_reply` is what the mail server said when it refused or put off."""

    state: Literal["queued", "sent", "refused", "opened", "accepted", "expired", "withdrawn"]
    expires_at: datetime
    mail_reply: str | None = None


class UserCard(msgspec.Struct):
    """A user of the account. The suspension's facts are there from its planning to its end; `restrictions` are the user's own."""

    id: UUID
    email: str
    name: str
    role: str
    departments: list[UUID] | None
    status: Status
    suspended_from: datetime | None
    suspended_until: datetime | None
    suspended_reason: str | None
    last_login_at: datetime | None
    created_at: datetime
    invitation: InvitationFacts | None
    restrictions: list[str]


@get("/users", right="users.view")
async def list_users(
    session: Session,
    actor: Actor,
    house: House,
    q: Annotated[
        str | None, QueryParameter(max_length=100, description="Words of name or address, or parts of them, in any order")
    ] = None,
    status: Annotated[Status | None, QueryParameter()] = None,
    role: Annotated[str | None, QueryParameter(max_length=60)] = None,
    department: Annotated[UUID | None, QueryParameter(description="Whoever is in this one, or in all of them")] = None,
    connected: Annotated[bool | None, QueryParameter(description="Whether they hold a seat now")] = None,
    sort: Annotated[
        str, QueryParameter(max_length=30, description="name, email, last_login_at or created_at; - before it for descending")
    ] = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UserCard]:
    """Users of the account, without deleted ones."""
    filters = UserFilters(q, status, role, department, connected)
    rows, next_cursor = await read_users(session, house, actor.account_id, filters, sort=sort, limit=limit, cursor=cursor)
    return Page(await _cards(session, rows), next_cursor)


@post("/users", right="users.manage", refuses=(409,))
async def invite_user(data: JSONBody[NewUser], work: Work, actor: Actor, house: House) -> UserCard:
    """Invite somebody by mail. The answer does not tell whether the address is known elsewhere."""
    first_hash = await first_password_hash(house, actor, email=data.email, name=data.name, password=data.password)
    async with work() as session:
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
            valid_days=data.valid_days,
            first_hash=first_hash,
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
    wanted = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
    if astray := [name for name in _OF_A_SUSPENSION if name in wanted and data.status != "suspended"]:
        raise Invalid(astray[0], "needs_status")
    user = await assignments.change_user(session, house.catalogue, actor, user_id, wanted=wanted)
    if data.status is not UNSET:
        user = await _set_status(session, house.catalogue, actor, user_id, data)
    return await _card(session, user)


@delete("/users/{user_id:uuid}", right="users.manage", refuses=(404,))
async def delete_user(user_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> None:
    """Delete a user. The person is unknown from now on; history keeps a pseudonym. Suspending or striking off is kinder to history."""
    await statuses.delete_user(session, house.catalogue, actor, user_id)


@post("/users/{user_id:uuid}/invitation", right="users.manage", status_code=202, refuses=(404,), operation_class=BodyOptional)
async def resend_invitation(
    user_id: FromPath[UUID], session: Session, actor: Actor, house: House, data: JSONBody[NewLink] = _AS_BEFORE
) -> UserCard:
    """Send a new link; every older one is worthless from now on, and so is a first password."""
    user = await invitations.resend(
        session,
        house.catalogue,
        actor,
        user_id,
        valid_days=data.valid_days,
        language=data.language,
        message=data.message,
    )
    return await _card(session, user)


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
            dates = {"since": _given(data.suspended_from), "until": _given(data.suspended_until)}
            return await statuses.suspend(session, catalogue, actor, user_id, **dates, reason=_given(data.reason))
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
    hidden = await read_restrictions(session, "user", subjects=[str(user.id) for user in rows])
    now = await session.scalar(select(func.now()))
    return [
        UserCard(
            id=user.id,
            email=user.email,
            name=user.name,
            role=user.role,
            departments=user.departments,
            status=user.standing,  # type: ignore[arg-type]  # deleted users are in no list
            **_suspension(user, now),
            last_login_at=user.last_login_at,
            created_at=user.created_at,
            invitation=InvitationFacts(**states[user.id]) if user.id in states else None,
            restrictions=sorted(hidden.get(str(user.id), ())),
        )
        for user in rows
    ]


def _suspension(user: User, now: datetime | None) -> dict[str, Any]:
    # From its planning to its end; what is over is history.
    over = now is not None and user.suspended_until is not None and user.suspended_until <= now
    return {name: None if over else getattr(user, name) for name in ("suspended_from", "suspended_until", "suspended_reason")}


def _given(value: Any) -> Any:
    return None if value is UNSET else value


routes = [list_users, invite_user, read_user, change_user, delete_user, resend_invitation, withdraw_invitation, start_reset]
