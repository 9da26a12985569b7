"""Several drivers in one PostgreSQL database: each job has one of them at a time, whatever becomes of it."""

import multiprocessing
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from storage import (
    Database,
    Driver,
    Lease,
    LeaseLost,
    claim,
    commit_segment,
    ensure_run,
    next_job,
    owner_of,
    plan_jobs,
    quarantine_job,
    release,
    renew,
)
from storage.checking import check
from storage.schema import Answer, Job, JobQuestion, Moment, Question, Video
from tests.rows import DESCRIBE, WINDOW, add_job, add_video, segment_rows

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SPAWN = multiprocessing.get_context("spawn")
HELMET = ("free_form", "is anyone without a helmet?")


@pytest.fixture
def db(server_home: Path) -> Iterator[Database]:
    with Database.open(server_home, create=True) as db:
        yield db


def claimed(db: Database, owner: str = "a", **how: Any) -> list[Lease]:
    with db.writing() as session:
        return claim(session, run_id=1, owner=owner, **how)


def many_jobs(db: Database, count: int) -> list[int]:
    """`count` videos with a pending job each under run 1; gives the jobs' ids."""
    with db.writing() as session:
        run_id = ensure_run(session, fingerprint="f1", engine="spotter", config={})
        values = {"container": "", "codec": "", "width": 1, "height": 1, "rotation": 0, "time_base_num": 1}
        values |= {"time_base_den": 1, "start_s": 0.0, "end_s": 60.0, "num_frames": 1, "has_audio": False}
        values |= {"created_at": "", "size_bytes": 1, "recorded_at": None}
        session.execute(insert(Video), [{"content_hash": f"{i}", **values} for i in range(count)])
        plan_jobs(session, session.scalars(select(Video.id)).all(), run_id=run_id, questions=[DESCRIBE])
        return sorted(session.scalars(select(Job.id)))


def claim_everything(home: Path, owner: str, claims: "multiprocessing.Queue[tuple[str, list[int]]]") -> None:
    with Database.open(home) as db:
        while leases := claimed(db, owner, most=7):
            claims.put((owner, [lease.job_id for lease in leases]))
    claims.put((owner, []))


def test_eight_drivers_claim_ten_thousand_jobs_and_none_twice(db: Database) -> None:
    jobs = many_jobs(db, 10_000)
    claims = SPAWN.Queue()
    drivers = [SPAWN.Process(target=claim_everything, args=(db.home, f"d{i}", claims)) for i in range(8)]
    for driver in drivers:
        driver.start()
    of: Counter[str] = Counter()
    taken: list[int] = []
    ended = 0
    while ended < 8:
        owner, job_ids = claims.get(timeout=60)
        taken += job_ids
        of[owner] += len(job_ids)
        ended += not job_ids
    for driver in drivers:
        driver.join()
    assert sorted(taken) == jobs
    assert len(+of) > 1, "one driver claimed all before another began: nothing was tried"
    with db.reading() as session:
        kept = Counter(session.scalars(select(Job.lease_owner)))
    assert kept == +of


def test_what_is_claimed_is_passed_over_until_it_is_given_back(db: Database) -> None:
    many_jobs(db, 3)
    ours = claimed(db, most=2)
    (rest,) = claimed(db, "b", most=9)
    assert claimed(db, "c", most=9) == []
    with db.writing() as session:
        assert owner_of(session, video_id=rest.video_id, run_id=1) == "b"
        assert release(session, ours[:1]) == 1
        assert release(session, ours[:1]) == 0
    assert [lease.job_id for lease in claimed(db, "c", most=9)] == [ours[0].job_id]


def test_only_jobs_that_wait_under_the_run_and_were_asked_for_are_claimed(db: Database) -> None:
    jobs = many_jobs(db, 4)
    with db.writing() as session:
        quarantine_job(session, jobs[0], reason="it died")
        assert claim(session, run_id=2, owner="a", most=9) == []
        assert [lease.job_id for lease in claim(session, run_id=1, owner="a", job_ids=jobs[:2], most=9)] == [
            jobs[1]
        ]
        (of_video,) = claim(session, run_id=1, owner="a", video_ids=[jobs[3]], most=9)
        assert of_video.video_id == jobs[3]


