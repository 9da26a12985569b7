"""The morning report: what it counts, what it says of a night that went wrong, and its page."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy import select

from grounding.errors import EngineError, StorageError
from indexer.morning.collecting import Morning, morning
from indexer.morning.documents import report_document
from indexer.morning.page import report_page
from indexer.morning.text import report_lines
from indexer.morning.times import between
from storage import Database, StandingRow, keep_standing_questions
from storage.schema import Library, Question
from storage.seen import out_of_step
from tests import night_process
from tests.brightness import BrightnessEngine
from tests.lamps import After, Night, lamp_clip

QUESTIONS = ("when is a lamp lit?", "is anyone without a helmet?")


def told(home: Path, **reach: timedelta) -> Morning:
    """The report of the last hour."""
    now = datetime.now(UTC)
    return morning(home, since=now - timedelta(**reach or {"hours": 1}), until=now + timedelta(seconds=1))  # type: ignore[arg-type]


def document(found: Morning) -> dict[str, Any]:
    schema = json.loads((files("indexer") / "schemas/report-1.schema.json").read_text())
    whole = report_document(found)
    jsonschema.validate(whole, schema)
    return whole


@pytest.fixture
def lamps(folder: Path) -> Path:
    """Two good videos of 4 s, lit once each, and a file that is none."""
    lamp_clip(folder / "a.mp4", lit=[(1.0, 2.0)])
    lamp_clip(folder / "b.mp4", lit=[(0.5, 1.5)])
    (folder / "broken.mp4").write_bytes(b"no video" * 100)
    return folder


def test_a_night_is_told_with_its_hours_hits_failures_cost_and_nothing_left(
    night: Night, lamps: Path
) -> None:
    night.run(lamps, questions=QUESTIONS)
    found = told(night.home)
    whole = document(found)

    assert whole["video_seconds"] == pytest.approx(8.0)
    assert whole["times_real"] == pytest.approx(8.0 / whole["wall_seconds"], rel=0.1)
    hits = {hit["question"]: hit for hit in whole["hits"]}
    assert hits["when is a lamp lit?"]["moments"] >= 2 and hits["when is a lamp lit?"]["videos"] == 2
    helmet = hits["is anyone without a helmet?"]
    assert helmet["moments"] == 0 and helmet["abstained"] == helmet["windows"] == 4
    (failure,) = whole["failures"]
    assert failure["path"] == str(lamps / "broken.mp4")
    assert failure["reason"].startswith("it is no video in a known format")
    (one,) = whole["nights"]
    assert (one["ending"], one["engine"], one["device"]) == ("complete", "brightness", "cpu")
    assert one["files"] == {"indexed": 2, "failed": 1}
    assert whole["cost"]["cpu_seconds"] > 0.0 and whole["cost"]["gpu_seconds"] == 0.0
    assert {"engine", "read", "write"} <= set(whole["cost"]["stages"])
    assert whole["cost"]["attempts"]["done"]["count"] == 2
    assert whole["backlog"]["pending_seconds"] == 0.0
    assert sum(hour["video_seconds"] for hour in whole["by_hour"]) == pytest.approx(8.0)
    assert sum(part["seconds"] for part in whole["coverage"]["looked_at"]) == pytest.approx(8.0)


def test_what_was_not_reached_has_an_eta_from_the_measured_speed(night: Night, lamps: Path) -> None:
    night.run(lamps, stop=After(1))
    whole = document(told(night.home))

    assert [one["ending"] for one in whole["nights"]] == ["until"]
    left, speed = whole["backlog"]["pending_seconds"], whole["backlog"]["times_real"]
    assert left > 0.0
    assert whole["backlog"]["eta_seconds"] == pytest.approx(left / speed, abs=0.06)


def test_a_speed_is_taken_from_the_nights_before_and_a_time_without_a_night_says_so(
    night: Night, lamps: Path
) -> None:
    night.run(lamps, stop=After(1))
    later = datetime.now(UTC) + timedelta(hours=30)
    found = morning(night.home, since=later - timedelta(hours=24), until=later)
    assert found.nights == () and found.video_s == 0.0
    assert found.backlog.eta_s is not None
    assert "no index ran in this time" in list(report_lines(found))


def test_calls_that_had_nothing_to_do_take_one_line(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4")
    for _ in range(4):
        night.run(folder)
    found = told(night.home)
    lines = list(report_lines(found))
    assert len(found.nights) == 4 and sum("library default" in line for line in lines) == 1
    assert "  index ran 3 times with nothing to do" in lines
    assert "index ran 3 times with nothing to do." in report_page(found)


def test_hits_come_by_severity_where_a_library_says_what_a_hit_means(night: Night, lamps: Path) -> None:
    night.run(lamps, questions=QUESTIONS)
    standing = [
        StandingRow(task="", text=QUESTIONS[0], severity="low"),
        StandingRow(task="", text=QUESTIONS[1], severity="critical"),
    ]
    with Database.open(night.home) as database, database.writing() as session:
        asked = {text: task for task, text in session.execute(select(Question.task, Question.text))}
        rows = [replace(row, task=asked[row.text]) for row in standing]
        library_id = session.scalars(select(Library.id)).one()
        keep_standing_questions(session, library_id, rows, retire_others=True)
    whole = document(told(night.home))
    lit = whole["hits_by_severity"]["low"]
    assert (
        whole["hits_by_severity"] == {"critical": 0, "low": lit}
        and f"{lit} hits ({lit} low)" in whole["summary"]
    )
    assert [(hit["severity"], hit["question"]) for hit in whole["hits"]] == [
        ("critical", QUESTIONS[1]),
        ("low", QUESTIONS[0]),
        (None, ""),
    ]


def test_a_night_that_was_killed_is_told_as_killed_with_what_it_kept(lamps: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = night_process.start("index", lamps, "--home", home, clip_s=0.5)
    while not _num_done(home) and process.poll() is None:
        pass
    during = told(home)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    after = told(home)

    assert [one.ending for one in during.nights] == ["running"]
    assert [one.ending for one in after.nights] == ["killed"]
    assert after.video_s == pytest.approx(2.0 * _num_done(home))
    assert after.backlog.pending_s == pytest.approx(8.0 - after.video_s)
    _assert_sums_in_step(home)


@pytest.mark.slow
def test_the_sums_of_coverage_are_those_of_its_rows_after_each_of_many_kills(
    lamps: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    chance = random.Random(3)
    for number in range(8):
        questions = ["-q", f"is lamp {number // 3} lit?"]  # now the same night again, now a new question
        process = night_process.start("index", lamps, *questions, "--home", home, clip_s=0.1)
        time.sleep(chance.uniform(0.7, 2.0))
        process.kill()
        process.communicate()
        if _num_done(home):
            _assert_sums_in_step(home)
    assert night_process.run_here("index", lamps, "--home", home).returncode == 1
    _assert_sums_in_step(home)
    assert told(home).backlog.pending_s == 0.0


def test_a_night_whose_engine_cannot_be_loaded_is_told_with_the_sentence(night: Night, lamps: Path) -> None:
    def broken(**_: object) -> Any:
        raise EngineError("the model is missing; run proofreel doctor")

    night.make = broken  # type: ignore[assignment]
    with pytest.raises(EngineError):
        night.run(lamps)
    found = told(night.home)
    assert [(one.ending, one.fault) for one in found.nights] == [
        ("failed", "the model is missing; run proofreel doctor")
    ]
    assert found.failures[0].reason == "the model is missing; run proofreel doctor"


def test_a_file_that_failed_and_was_mended_in_the_same_night_is_no_failure(
    night: Night, folder: Path
) -> None:
    lamp_clip(folder / "a.mp4")
    fails = [True]

    def on_clip(_: object) -> None:
        if fails.pop():
            fails.append(False)
            raise RuntimeError("out of luck")
        fails.append(False)

    night.engine_options = {"on_clip": on_clip}
    night.run(folder)
    first = told(night.home)
    night.run(folder)
    assert [failure.path for failure in first.failures] == [folder / "a.mp4"]
    assert "out of luck" in first.failures[0].reason
    assert told(night.home).failures == ()


class OnGpu(BrightnessEngine):
    """Says that it runs on a GPU, as the Qwen engines do."""

    device_type = "cuda"


def test_the_time_of_an_engine_that_holds_a_gpu_counts_as_gpu_seconds(night: Night, folder: Path) -> None:
    lamp_clip(folder / "a.mp4")
    night.make = OnGpu
    night.run(folder)
    cost = told(night.home).cost
    assert cost.gpu_s == pytest.approx(cost.stages_s["engine"]) and cost.gpu_s > 0.0


class Page(HTMLParser):
    """Every tag and every address of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_the_page_holds_its_plots_loads_nothing_and_takes_no_name_for_markup(
    night: Night, lamps: Path
) -> None:
    evil = "<script>alert(1)</script>?"
    night.run(lamps, questions=[evil])
    text = report_page(told(night.home))
    parsed = Page()
    parsed.feed(text)

    assert parsed.tags.count("svg") >= 4
    assert [a for a in parsed.addresses if not a.startswith("#")] == []
    assert "alert(1)</script>" not in text and "&lt;script&gt;alert(1)" in text
    assert not re.search(r"@import|url\(\s*['\"]?http", text)


