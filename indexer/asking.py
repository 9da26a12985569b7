"""`ask`: one question about one file, answered at once over all its windows. Nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from engines.contract import DESCRIBE, Engine, Question, Reply, Track
from grounding.evidence import Answer, Span
from indexer.answering import answer_ahead
from indexer.coverage import KINDS, tile
from indexer.frame_times import FrameTimes
from indexer.merging import Evidence, Merged, Sight, WindowAnswer, join, merge
from indexer.pipeline import interval_s
from indexer.progress import Reporter
from indexer.questions import as_question
from indexer.reading import Cut, cut, plan, read_ahead
from indexer.report import shown
from indexer.timing import Stopwatch
from storage.rows import CoverageRow
from video.frames import Clip, VideoInfo
from video.probe import probe
from video.stillness import Stillness, stillness


@dataclass(frozen=True, slots=True, kw_only=True)
class AskResult:
    """The answer, what it rests on, and how much of the file was looked at.

    `coverage` holds seconds by kind; `interval_s` is the longest time between two samples, None where all
    was still; `overlay` is the file that the proof was drawn into, or None.
    """

    video: Path
    question: str
    engine: str
    answer: Merged
    seconds: float
    coverage: dict[str, float]
    interval_s: float | None
    overlay: Path | None = None

    @property
    def looked_at_s(self) -> float:
        return self.coverage.get("sampled", 0.0) + self.coverage.get("still", 0.0)

    @property
    def found_nothing(self) -> bool:
        """Whether the answer is a "no"."""
        return not (self.answer.abstained or self.answer.evidence or self.answer.spans)

    def document(self) -> dict[str, Any]:
        """The answer as "proofreel.ask/1"."""
        answer = self.answer
        return {
            "schema": "proofreel.ask/1",
            "video": shown(self.video),
            "question": self.question,
            "engine": self.engine,
            "answer": answer.text,
            "abstained": answer.abstained,
            "reason": answer.reason,
            "spans": [[round(s.start_s, 3), round(s.end_s, 3)] for s in answer.spans],
            "claims": [_claim(item) for item in answer.evidence],
            "seconds": round(self.seconds, 3),
            "coverage": {kind: round(seconds, 3) for kind, seconds in self.coverage.items()},
            "interval_seconds": None if self.interval_s is None else round(self.interval_s, 3),
            "overlay": None if self.overlay is None else shown(self.overlay),
        }


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What the windows gave, as they go by."""

    answers: list[WindowAnswer] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    rows: list[CoverageRow] = field(default_factory=list)
    interval_s: float | None = None

    def coverage(self) -> dict[str, float]:
        """Seconds by kind; what two windows share counts once."""
        spans = {kind: [r.span for r in self.rows if r.kind == kind] for kind in KINDS}
        return {kind: sum(s.end_s - s.start_s for s in join(of, gap_s=0.0)) for kind, of in spans.items()}


def ask(
    video: Path, question: str, *, engine: Engine, reporter: Reporter, overlay: Path | None = None
) -> AskResult:
    """Answer `question` about the whole of `video`; draw the proof into `overlay` (.png or .mp4) if given.

    `reporter` is told of every window. Raises ValueError for a question or an overlay that can't be,
    MediaError for a file that can't be read, and whatever the engine raises.
    """
    asked = as_question(question)
    if overlay is not None:
        from indexer.proof import check_overlay

        check_overlay(overlay, video=video)
    reporter.looking(video)
    info = probe(video)
    seen = _look_through(
        video, info, asked, engine=engine, with_tracks=overlay is not None, reporter=reporter
    )
    coverage = seen.coverage()
    sight = Sight(
        seconds=info.duration_s + info.missing_s,
        unseen_s=coverage["damaged"] + coverage["skipped"] + info.missing_s,
        interval_s=interval_s(engine.spec),
    )
    answer = merge(asked.text, seen.answers, sight=sight)
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
        coverage=coverage,
        interval_s=seen.interval_s,
        overlay=drawn,
    )


def _look_through(
    video: Path,
    info: VideoInfo,
    asked: Question,
    *,
    engine: Engine,
    with_tracks: bool,
    reporter: Reporter,
) -> _Seen:
    spec = engine.spec
    # What was followed through a window comes with its standing description.
    questions = (asked, DESCRIBE) if with_tracks else (asked,)
    still = stillness(info) if spec.skip_still else Stillness()
    cuts = plan(info, cut(info, spec, still=still), spec=spec, still=still)
    reporter.planned(
        files=1, segments=len(cuts), seconds=sum(c.window.end_s - c.window.start_s for c in cuts)
    )
    seen = _Seen(interval_s=_longest_step_s(cuts))
    with read_ahead(video, cuts, spec=spec) as readings:
        for answered in answer_ahead(readings, questions, engine=engine, stopwatch=Stopwatch()):
            if answered.error is not None:
                raise answered.error
            clip = answered.reading.clip
            assert clip is not None
            seen.answers += _window_answer(clip, *answered.pairs[0], engine=engine)
            seen.tracks += [track for reply, _ in answered.pairs for track in reply.tracks]
            seen.rows += tile(clip)
            reporter.segment_done(video, seconds=clip.window.end_s - clip.window.start_s)
    return seen


def _longest_step_s(cuts: Sequence[Cut]) -> float | None:
    """The longest time between two samples of one window; None where no window has two."""
    return max((b - a for c in cuts if not c.still for a, b in pairwise(c.times_s)), default=None)


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
    spans = tuple(_proven(span, evidence, times=times) for span in answer.spans)
    return [WindowAnswer(window=clip.window, answer=replace(answer, spans=spans), evidence=tuple(evidence))]


def _proven(span: Span, evidence: Sequence[Evidence], *, times: FrameTimes) -> Span:
    """The span on known frames, as long at least as the frames that prove it are on display."""
    own = [e.pts for e in evidence if span.start_s <= e.claim.time_s <= span.end_s]
    wide = times.covering(span, shown_pts=own)
    return Span(times.snapped(wide.start_s).time_s, times.snapped(wide.end_s).time_s)


def _claim(item: Evidence) -> dict[str, Any]:
    return {
        "subject": item.claim.subject,
        "time": round(item.time_s, 3),
        "pts": item.pts,
        "boxes": [[round(v, 4) for v in (b.x1, b.y1, b.x2, b.y2)] for b in item.claim.boxes],
        "confidence": item.confidence,
    }
