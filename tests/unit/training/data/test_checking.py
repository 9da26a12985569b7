"""Data are looked through before anything is trained on them: what is wrong is counted and named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stgr import RL, SFT, make_root, row, write_media, write_rows
from training.data import Report, check, open_data

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_root(tmp_path_factory.mktemp("data_root"))


def looked_through(tmp_path: Path, *rows: Any, split: Any = "sft", media: bool = False) -> Report:
    write_rows(tmp_path, rows, split=split)
    for one in rows:
        if isinstance(one, dict) and one.get("source"):
            write_media(tmp_path, one)
    return check(tmp_path, split=split, media=media)


def kinds(report: Report) -> list[tuple[int, str]]:
    return [(finding.index, finding.kind) for finding in report.findings]


@pytest.mark.parametrize(("split", "rows"), [("sft", SFT), ("rl", RL)])
def test_every_source_of_both_splits_is_found_where_it_is_released(
    root: Path, split: Any, rows: list[Any]
) -> None:
    report = check(root, split=split, media=True)
    assert report.findings == []
    assert (report.rows, report.usable, report.missing) == (len(rows), len(rows), 0)
    assert sum(report.by_task.values()) == len(rows)
    assert {name: count.usable for name, count in report.by_source.items()} == {
        one["source"]: 1 for one in rows
    }


MEASURED = """
import json, resource, sys
from pathlib import Path
import ijson, training.data.checking, training.data.rows
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = training.data.checking.check(Path(sys.argv[1]), split="sft")
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"grown_kb": grown, **report.document()}))
"""


def test_one_broken_row_in_thirty_thousand_is_named_and_the_rest_is_used_in_little_memory(
    tmp_path: Path,
) -> None:
    good = {**SFT[5], "question": "Which of the four is it? " * 40}
    write_media(tmp_path, good)
    rows: list[Any] = [{**good, "id": f"r{k}"} for k in range(30_000)]
    rows[23_456] = {**rows[23_456], "question": None}
    path = write_rows(tmp_path, rows)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    (finding,) = report["findings"]
    assert (finding["index"], finding["id"], finding["kind"]) == (23_456, "r23456", "row")
    assert finding["what"].startswith("question: ")
    assert (report["rows"], report["usable"], report["broken"]) == (30_000, 29_999, 1)
    assert path.stat().st_size > 35e6
    assert report["grown_kb"] < 20_000


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"key_items": {"12": {"man": [[0.1, 0.2, 1.3, 0.8]]}}}, "evidence"),
        ({"key_items": {"12": {"man": [[0.5, 0.2, 0.3, 0.8]]}}}, "evidence"),
        ({"key_items": {"12": {"man": [[0.3, 0.2, 0.3, 0.8]]}}}, "evidence"),
        ({"key_items": {"12": {"man": [[0.1, 0.2, 0.3]]}}}, "row"),
        ({"key_frames": [{"idx": 12, "path": "x", "time": -1.0}]}, "evidence"),
        ({"key_frames": [{"idx": 12, "path": "x"}]}, "row"),
        ({"task": "juggling"}, "row"),
        ({"video_path": "../../secret.mp4"}, "row"),
        ({"video_path": "/etc/passwd"}, "row"),
        ({"video_path": None}, "row"),
        ({"reasoning_process": ""}, "row"),
        ({"answer": "<obj></obj>"}, "answer"),
        ({"video_path": "gone.mp4"}, "missing"),
        ({"question": "?" * 300_000}, "row"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_by_its_kind(
    tmp_path: Path, changes: dict[str, Any], kind: str
) -> None:
    good = SFT[1]
    write_media(tmp_path, good)
    write_rows(tmp_path, [good, {**good, "id": "second", **changes}, {**good, "id": "third"}])
    report = check(tmp_path, split="sft")
    assert kinds(report) == [(1, kind)]
    assert report.findings[0].id == "second" and report.findings[0].advice
    assert report.usable == 2


def test_an_id_that_stands_twice_is_a_note_and_its_row_is_used(tmp_path: Path) -> None:
    report = looked_through(tmp_path, SFT[0], SFT[0])
    assert kinds(report) == [(1, "duplicate")]
    assert report.usable == 2


def test_a_picture_of_another_shape_than_its_row_says_is_told_when_it_is_opened(tmp_path: Path) -> None:
    other = {**SFT[4], "image_size": [500, 120]}
    assert kinds(looked_through(tmp_path, other)) == []
    assert kinds(looked_through(tmp_path, other, media=True)) == [(0, "media")]


def test_a_claim_that_is_no_claim_is_a_note_and_its_row_is_used(tmp_path: Path) -> None:
    bad = {**SFT[0], "reasoning_process": "A <obj>man</obj><box>[0.1,0.2,7,0.8]</box>at<t>1.2</t>s."}
    report = looked_through(tmp_path, bad)
    assert kinds(report) == [(0, "reasoning")]
    assert report.usable == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"key_frames": [{"idx": 12, "path": "x", "time": 9.0}]},
        {"task": "temporal QA", "answer": "[1.0, 9.0]"},
    ],
)
def test_a_time_after_the_video_s_end_is_told_when_the_media_are_opened(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    late = {**SFT[1], **changes}
    assert kinds(looked_through(tmp_path, late)) == []
    report = looked_through(tmp_path, late, media=True)
    assert kinds(report) == [(0, "time")]
    assert "4.000 s" in report.findings[0].what


def test_an_answer_that_cannot_be_read_is_told_once_when_the_media_are_opened(tmp_path: Path) -> None:
    unread = {**SFT[1], "task": "temporal QA", "answer": "in the evening"}
    assert kinds(looked_through(tmp_path, unread, media=True)) == [(0, "answer")]


def test_a_video_and_a_picture_that_cannot_be_opened_are_told(tmp_path: Path) -> None:
    for one in (SFT[1], SFT[4]):
        write_media(tmp_path, one).write_bytes(b"nothing of the kind")
    write_rows(tmp_path, [SFT[1], SFT[4]])
    assert kinds(check(tmp_path, split="sft", media=True)) == [(0, "media"), (1, "media")]


def test_a_missing_data_root_is_one_sentence_that_names_what_belongs_there(tmp_path: Path) -> None:
    for root in (tmp_path / "absent", tmp_path):
        with pytest.raises(ValueError, match=r"json_data/STGR-SFT\.json.*videos/\{gqa") as caught:
            check(root, split="sft")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text[: len(text) // 2], "line 60, byte 827"),
        (lambda text: text.replace('"source"', '"source', 1), "line 57, byte 715"),
        (lambda text: '{"rows": ' + text + "}", "no JSON list"),
        (lambda text: text.replace("1.2", "NaN"), "one JSON list"),
        (lambda text: "", "no JSON list"),
    ],
)
def test_a_broken_document_is_told_by_its_place(tmp_path: Path, spoil: Any, said: str) -> None:
    path = write_rows(tmp_path, SFT[:2])
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ValueError, match=said) as caught:
        check(tmp_path, split="sft")
    assert "STGR-SFT.json" in str(caught.value)


def test_a_document_in_another_encoding_is_told_by_its_place(tmp_path: Path) -> None:
    path = write_rows(tmp_path, SFT[:2])
    path.write_bytes(path.read_bytes().replace(b"What", b"Wh\xe4t"))
    with pytest.raises(ValueError, match=r"not UTF-8 at line \d+, byte"):
        check(tmp_path, split="sft")


def test_a_list_far_longer_than_any_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path, SFT)
    monkeypatch.setattr("training.data.rows.MAX_FILE_BYTES", 1000)
    with pytest.raises(ValueError, match="over the cap of 1,000"):
        check(tmp_path, split="sft")


def test_only_so_many_findings_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"id": k} for k in range(1500)])
    report = check(tmp_path, split="sft")
    assert (len(report.findings), report.by_kind["row"]) == (1000, 1500)


def test_missing_media_stop_training_unless_told_otherwise(tmp_path: Path) -> None:
    there, gone = SFT[1], row("temporal QA", "TVG_didemo", video_path="gone.mp4")
    write_media(tmp_path, there)
    write_rows(tmp_path, [gone, there])
    with pytest.raises(ValueError, match=r"1 of 2 rows are not there \(TVG_didemo 1 of 1\).*--skip-missing"):
        open_data(tmp_path, split="sft")
    data = open_data(tmp_path, split="sft", skip_missing=True)
    assert [one.id for one in data] == [there["id"]]
    assert data.indices.tolist() == [1]


def test_data_of_which_too_much_is_broken_are_refused_with_the_first_reason(tmp_path: Path) -> None:
    write_media(tmp_path, SFT[1])
    write_rows(tmp_path, [SFT[1], {"id": "odd"}])
    with pytest.raises(ValueError, match=r"1 of 2 rows can't be used.*row 1 \(odd\)"):
        open_data(tmp_path, split="sft")
    assert len(open_data(tmp_path, split="sft", max_broken=0.5)) == 1


def test_rows_come_back_as_they_were_read(root: Path) -> None:
    data = open_data(root, split="sft")
    assert [one.id for one in data] == [one["id"] for one in SFT]
    assert data[0].key_items["30"]["red cup"] == ((0.6, 0.5, 0.65, 0.6), (0.2, 0.5, 0.25, 0.6))
    assert data[-1] == data[len(SFT) - 1]
    assert [one.id for one in data[1:3]] == [SFT[1]["id"], SFT[2]["id"]]
    with pytest.raises(IndexError):
        data[len(SFT)]


def test_the_fingerprint_is_that_of_the_rows(root: Path, tmp_path: Path) -> None:
    same = open_data(root, split="sft").fingerprint
    other = write_rows(tmp_path, [{**SFT[1], "question": "Why?"}])
    write_media(tmp_path, SFT[1])
    assert other.is_file()
    assert open_data(root, split="sft").fingerprint == same
    assert open_data(tmp_path, split="sft").fingerprint != same


def test_the_report_is_a_document(root: Path) -> None:
    document = json.loads(json.dumps(check(root, split="rl").document()))
    assert document["tasks"]["temporal-spatial free-form QA"] == 3
    assert document["sources"]["gqa"] == {"rows": 1, "usable": 1, "missing": 0}


@pytest.mark.parametrize(
    "row",
    [
        {**SFT[2], "answer": "Cannot tell: it is dark", "reasoning_process": ""},
        {**SFT[4], "reasoning_process": ""},
    ],
)
def test_what_abstains_or_answers_by_a_box_needs_no_reasoning(row: dict[str, object], tmp_path: Path) -> None:
    write_rows(tmp_path, [row])
    write_media(tmp_path, row)
    assert check(tmp_path, split="sft").findings == []
    write_rows(tmp_path, [{**row, "reasoning_process": None}])
    assert kinds(check(tmp_path, split="sft")) == [(0, "row")]
