"""The sums of coverage are those of its rows, and every second of every video is in one state, whatever
happened before.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from grounding.evidence import Span
from storage import (
    AnswerRow,
    CoverageRow,
    Database,
    SegmentRows,
    commit_segment,
    ensure_library,
    ensure_run,
    mark_missing,
    next_job,
    plan_jobs,
    quarantine_job,
    retry_quarantined,
)
from storage.partition import GONE, parts, states
from storage.reports import LOOKED_AT, covered_s, stretches_covered
from storage.schema import Coverage
from storage.seen import out_of_step, repaint
from storage.switching import keep_beside, run_named, switch_runs, undo_switch
from tests.rows import DESCRIBE, add_job, add_video

LENGTH_S = 30
KINDS = ("sampled", "still", "damaged", "skipped")
WINDOWS = [Span(0.0, 12.0), Span(10.0, 22.0), Span(20.0, 32.0)]  # the last one reaches past the end


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.open(tmp_path_factory.mktemp("home"), create=True) as db:
        yield db


class Undone(Exception):
    """Ends an example's transaction, so that the next one finds an empty home."""


tiles = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(KINDS)), min_size=1, max_size=4)
steps = st.one_of(
    st.tuples(st.just("plan"), st.integers(0, 1), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("commit"), st.integers(0, 1), st.integers(0, 1), tiles),
    st.tuples(st.just("give up"), st.integers(0, 1), st.integers(0, 1)),
    st.tuples(st.just("retry"), st.integers(0, 1), st.integers(0, 1)),
    st.tuples(st.just("lose the file"), st.integers(0, 1)),
    st.tuples(st.just("switch"), st.booleans()),
    st.tuples(st.just("undo")),
)


def coverage(window: Span, widths: list[tuple[int, str]]) -> list[CoverageRow]:
    rows, at_s = [], window.start_s
    for width, kind in widths:
        reason = f"because of {width}" if kind == "skipped" else None
        span = Span(at_s, min(at_s + width, window.end_s))
        rows.append(CoverageRow(span=span, kind=kind, num_frames=1, reason=reason))  # type: ignore[arg-type]
        at_s = span.end_s
    return rows


def take(session: Session, step: tuple, videos: list[int], runs: list[int]) -> None:
    """Do one step of a history; what can't be done then does nothing."""
    match step:
        case ("plan", run, video, beside):
            if beside:
                keep_beside(session, [videos[video]], run_id=runs[run])
            plan_jobs(session, [videos[video]], run_id=runs[run], questions=[DESCRIBE, ("free_form", "why?")])
        case ("commit", run, video, widths):
            job = next_job(session, video_id=videos[video], run_id=runs[run], windows=WINDOWS)
            if job is not None:
                segment = job.segments[0]
                answers = [AnswerRow(question_id=q.id, raw="", text="") for q in job.questions]
                rows = SegmentRows(answers=answers, coverage=coverage(segment.window, widths))
                assert commit_segment(session, segment.id, rows)
        case ("give up", run, video):
            job = next_job(session, video_id=videos[video], run_id=runs[run], windows=WINDOWS)
            if job is not None:
                quarantine_job(session, job.id, reason="it died twice")
        case ("retry", run, video):
            retry_quarantined(session, [videos[video]], run_id=runs[run])
        case ("lose the file", video):
            mark_missing(session, [f"/v/{'ab'[video]}.mp4"], library_id=ensure_library(session, "default"))
        case ("switch", forwards):
            names = [run_named(session, str(run)) for run in (runs if forwards else runs[::-1])]
            with suppress(ValueError):
                switch_runs(session, before=names[0], after=names[1])
        case ("undo",):
            with suppress(ValueError):
                undo_switch(session)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(steps, max_size=14))