def test_a_driver_that_was_not_heard_of_loses_its_job_and_writes_nothing(db: Database) -> None:
    with db.writing() as session:
        job = add_job(session)
    segment, rows = job.segments[0].id, segment_rows(job.questions[0].id)
    (late,) = claimed(db, duration_s=0.1)
    time.sleep(0.2)
    (now,) = claimed(db, "b")
    with pytest.raises(LeaseLost, match="taken over by another proofreel"), db.writing() as session:
        commit_segment(session, segment, rows, lease=late)
    with pytest.raises(LeaseLost), db.writing() as session:
        next_job(session, video_id=job.video_id, run_id=job.run_id, windows=[WINDOW], lease=late)
    with db.writing() as session:
        assert (renew(session, [late]), release(session, [late])) == ([], 0)
        assert session.scalar(select(func.count()).select_from(Answer)) == 0
        assert commit_segment(session, segment, rows, lease=now)
    assert check(db).findings == ()


def test_a_lease_that_ran_out_is_still_good_while_nobody_has_taken_the_job(db: Database) -> None:
    with db.writing() as session:
        job = add_job(session)
    leases = claimed(db, duration_s=0.05)
    time.sleep(0.1)
    with db.writing() as session:
        assert commit_segment(session, job.segments[0].id, segment_rows(1), lease=leases[0])
        (renewed,) = renew(session, leases)
    assert renewed.until_s > leases[0].until_s + 30
    assert claimed(db, "b") == []


def test_a_job_that_ended_has_no_lease(db: Database) -> None:
    with db.writing() as session:
        job = add_job(session, num_segments=1)
        (lease,) = claim(session, run_id=job.run_id, owner="a")
        commit_segment(session, job.segments[0].id, segment_rows(1), lease=lease)
        assert session.execute(select(Job.state, Job.lease_owner)).one() == ("done", None)


def test_a_last_commit_that_came_through_and_is_made_again_is_no_lost_lease(db: Database) -> None:
    """As after a connection that was cut off before the answer: the job is done and has no lease now."""
    with db.writing() as session:
        job = add_job(session, num_segments=1)
    (lease,) = claimed(db)
    made = [
        db.write(lambda session: commit_segment(session, job.segments[0].id, segment_rows(1), lease=lease))
        for _ in range(2)
    ]
    assert made == [True, False]


def test_the_databases_clock_decides_and_not_that_of_a_machine(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_jobs(db, 1)
    with monkeypatch.context() as wrong:
        wrong.setattr(time, "time", lambda: 0.0)
        wrong.setattr("storage.clock.now", lambda: "1970-01-01T00:00:00.000000Z")
        (ours,) = claimed(db, duration_s=30.0)
    assert ours.until_s == pytest.approx(time.time() + 30.0, abs=5.0)
    assert claimed(db, "b") == []


def test_a_driver_keeps_its_jobs_while_it_lives(db: Database) -> None:
    many_jobs(db, 1)
    with Driver(db, duration_s=0.6) as driver:
        (lease,) = driver.claim(run_id=1)
        for _ in range(8):
            time.sleep(0.2)
            assert claimed(db, "b") == []
        assert driver.owner_of(video_id=lease.video_id, run_id=1) == driver.owner
    assert [lease.job_id for lease in claimed(db, "b")] == [lease.job_id]


HOLD = """
import sys, time
from pathlib import Path
from storage import Database, Driver
with Database.open(Path(sys.argv[1])) as db, Driver(db, duration_s=1.0) as driver:
    driver.claim(run_id=1)
    print("claimed", flush=True)
    time.sleep(60)
"""


def test_a_killed_drivers_job_is_free_once_its_lease_has_run_out(db: Database) -> None:
    many_jobs(db, 1)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, db.home], cwd=ROOT, stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"claimed\n"
    time.sleep(1.2)
    assert claimed(db, "b") == []
    holder.kill()
    holder.communicate()
    time.sleep(1.1)
    assert len(claimed(db, "b")) == 1


