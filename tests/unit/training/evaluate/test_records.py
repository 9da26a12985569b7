"""Records on disk: they come back as they were, and only runs on the same questions are compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.errors import TrainingError
from tests.unit.training.completions import DOG, MAN, truth
from training.evaluate.records import RECORDS, Record, check_same, item_hash, read_records, writing

ONE = Record(
    id="plain-iid-0-0", scene_id="plain-iid-0-0", kind="digit", link=None, item="ab", task="describe",
    question="Which?", truth={"answer": "7"}, reply="<answer>7", scores={"acc": 1.0}, masked=None,
)  # fmt: skip


def written(path: Path, *records: Record) -> Path:
    with writing(path) as stream:
        assert stream is not None
        for record in records:
            print(record.line, file=stream)
    return path


@given(st.text(alphabet=st.characters()), st.floats(0.0, 1.0))
def test_any_reply_comes_back_as_it_was(reply: str, score: float) -> None:
    record = replace(ONE, reply=reply.encode("utf-8", "replace").decode(), scores={"acc": score})
    assert "\n" not in record.line
    assert RECORDS.validate_json(record.line) == record


def test_a_file_is_whole_or_beside_its_name(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with pytest.raises(RuntimeError), writing(path) as stream:
        assert stream is not None
        print(ONE.line, file=stream)
        raise RuntimeError("the power is gone")
    assert not path.exists()
    assert read_records(tmp_path / "run.jsonl.part") == [ONE]
    assert read_records(written(path, ONE, ONE)) == [ONE, ONE]
    assert [p.name for p in tmp_path.iterdir()] == ["run.jsonl"]


def test_no_file_is_written_where_none_is_asked_for() -> None:
    with writing(None) as stream:
        assert stream is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty: give a file that `evaluate --out` wrote"),
        (f"{ONE.line}\n{{}}\n", r"line 2 is no record of `evaluate --out`: id Field required"),
        ("no json\n", "line 1 is no record"),
        (ONE.line.replace('"kind"', '"sort"'), "line 1 is no record"),
        (b"\xff\xfe", "it is no UTF-8 text"),
    ],
)
def test_a_file_of_something_else_is_refused_with_its_line(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=said):
        read_records(path)


def test_places_that_can_t_be_read_or_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't read the records"):
        read_records(tmp_path / "gone.jsonl")
    with pytest.raises(ValueError, match="is a folder"), writing(tmp_path):
        pass
    with pytest.raises(ValueError, match="can't write records there"), writing(tmp_path / "no" / "run.jsonl"):
        pass


def test_a_disk_that_fills_up_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl.part").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"run\.jsonl\.part: no room is left for the records: make room"):
        written(tmp_path / "run.jsonl", ONE)
    assert not (tmp_path / "run.jsonl").exists()


def test_runs_on_other_questions_are_not_compared(tmp_path: Path) -> None:
    items = [(ONE.id, ONE.item)]
    check_same(items, [ONE], path=tmp_path)
    with pytest.raises(
        ValueError, match="holds 2 items and this run has 1: compare runs with the same --items"
    ):
        check_same(items, [ONE, ONE], path=tmp_path)
    with pytest.raises(ValueError, match=r"is of other items .* and the same cut-outs"):
        check_same(items, [replace(ONE, item="cd")], path=tmp_path)


def test_the_hash_of_an_item_is_of_its_question_and_its_truth() -> None:
    assert item_hash("Who?", truth(MAN)) == item_hash("Who?", truth(MAN))
    assert len({item_hash(q, t) for q in ("Who?", "What?") for t in (truth(MAN), truth(DOG))}) == 4
