"""When two things touch: where their shapes do, not their boxes.

Shapes: N things, T frames; masks [N, SIDE, SIDE], each stretched to its thing's box.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TOUCHING_PX = 3
"""Pixels that both must cover to touch."""

APART_PX = 1.5
"""How much larger each may be drawn, without a pixel that both cover, to be apart."""


def contact(i: int, j: int, *, centres: Floats, radii: Floats, masks: Bools) -> tuple[Bools, Bools]:
    """[T] in which frames two things clearly touch, and in which they are clearly apart; a frame may be
    neither.
    """
    gap = np.abs(centres[i] - centres[j]) - (radii[i] + radii[j])
    apart: Bools = gap.max(-1) > 2 * APART_PX
    touching = np.zeros_like(apart)
    for frame in np.flatnonzero(~apart):
        pair = (centres[[i, j], frame], radii[[i, j]], masks[[i, j]])
        shared = _shared_px(*pair)
        touching[frame] = shared >= TOUCHING_PX
        apart[frame] = shared == 0 and _shared_px(pair[0], pair[1] + APART_PX, pair[2]) == 0
    return touching, apart


def _shared_px(centres_2: Floats, radii_2: Floats, masks_2: Bools) -> int:
    """Pixels that both cover."""
    low = np.floor((centres_2 - radii_2).max(0)).astype(int)
    high = np.ceil((centres_2 + radii_2).min(0)).astype(int)
    if (high <= low).any():
        return 0
    covered = [
        _covered(centre, radius, mask, low, high)
        for centre, radius, mask in zip(centres_2, radii_2, masks_2, strict=True)
    ]
    return int(np.count_nonzero(covered[0] & covered[1]))


def _covered(
    centre: Floats, radius: Floats, mask: Bools, low: npt.NDArray[np.int_], high: npt.NDArray[np.int_]
) -> Bools:
    """Which pixels from `low` to before `high` a thing covers, [rows, columns]."""
    side = len(mask)
    found = []
    for axis in (0, 1):
        at = (np.arange(low[axis], high[axis]) + 0.5 - centre[axis]) / radius[axis]
        place = ((at + 1) * (side / 2)).astype(int).clip(0, side - 1)
        found.append((place, np.abs(at) < 1))
    (columns, in_x), (rows, in_y) = found
    covered: Bools = mask[np.ix_(rows, columns)] & in_y[:, None] & in_x[None]
    return covered
