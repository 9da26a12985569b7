"""The command as a user types it: settings, exit codes, one sentence for an error."""

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


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("search", "x", "--config", "absent.toml"), {}),
        (("search", "x"), {"PROOFREEL_HOMES": "y"}),
        (("search", "x", "--limit", "-3"), {}),
        (("no-such-command",), {}),
        (("index",), {}),
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
        # `ask` and `export` keep nothing in a home, so they have none.
        homeless = path.split()[1] in ("ask", "export")
        assert missing <= ({"--home"} if homeless else set()), f"{path} lacks {missing}"
