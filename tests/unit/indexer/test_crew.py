"""Orders as the driver sees them: what is late loses its worker, what is lost is tried again."""

from __future__ import annotations

import itertools
import time
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from engines.contract import ClipSpec
from grounding.errors import EngineError
from indexer import crew as room
from indexer.crew import Crew, TimedOut
from indexer.executors import ANY, Died, Done, Event, Lost, Needs, Piece, Raised, Ticket
from indexer.identify import Unusable
from indexer.library import FoundFile
from indexer.orders import EngineFacts, Introduce, Loading, Recognise, Refused, Told
from indexer.stopping import Stop
from indexer.timing import Stopwatch

SPEC = ClipSpec(window_s=2.0, overlap_s=0.0, rate_hz=1.0, max_frames=2, max_side=64)
FACTS = EngineFacts(name="told", fingerprint="t1", spec=SPEC)
REFUSED = Unusable(reason="no", failed=True, keep=False)


class Scripted:
    """An executor whose orders go as a script says, an event a wait; it keeps what it was asked."""

    capacity = 1

    def __init__(self, *scripts: list[Any]) -> None:
        self._scripts = deque(scripts)
        self._tickets = itertools.count(1)
        self._now: dict[Ticket, deque[Any]] = {}
        self.needs: list[Needs] = []
        self.killed: list[Ticket] = []

    def has_room(self, needs: Needs = ANY) -> bool:
        return not self._now

    def submit(self, order: Any, *, needs: Needs = ANY) -> Ticket:
        self.needs.append(needs)
        ticket = next(self._tickets)
        self._now[ticket] = deque(self._scripts.popleft())
        return ticket

    def wait(self, *, timeout_s: float | None) -> list[Event]:
        for ticket, script in self._now.items():
            if not script:
                time.sleep(timeout_s or 0.0)
                return []
            make = script.popleft()
            event: Event = make(ticket) if callable(make) else Piece(ticket=ticket, value=Told(value=make))
            if not isinstance(event, Piece):
                del self._now[ticket]
            return [event]
        return []

    def finish(self, ticket: Ticket) -> None: ...

    def kill(self, ticket: Ticket) -> None:
        self.killed.append(ticket)
        del self._now[ticket]

    def close(self) -> None: ...


def done(ticket: Ticket) -> Event:
    return Done(ticket=ticket, complete=True)


def died(ticket: Ticket) -> Event:
    return Died(ticket=ticket, reason="its process was ended by SIGSEGV")


def lost(ticket: Ticket) -> Event:
    return Lost(ticket=ticket, reason="its machine is gone")


def crew(executor: Scripted, *, patience_s: float = 30.0) -> Crew:
    return Crew(lambda: executor, patience_s=patience_s, stopwatch=Stopwatch(), stop=Stop())


def found(name: str, size_bytes: int = 0) -> FoundFile:
    return FoundFile(path=Path("/v") / name, size_bytes=size_bytes, mtime_ns=0, named=False)


def test_an_order_of_which_nothing_comes_loses_its_worker_and_a_piece_gives_it_more_time() -> None:
    executor = Scripted([Refused(reason="a")])
    own = crew(executor, patience_s=0.2)
    started = time.monotonic()
    ticket = own.submit(Introduce())
    assert own.wait() == [Piece(ticket=ticket, value=Refused(reason="a"))]
    events: list[Any] = []
    while not events:
        events = own.wait()

    (late,) = events
    assert isinstance(late, TimedOut) and "nothing came of it for 0 s" in late.reason
    assert executor.killed == [ticket] and time.monotonic() - started >= 0.2


def test_loading_a_model_is_given_the_time_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOADING_S", 0.6)
    executor = Scripted([Loading()])
    own = crew(executor, patience_s=0.1)
    own.submit(Introduce())
    assert len(own.wait()) == 1
    started = time.monotonic()
    while not executor.killed:
        own.wait()

    assert time.monotonic() - started >= 0.5


def test_reading_a_large_file_is_given_the_time_of_a_slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SLOWEST_DISK_BYTES_S", 100.0)
    executor = Scripted([])
    own = crew(executor, patience_s=0.1)
    own.submit(Recognise(found=found("a")), size_bytes=50)
    started = time.monotonic()
    while not executor.killed:
        own.wait()

    assert time.monotonic() - started >= 0.55


def test_a_file_whose_worker_is_lost_is_tried_again_alone_and_one_that_kills_it_is_told() -> None:
    executor = Scripted([lost], [died], [REFUSED, done])
    told = dict(crew(executor).recognise([found("a"), found("b.mp4")]))

    assert [need.alone for need in executor.needs] == [False, False, True]
    by_name = {file.path.name: outcome for file, outcome in told.items()}
    assert by_name["a"] == REFUSED
    assert by_name["b.mp4"] == Unusable(
        reason="reading it failed: its process was ended by SIGSEGV", failed=True, keep=True
    )


def test_a_file_that_is_lost_again_and_again_is_told_in_the_end() -> None:
    executor = Scripted(*[[lost]] * 4)
    ((_, outcome),) = crew(executor).recognise([found("a.mp4")])

    assert isinstance(outcome, Unusable) and "its machine is gone" in outcome.reason


def test_a_worker_that_dies_before_it_tells_its_engine_is_no_end_of_the_night() -> None:
    assert crew(Scripted([died], [lost], [FACTS, done])).facts() == FACTS
    with pytest.raises(EngineError, match="can't be made: its process was ended by SIGSEGV"):
        crew(Scripted(*[[died]] * 4)).facts()


def test_an_engine_that_can_not_be_had_is_raised_whatever_the_order_was() -> None:
    def broken(ticket: Ticket) -> Event:
        return Raised(ticket=ticket, error=EngineError("the weights are missing"))

    own = crew(Scripted([broken]))
    own.submit(Introduce())
    with pytest.raises(EngineError, match="the weights are missing"):
        own.wait()
