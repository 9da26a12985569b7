from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.errors import EngineError, OutOfMemory, StorageError
from indexer.asking import ask
from indexer.progress import Lines, Silent
from indexer.status import read_status
from search.documents import show_document
from search.showing import show
from storage import Database, HomeLock, text_to_path
from storage.checking import check
from tests import night_process
from tests.brightness import SPEC, BrightnessEngine
from tests.clips import damage_packets, make_audio, make_clip
from tests.dumping import content, rows
from tests.lamps import After, Night, lamp_clip, statuses
from tests.rows import add_video
from video.frames import Clip, VideoInfo
from video.probe import probe


def test_a_folder_s_videos_become_moments_and_every_other_file_is_named(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4", lit=[(1.0, 3.0)])
    (folder / "notes.txt").write_text("no video")
    make_audio(folder / "song.m4a")

    report = night.run(folder)

    assert statuses(report) == {"a.mp4": "indexed", "notes.txt": "skipped", "song.m4a": "skipped"}
    found = rows(night.home)
    assert [(r["start_s"], r["end_s"], r["text"], r["source"]) for r in found["moment"]] == [
        (1.0, 2.0, "lamp is lit", "statement"),
        (2.0, 3.0, "lamp is lit", "statement"),
    ]
    assert len(found["claim"]) == len(found["box"]) == len(found["embedding"]) == 2
    assert [(r["start_s"], r["end_s"], r["kind"], r["num_frames"]) for r in found["coverage"]] == [
        (0.0, 2.0, "sampled", 8),
        (2.0, 4.0, "sampled", 8),
    ]
    assert len(found["vector_generation"]) == 1
    assert report.totals.video_seconds == 4.0 and report.totals.moments == 2


def test_a_second_run_changes_no_byte_of_any_row_but_the_log_of_nights_and_asks_nothing(
    night: Night, folder: Path
) -> None:
    lamp_clip(folder / "a.mp4")
    (folder / "broken.mp4").write_bytes(b"no video")
    night.run(folder)
    before, clips = rows(night.home), night.num_clips

    report = night.run(folder)

    after = rows(night.home)
    first, second = after.pop("night")
    assert [first] == before.pop("night") and second["ending"] == "complete"
    assert after == before
    assert night.num_clips == clips
    assert statuses(report) == {"a.mp4": "unchanged", "broken.mp4": "failed"}


def test_a_new_question_is_the_only_one_that_is_asked(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4")
    night.run(folder)
    night.run(folder, questions=["is a lamp lit?"])
    night.run(folder, questions=["is a lamp lit?", "when is it lit?"])

    asked = [set(engine.asked) for engine in night.engines]
    assert asked == [{("",)}, {("is a lamp lit?",)}, {("when is it lit?",)}]
    sources = [(r["source"], r["text"]) for r in rows(night.home)["moment"]]
    assert ("answer", "is a lamp lit? Yes") in sources


def test_a_moved_file_keeps_its_history_and_a_copy_is_a_duplicate(night: Night, folder: Path) -> None:
    first = lamp_clip(folder / "a.mp4")
    night.run(folder)
    moved = first.rename(folder / "moved.mp4")
    after_move = night.run(folder)
    shutil.copy(moved, folder / "copy.mp4")
    after_copy = night.run(folder)

    assert [(f.status, f.reason is not None) for f in after_move.files] == [("unchanged", True)]
    assert "moved here from" in str(after_move.files[0].reason)
    assert statuses(after_copy) == {"copy.mp4": "duplicate", "moved.mp4": "unchanged"}
    assert len(night.engines[0].clips) == night.num_clips
    missing = {Path(r["path"]).name: r["missing_since"] is not None for r in rows(night.home)["file"]}
    assert missing == {"a.mp4": True, "moved.mp4": False, "copy.mp4": False}


def test_a_file_whose_content_changed_is_a_new_video(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4")
    night.run(folder)
    lamp_clip(folder / "a.mp4", lit=[(0.0, 0.5)])

    assert statuses(night.run(folder)) == {"a.mp4": "indexed"}
    assert len(rows(night.home)["video"]) == 2


def test_another_engine_s_answers_stand_beside_the_first_one_s(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4")
    night.run(folder)
    night.engine_options = {"fingerprint": "b2"}
    night.run(folder)

    assert len(rows(night.home)["run"]) == 2
    assert len({r["run_id"] for r in rows(night.home)["moment"]}) == 2


def test_a_bad_file_stops_no_other(night: Night, folder: Path) -> None:
    for name in ("a", "b", "c"):
        lamp_clip(folder / f"{name}.mp4", lit=[(1.0, 2.0 + ord(name) / 1000)], seconds=4 + ord(name) / 10)

    def fail_on_b(clip: Clip) -> None:
        if clip.path.name == "b.mp4" and clip.window.start_s == 2.0:
            raise RuntimeError("the network fell over")

    night.engine_options = {"on_clip": fail_on_b}
    report = night.run(folder)

    assert statuses(report) == {"a.mp4": "indexed", "b.mp4": "failed", "c.mp4": "indexed"}
    (failed,) = report.failed
    assert failed.reason == (
        "at 2.0 s: RuntimeError: the network fell over; run the same command again to retry"
    )
    states = [r["state"] for r in rows(night.home)["segment"]]
    assert states.count("pending") == 1


@pytest.mark.parametrize(
    "place", ["catalogue.ensure_video", "looking.cut", "looking.plan", "looking.stillness"]
)
def test_a_file_whose_facts_break_what_comes_before_the_first_frame_stops_no_other(
    night: Night, folder: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp_clip(folder / "a.mp4", seconds=3.0)
    lamp_clip(folder / "b.mp4", seconds=4.0)
    lamp_clip(folder / "c.mp4", seconds=5.0)
    module = importlib.import_module(f"indexer.{place.split('.')[0]}")
    real = getattr(module, place.split(".")[1])

    def fails_on_b(*args: Any, **options: Any) -> Any:
        if any(getattr(arg, "end_s", None) == 4.0 for arg in args):
            raise OverflowError("date value out of range")
        return real(*args, **options)

    monkeypatch.setattr(module, place.split(".")[1], fails_on_b)
    report = night.run(folder)

    assert statuses(report) == {"a.mp4": "indexed", "b.mp4": "failed", "c.mp4": "indexed"}
    assert "OverflowError: date value out of range" in str(report.failed[0].reason)


@pytest.mark.parametrize("recorded_at", [datetime.min, datetime.max])
def test_a_recording_date_at_the_edge_of_the_calendar_ends_no_run(
    night: Night, folder: Path, recorded_at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp_clip(folder / "a.mp4", seconds=3.0)
    lamp_clip(folder / "b.mp4", seconds=4.0)
    zone = timezone(timedelta(hours=14 if recorded_at == datetime.min else -12))

    def odd_probe(path: Path) -> VideoInfo:
        info = probe(path)
        return replace(info, recorded_at=recorded_at.replace(tzinfo=zone)) if path.name == "a.mp4" else info

    monkeypatch.setattr("indexer.identify.probe", odd_probe)
    report = night.run(folder)

    assert statuses(report) == {"a.mp4": "failed", "b.mp4": "indexed"}
    assert "OverflowError" in str(report.failed[0].reason)


def test_two_failed_attempts_are_quarantine_until_a_retry(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4")

    def fail(clip: Clip) -> None:
        if clip.window.start_s == 0.0:
            raise RuntimeError("no")

    night.engine_options = {"on_clip": fail}
    reasons = [night.run(folder).failed[0].reason for _ in range(3)]
    assert "retry" in str(reasons[0])
    assert str(reasons[1]).startswith("in quarantine after 2 attempts: at 0.0 s: RuntimeError: no")
    assert str(reasons[2]).startswith("in quarantine: at 0.0 s: RuntimeError: no")
    assert night.num_clips == 3  # two segments, then the failed one again, then nothing

    night.engine_options = {}
    assert statuses(night.run(folder, retry=True)) == {"a.mp4": "indexed"}
    assert night.num_clips == 4


def test_a_second_index_on_the_same_home_is_told_who_holds_the_lock(tmp_path: Path, folder: Path) -> None:
    night = Night(home=tmp_path / "home")
    lamp_clip(folder / "a.mp4")
    with HomeLock(night.home), pytest.raises(StorageError, match="another proofreel"):
        night.run(folder)


def test_the_home_inside_the_folder_is_not_indexed(folder: Path) -> None:
    night = Night(home=folder / ".proofreel")
    lamp_clip(folder / "a.mp4")
    night.run(folder)

    assert statuses(night.run(folder)) == {"a.mp4": "unchanged"}


def test_a_folder_without_a_video_is_a_failure_that_says_so(night: Night, folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    report = night.run(folder)

    assert [(f.path, f.status) for f in report.files] == [
        (folder / "notes.txt", "skipped"),
        (folder, "failed"),
    ]
    assert not night.engines


@pytest.mark.parametrize("start_s", [3601, -3])
def test_times_are_the_file_s_own_from_an_hour_on_and_from_below_zero(
    night: Night, folder: Path, start_s: int
) -> None:
    name = "a.ts" if start_s > 0 else "a.mkv"
    pts = [start_s * 10 + i for i in range(40)]
    lamp_clip(folder / name, lit=[(1.0, 3.0)], pts=pts)
    night.run(folder)

    found = rows(night.home)
    (video,) = found["video"]
    time_base, first_s = Fraction(video["time_base_num"], video["time_base_den"]), video["start_s"]
    moments = [(r["start_s"], r["end_s"], r["start_pts"], r["end_pts"]) for r in found["moment"]]
    assert [(round(a - first_s, 3), round(b - first_s, 3)) for a, b, _, _ in moments] == [(1, 2), (2, 3)]
    assert all(float(start_pts * time_base) == start for start, _, start_pts, _ in moments)
    assert [(r["time_s"], r["pts"]) for r in found["claim"]] == [(m[0], m[2]) for m in moments]
    if start_s > 0:
        assert first_s >= 3601


def test_with_variable_frame_rate_claims_stand_on_the_frame_on_display(night: Night, folder: Path) -> None:
    pts = [0, 1, 2, 3, 15, 16, 17, 30, 31, 32]  # tenths of a second: two long gaps
    make_clip(
        folder / "vfr.mkv",
        frames=len(pts),
        pts=pts,
        time_base=Fraction(1, 10),
        width=64,
        height=48,
        picture=lambda number: np.full((48, 64, 3), 220 if number in (4, 5, 6) else 10, np.uint8),
    )
    night.run(folder)

    found = rows(night.home)
    assert [(r["time_s"], r["pts"]) for r in found["claim"]] == [(1.5, 1500), (1.7, 1700)]
    assert [(r["start_s"], r["end_s"]) for r in found["moment"]] == [(1.5, 2.0), (2.0, 3.0)]


def test_damage_is_covered_as_damage_and_the_rows_tile_each_segment(night: Night, folder: Path) -> None:
    path = make_clip(folder / "a.mp4", frames=180, options={"preset": "veryfast", "g": "30"})
    damage_packets(path, range(62, 88))
    night.run(folder)

    found = rows(night.home)
    spans = sorted((r["start_s"], r["end_s"], r["kind"]) for r in found["coverage"])
    assert spans[0][0] == 0.0 and spans[-1][1] == pytest.approx(6.0)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    (damaged,) = [(a, b) for a, b, kind in spans if kind == "damaged"]
    info = probe(path)
    assert damaged[0] > 2.0 and damaged[1] in [float(pts * info.time_base) for pts in info.keyframe_pts]


def test_a_still_file_is_covered_as_still_by_one_frame_a_window(night: Night, folder: Path) -> None:
    make_clip(
        folder / "still.mp4",
        frames=240,
        picture=lambda number: np.full((240, 320, 3), 200, np.uint8),
        options={"preset": "ultrafast", "g": "30"},
    )
    night.run(folder)

    covered = [(r["start_s"], r["end_s"], r["kind"], r["num_frames"]) for r in rows(night.home)["coverage"]]
    assert [row for row in covered if row[2] == "still"] == [(0.0, 6.0, "still", 1)]
    (engine,) = night.engines
    assert [len(c.images) for c in engine.clips] == [1, 8]


def test_a_file_that_is_written_to_meanwhile_is_not_indexed_further(night: Night, folder: Path) -> None:
    path = lamp_clip(folder / "a.mp4", seconds=8.0)

    def write_to_it(clip: Clip) -> None:
        if clip.window.start_s == 2.0:
            with path.open("ab") as file:
                file.write(b"more")

    night.engine_options = {"on_clip": write_to_it}
    (failed,) = night.run(folder).failed

    assert failed.reason == "changed while it was being read; index it again when it is complete"
    assert [r["outcome"] for r in rows(night.home)["attempt"]] == ["lost"]
    night.engine_options = {}
    assert statuses(night.run(folder)) == {"a.mp4": "indexed"}


def test_an_engine_that_can_not_be_loaded_is_no_video_s_fault(
    night: Night, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp_clip(folder / "a.mp4")

    class Broken(BrightnessEngine):
        def load(self) -> None:
            raise EngineError("the weights are missing")

    night.make, night.reporter = Broken, Lines
    with pytest.raises(EngineError, match="the weights are missing"):
        night.run(folder)
    assert "indexed" not in capsys.readouterr().err
    assert rows(night.home)["attempt"] == []
    night.make = BrightnessEngine
    assert statuses(night.run(folder)) == {"a.mp4": "indexed"}


def test_the_same_video_in_two_libraries_is_looked_at_once(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4")
    night.run(folder)
    report = night.run(folder, library="other")

    assert [f.status for f in report.files] == ["unchanged"]
    assert len(rows(night.home)["file"]) == 2 and night.num_clips == 2


def test_every_document_names_a_file_by_the_same_text_which_gives_its_bytes_back(
    night: Night, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = b"/two\nlines \xff \\udcff.mp4"
    os.rename(lamp_clip(folder / "a.mp4"), os.fsencode(folder) + name)
    monkeypatch.chdir(folder)
    (here,) = Path(".").iterdir()

    night.run(Path("."), stop=After(0))
    status = read_status(night.home).document()
    (indexed,) = night.run(Path(".")).document()["files"]
    asked = ask(
        here,
        "is a lamp lit?",
        engine=BrightnessEngine(),
        reporter=Silent(sys.stderr),
        overlay=here.with_suffix(".png"),
    ).document()
    with Database.open(night.home) as db:
        shown = show_document(show(db, 1))

    text = indexed["path"]
    assert os.fsencode(text_to_path(text)) == os.fsencode(folder) + name
    assert [status["not_begun"][0]["path"], asked["video"], shown["path"]] == [text] * 3
    assert asked["overlay"] == text.removesuffix(".mp4") + ".png"
    assert status["home"] == str(night.home)
    assert [row["path"] for row in rows(night.home)["file"]] == [text]


def test_one_file_is_not_said_to_be_several(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4", seconds=1.0, lit=[(0.0, 0.5)])
    done = night_process.run_here("index", folder, "--home", night.home)
    told = night_process.run_here("status", "--home", night.home)

    assert done.stdout.splitlines()[0] == "1 file: 1 indexed"
    assert done.stdout.splitlines()[1].endswith(", 1 moment")
    assert told.stdout.splitlines()[0] == "library default: 1 file, 1 video, 1.0 s"
    assert told.stdout.splitlines()[2] == "1 moment, 0.0 s pending in all"


def test_a_long_list_is_cut_for_people_and_whole_in_json(night: Night) -> None:
    with Database.open(night.home, create=True) as db, db.writing() as session:
        for number in range(1_025):
            add_video(session, str(number), duration_s=2.0)
    told = night_process.run_here("status", "--home", night.home).stdout.splitlines()
    whole = json.loads(night_process.run_here("status", "--home", night.home, "--json").stdout)

    assert told[-2:] == [
        "pending      /v/19.mp4: 2.0 s, not begun",
        "pending      and 1,005 more; --json lists all",
    ]
    assert len(told) == 25 and len(whole["not_begun"]) == 1_025 and whole["pending_seconds"] == 2_050.0


def test_a_window_too_large_for_the_device_is_looked_at_in_halves(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4", seconds=16.0, lit=[(1.0, 2.5), (9.0, 12.0)])
    night.engine_options = {
        "spec": replace(SPEC, window_s=8.0, max_frames=64),
        "on_clip": refuse_frames_above(20),
    }
    report = night.run(folder)

    assert statuses(report) == {"a.mp4": "indexed"}
    segments = sorted((r["start_s"], r["end_s"], r["state"]) for r in rows(night.home)["segment"])
    assert segments == [(s, s + 4.0, "done") for s in (0.0, 4.0, 8.0, 12.0)]
    assert {r["kind"] for r in rows(night.home)["coverage"]} == {"sampled"}
    assert sorted((r["start_s"], r["end_s"]) for r in rows(night.home)["moment"]) == [(1.0, 2.5), (9.0, 12.0)]
    assert [r["outcome"] for r in rows(night.home)["attempt"]] == ["done"]


def test_a_window_too_large_for_the_device_however_short_is_skipped_and_says_why(
    night: Night, folder: Path
) -> None:
    lamp_clip(folder / "a.mp4", seconds=8.0)
    night.engine_options = {"spec": replace(SPEC, window_s=8.0), "on_clip": refuse_frames_above(0)}
    report = night.run(folder, questions=["is a lamp lit?"])

    assert statuses(report) == {"a.mp4": "indexed"}
    covered = sorted((r["start_s"], r["end_s"], r["kind"], r["reason"]) for r in rows(night.home)["coverage"])
    assert covered == [(s, s + 2.0, "skipped", "too many frames") for s in (0.0, 2.0, 4.0, 6.0)]
    assert {(r["abstained"], r["reason"]) for r in rows(night.home)["answer"]} == {(1, "too many frames")}
    with Database.open(night.home) as database:
        assert check(database).findings == ()


def refuse_frames_above(most: int) -> Callable[[Clip], None]:
    def on_clip(clip: Clip) -> None:
        if len(clip.images) > most:
            raise OutOfMemory("too many frames")

    return on_clip


def test_a_long_video_is_shared_by_workers_in_parts_and_each_window_is_seen_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp_clip(folder / "a.mp4", seconds=12.0, lit=[(1.0, 2.5), (9.0, 11.0)])
    whole, parted = Night(home=tmp_path / "whole"), Night(home=tmp_path / "parted")
    whole.run(folder)
    monkeypatch.setattr("indexer.attempts.CHUNK_S", 4.0)
    parted.workers = 3
    parted.run(folder)

    assert content(parted.home) == content(whole.home)
    assert sorted(len(engine.clips) for engine in parted.engines) == [2, 2, 2]


@pytest.mark.parametrize(("num_files", "clips"), [(1, [2, 2, 2]), (3, [6, 6, 6])])
def test_a_video_is_shared_where_workers_would_else_have_nothing_to_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_files: int, clips: list[int]
) -> None:
    for number in range(num_files):
        lamp_clip(folder / f"{number}.mp4", seconds=12.0, lit=[(1.0, 2.5 + number)])
    monkeypatch.setattr("indexer.attempts.LEAST_CHUNK_S", 1.0)
    night = Night(home=tmp_path / "home", workers=3)
    night.run(folder)

    assert sorted(len(engine.clips) for engine in night.engines) == clips


def test_the_longest_video_is_begun_first(night: Night, folder: Path) -> None:
    for name, seconds in {"a": 2.0, "b": 6.0, "c": 4.0}.items():
        lamp_clip(folder / f"{name}.mp4", seconds=seconds)
    report = night.run(folder)

    names = [clip.path.name for engine in night.engines for clip in engine.clips]
    assert list(dict.fromkeys(names)) == ["b.mp4", "c.mp4", "a.mp4"]
    assert [file.path.name for file in report.files] == ["a.mp4", "b.mp4", "c.mp4"]  # as they were found
