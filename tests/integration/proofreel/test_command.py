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


def test_every_command_takes_json_home_and_config() -> None:
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
        missing = {"--json", "--home", "--config"} - options
        # These keep nothing in a home, so they have none.
        homeless = path.split()[1] in ("ask", "evaluate", "export", "train")
        assert missing <= ({"--home"} if homeless else set()), f"{path} lacks {missing}"


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
