"""Still pictures come as frames do: RGB, as displayed, and never too large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.errors import Unreadable
from tests.clips import coded_picture, read_number
from video.pictures import read_picture


def test_a_picture_s_pixels_are_its_own(tmp_path: Path) -> None:
    picture = coded_picture(3, width=96, height=64)
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png"), picture)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.fromarray(coded_picture(3, width=96, height=64)).convert(mode).save(path)
    assert read_picture(path).shape == (64, 96, 3)


def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    stored = Image.fromarray(np.rot90(coded_picture(3, width=96, height=64)).copy())
    exif = Image.Exif()
    exif[274] = 6  # to be shown turned clockwise
    stored.save(tmp_path / "a.png", exif=exif)
    assert read_picture(tmp_path / "a.png").shape == (64, 96, 3)
    assert read_number(read_picture(tmp_path / "a.png")) == 3


def test_a_large_picture_is_scaled_and_a_small_one_is_not(tmp_path: Path) -> None:
    Image.fromarray(coded_picture(3, width=400, height=200)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", max_side=100).shape == (50, 100, 3)
    assert read_number(read_picture(tmp_path / "a.png", max_side=100)) == 3
    assert read_picture(tmp_path / "a.png", max_side=1000).shape == (200, 400, 3)


@pytest.mark.parametrize("side", [9_000, 20_000])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_read(tmp_path: Path, side: int) -> None:
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(Unreadable, match="8192x8192"):
        read_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize("kept", [0, 4, 200])
def test_what_is_no_whole_picture_is_told(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(coded_picture(3)).save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Unreadable, match=r"no picture|can't be read"):
        read_picture(path)


def test_a_picture_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="can't be read"):
        read_picture(tmp_path / "absent.png")
