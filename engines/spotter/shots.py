"""Where one shot ends and the next begins, exact to the frame when every frame is given.

Hard cuts only: a dissolve belongs to the shots that it joins. Shapes: M pictures, about 60 x 60 each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engines.spotter.settings import SpotterSettings
from video.frames import Images

_SIDE = 60
_LEAST_SHARE = 0.35  # of the picture must change: a dialog that opens on a screen is no cut
_CHANGED = 10  # of 255: a pixel that differs more has changed
_RETURNED = 0.35  # after a flash the picture is this much nearer to the one before than the flash was


def cuts(pictures: Images, times_s: npt.NDArray[np.float64], settings: SpotterSettings) -> list[int]:
    """Indices of the first picture of each shot but the first. A flash that passes in `flash_s` is none."""
    small = _small(pictures)
    found = [k for k in _stand_out(small, settings) if 0 < k < len(small)]
    found = [k for k in found if _changed_share(small[k - 1], small[k]) >= _LEAST_SHARE]
    return [k for k in found if not _is_flash(small, times_s, k, settings.flash_s)]


def _small(pictures: Images) -> Images:
    step = max(1, pictures.shape[1] // _SIDE) if len(pictures) else 1
    return pictures[:, ::step, ::step]


def _stand_out(small: Images, settings: SpotterSettings) -> list[int]:
    from scenedetect.common import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector

    detector = AdaptiveDetector(
        adaptive_threshold=settings.cut_ratio, min_content_val=settings.cut_least, min_scene_len=1
    )
    width = detector.window_width  # the first and last pictures are repeated so often: cuts near them count
    found: list[int] = []
    for k in range(len(small) + 2 * width):
        picture = np.ascontiguousarray(small[min(max(k - width, 0), len(small) - 1), :, :, ::-1])
        found += [cut.frame_num for cut in detector.process_frame(FrameTimecode(k, fps=25.0), picture)]
    return [k - width for k in found]


def _is_flash(small: Images, times_s: npt.NDArray[np.float64], cut: int, flash_s: float) -> bool:
    """A picture soon after is like the one before, or one just before is like the one after."""
    before, after = small[cut - 1], small[cut]
    jump = _difference(before, after)
    soon = np.flatnonzero((times_s > times_s[cut]) & (times_s <= times_s[cut] + flash_s))
    just = np.flatnonzero((times_s < times_s[cut - 1]) & (times_s >= times_s[cut] - flash_s))
    return _any_near(small, soon, before, jump) or _any_near(small, just, after, jump)


def _any_near(
    small: Images, indices: Sequence[int] | npt.NDArray[np.intp], like: Images, jump: float
) -> bool:
    return any(_difference(small[i], like) < _RETURNED * jump for i in indices)


def _difference(one: Images, other: Images) -> float:
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def _changed_share(one: Images, other: Images) -> float:
    difference = np.abs(one.astype(np.int16) - other.astype(np.int16)).max(axis=2)
    return float((difference > _CHANGED).mean())
