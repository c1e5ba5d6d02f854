"""Clients a page at a time, as API and console list them: found, ordered, and with the places that they use at this moment."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.paging import Column, read_page
from tenants.accounts import Account, AccountStatus
from tenants.catalogue import AccountKind
from tenants.client_figures import ClientFigures
from tenants.client_lists import Attention, Client, read_clients, search_clients, search_figures
from tenants.errors import Invalid
from tenants.house import House

_COLUMNS: dict[str, Column] = {"name": Account.name, "created_at": Account.created_at}


class Wanted(NamedTuple):
    """Which clients of which parent."""

    parent_id: UUID
    q: str | None = None
    status: AccountStatus | None = None
    attention: Attention | None = None
    kind: AccountKind | None = None

    @property
    def label(self) -> str:
        """For cursors: those of another list do not fit."""
        return f"{self.parent_id}|{self.q}|{self.status}|{self.attention}|{self.kind}"


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


async def clients_at_work(session: AsyncSession, house: House, ids: Sequence[UUID]) -> list[tuple[Client, int]]:
    """These children of the account entered, in this order, each with its places in use: a handful of statements, however many they are."""
    clients = await read_clients(session, ids)
    return list(zip(clients, await house.seats.in_use_of([client.id for client in clients]), strict=True))
