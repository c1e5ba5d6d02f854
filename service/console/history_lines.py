"""Lines of the history as pages list them: by the days of the account, each with its hour, its sentence, who, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_time

from service.console.history_words import RESULTS, actor_in_words
from service.console.view import View
from tenants.activity_cards import LineCard
from tenants.languages import customs, written_day


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `at` is the moment, `hour` how it is written."""

    id: UUID
    at: datetime
    hour: str
    sentence: str
    who: str
    beside: str | None
    result: str
    shape: str
    words: str


@dataclass(frozen=True, slots=True)
class Day:
    """The lines of one day."""

    key: str
    name: str
    rows: list[Row]


def days_of(view: View, cards: Sequence[LineCard], zone: str) -> list[Day]:
    """In the order of the lines."""
    clock = ZoneInfo(zone)
    by_day = groupby(cards, key=lambda card: card.at.astimezone(clock).date())
    return [
        Day(day.isoformat(), _capital(written_day(day, view.language, width="full")), [row_of(view, card, zone) for card in some])
        for day, some in by_day
    ]


def row_of(view: View, card: LineCard, zone: str) -> Row:
    """One line, on the account's clock."""
    shape, words = RESULTS.get(card.result, ("none", card.result))
    who, beside = actor_in_words(view, card.actor)
    hour = format_time(card.at.astimezone(ZoneInfo(zone)), "short", locale=customs(view.language))
    return Row(card.id, card.at, hour, card.sentence, who, beside, card.result, shape, view.say(words))


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
