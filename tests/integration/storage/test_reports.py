"""Every second of a video counts once, and what was not looked at is named."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from grounding.evidence import Span
from storage import (
    AnswerRow,
    CoverageRow,
    Database,
    LibraryTotals,
    SegmentRows,
    commit_segment,
    ensure_library,
    ensure_run,
    ensure_video,
    library_totals,
    mark_missing,
    next_job,
    plan_jobs,
    quarantine_job,
)
from storage.reports import covered_s, stretches_to_do
from storage.rows import CoverageKind
from tests.rows import DESCRIBE, add_job, add_video, plan_job, video_facts


@pytest.fixture
def session(home: Path) -> Iterator[Session]:
    with Database.open(home, create=True) as db, db.writing() as session:
        yield session


def cover(
    session: Session, segment_id: int, question_id: int, parts: Sequence[tuple[float, float, CoverageKind]]
) -> None:
    coverage = [CoverageRow(span=Span(a, b), kind=kind, num_frames=1) for a, b, kind in parts]
    answers = [AnswerRow(question_id=question_id, raw="", text="")]
    assert commit_segment(session, segment_id, SegmentRows(answers=answers, coverage=coverage))


def totals(**seconds: float) -> LibraryTotals:
    nothing = {"looked_at_s": 0.0, "pending_s": 0.0, "damaged_s": 0.0, "skipped_s": 0.0, "quarantined_s": 0.0}
    return LibraryTotals(videos=int(seconds.pop("videos", 1)), **{**nothing, **seconds})


def test_an_empty_home_has_looked_at_nothing(session: Session) -> None:
    assert library_totals(session) == totals(videos=0)


def test_each_kind_of_second_is_counted_apart(session: Session) -> None:
    job = add_job(session, num_segments=3)
    question = job.questions[0].id
    cover(session, job.segments[0].id, question, [(0, 15, "sampled"), (15, 20, "damaged")])
    cover(session, job.segments[1].id, question, [(20, 30, "still"), (30, 40, "skipped")])
    expected = totals(looked_at_s=25.0, damaged_s=5.0, skipped_s=10.0, pending_s=20.0)
    assert library_totals(session) == expected


def test_overlaps_and_damage_within_a_sampled_stretch_count_once(session: Session) -> None:
    job = add_job(session, num_segments=2)
    question = job.questions[0].id
    cover(session, job.segments[0].id, question, [(0, 20, "sampled"), (5, 8, "damaged")])
    cover(session, job.segments[1].id, question, [(18, 38, "sampled"), (19, 19.5, "still")])
    assert library_totals(session) == totals(looked_at_s=35.0, damaged_s=3.0)


def test_a_second_question_looks_at_the_same_seconds(session: Session) -> None:
    job = add_job(session, num_segments=1)
    cover(session, job.segments[0].id, job.questions[0].id, [(0, 20, "sampled")])
    new = plan_job(
        session,
        video_id=job.video_id,
        run_id=job.run_id,
        questions=[("free_form", "why?")],
        windows=[Span(0, 20)],
    )
    assert new is not None
    assert library_totals(session) == totals(looked_at_s=20.0, pending_s=20.0)
    cover(session, new.segments[0].id, new.questions[0].id, [(0, 20, "sampled")])
    assert library_totals(session) == totals(looked_at_s=20.0)


def test_videos_are_not_mixed_up(session: Session) -> None:
    for content, kind in (("a", "sampled"), ("b", "sampled"), ("c", "still")):
        job = add_job(session, content, num_segments=1, library="one" if content == "a" else "two")
        cover(session, job.segments[0].id, job.questions[0].id, [(0, 10, kind)])  # type: ignore[list-item]
    assert library_totals(session) == totals(videos=3, looked_at_s=30.0)
    assert library_totals(session, "one") == totals(videos=1, looked_at_s=10.0)
    assert library_totals(session, "two") == totals(videos=2, looked_at_s=20.0)
    with pytest.raises(ValueError, match="no library 'three'; there is: one, two"):
        library_totals(session, "three")


def test_a_job_that_was_given_up_is_not_pending(session: Session) -> None:
    job = add_job(session, num_segments=2)
    cover(session, job.segments[0].id, job.questions[0].id, [(0, 20, "sampled")])
    quarantine_job(session, job.id, reason="it died twice")
    assert library_totals(session) == totals(looked_at_s=20.0, quarantined_s=20.0)


def test_what_a_newer_model_has_taken_over_is_not_pending(session: Session) -> None:
    add_job(session, num_segments=2, fingerprint="old")
    job = add_job(session, num_segments=2, fingerprint="new")
    assert library_totals(session) == totals(pending_s=40.0)
    for segment in job.segments:
        cover(
            session,
            segment.id,
            job.questions[0].id,
            [(segment.window.start_s, segment.window.end_s, "sampled")],
        )
    assert library_totals(session) == totals(looked_at_s=40.0)


def test_a_planned_job_waits_as_its_whole_video_and_each_second_counts_once(session: Session) -> None:
    videos = [add_video(session, content) for content in "abc"]
    old, new = (ensure_run(session, fingerprint=f, engine="spotter", config={}) for f in ("old", "new"))
    plan_jobs(session, videos, run_id=old, questions=[DESCRIBE])
    assert library_totals(session) == totals(videos=3, pending_s=180.0)
    next_job(session, video_id=videos[0], run_id=old, windows=[Span(0, 20), Span(20, 40)])
    assert library_totals(session) == totals(videos=3, pending_s=160.0)
    plan_jobs(session, videos[:2], run_id=old, questions=[("free_form", "why?")])
    assert library_totals(session) == totals(videos=3, pending_s=180.0)
    plan_jobs(session, videos, run_id=new, questions=[DESCRIBE])
    assert library_totals(session) == totals(videos=3, pending_s=180.0)
    assert covered_s(stretches_to_do(session, run_id=old)) == 0.0
    mark_missing(session, ["/v/c.mp4"], library_id=ensure_library(session, "default"))
    assert library_totals(session) == totals(videos=3, pending_s=120.0)


def test_negative_times_and_late_starts_count_as_they_are(session: Session) -> None:
    run_id = ensure_run(session, fingerprint="f", engine="spotter", config={})
    for content, window in (("a", Span(-2.0, 3.0)), ("b", Span(3601.0, 3605.0))):
        facts = replace(video_facts(content), start_s=window.start_s, end_s=window.end_s)
        video_id = ensure_video(session, facts)
        job = plan_job(session, video_id=video_id, run_id=run_id, questions=[DESCRIBE], windows=[window])
        assert job is not None
        cover(session, job.segments[0].id, job.questions[0].id, [(window.start_s, window.end_s, "sampled")])
    assert library_totals(session).looked_at_s == pytest.approx(9.0)


stretches = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30), st.integers(0, 10)), max_size=20)


@given(stretches)
def test_every_second_counts_once(found: list[tuple[int, int, int]]) -> None:
    rows = np.array([(v, s, s + length) for v, s, length in found], dtype=np.float64).reshape(-1, 3)
    seconds = {(v, t) for v, s, length in found for t in range(s, s + length)}
    assert covered_s(rows) == pytest.approx(len(seconds))
