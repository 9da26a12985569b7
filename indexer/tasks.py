"""A video that has something left to do, those that wait for their turn, and what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from grounding.evidence import Span
from indexer.identity import Stamp

State = Literal["done", "failed", "quarantined", "stopped", "elsewhere"]
"""How far a task came; "elsewhere" means that another driver is at it, or has done it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A video with jobs that wait, the path that it is read from, its length in seconds, and what a machine
    needs to be able to do for it.
    """

    video_id: int
    path: Path
    stamp: Stamp
    length_s: float
    labels: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Fate:
    """What became of a task. `windows` are those committed now.

    `reason` is None when all went well; `note` is what the user should know also then.
    """

    state: State = "done"
    reason: str | None = None
    note: str | None = None
    windows: list[Span] = field(default_factory=list)
    moments: int = 0


class Waiting:
    """Tasks that were not begun, longest first, apart by what a machine needs to be able to do for them."""

    def __init__(self) -> None:
        self._queues: dict[frozenset[str], deque[Task]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, tasks: Sequence[Task]) -> None:
        for task in sorted(tasks, key=lambda task: -task.length_s):
            self._queues.setdefault(task.labels, deque()).append(task)

    def take_longest(self, has_room: Callable[[frozenset[str]], bool]) -> Task | None:
        """The longest one whose labels have room; None where none has."""
        able = [queue for labels, queue in self._queues.items() if queue and has_room(labels)]
        longest = max(able, key=lambda queue: queue[0].length_s, default=None)
        return None if longest is None else longest.popleft()

    def take_all(self) -> Iterator[Task]:
        for queue in self._queues.values():
            while queue:
                yield queue.popleft()
