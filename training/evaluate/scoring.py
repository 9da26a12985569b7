"""One reply held against the truth: every measure of it that applies, in numbers that can be added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grounding.evidence import Answer
from grounding.reading import is_framed
from training.evaluate.metrics import viou
from training.matching import GATE_S, evidence_score
from training.rewards.proofreel import is_answered, said_claims, said_spans, said_too_much, spans_score
from training.truth import Truth

LATE_S = 1.0
"""A claim that is later than the nearest true sighting by more than this is late."""

SIGMA_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The mean of a value over the items that have it or, with `of`, one total over another."""

    value: str
    of: str | None = None


MEASURES: Mapping[str, Measure] = {
    "acc": Measure(value="acc"),
    "tiou": Measure(value="tiou"),
    "viou": Measure(value="viou"),
    "evidence_precision": Measure(value="evidence_precision"),
    "evidence_recall": Measure(value="evidence_recall"),
    "evidence_f1": Measure(value="evidence_f1"),
    "late_claims": Measure(value="late", of="timed"),
    "claims_per_answer": Measure(value="claims"),
    "abstention_precision": Measure(value="abstained_rightly", of="abstained"),
    "abstention_recall": Measure(value="abstained_rightly", of="abstains"),
    "parse_rate": Measure(value="parsed"),
}
"""Every measure of a set of items, by the name that it is told under."""


def scores(text: str, answer: Answer, truth: Truth) -> dict[str, float]:
    """The values of a reply (`answer` is `text`, parsed, in seconds of the clip); those that apply.

    acc                 1 where the letter, the closed answer or the abstention is right
    tiou, viou          of spans; of boxes where the question is about places
    evidence_*          set matching as the rewards do it, sigma 1 s, gated
    claims, late, timed claims made; those that could be late, and that are
    abstain*            whether it abstained, should have, and both
    parsed              whether it is in the grammar without a fault
    """
    found = {
        "parsed": float(is_framed(text) and not answer.problems),
        "claims": float(len(answer.claims)),
        "abstained": float(answer.abstained),
        "abstains": float(truth.abstains),
        "abstained_rightly": float(answer.abstained and truth.abstains),
    }
    if truth.answer is not None or truth.abstains:
        found["acc"] = float(is_answered(answer, truth))
    if truth.spans:
        said = said_spans(answer) if truth.task == "describe" else answer.spans
        found["tiou"] = spans_score(said, truth.spans)
    if truth.evidence and not truth.abstains:
        found |= _of_evidence(answer, truth)
    return found


def _of_evidence(answer: Answer, truth: Truth) -> dict[str, float]:
    claims = said_claims(answer, truth)
    evidence = evidence_score(claims, truth, sigma_s=SIGMA_S, gate_s=GATE_S, lost=said_too_much(answer))
    found = {
        "evidence_precision": evidence.precision,
        "evidence_recall": evidence.recall,
        "evidence_f1": evidence.f1,
        "timed": float(len(answer.claims)),
        "late": float(_late(answer, truth)),
    }
    # Where one claim of a group is enough, the question is not where things are in each frame.
    if not truth.groups:
        found["viou"] = viou(claims, truth.evidence, named=True)
    return found


def _late(answer: Answer, truth: Truth) -> int:
    if not answer.claims:
        return 0
    said = np.array([claim.time_s for claim in answer.claims])
    true = np.array([claim.time_s for claim in truth.evidence])
    off = said[:, None] - true[None, :]
    nearest = np.abs(off).argmin(axis=1)
    return int((off[np.arange(len(said)), nearest] > LATE_S).sum())
