"""The inside of a worker process: takes orders from a pipe, gives pieces back on it.

It dies with the process that started it, and leaves signals to that one: a terminal and systemd send them to
every process of a group, and only the driver knows what is to be finished.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psutil

from indexer.executors import Hand, Ticket
from indexer.executors.sandbox import Limits, die_with_parent, hold
from storage.faults import point


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An order on its way to the worker."""

    ticket: Ticket
    order: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The order of this ticket is to end after its present piece."""

    ticket: Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """An order's end: complete or not, or with an error. `resident_bytes` is what the worker then holds."""

    ticket: Ticket
    complete: bool
    error: Exception | None
    resident_bytes: int


def main(
    pipe: Connection,
    make: Callable[[], Hand],
    limits: Limits,
    parent_pid: int,
    environment: Mapping[str, str],
) -> None:
    """Work until the pipe says None or closes."""
    os.environ.update(environment)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    die_with_parent(parent_pid)
    hold(limits)
    hand = make()
    worker = _Worker(pipe, hand)
    try:
        while (message := pipe.recv()) is not None:
            worker.take(message)
    except (EOFError, OSError):
        return  # the driver is gone: nobody waits for what is being done
    hand.close()


class _Worker:
    """Each order on a thread of its own, so that the pipe is always listened to."""

    def __init__(self, pipe: Connection, hand: Hand) -> None:
        self._pipe = pipe
        self._hand = hand
        self._sending = threading.Lock()
        self._finishing: dict[Ticket, threading.Event] = {}

    def take(self, message: Given | Finish) -> None:
        if isinstance(message, Finish):
            if (asked := self._finishing.get(message.ticket)) is not None:
                asked.set()
            return
        point("worker:received")
        asked = self._finishing[message.ticket] = threading.Event()
        threading.Thread(
            target=self._work, args=(message, asked), name="proofreel-order", daemon=True
        ).start()

    def _work(self, given: Given, asked: threading.Event) -> None:
        complete, error = True, None
        try:
            pieces = self._hand.do(given.order)
            with closing(pieces):
                complete = self._give(given.ticket, pieces, asked)
        except Exception as caught:  # carried to the driver, which decides what it means
            error = _that_travels(caught)
        self._finishing.pop(given.ticket)
        held = psutil.Process().memory_info().rss
        self._send(Over(ticket=given.ticket, complete=complete, error=error, resident_bytes=held))

    def _give(self, ticket: Ticket, pieces: Iterator[Any], asked: threading.Event) -> bool:
        """Whether all pieces were given."""
        for piece in pieces:
            point("worker:before-send")
            self._send((ticket, piece))
            point("worker:after-send")
            if asked.is_set():
                return False
        return True

    def _send(self, message: Any) -> None:
        with self._sending:
            self._pipe.send(message)


def _that_travels(error: Exception) -> Exception:
    """The error, or what it says where it can't be pickled and taken out again."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an exception's own constructor does
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
