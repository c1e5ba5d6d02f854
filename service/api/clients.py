"""Client accounts of a reseller or of the operator: open, rename, suspend, close, and sell them seats."""

from typing import Literal
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from service.api.client_cards import (
    AttentionFilter,
    ClientCard,
    Q,
    Sort,
    Status,
    StatusFilter,
    client_card,
    client_cards,
)
from service.api.shapes import AccountName, Email, Key, PersonName, Slug
from service.client_pages import Wanted, page_of_clients
from service.dependencies import Actor, House, Session
from service.etags import etag
from service.paging import Cursor, Limit, Page
from service.routes import get, patch, post
from tenants import pools, resellers
from tenants.accounts import Account
from tenants.actors import Actor as ActorOf
from tenants.database import enter
from tenants.house import House as HouseOf


class FirstAdministrator(msgspec.Struct, forbid_unknown_fields=True):
    """Who gets the first invitation."""

    email: Email
    name: PersonName | None = None


class NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    """A new client or reseller. Without a slug one is made from the name."""

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


@get("/accounts", right="clients.view")
async def list_accounts(
    session: Session,
    actor: Actor,
    house: House,
    q: Q = None,
    status: StatusFilter = None,
    attention: AttentionFilter = None,
    sort: Sort = "attention",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ClientCard]:
    """The caller's own children, those first that need attention."""
    wanted = Wanted(actor.account_id, q, status, attention)
    ids, following = await page_of_clients(session, house, wanted, of="accounts", sort=sort, limit=limit, cursor=cursor)
    return Page(await client_cards(session, house, ids), following)


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
    return await _card(session, house, actor, account)


@get("/accounts/{account_id:uuid}", right="clients.view", refuses=(404,))
async def read_account(account_id: FromPath[UUID], session: Session, actor: Actor, house: House) -> Response[ClientCard]:
    """One child."""
    card = await client_card(session, house, account_id)
    return Response(card, headers={"etag": etag(card)})


@patch("/accounts/{account_id:uuid}", right="clients.manage", refuses=(404, 409))
async def change_account(
    account_id: FromPath[UUID], data: JSONBody[AccountChange], session: Session, actor: Actor, house: House
) -> ClientCard:
    """Rename, suspend, close, or reopen within 30 days. Its people's sessions, and all below it, end before the answer is sent."""
    account = await resellers.change_child(
        session,
        actor,
        account_id,
        name=None if data.name is UNSET else data.name,
        status=None if data.status is UNSET else data.status,
    )
    return await _card(session, house, actor, account)


async def _card(session: AsyncSession, house: HouseOf, actor: ActorOf, account: Account) -> ClientCard:
    # As its parent reads it, once what changed is written.
    await session.flush()
    await enter(session, actor.account_id)
    card = await client_card(session, house, account.id)
    card.warnings = pools.warnings_of(session)
    return card


routes = [list_accounts, create_account, read_account, change_account]
