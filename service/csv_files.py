"""Tables as spreadsheets of French and English offices open them: CSV (RFC 4180), written a piece at a time."""

import csv
import re
import unicodedata
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime
from io import StringIO

from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

Cell = str | int | float | date | datetime | None
Row = Sequence[Cell]

#: What a route that answers with a table tells OpenAPI.
DESCRIBED = {
    200: ResponseSpec(
        str, media_type="text/csv", generate_examples=False, description="A table, its headings in the reader's language"
    )
}
# Excel takes a file without it for one in the encoding of the machine.
_BOM = "\ufeff"
# French offices write 12,5 and separate cells by semicolons.
_SEPARATORS = {"fr": ";"}
_DECIMAL_POINTS = {"fr": ","}
_STARTS_FORMULA = frozenset("=+-@")
_INVISIBLE = re.compile("[\\s\\x00-\\x20\u00ad\u200b-\u200f\u2060\ufeff]*")


async def csv_file(name: str, language: str, headings: Row, tables: AsyncIterator[Iterable[Row]]) -> Stream:
    """The answer that a browser saves as `<name>.csv`. Memory holds one of the `tables`, pieces of the whole one, at a time.

    Only letters, digits and hyphens of `name` are kept. What the first piece raises is a refusal; if a later one fails, the transfer
    breaks off: nobody takes a part for the whole.
    """
    first = csv_text(language, [headings, *await anext(tables, [])])

    async def pieces() -> AsyncIterator[bytes]:
        yield (_BOM + first).encode()
        async for rows in tables:
            yield csv_text(language, rows).encode()

    safe = "-".join(re.findall("[A-Za-z0-9]+", name))
    return Stream(pieces(), media_type="text/csv", headers={"content-disposition": f'attachment; filename="{safe}.csv"'})


def csv_text(language: str, rows: Iterable[Row]) -> str:
    """Rows as lines. Texts are quoted, and never formulas; moments are written in UTC, to the second."""
    out = StringIO()
    writer = csv.writer(out, delimiter=_SEPARATORS.get(language, ","), quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerows([_written(language, cell) for cell in row] for row in rows)
    return out.getvalue()


def not_a_formula(text: str) -> str:
    """The text, behind an apostrophe if a spreadsheet would compute it (OWASP, CSV injection). Wide forms count as the plain ones."""
    begins = unicodedata.normalize("NFKC", text[_invisible(text) :][:1])
    return f"'{text}" if begins in _STARTS_FORMULA or text[:1] in {"\t", "\r", "\n"} else text


def _invisible(text: str) -> int:
    found = _INVISIBLE.match(text)
    return found.end() if found else 0


def _written(language: str, cell: Cell) -> str | int | float:
    match cell:
        case None:
            return ""
        case str():
            return not_a_formula(cell)
        case float():
            return str(cell).replace(".", _DECIMAL_POINTS.get(language, "."))
        case datetime():
            return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        case date():
            return cell.isoformat()
        case _:
            return cell
