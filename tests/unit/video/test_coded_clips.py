"""The test clips' own numbers can be trusted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.clips import coded_picture, read_number


@pytest.mark.parametrize("number", [0, 1, 7, 255, 1000, 2047, 4095])
@pytest.mark.parametrize("size", [(320, 240), (240, 320), (64, 48), (1920, 1080), (300, 300)], ids=str)
def test_a_number_is_read_at_any_size(number: int, size: tuple[int, int]) -> None:
    picture = coded_picture(number)
    assert read_number(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)) == number


def test_a_turned_or_blended_picture_does_not_read_as_another_number() -> None:
    wrong = 0
    for number in range(0, 4096, 37):
        picture = coded_picture(number)
        blend = ((picture.astype(int) + coded_picture(number ^ 5)) // 2).astype(np.uint8)
        wrong += read_number(blend) is not None
        wrong += read_number(np.ascontiguousarray(picture[::-1])) == number
    assert wrong <= 111 * 0.15


def test_a_plain_picture_has_no_number() -> None:
    assert read_number(np.full((240, 320, 3), 128, np.uint8)) is None
