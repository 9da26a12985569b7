"""One indexer a home: an operating-system lock that dies with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path
from typing import Self

from grounding.errors import HomeBusy, StorageError, printable
from storage.failures import told

LOCK_NAME = "proofreel.lock"
_TRIES, _WAIT_S = 10, 0.01
"""`holder` keeps others from the lock for some microseconds; who works with it, for far longer than this."""


def holder(home: Path) -> str | None:
    """The number of the process that holds the home's lock ("unknown" where it can't be read), or None.

    Only asks: nothing is made, and a lock is held for no longer than that takes.
    """
    try:
        descriptor = os.open(home / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
    else:
        return None
    finally:
        os.close(descriptor)


class HomeLock:
    """Held from its making until `close`, or the end of the process. A context manager.

    Raises `HomeBusy` naming the process that holds it already. The file stays behind: only the lock on
    it counts, never its presence. A forked child lets go of it.
    """

    def __init__(self, home: Path) -> None:
        self._descriptor: int | None = None
        with told(home):
            home.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _take(descriptor)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise HomeBusy(
                f"another proofreel (process {holder}) is indexing into {printable(home)}; wait until it is "
                "done, or give another --home"
            ) from error
        self._descriptor = descriptor
        try:
            with told(home):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except StorageError:
            self.close()
            raise
        self._close_in_children()

    def close(self) -> None:
        """Let go of the lock; a second time does nothing."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _close_in_children(self) -> None:
        # A forked child shares the lock, and one that outlives us would keep the home locked.
        me = weakref.ref(self)

        def forget() -> None:
            lock = me()
            if lock is not None:
                lock._forget()

        os.register_at_fork(after_in_child=forget)


def _take(descriptor: int) -> None:
    """Take the lock. Raises BlockingIOError when it is held, by more than somebody's question."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_WAIT_S)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
