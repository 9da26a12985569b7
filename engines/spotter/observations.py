"""What the spotter saw in one clip: the border between its eyes (perception) and its words (answering)."""

from __future__ import annotations

from dataclasses import dataclass

from engines.contract import ScreenText, Track
from grounding.evidence import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """`tracks`, `screen_texts` and `shots` in file time, within `window`.

    `times_s` and `pts` are the sampled frames that were there to be seen (damaged ones are not among them).
    `shots` tile the window less its damaged stretches; a cut lies where one ends and the next begins, exact
    to the frame where every frame was given. `read_times_s` are the frames on which text was read.
    """

    window: Span
    times_s: tuple[float, ...]
    pts: tuple[int, ...]
    shots: tuple[Span, ...]
    tracks: tuple[Track, ...]
    screen_texts: tuple[ScreenText, ...]
    read_times_s: tuple[float, ...]

    @property
    def runs(self) -> tuple[Span, ...]:
        """The stretches between damage: shots joined where one ends as the next begins."""
        joined: list[Span] = []
        for shot in self.shots:
            if joined and joined[-1].end_s == shot.start_s:
                joined[-1] = Span(joined[-1].start_s, shot.end_s)
            else:
                joined.append(shot)
        return tuple(joined)
