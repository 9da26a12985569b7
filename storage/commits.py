"""Commits one segment: all of its rows in the caller's transaction, exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from sqlalchemy import CursorResult, insert, select, update
from sqlalchemy.orm import Session

from grounding.evidence import Box, Span
from storage.clock import now
from storage.faults import point
from storage.jobs import finish_if_complete
from storage.leases import Lease, lost
from storage.painting import Stretch
from storage.postgres import Lock, hold
from storage.rows import AnswerRow, SegmentRows
from storage.schema import (
    Answer,
    BoxRow,
    Claim,
    Coverage,
    Embedding,
    Job,
    JobQuestion,
    Moment,
    ScreenTextRow,
    Segment,
    TrackRow,
    Video,
)
from storage.seen import add_seen
from storage.text import storable

VECTOR_TYPE = np.dtype("<f2")
"""How a vector lies in `embedding.vector`: little-endian float16."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose rows they are; the video lasts from `start_s` to `end_s`."""

    segment_id: int
    job_id: int
    run_id: int
    video_id: int
    lease_token: str | None
    start_s: float
    end_s: float


def commit_segment(
    session: Session, segment_id: int, rows: SegmentRows, *, lease: Lease | None = None
) -> bool:
    """Write everything that a segment gave and set it done; its job too when this was its last one.

    False, with nothing written, when the segment is done already. Take a session of `Database.writing()`:
    a crash before that ends leaves the segment pending and no row of it. Raises ValueError for an unknown
    segment, or when `rows` doesn't answer each question of the job once; `LeaseLost` when the job went to
    another driver since `lease` was given.
    """
    point("commit:begin")
    owner = _owner(session, segment_id)
    if lease is not None and owner.lease_token != lease.token:
        if _is_done(session, segment_id):  # by a try of ours that was cut off when it had come through
            return False
        raise lost(lease)
    won = cast(
        CursorResult[Any],
        session.execute(
            update(Segment)
            .where(Segment.id == segment_id, Segment.state == "pending")
            .values(state="done", committed_at=now())
        ),
    )
    if won.rowcount != 1:
        return False
    point("commit:after-claim")
    _require_every_question(session, owner, rows.answers)
    # An index of vectors covers all moments up to an id, so none may appear below it later.
    hold(session, Lock.MOMENTS)
    _insert_answers(session, owner, rows)
    point("commit:after-answers")
    _insert_seen(session, owner, rows)
    point("commit:after-seen")
    finish_if_complete(session, owner.job_id)
    return True


def _owner(session: Session, segment_id: int) -> _Owner:
    """Its job is ours to the end of the transaction: of two commits the second sees that it is the last."""
    found = session.execute(
        select(Segment.id, Job.id, Job.run_id, Job.video_id, Job.lease_token, Video.start_s, Video.end_s)
        .join(Job, Job.id == Segment.job_id)
        .join(Video, Video.id == Job.video_id)
        .where(Segment.id == segment_id)
        .with_for_update(key_share=True, of=Job)
    ).one_or_none()
    if found is None:
        raise ValueError(f"there is no segment {segment_id}; plan its job first")
    return _Owner(*found)


def _is_done(session: Session, segment_id: int) -> bool:
    return session.scalar(select(Segment.state).where(Segment.id == segment_id)) == "done"


def _require_every_question(session: Session, owner: _Owner, answers: Sequence[AnswerRow]) -> None:
    asked = session.scalars(select(JobQuestion.question_id).where(JobQuestion.job_id == owner.job_id)).all()
    answered = [answer.question_id for answer in answers]
    if sorted(answered) != sorted(asked):
        raise ValueError(
            f"segment {owner.segment_id} needs one answer to each of the questions {sorted(asked)}, "
            f"not to {sorted(answered)}"
        )


