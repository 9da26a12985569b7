"""Many writers, crashes and full disks: every update is kept, every segment is whole or absent."""

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import func, select, text

from grounding.errors import StorageError
from storage import Database, HomeLock, commit_segment
from storage.checking import check
from storage.schema import Answer, Claim, Embedding, Job, Library, Moment, Segment
from tests.rows import add_job, segment_rows

ROOT = Path(__file__).parents[3]
SPAWN = multiprocessing.get_context("spawn")

COMMIT_EVERYTHING = """
import sys
from pathlib import Path
from storage import Database, commit_segment, next_job
from tests.rows import segment_rows
with Database.open(Path(sys.argv[1])) as db:
    with db.writing() as session:
        job = next_job(session, video_id=1, run_id=1, windows=[])
    rows = {s.id: segment_rows(job.questions[0].id, num_moments=40, seed=s.position) for s in job.segments}
    print("ready", flush=True)
    for segment in job.segments:
        with db.writing() as session:
            assert commit_segment(session, segment.id, rows[segment.id])
"""


def increment(home: Path, times: int) -> None:
    """Read a number, wait, write it one higher: what loses updates when two do it at once."""
    with Database.open(home) as db:
        for _ in range(times):
            with db.writing() as session:
                number = session.scalar(text("SELECT size_bytes FROM file WHERE id = 1")) or 0
                time.sleep(0.0005)
                session.execute(text("UPDATE file SET size_bytes = :n WHERE id = 1"), {"n": number + 1})


def make_home(home: Path, *, num_segments: int = 3) -> list[int]:
    """A home with one pending job; gives its segments' ids."""
    with Database.open(home, create=True) as db, db.writing() as session:
        job = add_job(session, num_segments=num_segments)
        session.execute(text("UPDATE file SET size_bytes = 0"))
        return [segment.id for segment in job.segments]


def number_in(home: Path) -> int:
    with Database.open(home) as db, db.reading() as session:
        return int(session.scalar(text("SELECT size_bytes FROM file WHERE id = 1")) or 0)


def test_no_increment_is_lost_among_threads_and_processes(tmp_path: Path) -> None:
    make_home(tmp_path)
    processes = [SPAWN.Process(target=increment, args=(tmp_path, 40)) for _ in range(2)]
    threads = [threading.Thread(target=increment, args=(tmp_path, 40)) for _ in range(3)]
    for worker in (*processes, *threads):
        worker.start()
    for worker in (*processes, *threads):
        worker.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert number_in(tmp_path) == 200


def test_threads_that_share_one_database_lose_nothing_either(tmp_path: Path) -> None:
    make_home(tmp_path)
    with Database.open(tmp_path) as db:

        def work() -> None:
            for _ in range(30):
                with db.writing() as session:
                    number = session.scalar(text("SELECT size_bytes FROM file WHERE id = 1")) or 0
                    session.execute(text("UPDATE file SET size_bytes = :n WHERE id = 1"), {"n": number + 1})

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert number_in(tmp_path) == 120


def test_the_same_increments_are_lost_without_our_set_up(tmp_path: Path) -> None:
    """The control: two interleaved read-then-write transactions by SQLAlchemy's own SQLite set-up."""
    make_home(tmp_path)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'proofreel.db'}")
    with engine.connect() as one, engine.connect() as two:
        seen = [c.execute(text("SELECT size_bytes FROM file WHERE id = 1")).scalar_one() for c in (one, two)]
        for connection, number in zip((one, two), seen, strict=True):
            connection.execute(text("UPDATE file SET size_bytes = :n WHERE id = 1"), {"n": number + 1})
            connection.commit()
    engine.dispose()
    assert number_in(tmp_path) == 1


def test_two_writers_of_one_segment_have_one_winner(home: Path) -> None:
    segments = make_home(home, num_segments=12)
    wins: list[int] = []

    def work(seed: int) -> None:
        with Database.open(home) as db:
            for segment in segments:
                with db.writing() as session:
                    if commit_segment(session, segment, segment_rows(1, seed=seed)):
                        wins.append(segment)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == segments
    with Database.open(home) as db, db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Answer)) == len(segments)
        assert session.scalar(select(Job.state)) == "done"


def test_a_kill_at_any_moment_leaves_each_segment_whole_or_absent(home: Path) -> None:
    make_home(home, num_segments=400)
    chance = random.Random(5)
    done_before = -1
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", COMMIT_EVERYTHING, str(home)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.005, 0.12))
        writer.kill()
        writer.communicate()
        assert writer.returncode == -signal.SIGKILL
        with Database.open(home) as db:
            assert check(db).findings == ()
            with db.reading() as session:
                done = session.scalar(select(func.count()).where(Segment.state == "done")) or 0
                for table in (Moment, Embedding, Claim):
                    assert session.scalar(select(func.count()).select_from(table)) == 40 * done
        assert done >= max(done_before, 0)
        done_before = done
    assert 0 < done_before < 400


