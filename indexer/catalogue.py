"""The first half of `index`: every file under the paths is recognised and written down.

Gives what each file is; what is left to do with the videos among them is decided by `indexing`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grounding.errors import StorageError
from indexer.identify import Recognised, Unusable, is_as_it_was, promises_video, unusable
from indexer.identity import Stamp
from indexer.ledger import is_gone
from indexer.library import FoundFile, Rejected, scan
from indexer.progress import Reporter
from indexer.report import FileReport
from storage import Database, FileFacts, KnownFile, Retention, ensure_video, mark_missing, record_file
from storage.faults import point

Recogniser = Callable[[Sequence[FoundFile]], Iterator[tuple[FoundFile, Recognised | Unusable]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A path that holds a video. `new` says that the path was not known, or held something else before."""

    path: Path
    video_id: int
    stamp: Stamp
    new: bool


class Catalogue:
    """The files of one library, compared with what is known of them."""

    def __init__(
        self,
        database: Database,
        *,
        library_id: int,
        known: dict[str, KnownFile],
        recognise: Recogniser,
        reporter: Reporter,
        retention: Retention | None = None,
    ) -> None:
        """`recognise` opens files, and gives each with what it is as soon as that is known."""
        self._database = database
        self._library_id = library_id
        self._known = known
        self._recognise = recognise
        self._reporter = reporter
        self._retention = retention
        self._paths: Sequence[Path] = ()
        self._roots: Sequence[Path] = ()
        self._found: list[FoundFile | Rejected] = []

    def scan(self, paths: Sequence[Path], *, named: bool = True, roots: Sequence[Path] = ()) -> None:
        """Find every file under `paths`; none is opened. What is missing in `roots` too will be gone."""
        self._paths, self._roots = paths, roots
        for found in scan(paths, home=self._database.home, named=named):
            self._reporter.looking(found.path)
            self._found.append(found)

    @property
    def known_videos(self) -> set[int]:
        """The videos that are surely among what was found: their files are as they were."""
        files = ((f, self._known.get(os.fspath(f.path))) for f in self._found if isinstance(f, FoundFile))
        return {
            known.video_id
            for found, known in files
            if known is not None
            and known.video_id is not None
            and is_as_it_was(found, known)
            and not self._is_past(found)
        }

    def _is_past(self, found: FoundFile) -> bool:
        return self._retention is not None and self._retention.is_past(found.mtime_ns)

    @property
    def files(self) -> Sequence[Path]:
        """Every path that was found, in the order of the scan."""
        return [found.path for found in self._found]

    def take_stock(self) -> Iterator[Placed | FileReport]:
        """What every file that was found is, in the order of the scan; files that are gone are marked so.

        A folder that was named and holds no video is a failure of its own. Raises StorageError, `Stopped`.
        """
        known = {found.path: self._remembered(found) for found in self._found}
        new = [found for found in self._found if isinstance(found, FoundFile) and known[found.path] is None]
        for found, outcome in self._recognise(new):
            self._reporter.looking(found.path)
            known[found.path] = self._recognised(found, outcome)
        items = [item for item in known.values() if item is not None]
        self._mark_missing([*self._paths, *self._roots], seen={os.fspath(item.path) for item in items})
        yield from items
        past = [f.path for f in self._found if isinstance(f, FoundFile) and self._is_past(f)]
        yield from _fruitless(self._paths, items, past=past)

    def _remembered(self, found: FoundFile | Rejected) -> Placed | FileReport | None:
        """What becomes of a file, where that is known without opening it."""
        if isinstance(found, Rejected):
            return _rejected(found)
        if self._retention is not None and self._retention.is_past(found.mtime_ns):
            return FileReport(path=found.path, status="skipped", reason=self._retention.told)
        known = self._known.get(os.fspath(found.path))
        if known is None or not is_as_it_was(found, known):
            return None
        if known.video_id is not None:
            return self._known_video(found, known, video_id=known.video_id)
        if not found.named and not promises_video(found.path):
            return FileReport(path=found.path, status="skipped", reason=known.reason)
        return None

    def _recognised(self, found: FoundFile, outcome: Recognised | Unusable) -> Placed | FileReport:
        known = self._known.get(os.fspath(found.path))
        if isinstance(outcome, Unusable):
            return self._unusable(found, outcome, known if is_as_it_was(found, known) else None)
        try:
            return self._new_video(found, outcome, known)
        except StorageError:
            raise
        except Exception as error:  # what the file says of itself can't be kept, and the others go on
            return self._unusable(found, unusable(found, error), known)

    def _known_video(self, found: FoundFile, known: KnownFile, *, video_id: int) -> Placed:
        stamp = Stamp(size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)
        if known.missing_since is not None:
            self._record(found.path, stamp, video_id=video_id)
        return Placed(path=found.path, video_id=video_id, stamp=stamp, new=False)

    def _new_video(self, found: FoundFile, outcome: Recognised, known: KnownFile | None) -> Placed:
        with self._database.writing() as session:
            video_id = ensure_video(session, outcome.facts)
            record_file(
                session,
                _facts(found.path, outcome.stamp, video_id=video_id),
                library_id=self._library_id,
            )
            point("file:before-commit")
        point("file:after-commit")
        new = known is None or known.video_id != video_id
        return Placed(path=found.path, video_id=video_id, stamp=outcome.stamp, new=new)

    def _unusable(self, found: FoundFile, outcome: Unusable, known: KnownFile | None) -> FileReport:
        told_before = known is not None and known.reason == outcome.reason and known.missing_since is None
        if outcome.keep and not told_before:
            stamp = Stamp(size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)
            self._record(found.path, stamp, video_id=None, reason=outcome.reason)
        return FileReport(
            path=found.path, status="failed" if outcome.failed else "skipped", reason=outcome.reason
        )

    def _record(self, path: Path, stamp: Stamp, *, video_id: int | None, reason: str | None = None) -> None:
        with self._database.writing() as session:
            facts = _facts(path, stamp, video_id=video_id, reason=reason)
            record_file(session, facts, library_id=self._library_id)

    def _mark_missing(self, paths: Sequence[Path], *, seen: set[str]) -> None:
        """Only what lies where we looked; a folder gone as a whole may be a disk that is not there."""
        named = {os.path.abspath(path) for path in paths}
        folders = {path for path in named if os.path.isdir(path)}
        gone = [
            path
            for path, known in self._known.items()
            if known.missing_since is None
            and path not in seen
            and (path in named or any(os.fspath(parent) in folders for parent in Path(path).parents))
            and is_gone(path)
        ]
        if gone:
            with self._database.writing() as session:
                mark_missing(session, gone, library_id=self._library_id)


def _facts(path: Path, stamp: Stamp, *, video_id: int | None, reason: str | None = None) -> FileFacts:
    return FileFacts(
        path=path, size_bytes=stamp.size_bytes, mtime_ns=stamp.mtime_ns, video_id=video_id, reason=reason
    )


def _rejected(item: Rejected) -> FileReport:
    return FileReport(path=item.path, status="failed" if item.failed else "skipped", reason=item.reason)


def _fruitless(
    paths: Sequence[Path], items: Iterable[Placed | FileReport], *, past: Iterable[Path]
) -> list[FileReport]:
    """A failure for each named folder in which there is neither a video, nor anything that failed or is past
    its time.
    """
    found = {item.path for item in items if isinstance(item, Placed) or item.status == "failed"}.union(past)
    parents = {path.parent for path in found}  # few, where files are many
    fruitful = found | parents | {above for parent in parents for above in parent.parents}
    folders = dict.fromkeys(Path(os.path.abspath(path)) for path in paths)
    reason = "no video lies in this folder; name one that holds videos"
    return [
        FileReport(path=folder, status="failed", reason=reason)
        for folder in folders
        if folder.is_dir() and folder not in fruitful
    ]
