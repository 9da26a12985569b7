"""The rewards of Open-o3 Video (arXiv 2510.20579) as its released code computes them, mistakes included.

Kept bug for bug, because its published numbers were made with them, and to be compared with ours. Known
faults, each shown by a test:

* format counts tags: the order of the blocks is ignored, general questions get 1.0 without any evidence, and
  a name of several words is no name;
* space lets a box through that lies any time after the key frame (`key - claimed < 1`) but none that lies
  1.5 s before it; takes the best of any number of boxes; ignores names; and is a mean over claims, so that
  one right claim earns as much as all of them, and a second, wrong one costs half;
* answer_box reads the first box and doesn't mind the others;
* time is a mean over every time that is written, claims or not.

It knows no abstention: one that is true is compared as the text "Cannot tell". A task that a component is not
for gives 0.0, also in the released code. Where that code would stop with an error (no key frame at all), the
component is 0.0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from grounding.evidence import Claim, Span
from grounding.geometry import Array, boxes_array, iou_matrix, tiou
from grounding.grammar import format_abstention
from training.rewards import open_o3_reading as raw
from training.rewards.reading import Reading, RewardOptions
from training.rewards.rouge import rouge
from training.truth import Truth

COMPONENTS = ("answer", "answer_time", "answer_box", "time", "time_in_span", "space", "format")
"""In the released code: ans_acc, ans_tiou, ans_viou, thk_temporal_point, thk_temporal_segment, thk_spatial,
format."""

TEMPORAL = ("temporal QA", "temporal QA (MCQ)")
GATE_S = 1.0
FAR_S = 1e6  # earns nothing, and its square is still a number


def score(
    completion: str, truth: Truth, *, reading: Reading, options: RewardOptions, progress: float
) -> dict[str, float]:
    """Every component, 0..1."""
    think, answer = raw.block(completion, "think"), raw.block(completion, "answer")
    return {
        "answer": _answer((answer or "").strip(), truth),
        "answer_time": _answer_time(answer or "", truth),
        "answer_box": _answer_box(answer or "", truth, reading),
        "time": 0.0 if think is None else _time(think, truth, sigma_s=options.sigma_at(progress)),
        "time_in_span": 0.0 if think is None else _time_in_span(think, truth),
        "space": 0.0 if think is None or answer is None else _space(think, truth, reading, options),
        "format": _format(completion, think, answer, truth),
    }


def _answer(answer: str, truth: Truth) -> float:
    true = format_abstention() if truth.abstains else (truth.answer or "").strip()
    if truth.task in ("visual QA", "temporal QA"):
        return 0.0
    if truth.task == "temporal QA (MCQ)":
        return _is_letter(answer.split("Correct Option:")[1:2], true)
    if truth.task == "General video QA MCQ":
        return _is_letter([answer], true)
    return rouge(true, answer)


def _is_letter(said: list[str], true: str) -> float:
    return float(bool(said) and said[0].strip() in (true, f"{true}.", f"({true})", f"[{true}]"))


def _answer_time(answer: str, truth: Truth) -> float:
    stretch = raw.first_stretch(answer)
    if truth.task not in TEMPORAL or stretch is None or not truth.spans or not np.isfinite(stretch).all():
        return 0.0
    return tiou(Span(*stretch), truth.spans[0])


def _answer_box(answer: str, truth: Truth, reading: Reading) -> float:
    if truth.task != "visual QA" or truth.box is None:
        return 0.0
    return _best(raw.first_box(answer), boxes_array([truth.box]), reading)


def _time(think: str, truth: Truth, *, sigma_s: float) -> float:
    """Nearness of every time that is written to the nearest key frame, on average."""
    times, keys = raw.times(think), [claim.time_s for claim in truth.evidence]
    if truth.task != "temporal-spatial free-form QA" or not times or not keys:
        return 0.0
    off_N = np.abs(np.array(times)[:, None] - np.array(keys)[None, :]).min(axis=1).clip(max=FAR_S)
    return float(np.exp(-(off_N**2) / (2.0 * sigma_s**2)).mean())


def _time_in_span(think: str, truth: Truth) -> float:
    """Share of the times that are written which lie in the true span."""
    times = raw.times(think)
    if truth.task not in TEMPORAL or not times or not truth.spans:
        return 0.0
    span = truth.spans[0]
    return sum(span.start_s <= time_s <= span.end_s for time_s in times) / len(times)


def _space(think: str, truth: Truth, reading: Reading, options: RewardOptions) -> float:
    if truth.task == "visual QA" and truth.box is not None:
        return _best(raw.boxes(think), boxes_array([truth.box]), reading)
    if truth.task != "temporal-spatial free-form QA":
        return 0.0
    earned = [_space_of(claim, truth, reading, options) for claim in raw.claims(think)]
    return sum(earned) / len(earned) if earned else 0.0


def _space_of(claim: raw.RawClaim, truth: Truth, reading: Reading, options: RewardOptions) -> float:
    """IoU with whatever is shown at the nearest key frame that the gate, open to one side, lets through."""
    keys = [c.time_s for c in truth.evidence if not options.gate or c.time_s - claim.time_s < GATE_S]
    if not keys or not np.isfinite(claim.time_s):
        return 0.0
    nearest_s = min(keys, key=lambda key_s: abs(key_s - claim.time_s))
    shown = _by_name(c for c in truth.evidence if c.time_s == nearest_s)
    return max((_mean_best(claim.boxes_N4, true_M4, reading) for true_M4 in shown), default=0.0)


def _by_name(claims: Iterator[Claim]) -> list[Array]:
    """The boxes of each name, [M, 4]."""
    named: dict[str, list[Claim]] = {}
    for claim in claims:
        named.setdefault(claim.subject, []).append(claim)
    return [boxes_array([box for claim in of_one for box in claim.boxes]) for of_one in named.values()]


def _mean_best(said_N4: Array, true_M4: Array, reading: Reading) -> float:
    if not len(said_N4):
        return 0.0
    return float(_overlaps(said_N4, true_M4, reading).max(axis=0).mean())


def _best(said_N4: Array, true_M4: Array, reading: Reading) -> float:
    return float(_overlaps(said_N4, true_M4, reading).max(initial=0.0))


def _overlaps(said_N4: Array, true_M4: Array, reading: Reading) -> Array:
    """IoU [N, M] of boxes in the numbers of the text with true ones in 0..1."""
    width, height = reading.scale
    return iou_matrix(said_N4, true_M4 * np.array([width, height, width, height], dtype=np.float64))


def _format(completion: str, think: str | None, answer: str | None, truth: Truth) -> float:
    paired = all(raw.is_paired(completion, name) for name in ("think", "answer"))
    if think is None or answer is None or not paired:
        return 0.0
    if not all(raw.is_paired(think, name) for name in ("obj", "t", "box")):
        return 0.0
    proven = all(f"<{name}>" in think for name in ("obj", "t", "box"))
    if truth.task in TEMPORAL:
        proven = think.count("<t>") >= 2
    if truth.task == "visual QA":
        proven = proven or raw.names_a_word_with_its_box(completion)
    return 1.0 if proven or truth.task.startswith("General video QA") else 0.5
