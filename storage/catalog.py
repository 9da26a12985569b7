"""What there is: libraries, videos by content, the files that hold them, the runs that answer.

Every `ensure_` gives the id of the row, making it when it is missing. All take the session of one
`Database.writing()`, and nothing is committed before that ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from grounding.errors import Path
from storage.clock import iso_date, now
from storage.paths import path_to_text, text_to_path
from storage.rows import FileFacts, KnownFile, VideoFacts
from storage.schema import File, Library, Run, Video
from storage.text import storable


def ensure_library(session: Session, name: str) -> int:
    """The id of the library called `name`."""
    name = storable(name)
    found = session.scalar(select(Library.id).where(Library.name == name))
    if found is not None:
        return found
    return _insert(session, Library, {"name": name, "created_at": now()})


def ensure_video(session: Session, facts: VideoFacts) -> int:
    """The id of the video with this content. What is stored of a known one stays as it is."""
    found = session.scalar(select(Video.id).where(Video.content_hash == facts.content_hash))
    if found is not None:
        return found
    return _insert(
        session,
        Video,
        {
            "content_hash": facts.content_hash,
            "size_bytes": facts.size_bytes,
            "container": storable(facts.container),
            "codec": storable(facts.codec),
            "width": facts.width,
            "height": facts.height,
            "rotation": facts.rotation,
            "time_base_num": facts.time_base.numerator,
            "time_base_den": facts.time_base.denominator,
            "start_s": facts.start_s,
            "end_s": facts.end_s,
            "num_frames": facts.num_frames,
            "has_audio": facts.has_audio,
            "recorded_at": None if facts.recorded_at is None else iso_date(facts.recorded_at),
            "created_at": now(),
            "missing_s": facts.missing_s,
        },
    )


def ensure_run(session: Session, *, fingerprint: str, engine: str, config: Mapping[str, Any]) -> int:
    """The id of the run with this fingerprint; `config` is what JSON can hold."""
    found = session.scalar(select(Run.id).where(Run.fingerprint == fingerprint))
    if found is not None:
        return found
    values = {"fingerprint": fingerprint, "engine": engine, "config": dict(config), "created_at": now()}
    return _insert(session, Run, values)


def video_of_content(session: Session, content_hash: str) -> int | None:
    """The id of the video with this content, or None."""
    return session.scalar(select(Video.id).where(Video.content_hash == content_hash))


def known_files(session: Session, library_id: int) -> dict[str, KnownFile]:
    """Every file of a library by its path (as Python writes it), for a scan to compare with."""
    columns = (
        File.path,
        File.id,
        File.size_bytes,
        File.mtime_ns,
        File.video_id,
        File.reason,
        File.missing_since,
    )
    return {
        text_to_path(path): KnownFile(
            id=id, size_bytes=size, mtime_ns=mtime, video_id=video, reason=reason, missing_since=missing
        )
        for path, id, size, mtime, video, reason, missing in session.execute(
            select(*columns).where(File.library_id == library_id)
        )
    }


def record_file(session: Session, facts: FileFacts, *, library_id: int) -> int:
    """Store a path as it was found just now; gives its id. A path that was missing is there again."""
    path = path_to_text(facts.path)
    values = {
        "video_id": facts.video_id,
        "size_bytes": facts.size_bytes,
        "mtime_ns": facts.mtime_ns,
        "reason": None if facts.reason is None else storable(facts.reason),
        "seen_at": now(),
        "missing_since": None,
    }
    found = session.scalar(select(File.id).where(File.library_id == library_id, File.path == path))
    if found is None:
        return _insert(session, File, {"library_id": library_id, "path": path, **values})
    session.execute(update(File).where(File.id == found).values(values))
    return found


def mark_missing(session: Session, paths: Iterable[Path], *, library_id: int) -> int:
    """Note that files are gone; gives how many. What is known of their videos stays and can be found."""
    marked = 0
    for path in paths:
        marked += _changed(
            session,
            update(File)
            .where(
                File.library_id == library_id, File.path == path_to_text(path), File.missing_since.is_(None)
            )
            .values(missing_since=now()),
        )
    return marked


def _insert(session: Session, table: Any, values: dict[str, Any]) -> int:
    return int(session.execute(insert(table).values(values).returning(table.id)).scalar_one())


def _changed(session: Session, statement: Any) -> int:
    return int(session.connection().execute(statement).rowcount)
