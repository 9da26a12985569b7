"""`ask`: one question about one file, answered at once over all its windows. Nothing is stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.contract import DESCRIBE, Engine, Question, Reply, Track
from grounding.evidence import Answer
from indexer.answering import answer_ahead
from indexer.coverage import tile
from indexer.frame_times import FrameTimes
from indexer.merging import Evidence, Merged, WindowAnswer, merge
from indexer.pipeline import interval_s
from indexer.questions import as_question
from indexer.reading import cut, plan, read_ahead
from indexer.timing import Stopwatch
from storage.paths import path_to_text
from video.frames import Clip, VideoInfo
from video.probe import probe
from video.stillness import still_spans


@dataclass(frozen=True, slots=True, kw_only=True)
class AskResult:
    """The answer, what it rests on, and how much of the file was looked at.

    `coverage` holds seconds by kind; `overlay` is the file that the proof was drawn into, or None.
    """

    video: Path
    question: str
    engine: str
    answer: Merged
    seconds: float
    coverage: dict[str, float]
    overlay: Path | None = None

    @property
    def looked_at_s(self) -> float:
        return self.coverage.get("sampled", 0.0) + self.coverage.get("still", 0.0)

    def document(self) -> dict[str, Any]:
        """The answer as "proofreel.ask/1"."""
        answer = self.answer
        return {
            "schema": "proofreel.ask/1",
            "video": path_to_text(self.video),
            "question": self.question,
            "engine": self.engine,
            "answer": answer.text,
            "abstained": answer.abstained,
            "reason": answer.reason,
            "spans": [[round(s.start_s, 3), round(s.end_s, 3)] for s in answer.spans],
            "claims": [_claim(item) for item in answer.evidence],
            "seconds": round(self.seconds, 3),
            "coverage": {kind: round(seconds, 3) for kind, seconds in self.coverage.items()},
            "overlay": None if self.overlay is None else path_to_text(self.overlay),
        }


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What the windows gave, as they go by."""

    answers: list[WindowAnswer] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    coverage: Counter[str] = field(default_factory=Counter)


def ask(video: Path, question: str, *, engine: Engine, overlay: Path | None = None) -> AskResult:
    """Answer `question` about the whole of `video`; draw the proof into `overlay` (.png or .mp4) if given.

    Raises ValueError for a question or an overlay that can't be, MediaError for a file that can't be read,
    and whatever the engine raises.
    """
    asked = as_question(question)
    if overlay is not None:
        from indexer.proof import check_overlay

        check_overlay(overlay, video=video)
    info = probe(video)
    seen = _look_through(video, info, asked, engine=engine, with_tracks=overlay is not None)
    answer = merge(asked.text, seen.answers)
    drawn = None
    if overlay is not None:
        from indexer.proof import draw_proof

        drawn = draw_proof(video, answer, tracks=seen.tracks, interval_s=interval_s(engine.spec), out=overlay)
    return AskResult(
        video=video,
        question=asked.text,
        engine=engine.name,
        answer=answer,
        seconds=info.duration_s,
        coverage=dict(seen.coverage),
        overlay=drawn,
    )


def _look_through(
    video: Path, info: VideoInfo, asked: Question, *, engine: Engine, with_tracks: bool
) -> _Seen:
    spec = engine.spec
    # What was followed through a window comes with its standing description.
    questions = (asked, DESCRIBE) if with_tracks else (asked,)
    still = still_spans(info) if spec.skip_still else ()
    spans = cut(info, spec, still=still)
    seen = _Seen(coverage=Counter({kind: 0 for kind in ("sampled", "still", "damaged", "skipped")}))
    with read_ahead(video, plan(info, spans, spec=spec, still=still), spec=spec) as readings:
        for answered in answer_ahead(readings, questions, engine=engine, stopwatch=Stopwatch()):
            if answered.error is not None:
                raise answered.error
            clip = answered.reading.clip
            assert clip is not None
            seen.answers += _window_answer(clip, *answered.pairs[0], engine=engine)
            seen.tracks += [track for reply, _ in answered.pairs for track in reply.tracks]
            for row in tile(clip):
                # A Counter holds what it is given; its type only speaks of integers.
                seen.coverage[row.kind] += row.span.end_s - row.span.start_s  # type: ignore[assignment]
    return seen


def _window_answer(clip: Clip, reply: Reply, answer: Answer, *, engine: Engine) -> list[WindowAnswer]:
    """The window's answer with its proof; none from a window that had no frame to show."""
    if not len(clip.images):
        return []
    times = FrameTimes(clip, interval_s=interval_s(engine.spec))
    given = reply.confidences
    fits = given is not None and len(given) == len(answer.claims)
    evidence = []
    for index, claim in enumerate(answer.claims):
        frame = times.sampled(claim.time_s)
        if frame is not None:
            confidence = given[index] if fits and given is not None else None
            evidence.append(Evidence(claim=claim, time_s=frame.time_s, pts=frame.pts, confidence=confidence))
    return [WindowAnswer(window=clip.window, answer=answer, evidence=tuple(evidence))]


def _claim(item: Evidence) -> dict[str, Any]:
    return {
        "subject": item.claim.subject,
        "time": round(item.time_s, 3),
        "pts": item.pts,
        "boxes": [[round(v, 4) for v in (b.x1, b.y1, b.x2, b.y2)] for b in item.claim.boxes],
        "confidence": item.confidence,
    }
