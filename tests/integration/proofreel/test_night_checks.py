"""Doctor says whether a night could start, and why not."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from proofreel.check import Check
from proofreel.night_checks import night_checks
from storage import HomeLock
from storage.lock import holder
from tests.lamps import Night, lamp_clip

ROOT = Path(__file__).resolve().parents[3]


def by_name(home: Path) -> dict[str, Check]:
    return {check.name: check for check in night_checks(home)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home after one night."""
    (tmp_path / "videos").mkdir()
    lamp_clip(tmp_path / "videos" / "a.mp4", seconds=1.0)
    Night(home=tmp_path / "home").run(tmp_path / "videos")
    return tmp_path / "home"


def test_a_sound_home_is_ready_and_nothing_is_left_in_it(home: Path) -> None:
    before = sorted(home.iterdir())
    checks = by_name(home)
    assert {name: check.status for name, check in checks.items()} == dict.fromkeys(
        ("writing", "lock", "clock", "last night"), "ok"
    )
    assert checks["lock"].found == "free; an index can start"
    assert checks["last night"].found.startswith("complete at ")
    assert sorted(home.iterdir()) == before


def test_who_holds_the_lock_is_named_and_may_go_on(home: Path) -> None:
    with HomeLock(home):
        for _ in range(2):  # asking takes nothing away
            assert by_name(home)["lock"].found == f"held by process {os.getpid()}: an index is running"
    assert by_name(home)["lock"].found == "free; an index can start"


def test_asking_for_the_lock_never_keeps_an_index_from_it(home: Path) -> None:
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            holder(home)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(200):
            HomeLock(home).close()
    finally:
        stop.set()
        asking.join()


def test_a_clock_that_was_set_back_is_a_problem(home: Path) -> None:
    with closing(sqlite3.connect(home / "proofreel.db")) as connection, connection:
        connection.execute("UPDATE segment SET committed_at = '2099-01-01T00:00:00.000000Z'")
    clock = by_name(home)["clock"]
    assert clock.status == "problem" and "2099-01-01 00:00 (UTC)" in clock.found


def test_a_night_that_was_killed_is_told(home: Path) -> None:
    with closing(sqlite3.connect(home / "proofreel.db")) as connection, connection:
        connection.execute("UPDATE night SET ended_at = NULL, ending = NULL")
    last = by_name(home)["last night"]
    assert last.status == "problem" and last.found.startswith("killed at ")


def test_a_home_that_cannot_be_written_is_a_problem_also_for_root(tmp_path: Path) -> None:
    folder = tmp_path / "shut"
    folder.mkdir(mode=0o555)
    code = (
        "import pathlib, sys; from proofreel.night_checks import night_checks\n"
        "check = night_checks(pathlib.Path(sys.argv[1]))[0]; print(check.status, check.found)"
    )
    without_root_s_powers = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    without_root_s_powers += ["--inh-caps", "-dac_override,-dac_read_search"]
    done = subprocess.run(
        [*without_root_s_powers, sys.executable, "-c", code, str(folder / "home")],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("problem ") and "Permission denied" in done.stdout


def test_before_the_first_index_only_writing_is_asked_for(tmp_path: Path) -> None:
    assert {name: check.status for name, check in by_name(tmp_path / "home").items()} == {"writing": "ok"}
    assert not (tmp_path / "home").exists()
