"""Intervals: they cover what is true, go by clip, and are tight for two systems on the same clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import scipy.stats

from training.evaluate.bootstrap import Floats, differences, estimates, intervals

RIGHT = (np.random.default_rng(5).random(400) < 0.7).astype(float)


def none(_: Mapping[str, Floats]) -> dict[str, Floats]:
    return {}


def square(means: Mapping[str, Floats]) -> dict[str, Floats]:
    return {"squared": means["acc"] ** 2}


def of(values: Any, counts: Any = None) -> dict[str, tuple[Floats, Floats]]:
    values = np.asarray(values, dtype=float)
    return {"acc": (values, np.ones_like(values) if counts is None else np.asarray(counts, dtype=float))}


def test_the_interval_of_a_mean_is_that_of_scipy() -> None:
    found = intervals(of(RIGHT), derive=none, seed=1)["acc"]
    theirs = scipy.stats.bootstrap(
        (RIGHT,), np.mean, method="percentile", n_resamples=2000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert found == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    one, again, other = (intervals(of(RIGHT), derive=square, seed=seed) for seed in (1, 1, 2))
    assert one == again != other


def test_what_is_made_of_means_is_made_of_each_draw_s() -> None:
    found = intervals(of(RIGHT), derive=square, seed=1)
    assert found["acc"] is not None and found["squared"] is not None
    assert found["squared"] == pytest.approx([bound**2 for bound in found["acc"]], rel=1e-3)
    assert estimates(of(RIGHT), derive=square)["squared"] == pytest.approx(RIGHT.mean() ** 2)


def test_questions_of_one_clip_are_drawn_together() -> None:
    alone = intervals(of(np.repeat(RIGHT[:40], 10)), derive=none, seed=1)["acc"]
    together = intervals(of(10 * RIGHT[:40], np.full(40, 10)), derive=none, seed=1)["acc"]
    assert alone is not None and together is not None
    assert together[1] - together[0] > 2.5 * (alone[1] - alone[0])


def test_two_systems_on_the_same_clips_differ_with_a_tight_interval() -> None:
    better = RIGHT.copy()
    better[np.flatnonzero(RIGHT == 0)[:12]] = 1.0  # three questions in a hundred more
    value, interval = differences(of(better), of(RIGHT), derive=square, seed=1)["acc"]
    assert value == pytest.approx(0.03)
    assert interval is not None and 0.0 < interval[0] < 0.03 < interval[1] < 0.06
    apart = intervals(of(better), derive=none, seed=1)["acc"]
    assert apart is not None and apart[0] < RIGHT.mean()  # unpaired, nothing could be said
    same = differences(of(RIGHT), of(RIGHT), derive=square, seed=1)["squared"]
    assert same == (0.0, (0.0, 0.0))


def test_a_measure_that_no_question_counts_towards_is_none() -> None:
    totals = {**of(RIGHT), "tiou": (np.zeros(400), np.zeros(400))}
    assert estimates(totals, derive=none)["tiou"] is None
    assert intervals(totals, derive=none, seed=1)["tiou"] is None
    assert differences(totals, totals, derive=none, seed=1)["tiou"] == (None, None)


def test_a_measure_of_few_clips_keeps_to_the_draws_that_have_one() -> None:
    totals = {**of(RIGHT), "rare": (np.eye(400)[0], np.eye(400)[0])}
    assert intervals(totals, derive=none, seed=1)["rare"] == (1.0, 1.0)


def test_nearly_all_intervals_hold_the_truth() -> None:
    draw = np.random.default_rng(11)
    held = 0
    for trial in range(60):
        interval = intervals(of(draw.random(200) < 0.4), derive=none, seed=trial)["acc"]
        held += interval is not None and interval[0] <= 0.4 <= interval[1]
    assert held >= 52
