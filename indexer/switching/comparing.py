"""`compare A B`: what run B says of the videos and questions that run A answered, and where it differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from grounding.evidence import Box
from indexer.switching.pairing import Boxes, Seen, Told, compare_boxes, has_moved, pair_up
from indexer.switching.reviewed import Verdicts, read_verdicts
from storage import Database
from storage.paths import text_to_path
from storage.schema import Answer, BoxRow, Claim, File, Job, Moment, Question, Segment
from storage.switching import RunName, run_named

Kind = Literal["new", "gone", "moved", "reworded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One moment that B tells and A doesn't, or the other way, or otherwise. Of "moved" and "reworded" both
    are there; `before` is A's and `after` B's.
    """

    kind: Kind
    path: Path | None
    question: str
    before: Told | None
    after: Told | None

    @property
    def start_s(self) -> float:
        told = self.after or self.before
        return told.start_s if told is not None else 0.0


@dataclass(slots=True, kw_only=True)
class Compared:
    """One question: how many moments each run has, `kept` of which are one; of these, `moved` in time and
    `reworded`. `boxes` are those of the kept ones. Of the windows of each, so many `abstained`.
    """

    question: str
    before: int = 0
    after: int = 0
    kept: int = 0
    moved: int = 0
    reworded: int = 0
    boxes: Boxes = field(default_factory=Boxes)
    windows_before: int = 0
    windows_after: int = 0
    abstained_before: int = 0
    abstained_after: int = 0

    @property
    def gone(self) -> int:
        return self.before - self.kept

    @property
    def new(self) -> int:
        return self.after - self.kept

    @property
    def mean_iou(self) -> float | None:
        """Of the boxes that are in both, None where none is."""
        return self.boxes.iou_sum / self.boxes.pairs if self.boxes.pairs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs over the `videos` that both are done with. `only_before` and `only_after` count videos that
    only one of them has looked at; `asked_before` and `asked_after` name questions that only one was asked.
    `verdicts` sums up what people ruled on the moments of both.
    """

    home: Path
    before: RunName
    after: RunName
    videos: int
    only_before: int
    only_after: int
    asked_before: tuple[str, ...]
    asked_after: tuple[str, ...]
    questions: tuple[Compared, ...]
    verdicts: Verdicts = field(repr=False)
    changes: tuple[Change, ...] = field(repr=False)


def compare_runs(home: Path, before: str, after: str) -> Comparison:
    """Compare two runs, named as `storage.switching.run_named` takes them.

    Raises ValueError for what is no run, for one and the same, and when no video is done by both.
    """
    with Database.open(home) as database, database.reading() as session:
        a, b = run_named(session, before), run_named(session, after)
        if a.id == b.id:
            raise ValueError(f"run {a.id} can't be compared with itself; name two runs")
        seen_a, seen_b = _done(session, a), _done(session, b)
        both = sorted(seen_a & seen_b)
        if not both:
            raise ValueError(
                f"no video is done by both run {a.id} and run {b.id}; index the same files with both "
                "(`proofreel index --beside` leaves search as it is)"
            )
        asked_a, asked_b = _asked(session, a, videos=both), _asked(session, b, videos=both)
        common = asked_a.keys() & asked_b.keys()
        tables = {id: Compared(question=asked_a[id]) for id in sorted(common)}
        _count_windows(session, tables, runs=(a, b), videos=both)
        verdicts = read_verdicts(session)
        changes: list[Change] = []
        for video in both:
            changes += _compare_video(session, video, runs=(a, b), tables=tables, verdicts=verdicts)
        return Comparison(
            home=home,
            before=a,
            after=b,
            videos=len(both),
            only_before=len(seen_a - seen_b),
            only_after=len(seen_b - seen_a),
            asked_before=tuple(asked_a[id] for id in sorted(asked_a.keys() - common)),
            asked_after=tuple(asked_b[id] for id in sorted(asked_b.keys() - common)),
            questions=tuple(tables.values()),
            verdicts=verdicts,
            changes=tuple(changes),
        )


def _done(session: Session, run: RunName) -> set[int]:
    """Videos that a run has jobs for, all of them done."""
    open_jobs = select(Job.video_id).where(Job.run_id == run.id, Job.state != "done")
    done = select(Job.video_id).where(Job.run_id == run.id, Job.video_id.not_in(open_jobs))
    return set(session.scalars(done))


def _asked(session: Session, run: RunName, *, videos: Sequence[int]) -> dict[int, str]:
    """The questions that a run answered of any of the videos, by id."""
    chosen = set(videos)
    rows = session.execute(
        select(Question.id, Question.text, Job.video_id)
        .join(Answer, Answer.question_id == Question.id)
        .join(Segment, Segment.id == Answer.segment_id)
        .join(Job, Job.id == Segment.job_id)
        .where(Job.run_id == run.id)
        .distinct()
    )
    return {id: text for id, text, video in rows if video in chosen}


def _count_windows(
    session: Session,
    tables: dict[int, Compared],
    *,
    runs: tuple[RunName, RunName],
    videos: Sequence[int],
) -> None:
    chosen = set(videos)
    rows = session.execute(
        select(
            Answer.question_id,
            Job.run_id,
            Job.video_id,
            func.count(),
            func.sum(case((Answer.abstained, 1), else_=0)),
        )
        .join(Segment, Segment.id == Answer.segment_id)
        .join(Job, Job.id == Segment.job_id)
        .where(Job.run_id.in_([run.id for run in runs]))
        .group_by(Answer.question_id, Job.run_id, Job.video_id)
    )
    for question, run, video, windows, abstained in rows:
        if question not in tables or video not in chosen:
            continue
        table = tables[question]
        if run == runs[0].id:
            table.windows_before += windows
            table.abstained_before += abstained or 0
        else:
            table.windows_after += windows
            table.abstained_after += abstained or 0


def _compare_video(
    session: Session,
    video: int,
    *,
    runs: tuple[RunName, RunName],
    tables: dict[int, Compared],
    verdicts: Verdicts,
) -> list[Change]:
    told_a, told_b = (_told(session, video, run=run) for run in runs)
    path = _path(session, video)
    changes: list[Change] = []
    for question, table in tables.items():
        before, after = told_a.get(question, []), told_b.get(question, [])
        pairs = pair_up(before, after)
        verdicts.count(before, after, pairs=pairs)
        changes += _changes(before, after, pairs=pairs, table=table, path=path)
    return sorted(changes, key=lambda change: change.start_s)


def _changes(
    before: Sequence[Told],
    after: Sequence[Told],
    *,
    pairs: Sequence[tuple[int, int]],
    table: Compared,
    path: Path | None,
) -> Iterator[Change]:
    table.before += len(before)
    table.after += len(after)
    table.kept += len(pairs)

    def change(kind: Kind, one: Told | None, other: Told | None) -> Change:
        return Change(kind=kind, path=path, question=table.question, before=one, after=other)

    for row, column in pairs:
        one, other = before[row], after[column]
        table.boxes += compare_boxes(one, other)
        if has_moved(one, other):
            table.moved += 1
            yield change("moved", one, other)
        if one.text != other.text:
            table.reworded += 1
            yield change("reworded", one, other)
    left, right = {row for row, _ in pairs}, {column for _, column in pairs}
    yield from (change("gone", told, None) for i, told in enumerate(before) if i not in left)
    yield from (change("new", None, told) for i, told in enumerate(after) if i not in right)


def _told(session: Session, video: int, *, run: RunName) -> dict[int, list[Told]]:
    """A run's moments of a video, by question, in order of time."""
    chosen = (Moment.video_id == video) & (Moment.run_id == run.id)
    claims = _claims(session, chosen)
    told: defaultdict[int, list[Told]] = defaultdict(list)
    rows = session.execute(
        select(Moment.id, Moment.start_s, Moment.end_s, Moment.text, Answer.question_id)
        .join(Answer, Answer.id == Moment.answer_id)
        .where(chosen)
        .order_by(Moment.start_s, Moment.id)
    )
    for id, start_s, end_s, text, question in rows:
        told[question].append(
            Told(id=id, start_s=start_s, end_s=end_s, text=text, claims=tuple(claims.get(id, ())))
        )
    return told


