"""`index` without a PATH: the libraries of proofreel.toml, each with its own questions, and by priority."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from indexer import indexing
from storage import HomeLock
from tests import night_process
from tests.brightness import BrightnessEngine
from tests.dumping import content, rows
from tests.lamps import lamp_clip

SETTINGS = """
home = "home"
[libraries.yard]
paths = ["yard"]

[libraries.docks]
paths = ["docks/*/front"]
questions = ["is a lamp lit?"]
priority = 10
[libraries.docks.severity]
"is a lamp lit?" = "high"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with settings and two libraries of one clip each, and what no library names."""
    for name in ("yard", "docks/a/front", "docks/a/back"):
        (tmp_path / name).mkdir(parents=True)
    lamp_clip(tmp_path / "yard/y.mp4")
    lamp_clip(tmp_path / "docks/a/front/d.mp4", lit=[(0.0, 1.0)])
    lamp_clip(tmp_path / "docks/a/back/b.mp4", lit=[(2.0, 3.0)])
    (tmp_path / "docks/a/front/notes.txt").write_text("no video")
    settings(tmp_path)
    return tmp_path


def settings(site: Path, text: str = SETTINGS) -> None:
    (site / "proofreel.toml").write_text(text)


def index(site: Path, *args: str | Path) -> night_process.Outcome:
    return night_process.run_here("index", *args, "--config", site / "proofreel.toml")


def document(site: Path, *args: str, code: int = 0) -> dict[str, Any]:
    done = index(site, *args, "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    schemas = files("indexer") / "schemas"
    jsonschema.validate(found, json.loads((schemas / "index-libraries-1.schema.json").read_text()))
    for one in found["libraries"]:
        jsonschema.validate(one, json.loads((schemas / "index-1.schema.json").read_text()))
    return found


def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the engines are asked from now on, clip by clip."""
    heard: list[tuple[str, ...]] = []
    answer = BrightnessEngine.answer

    def listening(self: BrightnessEngine, clip: Any, questions: Any) -> Any:
        heard.append(tuple(question.text for question in questions))
        return answer(self, clip, questions)

    monkeypatch.setattr(BrightnessEngine, "answer", listening)
    return heard


def test_without_a_path_all_libraries_are_indexed_the_most_urgent_first(site: Path) -> None:
    found = document(site)

    assert [one["library"] for one in found["libraries"]] == ["docks", "yard"]
    statuses = [{Path(f["path"]).name: f["status"] for f in one["files"]} for one in found["libraries"]]
    assert statuses == [{"d.mp4": "indexed", "notes.txt": "skipped"}, {"y.mp4": "indexed"}]
    assert (found["ending"], found["not_begun"], found["pruned"]) == ("complete", [], None)
    assert {row["name"] for row in rows(site / "home")["library"]} == {"docks", "yard"}


def test_one_library_is_indexed_by_its_name(site: Path) -> None:
    assert [one["library"] for one in document(site, "--library", "yard")["libraries"]] == ["yard"]


def test_a_library_that_the_settings_don_t_name_is_refused_and_the_good_ones_are_listed(site: Path) -> None:
    done = index(site, "--library", "yards")
    assert done.returncode == 2 and "no library 'yards'; there are: yard, docks" in done.stderr
    assert not (site / "home").exists()


