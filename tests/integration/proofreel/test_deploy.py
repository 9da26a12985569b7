"""What deploy/ and docs/operations.md name starts for real: units, cron line, compose file, every command."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.lamps import lamp_clip

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
PROGRAM = "/opt/proofreel/bin/proofreel"
SETTINGS = 'home = "home"\n[libraries.docks]\npaths = ["footage"]\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with settings, footage, and a `proofreel` to be found on the path."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/proofreel"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m proofreel "$@"\n')
    program.chmod(0o755)
    (tmp_path / "footage").mkdir()
    lamp_clip(tmp_path / "footage/a.mp4")
    (tmp_path / "proofreel.toml").write_text(SETTINGS)
    return tmp_path


def environment(site: Path) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PROOFREEL_")}
    return {**clean, "PYTHONPATH": str(ROOT), "PATH": f"{site / 'bin'}:{os.environ['PATH']}"}


def exec_start(unit: str) -> list[str]:
    """The command of a unit, as `proofreel ...`."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / unit)
    program, *arguments = shlex.split(parser["Service"]["ExecStart"])
    assert program == PROGRAM
    return ["proofreel", *arguments]


def assert_indexed(site: Path) -> None:
    done = subprocess.run(
        ["proofreel", "status", "--json"], cwd=site, env=environment(site), capture_output=True, check=True
    )
    (library,) = json.loads(done.stdout)["libraries"]
    assert (library["name"], library["videos"]) == ("docks", 1)


def run_until_indexed(command: list[str], site: Path) -> int:
    """Start what never ends by itself; end it by SIGTERM once it has said what it indexed. Its exit code."""
    process = subprocess.Popen(
        command, cwd=site, env=environment(site), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    told = next(line for line in process.stderr if line.startswith("indexed"))
    assert "a.mp4" in told
    process.send_signal(signal.SIGTERM)
    process.stderr.read()
    process.stderr.close()
    return process.wait(timeout=60)


@pytest.mark.slow
def test_systemd_finds_nothing_wrong_with_the_units(site: Path) -> None:
    units = [path for path in DEPLOY.iterdir() if path.suffix in (".service", ".timer")]
    assert len(units) == 3
    for path in units:
        (site / path.name).write_text(path.read_text().replace(PROGRAM, str(site / "bin/proofreel")))
    done = subprocess.run(
        ["systemd-analyze", "verify", *(f"./{path.name}" for path in units)],
        cwd=site, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.slow
def test_the_timers_and_crons_very_command_indexes_the_libraries(site: Path) -> None:
    command = exec_start("proofreel.service")
    line = (DEPLOY / "proofreel.cron").read_text().splitlines()[-1]
    in_cron = line.split("cd /srv/proofreel && ")[1]
    assert shlex.split(in_cron.replace(PROGRAM, "proofreel").removesuffix(" >/dev/null")) == command
    done = subprocess.run(command, cwd=site, env=environment(site), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_indexed(site)


@pytest.mark.slow
def test_the_watching_unit_s_very_command_indexes_what_is_there_and_ends_well(site: Path) -> None:
    command = [*exec_start("proofreel-watch.service"), "--still", "1"]
    assert run_until_indexed(command, site) == 0
    assert_indexed(site)


def test_the_compose_file_is_one_and_names_nothing_that_is_not_there() -> None:
    values = {"FOOTAGE": "/mnt/archive", "POSTGRES_PASSWORD": "secret"}
    text = re.sub(r"\$\{(\w+)[^}]*\}", lambda named: values[named[1]], (DEPLOY / "compose.yaml").read_text())
    parsed = PyCompose.from_yaml(text)
    found: dict[str, Any] = yaml.safe_load(text)
    services = found["services"]
    assert set(parsed.service_names()) == set(services)
    volumes = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert {name for name in volumes if "/" not in name} == set(found["volumes"])
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    build = services["indexer"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    assert ["proofreel", *services["indexer"]["command"]] == exec_start("proofreel-watch.service")


def code_blocks(language: str) -> list[str]:
    text = (ROOT / "docs/operations.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_a_new_operator_gets_through_the_page_command_by_command(site: Path, tmp_path: Path) -> None:
    """All but the installation, which `test_packaging` does, and what needs a machine of one's own."""
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    shutil.move(site / "footage", fresh / "footage")
    (site / "proofreel.toml").unlink()
    install, *blocks = code_blocks("sh")
    assert "pip install 'proofreel[watch]'" in install and len(blocks) >= 6
    script = "set -eux\n" + "\n".join(blocks)
    started = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", script], cwd=fresh, env=environment(site), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, (
        f"{time.monotonic() - started:.0f} s\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    )
    assert "past its retention: what was made of 0 videos" in done.stdout


@pytest.mark.parametrize("block", range(len(code_blocks("toml"))))
def test_every_settings_file_on_the_page_is_one(block: int, tmp_path: Path) -> None:
    from proofreel.settings import load

    path = tmp_path / "proofreel.toml"
    path.write_text(code_blocks("toml")[block])
    load(path, environment={}).libraries_of(path)
