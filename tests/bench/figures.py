"""Figures: a ratio with its spread and its goal; a number that is only stated."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import click


@dataclass
class Ratio:
    """One value per round; the median counts, the spread is shown."""

    key: str
    title: str
    bound: Literal["at least", "at most"]
    goal: float
    values: list[float]
    #: Whether the picture shows it; all are in the table.
    drawn: bool = True

    @property
    def median(self) -> float:
        """The figure."""
        return statistics.median(self.values)

    @property
    def held(self) -> bool:
        """Whether the goal is met."""
        return self.median >= self.goal if self.bound == "at least" else self.median <= self.goal

    def shown(self) -> str:
        """Median, spread and goal."""
        return f"{self.median:.3g} ({min(self.values):.3g} to {max(self.values):.3g}), goal {self.bound} {self.goal:.3g}"

    def document(self) -> dict[str, Any]:
        """For the file."""
        return {**asdict(self), "median": self.median, "lowest": min(self.values), "highest": max(self.values), "held": self.held}


@dataclass
class Number:
    """Stated, without a goal."""

    key: str
    title: str
    value: float
    unit: str = ""

    def shown(self) -> str:
        """Value and unit."""
        digits = 0 if self.value >= 100 or self.value == int(self.value) else 1 if self.value >= 10 else 2
        return f"{self.value:,.{digits}f} {self.unit}".rstrip()

    def document(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self)


@dataclass
class Figures:
    """What one measurement found."""

    ratios: list[Ratio] = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        """Those of another measurement too."""
        self.ratios.extend(other.ratios)
        self.numbers.extend(other.numbers)

    def show(self) -> None:
        """As a table, on standard output."""
        for ratio in self.ratios:
            click.echo(f"{'held  ' if ratio.held else 'MISSED'}  {ratio.title}: {ratio.shown()}")
        for number in self.numbers:
            click.echo(f"        {number.title}: {number.shown()}")
