"""The morning report as one HTML file with its plots."""

from __future__ import annotations

from typing import Any

from grounding.errors import printable
from grounding.plain import plain
from indexer.morning.collecting import Morning, NightTold
from indexer.morning.findings import Hits
from indexer.morning.text import backlog_line, failure_line, idle_told, local, question_name, spoken, subject
from indexer.pages import page
from indexer.plots import bars, columns
from storage.partition import States


def report_page(morning: Morning) -> str:
    """The page. Needs jinja2 and matplotlib (see `indexer.pages.require_parts`)."""
    cost = morning.cost
    values: dict[str, Any] = {
        "title": f"Proofreel, {local(morning.since)} to {local(morning.until)}",
        "home": printable(morning.home),
        "summary": subject(morning),
        "nights": [_night(night) for night in morning.nights if not night.is_idle],
        "idle": idle_told(morning) or ("" if morning.nights else "No index ran in this time"),
        "hits": [_hits(hits) for hits in morning.hits],
        "failures": [failure_line(failure) for failure in morning.failures],
        "cost": f"{spoken(cost.cpu_s)} of CPU, {spoken(cost.gpu_s)} of GPU.",
        "attempts": ", ".join(f"{count} {outcome}" for outcome, (count, _) in cost.attempts.items()),
        "backlog": backlog_line(morning),
        "coverage": [(state, spoken(seconds)) for state, seconds in coverage_rows(morning.states)],
        **_plots(morning),
    }
    return page("report.html", values)


def coverage_rows(states: States) -> list[tuple[str, float]]:
    """The states with their seconds, for people; those of which there is nothing are left out."""
    looked = [
        (f"looked at ({plain(engine)}" + (")" if rate is None else f", {rate:g}/s)"), seconds)
        for (engine, rate), seconds in states.looked_at_s.items()
    ]
    skipped = [(f"skipped: {plain(reason)}", seconds) for reason, seconds in states.skipped_s.items()]
    rows = [*looked, ("damaged", states.damaged_s), ("pending", states.pending_s), *skipped]
    return [(state, seconds) for state, seconds in rows if seconds > 0]


def _plots(morning: Morning) -> dict[str, str]:
    by_hour = [(f"{hour.astimezone():%H:%M}", seconds / 60) for hour, seconds in morning.by_hour]
    # Without the description, whose moments are many times more than any question's.
    hits = [(question_name(hits), float(hits.moments)) for hits in morning.hits if hits.question]
    coverage = [(state, seconds / 3600) for state, seconds in coverage_rows(morning.states)]
    stages = list(morning.cost.stages_s.items())
    return {
        "by_hour_plot": columns("Video looked at, by hour", by_hour, unit="min") if by_hour else "",
        "hits_plot": bars("Hits by question", hits, unit="moments") if hits else "",
        "stages_plot": bars("Cost by stage", stages, unit="s") if stages else "",
        "coverage_plot": bars("Coverage", coverage, unit="h") if coverage else "",
    }


def _night(night: NightTold) -> dict[str, str]:
    files = ", ".join(f"{count} {status}" for status, count in sorted(night.files.items()))
    fault = f": {plain(night.fault)}" if night.fault else ""
    return {
        "started": local(night.started_at),
        "library": plain(night.library),
        "engine": plain(night.engine or "none was needed"),
        "lasted": spoken((night.ended_at - night.started_at).total_seconds()),
        "ending": night.ending + fault,
        "files": files,
    }


def _hits(hits: Hits) -> dict[str, Any]:
    return {
        "question": question_name(hits),
        "severity": hits.severity or "",
        "moments": hits.moments,
        "videos": hits.videos,
        "windows": hits.windows,
        "abstained": hits.abstained,
    }
