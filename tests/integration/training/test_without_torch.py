"""The base install has no PyTorch: each command that needs it says so in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
sys.modules.update(dict.fromkeys(("torch", "transformers", "trl", "peft", "accelerate", "datasets")))
sys.argv[0] = "proofreel"
from proofreel.cli import main
main()
"""


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("train small", "train"),
        ("train small --profile", "train"),
        ("train small-gspo", "train"),
        ("train sft --config open-o3-qwen3-vl-8b --dry-run", "train"),
        ("train gspo --config open-o3-qwen3-vl-8b", "train"),
        ("train data show --root .", "transformers"),
        ("evaluate proofworld", "transformers"),
        ("evaluate proofworld --engine transformers --model proofreel-small", "transformers"),
    ],
)
def test_what_is_not_installed_is_asked_for_in_one_sentence(command: str, extra: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()],
        cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (said,) = done.stderr.splitlines()
    assert said.startswith("proofreel: torch") and said.endswith(
        f"not installed: pip install 'proofreel[{extra}]'"
    )
    assert list(tmp_path.iterdir()) == []
