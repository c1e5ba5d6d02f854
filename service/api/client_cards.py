"""Clients as lists and answers show them: pages of them, and a card of each."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.paging import Column, read_page
from tenants.accounts import Account
from tenants.catalogue import AccountKind
from tenants.client_figures import ClientFigures, Reason
from tenants.client_lists import Attention, read_clients, search_clients, search_figures
from tenants.errors import Invalid, NotFound
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
_COLUMNS: dict[str, Column] = {"name": Account.name, "created_at": Account.created_at}


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


class Wanted(NamedTuple):
    """Which clients of which parent."""

    parent_id: UUID
    q: str | None = None
    status: Status | None = None
    attention: Attention | None = None

    @property
    def label(self) -> str:
        """For cursors: those of another list do not fit."""
        return f"{self.parent_id}|{self.q}|{self.status}|{self.attention}"


async def page_of_clients(
    session: AsyncSession, house: House, wanted: Wanted, *, of: str, sort: str, limit: int, cursor: str | None
) -> tuple[list[UUID], str | None]:
    """Clients of the page, in order, and the next cursor. `of` names the list."""
    query: Select[Any]
    key: InstrumentedAttribute[UUID]
    columns = _COLUMNS
    if sort.removeprefix("-") == "attention":
        query, key, columns = search_figures(**wanted._asdict()), ClientFigures.account_id, {"attention": ClientFigures.urgency}
        # Most urgent first is how it is meant, and what it is asked for by its plain name.
        sort = sort[1:] if sort.startswith("-") else f"-{sort}"
    elif sort.removeprefix("-") in columns:
        query, key = search_clients(**wanted._asdict()), Account.id
    else:
        raise Invalid("sort", "unknown", known=["attention", *sorted(columns)])
    rows, next_cursor = await read_page(
        session,
        query,
        columns=columns,
        key=key,
        sort=sort,
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"{of}|{wanted.label}",
        show=None,
    )
    return [row.sort_key for row in rows], next_cursor


async def client_cards(session: AsyncSession, house: House, ids: Sequence[UUID]) -> list[ClientCard]:
    """Cards of these children of the account entered: a handful of statements, however many they are."""
    clients = await read_clients(session, ids)
    in_use = await house.seats.in_use_of([client.id for client in clients])
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
        for client, held in zip(clients, in_use, strict=True)
    ]


async def client_card(session: AsyncSession, house: House, account_id: UUID) -> ClientCard:
    """The card of one child of the account entered, or NotFound."""
    cards = await client_cards(session, house, [account_id])
    if not cards:
        raise NotFound
    return cards[0]
