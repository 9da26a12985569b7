"""Where work is done: orders go out to workers, what they give comes back, and nothing is remembered here.

An executor knows nothing of video or SQL. Each worker is a process, here or on another machine, that makes
one `Hand` and gives it order after order; orders and what comes of them are pickled, so they are small.
How a worker ended is told apart, because it decides who is to blame:

    Done      the order was worked off, or ended early because `finish` asked for it
    Raised    the hand raised; the worker goes on
    Died      the worker's process ended under this one order (a segmentation fault, out of memory)
    Lost      the worker went away through no fault that can be laid on this order (a machine that is gone,
              or several orders were in the one process that died)

Between them come `Piece`s, one for each thing that the hand yields.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

Ticket = int
"""Names an order that was submitted; never given twice by one executor."""


class Hand(Protocol):
    """What works in a worker. Made there once, by a factory that can be pickled."""

    def do(self, order: Any) -> Generator[Any, None, None]:
        """Work an order off, giving piece by piece. Closed early when no more is wanted."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One thing that the hand gave for an order."""

    ticket: Ticket
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The order is over. `complete` is False when it was ended by `finish` and something may be left."""

    ticket: Ticket
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The hand raised `error`."""

    ticket: Ticket
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """The process ended while it had this order alone; `reason` says how."""

    ticket: Ticket
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The worker is gone and this order is not to blame. `suspect`: it might be; give it again `alone`."""

    ticket: Ticket
    reason: str
    suspect: bool = False


Event = Piece | Done | Raised | Died | Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What an order asks of the worker that it is given to.

    `labels` must all be among the worker's; an order that no worker of the executor could ever take goes to
    any of them, whose own error then tells what is missing. `alone`: no other order beside it.
    """

    labels: frozenset[str] = frozenset()
    alone: bool = False


ANY = Needs()


class Executor(Protocol):
    """Workers that take orders. Used by one thread."""

    @property
    def capacity(self) -> int:
        """How many orders can be worked off at the same time."""
        ...

    def has_room(self, needs: Needs = ANY) -> bool:
        """Whether `submit` would find a worker at once."""
        ...

    def submit(self, order: Any, *, needs: Needs = ANY) -> Ticket:
        """Give an order to a worker that has room."""
        ...

    def wait(self, *, timeout_s: float | None) -> list[Event]:
        """What happened, oldest first for each order; empty when nothing did within `timeout_s`.

        None waits for as long as it takes. The last event of an order is never a `Piece`.
        """
        ...

    def finish(self, ticket: Ticket) -> None:
        """Ask that an order ends after its present piece; it still ends with an event."""
        ...

    def kill(self, ticket: Ticket) -> None:
        """End the order's worker at once. Nothing more is heard of the order; others in it are `Lost`."""
        ...

    def close(self) -> None:
        """End all workers, whatever they are at."""
        ...
