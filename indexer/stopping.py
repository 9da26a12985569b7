"""How a run is told to end: a signal, the time of day, a disk that fills. What is committed stays."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Literal

from grounding.errors import printable

StopReason = Literal["interrupted", "until", "disk"]
GB = 1e9

_HINT = b"\nproofreel: finishing the present segment; once more to drop it\n"


class Stopped(BaseException):
    """Raised where a signal may end things at once. Not an `Exception`: no file is at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFloor:
    """So many gigabytes (10^9 bytes) must stay free on the disk of `home`, for whoever else writes there."""

    home: Path
    keep_free_gb: float

    def lacking(self) -> str | None:
        """Why nothing more may be written, in a sentence; None while enough is free."""
        folder = next(path for path in (self.home.absolute(), *self.home.absolute().parents) if path.is_dir())
        free_gb = shutil.disk_usage(folder).free / GB
        if free_gb >= self.keep_free_gb:
            return None
        return (
            f"only {free_gb:.1f} GB are free on the disk of {printable(self.home)}, and "
            f"{self.keep_free_gb:g} GB are to stay free (keep_free_gb): free some space and run the same "
            "command again, nothing is lost"
        )


class Stop:
    """Asked between two segments whether to go on.

    `until` is the local time after which no new segment is claimed, or None; `floor` is what must stay free
    on the disk, or None. `signal_number` is the signal that asked for the end, or None; `disk_fault` is
    what was wrong with the disk, in a sentence, and stays although room is made: what was left out was left
    out.
    """

    def __init__(
        self,
        *,
        until: datetime | None = None,
        floor: DiskFloor | None = None,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._until = until
        self._floor = floor
        self._clock = clock
        self._at_once = False
        self.signal_number: int | None = None
        self.disk_fault: str | None = None

    def reason(self) -> StopReason | None:
        """Why to stop now, or None."""
        if self.signal_number is not None:
            return "interrupted"
        if self._until is not None and self._clock() >= self._until:
            return "until"
        if self._floor is not None and self.disk_fault is None:
            self.disk_fault = self._floor.lacking()
        return None if self.disk_fault is None else "disk"

    def look_again(self) -> None:
        """Forget what was wrong with the disk: it may have been mended."""
        self.disk_fault = None

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, a signal raises `Stopped`: for long reading that leaves nothing half done."""
        if self.signal_number is not None:
            raise Stopped
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, SIGINT and SIGTERM ask this object to stop; a second one raises `Stopped` at once."""
        before = {number: signal.signal(number, self._heard) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        again = self.signal_number is not None
        self.signal_number = number
        if again or self._at_once:
            raise Stopped
        os.write(2, _HINT)  # a handler may not use a buffered stream, which it can have interrupted


def next_time_of_day(text: str, *, now: datetime) -> datetime:
    """The next moment at which a clock shows `text` (HH:MM). Raises ValueError for anything else."""
    try:
        time_of_day = datetime.strptime(text, "%H:%M").time()
    except ValueError:
        raise ValueError(f"--until takes a time of day as HH:MM, like 06:00, not {text!r}") from None
    today = datetime.combine(now.date(), time_of_day, tzinfo=now.tzinfo)
    return today if today > now else today + timedelta(days=1)
