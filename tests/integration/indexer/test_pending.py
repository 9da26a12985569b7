"""What was asked for and not done is pending, however a run ended."""

from __future__ import annotations

import json
import signal
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from indexer.status import read_status
from indexer.stopping import Stop
from search import Filters
from search.coverage import searched
from search.scope import resolve
from storage import Database
from storage.reports import library_totals
from tests.dumping import rows
from tests.lamps import After, Night, lamp_clip, statuses
from video.frames import Clip


def test_after_the_given_time_no_segment_is_begun_and_the_next_run_goes_on(
    night: Night, folder: Path
) -> None:
    lamp_clip(folder / "a.mp4", seconds=8.0)
    lamp_clip(folder / "b.mp4", seconds=2.0, lit=[(0.2, 0.7)])
    ticks = iter(range(100))
    noon = datetime(2026, 11, 23, 12, 0)
    stop = Stop(until=noon + timedelta(seconds=6), clock=lambda: noon + timedelta(seconds=next(ticks)))
    report = night.run(folder, stop=stop)

    assert report.ending == "until" and not report.failed
    first, second = report.files
    assert first.status == "skipped" and "stopped after" in str(first.reason)
    assert second.status == "skipped" and "not begun" in str(second.reason)
    with Database.open(night.home) as db, db.reading() as session:
        told = searched(session, resolve(session, Filters()))
        left_s = library_totals(session).pending_s
        assert library_totals(session, "default").pending_s == left_s
    status = read_status(night.home)
    looked_at_s = report.totals.video_seconds
    assert (told.pending_s, told.unseen_s) == (10.0 - looked_at_s, 0.0)
    assert status.pending_s == left_s == told.pending_s
    assert [(Path(v.path).name, v.seconds) for v in status.not_begun] == [("b.mp4", 2.0)]
    assert status.runs[0].pending_seconds == told.pending_s
    jsonschema.validate(
        status.document(), json.loads((files("indexer") / "schemas/status-1.schema.json").read_text())
    )

    done = night.num_clips
    assert set(statuses(night.run(folder)).values()) == {"indexed"}
    assert 0 < done < night.num_clips == 5


def pending_everywhere(night: Night) -> float:
    """What `status`, `search` and the sums tell is to do; they agree."""
    with Database.open(night.home) as db, db.reading() as session:
        told = searched(session, resolve(session, Filters())).pending_s
        assert library_totals(session).pending_s == told
    assert read_status(night.home).pending_s == told
    return told


@pytest.mark.parametrize(
    ("options", "questions"),
    [({"fingerprint": "b2"}, []), ({}, ["is a lamp lit?"])],
    ids=["engine", "question"],
)
def test_what_a_stopped_run_was_asked_and_had_not_reached_is_pending_though_an_older_run_saw_it(
    night: Night, folder: Path, options: dict[str, Any], questions: list[str]
) -> None:
    for number, name in enumerate("abc"):
        lamp_clip(folder / f"{name}.mp4", seconds=4.0, lit=[(1.0, 2.0 + number / 10)])
    night.run(folder)
    assert pending_everywhere(night) == 0.0

    night.engine_options = options
    report = night.run(folder, questions=questions, stop=After(1))
    left_s = 12.0 - report.totals.video_seconds

    assert 0.0 < report.totals.video_seconds <= 4.0
    assert pending_everywhere(night) == report.totals.pending_seconds == left_s
    status = read_status(night.home)
    assert status.runs[-1].pending_seconds == left_s
    assert {Path(v.path).name for v in status.not_begun} == {"b.mp4", "c.mp4"}
    assert night.run(folder, questions=questions).totals.pending_seconds == pending_everywhere(night) == 0.0


def test_a_new_question_joins_the_job_that_was_not_begun_so_that_a_video_is_read_once(
    night: Night, folder: Path
) -> None:
    lamp_clip(folder / "a.mp4")
    night.run(folder, stop=After(0))
    night.run(folder, questions=["is a lamp lit?"])

    assert night.num_clips == 2
    assert [set(engine.asked) for engine in night.engines] == [set(), {("", "is a lamp lit?")}]


def test_a_run_that_is_stopped_while_it_takes_stock_names_every_file_and_keeps_what_it_was_asked(
    night: Night, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp_clip(folder / "a.mp4")
    lamp_clip(folder / "b.mp4", lit=[(0.0, 1.0)])
    night.run(folder)
    lamp_clip(folder / "b.mp4", lit=[(2.0, 3.0)], seconds=6.0)
    stop = Stop()
    monkeypatch.setattr("indexer.identify.content_hash", lambda _path: signal.raise_signal(signal.SIGINT))
    with stop.listening():
        report = night.run(folder, questions=["is a lamp lit?"], stop=stop)

    assert report.ending == "interrupted"
    assert statuses(report) == {"a.mp4": "skipped", "b.mp4": "skipped"}
    assert all("run the same command again" in str(file.reason) for file in report.files)
    assert pending_everywhere(night) == 4.0  # what "b.mp4" holds now is not known yet


def test_what_failed_under_an_older_engine_and_then_went_well_is_neither_pending_nor_retried(
    night: Night, folder: Path
) -> None:
    lamp_clip(folder / "a.mp4")

    def fail(clip: Clip) -> None:
        raise RuntimeError("no")

    night.engine_options = {"on_clip": fail}
    night.run(folder)
    (open_job,) = read_status(night.home).pending
    assert open_job.reason is not None and read_status(night.home).runs[0].jobs["pending"] == 1

    night.engine_options = {"fingerprint": "b2"}
    night.run(folder)
    status = read_status(night.home)
    assert (status.pending, status.pending_s, status.runs[0].pending_seconds) == ((), 0.0, 0.0)
    assert [run.jobs["pending"] for run in status.runs] == [0, 0]

    night.engine_options = {"on_clip": fail}
    night.run(folder)
    night.engine_options = {"fingerprint": "b2"}
    clips = night.num_clips
    night.run(folder, retry=True)
    assert [r["state"] for r in rows(night.home)["job"]] == ["quarantined", "done"]
    assert read_status(night.home).quarantined == () and night.num_clips == clips
