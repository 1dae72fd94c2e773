"""A curve over outcomes as SVG, made here like the bars: no script draws it, and it is as wide as the screen is.

The lines alone are scaled; figures at the side say how high they are, other words stand beside it as HTML. Colours come from
the style sheet by class. A line that must not be crossed, or must be reached, is drawn across; single outcomes that went wrong
are marked below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, log10

from markupsafe import Markup

WIDE, HIGH = 600.0, 100.0
#: points of one curve; what is between them would not be seen
MOST = 400

#: powers of ten that lie nearer to the alarm than this would be written over it
APART = 0.45

# The inner drawing is stretched to the outer one, which is as wide as the page: words in the outer one keep their shape.
_SVG = Markup(
    '<svg class="curve" role="img" aria-label="{label}"><svg viewBox="0 0 {wide:g} {high:g}" width="100%" height="100%"'
    ' preserveAspectRatio="none">{inside}</svg>{ticks}</svg>'
)
_TICK = Markup('<text x="0" y="{y:.2f}%" dy="{down}">{said}</text>')
_LINE = Markup('<polyline class="{kind}" points="{points}" vector-effect="non-scaling-stroke"/>')
_ACROSS = Markup(
    '<line class="{kind}" x1="0" x2="{wide:g}" y1="{y:.2f}" y2="{y:.2f}" vector-effect="non-scaling-stroke"/>'
)
_MARK = Markup(
    '<line class="{kind}" x1="{x:.2f}" x2="{x:.2f}" y1="{high:g}" y2="{up:g}" vector-effect="non-scaling-stroke"/>'
)

Scale = Callable[[float], float]


def suspicion(path: Sequence[float], *, alarm: float, wrong: Sequence[int], label: str) -> Markup:
    """How suspicion went, in powers of ten, with the line at which a rule is taken back. `wrong` are numbers of outcomes."""
    least, most = min([*path, 0.1]), max([*path, alarm])
    scale = _powers(least, most)
    reach = max(len(path), 1)
    tens = [10.0**power for power in range(ceil(log10(least)), floor(log10(most * 1.3)) + 1)]
    tens = [ten for ten in tens if abs(log10(ten) - log10(alarm)) > APART]
    inside = [*(_across(scale(ten), "grid") for ten in tens), _across(scale(alarm), "alarm")]
    inside += (
        _MARK.format(kind="mark", x=_x(number, reach), high=HIGH, up=HIGH - 7) for number in _thinned(list(wrong))
    )
    inside.append(_line(((number, made) for number, made in enumerate(path, start=1)), len(path), reach, scale, "made"))
    return _svg(inside, label, [(scale(each), f"{each:g}") for each in (alarm, *tens)])


def bounds(path: Sequence[Sequence[float]], *, wanted: float, label: str) -> Markup:
    """How the two bounds of a share came about (decisions, exact, lasting), with the line that had to be reached."""
    reach = max((point[0] for point in path), default=1)
    lowest = max(0.0, min([wanted, *(point[2] for point in path[len(path) // 4 :])]) - 0.02)

    def scale(share: float) -> float:
        return HIGH * (1 - (max(share, lowest) - lowest) / (1 - lowest))

    inside = [_across(scale(wanted), "alarm")]
    inside += (
        _line(((point[0], point[place]) for point in path), len(path), reach, scale, kind)
        for place, kind in ((1, "exact"), (2, "made"))
    )
    return _svg(inside, label, [(scale(share), f"{share:.1%}".replace("%", " %")) for share in (wanted, lowest)])


def _powers(least: float, most: float) -> Scale:
    low, high = log10(least), log10(most * 1.3)
    return lambda value: HIGH - HIGH * (log10(max(value, least)) - low) / (high - low)


def _line(points: Iterable[tuple[float, float]], count: int, reach: float, scale: Scale, kind: str) -> Markup:
    every = max(1, count // MOST)
    kept = [point for place, point in enumerate(points) if place % every == 0 or place == count - 1]
    return _LINE.format(kind=kind, points=" ".join(f"{_x(x, reach):.1f},{scale(y):.2f}" for x, y in kept))


def _across(y: float, kind: str) -> Markup:
    return _ACROSS.format(kind=kind, wide=WIDE, y=y)


def _thinned(numbers: list[int]) -> list[int]:
    return numbers[:: max(1, len(numbers) // MOST)]


def _x(number: float, reach: float) -> float:
    return WIDE * number / reach


def _svg(inside: Sequence[Markup], label: str, ticks: Iterable[tuple[float, str]]) -> Markup:
    """`ticks` are heights with what they stand for: above their line, where there is room, else below it."""
    marked = [_TICK.format(y=y, down=-3 if y > HIGH / 8 else 12, said=said) for y, said in ticks]
    return _SVG.format(wide=WIDE, high=HIGH, label=label, inside=Markup("").join(inside), ticks=Markup("").join(marked))
