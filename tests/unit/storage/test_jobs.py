"""What is planned, resumed, committed, retried: nothing twice, nothing lost."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grounding.evidence import Box, Span
from storage import (
    AnswerRow,
    ClaimRow,
    Database,
    FileFacts,
    SegmentRows,
    commit_segment,
    ensure_library,
    ensure_run,
    ensure_video,
    known_files,
    mark_missing,
    next_job,
    plan_jobs,
    quarantine_job,
    question_set_hash,
    record_attempt,
    record_file,
    retry_quarantined,
)
from storage.jobs import cost_rate, split_segment
from storage.schema import Base, BoxRow, Claim, Embedding, Job, Moment, Segment, TrackRow, Video
from tests.rows import DESCRIBE, add_job, add_video, plan_job, segment_rows, unit_vectors, video_facts

HELMET = ("free_form", "is anyone without a helmet?")
WHEN = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def session(home: Path) -> Iterator[Session]:
    with Database.open(home, create=True) as db, db.writing() as session:
        yield session


def count(session: Session, table: type[Base]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def finish(session: Session, job_id: int, question_ids: list[int]) -> None:
    for segment_id in session.scalars(select(Segment.id).where(Segment.job_id == job_id)).all():
        answers = [AnswerRow(question_id=id, raw="", text="") for id in question_ids]
        assert commit_segment(session, segment_id, SegmentRows(answers=answers, coverage=[]))


def test_the_same_content_is_one_video(session: Session) -> None:
    assert ensure_video(session, video_facts("a")) == ensure_video(session, video_facts("a"))
    assert ensure_video(session, video_facts("b")) != ensure_video(session, video_facts("a"))
    assert count(session, Video) == 2


def test_a_scan_knows_what_the_last_one_recorded(session: Session) -> None:
    library_id = ensure_library(session, "default")
    video_id = ensure_video(session, video_facts())
    names = [b"/v/\xff.mp4", "/v/line\nbreak.mp4", "/v/notes.txt"]
    for name in names[:2]:
        record_file(
            session,
            FileFacts(path=name, size_bytes=1 << 40, mtime_ns=5, video_id=video_id),
            library_id=library_id,
        )
    facts = FileFacts(path=names[2], size_bytes=3, mtime_ns=6, video_id=None, reason="no video")
    record_file(session, facts, library_id=library_id)
    known = known_files(session, library_id)
    assert set(known) == {"/v/\udcff.mp4", "/v/line\nbreak.mp4", "/v/notes.txt"}
    assert known["/v/\udcff.mp4"].size_bytes == 1 << 40
    assert known["/v/notes.txt"].reason == "no video"


def test_a_missing_file_is_marked_once_and_found_again(session: Session) -> None:
    add_video(session, "a")
    library_id = ensure_library(session, "default")
    assert mark_missing(session, ["/v/a.mp4", "/v/never.mp4"], library_id=library_id) == 1
    assert mark_missing(session, ["/v/a.mp4"], library_id=library_id) == 0
    assert known_files(session, library_id)["/v/a.mp4"].missing_since is not None
    add_video(session, "a")
    assert known_files(session, library_id)["/v/a.mp4"].missing_since is None


def test_a_file_without_a_video_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        FileFacts(path="/v/a", size_bytes=1, mtime_ns=1, video_id=None)


def test_the_order_of_questions_does_not_change_their_set() -> None:
    assert question_set_hash([DESCRIBE, HELMET]) == question_set_hash([HELMET, DESCRIBE])
    assert question_set_hash([DESCRIBE]) != question_set_hash([HELMET])


def test_an_interrupted_job_gives_its_pending_segments(session: Session) -> None:
    job = add_job(session, num_segments=3)
    assert (job.resumed, job.num_segments, [s.position for s in job.segments]) == (False, 3, [0, 1, 2])
    commit_segment(session, job.segments[1].id, segment_rows(job.questions[0].id))
    again = add_job(session, num_segments=99)
    assert (again.id, again.resumed, again.num_segments) == (job.id, True, 3)
    assert [s.window for s in again.segments] == [Span(0.0, 20.0), Span(40.0, 60.0)]


def test_a_job_is_done_with_its_last_segment_and_never_planned_again(session: Session) -> None:
    job = add_job(session, num_segments=2)
    for segment in job.segments:
        assert session.scalar(select(Job.state)) == "pending"
        commit_segment(session, segment.id, segment_rows(job.questions[0].id))
    assert session.scalar(select(Job.state)) == "done"
    left = plan_job(
        session, video_id=job.video_id, run_id=job.run_id, questions=[DESCRIBE], windows=[Span(0, 9)]
    )
    assert left is None
    assert count(session, Job) == 1


def test_a_new_question_is_a_new_job_with_that_question_only(session: Session) -> None:
    job = add_job(session, num_segments=1)
    finish(session, job.id, [job.questions[0].id])
    new = plan_job(
        session,
        video_id=job.video_id,
        run_id=job.run_id,
        questions=[DESCRIBE, HELMET, HELMET],
        windows=[Span(0, 9)],
    )
    assert new is not None
    assert [(q.task, q.text) for q in new.questions] == [HELMET]


def test_a_question_joins_the_job_that_waits_whatever_others_ask_in_which_order(session: Session) -> None:
    run_id = ensure_run(session, fingerprint="f", engine="spotter", config={})
    waiting, fresh = add_video(session, "a"), add_video(session, "b")
    plan_jobs(session, [waiting], run_id=run_id, questions=[HELMET])
    plan_jobs(session, [waiting, fresh], run_id=run_id, questions=[DESCRIBE, HELMET])
    plan_jobs(session, [waiting, fresh], run_id=run_id, questions=[HELMET, DESCRIBE])
    assert count(session, Job) == 2 and len(set(session.scalars(select(Job.question_set)))) == 1

    jobs = [next_job(session, video_id=v, run_id=run_id, windows=[Span(0, 9)]) for v in (waiting, fresh)]
    asked = [[(q.task, q.text) for q in job.questions] for job in jobs if job is not None]
    assert asked == [[HELMET, DESCRIBE], [DESCRIBE, HELMET]]


def test_a_new_model_asks_everything_again(session: Session) -> None:
    first = add_job(session, num_segments=1)
    finish(session, first.id, [first.questions[0].id])
    second = add_job(session, num_segments=1, fingerprint="f2")
    assert second.id != first.id
    assert second.questions == first.questions


def test_a_video_with_nothing_to_look_at_is_done_at_once(session: Session) -> None:
    video_id = add_video(session)
    run_id = ensure_run(session, fingerprint="f", engine="spotter", config={})
    assert plan_job(session, video_id=video_id, run_id=run_id, questions=[DESCRIBE], windows=[]) is None
    assert session.scalar(select(Job.state)) == "done"


def test_committing_twice_changes_nothing(session: Session) -> None:
    job = add_job(session)
    rows = segment_rows(job.questions[0].id)
    assert commit_segment(session, job.segments[0].id, rows)
    before = {table.name: session.execute(select(table)).all() for table in Base.metadata.sorted_tables}
    assert not commit_segment(session, job.segments[0].id, segment_rows(job.questions[0].id, seed=7))
    after = {table.name: session.execute(select(table)).all() for table in Base.metadata.sorted_tables}
    assert after == before


def test_every_row_of_a_segment_comes_back_as_it_went_in(session: Session) -> None:
    job = add_job(session)
    rows = segment_rows(job.questions[0].id, num_moments=3, seed=4)
    commit_segment(session, job.segments[0].id, rows)
    moments = session.scalars(select(Moment).order_by(Moment.id)).all()
    assert [m.text for m in moments] == [m.text for m in rows.answers[0].moments]
    for i, moment in enumerate(moments):
        claim = session.scalars(select(Claim).where(Claim.moment_id == moment.id)).one()
        assert claim.position == i
        boxes = session.scalars(
            select(BoxRow).where(BoxRow.claim_id == claim.id).order_by(BoxRow.position)
        ).all()
        assert tuple(Box(b.x1, b.y1, b.x2, b.y2) for b in boxes) == rows.answers[0].claims[i].boxes
        stored = session.get_one(Embedding, moment.id)
        vector = np.frombuffer(stored.vector, dtype="<f2").astype(np.float32)
        assert np.abs(vector - unit_vectors(3, seed=4)[i]).max() < 1e-3
    assert session.scalars(select(TrackRow)).one().points == [[0.0, 0, 0.1, 0.2, 0.3, 0.4, 0.9]]


def test_text_that_sql_cannot_hold_is_replaced(session: Session) -> None:
    job = add_job(session)
    answer = AnswerRow(question_id=job.questions[0].id, raw="a\0b\ud800c", text="\udcff")
    assert commit_segment(session, job.segments[0].id, SegmentRows(answers=[answer], coverage=[]))
    assert session.connection().exec_driver_sql("SELECT raw, text FROM answer").one() == ("a�b�c", "�")


def test_an_answer_to_another_question_is_refused(session: Session) -> None:
    job = add_job(session)
    with pytest.raises(ValueError, match="one answer to each"):
        commit_segment(session, job.segments[0].id, segment_rows(job.questions[0].id + 1))


def test_an_unknown_segment_is_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="no segment 77"):
        commit_segment(session, 77, SegmentRows(answers=[], coverage=[]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": ()}, "at least one box"),
        ({"time_s": float("nan")}, "finite time"),
        ({"confidence": 1.5}, "0..1"),
    ],
)
def test_a_claim_without_proof_is_refused(change: dict[str, object], message: str) -> None:
    values: dict[str, object] = {"subject": "bus", "time_s": 1.0, "pts": 1, "boxes": (Box(0, 0, 1, 1),)}
    with pytest.raises(ValueError, match=message):
        ClaimRow(**{**values, **change})  # type: ignore[arg-type]


def test_only_the_jobs_own_failures_count_and_a_retry_forgives_them(session: Session) -> None:
    job = add_job(session)
    outcomes = ("raised", "lost", "interrupted", "died")
    counts = [record_attempt(session, job.id, outcome=o, started_at=WHEN, cost_s=1.0) for o in outcomes]
    assert counts == [1, 1, 1, 2]
    quarantine_job(session, job.id, reason="it died")
    assert retry_quarantined(session, [job.video_id], run_id=job.run_id + 1) == 0
    assert retry_quarantined(session, [job.video_id + 1], run_id=job.run_id) == 0
    assert retry_quarantined(session, [job.video_id], run_id=job.run_id) == 1
    assert record_attempt(session, job.id, outcome="timed_out", started_at=WHEN, cost_s=1.0) == 1


def test_a_quarantined_job_is_left_alone_until_it_is_retried(session: Session) -> None:
    job = add_job(session)
    quarantine_job(session, job.id, reason="it died")
    again = plan_job(
        session, video_id=job.video_id, run_id=job.run_id, questions=[DESCRIBE], windows=[Span(0, 9)]
    )
    assert again is None
    assert session.execute(select(Job.state, Job.reason)).one() == ("quarantined", "it died")
    retry_quarantined(session, [job.video_id], run_id=job.run_id)
    assert add_job(session).id == job.id


def test_a_segment_is_halved_once_and_only_while_it_is_pending(session: Session) -> None:
    job = add_job(session)
    first, second = job.segments[0], job.segments[1]
    halves = split_segment(session, first.id)
    a, b, middle = first.window.start_s, first.window.end_s, (first.window.start_s + first.window.end_s) / 2

    assert [half.window for half in halves] == [Span(a, middle), Span(middle, b)]
    again = next_job(session, video_id=job.video_id, run_id=job.run_id, windows=())
    assert again is not None and [s.window for s in again.segments[:3]] == [
        *(half.window for half in halves),
        second.window,
    ]
    assert commit_segment(session, second.id, segment_rows(job.questions[0].id))
    assert split_segment(session, second.id) == ()


def test_what_a_second_of_video_costs_is_known_from_the_jobs_that_were_done_under_that_run(
    session: Session,
) -> None:
    job = add_job(session)
    assert cost_rate(session, run_id=job.run_id) is None
    for outcome, cost_s in (("raised", 900.0), ("done", 30.0), ("done", 90.0)):
        record_attempt(session, job.id, outcome=outcome, started_at=WHEN, cost_s=cost_s)  # type: ignore[arg-type]

    assert cost_rate(session, run_id=job.run_id) == 1.0  # of two times 60 s
    assert cost_rate(session, run_id=job.run_id + 1) is None
