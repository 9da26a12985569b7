"""What each library asks of all its videos, with the severity of a hit and the rules of its review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from storage.clock import now
from storage.jobs import ensure_question
from storage.rows import Severity, StandingRow
from storage.schema import Question, StandingQuestion
from storage.text import storable


def keep_standing_questions(
    session: Session, library_id: int, standing: Sequence[StandingRow], *, retire_others: bool
) -> None:
    """Make these standing questions of the library; those that it had and are not among them retire, if told.

    A question that comes back, or whose severity or rules changed, has the new ones from now on, for past
    hits too: they are those of the question, not of the moment.
    """
    kept = {}
    for row in session.scalars(select(StandingQuestion).where(StandingQuestion.library_id == library_id)):
        kept[row.question_id] = row.id
    asked = set()
    for item in standing:
        question_id = ensure_question(session, item.task, storable(item.text))
        asked.add(question_id)
        rules = {name: value for name, value in asdict(item).items() if name not in ("task", "text")}
        values = {**rules, "retired_at": None}
        if question_id in kept:
            session.execute(
                update(StandingQuestion).where(StandingQuestion.id == kept[question_id]).values(values)
            )
        else:
            key = {"library_id": library_id, "question_id": question_id, "since": now()}
            session.execute(insert(StandingQuestion), {**key, **values})
    others = update(StandingQuestion).where(
        StandingQuestion.library_id == library_id,
        StandingQuestion.question_id.not_in(asked),
        StandingQuestion.retired_at.is_(None),
    )
    if retire_others:
        session.execute(others.values(retired_at=now()))


def standing_questions(
    session: Session, library_id: int, *, with_retired: bool = False
) -> dict[int, StandingRow]:
    """The standing questions of a library by the question's id; those that it no longer asks too, if told."""
    query = (
        select(StandingQuestion, Question.task, Question.text)
        .join(Question, Question.id == StandingQuestion.question_id)
        .where(StandingQuestion.library_id == library_id)
        .order_by(StandingQuestion.id)
    )
    if not with_retired:
        query = query.where(StandingQuestion.retired_at.is_(None))
    return {
        row.question_id: StandingRow(
            task=task,
            text=text,
            severity=cast(Severity, row.severity),
            reviewers=row.reviewers,
            blur=row.blur,
            pack=row.pack,
            pack_version=row.pack_version,
            name=row.name,
        )
        for row, task, text in session.execute(query)
    }
