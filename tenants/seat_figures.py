"""What the scripts counted of an account, by its own days."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the scripts counted, by the account's days: the names are those of `count` in `shared.lua`.

    `life` names the stretch that was counted without forgetting: figures of another life are to be added to these.
    """

    today: date
    life: str
    by_day: dict[date, dict[str, int]]


def figures_of(answer: list[Any]) -> Figures:
    """What `figures` answers."""
    fields = {name.decode(): value.decode() for name, value in zip(answer[1][::2], answer[1][1::2], strict=True)}
    return Figures(today=_day(answer[0]), life=fields.pop("life", ""), by_day=_by_day(fields))


def _by_day(fields: dict[str, str]) -> dict[date, dict[str, int]]:
    found: dict[date, dict[str, int]] = {}
    for name, value in fields.items():
        day, _, what = name.partition(":")
        found.setdefault(_day(int(day)), {})[what] = int(value)
    return found


def _day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)
