"""Who may index into a home: on SQLite one process, and the next one is told so; on PostgreSQL many."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Self

from sqlalchemy.orm import Session

from grounding.errors import StorageError
from grounding.plain import counted
from storage.address import address_of
from storage.database import Database
from storage.leases import LEASE_S, Lease, claim, leases_on, new_owner, owner_of, release, renew
from storage.lock import HomeLock, holder
from storage.postgres import Lock, holders

log = logging.getLogger(__name__)

PATIENCE_S = 60.0
"""How long a night waits for a database server that is being restarted."""

_REPLACED = "its content is being upgraded or put back; wait until that is done"


@contextmanager
def driving(
    home: Path, *, url: str | None = None, lock: Callable[[Path], HomeLock] = HomeLock
) -> Iterator[Database]:
    """The home's database for a process that indexes: made or upgraded when needed, closed at the end.

    `lock` gives the lock of a home on SQLite. Raises `StorageError` as `Database.open` does, and when it
    isn't this one's turn.
    """
    if address_of(home, url).url is not None:
        with (
            Database.open(home, url=url, create=True) as database,
            database.holding(Lock.DRIVERS, shared=True, busy=_REPLACED),
        ):
            database.patience_s = PATIENCE_S
            yield database
        return
    # The lock first: opening may upgrade the schema, which is no work for two at once.
    with lock(home), Database.open(home, create=True) as database:
        yield database


def sole(database: Database) -> AbstractContextManager[object]:
    """Keep others from indexing into a home on SQLite; on PostgreSQL what needs a lock takes its own."""
    return nullcontext() if database.is_shared else HomeLock(database.home)


def who_drives(database: Database, session: Session) -> str | None:
    """Who indexes into the home now, as people are told it; None for nobody."""
    if not database.is_shared:
        process = holder(database.home)
        return None if process is None else f"process {process}"
    connections = holders(session, Lock.DRIVERS)
    return counted(len(connections), "driver") if connections else None


class Driver:
    """The jobs that this process has claimed, kept by a thread that renews their leases while it lives.

    A context manager; what is still held at its end is given back. On SQLite nobody else could take them, and
    nothing is renewed.
    """

    def __init__(self, database: Database, *, duration_s: float | None = None) -> None:
        self.owner = new_owner()
        self._database = database
        self._duration_s = LEASE_S if duration_s is None else duration_s
        self._held: dict[int, Lease] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)

    def claim(self, *, run_id: int, most: int = 1, video_ids: Collection[int] | None = None) -> list[Lease]:
        """At most `most` free pending jobs of a run (of these videos), oldest first; they are ours now."""
        leases = self._database.write(
            lambda session: claim(
                session,
                run_id=run_id,
                owner=self.owner,
                most=most,
                duration_s=self._duration_s,
                video_ids=video_ids,
            )
        )
        with self._lock:
            self._held.update((lease.job_id, lease) for lease in leases)
        return leases

    def release(self, *leases: Lease) -> None:
        """Give jobs back, done or not; one that is no longer ours is left alone. Where that fails, the leases
        run out by themselves.
        """
        with self._lock:
            for lease in leases:
                self._held.pop(lease.job_id, None)
        if leases:
            try:
                self._database.write(lambda session: release(session, leases))
            except StorageError as error:
                log.warning("leases can't be given back now: %s", error)

    def owner_of(self, *, video_id: int, run_id: int) -> str | None:
        """Who works on this video now, or None."""
        with self._database.reading() as session:
            return owner_of(session, video_id=video_id, run_id=run_id)

    def outlived(self, video_ids: Collection[int], *, run_id: int, stopped: Callable[[], bool]) -> set[int]:
        """Those of the videos that others were at and are no longer: done, given back, or their driver died.

        Waits until it is known of each: a driver that lives renews its leases, a dead one's run out.
        """
        unknown = dict(self._leases_on(video_ids, run_id=run_id))
        gone = set(video_ids) - set(unknown)
        while unknown and not stopped():
            time.sleep(min(1.0, self._duration_s / 10))
            now = self._leases_on(unknown, run_id=run_id)
            for video_id, before_s in list(unknown.items()):
                left_s = now.get(video_id)
                if left_s is None or left_s < 0.0:
                    gone.add(video_id)
                    del unknown[video_id]
                elif left_s > before_s:
                    del unknown[video_id]
                else:
                    unknown[video_id] = left_s
        return gone

    def _leases_on(self, video_ids: Collection[int], *, run_id: int) -> dict[int, float]:
        with self._database.reading() as session:
            return leases_on(session, video_ids, run_id=run_id)

    def __enter__(self) -> Self:
        if self._database.is_shared:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self.release(*self._held.values())

    def _keep(self) -> None:
        while not self._ended.wait(self._duration_s / 3):
            with self._lock:
                held = list(self._held.values())
            if held:
                self._renew(held)

    def _renew(self, held: list[Lease]) -> None:
        try:
            with self._database.writing() as session:
                kept = {lease.job_id for lease in renew(session, held, duration_s=self._duration_s)}
        except StorageError as error:
            log.warning("leases can't be renewed now: %s", error)
            return
        with self._lock:
            for lease in held:
                if lease.job_id not in kept:
                    self._held.pop(lease.job_id, None)
