"""Bars over days as SVG, made here: no script draws them, and they are as wide as the screen is.

The bars alone are scaled; words stand beside them as HTML, so that they can be read on a phone. Colours come from the style
sheet by class, and each day says its figures to whoever points at it or has it read out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

#: of a day's width, what its bar takes
WIDE = 0.72
HIGH = 100.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: its parts from the bottom up, and what is said of it."""

    parts: Sequence[float]
    said: str


@dataclass(frozen=True, slots=True)
class Plot:
    """`svg` with the highest bar as high as it is; `most` is what that bar stands for."""

    svg: Markup
    most: float


_SVG = Markup(
    '<svg class="bars" viewBox="0 0 {width} {high:g}" preserveAspectRatio="none" role="img" aria-label="{label}">{inside}</svg>'
)
_DAY = Markup('<g><title>{said}</title><rect class="day" x="{place}" y="0" width="1" height="{high:g}"/>{parts}</g>')
_PART = Markup('<rect class="{kind}" x="{x:.2f}" y="{y:.2f}" width="{wide:g}" height="{tall:.2f}"/>')


def draw(bars: Sequence[Bar], *, kinds: Sequence[str], label: str) -> Plot:
    """A bar a day. `kinds` are the classes of its parts, the same for every day."""
    most = max((sum(bar.parts) for bar in bars), default=0.0)
    inside = Markup("").join(_day(place, bar, kinds, most) for place, bar in enumerate(bars))
    return Plot(_SVG.format(width=max(len(bars), 1), high=HIGH, label=label, inside=inside), most)


def _day(place: int, bar: Bar, kinds: Sequence[str], most: float) -> Markup:
    parts, top = [], HIGH
    for kind, value in zip(kinds, bar.parts, strict=True):
        if value > 0:
            tall = HIGH * value / most
            top -= tall
            parts.append(_PART.format(kind=kind, x=place + (1 - WIDE) / 2, y=top, wide=WIDE, tall=tall))
    return _DAY.format(said=bar.said, place=place, high=HIGH, parts=Markup("").join(parts))
