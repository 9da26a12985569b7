"""A spoilt picture is never handed out as sound, and what is lost is named."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from grounding.evidence import Span
from tests.clips import ClipPlan, damage_packets, make_clip, read_number, truncate
from tests.packed import pack_b_frames
from video import open_video, sampling
from video.probe import probe

GOP = 20
SMALL = {"frames": 100, "width": 160, "height": 120}
H264 = ClipPlan(**SMALL, options={"preset": "veryfast", "g": str(GOP), "bf": "3", "b_strategy": "0"})
SUFFIXES = {
    ".mp4": H264,
    ".mkv": H264,
    ".ts": H264,
    ".avi": ClipPlan(**SMALL, codec="mpeg4", options={"g": str(GOP)}),
    ".mpg": ClipPlan(**SMALL, codec="mpeg2video", options={"g": str(GOP), "bf": "2"}),
    ".hevc.mp4": ClipPlan(
        **SMALL,
        codec="libx265",
        options={"preset": "ultrafast", "x265-params": f"keyint={GOP}:min-keyint={GOP}:log-level=none"},
    ),
}


def read_all(path: Path) -> tuple[list[int | None], list[Span], float]:
    with open_video(path) as source:
        numbers: list[int | None] = []
        damaged: list[Span] = []
        for window in sampling.windows(source.info, window_s=0.5):
            times = sampling.grid(window, anchor_s=source.info.start_s + 0.002, rate_hz=30, max_frames=99)
            clip = source.clip(window, times_s=times, max_side=160, dense_side=96)
            assert clip.dense is not None
            dense = [read_number(image) for image in clip.dense.images]
            assert {read_number(image) for image in clip.images} <= set(dense)
            numbers += dense
            damaged += clip.damaged
        return numbers, damaged, source.info.start_s


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("spoilt", [[40], [41, 42, 43], [57]], ids=str)
def test_damage_in_the_middle_loses_the_rest_of_its_group_and_no_more(
    tmp_path: Path, suffix: str, spoilt: list[int]
) -> None:
    if suffix in {".ts", ".mpg"}:
        path = spoil_share(make_clip(tmp_path / f"clip{suffix}", SUFFIXES[suffix]), 0.5)
    else:
        # FFmpeg's HEVC decoder reports no flipped bits, whatever it is told, but it does miss what is gone.
        erase = suffix == ".hevc.mp4"
        path = damage_packets(make_clip(tmp_path / f"clip{suffix}", SUFFIXES[suffix]), spoilt, erase=erase)
    numbers, damaged, start_s = read_all(path)
    assert numbers == sorted(n for n in numbers if n is not None), "an unreadable picture was handed out"
    lost = sorted(set(range(100)) - set(numbers))
    # In a program stream packets vanish without a trace; only a gap of half a second is told from a pause.
    assert lost and damaged, "the damage went unseen"
    assert max(lost) - min(lost) < 2 * GOP, "sound pictures far from the damage were lost"
    for number in lost:
        time_s = start_s + number / 30
        named = any(s.start_s - 0.001 <= time_s < s.end_s for s in damaged)
        assert named or suffix == ".mpg", f"{number} is not named"
    for number in numbers:
        time_s = start_s + number / 30
        assert not any(s.start_s + 0.001 <= time_s < s.end_s - 0.001 for s in damaged)


@pytest.mark.parametrize("spoilt", [[40], [41, 42, 43], [56], [58]], ids=str)
def test_damage_among_packed_b_frames_loses_its_group_and_the_rest_keeps_its_times(
    tmp_path: Path, spoilt: list[int]
) -> None:
    plan = ClipPlan(**SMALL, codec="mpeg4", options={"g": str(GOP), "bf": "2"})
    path = damage_packets(pack_b_frames(make_clip(tmp_path / "clip.avi", plan)), spoilt)
    numbers, damaged, start_s = read_all(path)
    lost = sorted(set(range(100)) - set(numbers))
    assert numbers == sorted(n for n in numbers if n is not None), "an unreadable picture was handed out"
    assert lost and max(lost) - min(lost) < 2 * GOP
    with open_video(path) as source:
        frames = list(source.frames_at([start_s + n / 30 for n in range(100)]))
    assert [read_number(f.image) for f in frames if not f.damaged] == numbers
    assert all(read_number(f.image) == round((f.time_s - start_s) * 30) for f in frames if not f.damaged)
    assert all(any(s.start_s <= start_s + n / 30 + 0.001 < s.end_s for s in damaged) for n in lost)


def spoil_share(path: Path, share: float) -> Path:
    """Zero some 188-byte packets of a stream from this share of the file on."""
    data = bytearray(path.read_bytes())
    at = int(len(data) * share) // 188 * 188
    data[at : at + 5 * 188] = bytes(5 * 188)
    path.write_bytes(bytes(data))
    return path


def test_frames_at_marks_damaged_frames(tmp_path: Path) -> None:
    path = damage_packets(make_clip(tmp_path / "clip.mp4", H264), [43])
    with open_video(path) as source:
        frames = list(source.frames_at([n / 30 for n in range(100)]))
    assert {round(f.time_s * 30) // GOP for f in frames if f.damaged} == {2}
    assert all(read_number(f.image) == round(f.time_s * 30) for f in frames if not f.damaged)


def test_a_file_cut_off_in_front_of_its_index_names_the_missing_tail(tmp_path: Path) -> None:
    plan = ClipPlan(**SMALL, options=H264.options, container={"movflags": "faststart"})
    path = truncate(make_clip(tmp_path / "clip.mp4", plan), keep=0.5)
    info = probe(path)
    assert 20 < info.num_frames < 80 and info.num_frames_from_header == 100
    assert len(info.damaged) >= 1
    assert info.damaged[-1].end_s == pytest.approx(100 / 30)
    assert info.damaged[-1].start_s <= info.end_s + 1e-9
    check_head(path, least=info.num_frames - 3)


def test_an_avi_that_was_cut_off_names_the_missing_tail(tmp_path: Path) -> None:
    path = truncate(make_clip(tmp_path / "clip.avi", SUFFIXES[".avi"]), keep=0.5)
    info = probe(path)
    assert 20 < info.num_frames < 80 and info.num_frames_from_header == 100
    assert info.damaged[-1].end_s == pytest.approx(100 / 30)
    assert info.missing_s == pytest.approx(100 / 30 - info.end_s)


def check_head(path: Path, *, least: int) -> None:
    """The file holds its first `least` frames; of those at the cut some may be missing, none is wrong."""
    numbers, _, _ = read_all(path)
    known = [n for n in numbers if n is not None]
    assert known == numbers == sorted(set(known)) and known[-1] < 80
    assert known[:least] == list(range(least))


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi", ".mpg"])
def test_other_containers_cut_off_are_read_up_to_the_cut(tmp_path: Path, suffix: str) -> None:
    path = truncate(make_clip(tmp_path / f"clip{suffix}", SUFFIXES[suffix]), keep=0.5)
    check_head(path, least=30)


def test_a_stream_that_starts_between_key_frames_starts_at_its_first_key_frame(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.ts", H264)
    data = whole.read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(data[: 3 * 188] + data[len(data) // 10 // 188 * 188 :])
    with open_video(cut) as source:
        (frame,) = source.frames_at([source.info.start_s])
        assert read_number(frame.image) == GOP
    numbers, _, _ = read_all(cut)
    assert numbers == list(range(GOP, 100))


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_a_gap_in_a_broadcast_stream_is_named(tmp_path: Path, suffix: str) -> None:
    path = make_clip(tmp_path / f"clip{suffix}", SUFFIXES[suffix])
    data = path.read_bytes()
    begin, end = (int(len(data) * share) // 188 * 188 for share in (0.4, 0.75))
    path.write_bytes(data[:begin] + data[end:])
    numbers, damaged, start_s = read_all(path)
    assert numbers == sorted(n for n in numbers if n is not None)
    hole = max(pairwise(numbers), key=lambda pair: (pair[1] or 0) - (pair[0] or 0))
    middle_s = start_s + sum(n or 0 for n in hole) / 2 / 30
    assert any(span.start_s < middle_s < span.end_s for span in damaged)
    with open_video(path) as source:
        assert any(span.start_s < middle_s < span.end_s for span in source.info.damaged)
        assert [f.damaged for f in source.frames_at([middle_s])] == [True]
