"""An executor within this process, one piece at a time: for tests that want to see their engine at work."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from engines.contract import Engine
from indexer.embedding import Embedder
from indexer.executors import ANY, Done, Event, Hand, Needs, Piece, Raised, Ticket
from indexer.looking import Looker


class InlineExecutor:
    """`workers` hands with one order each; `wait` takes the order that waited longest a piece further."""

    def __init__(self, make: Callable[[], Hand], *, workers: int = 1) -> None:
        self.capacity = workers
        self._free = [make() for _ in range(workers)]
        self._busy: dict[Ticket, Hand] = {}
        self._tickets = itertools.count(1)
        self._working: dict[Ticket, Generator[Any, None, None]] = {}
        self._finishing: set[Ticket] = set()

    def has_room(self, needs: Needs = ANY) -> bool:
        return bool(self._free)

    def submit(self, order: Any, *, needs: Needs = ANY) -> Ticket:
        ticket = next(self._tickets)
        self._busy[ticket] = self._free.pop(0)
        self._working[ticket] = self._busy[ticket].do(order)
        return ticket

    def wait(self, *, timeout_s: float | None) -> list[Event]:
        for ticket, pieces in self._working.items():
            del self._working[ticket]
            self._working[ticket] = pieces  # at the end of the row
            return [self._next(ticket, pieces)]
        return []

    def _next(self, ticket: Ticket, pieces: Generator[Any, None, None]) -> Event:
        if ticket in self._finishing:
            self.kill(ticket)
            return Done(ticket=ticket, complete=False)
        try:
            return Piece(ticket=ticket, value=next(pieces))
        except StopIteration:
            self.kill(ticket)
            return Done(ticket=ticket, complete=True)
        except Exception as error:
            self.kill(ticket)
            return Raised(ticket=ticket, error=error)

    def finish(self, ticket: Ticket) -> None:
        self._finishing.add(ticket)

    def kill(self, ticket: Ticket) -> None:
        self._working.pop(ticket).close()
        self._free.append(self._busy.pop(ticket))

    def close(self) -> None:
        for ticket in list(self._working):
            self.kill(ticket)
        for hand in self._free:
            hand.close()


def looking(
    engine: Callable[[], Engine], embedder: Callable[[], Embedder], *, workers: int = 1
) -> InlineExecutor:
    """One that looks at files with them."""
    make = partial(Looker, engine=engine, embedder=embedder, seal=lambda: None)
    return InlineExecutor(make, workers=workers)
