from __future__ import annotations

import gc
from pathlib import Path

import av

from tests.clips import make_clip
from video.scaling import orientation_of


def test_looking_at_a_frame_s_orientation_does_not_keep_the_frame(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", frames=5)
    gc.collect()
    gc.disable()
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                orientation_of(frame)
            del frame
        assert gc.collect() == 0  # nothing was left that only the cyclic collector could free
    finally:
        gc.enable()
