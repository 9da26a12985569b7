"""How sure a mean is: percentile intervals of a bootstrap over clips, and of two systems on the same clips.

Questions about one clip are drawn together. One set of draws serves every measure, so that what is made of
several means (mLGM of five) is made of each draw's own means; two systems share the draws (paired bootstrap).
`scipy.stats.bootstrap` resamples one statistic a call, and so would draw anew for each measure.

Shapes: U clips, R draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Totals = Mapping[str, tuple[Floats, Floats]]
"""By name: numerator and denominator of a measure, each summed over the questions of every clip, [U]."""

Derive = Callable[[Mapping[str, Floats]], dict[str, Floats]]
"""Makes measures of means: from each name's draws [R] to the draws [R] of those made of them."""

Interval = tuple[float, float]

DRAWS = 2000
LEVEL = 0.95
_AT_ONCE = 256


def estimates(totals: Totals, *, derive: Derive) -> dict[str, float | None]:
    """Every measure on the data set as it is; None where nothing counts towards it."""
    clips = _clips(totals)
    return {name: _number(draw[0]) for name, draw in _means(totals, np.ones((1, clips)), derive).items()}


def intervals(totals: Totals, *, derive: Derive, seed: int) -> dict[str, Interval | None]:
    """The percentile interval of every measure."""
    return {name: _interval(draws) for name, draws in _drawn(totals, derive, seed).items()}


def differences(
    new: Totals, old: Totals, *, derive: Derive, seed: int
) -> dict[str, tuple[float | None, Interval | None]]:
    """New minus old, of every measure, with its interval: the clips of both must be the same, in order."""
    assert _clips(new) == _clips(old)
    ahead, behind = estimates(new, derive=derive), estimates(old, derive=derive)
    ahead_R, behind_R = _drawn(new, derive, seed), _drawn(old, derive, seed)
    found: dict[str, tuple[float | None, Interval | None]] = {}
    for name in ahead:
        a, b = ahead[name], behind.get(name)
        if a is None or b is None:
            found[name] = (None, None)
        else:
            found[name] = (a - b, _interval(ahead_R[name] - behind_R[name]))
    return found


def _drawn(totals: Totals, derive: Derive, seed: int) -> dict[str, Floats]:
    parts = [_means(totals, weights, derive) for weights in _weights(_clips(totals), seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _weights(clips: int, seed: int) -> Iterator[Floats]:
    """How often each clip is drawn, [R, U], some draws at a time."""
    rng = np.random.default_rng(seed)
    even = np.full(clips, 1.0 / clips)
    for done in range(0, DRAWS, _AT_ONCE):
        yield rng.multinomial(clips, even, size=min(_AT_ONCE, DRAWS - done)).astype(np.float64)


def _means(totals: Totals, weights_RU: Floats, derive: Derive) -> dict[str, Floats]:
    """The mean of every measure in every draw; NaN where nothing counts."""
    means = {}
    for name, (numerator_U, denominator_U) in totals.items():
        of_R = weights_RU @ denominator_U
        filled = np.full(len(of_R), np.nan)
        means[name] = np.divide(weights_RU @ numerator_U, of_R, out=filled, where=of_R > 0.0)
    return {**means, **derive(means)}


def _interval(draws_R: Floats) -> Interval | None:
    known = draws_R[~np.isnan(draws_R)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return float(low), float(high)


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _clips(totals: Totals) -> int:
    return len(next(iter(totals.values()))[0])
