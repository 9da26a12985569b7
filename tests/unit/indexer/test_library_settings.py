"""What a library's settings come to: its engine beside the flags, its order, its places, its questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.libraries import LibrarySettings, chosen, places, standing_of
from indexer.library_commands import EngineChoice

FLAGS = EngineChoice(engine="onnx", model="./export", prompts=Path("words.toml"))


def library(name: str = "docks", **values: object) -> LibrarySettings:
    return LibrarySettings(name=name, paths=("/footage",), **values)  # type: ignore[arg-type]


def test_a_library_s_own_engine_takes_nothing_from_the_defaults_of_the_command() -> None:
    own = FLAGS.of_library(library(engine="spotter"), given=[])
    assert own == EngineChoice(engine="spotter", model=None, prompts=None)


def test_without_an_engine_of_its_own_a_library_s_model_goes_to_the_command_s() -> None:
    own = FLAGS.of_library(library(model="/m", rate_hz=1.0), given=[])
    assert own == EngineChoice(engine="onnx", model="/m", prompts=Path("words.toml"), rate_hz=1.0)


def test_what_is_given_by_hand_wins() -> None:
    full = library(engine="transformers", model="/m", rate_hz=1.0)
    assert FLAGS.of_library(full, given=["engine"]) == FLAGS
    by_hand = FLAGS.of_library(full, given=["model"])
    assert (by_hand.engine, by_hand.model, by_hand.prompts) == ("transformers", "./export", None)


def test_libraries_are_chosen_by_priority_then_in_the_order_of_the_file() -> None:
    all_of_them = [library("a"), library("b", priority=5), library("c"), library("d", priority=-1)]
    assert [x.name for x in chosen(all_of_them, [])] == ["b", "a", "c", "d"]
    assert [x.name for x in chosen(all_of_them, ["d", "a", "d"])] == ["a", "d"]
    with pytest.raises(ValueError, match=r"no library 'e'; there are: a, b, c, d"):
        chosen(all_of_them, ["e"])
    with pytest.raises(ValueError, match=r"put libraries into proofreel\.toml"):
        chosen([], [])


def test_globs_become_what_they_match_now_and_remember_where_to_look_for_what_is_gone(tmp_path: Path) -> None:
    for name in ("cam1/front", "cam2/front", "cam2/back", "odd[1]"):
        (tmp_path / name).mkdir(parents=True)
    settings = LibrarySettings(
        name="x", paths=(f"{tmp_path}/cam*/front", f"{tmp_path}/odd[1]", f"{tmp_path}/none*/x")
    )
    found = places(settings)
    assert found.paths == (
        tmp_path / "cam1/front",
        tmp_path / "cam2/front",
        tmp_path / "odd[1]",
        tmp_path / "none*/x",
    )
    assert set(found.roots) == {tmp_path}


def test_a_question_is_standing_once_and_the_pack_s_rules_win_over_bare_words() -> None:
    rows = standing_of(
        library(
            questions=("Is  there fire or smoke?", "is there fire or smoke?", "is anyone here?"),
            packs=("safety",),
            severity={"is anyone here?": "low", "fire-or-smoke": "medium"},
        )
    )
    by_text = {row.text: row for row in rows}
    assert len(by_text) == len(rows)
    fire = by_text["is there fire or smoke?"]
    assert (fire.pack, fire.severity, fire.reviewers) == ("safety", "medium", 2)
    assert (by_text["is anyone here?"].severity, by_text["is anyone here?"].pack) == ("low", None)
    assert by_text["Is there fire or smoke?"].pack is None
