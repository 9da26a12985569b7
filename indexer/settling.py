"""Files that may still be written to: each is left alone until its size and time stand still."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from grounding.errors import MediaError
from indexer.identity import Stamp, stamp


@dataclass(frozen=True, slots=True)
class _Seen:
    stamp: Stamp
    since_s: float


class Settling:
    """What was seen to be new or changed, until it has been as it is for `still_s` seconds.

    Counted by our own clock, from when we saw it: the time of modification may be another machine's.
    """

    def __init__(self, *, still_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._still_s = still_s
        self._clock = clock
        self._seen: dict[Path, _Seen] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def see(self, path: Path) -> None:
        """Look at a file; one that has changed since it was last seen begins anew, one that is gone is
        forgotten.
        """
        try:
            found = stamp(path)
        except MediaError:
            self._seen.pop(path, None)
            return
        known = self._seen.get(path)
        if known is None or known.stamp != found:
            self._seen[path] = _Seen(found, self._clock())

    def still(self) -> dict[Path, Stamp]:
        """Look at all again; those that have stood still long enough, as they are."""
        for path in list(self._seen):
            self.see(path)
        before_s = self._clock() - self._still_s
        return {path: seen.stamp for path, seen in self._seen.items() if seen.since_s <= before_s}

    def forget(self, paths: Iterable[Path]) -> None:
        """These need nothing more until they change."""
        for path in paths:
            self._seen.pop(path, None)
