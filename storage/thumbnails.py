"""Where the small picture of a moment lies, and that none outlives its moment.

The rows go first, in a transaction; a picture that a crash left behind has no moment, and goes with the next
sweep. An id is never given twice, so that a picture can't come to stand for another moment.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from storage.database import Database
from storage.failures import told
from storage.schema import Moment

FOLDER = "thumbnails"
_A_FOLDER = 1000


def thumbnail_path(home: Path, moment_id: int) -> Path:
    """Where the picture of a moment lies, if one was made: a thousand a folder."""
    return home / FOLDER / str(moment_id // _A_FOLDER) / f"{moment_id}.jpg"


def sweep(db: Database) -> int:
    """Remove the pictures of moments that are no longer there; gives how many. Other files are left alone."""
    removed = 0
    root = db.home / FOLDER
    with told(root):
        folders = [f for f in root.iterdir() if f.name.isdecimal()] if root.is_dir() else []
        for folder in folders:
            pictures = {int(path.stem): path for path in folder.iterdir() if path.stem.isdecimal()}
            with db.reading() as session:
                known = set(session.scalars(select(Moment.id).where(Moment.id.in_(list(pictures)))))
            for moment_id in pictures.keys() - known:
                pictures[moment_id].unlink(missing_ok=True)
                removed += 1
    return removed
