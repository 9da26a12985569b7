"""Both conventions of writing a box, there and back."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from grounding.coordinates import Coordinates, from_text, to_text
from grounding.evidence import Box

sides = st.integers(1, 20_000)
fractions = st.floats(0.0, 1.0)


@given(st.data(), st.none() | st.tuples(sides, sides))
@hypothesis_settings(deadline=None)
def test_whole_numbers_of_either_convention_come_back_unchanged(
    data: st.DataObject, frame_size: tuple[int, int] | None
) -> None:
    width, height = frame_size or (1000, 1000)
    x1, x2 = sorted(data.draw(st.tuples(st.integers(0, width), st.integers(0, width))))
    y1, y2 = sorted(data.draw(st.tuples(st.integers(0, height), st.integers(0, height))))
    how: dict[str, Any] = {
        "coordinates": "pixels" if frame_size else "relative-1000",
        "frame_size": frame_size,
    }
    assert to_text(from_text((x1, y1, x2, y2), **how), **how) == (x1, y1, x2, y2)


@given(st.tuples(fractions, fractions), st.tuples(fractions, fractions), st.none() | st.tuples(sides, sides))
@hypothesis_settings(deadline=None)
def test_any_box_comes_back_within_half_a_step(
    xs: tuple[float, float], ys: tuple[float, float], frame_size: tuple[int, int] | None
) -> None:
    box = Box(min(xs), min(ys), max(xs), max(ys))
    coordinates: Coordinates = "pixels" if frame_size else "relative-1000"
    width, height = frame_size or (1000, 1000)
    numbers = to_text(box, coordinates=coordinates, frame_size=frame_size)
    back = from_text(numbers, coordinates=coordinates, frame_size=frame_size)
    assert max(abs(back.x1 - box.x1), abs(back.x2 - box.x2)) <= 0.5 / width + 1e-12
    assert max(abs(back.y1 - box.y1), abs(back.y2 - box.y2)) <= 0.5 / height + 1e-12


def test_pixels_are_of_the_frame_the_model_was_fed_and_relative_ones_are_not() -> None:
    box = Box(0.25, 0.5, 0.5, 1.0)
    assert to_text(box, coordinates="pixels", frame_size=(640, 360)) == (160, 180, 320, 360)
    assert to_text(box, coordinates="relative-1000", frame_size=(640, 360)) == (250, 500, 500, 1000)


@pytest.mark.parametrize(
    "corners", [(0, 0, 1001, 5), (-1, 0, 5, 5), (6, 0, 5, 5), (0, 6, 5, 5), (0, float("nan"), 5, 5)]
)
def test_numbers_that_are_no_box_of_the_frame_are_refused(
    corners: tuple[float, float, float, float],
) -> None:
    with pytest.raises(ValueError, match="a box needs"):
        from_text(corners, coordinates="relative-1000")


@pytest.mark.parametrize("frame_size", [None, (0, 100), (100, -1)])
def test_pixels_without_a_frame_size_are_refused(frame_size: tuple[int, int] | None) -> None:
    with pytest.raises(ValueError, match="width and height of the frame"):
        to_text(Box(0, 0, 1, 1), coordinates="pixels", frame_size=frame_size)


def test_an_unknown_convention_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'percent'.*'relative-1000', 'pixels' or 'relative-1'"):
        to_text(Box(0, 0, 1, 1), coordinates=cast(Coordinates, "percent"))


@given(st.tuples(fractions, fractions), st.tuples(fractions, fractions))
def test_a_box_that_is_kept_as_it_is_comes_back_to_four_decimals(
    xs: tuple[float, float], ys: tuple[float, float]
) -> None:
    box = Box(min(xs), min(ys), max(xs), max(ys))
    numbers = to_text(box, coordinates="relative-1")
    back = from_text(numbers, coordinates="relative-1")
    assert numbers == (back.x1, back.y1, back.x2, back.y2)
    for side, kept in zip((box.x1, box.y1, box.x2, box.y2), numbers, strict=True):
        assert abs(side - kept) <= 0.5e-4 + 1e-12
