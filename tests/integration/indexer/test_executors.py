"""What every executor keeps to, with real processes; and what the local one does besides."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from indexer.executors import ANY, Died, Done, Event, Executor, Lost, Needs, Piece, Raised, Ticket
from indexer.executors.local import LocalExecutor
from indexer.executors.sandbox import Limits
from tests.hands import Hand, SealedHand
from tests.ray_cluster import ray_cluster

ROOMY = Limits(memory_bytes=2 << 30)


@pytest.fixture(scope="module", params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def two(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Each executor with two workers."""
    if request.param == "local":
        with closing(LocalExecutor(Hand, environments=[{}, {}], limits=ROOMY)) as executor:
            yield executor
    else:
        from indexer.executors.ray import RayExecutor

        with (
            ray_cluster([{}, {}]) as (cluster, _),
            closing(RayExecutor(Hand, address=cluster.address, limits=ROOMY)) as executor,
        ):
            yield executor


def ended(executor: Executor, *tickets: Ticket, timeout_s: float = 30.0) -> dict[Ticket, list[Event]]:
    """Everything that is told of the orders until each is over."""
    told: dict[Ticket, list[Event]] = {ticket: [] for ticket in tickets}
    until = time.monotonic() + timeout_s
    while not all(events and not isinstance(events[-1], Piece) for events in told.values()):
        assert time.monotonic() < until, told
        for event in executor.wait(timeout_s=1.0):
            told.setdefault(event.ticket, []).append(event)
    return told


def run(executor: Executor, order: str, *, needs: Needs = ANY) -> list[Event]:
    ticket = executor.submit(order, needs=needs)
    return ended(executor, ticket)[ticket]


def values(events: list[Event]) -> list[Any]:
    return [event.value for event in events if isinstance(event, Piece)]


def test_pieces_come_in_order_and_then_the_end(two: Executor) -> None:
    events = run(two, "count 3")

    assert values(events) == [0, 1, 2]
    assert events[-1] == Done(ticket=events[0].ticket, complete=True)


def test_workers_are_processes_of_their_own_that_work_at_the_same_time(two: Executor) -> None:
    ended(two, two.submit("count 1"), two.submit("count 1"))  # both are there
    first = two.submit("count 4 0.2")
    assert two.has_room()
    second = two.submit("count 4 0.2")
    assert not two.has_room()
    order: list[Ticket] = []
    while len(order) < 10:
        order += [event.ticket for event in two.wait(timeout_s=5.0)]

    assert order.index(second) < 4 and order.index(first) < 4, "one waited for the other"
    (pid,) = values(run(two, "pid"))
    assert pid != os.getpid()


def test_a_worker_makes_its_hand_once(two: Executor) -> None:
    first, second, third = (values(run(two, "number"))[0] for _ in range(3))

    assert (second, third) == (first + 1, first + 2)


def test_what_raises_is_told_with_its_error_and_the_worker_goes_on(two: Executor) -> None:
    (pid,) = values(run(two, "pid"))
    before, raised = run(two, "raise key")

    assert values([before]) == ["before"]
    assert isinstance(raised, Raised) and isinstance(raised.error, KeyError)
    (odd,) = run(two, "odd error")
    assert isinstance(odd, Raised) and str(odd.error) == "Unpicklable: error and more"
    assert values(run(two, "pid")) == [pid]


@pytest.mark.parametrize(
    ("order", "how"),
    [
        ("segv", "its process was ended by SIGSEGV"),
        pytest.param("exit 3", "its process ended with code 3", marks=pytest.mark.slow),
    ],
)
def test_what_kills_its_worker_is_told_apart_and_the_others_go_on(
    two: Executor, order: str, how: str
) -> None:
    other = two.submit("count 3 0.1")
    bad = two.submit(order)
    told = ended(two, other, bad)

    assert told[bad][-1] == Died(ticket=bad, reason=how)
    assert values(told[bad]) == ["before"] and values(told[other]) == [0, 1, 2]
    assert values(run(two, "count 1")) == [0]


def test_what_hangs_in_a_native_call_is_killed_and_never_heard_of_again(two: Executor) -> None:
    other = two.submit("count 10 0.1")
    bad = two.submit("hang")
    pid = None
    while pid is None:
        pid = next(
            (e.value for e in two.wait(timeout_s=5.0) if isinstance(e, Piece) and e.ticket == bad), None
        )
    two.kill(bad)

    told = ended(two, other)
    assert bad not in told and isinstance(told[other][-1], Done)
    assert is_gone(pid) and two.has_room()


def test_an_order_that_is_asked_to_finish_ends_after_its_present_piece(two: Executor) -> None:
    ticket = two.submit("count 1000 0.05")
    while not two.wait(timeout_s=5.0):
        pass
    two.finish(ticket)
    events = ended(two, ticket)[ticket]

    assert events[-1] == Done(ticket=ticket, complete=False)
    assert len(events) < 10


@pytest.mark.slow
def test_a_worker_is_replaced_after_so_many_orders() -> None:
    executor = LocalExecutor(Hand, environments=[{}], orders_a_worker=2, limits=ROOMY)
    pids = [values(run(executor, "pid"))[0] for _ in range(4)]
    executor.close()

    assert pids[0] == pids[1] != pids[2] == pids[3]