def _insert_answers(session: Session, owner: _Owner, rows: SegmentRows) -> None:
    answer_ids = _insert_with_ids(session, Answer, [_answer(owner, answer) for answer in rows.answers])
    with_ids = list(zip(answer_ids, rows.answers, strict=True))
    moments = [(answer_id, moment) for answer_id, answer in with_ids for moment in answer.moments]
    moment_ids = _insert_with_ids(
        session,
        Moment,
        [
            {
                "video_id": owner.video_id,
                "answer_id": answer_id,
                "run_id": owner.run_id,
                "start_s": moment.span.start_s,
                "end_s": moment.span.end_s,
                "start_pts": moment.start_pts,
                "end_pts": moment.end_pts,
                "text": storable(moment.text),
                "source": moment.source,
            }
            for answer_id, moment in moments
        ],
    )
    _insert(
        session,
        Embedding,
        [
            {
                "moment_id": id,
                "embedder": rows.embedder,
                "vector": moment.vector.astype(VECTOR_TYPE).tobytes(),
            }
            for id, (_, moment) in zip(moment_ids, moments, strict=True)
            if moment.vector is not None
        ],
    )
    _insert_claims(session, owner, with_ids, moment_ids)


def _insert_claims(
    session: Session, owner: _Owner, answers: Sequence[tuple[int, AnswerRow]], moment_ids: Sequence[int]
) -> None:
    claims, boxes, first = [], [], 0
    for answer_id, answer in answers:
        for position, claim in enumerate(answer.claims):
            boxes.append(claim.boxes)
            claims.append(
                {
                    "answer_id": answer_id,
                    "moment_id": None if claim.moment is None else moment_ids[first + claim.moment],
                    "run_id": owner.run_id,
                    "position": position,
                    "subject": storable(claim.subject),
                    "time_s": claim.time_s,
                    "pts": claim.pts,
                    "confidence": claim.confidence,
                }
            )
        first += len(answer.moments)
    claim_ids = _insert_with_ids(session, Claim, claims)
    _insert(
        session,
        BoxRow,
        [
            {"claim_id": claim_id, "position": position, **_corners(box)}
            for claim_id, of_claim in zip(claim_ids, boxes, strict=True)
            for position, box in enumerate(of_claim)
        ],
    )


def _insert_seen(session: Session, owner: _Owner, rows: SegmentRows) -> None:
    ours = {"segment_id": owner.segment_id, "run_id": owner.run_id}
    tracks = [
        {
            **ours,
            "label": storable(track.label),
            "start_s": track.span.start_s,
            "end_s": track.span.end_s,
            "points": [[p.time_s, p.pts, *_corners(p.box).values(), p.confidence] for p in track.points],
        }
        for track in rows.tracks
    ]
    texts = [
        {
            **ours,
            "text": storable(text.text),
            "start_s": text.span.start_s,
            "end_s": text.span.end_s,
            "time_s": text.time_s,
            "pts": text.pts,
            "confidence": text.confidence,
            **_corners(text.box),
        }
        for text in rows.screen_texts
    ]
    coverage: list[dict[str, Any]] = [
        {
            "segment_id": owner.segment_id,
            "start_s": part.span.start_s,
            "end_s": part.span.end_s,
            "kind": part.kind,
            "num_frames": part.num_frames,
            "reason": None if part.reason is None else storable(part.reason),
        }
        for part in rows.coverage
    ]
    _insert(session, TrackRow, tracks)
    _insert(session, ScreenTextRow, texts)
    _insert(session, Coverage, coverage)
    add_seen(
        session,
        [
            Stretch(part.span.start_s, part.span.end_s, part.kind, row["reason"])
            for part, row in zip(rows.coverage, coverage, strict=True)
        ],
        video_id=owner.video_id,
        run_id=owner.run_id,
        within=Span(owner.start_s, owner.end_s),
    )


def _answer(owner: _Owner, answer: AnswerRow) -> dict[str, Any]:
    return {
        "segment_id": owner.segment_id,
        "question_id": answer.question_id,
        "run_id": owner.run_id,
        "raw": storable(answer.raw),
        "text": storable(answer.text),
        "abstained": answer.abstained,
        "reason": None if answer.reason is None else storable(answer.reason),
        "mean_logprob": answer.mean_logprob,
        "problems": [asdict(problem) for problem in answer.problems],
    }


def _corners(box: Box) -> dict[str, float]:
    return {"x1": box.x1, "y1": box.y1, "x2": box.x2, "y2": box.y2}


def _insert(session: Session, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        session.connection().execute(insert(table.__table__), rows)


def _insert_with_ids(session: Session, table: Any, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert rows and give their ids, in the order of `rows`."""
    if not rows:
        return []
    statement = insert(table.__table__).returning(table.__table__.c.id, sort_by_parameter_order=True)
    return list(session.connection().execute(statement, rows).scalars())
