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
        (
            '[index]\nlibary = "docks"\n',
            "'index.libary'; allowed there: address, beside, engine, executor, ",
        ),
        (
            "[serch]\nlimit = 3\n",
            "'serch'; allowed there: ask, database, home, index, libraries, report, search, watch",
        ),
        (
            '[libraries.docks]\npaths = ["a"]\nengin = "spotter"\n',
            "'libraries.docks.engin'; allowed there: engine, model, packs, paths",
        ),
    ],
)
def test_an_unknown_key_is_refused_by_name_and_the_good_ones_are_listed(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "proofreel.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"proofreel.toml: no such setting {message}")):
        load(path, environment={})


def test_a_library_s_relative_paths_lie_beside_the_file_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "proofreel.toml"
    path.write_text(
        '[libraries.docks]\npaths = ["cam/*", "/mnt/yard"]\npacks = ["safety", "own.toml"]\n'
        'engine = "transformers"\nmodel = "./checkpoint"\npriority = 3\nretention_days = 30\n'
        '[libraries.gate]\npaths = ["gate"]\nengine = "transformers"\nmodel = "Qwen/Qwen3-VL-2B"\n'
    )
    settings = load(path, environment={})
    docks, gate = settings.libraries_of(path)
    assert docks.paths == (f"{tmp_path}/cam/*", "/mnt/yard")
    assert docks.packs == ("safety", f"{tmp_path}/own.toml")
    assert (docks.model, gate.model) == (f"{tmp_path}/checkpoint", "Qwen/Qwen3-VL-2B")
    assert settings.retention_days == {"docks": 30.0}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('paths = ["a"]\n[libraries." "]\npaths = ["b"]', r"'libraries\. \.\[key\]'.*should match"),
        ("paths = []", "'libraries.docks.paths': Tuple should have at least 1 item"),
        ('paths = [""]', "'libraries.docks.paths.0': String should have at least 1"),
        ('paths = ["a"]\nretention_days = 0', "'libraries.docks.retention_days'.*greater than 0"),
        ('paths = ["a"]\nseverity = { "who?" = "grave" }', "'libraries.docks.severity.who\\?'.*'critical'"),
    ],
)
def test_a_library_that_can_t_be_right_is_refused_with_its_place(
    tmp_path: Path, line: str, message: str
) -> None:
    path = tmp_path / "proofreel.toml"
    path.write_text(f"[libraries.docks]\n{line}\n")
    with pytest.raises(ValueError, match=message):
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


def test_whom_to_tell_comes_from_the_file_and_its_secrets_from_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "proofreel.toml"
    path.write_text('[report]\nwebhook = "https://example.org/x"\nemail = "a@example.org, b@example.org"\n')
    monkeypatch.setenv("PROOFREEL_REPORT__WEBHOOK_TOKEN", "t0ken")
    settings = load(path)
    assert settings.report.hooks() == {
        "webhook": "https://example.org/x",
        "webhook_token": "t0ken",
        "email": ("a@example.org", "b@example.org"),
    }
    assert settings.defaults_for("report") == {}
    path.write_text('[report]\nsmtp_password = "pa55"\n')
    with pytest.raises(ValueError) as error:
        load(path)
    assert str(error.value).endswith(
        "[report] smtp_password is a secret; set PROOFREEL_REPORT__SMTP_PASSWORD in the environment"
    )
    assert "pa55" not in str(error.value)
