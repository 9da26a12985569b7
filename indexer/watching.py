"""`watch`: follows the folders of libraries and indexes what comes, as `index` does, once it stands still.

Changes are heard from the operating system. Network shares tell none, and some can be missed, so that all is
looked through every so often as well. The home is locked only while something is indexed.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from grounding.errors import HomeBusy, StorageError
from indexer.identify import is_as_it_was
from indexer.identity import Stamp
from indexer.ledger import is_gone, videos_pending
from indexer.libraries import LibrarySettings, Places, places
from indexer.library import FoundFile, Identity, scan
from indexer.library_commands import retentions
from indexer.listening import Ears
from indexer.nightly import NightReport, index_libraries
from indexer.progress import Reporter
from indexer.request import Request
from indexer.settling import Settling
from indexer.stopping import Stop, Stopped
from storage import Database, KnownFile, known_files
from storage.reports import library_named

MOST_TICK_S = 1.0
PRUNE_EVERY_S = 3600.0


@dataclass(slots=True, kw_only=True)
class Watched:
    """A library that is followed. `request` makes what `index` is asked for some of its paths (none: only to
    note what is gone). `tried` are the files that were given to `index`, as they were then.
    """

    library: LibrarySettings
    request: Callable[[Sequence[Path]], Request]
    settling: Settling
    places: Places
    tried: dict[Path, Stamp] = field(default_factory=dict)
    some_gone: bool = False

    def look_for_places(self) -> None:
        """Look again at what the library's globs match."""
        self.places = places(self.library)

    def holds(self, path: Path) -> bool:
        """Whether the path belongs to the library, as far as its globs are known."""
        return any(path == place or place in path.parents for place in self.places.paths)