def test_after_any_history_each_second_is_in_one_state_and_the_sums_are_those_of_the_rows(
    database: Database, history: list[tuple]
) -> None:
    with suppress(Undone), database.writing() as session:
        videos = [add_video(session, content, duration_s=LENGTH_S) for content in "ab"]
        runs = [ensure_run(session, fingerprint=f, engine=f, config={}) for f in ("engine-a", "engine-b")]
        for step in history:
            take(session, step, videos, runs)
        assert out_of_step(session) == []
        found = dict(parts(session))
        assert sorted(found) == videos
        for of_video in found.values():
            borders = [0.0, *(part.end_s for part in of_video)]
            assert [part.start_s for part in of_video] == borders[:-1] and borders[-1] == LENGTH_S
            assert all((part.engine is None) == (part.state != "looked_at") for part in of_video)
            assert all(part.reason for part in of_video if part.state == "skipped")
        sums = states(session)
        told = [*sums.looked_at_s.values(), *sums.skipped_s.values(), sums.damaged_s, sums.pending_s]
        assert sum(told) == pytest.approx(sums.seconds) == pytest.approx(2 * LENGTH_S)
        looked = stretches_covered(session, [*LOOKED_AT, "damaged"], in_search=True)
        assert sum(sums.looked_at_s.values()) + sums.damaged_s == pytest.approx(covered_s(looked))
        raise Undone


def test_each_state_is_told_with_its_reason(database: Database) -> None:
    with suppress(Undone), database.writing() as session:
        job = add_job(session, "a", num_segments=4, window_s=10.0)
        widths: list[list[tuple[int, str]]] = [[(6, "sampled"), (4, "damaged")], [(10, "skipped")]]
        for segment, of_window in zip(job.segments, widths, strict=False):
            answers = [AnswerRow(question_id=job.questions[0].id, raw="", text="")]
            rows = SegmentRows(answers=answers, coverage=coverage(segment.window, of_window))
            commit_segment(session, segment.id, rows)
        ((_, before),) = parts(session)
        quarantine_job(session, job.id, reason="it died twice")
        ((_, after),) = parts(session)
        assert [(p.start_s, p.end_s, p.state, p.reason) for p in before] == [
            (0.0, 6.0, "looked_at", None),
            (6.0, 10.0, "damaged", None),
            (10.0, 20.0, "skipped", "because of 10"),
            (20.0, 40.0, "pending", None),
        ]
        assert (before[0].engine, before[0].rate_hz) == ("spotter", 2.0)
        assert (after[-1].state, after[-1].reason) == ("skipped", "given up: it died twice")
        add_video(session, "b")
        mark_missing(session, ["/v/b.mp4"], library_id=ensure_library(session, "default"))
        assert states(session).skipped_s[GONE] == 60.0
        raise Undone


def test_who_deletes_coverage_paints_the_video_anew(database: Database) -> None:
    with suppress(Undone), database.writing() as session:
        job = add_job(session, "a", num_segments=2, window_s=10.0)
        add_job(session, "b", num_segments=1)
        for segment in job.segments:
            answers = [AnswerRow(question_id=job.questions[0].id, raw="", text="")]
            rows = SegmentRows(answers=answers, coverage=coverage(segment.window, [(10, "sampled")]))
            commit_segment(session, segment.id, rows)
        session.query(Coverage).filter_by(segment_id=job.segments[0].id).delete()
        assert out_of_step(session) == [(job.video_id, job.run_id)]
        repaint(session, job.video_id)
        assert out_of_step(session) == []
        raise Undone


def test_an_upgrade_sums_up_the_coverage_that_is_there(tmp_path: Path) -> None:
    from tests import frozen_schemas

    frozen_schemas.load(frozen_schemas.FOLDER / "0001.sql", tmp_path / "proofreel.db")
    with Database.open(tmp_path, create=True) as db, db.reading() as session:
        assert session.query(Coverage).count() > 0
        assert out_of_step(session) == []
        assert sum(states(session).looked_at_s.values()) == 20.0
