"""The workers as the driver of a night sees them: orders with a deadline each, and what came of them.

A native call that hangs can't be interrupted, so an order of which nothing comes in time loses its worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grounding.errors import EngineError, Unreadable
from indexer.executors import ANY, Done, Event, Executor, Lost, Needs, Piece, Raised, Ticket
from indexer.identify import Recognised, Unusable, unusable
from indexer.library import FoundFile
from indexer.orders import EngineFacts, Introduce, Loading, Order, Recognise
from indexer.stopping import Stop, Stopped
from indexer.timing import Stopwatch

LOADING_S = 1800.0
"""A model may take so long to load; no video is at fault when it does."""

SLOWEST_DISK_BYTES_S = 5e6
"""What reads all of a file may take the time that this needs, beyond the patience."""

LOOKS_UP_S = 0.25
"""So often a signal or the time of day is noticed while nothing else happens."""

MAX_LOSSES = 3
"""So often an order whose worker was lost is given to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """Nothing came of the order in time, and its worker was killed."""

    ticket: Ticket
    reason: str


Told = Event | TimedOut


@dataclass(slots=True, kw_only=True)
class _Clock:
    """When an order is given up, and how much time each new piece gives it."""

    deadline: float
    allowance_s: float


class Crew:
    """Makes the executor when it is first needed. `patience_s` is what every order is allowed at the least.

    The seconds that workers report go to `stopwatch`. An engine that can't be had is raised as EngineError.
    """

    def __init__(
        self, make: Callable[[], Executor], *, patience_s: float, stopwatch: Stopwatch, stop: Stop
    ) -> None:
        self._make = make
        self._executor: Executor | None = None
        self._patience_s = patience_s
        self._stopwatch = stopwatch
        self._stop = stop
        self._clocks: dict[Ticket, _Clock] = {}
        self._facts: EngineFacts | None = None

    @property
    def executor(self) -> Executor:
        self._executor = self._executor or self._make()
        return self._executor

    def facts(self) -> EngineFacts:
        """The engine of the workers. Raises EngineError, `Stopped`."""
        if self._facts is None:
            with self._stop.at_once():
                self._facts = self._ask_for_facts()
        return self._facts

    def recognise(self, files: Sequence[FoundFile]) -> Iterator[tuple[FoundFile, Recognised | Unusable]]:
        """What every file is, as it is found out. Raises EngineError, `Stopped`."""
        waiting, losses = list(reversed(files)), dict.fromkeys((file.path for file in files), 0)
        at: dict[Ticket, FoundFile] = {}
        while waiting or at:
            # Those that lost a worker in the company of others are tried one by one, after all others.
            while waiting and self.has_room(needs := Needs(alone=losses[waiting[-1].path] > 0)):
                if self._stop.reason() == "disk":
                    raise Stopped
                found = waiting.pop()
                at[self.submit(Recognise(found=found), size_bytes=found.size_bytes, needs=needs)] = found
            with self._stop.at_once():
                events = self.wait()
            for event in events:
                if isinstance(event, Piece):
                    yield at[event.ticket], event.value
                    continue
                found = at.pop(event.ticket)
                if isinstance(event, Lost) and losses[found.path] < MAX_LOSSES:
                    losses[found.path] += 1
                    waiting.insert(0, found)
                elif not isinstance(event, Done):
                    yield found, unusable(found, Unreadable(found.path, f"reading it failed: {_why(event)}"))

    def has_room(self, needs: Needs = ANY) -> bool:
        return self.executor.has_room(needs)

    def submit(
        self, order: Order, *, needs: Needs = ANY, size_bytes: int = 0, allowance_s: float = 0.0
    ) -> Ticket:
        """Give an order away. It may take the patience for each piece, `allowance_s` more, and for the first
        one what reading a file of `size_bytes` takes.
        """
        ticket = self.executor.submit(order, needs=needs)
        allowance_s += self._patience_s
        deadline = time.monotonic() + allowance_s + size_bytes / SLOWEST_DISK_BYTES_S
        self._clocks[ticket] = _Clock(deadline=deadline, allowance_s=allowance_s)
        return ticket

    def wait(self) -> list[Told]:
        """What happened; empty when nothing did for a moment. The value of a piece is taken out of `Told`."""
        timeout_s = min([LOOKS_UP_S, *(clock.deadline - time.monotonic() for clock in self._clocks.values())])
        events: list[Told] = [
            self._heard(event) for event in self.executor.wait(timeout_s=max(timeout_s, 0.0))
        ]
        return events + self._overdue()

    def finish(self, ticket: Ticket) -> None:
        self.executor.finish(ticket)

    def close(self) -> None:
        """End every worker."""
        if self._executor is not None:
            self._executor.close()

    def _heard(self, event: Event) -> Event:
        if isinstance(event, Raised) and isinstance(event.error, EngineError):
            raise event.error
        if not isinstance(event, Piece):
            self._clocks.pop(event.ticket)
            return event
        clock = self._clocks[event.ticket]
        self._stopwatch.include(event.value.spent)
        loading = isinstance(event.value.value, Loading)
        clock.deadline = time.monotonic() + (LOADING_S if loading else clock.allowance_s)
        return Piece(ticket=event.ticket, value=event.value.value)

    def _overdue(self) -> list[Told]:
        late = [ticket for ticket, clock in self._clocks.items() if clock.deadline <= time.monotonic()]
        told: list[Told] = []
        for ticket in late:
            clock = self._clocks.pop(ticket)
            self.executor.kill(ticket)
            reason = f"nothing came of it for {clock.allowance_s:.0f} s, and its process was ended"
            told.append(TimedOut(ticket=ticket, reason=reason))
        return told

    def _ask_for_facts(self) -> EngineFacts:
        facts: EngineFacts | None = None
        for _ in range(1 + MAX_LOSSES):
            self.submit(Introduce(), allowance_s=LOADING_S)
            last: Told | None = None
            while last is None or isinstance(last, Piece):
                for last in self.wait():
                    if isinstance(last, Piece):
                        facts = last.value
            if facts is not None:
                return facts
        raise EngineError(f"the engine can't be made: {_why(last)}; see `proofreel doctor`")


def _why(event: Any) -> str:
    return f"{type(event.error).__name__}: {event.error}" if isinstance(event, Raised) else event.reason