def test_of_jobs_elsewhere_those_of_dead_drivers_are_told_from_those_of_living_ones(db: Database) -> None:
    many_jobs(db, 4)
    with Driver(db, duration_s=0.6) as living, Driver(db, duration_s=0.6) as waiting:
        (kept,) = living.claim(run_id=1)
        (given_back,) = living.claim(run_id=1)
        (dead,) = claimed(db, "dead", duration_s=0.6)
        living.release(given_back)
        videos = {kept.video_id, given_back.video_id, dead.video_id}
        gone = waiting.outlived(videos, run_id=1, stopped=lambda: False)
        assert gone == {given_back.video_id, dead.video_id}
        assert waiting.outlived([kept.video_id], run_id=1, stopped=lambda: True) == set()


def test_moments_become_visible_in_the_order_of_their_ids(db: Database) -> None:
    """A vector index covers everything up to an id: what came below it later would never be found."""
    with db.writing() as session:
        one, other = add_job(session, "a"), add_job(session, "b")
    seen: list[list[int]] = []

    def commit_other() -> None:
        with db.writing() as session:
            commit_segment(session, other.segments[0].id, segment_rows(1, seed=1))
        with db.reading() as session:
            seen.append(list(session.scalars(select(Moment.id).order_by(Moment.id))))

    second = threading.Thread(target=commit_other)
    with db.writing() as session:
        commit_segment(session, one.segments[0].id, segment_rows(1))
        second.start()
        second.join(timeout=0.5)
        assert second.is_alive(), "the second commit must wait for the first"
    second.join()
    assert seen == [[1, 2, 3, 4]]


def test_two_commits_at_once_that_are_both_the_last_set_the_job_done(db: Database) -> None:
    with db.writing() as session:
        job = add_job(session, num_segments=2)
    first, last = (segment.id for segment in job.segments)

    def commit_last() -> None:
        with db.writing() as session:
            assert commit_segment(session, last, segment_rows(1, seed=1))

    other = threading.Thread(target=commit_last)
    with db.writing() as session:
        assert commit_segment(session, first, segment_rows(1))
        other.start()
        other.join(timeout=0.3)
    other.join()
    with db.reading() as session:
        assert session.scalar(select(Job.state)) == "done"


def plan_everything(home: Path, number: int) -> None:
    with Database.open(home) as db:
        for content in map(str, range(30)):
            with db.writing() as session:
                video_id = add_video(session, content)
                run_id = ensure_run(session, fingerprint="f1", engine="spotter", config={})
                asked = [DESCRIBE, HELMET] if number % 2 else [HELMET]
                plan_jobs(session, [video_id], run_id=run_id, questions=asked)


def test_drivers_that_find_and_plan_the_same_files_at_once_make_each_of_them_once(db: Database) -> None:
    planners = [SPAWN.Process(target=plan_everything, args=(db.home, number)) for number in range(4)]
    for planner in planners:
        planner.start()
    for planner in planners:
        planner.join()
    assert [planner.exitcode for planner in planners] == [0] * 4
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Video)) == 30
        asked = session.execute(
            select(Job.video_id, Question.text)
            .join(JobQuestion, JobQuestion.job_id == Job.id)
            .join(Question, Question.id == JobQuestion.question_id)
        ).all()
    assert len(asked) == len(set(asked)) == 60
    assert check(db).findings == ()


def test_a_question_never_joins_a_job_that_another_driver_is_beginning(db: Database) -> None:
    """It would be asked of the segments to come, and never of those that are done."""
    (job_id,) = many_jobs(db, 1)

    def ask_more() -> None:
        with db.writing() as session:
            plan_jobs(session, [1], run_id=1, questions=[DESCRIBE, HELMET])

    planner = threading.Thread(target=ask_more)
    with db.writing() as session:
        (lease,) = claim(session, run_id=1, owner="a")
        begun = next_job(session, video_id=1, run_id=1, windows=[WINDOW], lease=lease)
        planner.start()
        planner.join(timeout=0.3)
    planner.join()
    with db.reading() as session:
        asked = session.execute(select(JobQuestion.job_id, JobQuestion.question_id)).all()
    assert begun is not None
    assert [question for job, question in asked if job == job_id] == [q.id for q in begun.questions]
    assert len(asked) == 2
