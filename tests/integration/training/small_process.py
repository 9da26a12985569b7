"""A process that trains the tiny model on the tiny world: `small_process.py CONFIG OUT [KILL_AFTER]`.

Told to, it kills itself with SIGKILL right after the losses of a step were logged.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from tests.small_world import TOKENS, Renderer, Squares, write_tokenizer
from training.small.config import load_table
from training.small.loop import train
from training.small.model import Cut
from training.small.source import Source
from training.small.stages import Lesson, Training


def squares(lesson: Lesson, seed: int) -> Squares:
    stage = lesson.stage
    return Squares(
        seed=seed, batch=stage.batch, frames=stage.frames, text_len=stage.text_len, shown=stage.shown
    )


def source() -> Source:
    """The tiny world."""
    return Source(
        tokens=TOKENS,
        kinds=("where",),
        cut=Cut(),
        fingerprint="squares",
        batches=squares,
        renderer=Renderer,
        write_tokenizer=write_tokenizer,
    )


def main(config: str, out: str, kill_after: str = "") -> None:
    torch.set_num_threads(1)

    def told(line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        if kill_after and line.startswith(f"step {kill_after}:"):
            os.kill(os.getpid(), signal.SIGKILL)

    train(
        load_table(Path(config), Training),
        source=source(),
        out=Path(out),
        device=torch.device("cpu"),
        command="test",
        told=told,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
