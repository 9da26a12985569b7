"""Proofreel's rewards. What a component pays for can't be had more cheaply than by being right.

They answer faults that were found in the rewards of Open-o3 Video (see `open_o3`): a tag count taken for a
format, a gate that was open on one side, boxes that were never too many, names that nobody compared.
A component that does not apply to a question is NaN, so that it neither pays nor dilutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from grounding.escaping import collapse
from grounding.evidence import Answer, Claim, Span
from grounding.geometry import iou, match, spans_array, tiou_matrix
from grounding.reading import is_framed
from training.matching import GATE_S, evidence_score
from training.rewards.reading import Reading, RewardOptions
from training.rewards.rouge import rouge
from training.truth import Truth

COMPONENTS = ("format", "answer", "answer_time", "answer_box", "time", "evidence")
LETTERED = ("temporal QA (MCQ)", "General video QA MCQ")
_EDGES = " .!?,;:\"'"


def score(
    completion: str, truth: Truth, *, reading: Reading, options: RewardOptions, progress: float
) -> dict[str, float]:
    """Every component, 0..1; NaN where it does not apply to the question.

    format       1 in the grammar and with proof or an abstention; 0.5 in its two blocks; else 0
    answer       the letter, the closed answer, or the words shared with it; "Cannot tell" where that is true
    answer_time  tIoU of the spans, matched
    answer_box   IoU of the one box asked for
    time         how near in time the claims are to what is to be seen, on average; not of one picture
    evidence     F1 of claimed against true sightings; without claims 1 where the clip does not tell
    """
    answer = reading.parse(completion)
    sigma_s = options.sigma_at(progress)
    return {
        "format": _format(completion, answer, truth),
        "answer": _answer(answer, truth, closed=options.closed_answers),
        "answer_time": _answer_time(answer, truth),
        "answer_box": _answer_box(answer, truth),
        "time": _time(answer, truth, sigma_s=sigma_s),
        "evidence": _evidence(answer, truth, sigma_s=sigma_s, gate_s=GATE_S if options.gate else None),
    }


def spans_score(said: Sequence[Span], truth: Sequence[Span]) -> float:
    """tIoU of the best matching, over the mean number of spans: a span too many costs as one too few."""
    overlaps = tiou_matrix(spans_array(said), spans_array(truth))
    reached = sum(float(overlaps[pair]) for pair in match(overlaps))
    return 2.0 * reached / (len(said) + len(truth))


def said_spans(answer: Answer) -> tuple[Span, ...]:
    """The spans of the answer or, where it has none, of the statements: a description has them there."""
    return answer.spans or tuple(s.span for s in answer.statements if s.span is not None)


def said_claims(answer: Answer, truth: Truth) -> tuple[Claim, ...]:
    """The claims or, where there are none, the box that answers a question about one picture."""
    if answer.claims or answer.box is None or truth.task != "visual QA" or not truth.evidence:
        return answer.claims
    name = collapse(answer.text)
    return (Claim(subject=name, boxes=(answer.box,), time_s=truth.evidence[0].time_s),)


def is_answered(answer: Answer, truth: Truth) -> bool:
    """Whether the letter or the closed answer is right, or the abstention is."""
    if truth.abstains or answer.abstained:
        return truth.abstains and answer.abstained
    if truth.answer is None:
        return False
    if truth.task in LETTERED:
        return answer.letter == truth.answer.strip().upper()
    return _plain(answer.text) == _plain(truth.answer)


def said_too_much(answer: Answer) -> int:
    """How many things were said beyond what is kept."""
    return sum(problem.count for problem in answer.problems if problem.kind == "too_many")


def _format(completion: str, answer: Answer, truth: Truth) -> float:
    if not is_framed(completion):
        return 0.0
    proven = answer.claims or answer.abstained or (truth.task == "visual QA" and answer.box is not None)
    return 1.0 if proven and not answer.problems else 0.5


def _answer(answer: Answer, truth: Truth, *, closed: bool) -> float:
    if truth.answer is None and not truth.abstains:
        return math.nan
    if closed or truth.abstains or answer.abstained or truth.task in LETTERED:
        return float(is_answered(answer, truth))
    assert truth.answer is not None
    return rouge(truth.answer, answer.text)


def _answer_time(answer: Answer, truth: Truth) -> float:
    if not truth.spans:
        return math.nan
    said = said_spans(answer) if truth.task == "describe" else answer.spans
    return spans_score(said, truth.spans)


def _answer_box(answer: Answer, truth: Truth) -> float:
    if truth.box is None:
        return math.nan
    if answer.box is None:
        return 0.0
    # Boxes beyond the one asked for are problems of these kinds.
    others = sum(p.count for p in answer.problems if p.kind in ("too_many", "no_time"))
    return iou(answer.box, truth.box) / (1 + others)


def _time(answer: Answer, truth: Truth, *, sigma_s: float) -> float:
    """Nearness to the true sightings or, where there are none, to the true spans (inside one is on time)."""
    times = [Span(claim.time_s, claim.time_s) for claim in truth.evidence] or list(truth.spans)
    if not times or truth.abstains or truth.task == "visual QA":
        return math.nan
    if not answer.claims:
        return 0.0
    said_N1 = np.array([claim.time_s for claim in answer.claims])[:, None]
    starts_M, ends_M = spans_array(times).T
    off_N = np.maximum(np.maximum(starts_M - said_N1, said_N1 - ends_M), 0.0).min(axis=1)
    return float(np.exp(-(off_N**2) / (2.0 * sigma_s**2)).mean())


def _evidence(answer: Answer, truth: Truth, *, sigma_s: float, gate_s: float | None) -> float:
    lost = said_too_much(answer)
    if truth.abstains:
        return 1.0 / (1 + len(answer.claims) + lost)
    if not truth.evidence:
        return math.nan
    said = said_claims(answer, truth)
    return evidence_score(said, truth, sigma_s=sigma_s, gate_s=gate_s, lost=lost).f1


def _plain(text: str) -> str:
    return collapse(text).casefold().strip(_EDGES)
