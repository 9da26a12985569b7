"""An executor within this process, one order at a time: for tests that want to see their engine at work."""

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
    """Each `wait` takes the oldest order one piece further."""

    capacity = 1

    def __init__(self, make: Callable[[], Hand]) -> None:
        self._hand = make()
        self._tickets = itertools.count(1)
        self._working: dict[Ticket, Generator[Any, None, None]] = {}
        self._finishing: set[Ticket] = set()

    def has_room(self, needs: Needs = ANY) -> bool:
        return not self._working

    def submit(self, order: Any, *, needs: Needs = ANY) -> Ticket:
        ticket = next(self._tickets)
        self._working[ticket] = self._hand.do(order)
        return ticket

    def wait(self, *, timeout_s: float | None) -> list[Event]:
        for ticket, pieces in self._working.items():
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

    def close(self) -> None:
        for ticket in list(self._working):
            self.kill(ticket)
        self._hand.close()


def looking(engine: Callable[[], Engine], embedder: Callable[[], Embedder]) -> InlineExecutor:
    """One that looks at files with them."""
    return InlineExecutor(partial(Looker, engine=engine, embedder=embedder, seal=lambda: None))
