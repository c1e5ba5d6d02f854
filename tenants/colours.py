"""Colours that stay readable whatever colour somebody chose: text on it, and the shades of it that stand out on a background."""

import re
from dataclasses import dataclass

BLACK, WHITE = "#000000", "#ffffff"
# What WCAG 2.2 asks of text (1.4.3), and of edges by which a control is told (1.4.11).
TEXT, EDGE = 4.5, 3.0
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_STEPS = 50

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Accent:
    """One colour at work: the fill as it was chosen, what is written on it, and shades of it for edges and links beside it."""

    fill: str
    strong: str
    on_fill: str
    edge: str
    link: str


def known_colour(text: str) -> str | None:
    """`#rrggbb` in lower case; None for anything else."""
    colour = text.strip().lower()
    return colour if _COLOUR.fullmatch(colour) else None


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def text_on(colour: str) -> str:
    """White or black, whichever reads better on the colour: at least 4.58 to 1 on every colour there is."""
    return max(WHITE, BLACK, key=lambda ink: contrast(ink, colour))


def accent(colour: str, *, on: tuple[str, ...]) -> Accent:
    """The colour at work on a page with these backgrounds, which are all light or all dark."""
    ink = text_on(colour)
    away = text_on(on[0])
    return Accent(
        fill=colour,
        # Away from what is written on it, so that the text stands out more and not less.
        strong=_mixed(colour, BLACK if ink == WHITE else WHITE, 0.2),
        on_fill=ink,
        edge=_until(colour, away, on, EDGE),
        link=_until(colour, away, on, TEXT),
    )


def _until(colour: str, towards: str, on: tuple[str, ...], ratio: float) -> str:
    # The nearest shade towards black or white that stands out on all of the backgrounds.
    shades = (_mixed(colour, towards, step / _STEPS) for step in range(_STEPS + 1))
    return next((shade for shade in shades if all(contrast(shade, ground) >= ratio for ground in on)), towards)


def _mixed(colour: str, other: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(colour), _rgb(other), strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