class Watch:
    """Follows the libraries until `stop` says so; tells each `NightReport` to `done`."""

    def __init__(
        self,
        watched: Sequence[Watched],
        *,
        home: Path,
        url: str | None = None,
        still_s: float,
        rescan_s: float,
        reporter: Reporter,
        stop: Stop,
        done: Callable[[NightReport], None],
    ) -> None:
        self._watched = watched
        self._home = home.absolute()
        self._url = url
        self._tick_s = min(MOST_TICK_S, still_s / 2, rescan_s / 2)
        self._rescan_s = rescan_s
        self._reporter = reporter
        self._stop = stop
        self._done = done
        self._waiting_told = False
        self._pruned_s = float("-inf")

    def run(self) -> None:
        """Returns once a signal has asked for the end."""
        ears: Ears | None = None
        heard: dict[Path, Identity] = {}
        try:
            while self._stop.signal_number is None:
                for one in self._watched:
                    one.look_for_places()
                folders = self._folders()
                if ears is None or folders != heard:
                    ears, heard = Ears(list(folders), tick_s=self._tick_s, reporter=self._reporter), folders
                ears.changed(self._stop)  # now it listens: what comes while all is looked through is heard of
                self._rescan()
                self._follow(ears, until_s=time.monotonic() + self._rescan_s)
        except Stopped:
            pass

    def _folders(self) -> dict[Path, Identity]:
        """Those to listen to, each with what it is: another disk may have come to its place.

        The root of a glob serves for all that the glob matches.
        """
        found: dict[Path, Identity] = {}
        for one in self._watched:
            roots = one.places.roots
            own = [place for place in one.places.paths if not any(root in place.parents for root in roots)]
            for place in (*own, *roots):
                with suppress(OSError):
                    status = place.stat()
                    if stat.S_ISDIR(status.st_mode):
                        found[place] = (status.st_dev, status.st_ino)
        return found

    def _follow(self, ears: Ears, *, until_s: float) -> None:
        while self._stop.signal_number is None and time.monotonic() < until_s:
            self._heard(ears.changed(self._stop))
            self._index_still()

    def _heard(self, paths: Iterable[Path]) -> None:
        for path in paths:
            if path == self._home or self._home in path.parents:
                continue
            for one in self._watched:
                if one.places.roots and not one.holds(path):
                    one.look_for_places()
                if one.holds(path):
                    self._see(one, [path])

    def _see(self, one: Watched, paths: Sequence[Path]) -> None:
        for found in scan(paths, home=self._home, named=False):
            if isinstance(found, FoundFile) and one.tried.get(found.path) != _stamp(found):
                one.settling.see(found.path)

    def _rescan(self) -> None:
        """Look through every library for what is not as it was when last indexed, was left half done, or is
        gone.
        """
        for one in self._watched:
            with self._stop.at_once():
                known, half_done = self._known(one.library.name)
                for found in scan(one.places.paths, home=self._home, named=False):
                    if isinstance(found, FoundFile) and not _is_done(found, known, half_done=half_done):
                        self._see(one, [found.path])
                one.some_gone = any(
                    of.missing_since is None and self._is_under(one, path) and is_gone(path)
                    for path, of in known.items()
                )

    def _is_under(self, one: Watched, path: str) -> bool:
        """A folder gone as a whole may be a disk that is not there."""
        parents = Path(path).parents
        return any(place in parents and place.is_dir() for place in (*one.places.paths, *one.places.roots))

    def _known(self, library: str) -> tuple[dict[str, KnownFile], set[int]]:
        """The library's files, and the videos that wait for more. Where nothing can be read nothing is known:
        `index` will tell.
        """
        try:
            with Database.open(self._home, url=self._url) as database, database.reading() as session:
                return known_files(session, library_named(session, library)), videos_pending(session)
        except (StorageError, ValueError):
            return {}, set()

    def _index_still(self) -> None:
        still = {id(one): one.settling.still() for one in self._watched}
        due = [one for one in self._watched if still[id(one)] or one.some_gone]
        kept = retentions([one.library for one in self._watched])
        prunes = bool(kept) and time.monotonic() - self._pruned_s >= PRUNE_EVERY_S
        if not due and not prunes:
            return
        self._stop.look_again()
        try:
            report = index_libraries(
                [one.request(list(still[id(one)])) for one in due],
                home=self._home,
                url=self._url,
                retentions=kept,
                reporter=self._reporter,
                stop=self._stop,
            )
        except HomeBusy as error:
            self._say_waiting(error)
            return
        except StorageError as error:
            self._give_up(due, str(error))
            return
        self._waiting_told = False
        self._pruned_s = time.monotonic()
        if report.reports or (report.pruned is not None and report.pruned.files):
            self._done(report)
        self._settle(due, report, still=still)

    def _say_waiting(self, error: HomeBusy) -> None:
        if not self._waiting_told:
            self._reporter.note(f"waiting: {error}")
        self._waiting_told = True

    def _settle(
        self, due: Sequence[Watched], report: NightReport, *, still: dict[int, dict[Path, Stamp]]
    ) -> None:
        ending = {one.library: one.ending for one in report.reports}
        for one in due:
            one.some_gone = False
            if ending.get(one.library.name) == "complete":
                one.tried.update(still[id(one)])
                one.settling.forget(still[id(one)])
            else:
                self._give_up([one], "; ".join(report.faults))

    def _give_up(self, due: Sequence[Watched], fault: str) -> None:
        """What could not be done is found again when all is looked through the next time."""
        if self._stop.signal_number is None:
            self._reporter.note(f"{fault}; trying again in {self._rescan_s:g} s")
        for one in due:
            one.settling.forget(one.settling.still())
            one.some_gone = False


def _stamp(found: FoundFile) -> Stamp:
    return Stamp(size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)


def _is_done(found: FoundFile, known: dict[str, KnownFile], *, half_done: set[int]) -> bool:
    of = known.get(os.fspath(found.path))
    if of is None or of.missing_since is not None or of.video_id in half_done:
        return False
    return is_as_it_was(found, of)
