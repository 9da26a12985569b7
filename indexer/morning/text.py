"""The morning report in lines that a terminal or an e-mail shows. Nothing of a file name or a question is
taken for control codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from grounding.plain import counted, plain
from indexer.morning.collecting import Cost, Morning, NightTold
from indexer.morning.failing import Failure
from indexer.morning.findings import Hits
from indexer.report import shown
from indexer.states import states_lines

MOST_LISTED = 20
DESCRIPTION = "what was seen (the standing description)"


def subject(morning: Morning) -> str:
    """The report in one line."""
    parts = [f"{spoken(morning.video_s)} of video"]
    if morning.times_real is not None:
        parts.append(f"{morning.times_real:.1f}x real time")
    if named := sum(hits.moments for hits in morning.hits if hits.question):
        graded = ", ".join(f"{count} {severity}" for severity, count in morning.by_severity.items() if count)
        parts.append(counted(named, "hit") + (f" ({graded})" if graded else ""))
    parts.append(counted(len(morning.failures), "failure") if morning.failures else "no failures")
    return ", ".join(parts)


def report_lines(morning: Morning) -> Iterator[str]:
    """The whole report."""
    yield f"from {local(morning.since)} to {local(morning.until)}: {subject(morning)}"
    yield from _night_lines(morning)
    yield from _hits_lines(morning)
    yield from _failure_lines(morning)
    yield from _cost_lines(morning.cost)
    yield backlog_line(morning)
    yield from states_lines(morning.states)


def backlog_line(morning: Morning) -> str:
    """What waits, and how long that will take."""
    backlog = morning.backlog
    if backlog.pending_s < 0.05:
        return "backlog: nothing waits"
    if backlog.eta_s is None:
        return f"backlog: {spoken(backlog.pending_s)} of video wait; no speed was measured lately"
    return (
        f"backlog: {spoken(backlog.pending_s)} of video wait, {spoken(backlog.eta_s)} of indexing at "
        f"{backlog.speed:.1f}x real time"
    )


def question_name(hits: Hits) -> str:
    """A question for people."""
    return plain(hits.question) or DESCRIPTION


def failure_line(failure: Failure) -> str:
    """A failure in one sentence, with its file."""
    reason = plain(failure.reason)
    return f"the night itself: {reason}" if failure.path is None else f"{shown(failure.path)}: {reason}"


def spoken(seconds: float) -> str:
    """A length of time for people: 12.3 s, 4.5 min, 3.2 h."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def idle_told(morning: Morning) -> str | None:
    """How many calls of `index` had nothing to do, where any had."""
    idle = sum(night.is_idle for night in morning.nights)
    return f"index ran {counted(idle, 'time')} with nothing to do" if idle else None


def _night_lines(morning: Morning) -> Iterator[str]:
    if not morning.nights:
        yield "no index ran in this time"
    yield from (_night(night) for night in morning.nights if not night.is_idle)
    if idle := idle_told(morning):
        yield f"  {idle}"


def _night(night: NightTold) -> str:
    files = ", ".join(f"{count} {status}" for status, count in sorted(night.files.items()))
    lasted = spoken((night.ended_at - night.started_at).total_seconds())
    looked = f" with {plain(night.engine)}" if night.engine else ""
    return (
        f"  {local(night.started_at)}, library {plain(night.library)}{looked}: {night.ending} after {lasted}"
        + (f"; {files}" if files else "")
    )


def _hits_lines(morning: Morning) -> Iterator[str]:
    for hits in morning.hits:
        grave = f"{hits.severity}: " if hits.severity else ""
        unsure = f"; could not tell in {hits.abstained} of {counted(hits.windows, 'window')}"
        yield (
            f"hits         {grave}{question_name(hits)}: {counted(hits.moments, 'moment')} in "
            f"{counted(hits.videos, 'video')}" + (unsure if hits.abstained else "")
        )


def _failure_lines(morning: Morning) -> Iterator[str]:
    for failure in morning.failures[:MOST_LISTED]:
        yield f"failed       {failure_line(failure)}"
    if len(morning.failures) > MOST_LISTED:
        yield f"failed       and {len(morning.failures) - MOST_LISTED:,} more; --json lists all"


def _cost_lines(cost: Cost) -> Iterator[str]:
    if cost.stages_s:
        stages = ", ".join(f"{stage} {spent:.1f}" for stage, spent in cost.stages_s.items())
        yield f"cost: {cost.cpu_s:.1f} s of CPU, {cost.gpu_s:.1f} s of GPU; wall seconds by stage: {stages}"
    if cost.attempts:
        tries = ", ".join(f"{count} {outcome}" for outcome, (count, _) in cost.attempts.items())
        yield f"tries at jobs: {tries}"


def local(moment: datetime) -> str:
    """A time by the clock of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
