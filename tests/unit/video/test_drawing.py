"""Boxes and labels stand where they should, on any background, whatever the label says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from grounding.errors import MediaError
from grounding.evidence import Box
from tests.clips import coded_picture
from video.drawing import MAX_LABEL, Mark, clean_label, draw, write_png

HOSTILE = [
    "",
    "\n" * 50,
    "a\x00b\x1b[31m",
    "\u202eevil",
    "🚲" * 500,
    "日本語 é Ж",
    "\ud800",
    "a" * 10_000,
    "<b>&amp;",
]


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.asarray((before != after).any(axis=-1))


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_box_is_drawn_at_its_place_and_seen_on_any_background(level: int) -> None:
    image = np.full((200, 300, 3), level, np.uint8)
    drawn = draw(image, [Mark(box=Box(0.2, 0.5, 0.6, 0.9), label="")])
    rows, columns = np.nonzero(changed(image, drawn))
    assert (columns.min(), columns.max()) in {(59, 180), (60, 179)}
    assert (rows.min(), rows.max()) in {(99, 180), (100, 179)}
    contrast = np.abs(drawn.astype(int) - level).max(axis=-1)[rows, columns]
    assert contrast.max() > 100
    assert (drawn[120:160, 80:160] == level).all(), "the inside stays as it was"


def test_the_picture_given_stays_as_it_was_and_the_same_label_has_the_same_colour() -> None:
    image = coded_picture(5)
    copy = image.copy()
    marks = [Mark(box=Box(0.1, 0.3, 0.3, 0.6), label="dog"), Mark(box=Box(0.6, 0.3, 0.8, 0.6), label="dog")]
    drawn = draw(image, marks)
    assert (image == copy).all() and drawn.shape == image.shape and drawn.dtype == np.uint8
    assert (drawn[100, 32] == drawn[100, 192]).all()


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("size", [(1, 1), (2, 900), (240, 320)], ids=str)
def test_hostile_labels_and_sizes_are_drawn_without_harm(label: str, size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    corners = [Box(0, 0, 1, 1), Box(1, 1, 1, 1), Box(0, 0, 0, 0), Box(0.99, 0, 1, 0.01)]
    assert draw(image, [Mark(box=b, label=label, confidence=0.5) for b in corners]).shape == image.shape


def test_a_label_is_drawn_inside_the_picture_also_at_its_edges() -> None:
    image = np.full((240, 320, 3), 128, np.uint8)
    for box in (Box(0, 0, 1, 1), Box(0.95, 0.0, 1, 0.1), Box(0.9, 0.9, 1, 1)):
        plain = draw(image, [Mark(box=box, label="")])
        labelled = draw(image, [Mark(box=box, label="person on a bicycle", confidence=0.87)])
        assert changed(plain, labelled).sum() > 500


@given(st.text(max_size=300))
def test_a_label_becomes_one_short_printable_line(text: str) -> None:
    line = clean_label(text)
    assert len(line) <= MAX_LABEL and line.isprintable() and line == line.strip()


def test_letters_of_several_scripts_are_drawn_differently() -> None:
    image = np.full((120, 320, 3), 128, np.uint8)
    pictures = [draw(image, [Mark(box=Box(0, 0.5, 1, 1), label=label)]) for label in ("café", "cafe", "cafè")]
    assert changed(pictures[0], pictures[1]).any() and changed(pictures[0], pictures[2]).any()


def test_a_png_holds_the_very_pixels(tmp_path: Path) -> None:
    image = coded_picture(77)
    write_png(image, tmp_path / "frame.png")
    with Pillow.open(tmp_path / "frame.png") as read:
        assert (np.asarray(read) == image).all()
    assert [p.name for p in tmp_path.iterdir()] == ["frame.png"]


def test_what_can_not_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.png"):
        write_png(coded_picture(1), tmp_path / "frame.jpg")
    with pytest.raises(MediaError, match="can't be written"):
        write_png(coded_picture(1), tmp_path / "none" / "frame.png")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(MediaError, match="can't be written"):
        write_png(coded_picture(1), tmp_path / "taken.png")
    assert [p.name for p in tmp_path.iterdir()] == ["taken.png"]
