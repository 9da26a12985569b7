"""The work of a night: who looks at what, and what becomes of what they give.

Longest first, so that no worker is left alone with a long video at the end. Each segment is committed as it
comes, whole, in a transaction of its own; whatever goes wrong with one is kept with the attempt and stops no
other. Workers that raise, die or hang are charged to the job that they were at, once a run; two such attempts
put it in quarantine. A worker that is lost through no fault of the job's is charged to nobody.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from grounding.errors import ProofreelError, StorageError
from grounding.evidence import Span
from indexer.attempts import Attempt, Chunk, charge, chunks, put_on_record
from indexer.cases import AGAIN, Case, Out, as_outcome, facts, tell
from indexer.crew import MAX_LOSSES, Crew, TimedOut, Told
from indexer.executors import Died, Done, Lost, Needs, Piece, Raised, Ticket
from indexer.orders import Examine, Examined, Failed, Gone, Look, Looked, Oversized, Refused
from indexer.stopping import Stop, Stopped
from indexer.tasks import Fate, Task, Waiting
from indexer.timing import Stopwatch
from storage import Database, Driver, Lease, LeaseLost, commit_segment, next_job
from storage.faults import point
from storage.jobs import cost_rate, oldest_pending, split_segment
from storage.leases import require
from storage.rows import PendingJob, PendingSegment

MARGIN = 10.0
"""A window may take so many times what windows of its length took before, beyond the patience."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the work is done with, the same for every video of a run."""

    database: Database
    driver: Driver
    run_id: int
    crew: Crew
    stopwatch: Stopwatch
    stop: Stop


