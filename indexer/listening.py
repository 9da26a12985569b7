"""Hears of changes in folders as the operating system tells them, in regular ticks."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from pathlib import Path

from grounding.errors import printable
from indexer.progress import Reporter
from indexer.stopping import Stop

NEEDED = "watchfiles"


def require() -> None:
    """Raises ValueError, with the command that installs it, where the listening library is not there."""
    if find_spec(NEEDED) is None:
        raise ValueError(f"watch needs {NEEDED}, not installed here: pip install 'proofreel[watch]'")


class Ears:
    """What changed below some folders since it was last asked. One that is not there is not listened to."""

    def __init__(self, folders: Sequence[Path], *, tick_s: float, reporter: Reporter) -> None:
        self._folders = tuple(folders)
        self._tick_s = tick_s
        self._reporter = reporter
        self._ticks = self._listen()

    def changed(self, stop: Stop) -> frozenset[Path]:
        """The paths that changed; waits for a tick when there are none. A signal ends it by `Stopped`, or by
        nothing having changed.
        """
        with stop.at_once():
            found = next(self._ticks, None)
        if found is None:
            self._ticks = self._without_ears()
            return frozenset()
        return found

    def _listen(self) -> Generator[frozenset[Path]]:
        if not self._folders:
            yield from self._without_ears()
        from watchfiles import watch

        tick_ms = max(round(self._tick_s * 1000), 50)
        try:
            for changes in watch(
                *self._folders,
                watch_filter=None,
                step=min(50, tick_ms),
                debounce=tick_ms,
                rust_timeout=tick_ms,
                yield_on_timeout=True,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                yield frozenset(Path(path) for _, path in changes)
        except (OSError, RuntimeError) as error:  # the limits on what may be listened to come as either
            names = ", ".join(printable(folder) for folder in self._folders)
            self._reporter.note(
                f"can't hear of changes in {names} ({error}); they are looked through instead"
            )
            yield from self._without_ears()

    def _without_ears(self) -> Generator[frozenset[Path]]:
        while True:
            time.sleep(self._tick_s)
            yield frozenset()
