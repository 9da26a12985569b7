"""The command as a user types it: settings, exit codes, one sentence for an error."""

import importlib.metadata
import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.clips import make_clip
from tests.postgres import Server

ROOT = Path(__file__).parents[3]


def proofreel(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `cwd` with a clean environment of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PROOFREEL_")}
    return subprocess.run(
        [sys.executable, "-m", "proofreel", *arguments],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_doctor_finds_nothing_wrong_and_its_document_fits_its_schema(tmp_path: Path) -> None:
    done = proofreel("doctor", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    schema = json.loads((files("proofreel") / "schemas/doctor-1.schema.json").read_text())
    jsonschema.validate(document, schema)
    problems = [check for check in document["checks"] if check["status"] == "problem"]
    assert (done.returncode, problems) == (0, [])


def test_a_settings_file_above_the_working_directory_names_the_home(tmp_path: Path) -> None:
    (tmp_path / "proofreel.toml").write_text('home = "elsewhere"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    done = proofreel("search", "a bus", cwd=below)
    assert done.returncode in (1, 2)
    assert "elsewhere" in done.stderr


def test_a_flag_wins_over_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "proofreel.toml").write_text('home = "from-file"\n')
    done = proofreel("search", "a bus", "--home", "from-flag", cwd=tmp_path)
    assert "from-flag" in done.stderr and "from-file" not in done.stderr


def test_the_version_is_that_of_the_installed_package(tmp_path: Path) -> None:
    done = proofreel("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"proofreel {importlib.metadata.version('proofreel')}\n")


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("search", "x", "--config", "absent.toml"), {}),
        (("search", "x"), {"PROOFREEL_HOMES": "y"}),
        (("search", "x", "--limit", "-3"), {}),
        (("no-such-command",), {}),
        (("index",), {}),
        (("index", ".", "--engine", "vlm"), {}),
        (("index", "."), {"PROOFREEL_INDEX__ENGINE": "vlm"}),
        (("index", ".", "--until", "25:00"), {}),
        (("index", ".", "--retry", "all"), {}),
        (("index", ".", "--library", " "), {}),
        (("index", ".", "-q", "  "), {}),
    ],
)
def test_wrong_usage_is_exit_code_2_and_no_traceback(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    done = proofreel(*arguments, cwd=tmp_path, **environment)
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr != "" and "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_every_command_takes_json_and_config_and_its_home_and_database() -> None:
    import typer

    from proofreel.cli import app

    def leaves(command: object, path: str) -> list[tuple[str, object]]:
        children = getattr(command, "commands", None)
        if children is None:
            return [(path, command)]
        return [leaf for name, child in children.items() for leaf in leaves(child, f"{path} {name}")]

    found = leaves(typer.main.get_command(app), "proofreel")
    assert len(found) >= 8
    for path, command in found:
        options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]
        missing = {"--json", "--home", "--database", "--config"} - options
        # These keep nothing in a home, so they have none.
        homeless = path.split()[1] in ("ask", "evaluate", "export", "train")
        assert missing <= ({"--home", "--database"} if homeless else set()), f"{path} lacks {missing}"


@pytest.mark.parametrize("arguments", [("doctor",), ("doctor", "--json"), ("--help",)])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_the_results_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], unbuffered: str
) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "proofreel", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("proofreel: the results can't be written to standard output (No space left")
    assert done.stderr.count("\n") == 1


def test_a_closed_standard_output_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m proofreel doctor >&-"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("proofreel: standard output is closed") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_is_no_news(tmp_path: Path, unbuffered: str) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "proofreel", "doctor", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    told = running.stderr.read()
    running.stderr.close()
    assert (running.wait(timeout=120), told) == (1, "")


def test_the_password_of_a_database_is_printed_nowhere(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/films"
    (tmp_path / "proofreel.toml").write_text(f'database = "{url}"\n')
    told = proofreel("status", cwd=tmp_path)
    asked = proofreel("search", "--config", "proofreel.toml", "--help", cwd=tmp_path)
    wrong = proofreel("status", "--database", "mysql://me:secret@host/films", cwd=tmp_path)
    assert (told.returncode, asked.returncode, wrong.returncode) == (1, 0, 2)
    assert "//me@127.0.0.1:1/films: the server can't be reached" in told.stderr
    assert "--database" in asked.stdout and "postgresql+psycopg://USER@HOST/NAME" in wrong.stderr
    assert not any("secret" in done.stdout + done.stderr for done in (told, asked, wrong))


@pytest.mark.slow
def test_a_database_named_once_is_that_of_all_commands(tmp_path: Path, postgres_server: Server) -> None:
    (tmp_path / "videos").mkdir()
    clip = make_clip(tmp_path / "videos" / "a.mp4", frames=60)
    url = postgres_server.url(postgres_server.create())
    first = proofreel("index", "videos", cwd=tmp_path, PROOFREEL_DATABASE=url)
    assert first.returncode == 0, first.stderr
    again = json.loads(proofreel("index", "videos", "--json", cwd=tmp_path).stdout)
    assert [(file["path"], file["status"]) for file in again["files"]] == [(str(clip), "unchanged")]
    assert json.loads(proofreel("status", "--json", cwd=tmp_path).stdout)["libraries"][0]["videos"] == 1
    found = json.loads(proofreel("search", "a bus", "--json", cwd=tmp_path).stdout)
    assert found["searched"]["seconds"] == pytest.approx(2.0)
    assert proofreel("db", "check", cwd=tmp_path).stdout == "nothing is wrong\n"
    assert not (tmp_path / ".proofreel" / "proofreel.db").exists()
