from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import night_process
from tests.dumping import content, rows
from tests.lamps import lamp_clip

NUM_KILLS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "videos"
    path.mkdir()
    for number, name in enumerate("abc"):
        lamp_clip(path / f"{name}.mp4", seconds=6 + number, lit=[(1.0, 2.5), (5.0, 5.5 + number / 10)])
    return path


def undisturbed(folder: Path, home: Path) -> dict[str, list[str]]:
    done = night_process.run("index", folder, "--home", home)
    assert done.returncode == 0, done.stderr
    return content(home)


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_the_rows_are_those_of_an_undisturbed_run(
    folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "killed"
    chance = random.Random(7)
    for _ in range(NUM_KILLS):
        process = night_process.start("index", folder, "--home", home, clip_s=0.15)
        time.sleep(chance.uniform(0.6, 2.6))
        process.kill()
        process.communicate()
    done = night_process.run("index", folder, "--home", home)

    assert done.returncode == 0, done.stderr
    assert content(home) == undisturbed(folder, tmp_path / "quiet")
    with_vectors = rows(home)["vector_generation"]
    assert with_vectors and max(g["num_vectors"] for g in with_vectors) == len(rows(home)["embedding"])


@pytest.mark.slow
def test_killed_at_random_moments_all_that_was_asked_is_pending_or_done(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "killed"
    assert night_process.run("index", folder, "--home", home).returncode == 0
    chance = random.Random(11)
    seconds = 6.0 + 7.0 + 8.0
    planned = 0
    for _ in range(NUM_KILLS):
        process = night_process.start("index", folder, "-q", "is a lamp lit?", "--home", home, clip_s=0.3)
        time.sleep(chance.uniform(0.6, 2.6))
        process.kill()
        process.communicate()
        found = rows(home)
        jobs = {job["id"] for job in found["job"][3:]}
        done_s = sum(
            s["end_s"] - s["start_s"]
            for s in found["segment"]
            if s["job_id"] in jobs and s["state"] == "done"
        )
        if jobs:
            planned += 1
            status = json.loads(night_process.run("status", "--home", home, "--json").stdout)
            assert status["pending_seconds"] == pytest.approx(seconds - done_s)
    assert planned > NUM_KILLS / 2
    done = json.loads(night_process.run("index", folder, "--home", home, "--json").stdout)
    assert done["totals"]["pending_seconds"] == 0.0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_after_the_present_segment_and_the_next_run_goes_on(
    folder: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    home = tmp_path / "stopped"
    process = night_process.start("index", folder, "--home", home, clip_s=0.5)
    wait_for_segment(home, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert process.returncode == code, err
    assert "finishing the present segment" in err
    assert "the same command goes on from here" in out
    assert "Traceback" not in err
    states = [row["state"] for row in rows(home)["segment"]]
    assert "done" in states and "pending" in states
    assert night_process.run("index", folder, "--home", home).returncode == 0
    assert content(home) == undisturbed(folder, tmp_path / "quiet")


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.3, 0.6, 1.0])
def test_ctrl_c_on_a_terminal_reaches_workers_that_are_starting_too_and_they_leave_it_to_the_driver(
    folder: Path, tmp_path: Path, delay_s: float
) -> None:
    home = tmp_path / "stopped"
    process = night_process.start("index", folder, "--home", home, clip_s=0.5, start_new_session=True)
    while process.poll() is None and not (home / "proofreel.lock").exists():
        time.sleep(0.01)
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130, err
    assert "Traceback" not in err and "KeyboardInterrupt" not in err
    assert "the same command goes on from here" in out
    assert night_process.run_here("index", folder, "--home", home).returncode == 0
    night_process.run_here("index", folder, "--home", tmp_path / "quiet")
    assert content(home) == content(tmp_path / "quiet")


def wait_for_segment(home: Path, process: subprocess.Popen[str]) -> None:
    """Until the first segment is committed."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if (home / "proofreel.db").exists() and _has_answers(home):
            return
        time.sleep(0.05)
    raise AssertionError(f"no segment was committed: {process.communicate()}")


def _has_answers(home: Path) -> bool:
    return bool(rows(home).get("answer"))
