"""What the nights found: hits by question and, where a library says what a hit means, by severity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import case, distinct, func, select
from sqlalchemy.orm import Session

from storage.clock import iso
from storage.reports import is_hidden
from storage.schema import Answer, Job, Moment, Question, Segment

SEVERITIES = ("critical", "high", "medium", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What came of one question: `moments` found in `videos`; of `windows` looked at, `abstained` could not
    be told. `question` is "" for the standing description; `severity` is None where nothing says it.
    """

    question: str
    severity: str | None
    moments: int
    videos: int
    windows: int
    abstained: int


def hits_by_question(session: Session, since: datetime, until: datetime) -> Iterator[Hits]:
    """The questions that were answered in [since, until), the gravest first, then the most hits.

    Only what a moment proves is a hit: "No" is an answer and none. What search does not show (a run beside
    another) is not told.
    """
    committed = (Segment.committed_at >= iso(since)) & (Segment.committed_at < iso(until))
    committed &= ~is_hidden(Job.video_id, Job.run_id)
    answers = (
        select(
            Answer.question_id,
            func.count().label("windows"),
            func.sum(case((Answer.abstained, 1), else_=0)).label("abstained"),
        )
        .join(Segment, Segment.id == Answer.segment_id)
        .join(Job, Job.id == Segment.job_id)
        .where(committed)
        .group_by(Answer.question_id)
    )
    found = (
        select(Answer.question_id, func.count(Moment.id), func.count(distinct(Job.video_id)))
        .join(Segment, Segment.id == Answer.segment_id)
        .join(Job, Job.id == Segment.job_id)
        .join(Moment, Moment.answer_id == Answer.id)
        .where(committed)
        .group_by(Answer.question_id)
    )
    hits = {question: (moments, videos) for question, moments, videos in session.execute(found)}
    texts = dict(session.execute(select(Question.id, Question.text)).all())
    severities = _severities(session)
    told = []
    for question, windows, abstained in session.execute(answers):
        moments, videos = hits.get(question, (0, 0))
        told.append(
            Hits(
                question=texts[question],
                severity=severities.get(question),
                moments=moments,
                videos=videos,
                windows=windows,
                abstained=abstained or 0,
            )
        )
    yield from sorted(told, key=_gravest_first)


def _gravest_first(hits: Hits) -> tuple[int, bool, int, str]:
    rank = SEVERITIES.index(hits.severity) if hits.severity in SEVERITIES else len(SEVERITIES)
    return rank, not hits.question, -hits.moments, hits.question


def _severities(session: Session) -> dict[int, str]:
    """How grave a hit of each question is, the gravest that any library says; {} where none is kept."""
    if not sa.inspect(session.connection()).has_table("standing_question"):
        return {}
    rows = session.execute(sa.text("SELECT question_id, severity FROM standing_question"))
    gravest: dict[int, str] = {}
    for question, severity in sorted(rows, key=lambda row: -SEVERITIES.index(row[1])):
        gravest[question] = severity
    return gravest
