"""Workers on the machines of a Ray cluster, with what Ray does well: start actors, place them, notice that a
machine is gone. Orders, attempts and timeouts stay with the driver: Ray restarts and retries nothing.

An actor decodes nothing itself. It keeps a local worker, held and sealed as on one machine, and passes on
what that one gives; so a file that kills its worker is `Died` as everywhere, and an actor that is gone is a
machine that is gone: `Lost`, and no file's fault. Files are read by the same paths on every machine.
"""

from __future__ import annotations

import itertools
import logging
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import RayError

from indexer.executors import ANY, Event, Hand, Lost, Needs, Piece, Ticket
from indexer.executors.local import ORDERS_A_WORKER, LocalExecutor
from indexer.executors.sandbox import Limits, share_of_memory

_A_SHARE = 0.001
"""Of a custom resource: a label only says that a machine can, not how often."""


class _Agent:
    """Runs on a machine of the cluster: one order at a time for its one local worker, which has the memory of
    one of as many as the machine has of `unit` (CPU, GPU).
    """

    def __init__(
        self, make: Callable[[], Hand], limits: Limits | None, orders_a_worker: int, unit: str
    ) -> None:
        own = next(node for node in _nodes() if node["NodeID"] == self.machine())
        share = share_of_memory(max(int(own["Resources"].get(unit, 1)), 1))
        self._executor = LocalExecutor(
            make,
            environments=[{}],
            limits=limits or Limits(memory_bytes=share),
            orders_a_worker=orders_a_worker,
        )
        self._ticket: Ticket | None = None

    def machine(self) -> str:
        """The id of the machine that this is on."""
        return str(ray.get_runtime_context().get_node_id())

    def run(self, order: Any) -> Generator[Event, None, None]:
        self._ticket = self._executor.submit(order)
        while True:
            for event in self._executor.wait(timeout_s=None):
                yield event
                if not isinstance(event, Piece):
                    return

    def finish(self) -> None:
        with suppress(StopIteration):  # it ended meanwhile
            assert self._ticket is not None
            self._executor.finish(self._ticket)


@dataclass(slots=True, kw_only=True, eq=False)
class _Worker:
    """An actor, the machine that it is on once that is known, and the order that it has."""

    actor: Any
    asked: Any
    machine: str | None = None
    ticket: Ticket | None = None
    needs: Needs = ANY
    stream: Any = None

    def is_on(self, machines: dict[str, frozenset[str]], needs: Needs) -> bool:
        """Whether it is on one of `machines` with the labels; waits until it is known which one it is."""
        if self.machine is None:
            self.machine = ray.get(self.asked)
        return needs.labels <= machines.get(self.machine, frozenset())


