"""Tables that a browser saves as files for spreadsheets, written a piece at a time."""

import re
from collections.abc import AsyncIterator, Iterable

from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from tenants.csv_text import BOM, Row, csv_text

#: What a route that answers with a table tells OpenAPI.
DESCRIBED = {
    200: ResponseSpec(
        str, media_type="text/csv", generate_examples=False, description="A table, its headings in the reader's language"
    )
}


async def csv_file(name: str, language: str, headings: Row, tables: AsyncIterator[Iterable[Row]]) -> Stream:
    """The answer that a browser saves as `<name>.csv`. Memory holds one of the `tables`, pieces of the whole one, at a time.

    Only letters, digits and hyphens of `name` are kept. What the first piece raises is a refusal; if a later one fails, the transfer
    breaks off: nobody takes a part for the whole.
    """
    first = csv_text(language, [headings, *await anext(tables, [])])

    async def pieces() -> AsyncIterator[bytes]:
        yield (BOM + first).encode()
        async for rows in tables:
            yield csv_text(language, rows).encode()

    safe = "-".join(re.findall("[A-Za-z0-9]+", name))
    return Stream(pieces(), media_type="text/csv", headers={"content-disposition": f'attachment; filename="{safe}.csv"'})
