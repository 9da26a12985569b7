"""A small real engine for tests: it tells bright pictures from dark ones, in the evidence grammar.

It sees one thing, a "lamp" that is lit where the picture is bright, and answers questions about it; a
question with "helmet" in it is beyond it. It counts its calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

from engines.contract import ClipSpec, Question, Reply
from grounding.coordinates import Coordinates
from grounding.evidence import Box, Claim, Span
from grounding.grammar import (
    format_abstention,
    format_completion,
    format_spans,
    format_statement,
)
from video.frames import Clip

SPEC = ClipSpec(window_s=2.0, overlap_s=0.0, rate_hz=4.0, max_frames=16, max_side=64, skip_still=True)
BRIGHT = 128.0
WHOLE = Box(0.1, 0.1, 0.9, 0.9)


class BrightnessEngine:
    """`on_clip` is called with each clip before it is answered, and may raise."""

    name = "brightness"
    coordinates: Coordinates = "relative-1000"

    def __init__(
        self,
        *,
        spec: ClipSpec = SPEC,
        fingerprint: str = "b1",
        on_clip: Callable[[Clip], None] = lambda clip: None,
    ) -> None:
        self.spec = spec
        self.fingerprint = fingerprint
        self.clips: list[Clip] = []
        self.asked: list[tuple[str, ...]] = []
        self.closed = False
        self._on_clip = on_clip

    def answer(self, clip: Clip, questions: Sequence[Question]) -> list[Reply]:
        self.clips.append(clip)
        self.asked.append(tuple(question.text for question in questions))
        self._on_clip(clip)
        lit = _lit(clip)
        return [self._reply(clip, question, lit) for question in questions]

    def close(self) -> None:
        self.closed = True

    def _reply(self, clip: Clip, question: Question, lit: list[list[int]]) -> Reply:
        if "helmet" in question.text:
            return Reply(
                text=format_completion(reasoning="", answer=format_abstention("it can't see helmets"))
            )
        lines = [self._statement(clip, frames) for frames in lit]
        spans = [_span(clip, frames) for frames in lit]
        if question.task == "temporal QA":
            answer = format_spans(spans, segment=clip.window)
        else:
            answer = "Yes" if lit else "No"
        return Reply(
            text=format_completion(reasoning="\n".join(lines), answer=answer if lit else "No"),
            confidences=(0.75,) * len(lit),
        )

    def _statement(self, clip: Clip, frames: list[int]) -> str:
        # The first frame may be on display since before the window.
        claim = Claim(subject="lamp", boxes=(WHOLE,), time_s=_span(clip, frames).start_s)
        return format_statement(
            [claim, "is lit"],
            span=_span(clip, frames),
            segment=clip.window,
            coordinates=self.coordinates,
        )


def _lit(clip: Clip) -> list[list[int]]:
    """The runs of neighbouring sampled frames that are bright, as indices."""
    bright = np.asarray(clip.images).reshape(len(clip.images), -1).mean(axis=1) > BRIGHT
    runs = groupby(range(len(bright)), key=lambda i: bool(bright[i]))
    return [list(run) for lit, run in runs if lit]


def _span(clip: Clip, frames: list[int]) -> Span:
    last = frames[-1]
    end_s = float(clip.times_s[last + 1]) if last + 1 < len(clip.times_s) else clip.window.end_s
    return Span(max(float(clip.times_s[frames[0]]), clip.window.start_s), end_s)
