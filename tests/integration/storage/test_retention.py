"""Retention: rows, vectors and pictures of old footage go together, and what people ruled on stays."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage import Database, FileFacts, commit_segment, ensure_library, prune, record_file, video_of_content
from storage.checking import check
from storage.generations import build_generation, verify
from storage.retention import Retention
from storage.thumbnails import thumbnail_path
from tests.dumping import rows
from tests.rows import EMBEDDER, add_job, add_video, segment_rows

NOW = datetime.now(UTC)
DAY_NS = 86_400 * 10**9
NOW_NS = int(NOW.timestamp()) * 10**9


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """Two videos of two committed segments and a pending one each: "old" of 100 days, "new" of 10."""
    with Database.open(tmp_path, create=True) as db:
        for content, days in (("old", 100), ("new", 10)):
            add(db, content, days=days)
        build_generation(db, db.home, embedder=EMBEDDER)
        for row in rows(tmp_path)["moment"]:
            picture = thumbnail_path(tmp_path, row["id"])
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(b"JPEG")
        yield db


def add(db: Database, content: str, *, days: float, library: str = "docks") -> None:
    with db.writing() as session:
        job = add_job(session, content, library=library)
        for segment in job.segments[:2]:
            commit_segment(session, segment.id, segment_rows(job.questions[0].id, window=segment.window))
    put(db, content, days=days, library=library)


def put(db: Database, content: str, *, days: float, library: str = "docks", path: str | None = None) -> None:
    """A path of this content in a library, last modified so many days ago."""
    with db.writing() as session:
        facts = FileFacts(
            path=path or f"/v/{content}.mp4",
            size_bytes=1,
            mtime_ns=NOW_NS - int(days * DAY_NS),
            video_id=video_of_content(session, f"hash-{content}"),
        )
        record_file(session, facts, library_id=ensure_library(session, library))


def keeping(days: float = 90, library: str = "docks") -> Retention:
    return Retention.of(library, days=days, at=NOW)


def assert_agrees(db: Database) -> None:
    """Every row has its parents, the vector index holds what SQL has, and each picture is of a moment."""
    assert check(db).findings == ()
    assert [(v.state, v.num_newer, v.num_deleted) for v in verify(db, db.home)] == [("good", 0, 0)]
    assert pictures(db) == {row["id"] for row in rows(db.home)["moment"]}


def pictures(db: Database) -> set[int]:
    return {int(path.stem) for path in (db.home / "thumbnails").rglob("*.jpg")}


def contents(db: Database) -> set[str]:
    return {row["content_hash"].removeprefix("hash-") for row in rows(db.home)["video"]}


def test_all_that_was_made_of_old_footage_goes_and_nothing_of_the_rest(db: Database) -> None:
    everything = rows(db.home)

    pruned = prune(db, [keeping()])

    assert (pruned.files, pruned.videos, pruned.seconds, pruned.moments) == (1, 1, 60.0, 4)
    assert (pruned.kept_moments, pruned.thumbnails) == (0, 4)
    assert contents(db) == {"new"}
    left = rows(db.home)
    halved = ("file", "video", "job", "job_question", "segment", "answer", "coverage", "track", "screen_text",
              "moment", "claim", "box", "embedding")  # fmt: skip
    assert {t: len(left[t]) * 2 for t in halved} == {t: len(everything[t]) for t in halved}
    assert_agrees(db)


def test_a_dry_run_says_the_same_and_changes_nothing(db: Database) -> None:
    before = rows(db.home)
    would = prune(db, [keeping()], dry_run=True)
    assert rows(db.home) == before and len(pictures(db)) == 8
    done = prune(db, [keeping()])
    assert (would.files, would.videos, would.moments) == (done.files, done.videos, done.moments)


def test_a_second_time_there_is_nothing_left_to_delete(db: Database) -> None:
    prune(db, [keeping()])
    before = rows(db.home)
    again = prune(db, [keeping()])
    assert (again.files, again.videos, again.moments, again.thumbnails) == (0, 0, 0, 0)
    assert rows(db.home) == before


@pytest.mark.parametrize("step", ["stale_embedders", "build_generation", "sweep"])
def test_a_crash_half_way_is_put_right_by_the_next_run(
    db: Database, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"storage.retention.{step}", crash)
        with pytest.raises(KeyboardInterrupt):
            prune(db, [keeping()])
    assert contents(db) == {"new"} and len(pictures(db)) == 8

    prune(db, [keeping()])
    assert_agrees(db)


def test_a_crash_between_two_videos_leaves_each_whole_or_gone(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(db, "older", days=200)
    build_generation(db, db.home, embedder=EMBEDDER)
    writing, calls = db.writing, iter(range(10))

    def crashing() -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return writing()

    with monkeypatch.context() as patch:
        patch.setattr(db, "writing", crashing)
        with pytest.raises(KeyboardInterrupt):
            prune(db, [keeping()])
    assert contents(db) == {"new", "older"} and check(db).findings == ()
    assert len([row for row in rows(db.home)["moment"]]) == 8
    prune(db, [keeping()])
    assert contents(db) == {"new"}
    assert_agrees(db)


def test_a_video_that_another_library_keeps_stays_and_only_the_path_goes(db: Database) -> None:
    put(db, "old", days=100, library="cases", path="/cases/7.mp4")

    pruned = prune(db, [keeping()])

    assert (pruned.files, pruned.videos, pruned.moments) == (1, 0, 0)
    assert contents(db) == {"new", "old"}
    assert {row["path"] for row in rows(db.home)["file"]} == {"/v/new.mp4", "/cases/7.mp4"}
    prune(db, [keeping(), keeping(library="cases")])
    assert contents(db) == {"new"}
    assert_agrees(db)


def test_a_copy_that_is_young_enough_keeps_the_video(db: Database) -> None:
    put(db, "old", days=10, path="/v/copy.mp4")
    assert prune(db, [keeping()]).videos == 0
    assert contents(db) == {"new", "old"}


def test_footage_that_a_camera_wrote_over_goes_once_every_library_would_have_given_it_up(
    db: Database,
) -> None:
    with db.writing() as session:
        add_video(session, "next")
        session.execute(sa.text("UPDATE video SET created_at = '2026-01-01T00:00:00Z' WHERE id = 1"))
    put(db, "next", days=1, path="/v/old.mp4", library="docks")

    assert prune(db, [keeping()]).videos == 0, "a library without a retention is there"
    with db.writing() as session:
        session.execute(sa.text("DELETE FROM file WHERE library_id <> 1"))
        session.execute(sa.text("DELETE FROM library WHERE id <> 1"))
    assert prune(db, [keeping()]).videos == 1
    assert contents(db) == {"new", "next"}


def test_what_people_ruled_on_stays_with_all_that_it_stands_on(db: Database) -> None:
    with db.writing() as session:
        session.execute(
            sa.text(
                "CREATE TABLE review (id INTEGER PRIMARY KEY,"
                " moment_id INTEGER NOT NULL REFERENCES moment (id), verdict TEXT)"
            )
        )
        session.execute(sa.text("INSERT INTO review (moment_id, verdict) VALUES (1, 'confirmed')"))

    pruned = prune(db, [keeping()])

    assert (pruned.files, pruned.videos, pruned.moments, pruned.kept_moments) == (0, 0, 2, 2)
    assert contents(db) == {"new", "old"}
    left = rows(db.home)
    old = next(row["id"] for row in left["video"] if row["content_hash"] == "hash-old")
    (job,) = [row for row in left["job"] if row["video_id"] == old]
    (segment,) = [row for row in left["segment"] if row["job_id"] == job["id"]]
    assert (job["state"], segment["state"], segment["start_s"]) == ("done", "done", 0.0)
    assert {row["id"] for row in left["moment"] if row["video_id"] == old} == {1, 2}
    assert len([row for row in left["coverage"] if row["segment_id"] == segment["id"]]) == 1
    assert "/v/old.mp4" in {row["path"] for row in left["file"]}
    assert_agrees(db)
    assert prune(db, [keeping()]).moments == 0


def test_without_any_moment_left_there_is_no_vector_index_left(db: Database) -> None:
    prune(db, [keeping(1)])
    assert contents(db) == set() and verify(db, db.home) == [] and pictures(db) == set()
    assert list((db.home / "vectors").iterdir()) == []


def test_a_library_that_was_never_indexed_has_nothing_to_delete(db: Database) -> None:
    assert prune(db, [keeping(library="elsewhere")]).videos == 0


@pytest.mark.slow
def test_killed_at_random_moments_and_run_again_it_agrees_with_itself(db: Database, tmp_path: Path) -> None:
    for number in range(60):
        add(db, f"old{number}", days=200)
    build_generation(db, db.home, embedder=EMBEDDER)
    settings = tmp_path / "proofreel.toml"
    settings.write_text('home = "."\n[libraries.docks]\npaths = ["x"]\nretention_days = 60\n')
    command = [sys.executable, "-m", "proofreel", "db", "prune", "--config", str(settings)]
    chance = random.Random(3)
    for _ in range(8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0.5, 2.5))
        process.kill()
        process.communicate()
        assert check(db).findings == ()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert contents(db) <= {"new", "old"} and "new" in contents(db)
    assert_agrees(db)
