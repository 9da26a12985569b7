"""Which stretches of a window were looked at, and which were not: rows that tile the window exactly.

"Nothing found" is worth as much as this is honest. A stretch is `sampled` only when a sampled frame was on
display in it, `still` when the packets show it unmoving and a key frame, or the one frame that is held,
stands for it, `damaged` where the decoder lost its footing, and `skipped` otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from grounding.evidence import Span
from storage.rows import CoverageRow
from video.frames import Clip

KINDS = ("sampled", "still", "damaged", "skipped")


def tile(clip: Clip) -> tuple[CoverageRow, ...]:
    """The window of `clip` in stretches, in order, without gap or overlap, no two neighbours alike."""
    seen_at_s = [max(float(t), clip.window.start_s) for t in clip.times_s]
    borders = pairwise(_borders(clip.window, clip.damaged))
    return _joined(
        [_judge(Span(start_s, end_s), clip=clip, seen_at_s=seen_at_s) for start_s, end_s in borders]
    )


def _borders(window: Span, damaged: Sequence[Span]) -> list[float]:
    inside = {t for span in damaged for t in (span.start_s, span.end_s) if window.start_s < t < window.end_s}
    return sorted({window.start_s, window.end_s, *inside})


def _judge(span: Span, *, clip: Clip, seen_at_s: Sequence[float]) -> CoverageRow:
    middle_s = (span.start_s + span.end_s) / 2
    if any(d.start_s <= middle_s < d.end_s for d in clip.damaged):
        return CoverageRow(span=span, kind="damaged", num_frames=0, reason="the file is damaged here")
    num_frames = sum(span.start_s <= t < span.end_s for t in seen_at_s)
    if num_frames == 0:
        reason = "no sampled frame falls here" if seen_at_s else "no frame could be read here"
        return CoverageRow(span=span, kind="skipped", num_frames=0, reason=reason)
    return CoverageRow(span=span, kind="still" if clip.still else "sampled", num_frames=num_frames)


def _joined(rows: Sequence[CoverageRow]) -> tuple[CoverageRow, ...]:
    joined: list[CoverageRow] = []
    for row in rows:
        if joined and (joined[-1].kind, joined[-1].reason) == (row.kind, row.reason):
            last = joined.pop()
            row = CoverageRow(
                span=Span(last.span.start_s, row.span.end_s),
                kind=row.kind,
                num_frames=last.num_frames + row.num_frames,
                reason=row.reason,
            )
        joined.append(row)
    return tuple(joined)
