"""Lists of people as spreadsheets write them: CSV (RFC 4180) in the separators and encodings of French and English offices."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator
from io import StringIO

from tenants.batches import MOST_LINES, Line
from tenants.errors import Invalid

#: What a cell without a header stands for, by its position; and every heading that is understood, without accents, spaces and hyphens.
COLUMNS = ("email", "name", "role", "departments", "language", "message")
_HEADINGS = {
    **dict.fromkeys(("email", "mail", "adresse", "courriel", "address", "adresseemail", "emailaddress"), "email"),
    **dict.fromkeys(("name", "nom"), "name"),
    "role": "role",
    **dict.fromkeys(("departments", "departements", "department", "departement"), "departments"),
    **dict.fromkeys(("language", "langue"), "language"),
    "message": "message",
}
_LANGUAGES = {"francais": "fr", "french": "fr", "anglais": "en", "english": "en"}
_QUOTED_OR_SEPARATOR = re.compile(r'"[^"]*"|[,;\t]')
BETWEEN_DEPARTMENTS = "|"


def read_users(content: bytes) -> list[Line]:
    """People to invite, with the numbers of their lines in the file; empty lines are left out. Cells are text and nothing else.

    Raises Invalid for what is not text in UTF-8 or Windows-1252, for a quotation mark that is never closed, and for a header with a
    column that is unknown, named twice, or missing. Stops behind the first line too many.
    """
    records = _records(text_of(content))
    first = next(records, None)
    if first is None:
        return []
    columns = _columns(first[1])
    rows = records if columns else _with(first, records)
    lines = []
    for number, cells in rows:
        lines.append(_headed(number, cells, columns) if columns else _in_order(number, cells))
        if len(lines) > MOST_LINES:
            break
    return lines


def departments_in(cell: str | None) -> tuple[str, ...] | None:
    """Departments that one cell names, separated by `|`; None when it names none."""
    found = tuple(word for part in (cell or "").split(BETWEEN_DEPARTMENTS) if (word := part.strip()))
    return found or None


def text_of(content: bytes) -> str:
    """What a file says. Raises Invalid for what is not text in UTF-8 or Windows-1252."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            raise Invalid("body", "not_text") from None
    if "\0" in text:
        raise Invalid("body", "not_text")
    return text


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    # Each record with the number of the line on which it begins: a quoted cell may go over several.
    reader = csv.reader(StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    begins = 1
    try:
        for cells in reader:
            clean = [cell.strip() for cell in cells]
            if any(clean):
                yield begins, clean
            begins = reader.line_num + 1
    except csv.Error:
        raise Invalid("body", "unbalanced_quotes", line=begins) from None


def _separator(text: str) -> str:
    # Neither headings nor addresses contain one: the first that stands outside of quotation marks is it.
    return next((found[0] for found in _QUOTED_OR_SEPARATOR.finditer(text) if not found[0].startswith('"')), ",")


def _columns(cells: list[str]) -> list[str | None]:
    """What the cells of a header stand for; nothing if this is no header. A nameless column is one that must stay empty."""
    found = [_HEADINGS.get(_folded(cell)) for cell in cells]
    if any("@" in cell for cell in cells) or not any(found):
        return []
    for cell, column in zip(cells, found, strict=True):
        if cell and column is None:
            raise Invalid("body", "unknown_column", given=cell[:60])
        if column is not None and found.count(column) > 1:
            raise Invalid("body", "column_twice", given=cell[:60])
    if "email" not in found:
        raise Invalid("body", "column_missing")
    return found


def _headed(number: int, cells: list[str], columns: list[str | None]) -> Line:
    named = dict(zip(columns, cells, strict=False))
    beyond = [*cells[len(columns) :], *(cell for column, cell in zip(columns, cells, strict=False) if column is None)]
    return _line(number, named, fault="too_many_cells" if any(beyond) else None)


def _in_order(number: int, cells: list[str]) -> Line:
    fault = "too_many_cells" if any(cells[len(COLUMNS) :]) else None
    # People paste what a mail program shows: addresses one behind the other.
    if any("@" in cell for cell in cells[1:5]):
        fault = "several_addresses"
    return _line(number, dict(zip(COLUMNS, cells, strict=False)), fault=fault)


def _line(number: int, cells: dict[str | None, str] | dict[str, str], *, fault: str | None) -> Line:
    given = {str(name): cell for name, cell in cells.items() if cell}
    language = given.get("language", "")
    return Line(
        number=number,
        email=given.get("email", ""),
        name=given.get("name"),
        role=given.get("role"),
        departments=departments_in(given.get("departments")),
        language=_LANGUAGES.get(_folded(language), language.lower()) or None,
        message=given.get("message"),
        fault=fault,
    )


def _folded(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in plain if character.isalnum())


def _with(first: tuple[int, list[str]], rest: Iterable[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest
