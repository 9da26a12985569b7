"""Every error that Proofreel raises on purpose.

    ProofreelError
    ├── MediaError(path, position)      a file that can't be used, or a place in it
    │   ├── Unreadable                  no container or decoder can open it
    │   │   └── UnknownFormat           what it holds is in no known format
    │   ├── NoVideoStream               it opens, and holds no moving picture
    │   ├── Damaged                     it decodes in part only
    │   └── TimedOut                    reading took longer than allowed
    ├── StorageError                    the database, its schema, a vector index
    │   └── HomeBusy                    another process is indexing into the home
    ├── EngineError                     a model that can't be loaded or run
    │   └── OutOfMemory                 what it was asked is too much for its device
    ├── ExportError                     an export that can't be made or trusted
    └── TrainingError                   a training that can't go on

A user's wrong value is a plain `ValueError`. A message says what, where, and what to do next, in one
sentence.
"""

from __future__ import annotations

import os
from functools import partial

Path = str | bytes | os.PathLike[str]


class ProofreelError(Exception):
    """Root of the tree: catching it catches everything that Proofreel raises on purpose."""


def printable(path: Path) -> str:
    """A path as one printable line: control characters and undecodable bytes are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fsdecode(path))


class MediaError(ProofreelError):
    """Something is wrong with a media file.

    `path` is the file; `position_s` is the file time in seconds at which it went wrong, or None for the
    whole file.
    """

    def __init__(self, path: Path, reason: str, *, position_s: float | None = None) -> None:
        self.path = os.fsdecode(path)
        self.reason = reason
        self.position_s = position_s
        where = "" if position_s is None else f" at {position_s:.3f} s"
        super().__init__(f"{printable(path)}{where}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), position_s=self.position_s), (self.path, self.reason)


class Unreadable(MediaError):
    """No container format or decoder can open the file."""


class UnknownFormat(Unreadable):
    """The file could be read, and what it holds is in no known format."""


class NoVideoStream(MediaError):
    """The file opens, and holds no moving picture (audio only, a cover picture, subtitles)."""


class Damaged(MediaError):
    """The file decodes in part only, and the asked part is not in it."""


class TimedOut(MediaError):
    """Reading took longer than allowed."""


class StorageError(ProofreelError):
    """The database, its schema or a vector index can't be used as it is."""


class HomeBusy(StorageError):
    """Another process holds the lock of the home; it can be waited for."""


class EngineError(ProofreelError):
    """A model can't be loaded or run."""


class OutOfMemory(EngineError):
    """The device has too little memory for what was asked at once; less of it may do."""


class ExportError(ProofreelError):
    """An export can't be made, or can't be trusted."""


class TrainingError(ProofreelError):
    """A training can't begin, or can't go on."""
