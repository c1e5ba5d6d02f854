"""Client accounts of a reseller or of the operator: open, rename, suspend, close, and sell them seats."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from service.api.account import LicenceCard, licence_card
from service.api.shapes import AccountName, Email, Key, PersonName, Reason, Slug
from service.dependencies import Actor, House, Session
from service.etags import IfMatch, etag, version_etag, wanted_version
from service.paging import Cursor, Limit, Page, read_page
from service.routes import get, patch, post, put
from tenants import accounts, licences, resellers
from tenants.accounts import Account
from tenants.catalogue import AccountKind
from tenants.database import enter
from tenants.house import House as HouseOf
from tenants.users import count_users

Status = Literal["active", "suspended", "closed"]
Count = Annotated[int, msgspec.Meta(ge=1, le=licences.MOST)]


class FirstAdministrator(msgspec.Struct, forbid_unknown_fields=True):
    """Who gets the first invitation."""

    email: Email
    name: PersonName | None = None


class NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    """A new client (or, for the operator, a reseller). Without a slug one is made from the name."""

    name: AccountName
    plan: Key
    administrator: FirstAdministrator
    slug: Slug | None = None
    kind: Literal["client", "reseller"] = "client"
    language: Literal["fr", "en"] | None = None


class AccountChange(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change."""

    name: AccountName | UnsetType = UNSET
    status: Status | UnsetType = UNSET


class NewTerms(msgspec.Struct, forbid_unknown_fields=True):
    """A whole licence: absent fields take the plan's value; null is no limit where a plan may have none."""

    plan: Key
    users: Count | UnsetType | None = UNSET
    departments: Count | UnsetType | None = UNSET
    seats: Count | UnsetType = UNSET
    accountant_seats: Annotated[int, msgspec.Meta(ge=0, le=licences.MOST)] | UnsetType = UNSET
    pool_seats: Annotated[int, msgspec.Meta(ge=0, le=licences.MOST)] | UnsetType | None = UNSET
    options: list[Key] | UnsetType = UNSET
    starts_on: date | UnsetType = UNSET
    ends_on: date | UnsetType | None = UNSET
    reason: Reason | None = None


class ClientCard(msgspec.Struct):
    """A child account, as its parent sees it: its use, not its people."""

    id: UUID
    kind: AccountKind
    slug: str
    name: str
    status: Status
    language: str
    created_at: datetime
    plan: str
    seats: int
    in_use: int
    users: int


class Preview(msgspec.Struct):
    """What a licence change would do. `above_cap`: seats in use now beyond the new cap; nobody is thrown out, nobody enters."""

    changes: dict[str, tuple[Any, Any]]
    above_cap: int


@get("/accounts", right="clients.view")
async def list_accounts(
    session: Session,
    actor: Actor,
    house: House,
    q: Annotated[str | None, QueryParameter(max_length=100, description="Part of name or slug")] = None,
    status: Annotated[Status | None, QueryParameter()] = None,
    sort: Annotated[str, QueryParameter(max_length=30, description="name or created_at; - before it for descending")] = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ClientCard]:
    """The caller's own children."""
    rows, next_cursor = await read_page(
        session,
        accounts.search_children(actor.account_id, q=q, status=status),
        columns={"name": Account.name, "created_at": Account.created_at},
        key=Account.id,
        sort=sort,
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"accounts|{actor.account_id}|{q}|{status}",
    )
    return Page([await _card(session, house, account) for account in rows], next_cursor)


@post("/accounts", right="clients.manage", refuses=(409,))
async def create_account(data: JSONBody[NewAccount], session: Session, actor: Actor, house: House) -> ClientCard:
    """Open an account; its first administrator gets the invitation mail."""
    account, _, _ = await resellers.create_account(
        session,
        house.catalogue,
        actor,
        name=data.name,
        plan=data.plan,
        administrator=resellers.NewAdministrator(data.administrator.email, data.administrator.name),
        kind=data.kind,
        slug=data.slug,
        language=data.language,
    )
    await session.refresh(account)
    return await _card(session, house, account)


@get("/accounts/{account_id:uuid}", right="clients.view", refuses=(404,))
async def read_account(account_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> Response[ClientCard]:
    """One child."""
    card = await _card(session, house, await accounts.get_child(session, actor.account_id, account_id))
    return Response(card, headers={"etag": etag(card)})


@patch("/accounts/{account_id:uuid}", right="clients.manage", refuses=(404,))
async def change_account(
    account_id: FromPath[UUID], data: JSONBody[AccountChange], session: Session, actor: Actor, house: House
) -> ClientCard:
    """Rename, suspend, close or reopen. Its people's sessions end before the answer is sent."""
    account = await resellers.change_child(
        session,
        actor,
        account_id,
        name=None if data.name is UNSET else data.name,
        status=None if data.status is UNSET else data.status,
    )
    return await _card(session, house, account)


@get("/accounts/{account_id:uuid}/licence", right="clients.view", refuses=(404,))
async def read_licence(account_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> Response[LicenceCard]:
    """A child's licence; its ETag is what a change must name."""
    child = await accounts.get_child(session, actor.account_id, account_id)
    await enter(session, child.id)
    return await _licence(session, house, child.id)


@put(
    "/accounts/{account_id:uuid}/licence",
    right="clients.manage",
    refuses=(404, 412, 428),
    description="Replace the licence; it works at the next request. `preview=true` answers a `Preview` and changes nothing.",
)
async def replace_licence(
    account_id: FromPath[UUID],
    data: JSONBody[NewTerms],
    session: Session,
    actor: Actor,
    house: House,
    if_match: IfMatch = None,
    preview: Annotated[bool, QueryParameter(description="Tell what would change, and change nothing")] = False,
) -> Response[LicenceCard | Preview]:
    """Replace a child's licence."""
    wanted = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET and name != "reason"}
    if preview:
        _, changes = await resellers.preview_licence(session, house.catalogue, actor, account_id, wanted=wanted)
        in_use = (await house.seats.presence(account_id)).in_use
        seats = changes["seats"][1] if "seats" in changes else in_use
        return Response(Preview(changes, max(0, in_use - seats)))
    version = wanted_version(if_match)
    await resellers.set_licence(session, house.catalogue, actor, account_id, wanted=wanted, version=version, reason=data.reason)
    return await _licence(session, house, account_id)  # type: ignore[return-value]  # Response is invariant in its content


async def _licence(session: AsyncSession, house: HouseOf, account_id: UUID) -> Response[LicenceCard]:
    licence = await licences.get_licence(session)
    presence = await house.seats.presence(account_id)
    return Response(await licence_card(session, licence, in_use=presence.in_use), headers={"etag": version_etag(licence.version)})


async def _card(session: AsyncSession, house: HouseOf, account: Account) -> ClientCard:
    await enter(session, account.id)
    licence = await licences.get_licence(session)
    users = await count_users(session)
    presence = await house.seats.presence(account.id)
    return ClientCard(
        id=account.id,
        kind=account.kind,
        slug=account.slug,
        name=account.name,
        status=account.status,
        language=account.language,
        created_at=account.created_at,
        plan=licence.plan,
        seats=licence.seats,
        in_use=presence.in_use,
        users=users,
    )


routes = [list_accounts, create_account, read_account, change_account, read_licence, replace_licence]
