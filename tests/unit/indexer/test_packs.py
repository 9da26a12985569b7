"""Packs: what comes along can be asked and judged, and a user's own file is read or refused by name."""

from pathlib import Path

import pytest

from indexer.packs.reading import SHIPPED, read_pack

GOOD = """
schema = "proofreel.pack/1"
name = "gate"
version = 2
[review]
reviewers = 2
blur = true
[[question]]
name = "open"
text = "is the  gate open?"
severity = "high"
[[question]]
name = "when"
text = "when does the gate open?"
severity = "low"
reviewers = 1
blur = false
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gate.toml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_a_pack_that_comes_along_can_be_asked_and_no_two_questions_are_the_same(name: str) -> None:
    rows = read_pack(name).standing()
    assert len(rows) >= 8 and len({row.text for row in rows}) == len(rows)
    assert {row.severity for row in rows} >= {"low", "medium", "high", "critical"}
    assert {(row.pack, row.pack_version) for row in rows} == {(name, 1)}


def test_a_pack_s_rules_hold_where_a_question_has_none_of_its_own(file: Path) -> None:
    first, second = read_pack(str(file)).standing()
    assert (first.text, first.reviewers, first.blur) == ("is the gate open?", 2, True)
    assert (second.task, second.reviewers, second.blur) == ("temporal QA", 1, False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("version = 2", ""), "version: Field required"),
        (('severity = "high"', 'severity = "grave"'), "question.0.severity: Input should be 'low', 'medium'"),
        (('name = "when"', 'name = "open"'), "two questions are named 'open'"),
        (("blur = true", "blurr = true"), "review.blurr: Extra inputs are not permitted"),
        (("proofreel.pack/1", "proofreel.pack/9"), "schema: Input should be 'proofreel.pack/1'"),
        (("[review]", "[review"), "not a TOML file"),
    ],
)
def test_a_pack_that_can_t_be_used_is_told_with_its_file_and_place(
    file: Path, change: tuple[str, str], sentence: str
) -> None:
    file.write_text(GOOD.replace(*change))
    with pytest.raises(ValueError, match=r"gate\.toml: ") as told:
        read_pack(str(file))
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [("safty", "no pack named 'safty'; there are safety, support"), ("no.toml", "can't be read (No such")],
)
def test_a_pack_that_is_not_there_is_named(named: str, sentence: str) -> None:
    with pytest.raises(ValueError) as told:
        read_pack(named)
    assert sentence in str(told.value)