class Shift:
    """Does all tasks of a run, and tells each one's fate as soon as it is known."""

    def __init__(
        self,
        tools: Tools,
        *,
        told: Callable[[Task, Span], None],
        settled: Callable[[Task, Fate], None],
    ) -> None:
        """`told` is called once a segment, committed or failed, with its window."""
        self._tools = tools
        self._told = told
        self._settled = settled
        self._waiting = Waiting()
        self._open: list[Case] = []
        self._out: dict[Ticket, Out] = {}
        self._elsewhere: dict[Task, Fate] = {}
        self._is_draining = False
        self._rate = 0.0

    def do(self, tasks: Sequence[Task]) -> dict[Task, Fate]:
        """Work until nothing is left, or it is time to stop; gives those that another driver is at, which
        are not settled.

        Raises StorageError when the database can't go on, EngineError when the engine can't be had, and
        `Stopped`. Also then every other task is settled.
        """
        self._waiting.add(tasks)
        self._rate, self._elsewhere = self._known_rate(), {}
        try:
            while self._open or self._waiting:
                self._drain() if self._tools.stop.reason() else self._hand_out()
                for event in self._tools.crew.wait() if self._out else ():
                    self._on(event)
        except Stopped:
            self._leave(on_record=True)
            raise
        except ProofreelError:
            self._leave(on_record=False)
            raise
        return self._elsewhere

    def _known_rate(self) -> float:
        with self._tools.database.reading() as session:
            return cost_rate(session, run_id=self._tools.run_id) or 0.0

    def _drain(self) -> None:
        """Begin nothing more; what is with workers ends after the present segment."""
        if not self._is_draining:
            self._is_draining = True
            for ticket in self._out:
                self._tools.crew.finish(ticket)
            for case in list(self._open):
                if case.attempt is not None:
                    case.attempt.cut_short()
                    self._conclude_if_over(case)
            self._leave_queued()

    def _leave(self, *, on_record: bool) -> None:
        """Tell what becomes of everything when the run ends at once. What is with workers is dropped."""
        for case in self._open:
            if on_record and case.attempt is not None:
                put_on_record(self._tools.database, case.attempt, outcome="interrupted")
            case.fate.state = "stopped"
            self._settled(case.task, case.fate)
        for task, fate in self._elsewhere.items():
            self._settled(task, fate)
        self._leave_queued()

    def _leave_queued(self) -> None:
        for task in self._waiting.take_all():
            self._settled(task, Fate(state="stopped"))

    def _hand_out(self) -> None:
        """Give out what there is room for: parts of what was begun before what was not."""
        for case in self._open:
            while (attempt := case.attempt) is not None and attempt.waiting:
                needs = Needs(labels=case.task.labels, alone=attempt.num_losses > 0)
                if not self._tools.crew.has_room(needs):
                    return
                self._look(case, attempt.waiting.popleft(), needs=needs)
        while (task := self._next_task()) is not None:
            case = Case(task=task, fate=Fate(), lease=self._claimed(task))
            self._open.append(case)
            if case.lease is None:
                owner = self._tools.driver.owner_of(video_id=task.video_id, run_id=self._tools.run_id)
                how = "has done it meanwhile" if owner is None else f"({owner}) is at it"
                case.fate.state, case.fate.reason = "elsewhere", f"another proofreel {how}"
                self._close(case)
            else:
                self._examine(case)

    def _claimed(self, task: Task) -> Lease | None:
        """The oldest job of a task that waits and that no other driver has."""
        leases = self._tools.driver.claim(run_id=self._tools.run_id, video_ids=[task.video_id])
        return leases[0] if leases else None

    def _next_task(self) -> Task | None:
        """The longest one that a worker has room for."""
        crew = self._tools.crew
        return self._waiting.take_longest(lambda labels: crew.has_room(Needs(labels=labels)))

    def _examine(self, case: Case) -> None:
        task = case.task
        needs = Needs(labels=task.labels, alone=case.num_losses > 0)
        order = Examine(path=task.path, stamp=task.stamp)
        ticket = self._tools.crew.submit(order, needs=needs, size_bytes=task.stamp.size_bytes)
        self._out[ticket] = Out(case=case, chunk=None, left={})

    def _look(self, case: Case, chunk: Chunk, *, needs: Needs) -> None:
        assert case.attempt is not None
        case.attempt.num_out += 1
        task, windows = case.task, tuple(segment.window for segment in chunk)
        order = Look(path=task.path, stamp=task.stamp, questions=case.attempt.job.questions, windows=windows)
        longest_s = max(window.end_s - window.start_s for window in windows)
        ticket = self._tools.crew.submit(
            order,
            needs=needs,
            size_bytes=task.stamp.size_bytes,
            allowance_s=MARGIN * self._rate * longest_s,
        )
        self._out[ticket] = Out(case=case, chunk=chunk, left=dict(enumerate(chunk)))

    def _on(self, event: Told) -> None:
        out = self._out[event.ticket]
        if isinstance(event, Piece):
            self._on_examined(out.case, event.value) if out.chunk is None else self._on_piece(
                out, event.value
            )
            return
        del self._out[event.ticket]
        if out.chunk is None:
            self._on_examine_over(out.case, event)
        else:
            self._on_look_over(out, event)

    def _on_examined(self, case: Case, value: Examined | Refused) -> None:
        if isinstance(value, Refused):
            # No attempt is charged: the fault is this path's (gone, changed), not the content's.
            case.fate.state, case.fate.reason = "failed", value.reason
        else:
            case.windows, case.fate.note = value.windows, value.note

    def _on_examine_over(self, case: Case, event: Done | Raised | Died | Lost | TimedOut) -> None:
        if isinstance(event, Done):
            self._next_job(case) if case.fate.state == "done" else self._close(case)
        elif isinstance(event, Lost) and self._is_draining:
            case.fate.state = "stopped"
            self._close(case)
        elif isinstance(event, Lost) and case.num_losses < MAX_LOSSES:
            case.num_losses += 1
            self._examine(case)
        elif isinstance(event, Lost):
            case.fate.state, case.fate.reason = "failed", f"{event.reason}; {AGAIN}"
            self._close(case)
        else:
            self._charge_unbegun(case, event)

    def _charge_unbegun(self, case: Case, event: Raised | Died | TimedOut) -> None:
        """The file could not even be cut into windows: its oldest job is charged."""
        outcome, reason = as_outcome(event)
        assert case.lease is not None
        charged = charge(
            self._tools.database,
            case.lease,
            outcome=outcome,
            started_at=case.started_at,
            cost_s=0.0,
            reason=reason,
        )
        tell(case.fate, reason, charged=charged)
        self._close(case)

    def _oldest_job(self, task: Task) -> int | None:
        with self._tools.database.reading() as session:
            return oldest_pending(session, video_id=task.video_id, run_id=self._tools.run_id)

    def _next_job(self, case: Case) -> None:
        """Begin the next attempt, or close the case when no job is left or none may be begun."""
        fate = case.fate
        if self._is_draining and fate.state == "done" and self._oldest_job(case.task) is not None:
            fate.state = "stopped"
        job: PendingJob | None = None
        while job is None and not self._is_draining and fate.state in ("done", "quarantined"):
            case.lease = case.lease or self._claimed(case.task)
            if case.lease is None:
                break
            job = self._begun(case, case.lease)
            if job is None:
                self._give_back(case)
        if job is None or case.lease is None:
            self._close(case)
        else:
            waiting = chunks(job.segments, shares=self._shares())
            case.attempt = Attempt(job=job, lease=case.lease, task=case.task, waiting=waiting)

    def _begun(self, case: Case, lease: Lease) -> PendingJob | None:
        """The leased job, cut into segments; None when nothing of it is left, or it can't be begun."""

        def begin(session: Session) -> PendingJob | None:
            job = next_job(
                session,
                video_id=case.task.video_id,
                run_id=self._tools.run_id,
                windows=case.windows,
                lease=lease,
            )
            point("cut:before-commit")
            return job

        try:
            job = self._tools.database.write(begin)
        except LeaseLost as error:
            case.fate.state, case.fate.reason = "elsewhere", str(error)
            return None
        except StorageError:
            raise
        except Exception as error:  # nothing was tried yet that could be charged
            case.fate.state, case.fate.reason = "failed", f"{type(error).__name__}: {error}"
            return None
        point("cut:after-commit")
        return job

    def _give_back(self, case: Case) -> None:
        if case.lease is not None:
            self._tools.driver.release(case.lease)
        case.lease = None

    def _shares(self) -> int:
        """How many workers there are for each video that is left."""
        num_left = len(self._open) + len(self._waiting)
        return max(self._tools.crew.executor.capacity // num_left, 1)

    def _on_piece(self, out: Out, value: object) -> None:
        attempt = out.case.attempt
        assert attempt is not None
        if isinstance(value, Looked):
            self._commit(out, out.left.pop(value.number), value)
        elif isinstance(value, Failed):
            segment = out.left.pop(value.number)
            attempt.failures.append(f"at {segment.window.start_s:.1f} s: {value.reason}")
            log.info("segment", extra={**facts(out, segment), "outcome": "raised"})
            self._told(out.case.task, segment.window)
        elif isinstance(value, Oversized):
            self._halve(attempt, out.left.pop(value.number))
        elif isinstance(value, Gone):
            attempt.lose(value.reason)
        elif isinstance(value, Refused):
            attempt.give_up(value.reason, outcome="raised")
        out.since = time.monotonic()

    def _commit(self, out: Out, segment: PendingSegment, looked: Looked) -> None:
        attempt, fate, tools = out.case.attempt, out.case.fate, self._tools
        assert attempt is not None

        def write(session: Session) -> bool:
            is_ours = commit_segment(session, segment.id, looked.rows, lease=attempt.lease)
            point("commit:before-commit")
            return is_ours

        try:
            with tools.stopwatch.on("write"):
                is_ours = tools.database.write(write)
            point("commit:after-commit")
        except LeaseLost as error:
            attempt.lose(str(error))
            return
        except StorageError:
            raise
        except Exception as error:
            attempt.failures.append(f"at {segment.window.start_s:.1f} s: {type(error).__name__}: {error}")
        else:
            log.debug("segment", extra={**facts(out, segment), "outcome": "done"})
            if is_ours:
                attempt.num_committed += 1
                fate.windows.append(segment.window)
                fate.moments += sum(len(answer.moments) for answer in looked.rows.answers)
        self._told(out.case.task, segment.window)

    def _halve(self, attempt: Attempt, segment: PendingSegment) -> None:
        try:
            with self._tools.database.writing() as session:
                require(session, attempt.lease)
                halves = split_segment(session, segment.id)
        except LeaseLost as error:
            attempt.lose(str(error))
            return
        if halves and not attempt.is_hopeless:
            attempt.waiting.append(halves)

    def _on_look_over(self, out: Out, event: Done | Raised | Died | Lost | TimedOut) -> None:
        attempt = out.case.attempt
        assert attempt is not None
        attempt.num_out -= 1
        attempt.cost_s += time.monotonic() - out.given
        left = tuple(out.left.values())
        if isinstance(event, Lost):
            self._give_again(attempt, left, reason=event.reason)
        elif isinstance(event, Done):
            attempt.is_cut_short |= bool(left) and not event.complete
            if left and event.complete:  # it ended itself: too many failures, or the file is gone
                attempt.is_hopeless = True
                attempt.waiting.clear()
        else:
            outcome, reason = as_outcome(event)
            at = f"at {left[0].window.start_s:.1f} s: " if left else ""
            attempt.give_up(f"{at}{reason}", outcome=outcome)
        if self._is_draining:
            attempt.cut_short()
        self._conclude_if_over(out.case)

    def _give_again(self, attempt: Attempt, left: Chunk, *, reason: str) -> None:
        attempt.num_losses += 1
        if attempt.num_losses > MAX_LOSSES:
            attempt.lose(f"{reason}, {attempt.num_losses} times over; {AGAIN}")
        elif left and not attempt.is_hopeless:
            attempt.waiting.appendleft(left)

    def _conclude_if_over(self, case: Case) -> None:
        attempt, fate, database = case.attempt, case.fate, self._tools.database
        assert attempt is not None
        if not attempt.is_over:
            return
        case.attempt = None
        if attempt.lost is not None:
            fate.state, fate.reason = "failed", attempt.lost
            put_on_record(database, attempt, outcome="lost", reason=attempt.lost)
        elif attempt.failures:
            charged = put_on_record(database, attempt, outcome=attempt.outcome, reason=attempt.reason)
            tell(fate, attempt.reason, charged=charged)
        elif attempt.is_cut_short:
            fate.state = "stopped"
            put_on_record(database, attempt, outcome="interrupted")
        else:
            put_on_record(database, attempt, outcome="done")
            self._rate = self._known_rate()
        self._give_back(case)
        self._next_job(case)

    def _close(self, case: Case) -> None:
        self._give_back(case)
        self._open.remove(case)
        if case.fate.state == "elsewhere":
            self._elsewhere[case.task] = case.fate
        else:
            self._settled(case.task, case.fate)
