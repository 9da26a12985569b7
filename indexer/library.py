"""What lies under the paths that a user names: every file, in a fixed order, whatever it is.

Nothing is opened here; whether a file is a video is found out later. Directory links are followed once
(a loop ends where it began), and the home folder is left out wherever it lies.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Identity = tuple[int, int]  # device and inode: what a directory is, whatever it is called

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A regular file. `path` is absolute and not resolved; `named` says that the user named it himself."""

    path: Path
    size_bytes: int
    mtime_ns: int
    named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Something that can't be looked at, and why.

    `failed` tells what went wrong (an unreadable folder) from what is merely no file to index (a pipe).
    """

    path: Path
    reason: str
    failed: bool


def scan(paths: Sequence[Path], *, home: Path, named: bool = True) -> Iterator[FoundFile | Rejected]:
    """Everything under `paths` but `home`, each path once, sorted by name within a folder.

    With `named` the user gave these very paths, and what is no file is `Rejected` as failed; one that does
    not exist always is. Nothing is raised.
    """
    given = [Path(os.path.abspath(path)) for path in paths]
    is_named = frozenset(given if named else ())
    seen: set[Path] = set()
    visited: set[Identity] = set(_identity(home))
    stack = given[::-1]
    while stack:
        path = stack.pop()
        if path in seen:
            continue
        seen.add(path)
        found = _look(path, named=path in is_named)
        if found is not None:
            yield found
        elif not visited.issuperset(identity := _identity(path)):
            visited.update(identity)
            names, unlisted = _list(path)
            stack.extend(path / name for name in reversed(names))
            if unlisted is not None:
                yield unlisted


def _identity(path: Path) -> list[Identity]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [(status.st_dev, status.st_ino)]


def _look(path: Path, *, named: bool) -> FoundFile | Rejected | None:
    """What stands at `path`; None for a folder."""
    try:
        status = path.stat()
    except OSError as error:
        return Rejected(path=path, reason=_why_not(path, error), failed=named or not path.is_symlink())
    if stat.S_ISDIR(status.st_mode):
        return None
    if stat.S_ISREG(status.st_mode):
        return FoundFile(path=path, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, named=named)
    return Rejected(path=path, reason=f"not a regular file but {_kind(status.st_mode)}", failed=named)


def _list(folder: Path) -> tuple[list[str], Rejected | None]:
    try:
        return sorted(os.listdir(folder)), None
    except OSError as error:
        reason = f"can't list this folder ({error.strerror}); allow reading it or leave it out"
        return [], Rejected(path=folder, reason=reason, failed=True)


def _why_not(path: Path, error: OSError) -> str:
    if path.is_symlink() and isinstance(error, FileNotFoundError):
        return "a link to nothing"
    if isinstance(error, FileNotFoundError):
        return "no such file or folder; check the path"
    return f"can't be looked at ({error.strerror})"


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "something else")
