"""Where the file of a stored video lies, once it is certain that it is still that video."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from grounding.errors import StorageError, Unreadable
from storage.content import content_hash as hash_of
from storage.paths import text_to_path


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    size_bytes: int
    mtime_ns: int
    missing_since: datetime | None


def original(session: Session, video_id: int) -> Path:
    """A file that holds the video's content: its size and time are those that were stored, or else its hash.

    Raises `Unreadable`, naming the file and why, when no known file does; `StorageError` when none is known.
    """
    files = _files(session, video_id)
    content_hash, num_bytes = session.execute(
        text("SELECT content_hash, size_bytes FROM video WHERE id = :video"), {"video": video_id}
    ).one()
    reasons = []
    for file in files:
        reason = _unlike(file, content_hash=content_hash, num_bytes=num_bytes)
        if reason is None:
            return file.path
        reasons.append(reason)
    if not files:
        raise StorageError(
            f"no file of video {video_id} is known any more; run `proofreel index` on its folder"
        )
    raise Unreadable(files[0].path, f"{reasons[0]}; run `proofreel index` on where the video is now")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Where a file of a video was seen last (None: no file is known), since when no scan has found any
    (None: there is one), and why its pictures can't be drawn as far as a look at the disk tells, or None.
    """

    path: Path | None
    missing_since: datetime | None
    undrawable: str | None


def known(session: Session, video_id: int) -> Known:
    """What is known of the video's files; none of them is read."""
    files = _files(session, video_id)
    if not files:
        return Known(path=None, missing_since=None, undrawable="no file of it is known any more")
    there = next((file for file in files if file.path.is_file()), None)
    best = there or files[0]
    reason = None if there else "its file was moved or deleted; run `proofreel index` on where it is now"
    return Known(path=best.path, missing_since=best.missing_since, undrawable=reason)


def _files(session: Session, video_id: int) -> list[_File]:
    """Files that the last scan found come before those that it missed."""
    query = text(
        "SELECT path, size_bytes, mtime_ns, missing_since FROM file WHERE video_id = :video"
        " ORDER BY missing_since IS NOT NULL, id"
    )
    return [
        _File(
            path=Path(text_to_path(row[0])),
            size_bytes=row[1],
            mtime_ns=row[2],
            missing_since=None if row[3] is None else datetime.fromisoformat(row[3]),
        )
        for row in session.execute(query, {"video": video_id})
    ]


def _unlike(file: _File, *, content_hash: str, num_bytes: int) -> str | None:
    """Why the file is not the one that was indexed, or None when it is."""
    try:
        status = file.path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "it is no regular file any more"
        if (status.st_size, status.st_mtime_ns) == (file.size_bytes, file.mtime_ns):
            return None
        if status.st_size == num_bytes and hash_of(file.path) == content_hash:
            return None
    except FileNotFoundError:
        return "it was moved or deleted since it was indexed"
    except OSError as error:
        return f"it can't be read ({error.strerror})"
    return "its content changed since it was indexed"
