"""The commands of the operations page, run word by word in a fresh folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.named import sample

ROOT = Path(__file__).resolve().parents[3]
FIRST = "## The morning report"


@pytest.mark.slow
def test_every_command_from_the_morning_report_on_works_word_by_word(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    script = "".join(re.findall(r"```sh\n(.*?)```", page[page.index(FIRST) :], re.DOTALL))
    assert script.count("proofreel ") >= 15
    (tmp_path / "footage").mkdir()
    shutil.copy(sample("bikes.mp4"), tmp_path / "footage")
    names = tmp_path / "bin"
    names.mkdir()
    command = names / "proofreel"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m proofreel "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{names}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        ["bash", "-euxc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=540
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / "week.json").read_text())["schema"] == "proofreel.report/1"
    for page_name in ("morning.html", "compare.html"):
        assert (tmp_path / page_name).read_text().count("<svg") >= 1
    assert "proofreel_files_total" in (tmp_path / "proofreel.prom").read_text()
    assert "search shows run 2" in done.stdout and "search shows run 1" in done.stdout