def test_the_command_prints_writes_and_gives_one_document(night: Night, lamps: Path) -> None:
    night.run(lamps, questions=QUESTIONS[:1])
    out = lamps.parent / "morning.html"
    people = night_process.run_here("report", "--home", night.home, "--html", out)
    programs = night_process.run_here("report", "--since", "2h", "--home", night.home, "--json")

    assert people.returncode == programs.returncode == 0, people.stderr + programs.stderr
    assert "8.0 s of video" in people.stdout and "broken.mp4: it is no video" in people.stdout
    assert "when is a lamp lit?: " in people.stdout
    assert out.read_text().startswith("<!doctype html>")
    assert json.loads(programs.stdout)["schema"] == "proofreel.report/1"


def test_a_report_needs_an_index_and_a_time(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no index in"):
        told(tmp_path)
    now = datetime(2026, 11, 26, 8, tzinfo=UTC)
    for since, until, message in (
        ("yesterday", None, "--since 'yesterday' is no time; give a date"),
        (None, "2026-13-01", "--until '2026-13-01' is no time"),
        ("1h", "2h", "must come before"),
    ):
        with pytest.raises(ValueError, match=message):
            between(since, until, now=now)
    assert between(None, None, now=now) == (now - timedelta(hours=24), now)
    first, last = between("2026-11-25", "2026-11-25", now=now)
    assert last - first == timedelta(days=1)


def _assert_sums_in_step(home: Path) -> None:
    with Database.open(home) as db, db.reading() as session:
        assert out_of_step(session) == []


def _num_done(home: Path) -> int:
    path = home / "proofreel.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'segment'").fetchone()
        if not tables[0]:
            return 0
        count: int = connection.execute("SELECT count(*) FROM segment WHERE state = 'done'").fetchone()[0]
        return count
