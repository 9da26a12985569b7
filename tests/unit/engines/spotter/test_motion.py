from __future__ import annotations

import numpy as np

from engines.spotter.motion import MotionGate, signature


def picture(*, seed: int = 0, noise: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    base = np.kron(np.random.default_rng(9).integers(40, 200, (10, 10, 3)), np.ones((30, 30, 1)))
    return (base + rng.integers(-noise, noise + 1, base.shape)).astype(np.uint8)


def test_the_first_picture_is_always_looked_at() -> None:
    assert MotionGate(noise=8.0).must_look(signature(picture()))


def test_camera_noise_is_the_same_picture() -> None:
    gate = MotionGate(noise=8.0)
    gate.must_look(signature(picture(seed=1, noise=8)))
    assert not any(gate.must_look(signature(picture(seed=k, noise=8))) for k in range(2, 12))


def test_a_line_of_small_text_is_another_picture() -> None:
    gate = MotionGate(noise=8.0)
    gate.must_look(signature(picture()))
    changed = picture()
    changed[200:205, 30:90:2] = 255
    assert gate.must_look(signature(changed))


def test_change_too_slow_to_see_between_two_pictures_adds_up() -> None:
    gate = MotionGate(noise=8.0)
    looked = [gate.must_look(signature(picture() + np.uint8(k))) for k in range(20)]
    assert 1 < sum(looked) < 5
