"""Work is cut and padded to what plans take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.plan_limits import Limits, padded_rows, picture_groups, window_patches
from engines.qwen.shapes import Shapes, shapes_of
from tests import tiny_qwen

LIMITS = Limits(rows=(1, 6), chunk=8, pictures=3, patches=64)
SHAPES = shapes_of(tiny_qwen.model("qwen2_5_vl").config)

sides = st.integers(min_value=1, max_value=16).map(lambda squares: 2 * squares)
grids = st.lists(
    st.tuples(st.integers(min_value=1, max_value=5), sides, sides).filter(lambda g: g[1] * g[2] <= 64)
)


def windows(rows: int, columns: int, shapes: Shapes) -> int:
    side = shapes.vision.window // shapes.vision.patch
    return -(-rows // side) * -(-columns // side)


@given(grids)
def test_every_group_of_pictures_fits_and_none_is_lost(pictures: list[tuple[int, int, int]]) -> None:
    groups = list(picture_groups(pictures, SHAPES, LIMITS))
    assert [p for group in groups for p in group] == [
        (1, r, c) for times, r, c in pictures for _ in range(times)
    ]
    for group in groups:
        assert 1 <= len(group) <= LIMITS.pictures
        assert sum(r * c for _, r, c in group) <= LIMITS.pictures * LIMITS.patches
        cut = sum(windows(r, c, SHAPES) for _, r, c in group)
        assert cut <= LIMITS.windows(window_patches(SHAPES))


def test_a_family_without_windows_has_windows_of_one_patch() -> None:
    shapes = replace(SHAPES, vision=replace(SHAPES.vision, window=0))
    assert window_patches(shapes) == 1


@pytest.mark.parametrize(("rows", "padded"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 6), (6, 6)])
def test_rows_are_padded_to_a_power_of_two_or_to_the_most(rows: int, padded: int) -> None:
    assert padded_rows(rows, LIMITS) == padded
