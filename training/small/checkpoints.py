"""Where a training stands, as one file that is either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from grounding.errors import TrainingError, printable

FILE = "checkpoint.pt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the folder's checkpoint; one that is cut off is never taken for it, and takes no room."""
    part = folder / (FILE + ".part")
    try:
        with open(part, "wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(folder / FILE)


def load_state(folder: Path) -> dict[str, Any] | None:
    """The folder's checkpoint on the CPU, or None where there is none yet."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may fail in any way that its bytes spell
        raise TrainingError(
            f"{printable(path)} can't be read ({type(error).__name__}): remove it to begin anew"
        ) from error
    return state
