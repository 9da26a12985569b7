"""A window keeps so many small frames as its memory allows, and makes no converter twice."""

from __future__ import annotations

import pytest

from tests.unit.video.test_sampling import info
from video import assembling
from video.assembling import MAX_DENSE_FRAMES, Scalers, dense_stride
from video.scaling import Scaler


@pytest.mark.parametrize(
    ("rate_hz", "stride"),
    [(1, 1), (25, 1), (29.97, 1), (30, 1), (30.3, 1), (50, 2), (60, 2), (90, 3), (120, 4)],
)
@pytest.mark.parametrize("duration_s", [0.7, 2.0, 10.0])
def test_frames_are_thinned_evenly_to_about_thirty_a_second(
    rate_hz: float, stride: int, duration_s: float
) -> None:
    assert dense_stride(round(rate_hz * duration_s), duration_s=duration_s) == stride


def test_a_long_window_keeps_no_more_than_its_share() -> None:
    assert dense_stride(MAX_DENSE_FRAMES, duration_s=60) == 1
    assert dense_stride(MAX_DENSE_FRAMES + 1, duration_s=60) == 2
    assert dense_stride(0, duration_s=60) == dense_stride(1, duration_s=0) == 1


def test_a_converter_is_made_once_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int]] = []

    def make(width: int, height: int, *, quick: bool) -> Scaler:
        made.append((width, height))
        return Scaler(width, height, quick=quick)

    monkeypatch.setattr(assembling, "Scaler", make)
    scalers = Scalers(info(0.0, 1.0))
    for _ in range(3):
        assert scalers.fitted(160) is scalers.fitted(160) and scalers.square(120) is scalers.square(120)
    assert made == [(160, 120), (120, 120)]
