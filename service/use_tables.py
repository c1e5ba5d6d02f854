"""How places were used day by day, as a table for spreadsheets: what API and console share."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from litestar.response import Stream

from service.csv_files import csv_file
from service.overview_words import DAYS, headings
from tenants.csv_text import Row
from tenants.usage import Day


async def days_csv(language: str, days: Sequence[Day]) -> Stream:
    """The days in their order, as CSV."""

    async def tables() -> AsyncIterator[list[Row]]:
        yield [(day.day, day.peak, day.refused, day.sign_ins, minutes(day.waited), minutes(day.idle)) for day in days]

    return await csv_file("seats", language, headings(language, DAYS), tables())


def minutes(length: timedelta) -> float:
    """A length of time as a spreadsheet counts with it."""
    return round(length / timedelta(minutes=1), 1)
