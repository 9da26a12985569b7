from __future__ import annotations

import numpy as np
import pytest

from engines.spotter.settings import SpotterSettings
from engines.spotter.shots import cuts

SETTINGS = SpotterSettings()


def scene(seed: int, frames: int, *, noise: int = 3) -> np.ndarray:
    """A textured picture that drifts slowly, with camera noise: [frames, 100, 100, 3]."""
    rng = np.random.default_rng(seed)
    base = np.kron(rng.integers(0, 256, (12, 24, 3)), np.ones((10, 10, 1)))
    moving = [base[:100, k // 4 : k // 4 + 100] for k in range(frames)]
    return np.clip(np.stack(moving) + rng.integers(-noise, noise + 1, (frames, 100, 100, 3)), 0, 255).astype(
        np.uint8
    )


def found(pictures: np.ndarray, *, rate_hz: float = 25.0) -> list[int]:
    return cuts(pictures, np.arange(len(pictures)) / rate_hz, SETTINGS)


@pytest.mark.parametrize("at", [1, 2, 17, 38, 39])
def test_a_cut_is_found_to_the_frame_also_near_the_ends(at: int) -> None:
    assert found(np.concatenate([scene(1, at), scene(2, 40 - at)])) == [at]


def test_moving_pictures_without_a_cut_are_one_shot() -> None:
    assert found(scene(3, 60)) == []


@pytest.mark.parametrize("length", [1, 2, 5, 10])
def test_a_flash_is_no_cut(length: int) -> None:
    pictures = scene(4, 60)
    pictures[20 : 20 + length] = np.clip(pictures[20 : 20 + length].astype(int) + 140, 0, 255)
    assert found(pictures) == []


def test_a_shot_of_one_second_between_two_of_another_scene_is_kept() -> None:
    one = scene(5, 75)
    assert found(np.concatenate([one[:25], scene(6, 25), one[50:]])) == [25, 50]


def test_one_picture_alone_has_no_cut() -> None:
    assert found(scene(7, 1)) == []
