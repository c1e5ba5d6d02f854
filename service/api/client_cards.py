"""Clients as lists and answers show them: a card of each, and what lists can be asked for."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from service.client_pages import clients_at_work
from tenants.catalogue import AccountKind
from tenants.client_figures import Reason
from tenants.client_lists import Attention
from tenants.errors import NotFound
from tenants.house import House

Status = Literal["active", "suspended", "closed"]
Q = Annotated[str | None, QueryParameter(max_length=100, description="Part of name or slug")]
StatusFilter = Annotated[Status | None, QueryParameter(description="Only accounts in this status")]
AttentionFilter = Annotated[
    Attention | None, QueryParameter(description="Only those that need attention: at all (`any`), or for this reason")
]
Sort = Annotated[
    str,
    QueryParameter(
        max_length=30,
        description="attention (most urgent first; of equals the newest), name or created_at; - before it for the reverse",
    ),
]


class ClientCard(msgspec.Struct):
    """A child account, as its parent sees it: its use, not its people. `standing` is what counts: its own status, or a worse one above.

    `seats` are the licence's, to which live boosts add `boosted`; `ends_on` is its last day. `in_use` is of this moment; `peak` (the
    most seats held at one instant) and `refused` are of the last 30 days, a minute old at most. `attention` says why it needs some,
    most urgent first: sign-ins were `refusals` in the last 7 days, `near_cap` in the last 7 days, `licence_ending` within 30 days or
    over, `no_sign_in` for 30 days. `warnings` name the seller's pools that this very sale has passed, where its licence allows that.
    """

    id: UUID
    kind: AccountKind
    slug: str
    name: str
    status: Status
    standing: Status
    closed_at: datetime | None
    language: str
    created_at: datetime
    plan: str
    seats: int
    boosted: int
    in_use: int
    users: int
    peak: int
    refused: int
    attention: list[Reason]
    last_sign_in_at: datetime | None
    ends_on: date | None
    warnings: list[dict[str, Any]] = msgspec.field(default_factory=list)


async def client_cards(session: AsyncSession, house: House, ids: Sequence[UUID]) -> list[ClientCard]:
    """Cards of these children of the account entered: a handful of statements, however many they are."""
    return [
        ClientCard(
            id=client.id,
            kind=client.kind,
            slug=client.slug,
            name=client.name,
            status=client.status,
            standing=client.standing,
            closed_at=client.closed_at,
            language=client.language,
            created_at=client.created_at,
            plan=client.plan,
            seats=client.seats,
            boosted=client.boosted,
            in_use=held,
            users=client.users,
            peak=client.peak,
            refused=client.refused,
            attention=client.attention,
            last_sign_in_at=client.last_sign_in_at,
            ends_on=client.ends_on,
        )
        for client, held in await clients_at_work(session, house, ids)
    ]


async def client_card(session: AsyncSession, house: House, account_id: UUID) -> ClientCard:
    """The card of one child of the account entered, or NotFound."""
    cards = await client_cards(session, house, [account_id])
    if not cards:
        raise NotFound
    return cards[0]
