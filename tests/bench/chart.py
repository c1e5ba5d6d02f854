"""The picture of the figures: plain SVG that follows the reader's light or dark colours."""

from html import escape

from tests.bench.figures import Figures, Number, Ratio

WIDTH, MARGIN, ROW, LINE = 760, 24, 64, 22
_BAR = WIDTH - 2 * MARGIN
_STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 12.5px; fill: #59636e }
.head { font-size: 16px; font-weight: 600 }
.back { fill: #ffffff }
.track { fill: #eaeef2 }
.held { fill: #2f7d5b }
.missed { fill: #b5532b }
.spread { stroke: #1f2328; stroke-width: 2 }
.goal { stroke: #1f2328; stroke-width: 2; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
  .back { fill: #0d1117 }
  .track { fill: #262c36 }
  .held { fill: #4caf84 }
  .missed { fill: #e08a5f }
  .spread, .goal { stroke: #e6edf3 }
}
"""


def picture(figures: Figures, *, machine: str) -> str:
    """An SVG document. Bars are medians, lines their spread over the rounds, dashes the goals."""
    drawn = [ratio for ratio in figures.ratios if ratio.drawn]
    top = 78
    below = top + len(drawn) * ROW + 12
    height = below + (len(figures.numbers) + 1) // 2 * LINE + 20
    rows = "".join(_row(ratio, top + number * ROW) for number, ratio in enumerate(drawn))
    stated = "".join(_stated(number, place, below) for place, number in enumerate(figures.numbers))
    told = " ".join(f"{ratio.title}: {ratio.shown()}." for ratio in drawn)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"
 aria-labelledby="title desc">
<title id="title">What Portillon costs, as ratios</title>
<desc id="desc">{escape(told)}</desc>
<style>{_STYLE}</style>
<rect class="back" width="{WIDTH}" height="{height}" rx="8"/>
<text class="head" x="{MARGIN}" y="34">What Portillon costs</text>
<text class="small" x="{MARGIN}" y="54">Medians of interleaved rounds, with their spread; dashes are goals. {escape(machine)}</text>
{rows}{stated}</svg>
"""


def _row(ratio: Ratio, top: int) -> str:
    # Every row has a scale of its own, from nothing to what leaves the goal well inside.
    reach = max(ratio.goal * 1.25, *ratio.values)

    def at(value: float) -> float:
        return round(MARGIN + _BAR * value / reach, 1)

    state = "held" if ratio.held else "missed"
    middle = top + 31
    return f"""<text x="{MARGIN}" y="{top + 14}">{escape(ratio.title)}</text>
<rect class="track" x="{MARGIN}" y="{top + 22}" width="{_BAR}" height="18" rx="3"/>
<rect class="{state}" x="{MARGIN}" y="{top + 22}" width="{at(ratio.median) - MARGIN:.1f}" height="18" rx="3"/>
<line class="spread" x1="{at(min(ratio.values))}" x2="{at(max(ratio.values))}" y1="{middle}" y2="{middle}"/>
<line class="goal" x1="{at(ratio.goal)}" x2="{at(ratio.goal)}" y1="{top + 18}" y2="{top + 44}"/>
<text class="small" x="{WIDTH - MARGIN}" y="{top + 14}" text-anchor="end">{escape(ratio.shown())}</text>
"""


def _stated(number: Number, place: int, top: int) -> str:
    x, y = MARGIN + place % 2 * (_BAR // 2 + 8), top + place // 2 * LINE + 10
    return f'<text class="small" x="{x}" y="{y}">{escape(number.title)}: {escape(number.shown())}</text>\n'
