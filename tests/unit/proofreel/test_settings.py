"""Settings come from the file, then the environment; nothing that is written is ignored."""

import re
from pathlib import Path

import pytest

from proofreel.settings import load


def test_a_file_gives_each_command_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "proofreel.toml"
    path.write_text('home = "/srv/p"\n[index]\nlibrary = "docks"\nquestion = ["is anyone there?"]\n')
    settings = load(path, environment={})
    assert settings.defaults_for("index") == {
        "home": Path("/srv/p"),
        "library": "docks",
        "question": ["is anyone there?"],
    }
    assert settings.defaults_for("search") == {"home": Path("/srv/p")}


def test_a_relative_home_lies_beside_the_file_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "proofreel.toml"
    path.write_text('home = "archive"\n')
    assert load(path, environment={}).defaults_for("search") == {"home": tmp_path / "archive"}


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "proofreel.toml"
    path.write_text('[index]\nlibrary = "docks"\n')
    monkeypatch.setenv("PROOFREEL_INDEX__LIBRARY", "gate")
    assert load(path).defaults_for("index") == {"library": "gate"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[index]\nlibary = "docks"\n', "'index.libary'; allowed there: engine, library, model"),
        ("[serch]\nlimit = 3\n", "'serch'; allowed there: ask, database, home, index, search"),
    ],
)
def test_an_unknown_key_is_refused_by_name_and_the_good_ones_are_listed(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "proofreel.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"proofreel.toml: no such setting {message}")):
        load(path, environment={})


def test_an_unknown_variable_is_refused_and_the_good_ones_are_listed() -> None:
    with pytest.raises(ValueError, match=r"PROOFREEL_HOMES: no such setting.*PROOFREEL_HOME"):
        load(None, environment={"PROOFREEL_HOMES": "x"})


@pytest.mark.parametrize(
    ("text", "message"),
    [("home = ", "not a TOML file"), ("[search]\nlimit = 0\n", r"'search\.limit'.*got 0")],
)
def test_a_bad_file_says_what_and_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "proofreel.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load(path, environment={})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such settings file"):
        load(tmp_path / "absent.toml", environment={})
