"""Records made into measures: totals by clip for the bootstrap, chains of questions, and kinds apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.evaluate import bootstrap
from training.evaluate.bootstrap import Floats, Totals
from training.evaluate.metrics import am, is_joint, lgm
from training.evaluate.records import Record
from training.evaluate.scoring import MEASURES, Measure

CHAIN = ("what", "when-1", "where-1", "where-2", "when-2")
"""The questions of a chain: 1 is what-when-where, 2 is what-where-when."""

_OF_KINDS = ("acc", "tiou", "viou", "evidence_f1", "late_claims", "claims_per_answer", "parse_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Estimates and intervals by name; None where nothing counts. `kinds` has the same for each kind."""

    metrics: dict[str, float | None]
    intervals: dict[str, bootstrap.Interval | None]
    kinds: dict[str, dict[str, Any]]


def summarise(records: Sequence[Record], *, kinds_of: Mapping[str, tuple[str, ...]], seed: int) -> Summary:
    """Every measure of a run. `kinds_of` says which kinds alone count towards a measure of all items."""
    totals = totals_of(records, kinds_of=kinds_of)
    return _summary(
        bootstrap.estimates(totals, derive=derived),
        bootstrap.intervals(totals, derive=derived, seed=seed),
        counts=_counts(records),
    )


def compare(
    new: Sequence[Record], old: Sequence[Record], *, kinds_of: Mapping[str, tuple[str, ...]], seed: int
) -> Summary:
    """New minus old on the same items, in the same order, with paired intervals."""
    found = bootstrap.differences(
        totals_of(new, kinds_of=kinds_of),
        totals_of(old, kinds_of=kinds_of),
        derive=derived,
        seed=seed,
    )
    return _summary(
        {name: value for name, (value, _) in found.items()},
        {name: interval for name, (_, interval) in found.items()},
        counts=_counts(new),
    )


def totals_of(records: Sequence[Record], *, kinds_of: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Numerator and denominator of every measure by clip; those of one kind are named "kind/measure"."""
    clips = {scene: place for place, scene in enumerate(dict.fromkeys(r.scene_id for r in records))}
    totals: dict[str, tuple[Floats, Floats]] = {}
    for name, measure in MEASURES.items():
        kinds = kinds_of.get(name)
        counted = [r for r in records if kinds is None or r.kind in kinds]
        totals[name] = _total(counted, measure, clips)
    for kind in _counts(records):
        own = [r for r in records if r.kind == kind]
        for name in _OF_KINDS:
            totals[f"{kind}/{name}"] = _total(own, MEASURES[name], clips)
    return {**totals, **_chains(records, clips)}


def derived(means: Mapping[str, Floats]) -> dict[str, Floats]:
    """AM and LGM of all items, mAM and mLGM over the two orders of the chains."""
    whole = (means["acc"], means["tiou"], means["viou"])
    one = (means["chain_acc"], means["chain_tiou_1"], means["chain_viou_1"])
    two = (means["chain_acc"], means["chain_tiou_2"], means["chain_viou_2"])
    return {
        "am": am(*whole),
        "lgm": lgm(*whole),
        "mam": (am(*one) + am(*two)) / 2.0,
        "mlgm": (lgm(*one) + lgm(*two)) / 2.0,
    }


def _summary(
    values: Mapping[str, float | None],
    sure: Mapping[str, bootstrap.Interval | None],
    *,
    counts: Mapping[str, int],
) -> Summary:
    return Summary(
        metrics=_whole(values),
        intervals=_whole(sure),
        kinds={
            kind: {"n": count, "metrics": _of_kind(values, kind), "intervals": _of_kind(sure, kind)}
            for kind, count in counts.items()
        },
    )


def _total(records: Iterable[Record], measure: Measure, clips: Mapping[str, int]) -> tuple[Floats, Floats]:
    numerator, denominator = np.zeros(len(clips)), np.zeros(len(clips))
    for record in records:
        if measure.value in record.scores:
            place = clips[record.scene_id]
            numerator[place] += record.scores[measure.value]
            denominator[place] += 1.0 if measure.of is None else record.scores[measure.of]
    return numerator, denominator


def _chains(records: Sequence[Record], clips: Mapping[str, int]) -> Totals:
    """What, when and where of every whole chain, and whether the three are right at once."""
    links: dict[str, dict[str, Record]] = {}
    for record in records:
        if record.link is not None:
            links.setdefault(record.scene_id, {})[record.link] = record
    names = ("chain_acc", "chain_tiou_1", "chain_viou_1", "chain_tiou_2", "chain_viou_2", "joint")
    totals = {name: (np.zeros(len(clips)), np.zeros(len(clips))) for name in names}
    for scene, chain in links.items():
        if not all(link in chain for link in CHAIN):
            continue  # the last chain of a run may be cut off
        for name, value in _of_chain(chain).items():
            numerator, denominator = totals[name]
            numerator[clips[scene]], denominator[clips[scene]] = value, 1.0
    return totals


def _of_chain(chain: Mapping[str, Record]) -> dict[str, float]:
    acc = chain["what"].scores["acc"]
    tiou, viou = chain["when-1"].scores["tiou"], chain["where-1"].scores["viou"]
    return {
        "chain_acc": acc,
        "chain_tiou_1": tiou,
        "chain_viou_1": viou,
        "chain_tiou_2": chain["when-2"].scores["tiou"],
        "chain_viou_2": chain["where-2"].scores["viou"],
        "joint": float(is_joint(acc, tiou, viou)),
    }


def _counts(records: Iterable[Record]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in records:
        counts[record.kind] = counts.get(record.kind, 0) + 1
    return counts


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if "/" not in name}


def _of_kind(values: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What a kind has a value of."""
    own = {name.partition("/")[2]: value for name, value in values.items() if name.startswith(f"{kind}/")}
    return {name: value for name, value in own.items() if value is not None}
