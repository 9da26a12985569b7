"""The table of recorded runs is what the recorded files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.training_results import FOLDER, main

ROOT = Path(__file__).resolve().parents[3]


def test_the_training_results_are_those_of_the_recorded_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    main()
    assert capsys.readouterr().out == (ROOT / "docs/results/training.md").read_text(), "run `make docs`"
    assert len(list(FOLDER.glob("*.json"))) > 10
