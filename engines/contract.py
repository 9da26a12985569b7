"""The one contract between a network and the rest: `answer(clip, questions) -> replies`.

An engine gets *all* questions of a clip at once, so that the video is encoded once. It never touches SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from grounding.coordinates import Coordinates
from grounding.evidence import Box, Span
from grounding.prompts import Task
from video.frames import Clip


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSpec:
    """How an engine wants its video cut and sampled.

    `window_s` and `overlap_s` in seconds; `rate_hz` frames a second; at most `max_frames` a window; frames
    no longer than `max_side` px; every decoded frame at `dense_side` px square too, when given.
    `skip_still`: a stretch that the packets show to be unmoving may be given by its key frames alone.
    `clips_at_once`: so many clips may be asked about at the same time, each from a thread of its own.
    """

    window_s: float
    overlap_s: float
    rate_hz: float
    max_frames: int
    max_side: int
    dense_side: int | None = None
    skip_still: bool = False
    clips_at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question put to every segment. `text` is empty for the task "describe"."""

    text: str
    task: Task


DESCRIBE = Question(text="", task="describe")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackPoint:
    """Where a tracked thing was at one sampled frame (`time_s` in file time, `pts` the frame's own)."""

    time_s: float
    pts: int
    box: Box
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One thing followed through the clip. `span` is in file time; it may reach a shot's exact border."""

    label: str
    span: Span
    points: tuple[TrackPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenText:
    """Text read off the picture: where, from when to when (file time), and how sure."""

    text: str
    span: Span
    time_s: float
    pts: int
    box: Box
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an engine says to one question.

    `text` is in the evidence grammar, with times relative to `clip.window.start_s` and boxes in the engine's
    `coordinates`; `confidences` holds one number 0..1 a claim in order of appearance, or None.
    `tracks` and `screen_texts` stand on the reply to the standing description; elsewhere they are empty.
    `frame_size` is the width and height in px of the frame that boxes in "pixels" are of (None: the clip's).
    """

    text: str
    mean_logprob: float | None = None
    confidences: tuple[float, ...] | None = None
    tracks: tuple[Track, ...] = ()
    screen_texts: tuple[ScreenText, ...] = ()
    frame_size: tuple[int, int] | None = None


class Engine(Protocol):
    """A model that answers in the evidence grammar."""

    @property
    def name(self) -> str:
        """The name by which `--engine` picks it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hex hash of weights, prompts, sampling, layout, decoder and engine version: part of every
        answer.
        """
        ...

    @property
    def coordinates(self) -> Coordinates:
        """How boxes are written in the text of a reply."""
        ...

    @property
    def spec(self) -> ClipSpec: ...

    def answer(self, clip: Clip, questions: Sequence[Question]) -> list[Reply]:
        """One reply per question, in order."""
        ...

    def close(self) -> None: ...
