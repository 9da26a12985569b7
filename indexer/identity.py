"""What a file *is*: the hash of its whole content, so that a moved, renamed or copied file keeps its history;
and whether it stays the same while it is read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from grounding.errors import MediaError, Unreadable
from storage import content


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What shows cheaply that a file may have changed: its size and time of modification."""

    size_bytes: int
    mtime_ns: int


class ChangedWhileRead(MediaError):
    """The file was written to while it was being read."""


def stamp(path: Path) -> Stamp:
    """The present stamp of `path`. Raises Unreadable when the file is gone or out of reach."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise Unreadable(path, f"can't be looked at ({error.strerror}); it may have been moved") from error
    return Stamp(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


def check_unchanged(path: Path, before: Stamp) -> None:
    """Raise ChangedWhileRead when `path` no longer has the stamp that it had before it was read."""
    if stamp(path) != before:
        raise ChangedWhileRead(path, "changed while it was being read; index it again when it is complete")


def content_hash(path: Path) -> str:
    """The hash of the whole content. Raises Unreadable when the file can't be opened or read to its end."""
    try:
        return content.content_hash(path)
    except OSError as error:
        reason = f"can't be read ({error.strerror}); allow reading it or leave it out"
        raise Unreadable(path, reason) from error