class RayExecutor:
    """One worker a CPU (`needs_gpu`: a GPU, where there is one) of the cluster at `address`, or at most
    `workers`. "auto" is the cluster that this machine is part of.

    A label is a custom resource that a machine was started with (`ray start --resources`). Machines may come
    and go: what was on one that went is `Lost`, and has its place elsewhere. Raises ValueError when no
    cluster answers.
    """

    def __init__(
        self,
        make: Callable[[], Hand],
        *,
        address: str,
        workers: int | None = None,
        needs_gpu: bool = False,
        limits: Limits | None = None,
        orders_a_worker: int = ORDERS_A_WORKER,
    ) -> None:
        self._make = make
        self._limits = limits
        self._orders_a_worker = orders_a_worker
        self._most = workers
        self._tickets = itertools.count(1)
        self._workers: list[_Worker] = []
        self._owns = not ray.is_initialized()
        if self._owns:
            try:
                with _sigterm_kept():
                    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise ValueError(
                    f"no Ray cluster answers at {address!r} ({error}); start one with `ray start --head`"
                ) from error
        self._unit = "GPU" if needs_gpu and "GPU" in _resources() else "CPU"
        self._agent: Any = ray.remote(_Agent)

    @property
    def capacity(self) -> int:
        there = int(_resources().get(self._unit, 0))
        return max(there if self._most is None else min(there, self._most), 1)

    def has_room(self, needs: Needs = ANY) -> bool:
        if self._free(needs) is not None:
            return True
        return len(self._workers) < self.capacity and self._has_space(needs.labels)

    def submit(self, order: Any, *, needs: Needs = ANY) -> Ticket:
        worker = self._free(needs) or self._start(needs)
        worker.ticket, worker.needs = next(self._tickets), needs
        worker.stream = worker.actor.run.options(num_returns="streaming").remote(order)
        return worker.ticket

    def wait(self, *, timeout_s: float | None) -> list[Event]:
        busy = {worker.stream: worker for worker in self._workers if worker.stream is not None}
        if not busy:
            return []
        ray.wait(list(busy), num_returns=1, timeout=timeout_s)
        ready, _ = ray.wait(list(busy), num_returns=len(busy), timeout=0)
        return [self._next(busy[stream]) for stream in ready]

    def finish(self, ticket: Ticket) -> None:
        self._with(ticket).actor.finish.remote()

    def kill(self, ticket: Ticket) -> None:
        worker = self._with(ticket)
        self._workers.remove(worker)
        ray.kill(worker.actor)

    def close(self) -> None:
        for worker in self._workers:
            ray.kill(worker.actor)
        self._workers = []
        if self._owns:
            ray.shutdown()

    def _next(self, worker: _Worker) -> Event:
        assert worker.ticket is not None
        try:
            event: Event = ray.get(next(worker.stream))
        except (RayError, StopIteration) as error:
            self._workers.remove(worker)
            self._leave_lost_machines()
            ray.kill(worker.actor)  # or it goes on for nobody, where only the way to it was cut
            return Lost(ticket=worker.ticket, reason=f"its machine is gone ({type(error).__name__})")
        worker.machine = worker.machine or ray.get(worker.asked)
        event = replace(event, ticket=worker.ticket)
        if not isinstance(event, Piece):
            worker.ticket = worker.stream = None
        return event

    def _leave_lost_machines(self) -> None:
        """What is idle on a machine that is gone would only lose the next order."""
        alive = _machines()
        idle = [worker for worker in self._workers if worker.stream is None and worker.machine is not None]
        for worker in idle:
            if worker.machine not in alive:
                self._workers.remove(worker)

    def _free(self, needs: Needs) -> _Worker | None:
        idle = [worker for worker in self._workers if worker.stream is None]
        machines = _machines() if needs.labels else {}
        if not any(needs.labels <= labels for labels in machines.values()):
            return next(iter(idle), None)
        return next((worker for worker in idle if worker.is_on(machines, needs)), None)

    def _has_space(self, labels: frozenset[str]) -> bool:
        """Whether a machine with the labels has a core without a worker of ours; True where none has them."""
        able = {node["NodeID"]: node["Resources"] for node in _nodes() if labels <= node["Resources"].keys()}
        there = sum(resources.get(self._unit, 0) for resources in able.values())
        taken = sum(worker.machine is None or worker.machine in able for worker in self._workers)
        return not able or taken < there

    def _start(self, needs: Needs) -> _Worker:
        known = needs.labels <= _resources().keys()
        labels = dict.fromkeys(needs.labels, _A_SHARE) if known else {}
        agent = self._agent.options(
            num_cpus=1,
            num_gpus=1 if self._unit == "GPU" else 0,
            resources=labels,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=2,  # a thread for the order, one for what is said of it meanwhile
        )
        actor = agent.remote(self._make, self._limits, self._orders_a_worker, self._unit)
        self._workers.append(worker := _Worker(actor=actor, asked=actor.machine.remote()))
        return worker

    def _with(self, ticket: Ticket) -> _Worker:
        return next(worker for worker in self._workers if worker.ticket == ticket)


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """`ray.init` makes SIGTERM end the process at once, where the driver has a segment to finish."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _nodes() -> list[dict[str, Any]]:
    """The machines that are there, as Ray tells of them."""
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _resources() -> dict[str, float]:
    """What all machines have together."""
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]


def _machines() -> dict[str, frozenset[str]]:
    """The resources by name, labels among them, of every machine that is there, by its id."""
    return {node["NodeID"]: frozenset(node["Resources"]) for node in _nodes()}