def test_a_new_standing_question_on_an_indexed_library_asks_only_that_question(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document(site)
    heard = asked(monkeypatch)
    document(site)
    assert heard == []
    settings(site, SETTINGS.replace('"is a lamp lit?"]', '"is a lamp lit?", "when is a lamp lit?"]'))

    found = document(site)

    assert set(heard) == {("when is a lamp lit?",)}
    assert [one["totals"].get("indexed", 0) for one in found["libraries"]] == [1, 0]
    document(site, "--library", "yard", "-q", "is a lamp lit?")
    assert set(heard) == {("when is a lamp lit?",), ("is a lamp lit?",)}


def test_standing_questions_are_kept_with_their_severity_and_retire_when_the_settings_drop_them(
    site: Path,
) -> None:
    document(site)
    (kept,) = rows(site / "home")["standing_question"]
    assert (kept["severity"], kept["reviewers"], kept["pack"], kept["retired_at"]) == ("high", 1, None, None)
    settings(site, SETTINGS.replace('= "high"', '= "low"'))
    document(site)
    (kept,) = rows(site / "home")["standing_question"]
    assert (kept["severity"], kept["retired_at"]) == ("low", None)
    settings(site, SETTINGS.split("questions")[0])
    document(site)
    (kept,) = rows(site / "home")["standing_question"]
    assert kept["severity"] == "low" and kept["retired_at"] is not None


def test_a_severity_of_a_question_that_is_not_asked_is_refused(site: Path) -> None:
    settings(site, SETTINGS.replace('"is a lamp lit?" =', '"is a lamp lit" ='))
    done = index(site)
    assert done.returncode == 2
    assert "[libraries.docks.severity] names 'is a lamp lit', which the library doesn't ask" in done.stderr
    assert not (site / "home").exists()


def test_a_pack_is_asked_and_kept_with_its_version_severity_and_rules(site: Path) -> None:
    done = index(site, site / "yard", "--pack", "safety", "--library", "yard", "-q", "is a lamp lit?")
    assert done.returncode == 0, done.stderr

    kept = {row["name"]: row for row in rows(site / "home")["standing_question"]}
    assert len(kept) > 8 and {row["pack"] for row in kept.values()} == {"safety"}
    down = kept["person-down"]
    assert (down["severity"], down["reviewers"], bool(down["blur"]), down["pack_version"]) == (
        "critical",
        2,
        True,
        1,
    )
    texts = {row["id"]: row["text"] for row in rows(site / "home")["question"]}
    answered = {texts[row["question_id"]] for row in rows(site / "home")["answer"]}
    assert answered >= {"is anyone lying on the floor?", "is a lamp lit?", ""}


def test_a_library_has_a_pack_of_its_own_file_beside_the_settings(site: Path) -> None:
    (site / "lamps.toml").write_text(
        'schema = "proofreel.pack/1"\nname = "lamps"\nversion = 3\n'
        '[[question]]\nname = "lit"\ntext = "is a lamp lit?"\nseverity = "critical"\n'
    )
    settings(
        site,
        SETTINGS.replace("priority = 10", 'packs = ["lamps.toml"]').replace(
            'lit?" = "high"', 'lit?" = "low"'
        ),
    )
    document(site)
    (kept,) = rows(site / "home")["standing_question"]
    assert (kept["pack"], kept["pack_version"], kept["name"], kept["severity"]) == ("lamps", 3, "lit", "low")


def test_a_glob_that_matches_nothing_fails_and_a_file_gone_from_one_is_missing(site: Path) -> None:
    settings(site, SETTINGS.replace("docks/*/front", "docks/*/*/*.mp4"))
    document(site)
    os.remove(site / "docks/a/front/d.mp4")
    found = document(site)
    assert [Path(file["path"]).name for file in found["libraries"][0]["files"]] == ["b.mp4"]
    (gone,) = [row for row in rows(site / "home")["file"] if row["path"].endswith("d.mp4")]
    assert gone["missing_since"] is not None

    settings(site, SETTINGS.replace("docks/*/front", "docks/*/left"))
    found = document(site, code=1)
    (told,) = found["libraries"][0]["files"]
    assert told["status"] == "failed" and told["path"].endswith("docks/*/left")
    assert "no such file or folder" in told["reason"]


@pytest.mark.slow
def test_one_library_without_its_engine_stops_no_other_and_the_command_fails(site: Path) -> None:
    settings(site, SETTINGS.replace("priority = 10", 'priority = 10\nengine = "onnx"\nmodel = "./nowhere"'))
    done = subprocess.run(
        [sys.executable, "-m", "proofreel", "index", "--json"],
        cwd=site, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(night_process.ROOT)},
    )  # fmt: skip
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert [(one["library"], one["ending"]) for one in found["libraries"]] == [
        ("docks", "failed"),
        ("yard", "complete"),
    ]
    assert "nowhere" in found["libraries"][0]["fault"] and "nowhere" in done.stderr


def test_a_flag_given_by_hand_wins_over_the_library_s_own(site: Path) -> None:
    settings(site, SETTINGS.replace("priority = 10", 'priority = 10\nengine = "onnx"\nmodel = "./nowhere"'))
    document(site, "--engine", "spotter")


def test_a_signal_leaves_the_other_libraries_for_the_next_run_and_names_them(site: Path) -> None:
    process = night_process.start(
        "index", "--config", site / "proofreel.toml", "--json", clip_s=1.0
    )  # fmt: skip
    wait_for_rows(site / "home")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM, err
    found = json.loads(out)
    assert (found["ending"], found["not_begun"]) == ("interrupted", ["yard"])
    document(site)
    assert document(site)["libraries"][0]["totals"]["pending_seconds"] == 0


@pytest.mark.slow
def test_a_home_that_another_process_indexes_into_is_waited_for_and_that_is_said(site: Path) -> None:
    (site / "home").mkdir()
    with HomeLock(site / "home"):
        process = night_process.start("index", "--config", site / "proofreel.toml", "--json")
        assert process.stderr is not None
        said = process.stderr.readline()
    out, err = process.communicate(timeout=60)
    assert said.startswith(f"waiting: another proofreel (process {os.getpid()}) is indexing into ")
    assert (process.returncode, json.loads(out)["ending"], err) == (0, "complete", "")


