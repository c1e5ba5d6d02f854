"""Pages of a list: by key and not by offset, with cursors that only this installation can make, for one list only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from sqlalchemy import Select, SQLColumnExpression, and_, or_
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.errors import Invalid
from tenants.tokens import Purpose, Signer, decoded, encoded

T = TypeVar("T")
_TAG = 24

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
    columns: Mapping[str, SQLColumnExpression[Any]],
    key: SQLColumnExpression[Any],
    sort: str,
    limit: int,
    cursor: str | None,
    signer: Signer,
    of: str,
) -> tuple[list[Any], str | None]:
    """Rows of the page and the next cursor. `sort` names one of `columns`, with `-` before it for descending.

    `of` names the list with its account and filters: a cursor of another list, or none of ours, raises Invalid.
    """
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    column = columns.get(name)
    if column is None:
        raise Invalid("sort", "unknown", known=sorted(columns))
    where = f"{of}|{sort}".encode()
    if cursor is not None:
        value, row_id = _read(signer, cursor, where)
        beyond = (column < value, key < row_id) if descending else (column > value, key > row_id)
        query = query.where(or_(beyond[0], and_(column == value, beyond[1])))
    order = (column.desc(), key.desc()) if descending else (column.asc(), key.asc())
    rows = list(
        await session.execute(
            query.add_columns(column.label("sort_value"), key.label("sort_key")).order_by(*order).limit(limit + 1)
        )
    )
    if len(rows) <= limit:
        return [row[0] for row in rows], None
    last = rows[limit - 1]
    return [row[0] for row in rows[:limit]], _make(signer, last.sort_value, last.sort_key, where)


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
