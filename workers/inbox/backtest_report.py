"""A backtest's report as pictures and as a page that stands by itself, for a file that is mailed or kept with a change.

Called by the pages and by ``caseworker policy backtest --html``. Asks nothing of the store: it draws what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from workers.inbox.rendering import STATIC, make_environment
from workers.rehearsal.told import RuleLine, Told

HIGH = 14
GAP = 4
WIDE = 300
#: rules that are drawn; the table beside has all
MOST_RULES = 14
#: the outcomes' classes in the style sheet
TONES = {"allow": "good", "notify": "mild", "review": "open", "deny": "bad"}

_SVG = Markup(
    '<svg class="lanes{two}" viewBox="0 0 {wide} {high}" preserveAspectRatio="none" role="img" aria-label="{label}">{inside}</svg>'
)
_LANE = Markup('<g><title>{said}</title><rect class="{kind}" x="{x:.2f}" y="{y}" width="{w:.2f}" height="{h}"/></g>')


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of a picture: what it is called, its figures in words, and its drawing."""

    name: str
    said: str
    svg: Markup


def sides(told: Told) -> list[Lane]:
    """For each outcome how many there were, and below how many there would be."""
    most = max((max(was, now) for _, was, now in told.sides), default=0) or 1
    return [
        Lane(
            name,
            f"{was:,} → {now:,}",
            _svg(
                [
                    _lane("was", 0, 0.0, WIDE * was / most, f"as it was: {was:,}"),
                    _lane(TONES[name], HIGH + GAP, 0.0, WIDE * now / most, f"would be: {now:,}"),
                ],
                2 * HIGH + GAP,
                f"{name}: {was:,} as it was, {now:,} would be",
            ),
        )
        for name, was, now in told.sides
    ]


def by_rule(told: Told) -> list[Lane]:
    """For each rule what it would newly decide, to the right, and what it no longer would, to the left."""
    shown: Sequence[RuleLine] = [one for one in told.rules if one.gained or one.lost][:MOST_RULES]
    most = max((max(one.gained, one.lost) for one in shown), default=0) or 1
    half = WIDE / 2
    return [
        Lane(
            one.rule,
            f"+{one.gained:,} -{one.lost:,}",
            _svg(
                [
                    _lane("lost", 0, half - half * one.lost / most, half * one.lost / most, f"no longer: {one.lost:,}"),
                    _lane("gained", 0, half, half * one.gained / most, f"newly: {one.gained:,}"),
                ],
                HIGH,
                f"{one.rule}: decides {one.gained:,} newly, {one.lost:,} no longer",
            ),
        )
        for one in shown
    ]


def standalone(told: Told, *, now: datetime) -> str:
    """The report as one file with its style inside. Its links need the installation, so there are none."""
    template = make_environment().get_template("_policy_report.html")
    style = Markup((STATIC / "app.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return template.render(told=told, sides=sides(told), lanes=by_rule(told), style=style, now=now, links=False)


def _lane(kind: str, y: int, x: float, w: float, said: str) -> Markup:
    return _LANE.format(said=said, kind=kind, x=x, y=y, w=w, h=HIGH) if w > 0 else Markup("")


def _svg(lanes: Sequence[Markup], high: int, label: str) -> Markup:
    return _SVG.format(
        two=" two" if high > HIGH else "", wide=WIDE, high=high, label=label, inside=Markup("").join(lanes)
    )
