"""Several `index` processes on one PostgreSQL database, and a server that goes away in the night."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from storage import Database
from storage.generations import verify
from storage.schema import Segment
from tests import night_process
from tests.dumping import rows
from tests.homes import on_server
from tests.lamps import lamp_clip
from tests.postgres import Server

pytestmark = pytest.mark.slow

NUM_CLIPS = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "videos"
    path.mkdir()
    for number in range(NUM_CLIPS):
        lamp_clip(path / f"{number}.mp4", seconds=5 + number / 4, lit=[(1.0, 2.5)])
    return path


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    document: dict[str, Any] = json.loads(out)
    return document


def counts(home: Path) -> Counter[str]:
    found = rows(home)
    return Counter(
        {name: len(found[name]) for name in ("video", "job", "segment", "answer", "moment", "claim")}
    )


def sound(home: Path) -> bool:
    """Every segment done and its rows there."""
    found = rows(home)
    return {row["state"] for row in found["segment"]} == {row["state"] for row in found["job"]} == {"done"}


def has_gone_on(home: Path, night: subprocess.Popen[Any]) -> bool:
    """Wait for the next segment; false when the night has ended before it."""
    before = num_done(home)
    while num_done(home) == before:
        if night.poll() is not None:
            return False
        time.sleep(0.05)
    return True


def num_done(home: Path) -> int:
    with Database.open(home) as db, db.reading() as session:
        return session.scalar(select(func.count()).where(Segment.state == "done")) or 0


def undisturbed(folder: Path, home: Path) -> Counter[str]:
    assert night_process.run("index", folder, "--home", home).returncode == 0
    return counts(home)


def test_two_drivers_share_the_work_and_do_none_of_it_twice(
    folder: Path, server_home: Path, tmp_path: Path
) -> None:
    drivers = [
        night_process.start("index", folder, "--home", server_home, "--json", clip_s=0.4) for _ in range(2)
    ]
    reports = [ended(driver) for driver in drivers]

    assert counts(server_home) == undisturbed(folder, tmp_path / "quiet")
    assert sound(server_home)
    with Database.open(server_home) as db:
        newest, *older = verify(db, server_home)
    assert (newest.num_newer, {verdict.state for verdict in (newest, *older)}) == (0, {"good"})
    done = [sum(file["status"] == "indexed" for file in report["files"]) for report in reports]
    assert sum(done) == NUM_CLIPS and min(done) > 0
    elsewhere = [f["reason"] for r in reports for f in r["files"] if f["status"] == "skipped"]
    assert elsewhere and all("another proofreel" in reason for reason in elsewhere)


def test_a_home_on_sqlite_has_one_driver_and_the_second_is_told_so(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = night_process.start("index", folder, "--home", home, "--json", clip_s=0.4)
    while not (home / "proofreel.db").exists():
        time.sleep(0.02)
    second = night_process.run("index", folder, "--home", home)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1 and "another proofreel (process" in second.stderr
    ended(first)


SHORT_LEASES = """
import sys
import storage.drivers
storage.drivers.LEASE_S = 2.0
from tests.night_process import main
main(["--clip-s=0.2", *sys.argv[1:]])
"""


def test_a_killed_drivers_work_is_taken_over_within_the_next_run(
    folder: Path, server_home: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", SHORT_LEASES, "index", folder, "--home", server_home, "--json"]
    with Database.open(server_home, create=True):
        pass
    killed = subprocess.Popen(command, cwd=night_process.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert has_gone_on(server_home, killed)
    killed.kill()
    killed.communicate()
    done = subprocess.run(command, cwd=night_process.ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert {file["status"] for file in json.loads(done.stdout)["files"]} <= {"indexed", "unchanged"}
    assert counts(server_home) == undisturbed(folder, tmp_path / "quiet")
    assert sound(server_home)


def test_a_server_that_dies_again_and_again_in_the_night_costs_no_row_and_doubles_none(
    folder: Path, tmp_path: Path
) -> None:
    """A commit that is cut off is made again; any other step may end the run, and the next one goes on."""
    server = Server()
    try:
        home = on_server(tmp_path / "home", server, database=server.create())
        Database.open(home, create=True).close()
        chance = random.Random(3)
        restarts, code = 0, 1
        while code != 0:
            night = night_process.start("index", folder, "--home", home, clip_s=0.2)
            while has_gone_on(home, night):
                time.sleep(chance.uniform(0.0, 0.3))
                server.stop("immediate")
                time.sleep(0.3)
                server.start()
                restarts += 1
            code = night.returncode
            said = night.communicate()[1].splitlines()
            assert code == 0 or "nothing is lost" in said[-1] or "can't be reached" in said[-1], said
        assert restarts > 1
        assert counts(home) == undisturbed(folder, tmp_path / "quiet")
        assert sound(home)
    finally:
        server.remove()
