"""A night that is hit at any point: what was committed stays, nothing is done twice, the next run goes on."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from storage import Database
from storage.checking import check
from storage.faults import DRIVER, POINTS, VARIABLE, WORKER, parse
from storage.generations import verify
from tests import night_process
from tests.dumping import content, rows
from tests.lamps import lamp_clip

QUESTION = ("-q", "when is a lamp lit?")
PATIENCE = ("--patience", "8")
IN_THE_SHORT_FORM = ("commit:after-answers", "worker:before-send")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("night") / "videos"
    path.mkdir()
    for number, name in enumerate("ab"):
        lamp_clip(path / f"{name}.mp4", seconds=4 + number, lit=[(1.0, 2.5), (3.0, 3.5 + number / 10)])
    return path


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    done = night_process.run_here("index", folder, *QUESTION, "--home", home)
    assert done.returncode == 0, done.stderr
    return content(home)


def with_fault(fault: str) -> dict[str, str]:
    return {**os.environ, VARIABLE: fault}


def assert_sound(home: Path) -> None:
    """What `db check` and `vectors verify` look for is not there, and every vector is in the index."""
    with Database.open(home) as database:
        assert check(database).findings == ()
        verdicts = verify(database, home)
    assert {verdict.state for verdict in verdicts} <= {"good"}
    newest = max(rows(home)["vector_generation"], key=lambda row: row["id"])
    assert newest["num_vectors"] == len(rows(home)["embedding"])


def in_part(name: str) -> Any:
    marks = () if name in IN_THE_SHORT_FORM else (pytest.mark.slow,)
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", [in_part(name) for name in DRIVER])
def test_a_driver_that_is_killed_at_any_step_loses_nothing_and_doubles_nothing(
    name: str, folder: Path, undisturbed: Mapping[str, list[str]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    killed = night_process.run("index", folder, *QUESTION, "--home", home, env=with_fault(f"{name}=kill"))
    assert killed.returncode == -9, (killed.returncode, killed.stderr)

    again = night_process.run_here("index", folder, *QUESTION, "--home", home)
    assert again.returncode == 0, again.stderr
    assert content(home) == undisturbed
    assert_sound(home)


@pytest.mark.parametrize("name", [in_part(name) for name in WORKER])
def test_a_worker_that_is_killed_at_any_step_ends_no_night_and_its_file_has_a_reason(
    name: str, folder: Path, undisturbed: Mapping[str, list[str]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    # Each worker is given one of the two files, so what is done once a file is done once by it.
    at = 1 if name in ("worker:recognised", "worker:examined") else 2
    hit = night_process.run(
        "index", folder, *QUESTION, "--home", home, "--json", env=with_fault(f"{name}=kill@{at}")
    )
    told = json.loads(hit.stdout)
    assert told["ending"] == "complete", hit.stderr
    reasons = [file["reason"] for file in told["files"] if file["status"] == "failed"]
    assert reasons and all("ended by SIGKILL" in reason for reason in reasons), told

    again = night_process.run_here("index", folder, *QUESTION, "--home", home)
    assert again.returncode == 0, again.stderr
    assert content(home) == undisturbed
    assert_sound(home)


def test_a_fault_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"POINT=kill or POINT=disk-full.*commit:after-answers"):
        parse("commit:nowhere=kill")
    assert len(set(POINTS)) == len(POINTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["file:before-commit", "commit:after-answers", "vectors:after-write"])
def test_a_disk_that_is_full_at_a_step_is_one_sentence_and_the_next_run_goes_on(
    name: str, folder: Path, undisturbed: Mapping[str, list[str]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    full = night_process.run("index", folder, *QUESTION, "--home", home, env=with_fault(f"{name}=disk-full"))
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1].startswith("proofreel: ") and "the disk is full" in full.stderr
    assert "Traceback" not in full.stderr

    again = night_process.run_here("index", folder, *QUESTION, "--home", home)
    assert again.returncode == 0, again.stderr
    assert content(home) == undisturbed
    assert_sound(home)


REASONS = {
    "raise.recognise.mp4": "reading it failed: RuntimeError: it was told to",
    "raise.examine.mp4": "RuntimeError: it was told to; run the same command again",
    "raise.look.mp4": "at 0.0 s: RuntimeError: it was told to; run the same command again",
    "raise.clip.mp4": "at 2.0 s: RuntimeError: it was told to",
    "segv.recognise.mp4": "reading it failed: its process was ended by SIGSEGV",
    "segv.examine.mp4": "its process was ended by SIGSEGV; run the same command again",
    "segv.look.mp4": "at 0.0 s: its process was ended by SIGSEGV",
    "segv.clip.mp4": "at 2.0 s: its process was ended by SIGSEGV",
    "hang.recognise.mp4": "reading it failed: nothing came of it for 8 s, and its process was ended",
    "hang.clip.mp4": "at 2.0 s: nothing came of it for 8 s, and its process was ended",
    "eat.recognise.mp4": "reading it failed: MemoryError: Unable to allocate 1.00 TiB",
    "eat.clip.mp4": "at 2.0 s: MemoryError: Unable to allocate 1.00 TiB",
    "remove.examine.mp4": "there is no such file; check the path",
    "remove.clip.mp4": "can't be looked at (No such file or directory); it may have been moved",
    "grow.clip.mp4": "changed while it was being read; index it again when it is complete",
}
"""What is said of each bad file in the first run."""

GOOD = ("good.mp4", "two\nlines.mp4", "größe 映像.mp4", os.fsdecode(b"\xff\xfe.mp4"))
CHARGED = [name for name in REASONS if name.split(".")[0] in ("raise", "segv", "hang", "eat")]
BEGUN = [name for name in CHARGED if ".recognise." not in name]


def make(folder: Path, names: Mapping[str, int]) -> None:
    folder.mkdir()
    for name, number in names.items():
        lamp_clip(folder / name, seconds=4.0 + number / 10, lit=[(1.0, 2.5), (3.0, 3.2)])


@pytest.mark.slow
def test_bad_files_of_every_kind_stop_no_good_one_and_each_has_its_reason(tmp_path: Path) -> None:
    numbers = {name: number for number, name in enumerate((*GOOD, *REASONS))}
    make(tmp_path / "good", {name: numbers[name] for name in GOOD})
    folder, home = tmp_path / "mixed", tmp_path / "home"
    make(folder, numbers)
    (folder / "loop").symlink_to(folder, target_is_directory=True)

    def run(*more: str) -> dict[str, dict[str, Any]]:
        done = night_process.run("index", folder, "--home", home, "--json", *PATIENCE, *more)
        told = json.loads(done.stdout)
        assert done.returncode == 1 and told["ending"] == "complete", done.stderr
        return {Path(file["path"]).name: file for file in told["files"]}

    first = run()
    failed = {name: file["reason"] for name, file in first.items() if file["status"] == "failed"}
    assert failed.keys() == REASONS.keys()
    assert {name: failed[name] for name in REASONS if not failed[name].startswith(REASONS[name])} == {}
    assert sum(file["status"] == "indexed" for file in first.values()) == len(GOOD)
    assert_sound(home)

    second = run()
    assert all(second[name]["reason"].startswith("in quarantine after 2 attempts: ") for name in BEGUN)
    third = run()
    assert all(third[name]["reason"].startswith("in quarantine: ") for name in BEGUN)
    outcomes = [row["outcome"] for row in rows(home)["attempt"]]
    assert (outcomes.count("died"), outcomes.count("timed_out")) == (6, 2)
    assert_sound(home)
    assert_same_of_good(home, tmp_path / "good", quiet=tmp_path / "quiet")


def assert_same_of_good(home: Path, folder: Path, *, quiet: Path) -> None:
    """Of every good video there are exactly the moments and segments that a home with good ones alone has."""
    assert night_process.run_here("index", folder, "--home", quiet).returncode == 0
    for table in ("moment", "claim", "box", "answer", "coverage", "segment"):
        assert set(content(quiet)[table]) <= set(content(home)[table]), table
    hashes = {row["content_hash"] for row in rows(quiet)["video"]}
    ids = [row["id"] for row in rows(home)["video"] if row["content_hash"] in hashes]
    assert len(ids) == len(hashes)
    ours = [row for row in rows(home)["moment"] if row["video_id"] in ids]
    assert len(ours) == len(rows(quiet)["moment"])


@pytest.mark.slow
def test_workers_killed_at_random_moments_cost_attempts_and_no_rows(
    folder: Path, undisturbed: Mapping[str, list[str]], tmp_path: Path
) -> None:
    home, chance = tmp_path / "home", random.Random(5)
    for _ in range(2):
        driver = night_process.start("index", folder, *QUESTION, "--home", home, "--json", clip_s=0.6)
        before = num_answers(home)
        while driver.poll() is None and num_answers(home) == before:
            time.sleep(0.05)
        time.sleep(chance.uniform(0.0, 0.6))
        kill_a_worker(driver.pid, chance)
        out, err = driver.communicate()
        assert out, err
        assert json.loads(out)["ending"] == "complete", err
    assert any(row["outcome"] == "died" for row in rows(home)["attempt"])
    last = night_process.run_here("index", folder, *QUESTION, "--home", home, "--retry", "quarantined")

    assert last.returncode == 0, last.stderr
    assert content(home) == undisturbed
    assert_sound(home)


def num_answers(home: Path) -> int:
    return len(rows(home).get("answer", ())) if (home / "proofreel.db").exists() else 0


def kill_a_worker(pid: int, chance: random.Random) -> None:
    try:
        workers = [
            p for p in psutil.Process(pid).children() if "resource_tracker" not in " ".join(p.cmdline())
        ]
        if workers:
            chance.choice(workers).kill()
    except psutil.NoSuchProcess:
        return


@pytest.mark.slow
def test_of_two_drivers_at_once_one_works_and_the_other_is_told(
    folder: Path, undisturbed: Mapping[str, list[str]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    drivers = [night_process.start("index", folder, *QUESTION, "--home", home, clip_s=0.3) for _ in range(2)]
    told = [(*driver.communicate(timeout=60), driver.returncode) for driver in drivers]

    (refused,) = [err for _, err, code in told if code == 1]
    assert sorted(code for _, _, code in told) == [0, 1]
    assert refused.startswith("proofreel: another proofreel (process ")
    assert content(home) == undisturbed


@pytest.mark.slow
def test_a_clock_that_steps_back_a_day_changes_no_row(
    folder: Path, undisturbed: Mapping[str, list[str]], tmp_path: Path
) -> None:
    for steps in (0, 3, 6, 9):
        home = tmp_path / str(steps)
        environment = {**os.environ, night_process.CLOCK_STEPS_BACK: str(steps)}
        line = ("index", folder, *QUESTION, "--home", home)
        assert night_process.run(*line, env=environment).returncode == 0
        assert content(home) == undisturbed
        assert night_process.run_here(*line).returncode == 0
        assert content(home) == undisturbed
        assert_sound(home)


@pytest.mark.slow
def test_a_database_that_another_program_has_locked_for_a_while_is_waited_for(
    folder: Path, undisturbed: Mapping[str, list[str]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    Database.open(home, create=True).close()
    with closing(sqlite3.connect(home / "proofreel.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        driver = night_process.start("index", folder, *QUESTION, "--home", home)
        time.sleep(4.0)
        assert driver.poll() is None
        other.execute("ROLLBACK")
        _, err = driver.communicate(timeout=60)

    assert driver.returncode == 0, err
    assert content(home) == undisturbed


@pytest.mark.slow
def test_the_same_files_in_two_libraries_are_looked_at_once(
    folder: Path, undisturbed: Mapping[str, list[str]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    for name in ("default", "other"):
        line = ("index", folder, *QUESTION, "--home", home, "--library", name)
        assert night_process.run(*line).returncode == 0

    for table in ("segment", "answer", "moment", "claim", "embedding"):
        assert content(home)[table] == undisturbed[table]
    assert len(rows(home)["file"]) == 2 * len(undisturbed["file"])


@pytest.mark.slow
def test_a_library_of_ten_thousand_files_is_indexed_and_the_second_run_opens_none(tmp_path: Path) -> None:
    folder, home = tmp_path / "many", tmp_path / "home"
    folder.mkdir()
    clip = lamp_clip(tmp_path / "clip.mp4", seconds=1.0, lit=[(0.2, 0.6)]).read_bytes()
    for number in range(10_000):
        own = (number % 100).to_bytes(4, "big")  # a hundred contents, each a hundred times
        free = (8 + len(own)).to_bytes(4, "big") + b"free" + own
        (folder / f"{number:05}.mp4").write_bytes(clip + free)
    line = ("index", folder, "--home", home, "--json")
    totals = json.loads(night_process.run(*line, timeout_s=240).stdout)["totals"]
    again = json.loads(night_process.run(*line).stdout)["totals"]

    assert (totals["files"], totals["indexed"], totals["duplicate"]) == (10_000, 100, 9_900)
    assert (again["files"], again["unchanged"] + again["duplicate"]) == (10_000, 10_000)
    assert len(rows(home)["segment"]) == 100 and again["segments"] == 0
    assert_sound(home)