@pytest.mark.slow
def test_a_worker_that_holds_too_much_memory_is_replaced() -> None:
    executor = LocalExecutor(Hand, environments=[{}], limits=Limits(memory_bytes=512 << 20))
    pids = [values(run(executor, order))[0] for order in ("pid", f"keep {300 << 20}", "pid")]
    executor.close()

    assert pids[0] == pids[1] != pids[2]


@pytest.mark.slow
def test_a_worker_keeps_its_place_and_its_successor_takes_it() -> None:
    two = LocalExecutor(Hand, environments=[{"PLACE": "a"}, {"PLACE": "b"}], limits=ROOMY)
    both = [two.submit("count 1 0.3"), two.submit("count 1 0.3")]
    ended(two, *both)
    places = {values(run(two, "env PLACE"))[0]}
    run(two, "segv")
    held = two.submit("count 3 0.5")
    places |= {values(run(two, "env PLACE"))[0]}
    ended(two, held)
    two.close()

    assert places <= {"a", "b"} and two.capacity == 2


def test_memory_and_open_files_are_limited_and_the_worker_outlives_it() -> None:
    limits = Limits(memory_bytes=1 << 30, open_files=64)
    executor = LocalExecutor(Hand, environments=[{}], limits=limits)
    eaten, opened = run(executor, f"eat {4 << 30}")[-1], run(executor, "open 100")[-1]
    again = values(run(executor, "count 1"))
    core = values(run(executor, "limit RLIMIT_CORE"))
    executor.close()

    assert isinstance(eaten, Raised) and isinstance(eaten.error, MemoryError)
    assert isinstance(opened, Raised) and "Too many open files" in str(opened.error)
    assert again == [0] and core == [0]


@pytest.mark.parametrize(
    "kind", ["INET", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("INET6", "NETLINK", "PACKET"))]
)
def test_a_sealed_worker_has_no_network(kind: str) -> None:
    executor = LocalExecutor(SealedHand, environments=[{}], limits=ROOMY)
    refused = run(executor, f"connect {kind}")[-1]
    own = values(run(executor, "connect UNIX"))
    executor.close()

    assert isinstance(refused, Raised) and isinstance(refused.error, PermissionError)
    assert own == ["UNIX"]


@pytest.mark.slow
def test_of_several_orders_in_a_worker_that_dies_none_is_charged_and_each_is_tried_alone(
    tmp_path: Path,
) -> None:
    executor = LocalExecutor(Hand, environments=[{}], orders_at_once=2, limits=ROOMY)
    innocent, bad = executor.submit("count 100 0.1"), executor.submit("segv")
    told = ended(executor, innocent, bad)
    assert all(isinstance(events[-1], Lost) and events[-1].suspect for events in told.values())

    alone = Needs(alone=True)
    assert isinstance(run(executor, "segv", needs=alone)[-1], Died)
    ticket = executor.submit("count 3 0.1", needs=alone)
    assert not executor.has_room() and not executor.has_room(alone)
    assert values(ended(executor, ticket)[ticket]) == [0, 1, 2]
    executor.close()


@pytest.mark.slow
def test_killing_one_of_two_orders_in_a_worker_loses_the_other_without_suspicion() -> None:
    executor = LocalExecutor(Hand, environments=[{}], orders_at_once=2, limits=ROOMY)
    other, bad = executor.submit("count 100 0.1"), executor.submit("hang")
    while not any(event.ticket == bad for event in executor.wait(timeout_s=5.0)):
        pass
    executor.kill(bad)
    lost = ended(executor, other)[other][-1]
    executor.close()

    assert lost == Lost(ticket=other, reason="its worker was killed for another order")


@pytest.mark.slow
def test_signals_to_the_whole_group_are_left_to_the_driver(two: Executor) -> None:
    (pid,) = values(run(two, "pid"))
    ticket = two.submit("count 3 0.2")
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)

    assert values(ended(two, ticket)[ticket]) == [0, 1, 2]
    assert values(run(two, "pid")) == [pid]


@pytest.mark.slow
def test_workers_end_with_the_driver_also_in_a_native_call() -> None:
    code = (
        "from indexer.executors.local import LocalExecutor\n"
        "from tests.hands import Hand\n"
        "executor = LocalExecutor(Hand, environments=[{}, {}])\n"
        "executor.submit('hang'); executor.submit('hang')\n"
        "pids = []\n"
        "while len(pids) < 2: pids += [event.value for event in executor.wait(timeout_s=5.0)]\n"
        "print(*pids, flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    pids = [int(pid) for pid in driver.stdout.readline().split()]
    driver.kill()
    driver.communicate()

    assert len(pids) == 2
    assert all(map(is_gone, pids))


def is_gone(pid: int) -> bool:
    """Whether the process ends within ten seconds."""
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not psutil.pid_exists(pid)


@pytest.mark.slow
def test_closing_ends_workers_whatever_they_are_at() -> None:
    executor = LocalExecutor(Hand, environments=[{}], limits=ROOMY)
    executor.submit("hang")
    (event,) = executor.wait(timeout_s=10.0)
    assert isinstance(event, Piece)
    started = time.monotonic()
    executor.close()

    assert not psutil.pid_exists(event.value)
    assert time.monotonic() - started < 5.0


@pytest.mark.slow
def test_a_hand_that_can_not_be_made_is_a_death_with_the_order_that_asked_for_it() -> None:
    executor = LocalExecutor(partial(int, "no number"), environments=[{}], limits=ROOMY)  # type: ignore[arg-type]
    died = run(executor, "pid")[-1]
    executor.close()

    assert isinstance(died, Died) and died.reason == "its process ended with code 1"
