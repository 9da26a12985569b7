"""What the spotter saw in one clip: the border between its eyes (perception) and its words (answering)."""

from __future__ import annotations

from dataclasses import dataclass

from engines.contract import ScreenText, Track
from grounding.evidence import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """`tracks`, `screen_texts` and `shots` in file time, within `window`.

    `times_s` and `pts` are the sampled frames that were there to be seen (damaged ones are not among them).
    `shots` tile the window; a cut lies where one ends and the next begins, exact to the frame where every
    frame was given. `read_times_s` are the frames on which text was read.
    """

    window: Span
    times_s: tuple[float, ...]
    pts: tuple[int, ...]
    shots: tuple[Span, ...]
    tracks: tuple[Track, ...]
    screen_texts: tuple[ScreenText, ...]
    read_times_s: tuple[float, ...]