def test_an_error_in_a_transaction_takes_all_of_it_back(home: Path) -> None:
    segments = make_home(home)
    with Database.open(home) as db:
        with pytest.raises(RuntimeError, match="stop"), db.writing() as session:
            assert commit_segment(session, segments[0], segment_rows(1))
            raise RuntimeError("stop")
        with db.writing() as session:
            assert session.scalar(select(func.count()).select_from(Moment)) == 0
            assert commit_segment(session, segments[0], segment_rows(1))


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    segments = make_home(tmp_path)
    with Database.open(tmp_path) as db:
        with pytest.raises(StorageError, match="the disk is full"), db.writing() as session:
            pages = session.scalar(text("PRAGMA page_count"))
            session.execute(text(f"PRAGMA max_page_count = {pages}"))
            commit_segment(session, segments[0], segment_rows(1, num_moments=500))
        with db.reading() as session:
            assert session.scalar(select(func.count()).where(Segment.state == "done")) == 0
        assert check(db).findings == ()
    with Database.open(tmp_path) as db, db.writing() as session:
        assert commit_segment(session, segments[0], segment_rows(1, num_moments=500))


def test_a_reader_sees_one_snapshot_and_may_not_write(home: Path) -> None:
    make_home(home)
    with Database.open(home) as db:
        with db.reading() as reader:
            assert reader.scalar(select(func.count()).select_from(Library)) == 1
            with db.writing() as writer:
                writer.add(Library(name="other", created_at="now"))
            assert reader.scalar(select(func.count()).select_from(Library)) == 1
        with db.reading() as reader:
            assert reader.scalar(select(func.count()).select_from(Library)) == 2
        with pytest.raises(StorageError, match="can't be written"), db.reading() as reader:
            reader.execute(text("DELETE FROM library"))


def test_foreign_keys_are_enforced(home: Path) -> None:
    make_home(home)
    with Database.open(home) as db, pytest.raises(sa.exc.IntegrityError), db.writing() as session:
        session.execute(text("DELETE FROM video"))


def use_after_fork(db: Database, answers: "multiprocessing.Queue[str]") -> None:
    try:
        with db.reading():
            answers.put("used")
    except StorageError as error:
        answers.put(str(error))


def test_a_database_is_not_carried_across_a_fork(home: Path) -> None:
    make_home(home)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    with Database.open(home) as db:
        child = fork.Process(target=use_after_fork, args=(db, answers))
        child.start()
        answer = answers.get(timeout=30)
        child.join()
    assert "before a fork" in answer


def test_a_second_indexer_is_told_who_holds_the_home(tmp_path: Path) -> None:
    hold = "import sys,time\nfrom pathlib import Path\nfrom storage import HomeLock\n"
    hold += "lock = HomeLock(Path(sys.argv[1]))\nprint('held', flush=True)\ntime.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(StorageError, match=f"process {holder.pid}"):
        HomeLock(tmp_path)
    holder.kill()
    holder.communicate()
    with HomeLock(tmp_path), pytest.raises(StorageError, match="another proofreel"):
        HomeLock(tmp_path)
    HomeLock(tmp_path).close()


FORK_AND_DIE = """
import os, sys, time
from pathlib import Path
from storage import HomeLock
lock = HomeLock(Path(sys.argv[1]))
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""


def test_a_forked_child_that_outlives_its_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORK_AND_DIE, str(tmp_path)]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    with pytest.raises(StorageError, match=f"process {parent.pid}"):
        HomeLock(tmp_path)
    parent.kill()
    parent.wait()
    HomeLock(tmp_path).close()
    os.kill(child, signal.SIGKILL)
    parent.stdout.close()


def test_a_disk_too_full_for_the_lock_is_told_and_leaves_it_free(tmp_path: Path) -> None:
    code = "import resource, sys\nfrom pathlib import Path\nfrom storage import HomeLock\n"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    code += "HomeLock(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert "StorageError" in done.stderr.splitlines()[-1], done.stderr
    HomeLock(tmp_path).close()


def test_many_processes_may_make_one_home_at_once(tmp_path: Path) -> None:
    make = "import sys\nfrom pathlib import Path\nfrom storage import Database\n"
    make += "Database.open(Path(sys.argv[1]), create=True).close()"
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", make, str(tmp_path / "home")], cwd=ROOT, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    assert [(maker.communicate()[1], maker.returncode) for maker in makers] == [(b"", 0)] * 4
    with sqlite3.connect(tmp_path / "home" / "proofreel.db") as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    connection.close()
