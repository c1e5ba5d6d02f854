"""A chart of days: one bar for the most places in use, one for refusals, and a line for the places there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tenants.usage import Day

WIDTH, HEIGHT = 640, 120
_TOP, _BOTTOM, _LEFT = 6, 2, 0


@dataclass(frozen=True, slots=True)
class Bar:
    """One day, in the units of the drawing."""

    day: date
    x: float
    width: float
    peak: int
    peak_y: float
    peak_height: float
    refused: int
    refused_y: float
    refused_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole drawing; `most` is what its full height stands for."""

    bars: list[Bar]
    most: int
    floor: float
    cap: int
    cap_y: float
    width: int = WIDTH
    height: int = HEIGHT
    top: int = _TOP
    left: int = _LEFT

    @property
    def peak(self) -> int:
        """The most places that were ever in use at one instant."""
        return max((bar.peak for bar in self.bars), default=0)

    @property
    def refused(self) -> int:
        """All refusals."""
        return sum(bar.refused for bar in self.bars)


def day_bars(found: Sequence[Day], *, until: date, days: int, cap: int, width: int = WIDTH, height: int = HEIGHT) -> Chart:
    """The last `days` up to `until`, those on which nothing happened too."""
    known = {day.day: day for day in found}
    shown = [known.get(day, Day(day)) for day in (until - timedelta(days=back) for back in reversed(range(days)))]
    most = max(cap, 1, *(max(day.peak, day.refused) for day in shown))
    floor, step = height - _BOTTOM, (width - _LEFT) / days

    def high(count: int) -> float:
        return round((floor - _TOP) * count / most, 1)

    bars = [
        Bar(
            day=day.day,
            x=round(_LEFT + step * place + step * 0.1, 1),
            width=round(step * 0.4, 1),
            peak=day.peak,
            peak_y=round(floor - high(day.peak), 1),
            peak_height=high(day.peak),
            refused=day.refused,
            refused_y=round(floor - high(day.refused), 1),
            refused_height=high(day.refused),
        )
        for place, day in enumerate(shown)
    ]
    return Chart(bars, most, floor, cap, round(floor - high(cap), 1), width, height)