def _claims(session: Session, chosen: ColumnElement[bool]) -> dict[int, list[Seen]]:
    rows = session.execute(
        select(
            Claim.moment_id, Claim.id, Claim.subject, Claim.time_s, BoxRow.x1, BoxRow.y1, BoxRow.x2, BoxRow.y2
        )
        .join(Moment, Moment.id == Claim.moment_id)
        .join(BoxRow, BoxRow.claim_id == Claim.id)
        .where(chosen)
        .order_by(Claim.id, BoxRow.position)
    )
    boxes: defaultdict[tuple[int, int, str, float], list[Box]] = defaultdict(list)
    for moment, claim, subject, time_s, *corners in rows:
        boxes[moment or 0, claim, subject, time_s].append(Box(*corners))
    found: defaultdict[int, list[Seen]] = defaultdict(list)
    for (moment, _, subject, time_s), of_claim in boxes.items():
        found[moment].append(Seen(subject=subject, time_s=time_s, boxes=tuple(of_claim)))
    return found


def _path(session: Session, video: int) -> Path | None:
    """Where a video is, or was last."""
    text = session.scalar(
        select(File.path)
        .where(File.video_id == video)
        .order_by(File.missing_since.is_not(None), File.id)
        .limit(1)
    )
    return None if text is None else Path(text_to_path(text))
