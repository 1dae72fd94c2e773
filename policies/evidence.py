"""How much a count of outcomes proves: what share of yeses may be relied on, and when a rule has gone wrong too often.

Pure, and without a library: the few functions here are the whole of the statistics behind earned autonomy. Both questions are
asked again and again while outcomes come in, so what answers them must stay honest however often it is looked at:
`lasting_bound` and `suspicion` hold for every look together, not for one. `lower_bound` is the exact bound of one look, which
people know from elsewhere; it is told, and never decides alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import exp, inf, lgamma, log, log1p

_STEPS = 60
_CLOSE = 1e-15
_TINY = 1e-300
#: what the share of noes is weighed with before anything is seen: mostly small, as for what one thinks of automating
_PRIOR = (0.5, 10.0)
#: how much worse than tolerated a rule may have become: so many times as many wrong outcomes
_WORSE = (2.0, 4.0, 8.0)
_HUGE = 1e280


def lower_bound(agreed: int, seen: int, confidence: float = 0.95) -> float:
    """The share of yeses that may be relied on, from one look: the exact one-sided bound of Clopper and Pearson."""
    _check(agreed, seen, confidence)
    if agreed == 0:
        return 0.0
    return _root(lambda share: _beta_below(share, agreed, seen - agreed + 1) - (1 - confidence), 0.0, 1.0)


def lasting_bound(agreed: int, seen: int, confidence: float = 0.95) -> float:
    """The same, for whoever looks after every decision: with `confidence` it is never too high at any look.

    The likelihood of every share of noes is held against a mixture of all of them; a share against which the mixture has won
    more than 1 / (1 - confidence) times its stake is ruled out, and by Ville's inequality the true one seldom ever is.
    """
    _check(agreed, seen, confidence)
    noes = seen - agreed
    a, b = _PRIOR
    mixture = _log_beta(noes + a, agreed + b) - _log_beta(a, b)
    stake = -log(1 - confidence)

    def won(share: float) -> float:
        return mixture - (noes * log(share) if noes else 0.0) - (agreed * log1p(-share) if agreed else 0.0) - stake

    seen_share = noes / seen if seen else 0.0
    if won(1 - 1e-12) < 0:
        return 0.0
    return 1 - _root(won, max(seen_share, 1e-12), 1 - 1e-12)


def suspicion(went_wrong: Iterable[bool], tolerated: float) -> list[float]:
    """After each outcome, how strongly they speak for more going wrong than `tolerated`: what a bet against the rule has
    made of a stake of 1.

    While no more than `tolerated` go wrong, it ever reaches 1 / alpha with a probability of at most alpha, however long it
    runs and however often it is looked at (Ville). Bets on several degrees of worse are begun anew at every outcome, with
    stakes that sum to 1, so a rule that was good for years is caught about as fast as a new one. An outcome that is
    changed from right to wrong later on can only raise it: whoever counts what is not known yet as right stays honest.
    """
    if not 0 < tolerated < 1:
        raise ValueError("what is tolerated is a share between 0 and 1")
    rates = [min(tolerated * worse, (1 + tolerated) / 2) for worse in _WORSE]
    running = [0.0] * len(rates)
    made: list[float] = []
    for number, wrong in enumerate(went_wrong, start=1):
        stake = 1 / (number * (number + 1)) / len(rates)
        for place, rate in enumerate(rates):
            odds = rate / tolerated if wrong else (1 - rate) / (1 - tolerated)
            running[place] = min((running[place] + stake) * odds, _HUGE)
        # What is not staked yet.
        made.append(sum(running) + 1 / (number + 1))
    return made


def first_alarm(path: Sequence[float], alpha: float) -> int | None:
    """After how many outcomes a bet had first made 1 / alpha; None where it never did."""
    return next((number for number, made in enumerate(path, start=1) if made >= 1 / alpha), None)


def _check(agreed: int, seen: int, confidence: float) -> None:
    if not 0 <= agreed <= seen:
        raise ValueError(f"{agreed} of {seen} is no count")
    if not 0 < confidence < 1:
        raise ValueError("a confidence is between 0 and 1")


def _root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where the rising function `f` crosses zero."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if f(middle) < 0:
            low = middle
        else:
            high = middle
    return low


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _beta_below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (Lentz's way of evaluating it)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_below(1 - x, b, a)
    front = a * log(x) + b * log1p(-x) - _log_beta(a, b) - log(a)
    d = 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    c, value, m = 1.0, d, 0
    change = inf
    while abs(change - 1) > _CLOSE and m < 100_000:
        m += 1
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + numerator * d
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = 1 + numerator / c
            c = c if abs(c) > _TINY else _TINY
            change = d * c
            value *= change
    return exp(front) * value
