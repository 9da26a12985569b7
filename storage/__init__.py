"""The truth: what there is, what is left to do, what was found, and how to find it again.

Each name is loaded at its first use, so that a command that needs no database starts without SQLAlchemy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.catalog import (
        ensure_library,
        ensure_run,
        ensure_video,
        known_files,
        mark_missing,
        record_file,
        video_of_content,
    )
    from storage.commits import commit_segment
    from storage.database import Database
    from storage.generations import Generation, build_generation, refresh_generation
    from storage.jobs import (
        next_job,
        plan_jobs,
        quarantine_job,
        question_set_hash,
        record_attempt,
        retry_quarantined,
    )
    from storage.lock import HomeLock
    from storage.paths import path_to_text, text_to_path
    from storage.reports import LibraryTotals, library_totals
    from storage.retention import Pruned, Retention, prune
    from storage.rows import (
        AnswerRow,
        ClaimRow,
        CoverageRow,
        FileFacts,
        KnownFile,
        MomentRow,
        PendingJob,
        PendingSegment,
        ScreenTextRows,
        SegmentRows,
        StandingRow,
        StoredQuestion,
        TrackPointRow,
        TrackRows,
        VideoFacts,
    )
    from storage.standing import keep_standing_questions, standing_questions
    from storage.vectors import VectorIndex, VectorStats, open_index

__all__ = [
    "AnswerRow",
    "ClaimRow",
    "CoverageRow",
    "Database",
    "FileFacts",
    "Generation",
    "HomeLock",
    "KnownFile",
    "LibraryTotals",
    "MomentRow",
    "PendingJob",
    "PendingSegment",
    "Pruned",
    "Retention",
    "ScreenTextRows",
    "SegmentRows",
    "StandingRow",
    "StoredQuestion",
    "TrackPointRow",
    "TrackRows",
    "VectorIndex",
    "VectorStats",
    "VideoFacts",
    "build_generation",
    "commit_segment",
    "ensure_library",
    "ensure_run",
    "ensure_video",
    "keep_standing_questions",
    "known_files",
    "library_totals",
    "mark_missing",
    "next_job",
    "open_index",
    "path_to_text",
    "plan_jobs",
    "prune",
    "quarantine_job",
    "question_set_hash",
    "record_attempt",
    "record_file",
    "refresh_generation",
    "retry_quarantined",
    "standing_questions",
    "text_to_path",
    "video_of_content",
]

_CATALOG = "ensure_library ensure_run ensure_video known_files mark_missing record_file video_of_content"
_JOBS = "next_job plan_jobs quarantine_job question_set_hash record_attempt retry_quarantined"
_MODULE_OF = {
    **dict.fromkeys(_CATALOG.split(), "catalog"),
    **dict.fromkeys(_JOBS.split(), "jobs"),
    **dict.fromkeys(("Generation", "build_generation", "refresh_generation"), "generations"),
    **dict.fromkeys(("LibraryTotals", "library_totals"), "reports"),
    **dict.fromkeys(("Pruned", "Retention", "prune"), "retention"),
    **dict.fromkeys(("keep_standing_questions", "standing_questions"), "standing"),
    **dict.fromkeys(("VectorIndex", "VectorStats", "open_index"), "vectors"),
    "Database": "database",
    "HomeLock": "lock",
    "commit_segment": "commits",
    "path_to_text": "paths",
    "text_to_path": "paths",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'storage' has no attribute {name!r}")
    return getattr(importlib.import_module(f"storage.{_MODULE_OF.get(name, 'rows')}"), name)
