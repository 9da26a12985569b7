"""The morning report as "proofreel.report/1"."""

from __future__ import annotations

from typing import Any

from indexer.morning.collecting import Morning, NightTold
from indexer.morning.findings import Hits
from indexer.morning.text import subject
from indexer.states import states_document
from storage.clock import iso
from storage.paths import path_to_text


def report_document(morning: Morning) -> dict[str, Any]:
    """`proofreel.report/1`."""
    cost, backlog = morning.cost, morning.backlog
    return {
        "schema": "proofreel.report/1",
        "home": path_to_text(morning.home),
        "since": iso(morning.since),
        "until": iso(morning.until),
        "summary": subject(morning),
        "nights": [_night(night) for night in morning.nights],
        "video_seconds": round(morning.video_s, 3),
        "wall_seconds": round(morning.wall_s, 3),
        "times_real": None if morning.times_real is None else round(morning.times_real, 2),
        "by_hour": [
            {"hour": iso(hour), "video_seconds": round(seconds, 3)} for hour, seconds in morning.by_hour
        ],
        "hits": [_hits(hits) for hits in morning.hits],
        "hits_by_severity": morning.by_severity,
        "failures": [
            {"path": None if f.path is None else path_to_text(f.path), "reason": f.reason}
            for f in morning.failures
        ],
        "cost": {
            "cpu_seconds": round(cost.cpu_s, 3),
            "gpu_seconds": round(cost.gpu_s, 3),
            "stages": {stage: round(seconds, 3) for stage, seconds in cost.stages_s.items()},
            "attempts": {
                outcome: {"count": count, "wall_seconds": round(seconds, 3)}
                for outcome, (count, seconds) in cost.attempts.items()
            },
        },
        "backlog": {
            "pending_seconds": round(backlog.pending_s, 3),
            "times_real": None if backlog.speed is None else round(backlog.speed, 2),
            "eta_seconds": None if backlog.eta_s is None else round(backlog.eta_s, 1),
        },
        "coverage": states_document(morning.states),
    }


def _night(night: NightTold) -> dict[str, Any]:
    return {
        "library": night.library,
        "engine": night.engine,
        "device": night.device,
        "started_at": iso(night.started_at),
        "ended_at": iso(night.ended_at),
        "ending": night.ending,
        "fault": night.fault,
        "files": night.files,
    }


def _hits(hits: Hits) -> dict[str, Any]:
    return {
        "question": hits.question,
        "severity": hits.severity,
        "moments": hits.moments,
        "videos": hits.videos,
        "windows": hits.windows,
        "abstained": hits.abstained,
    }
