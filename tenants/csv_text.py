"""Tables as text for the spreadsheets of French and English offices: CSV (RFC 4180), none of its cells a formula."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from io import StringIO

Cell = str | int | float | date | datetime | None
Row = Sequence[Cell]

#: Begins a file: Excel takes one without it for one in the encoding of the machine.
BOM = "\ufeff"
# French offices write 12,5 and separate cells by semicolons.
_SEPARATORS = {"fr": ";"}
_DECIMAL_POINTS = {"fr": ","}
_STARTS_FORMULA = frozenset("=+-@")
_INVISIBLE = re.compile("[\\s\\x00-\\x20\u00ad\u200b-\u200f\u2060\ufeff]*")


def csv_text(language: str, rows: Iterable[Row]) -> str:
    """Rows as lines. Texts are quoted, and never formulas; moments are written in UTC, to the second."""
    out = StringIO()
    writer = csv.writer(out, delimiter=_SEPARATORS.get(language, ","), quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerows([_written(language, cell) for cell in row] for row in rows)
    return out.getvalue()


def not_a_formula(text: str) -> str:
    """The text, behind an apostrophe if a spreadsheet would compute it (OWASP, CSV injection). Wide forms count as the plain ones."""
    if text[:1].isascii() and text[:1].isalnum():
        return text
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
