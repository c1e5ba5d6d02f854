"""Pages of a list: by key and not by offset, with cursors that only this installation can make, for one list only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from sqlalchemy import ColumnElement, Select, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from tenants.errors import Invalid
from tenants.tokens import Purpose, Signer, decoded, encoded

T = TypeVar("T")
_TAG = 24
Column = ColumnElement[Any] | InstrumentedAttribute[Any]
Rows = Select[*tuple[Any, ...]]

Limit = Annotated[int, QueryParameter(ge=1, le=200, description="Most items of the page")]
Cursor = Annotated[str | None, QueryParameter(max_length=1000, description="`next_cursor` of the page before")]


class Page(msgspec.Struct, Generic[T]):
    """One page. `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None


async def read_page(
    session: AsyncSession,
    query: Select[Any],
    *,
    columns: Mapping[str, Column],
    key: InstrumentedAttribute[UUID],
    sort: str,
    limit: int,
    cursor: str | None,
    signer: Signer,
    of: str,
    show: Sequence[Column] | None = (),
) -> tuple[list[Any], str | None]:
    """Rows of the page and the next cursor. `sort` names one of `columns`, with `-` before it for descending.

    `of` names the list with its account and filters: a cursor of another list, or none of ours, raises Invalid. Rows have the
    columns `show`; without them they are the entities that `query` selects, and with None the key alone, as `sort_key`.
    """
    column = columns.get(sort.removeprefix("-"))
    if column is None:
        raise Invalid("sort", "unknown", known=sorted(columns))
    where = f"{of}|{sort}".encode()
    after = None if cursor is None else _read(signer, cursor, where)
    shown = None if show is None else show or (key.class_,)
    statement = _page(query, shown, column, key, descending=sort.startswith("-"), after=after, rows=limit + 1)
    # Whether the list reaches over accounts is said where it is made.
    rows = list(await session.execute(statement.execution_options(**query.get_execution_options())))
    items = [row if show is None or show else row[0] for row in rows[:limit]]
    if len(rows) <= limit:
        return items, None
    return items, _make(signer, rows[limit - 1].sort_value, rows[limit - 1].sort_key, where)


async def read_newest(
    session: AsyncSession,
    query: Rows,
    *,
    column: Column,
    key: InstrumentedAttribute[UUID],
    limit: int,
    cursor: str | None,
    signer: Signer,
    of: str,
) -> tuple[list[Any], str | None]:
    """As `read_page`, by one column from its highest value down, with the columns of the query itself.

    For rows that an index brings in this order: looking for their keys first would read them twice.
    """
    where = f"{of}|-{column.key}".encode()
    if cursor is not None:
        query = _beyond(query, column, key, _read(signer, cursor, where), descending=True)
    query = query.add_columns(key.label("sort_key"), column.label("sort_value"))
    rows = list(await session.execute(_ordered(query, column, key, descending=True).limit(limit + 1)))
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], _make(signer, rows[limit - 1].sort_value, rows[limit - 1].sort_key, where)


def _page(
    query: Rows,
    shown: Sequence[Any] | None,
    column: Column,
    key: InstrumentedAttribute[UUID],
    *,
    descending: bool,
    after: tuple[Any, UUID] | None,
    rows: int,
) -> Rows:
    # First the keys of the page, which an index may hold, and then only these rows.
    if after is not None:
        query = _beyond(query, column, key, after, descending=descending)
    keys = query.with_only_columns(key.label("sort_key"), column.label("sort_value"))
    some = _ordered(keys, column, key, descending=descending).limit(rows)
    if shown is None:
        return some
    picked = some.subquery()
    page = select(*shown, picked.c.sort_key, picked.c.sort_value).select_from(picked).join(key.class_, key == picked.c.sort_key)
    return _ordered(page, picked.c.sort_value, picked.c.sort_key, descending=descending)


def _beyond(query: Rows, column: Column, key: InstrumentedAttribute[UUID], after: tuple[Any, UUID], *, descending: bool) -> Rows:
    # One comparison of pairs: an index can begin there. With `or` it would be read from its start.
    here, there = tuple_(column, key), tuple_(literal(after[0], column.type), literal(after[1], key.type))
    return query.where(here < there if descending else here > there)


def _ordered(query: Rows, column: Column, key: Column, *, descending: bool) -> Rows:
    return query.order_by(column.desc(), key.desc()) if descending else query.order_by(column.asc(), key.asc())


def _make(signer: Signer, value: Any, row_id: UUID, where: bytes) -> str:
    kind = "t" if isinstance(value, datetime) else "s"
    body = msgspec.json.encode([kind, value, row_id])
    return encoded(signer.tag(Purpose.CURSOR, where, body) + body)


def _read(signer: Signer, cursor: str, where: bytes) -> tuple[Any, UUID]:
    raw = decoded(cursor)
    if raw is None or not signer.matches(raw[:_TAG], Purpose.CURSOR, where, raw[_TAG:]):
        raise Invalid("cursor", "cursor")
    kind, value, row_id = msgspec.json.decode(raw[_TAG:], type=tuple[str, Any, UUID])
    return (datetime.fromisoformat(value) if kind == "t" else value), row_id
