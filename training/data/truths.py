"""From a row to what is true of it, and to the text that a model should write, in our grammar.

A model can point only at frames that it was shown. So evidence is set on the sampled frame nearest to the
time that was annotated, and how far that was is kept; what lies too far from any frame is no evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from grounding import (
    Box,
    Claim,
    Coordinates,
    Piece,
    Span,
    escape,
    format_claim,
    format_completion,
    format_object,
    format_option,
    format_span,
    format_spans,
    parse,
)
from training.data.rows import Row
from training.data.texts import PICTURE_S, Said, reasoning, said
from training.truth import Truth

MAX_SNAP_S = 1.0
"""Seconds from an annotated time to the frame that stands for it; things move."""

SIDES_ALIKE = 0.02
"""How far the ratio of a picture's sides may be from what its row says: more is another picture."""

LATE_SLACK_S = 1.0
"""Seconds by which an annotation may outlast its video: many are rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapped:
    """A claim set on a sampled frame, and by how many seconds its time was moved."""

    claim: Claim
    moved_s: float


def truth_of(row: Row) -> Truth:
    """What is true of the row's question, at the annotated times, in seconds from the video's start.

    Raises ValueError for an answer that its task can't have, and for a box or time that can't be.
    """
    answer = said(row)
    is_whole = bool(answer.spans) or answer.box is not None or answer.abstains
    return Truth(
        task=row.task,
        answer=answer.letter if answer.letter or is_whole else answer.text,
        spans=answer.spans,
        box=answer.box,
        evidence=_evidence(row, answer),
        abstains=answer.abstains,
    )


def snapped_truth(truth: Truth, times_s: Sequence[float]) -> tuple[Truth, tuple[float, ...]]:
    """The truth with its evidence on the frames at `times_s`, and by how many s each claim was moved."""
    kept = snap(truth.evidence, times_s)
    return (
        replace(truth, evidence=tuple(s.claim for s in kept if s is not None)),
        tuple(s.moved_s for s in kept if s is not None),
    )


def snap(claims: Sequence[Claim], times_s: Sequence[float]) -> tuple[Snapped | None, ...]:
    """Each claim on the nearest frame; None where that is over `MAX_SNAP_S` away, or where the same thing was
    annotated nearer to that frame.
    """
    moved = [_moved(claim, times_s) for claim in claims]
    nearest: dict[tuple[str, float], float] = {}
    for one in moved:
        key = (one.claim.subject, one.claim.time_s)
        nearest[key] = min(one.moved_s, nearest.get(key, MAX_SNAP_S))
    return tuple(
        one if one.moved_s <= nearest[one.claim.subject, one.claim.time_s] else None for one in moved
    )


def completion_of(
    row: Row,
    *,
    duration_s: float,
    coordinates: Coordinates,
    frame_size: tuple[int, int],
    times_s: Sequence[float],
) -> str:
    """What a model should write to the row's question: its reasoning and answer in the grammar.

    Boxes are written as `coordinates` has them, "pixels" of `frame_size` (the frame that is fed); claims
    stand at the frames of `times_s` (seconds from the start), and one that no frame shows becomes words.
    Words stay as they are. Raises ValueError for a row without a reasoning, or with an answer that can't be.
    """
    if row.reasoning_process is None:
        raise ValueError("the row has no reasoning_process: it is not for SFT")
    writing = _Writing(
        segment=Span(0.0, duration_s), coordinates=coordinates, frame_size=frame_size, times_s=times_s
    )
    found = reasoning(row, segment=writing.segment)
    return format_completion(reasoning=writing.pieces(found.pieces), answer=writing.answer(row, said(row)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writing:
    """How one completion is written."""

    segment: Span
    coordinates: Coordinates
    frame_size: tuple[int, int]
    times_s: Sequence[float]

    def pieces(self, found: Sequence[Piece]) -> str:
        kept = iter(snap([piece for piece in found if isinstance(piece, Claim)], self.times_s))
        return "".join(self._piece(p, next(kept) if isinstance(p, Claim) else None) for p in found).strip()

    def _piece(self, piece: Piece, snapped: Snapped | None) -> str:
        if isinstance(piece, Claim):
            return self._claim(snapped.claim) if snapped else escape(piece.subject)
        if isinstance(piece, Span):
            return format_span(piece, segment=self.segment)
        return piece if isinstance(piece, str) else ""

    def _claim(self, claim: Claim) -> str:
        return format_claim(
            claim, segment=self.segment, coordinates=self.coordinates, frame_size=self.frame_size
        )

    def answer(self, row: Row, answer: Said) -> str:
        if answer.spans:
            spans = [within(span, self.segment.end_s) for span in answer.spans]
            written = format_spans(spans, segment=self.segment)
            return format_option(written, answer.letter) if answer.letter else written
        if answer.box is not None:
            return format_object(
                answer.name, answer.box, coordinates=self.coordinates, frame_size=self.frame_size
            )
        return answer.letter if row.task == "General video QA MCQ" and answer.letter else self._words(answer)

    def _words(self, answer: Said) -> str:
        """The answer's words as they are, unless they would then be read as something else."""
        read = parse(
            f"<answer>{answer.text}</answer>",
            segment=self.segment,
            coordinates=self.coordinates,
            frame_size=self.frame_size,
        )
        return answer.text if read.text == answer.text and not read.problems else escape(answer.text)


