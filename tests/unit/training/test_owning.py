"""One process a run's folder, and a disk that takes no more is one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from grounding.errors import TrainingError
from training.owning import owned
from training.runs import Run
from training.small.checkpoints import save_state

FULL = Path("/dev/full")
HOLD = """
import os, sys, time
from pathlib import Path
from training.owning import owned
with owned(Path(sys.argv[1])):
    if not os.fork():
        time.sleep(60)  # a worker that outlives its process
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_has_died(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert first.stdout is not None and first.stdout.readline() == b"held\n"
        with (
            pytest.raises(ValueError, match=r"another process is training in .*: wait until it is done"),
            owned(tmp_path),
        ):
            pass
        first.kill()
        first.wait(timeout=10)
        with owned(tmp_path):
            pass
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.stdout and first.stdout.close()


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"--out .*file.* can't be written \("), owned(tmp_path / out):
        pass


def test_a_disk_that_fills_up_is_told_when_metrics_are_written(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to(FULL)
    with (
        pytest.raises(TrainingError, match=r"can't be written \(No space left on device\): make room"),
        owned(tmp_path),
    ):
        Run(folder=tmp_path).log(1, loss=1.0)


def test_a_disk_that_fills_up_is_told_when_a_checkpoint_is_written(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt.part").symlink_to(FULL)
    with (
        pytest.raises(TrainingError, match=r"can't be written \(.*it goes on from the last checkpoint"),
        owned(tmp_path),
    ):
        save_state(tmp_path, {"weights": torch.zeros(1 << 20)})
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


def test_another_error_passes_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), owned(tmp_path):
        (tmp_path / "nothing").read_bytes()
