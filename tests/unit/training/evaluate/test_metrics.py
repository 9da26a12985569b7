"""The published metrics, checked against published rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from grounding import Box, Span
from tests.unit.training.completions import DOG, LEFT, MAN, RIGHT, seen
from training.evaluate.metrics import am, is_joint, judged, lgm, tvgbench, viou, viou_by_second

V_STAR = [
    ("Open-o3 Video on Qwen2.5-VL-7B", 0.610, (0.245, 0.240), (0.254, 0.060), 33.7, 46.6),
    ("Qwen2.5-VL-7B", 0.335, (0.154, 0.138), (0.170, 0.025), 19.3, 22.4),
    ("GPT-4o", 0.608, (0.167, 0.128), (0.065, 0.030), 26.8, 38.2),
]


@pytest.mark.parametrize(("model", "acc", "tious", "vious", "mam", "mlgm"), V_STAR)
def test_rows_that_v_star_published_come_out(
    model: str, acc: float, tious: tuple[float, ...], vious: tuple[float, ...], mam: float, mlgm: float
) -> None:
    chains = list(zip(tious, vious, strict=True))
    assert 100 * np.mean([am(acc, t, v) for t, v in chains]) == pytest.approx(mam, abs=0.06), model
    assert 100 * np.mean([lgm(acc, t, v) for t, v in chains]) == pytest.approx(mlgm, abs=0.06), model


def test_lgm_of_a_system_without_a_fault_is_large_and_finite() -> None:
    assert float(lgm(1.0, 1.0, 1.0)) == pytest.approx(-math.log(0.001))
    assert float(lgm(0.0, 0.0, 0.0)) == 0.0


def test_lgm_of_many_draws_is_taken_draw_by_draw() -> None:
    draws = np.array([0.1, 0.5])
    found = lgm(draws, draws, draws)
    assert found.tolist() == pytest.approx([-math.log(0.9), -math.log(0.5)])


@pytest.mark.parametrize(
    ("acc", "tiou", "viou", "expected"),
    [(1.0, 0.3, 0.1, True), (0.0, 0.9, 0.9, False), (1.0, 0.29, 0.9, False), (1.0, 0.9, 0.09, False)],
)
def test_joint_asks_for_what_when_and_where_at_once(
    acc: float, tiou: float, viou: float, expected: bool
) -> None:
    assert is_joint(acc, tiou, viou) is expected


def test_a_judge_s_score_of_two_is_right() -> None:
    assert judged([0, 1, 2, 3]) == 0.5


def test_a_second_without_a_prediction_counts_as_zero() -> None:
    truth = {1: LEFT, 2: LEFT, 3: LEFT, 4: LEFT}
    assert viou_by_second({1: [LEFT], 2: [RIGHT, LEFT], 3: [RIGHT]}, truth) == pytest.approx(0.5)
    assert viou_by_second({9: [LEFT]}, truth) == 0.0


def test_a_box_counts_for_its_own_frame_alone() -> None:
    truth = [seen("man", 10.0, LEFT), seen("man", 10.5, LEFT)]
    assert viou([seen("man", 10.1, LEFT)], truth, named=True) == pytest.approx(0.5)
    assert viou([seen("man", 10.0, LEFT), seen("man", 10.5, LEFT)], truth, named=True) == pytest.approx(1.0)
    assert viou([], truth, named=True) == 0.0


def test_the_best_of_several_boxes_counts_and_the_name_where_it_matters() -> None:
    half = Box(LEFT.x1, LEFT.y1, LEFT.x2, (LEFT.y1 + LEFT.y2) / 2)
    said = [seen("the man", 10.0, half, RIGHT)]
    assert viou(said, [MAN], named=True) == pytest.approx(0.5)
    assert viou([seen("dog", 10.0, LEFT)], [MAN], named=True) == 0.0
    assert viou([seen("dog", 10.0, LEFT)], [MAN], named=False) == pytest.approx(1.0)
    assert viou([MAN], [MAN, DOG], named=True) == pytest.approx(0.5)


def test_tvgbench_counts_what_reaches_its_thresholds() -> None:
    truth = [Span(0.0, 10.0)] * 4
    said = [Span(0.0, 10.0), Span(0.0, 6.0), Span(6.0, 10.0), None]
    assert tvgbench(said, truth) == pytest.approx(
        {"miou": 0.5, "r1@0.3": 0.75, "r1@0.5": 0.5, "r1@0.7": 0.25}
    )