@pytest.mark.slow
def test_a_night_that_waits_ends_at_a_signal_with_nothing_begun(site: Path) -> None:
    (site / "home").mkdir()
    with HomeLock(site / "home"):
        process = night_process.start("index", "--config", site / "proofreel.toml", "--json")
        assert process.stderr is not None and process.stderr.readline().startswith("waiting: ")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    found = json.loads(out)
    assert (process.returncode, found["ending"]) == (128 + signal.SIGTERM, "interrupted")
    assert found["not_begun"] == ["docks", "yard"]


def wait_for_rows(home: Path) -> None:
    for _ in range(200):
        if (home / "proofreel.db").exists() and rows(home).get("segment"):
            return
        time.sleep(0.1)
    raise AssertionError("no segment was cut within 20 s")


def test_what_is_past_its_retention_is_deleted_at_the_end_not_made_again_and_the_file_stays(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = lamp_clip(site / "docks/a/front/old.mp4", lit=[(1.0, 1.5)])
    last_month = time.time() - 31 * 86_400
    os.utime(old, (last_month, last_month))
    document(site)
    settings(site, SETTINGS.replace("priority = 10", "priority = 10\nretention_days = 30"))
    dry = prune_by_hand(site, "--dry-run")
    assert (dry["files"], dry["videos"], dry["moments"] > 0, dry["dry_run"]) == (1, 1, True, True)
    assert len(rows(site / "home")["video"]) == 3
    heard = asked(monkeypatch)

    for pruned in (1, 0):
        found = document(site, "-q", "when is a lamp lit?")
        told = {Path(f["path"]).name: f for f in found["libraries"][0]["files"]}["old.mp4"]
        assert (told["status"], told["reason"]) == (
            "skipped",
            "older than the 30 days that library docks keeps (retention_days)",
        )
        assert (found["pruned"]["files"], found["pruned"]["videos"]) == (pruned, pruned)

    assert old.exists() and len(rows(site / "home")["video"]) == 2
    assert len(heard) == 4, "two clips of each of the videos that are kept, once"
    done = index(site, site / "docks", "--library", "docks")
    assert done.returncode == 0 and len(rows(site / "home")["video"]) == 3, done.stderr  # d, b and y


def prune_by_hand(site: Path, *args: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "proofreel", "db", "prune", "--json", *args],
        cwd=site, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(night_process.ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, json.loads((files("storage") / "schemas/db-1.schema.json").read_text()))
    pruned: dict[str, Any] = found["pruned"]
    return pruned


def test_index_stops_before_the_disk_is_full_and_goes_on_when_there_is_room(site: Path) -> None:
    done = index(site, "--keep-free-gb", "1e9", "--json")
    assert done.returncode == 1
    assert "1e+09 GB are to stay free (keep_free_gb): free some space and run the same command" in done.stderr
    found = json.loads(done.stdout)
    assert (found["ending"], found["libraries"], found["not_begun"]) == ("disk", [], ["docks", "yard"])
    assert document(site)["ending"] == "complete"


def test_a_home_that_fails_at_the_second_library_loses_nothing_that_is_told_of_the_first(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is taken away between the two, as a disk that is pulled out."""
    planned, calls = indexing.plan_jobs, iter(range(10))

    def plan(*args: Any, **kwargs: Any) -> None:
        if next(calls) == 1:
            os.rename(site / "home", site / "pulled")
            (site / "home").write_text("")
        planned(*args, **kwargs)

    monkeypatch.setattr(indexing, "plan_jobs", plan)
    done = index(site, "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert [(one["library"], one["ending"]) for one in found["libraries"]] == [
        ("docks", "complete"),
        ("yard", "failed"),
    ]
    assert found["libraries"][1]["fault"] in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_on_a_disk_that_fills_what_is_committed_stays_and_the_next_run_goes_on(site: Path) -> None:
    for number in range(6):
        lamp_clip(site / f"yard/{number}.mp4", seconds=20 + number, lit=[(t, t + 0.3) for t in range(20)])
    home = site / "home"
    home.mkdir()
    line = night_process.command("index", site / "yard", "--home", home, "--json", "--keep-free-gb=0.0042")
    script = f"mount -t tmpfs -o size=5m small {home} && {shlex.join(map(str, line))}; code=$?; "
    script += f"cp -r {home} {site}/kept; exit $code"
    mounting = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-mUr"]
    done = subprocess.run(
        [*mounting, "sh", "-c", script], cwd=night_process.ROOT, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("proofreel: only 0.0 GB are free on the disk of ")
    found = json.loads(done.stdout)
    assert found["ending"] == "disk" and 0 < found["totals"]["segments"] < 60
    assert found["totals"]["moments"] == len(rows(site / "kept")["moment"])
    again = night_process.run_here("index", site / "yard", "--home", site / "kept")
    assert again.returncode == 0, again.stderr
    night_process.run_here("index", site / "yard", "--home", site / "quiet")
    assert content(site / "kept") == content(site / "quiet")
