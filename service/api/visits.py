"""Visits: an account lets its reseller or the operator in, for a while; and they come."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import FromPath, JSONBody

from service.api.caller_facts import AccountFacts, HomeFacts, SessionFacts
from service.api.shapes import Key, Reason, Rights
from service.dependencies import Actor, House, Session
from service.paging import Cursor, Limit, Page, read_page
from service.routes import delete, get, post
from tenants import visit_permissions
from tenants.accounts import find_names
from tenants.visit_history import PastVisit, find_visits
from tenants.visit_permissions import PermissionState, Visitor, VisitPermission
from tenants.visiting import begin_visit
from tenants.visits import LENGTHS

Minutes = Annotated[int, msgspec.Meta(ge=LENGTHS.start, le=LENGTHS.stop - 1)]


class NewPermission(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to let in, once or until it is revoked, and with which rights: those listed, or those that a role gives now."""

    visitor: Visitor
    once: bool
    rights: Rights | None = None
    role: Key | None = None
    reason: Reason | None = None


class VisitCard(msgspec.Struct):
    """One visit. `ended_by` is a name, and null for what ended by itself; `why` tells what ended it."""

    id: UUID
    visitor: str
    email: str
    account: HomeFacts
    reason: str
    started_at: datetime
    ends_at: datetime
    live: bool
    ended_at: datetime | None
    why: str | None
    ended_by: str | None


class PermissionCard(msgspec.Struct):
    """A permission with its latest visits, newest first. `used` is one that was for a single visit, which has begun."""

    id: UUID
    visitor: HomeFacts
    state: PermissionState
    once: bool
    rights: list[str]
    reason: str | None
    given_by: str
    given_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    visits: list[VisitCard]


class NewVisit(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for the client to read, and for how many minutes."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    minutes: Minutes


class BegunVisit(msgspec.Struct):
    """The visit that has begun, and the rights that were allowed."""

    id: UUID
    reason: str
    started_at: datetime
    ends_at: datetime
    allowed_by: str
    rights: list[str]


class Entered(msgspec.Struct):
    """The token of a session in the client's account, shown here and never again."""

    token: str
    visit: BegunVisit
    session: SessionFacts
    account: AccountFacts


@get("/account/visits", right="account.view")
async def list_permissions(
    session: Session, actor: Actor, house: House, limit: Limit = 50, cursor: Cursor = None
) -> Page[PermissionCard]:
    """Who may visit the caller's account or could once, newest first, each with the twenty latest visits."""
    rows, next_cursor = await read_page(
        session,
        visit_permissions.search_permissions(actor.account_id),
        columns={"given_at": VisitPermission.given_at},
        key=VisitPermission.id,
        sort="-given_at",
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"visits|{actor.account_id}",
    )
    names = await find_names(session, {row.visitor_account_id for row in rows})
    visits = await find_visits(session, [row.id for row in rows])
    return Page([_card(row, names[row.visitor_account_id], visits.get(row.id, [])) for row in rows], next_cursor)


@post("/account/visits", right="account.manage")
async def allow_visits(data: JSONBody[NewPermission], session: Session, actor: Actor, house: House) -> PermissionCard:
    """Let people of the account's reseller, or of the operator, in. Rights are the caller's own at most."""
    made = await visit_permissions.allow_visits(
        session,
        house.catalogue,
        actor,
        visitor=data.visitor,
        once=data.once,
        rights=data.rights,
        role=data.role,
        reason=data.reason,
    )
    names = await find_names(session, {made.visitor_account_id})
    return _card(made, names[made.visitor_account_id], [])


@delete("/account/visits/{permission_id:uuid}", right="account.manage", refuses=(404,))
async def revoke_visits(permission_id: FromPath[UUID], session: Session, actor: Actor) -> None:
    """Take a permission back. Visits under it end before the answer is sent."""
    await visit_permissions.revoke_visits(session, actor, permission_id)


@post("/accounts/{account_id:uuid}/visits", right="clients.manage", refuses=(404,), opt={"keeps_answer": False})
async def visit(account_id: FromPath[UUID], data: JSONBody[NewVisit], session: Session, actor: Actor, house: House) -> Entered:
    """Enter a client's account that allows it; its administrators get a letter."""
    begun = await begin_visit(session, house.catalogue, house.tokens, actor, account_id, reason=data.reason, minutes=data.minutes)
    there, account = begun.visit, begun.account
    return Entered(
        token=begun.token.text,
        visit=BegunVisit(
            there.id, there.reason, there.started_at, there.ends_at, begun.permission.given_by, begun.permission.rights
        ),
        session=SessionFacts(there.id, there.started_at, there.ends_at, begun.device),
        account=AccountFacts(account.id, account.slug, account.name, account.kind),
    )


def _card(row: VisitPermission, visitor: str, visits: list[PastVisit]) -> PermissionCard:
    return PermissionCard(
        id=row.id,
        visitor=HomeFacts(row.visitor_account_id, visitor),
        state=row.state,
        once=row.once,
        rights=row.rights,
        reason=row.reason,
        given_by=row.given_by,
        given_at=row.given_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at if row.state == "revoked" else None,
        revoked_by=row.revoked_by,
        visits=[_visit_card(each) for each in visits],
    )


def _visit_card(past: PastVisit) -> VisitCard:
    visit = past.visit
    return VisitCard(
        id=visit.id,
        visitor=visit.visitor_name,
        email=visit.visitor_email,
        account=HomeFacts(visit.visitor_account_id, visit.visitor_account_name),
        reason=visit.reason,
        started_at=visit.started_at,
        ends_at=visit.ends_at,
        live=past.ended_at is None,
        ended_at=past.ended_at,
        why=past.why,
        ended_by=past.ended_by,
    )


routes = [list_permissions, allow_visits, revoke_visits, visit]