def within(span: Span, duration_s: float) -> Span:
    """The span cut at the video's end. Raises ValueError where it is over `LATE_SLACK_S` longer."""
    if span.end_s > duration_s + LATE_SLACK_S or span.start_s > duration_s:
        raise ValueError(
            f"the answer names {span.start_s:g} to {span.end_s:g} s, and the video ends at {duration_s:.3f} s"
        )
    return Span(span.start_s, min(span.end_s, duration_s))


def sides_alike(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether pictures of these sizes (width, height) can be the same, scaled: else a box of one is wrong."""
    ratio = (size[0] / size[1]) / (other[0] / other[1])
    return abs(ratio - 1) <= SIDES_ALIKE + 1 / min(*size, *other)


def check_times(row: Row, duration_s: float) -> None:
    """Raise ValueError where the row names a time after its video's end."""
    for frame in row.key_frames:
        if frame.time > duration_s + LATE_SLACK_S:
            raise ValueError(
                f"key frame {frame.idx} is at {frame.time:g} s, and the video ends at {duration_s:.3f} s"
            )
    for span in said(row).spans:
        within(span, duration_s)


def _moved(claim: Claim, times_s: Sequence[float]) -> Snapped:
    time_s = min(times_s, key=lambda t: abs(t - claim.time_s))
    return Snapped(claim=replace(claim, time_s=time_s), moved_s=abs(time_s - claim.time_s))


def _evidence(row: Row, answer: Said) -> tuple[Claim, ...]:
    if row.is_picture:
        found = [Claim(subject=answer.name, boxes=(answer.box,), time_s=PICTURE_S)] if answer.box else []
        return tuple(found)
    return tuple(_annotated(row))


def _annotated(row: Row) -> Iterable[Claim]:
    for frame in sorted(row.key_frames, key=lambda frame: frame.time):
        if frame.time < 0 or frame.time != frame.time:
            raise ValueError(
                f"key frame {frame.idx} is at {frame.time} s: a time counts from the video's start"
            )
        for name, corners in row.key_items.get(str(frame.idx), {}).items():
            boxes = tuple(_box(four, frame.idx, name) for four in corners)
            if boxes and name.strip():
                yield Claim(subject=name.strip(), boxes=boxes, time_s=frame.time)


def _box(corners: tuple[float, float, float, float], idx: int, name: str) -> Box:
    try:
        box = Box(*corners)
    except ValueError as error:
        raise ValueError(f"key_items, frame {idx}, {name[:60]!r}: {error}") from None
    if box.x1 == box.x2 or box.y1 == box.y2:
        raise ValueError(f"key_items, frame {idx}, {name[:60]!r}: the box {corners} has no area")
    return box
