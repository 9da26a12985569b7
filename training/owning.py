"""A run's folder while it is written: by one process alone, and what the disk refuses is one sentence."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.errors import TrainingError, printable

LOCK = "run.lock"
_REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
_WORDS = ("No space left on device", "PytorchStreamWriter", "inline_container")
"""What safetensors and PyTorch say of a full disk: neither raises an OSError."""


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Make the folder and keep every other process from running in it, until this block or process ends.

    Raises ValueError where it can't be made or another process runs in it; TrainingError where writing fails.
    """
    descriptor = _locked(folder)
    try:
        with _told(folder):
            yield
    finally:
        os.close(descriptor)


def _locked(folder: Path) -> int:
    """A descriptor that holds the lock. Unlike flock's, a forked worker that outlives us doesn't keep it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ValueError(
            f"--out {printable(folder)} can't be written ({error.strerror}): give a folder that can"
        ) from error
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ValueError(
            f"another process is training in {printable(folder)}: wait until it is done, "
            "or give another --out"
        ) from error
    return descriptor


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        refused = _refused(error)
        if refused is None and not any(words in str(error) for words in _WORDS):
            raise
        where = folder if refused is None else refused.filename or folder
        why = "no room is left" if refused is None else refused.strerror
        raise TrainingError(
            f"{printable(where)} can't be written ({why}): make room and run the command again; "
            "it goes on from the last checkpoint"
        ) from error


def _refused(error: BaseException) -> OSError | None:
    """What the disk said, where that is the error or what led to it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _REFUSED:
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
