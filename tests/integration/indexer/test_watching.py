"""`watch`: what comes into a library's folder is indexed once it stands still, and nothing is before."""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any

import jsonschema
import pytest

from indexer.libraries import LibrarySettings, places
from indexer.library_commands import EngineChoice, request_of
from indexer.listening import Ears
from indexer.nightly import NightReport
from indexer.progress import Silent
from indexer.settling import Settling
from indexer.stopping import DiskFloor, Stop
from indexer.watching import Watch, Watched
from storage import HomeLock
from tests import night_process
from tests.brightness import BrightnessEngine
from tests.dumping import rows
from tests.inline import looking
from tests.lamps import LetterEmbedder, lamp_clip

PATIENCE_S = 30.0


class Notes(Silent):
    """Keeps its notes."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Following:
    """A watch of one folder (or glob) in a thread of its own."""

    def __init__(self, pattern: Path, *, home: Path, rescan_s: float = 600.0, **library: Any) -> None:
        self.home = home
        self.reporter = Notes()
        self.reports: list[NightReport] = []
        self.stop = Stop()
        settings = LibrarySettings(name="docks", paths=(str(pattern),), **library)
        watched = Watched(
            library=settings,
            request=lambda paths: request_of(
                settings,
                home=home,
                more_questions=(),
                choice=EngineChoice(engine="brightness", model=None, prompts=None),
                loader=lambda choice: lambda: looking(BrightnessEngine, LetterEmbedder),
                patience_s=60.0,
                paths=paths,
            ),
            settling=Settling(still_s=0.5),
            places=places(settings),
        )
        self.watch = Watch(
            [watched], home=home, still_s=0.5, rescan_s=rescan_s, reporter=self.reporter, stop=self.stop,
            done=self.reports.append,
        )  # fmt: skip

    @property
    def statuses(self) -> dict[str, list[str]]:
        """What became of each file, each time that it was given to `index`."""
        found: dict[str, list[str]] = {}
        for report in self.reports:
            for file in (file for one in report.reports for file in one.files):
                found.setdefault(file.path.name, []).append(file.status)
        return found

    @contextmanager
    def running(self) -> Iterator[Following]:
        thread = Thread(target=self.watch.run)
        thread.start()
        try:
            yield self
        finally:
            self.stop.signal_number = signal.SIGTERM
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def wait_until(is_so: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    path = tmp_path / "drop"
    path.mkdir()
    return path


def test_a_file_that_is_being_written_is_left_alone_until_it_stands_still(drop: Path, tmp_path: Path) -> None:
    clip = lamp_clip(tmp_path / "clip.mp4", lit=[(1.0, 2.0)]).read_bytes()
    with Following(drop, home=tmp_path / "home").running() as following:
        time.sleep(0.5)
        with (drop / "a.mp4").open("wb", buffering=0) as file:
            for at in range(8):
                file.write(clip[at * len(clip) // 8 : (at + 1) * len(clip) // 8])
                time.sleep(0.25)
                assert following.statuses == {}
        wait_until(lambda: following.statuses, "the file is indexed")

    assert following.statuses == {"a.mp4": ["indexed"]}
    assert rows(tmp_path / "home")["moment"][0]["text"] == "lamp is lit"


def test_what_was_there_before_comes_and_goes_and_what_fails_is_not_tried_again(
    drop: Path, tmp_path: Path
) -> None:
    lamp_clip(drop / "before.mp4")
    (drop / "broken.mp4").write_bytes(b"no video")
    with Following(drop / "*", home=tmp_path / "home", rescan_s=1.0).running() as following:
        wait_until(lambda: len(following.statuses) == 2, "what was there is indexed")
        folder = tmp_path / "moved"
        folder.mkdir()
        lamp_clip(folder / "later.mp4", lit=[(0.5, 1.0)])
        shutil.move(folder, drop / "moved")
        wait_until(lambda: "later.mp4" in following.statuses, "a folder that is moved in is looked through")
        (drop / "before.mp4").unlink()
        wait_until(
            lambda: [row for row in rows(tmp_path / "home")["file"] if row["missing_since"]], "it is gone"
        )

    assert following.statuses == {
        "before.mp4": ["indexed"],
        "broken.mp4": ["failed"],
        "later.mp4": ["indexed"],
    }


@pytest.mark.slow
def test_a_folder_that_comes_later_is_found_though_nothing_tells_of_it(tmp_path: Path) -> None:
    drop = tmp_path / "not/mounted/yet"
    with Following(drop, home=tmp_path / "home", rescan_s=1.0).running() as following:
        time.sleep(0.5)
        drop.mkdir(parents=True)
        lamp_clip(drop / "a.mp4")
        wait_until(lambda: following.statuses, "the rescan finds it")
    assert following.statuses == {"a.mp4": ["indexed"]}


@pytest.mark.slow
def test_another_process_that_indexes_is_waited_for_and_that_is_said_once(drop: Path, tmp_path: Path) -> None:
    lamp_clip(drop / "a.mp4")
    with Following(drop, home=tmp_path / "home").running() as following:
        with HomeLock(tmp_path / "home"):
            wait_until(lambda: following.reporter.notes, "it says that it waits")
            time.sleep(1.0)
            assert following.statuses == {}
        wait_until(lambda: following.statuses, "it goes on")

    (note,) = following.reporter.notes
    assert note.startswith(f"waiting: another proofreel (process {os.getpid()}) is indexing into ")
    assert following.statuses == {"a.mp4": ["indexed"]}


@pytest.mark.slow
def test_a_disk_without_room_is_told_and_tried_again(drop: Path, tmp_path: Path) -> None:
    lamp_clip(drop / "a.mp4")
    following = Following(drop, home=tmp_path / "home", rescan_s=1.0)
    following.stop._floor = DiskFloor(home=tmp_path, keep_free_gb=1e9)
    with following.running():
        wait_until(lambda: following.reporter.notes, "it says what is wrong")
        following.stop._floor = None
        wait_until(lambda: following.statuses, "it goes on")
    assert "GB are to stay free (keep_free_gb)" in following.reporter.notes[0]
    assert following.reporter.notes[0].endswith("trying again in 1 s")


def test_a_folder_that_can_not_be_listened_to_is_told_and_the_ticks_go_on(tmp_path: Path) -> None:
    reporter = Notes()
    importlib.import_module("watchfiles")  # which opens files of its own
    ears = Ears([tmp_path], tick_s=0.05, reporter=reporter)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, most[1]))
    try:
        assert ears.changed(Stop()) == frozenset()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    assert [ears.changed(Stop()) for _ in range(2)] == [frozenset()] * 2
    (note,) = reporter.notes
    assert "can't hear of changes in" in note and "they are looked through instead" in note


@pytest.mark.slow
def test_a_disk_that_is_taken_out_and_put_back_is_listened_to_again(drop: Path, tmp_path: Path) -> None:
    with Following(drop, home=tmp_path / "home", rescan_s=1.5).running() as following:
        time.sleep(0.5)
        drop.rename(tmp_path / "out")
        drop.mkdir()
        time.sleep(2.0)  # a rescan
        following.watch._rescan_s = 600.0
        time.sleep(2.0)
        lamp_clip(drop / "a.mp4")
        wait_until(lambda: following.statuses, "it is heard of, long before the next rescan")


@pytest.mark.slow
def test_the_command_goes_on_with_what_was_interrupted_and_a_signal_ends_it_well(
    drop: Path, tmp_path: Path
) -> None:
    (tmp_path / "proofreel.toml").write_text('home = "home"\n[libraries.docks]\npaths = ["drop"]\n')
    lamp_clip(drop / "a.mp4", seconds=6.0)
    line = ("watch", "--config", tmp_path / "proofreel.toml", "--still=0.5", "--rescan=1", "--json")
    first = night_process.start(*line, clip_s=0.5)
    wait_until(lambda: segments(tmp_path / "home", "done") == 1, "a segment is done")
    first.send_signal(signal.SIGTERM)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0 and segments(tmp_path / "home", "pending") > 0, err
    assert "watching docks" in err
    document = json.loads(out)
    assert document["ending"] == "interrupted"
    schema = json.loads((files("indexer") / "schemas/index-libraries-1.schema.json").read_text())
    jsonschema.validate(document, schema)

    second = night_process.start(*line)
    assert second.stdout is not None
    assert json.loads(second.stdout.readline())["ending"] == "complete"
    second.send_signal(signal.SIGINT)
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (0, ""), err
    assert segments(tmp_path / "home", "pending") == 0


@pytest.mark.slow
def test_the_command_looks_at_two_files_at_once_with_two_workers(drop: Path, tmp_path: Path) -> None:
    settings = 'home = "home"\n[watch]\nworkers = 2\n[libraries.docks]\npaths = ["drop"]\n'
    (tmp_path / "proofreel.toml").write_text(settings)
    for number in range(2):
        lamp_clip(drop / f"{number}.mp4", seconds=6.0, lit=[(1.0 + number, 2.5)])
    line = ("watch", "--config", tmp_path / "proofreel.toml", "--still=0.5", "--json")
    watch = night_process.start(*line, clip_s=1.0, preexec_fn=on_one_core)  # where one worker fits by itself
    wait_until(lambda: num_half_done(tmp_path / "home") == 2, "both are begun and neither is done")
    assert watch.stdout is not None
    assert json.loads(watch.stdout.readline())["ending"] == "complete"
    watch.send_signal(signal.SIGTERM)
    _, err = watch.communicate(timeout=60)
    assert watch.returncode == 0, err


def test_an_executor_that_lacks_its_address_is_wrong_usage_before_anything_is_followed(
    drop: Path, tmp_path: Path
) -> None:
    (tmp_path / "proofreel.toml").write_text('home = "home"\n[libraries.docks]\npaths = ["drop"]\n')
    done = night_process.run_here("watch", "--config", tmp_path / "proofreel.toml", "--executor=ray")
    assert done.returncode == 2
    assert "--executor ray and --address go together" in done.stderr and "watching" not in done.stderr


@pytest.mark.slow
def test_what_is_past_its_retention_goes_while_the_folder_is_watched(drop: Path, tmp_path: Path) -> None:
    old = lamp_clip(drop / "a.mp4")
    os.utime(old, (1e9, 1e9))
    with Following(drop, home=tmp_path / "home").running() as following:
        wait_until(lambda: following.statuses, "it is indexed")
    with Following(drop, home=tmp_path / "home", retention_days=30).running():
        wait_until(lambda: not rows(tmp_path / "home")["video"], "it goes")
    assert old.exists()


def segments(home: Path, state: str) -> int:
    if not (home / "proofreel.db").exists():
        return 0
    return sum(row["state"] == state for row in rows(home).get("segment", []))


def num_half_done(home: Path) -> int:
    """Jobs with a segment that is done and one that is not."""
    if not (home / "proofreel.db").exists():
        return 0
    states: dict[int, set[str]] = {}
    for row in rows(home).get("segment", []):
        states.setdefault(row["job_id"], set()).add(row["state"])
    return sum(len(found) == 2 for found in states.values())


def on_one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
