"""Examples as a model is given them: the indexer's own frames, and no row that its media fail."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.contract import ClipSpec
from grounding import PROOFREEL, Span, parse
from indexer.reading import cut, plan, read_ahead
from tests.clips import damage_packets, make_clip, read_number, truncate
from tests.stgr import PICTURE_SIZE, SFT, make_root, row, write_media, write_rows
from training.data import ModelView, Reader, Unusable, open_data
from video import open_video
from video.stillness import Stillness

pytest.importorskip("torch", reason="frames are resized by the engine's own code, which needs PyTorch")

VIEW = ModelView(
    coordinates="relative-1000",
    step=28,
    rate_hz=2.0,
    max_frames=40,
    max_side=448,
    least_pixels=56 * 56,
    most_pixels=112 * 112,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_root(tmp_path_factory.mktemp("data_root"))


def reader_of(root: Path, *, split: Any = "sft", view: ModelView = VIEW, **options: Any) -> Reader:
    return Reader(open_data(root, split=split, **options), view)


def indexed(path: Path, view: ModelView) -> Iterator[tuple[float, Any]]:
    """Time and picture of every frame that the indexer gives an engine that asks for this view."""
    spec = ClipSpec(
        window_s=20.0,
        overlap_s=0.0,
        rate_hz=view.rate_hz,
        max_frames=view.max_frames,
        max_side=view.max_side,
    )
    with open_video(path) as source:
        info = source.info
    still = Stillness()
    cuts = plan(info, cut(info, spec, still=still), spec=spec, still=still)
    with read_ahead(path, cuts, spec=spec) as readings:
        for reading in readings:
            assert reading.clip is not None
            yield from zip(reading.clip.times_s - info.start_s, reading.clip.images, strict=True)


def test_frames_and_times_are_those_that_the_indexer_gives_the_engine(root: Path) -> None:
    from engines.qwen.pixels import fitted, resized

    reader = reader_of(root)
    example = reader.read(1)
    theirs = list(indexed(reader.data.media(reader.data[1]), VIEW))
    assert example.times_s.tolist() == [time_s for time_s, _ in theirs]
    images = np.stack([image for _, image in theirs])
    height, width = images.shape[1:3]
    size = fitted(width, height, step=28, least=VIEW.least_pixels, most=VIEW.most_pixels)
    assert np.array_equal(example.frames, resized(images, size))
    assert example.frame_size == size
    assert [read_number(frame) for frame in example.frames] == [5 * k for k in range(8)]


def test_a_long_video_is_seen_whole_on_every_so_many_th_time_of_the_same_grid(tmp_path: Path) -> None:
    one = row("temporal QA", "x", answer="[1.0, 59.0]")
    write_rows(tmp_path, [one])
    path = tmp_path / "videos" / one["video_path"]
    path.parent.mkdir(parents=True)
    make_clip(path, frames=60, time_base=Fraction(1, 1), width=64, height=64)
    example = reader_of(tmp_path).read(0)
    theirs = dict(indexed(path, VIEW))
    assert len(example.times_s) == 40 and example.times_s[-1] == 58.0
    for time_s, frame in zip(example.times_s.tolist(), example.frames, strict=True):
        assert read_number(frame) == read_number(theirs[time_s])


def test_sampled_times_do_not_depend_on_what_was_annotated(tmp_path: Path) -> None:
    moved = [
        {**SFT[1], "id": f"at {time_s}", "key_frames": [{"idx": 12, "path": "a", "time": time_s}]}
        for time_s in (0.03, 1.27, 3.9)
    ]
    write_media(tmp_path, SFT[1])
    write_rows(tmp_path, [SFT[1], *moved, {**SFT[1], "id": "bare", "key_frames": [], "key_items": {}}])
    reader = reader_of(tmp_path)
    first, *others = [reader.read(place) for place in range(5)]
    assert first.times_s.tolist() == [k / 2 for k in range(8)]
    for other in others:
        assert other.times_s.tolist() == first.times_s.tolist()
        assert np.array_equal(other.frames, first.frames)


def test_times_count_from_the_start_of_a_video_that_does_not_start_at_zero(tmp_path: Path) -> None:
    one = {**SFT[1], "source": "x"}
    write_rows(tmp_path, [one])
    path = tmp_path / "videos" / one["video_path"]
    path.parent.mkdir(parents=True)
    ticks = [36_010 + k for k in range(40)]
    make_clip(path.with_suffix(".ts"), frames=40, time_base=Fraction(1, 10), pts=ticks)
    path.with_suffix(".ts").rename(path)
    with open_video(path) as source:
        assert source.info.start_s > 3000
    example = reader_of(tmp_path).read(0)
    assert example.times_s == pytest.approx([k / 2 for k in range(8)])
    assert example.truth.evidence[0].time_s == pytest.approx(1.0)


def test_an_example_has_the_words_of_indexing_and_a_completion_in_the_grammar(root: Path) -> None:
    reader = reader_of(root)
    for place, one in enumerate(SFT):
        example = reader.read(place)
        assert example.system == PROOFREEL.system[example.task]
        assert example.question == one["question"]
        assert example.completion is not None
        answer = parse(
            example.completion,
            segment=Span(0.0, example.duration_s),
            coordinates="relative-1000",
            frame_size=example.frame_size,
        )
        assert answer.problems == ()
        assert {claim.time_s for claim in answer.claims} <= set(example.times_s.tolist())


def test_evidence_is_on_sampled_frames_and_says_how_far_it_was_moved(root: Path) -> None:
    example = reader_of(root, split="rl").read(1)
    assert example.completion is None
    assert [claim.time_s for claim in example.truth.evidence] == [1.0, 3.0, 3.0]
    assert example.moved_s == pytest.approx((0.2, 0.0, 0.0))


def test_a_picture_is_a_clip_of_one_frame(root: Path) -> None:
    example = reader_of(root).read(4)
    assert example.frames.shape[0] == 1 and example.times_s.tolist() == [0.0]
    width, height = example.frame_size
    assert width / height == pytest.approx(PICTURE_SIZE[0] / PICTURE_SIZE[1], rel=0.25)
    assert read_number(example.frames[0]) == 7


def test_boxes_are_written_in_pixels_of_the_frame_that_is_fed(root: Path) -> None:
    view = ModelView(**{**vars(VIEW), "coordinates": "pixels"})
    example = reader_of(root, view=view).read(1)
    width, height = example.frame_size
    man = (
        f"<box>[{round(0.1 * width)},{round(0.2 * height)},{round(0.3 * width)},{round(0.8 * height)}]</box>"
    )
    assert example.completion is not None and man in example.completion


def many(tmp_path: Path, count: int = 10) -> Reader:
    """So many rows about one small video."""
    write_media(tmp_path, SFT[1])
    write_rows(tmp_path, [{**SFT[1], "id": f"r{k}"} for k in range(count)])
    return reader_of(tmp_path, view=ModelView(**{**vars(VIEW), "max_frames": 1}))


def test_a_reader_works_in_another_process(tmp_path: Path) -> None:
    reader = many(tmp_path)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        theirs = pool.apply(reader.read, (3,))
    mine = reader.read(3)
    assert theirs.id == mine.id and np.array_equal(theirs.frames, mine.frames)


def with_one_bad(tmp_path: Path) -> tuple[Reader, Path]:
    """Nine good rows and one about a video of its own, which is returned."""
    bad = {**SFT[1], "id": "bad", "video_path": "bad.mp4"}
    path = write_media(tmp_path, bad)
    write_media(tmp_path, SFT[1])
    write_rows(tmp_path, [*({**SFT[1], "id": f"r{k}"} for k in range(9)), bad])
    return reader_of(tmp_path), path


@pytest.mark.parametrize("how", ["gone", "no video", "cut off", "every frame damaged", "too short"])
def test_a_video_that_fails_in_training_is_unusable_and_harms_no_other_row(tmp_path: Path, how: str) -> None:
    reader, path = with_one_bad(tmp_path)
    if how == "gone":
        path.unlink()
    elif how == "no video":
        path.write_bytes(b"not a video")
    elif how == "cut off":
        truncate(path, keep=0.3)
    elif how == "every frame damaged":
        damage_packets(path, range(40), erase=True)
    else:
        make_clip(path, frames=4, time_base=Fraction(1, 10))
    with pytest.raises(Unusable, match="bad"):
        reader.read(9)
    assert [reader.read(place).id for place in range(9)] == [f"r{k}" for k in range(9)]


def test_a_picture_other_than_its_row_says_is_passed_over(tmp_path: Path) -> None:
    other = {**SFT[4], "image_size": [500, 120]}
    write_media(tmp_path, other)
    write_rows(tmp_path, [other])
    with pytest.raises(Unusable, match="its row says"):
        reader_of(tmp_path).read(0)
