"""Workers as processes of this machine: spawned, never forked, one hand in each.

A worker starts when an order finds no other with room, and ends when it has worked off enough orders or holds
too much memory: libraries that decode untrusted files leak. A pool from a library would break as a whole when
one process dies, and would not tell which order that was.
"""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from indexer.executors import ANY, Died, Done, Event, Hand, Lost, Needs, Piece, Raised, Ticket
from indexer.executors.process import Finish, Given, Over, main
from indexer.executors.sandbox import Limits, share_of_memory

ORDERS_A_WORKER = 1000
"""After so many a worker is replaced, which takes a second or two."""

RECYCLED_ABOVE = 0.5
"""Of the memory that a worker may ask for: one that holds more after an order is replaced."""

PATIENCE_S = 5.0
"""How long a worker that was told to end may take before it is killed."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Worker:
    """A process, the orders that are in it, and how many it was given."""

    process: SpawnProcess
    pipe: Connection
    place: Mapping[str, str]
    orders: dict[Ticket, Needs] = field(default_factory=dict)
    num_given: int = 0
    is_worn: bool = False

    def has_room(self, needs: Needs, *, at_once: int) -> bool:
        if self.is_worn or any(own.alone for own in self.orders.values()):
            return False
        return len(self.orders) < (1 if needs.alone else at_once)


class LocalExecutor:
    """A process a place in `environments`, each with `orders_at_once` orders from files of their own.

    An environment is what is set in it, for one GPU say. `make` is pickled, and makes the hand in each
    process. Several orders at once keep a GPU busy where one file alone does not; when such a process dies,
    its orders are `Lost` and suspect.
    """

    def __init__(
        self,
        make: Callable[[], Hand],
        *,
        environments: Sequence[Mapping[str, str]],
        orders_at_once: int = 1,
        orders_a_worker: int = ORDERS_A_WORKER,
        limits: Limits | None = None,
    ) -> None:
        self._make = make
        self._most = len(environments)
        self._places = list(environments)
        self._at_once = orders_at_once
        self._orders_a_worker = orders_a_worker
        self._limits = limits or Limits(memory_bytes=share_of_memory(self._most))
        self._context = multiprocessing.get_context("spawn")
        self._tickets = itertools.count(1)
        self._workers: list[_Worker] = []
        self._ending: list[_Worker] = []
        self._pending: list[Event] = []

    @property
    def capacity(self) -> int:
        return self._most * self._at_once

    def has_room(self, needs: Needs = ANY) -> bool:
        return len(self._workers) < self._most or self._free(needs) is not None

    def submit(self, order: Any, *, needs: Needs = ANY) -> Ticket:
        ticket = next(self._tickets)
        worker = self._free(needs) or self._start()
        worker.orders[ticket] = needs
        worker.num_given += 1
        with suppress(OSError):  # it is dead, which `wait` finds out and tells
            worker.pipe.send(Given(ticket=ticket, order=order))
        return ticket

    def wait(self, *, timeout_s: float | None) -> list[Event]:
        if not self._pending and self._workers:
            for pipe in wait([worker.pipe for worker in self._workers], timeout_s):
                self._pending += self._heard(next(w for w in self._workers if w.pipe is pipe))
        events, self._pending = self._pending, []
        return events

    def finish(self, ticket: Ticket) -> None:
        with suppress(OSError):
            self._with(ticket).pipe.send(Finish(ticket=ticket))

    def kill(self, ticket: Ticket) -> None:
        worker = self._with(ticket)
        worker.orders.pop(ticket)
        worker.process.kill()
        self._pending += self._gone(worker, reason="its worker was killed for another order")

    def close(self) -> None:
        for worker in self._workers:
            if worker.orders:
                worker.process.kill()
            else:
                self._retire(worker)
        until = time.monotonic() + PATIENCE_S
        for worker in (*self._workers, *self._ending):
            worker.process.join(max(until - time.monotonic(), 0.0))
            worker.process.kill()
            self._bury(worker)
        self._workers, self._ending = [], []

    def _free(self, needs: Needs) -> _Worker | None:
        """The one with the fewest orders, of those with room; None when one should be started for it."""
        able = [w for w in self._workers if w.has_room(needs, at_once=self._at_once)]
        best = min(able, key=lambda worker: len(worker.orders), default=None)
        if best is not None and best.orders and len(self._workers) < self._most:
            return None
        return best

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        me = multiprocessing.current_process().pid
        place = self._places.pop()
        process = self._context.Process(
            target=main,
            args=(theirs, self._make, self._limits, me, place),
            name="proofreel-worker",
            daemon=True,
        )
        with _signals_held():
            process.start()
        theirs.close()
        self._workers.append(worker := _Worker(process=process, pipe=ours, place=place))
        return worker

    def _with(self, ticket: Ticket) -> _Worker:
        return next(worker for worker in self._workers if ticket in worker.orders)

    def _heard(self, worker: _Worker) -> Iterator[Event]:
        """What the worker has said by now; its end, when that is all."""
        try:
            while worker.pipe.poll():
                yield from self._said(worker, worker.pipe.recv())
        except (EOFError, OSError):
            yield from self._gone(worker, reason=None)
            return
        if worker.is_worn and not worker.orders:
            self._leave(worker)
            self._retire(worker)
            self._ending.append(worker)

    def _said(self, worker: _Worker, message: Any) -> Iterator[Event]:
        if not isinstance(message, Over):
            ticket, value = message
            yield Piece(ticket=ticket, value=value)
            return
        worker.orders.pop(message.ticket)
        worker.is_worn = (
            worker.num_given >= self._orders_a_worker
            or message.resident_bytes > RECYCLED_ABOVE * self._limits.memory_bytes
        )
        if message.error is not None:
            yield Raised(ticket=message.ticket, error=message.error)
        else:
            yield Done(ticket=message.ticket, complete=message.complete)

    def _gone(self, worker: _Worker, *, reason: str | None) -> list[Event]:
        """The worker's end, told for each order that was in it."""
        worker.process.join()
        self._leave(worker)
        how = reason or how_it_ended(worker.process.exitcode)
        orders = list(worker.orders)
        self._bury(worker)
        if reason is None and len(orders) == 1:
            return [Died(ticket=orders[0], reason=how)]
        return [Lost(ticket=ticket, reason=how, suspect=reason is None) for ticket in orders]

    def _leave(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._places.append(worker.place)

    def _retire(self, worker: _Worker) -> None:
        with suppress(OSError):
            worker.pipe.send(None)

    def _bury(self, worker: _Worker) -> None:
        worker.process.join()
        worker.pipe.close()
        worker.process.close()


@contextmanager
def _signals_held() -> Iterator[None]:
    """A process that starts inside takes no signal that ends it, until it knows what to do with one; we take
    ours afterwards.
    """
    resource_tracker.ensure_running()  # which, when it starts, lets go of what is held
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def how_it_ended(exitcode: int | None) -> str:
    """How a process of that exit code came to its end, in words."""
    if exitcode is not None and exitcode < 0:
        number = -exitcode
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        hint = ", perhaps for want of memory" if number == signal.SIGKILL else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with code {exitcode}"
