"""Which moments a search may give: its filters, looked up in SQL.

Dates are worked out a video at a time, as the stretches of its file time that lie within them; a moment is in
when it shares time with one of them.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.orm import Session

from engines.english import noun
from engines.spotter.vocabulary import load_vocabulary
from grounding.evidence import Span
from search.filters import Filters
from storage.clock import stored_date

Ids = npt.NDArray[np.int64]

_DAY = timedelta(days=1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`library_id` and `spans` (by video, in file time) are None where nothing limits them; `allowed` holds
    the ids that every filter lets through, rising, or is None for all. `undated` videos name no recording
    date, or no time of day where one is asked for. `hides`: there are answers kept beside those shown (see
    `IN_VIEW`), which `allowed`, where it is given, has not in it.
    """

    library_id: int | None
    spans: Mapping[int, Sequence[Span]] | None
    allowed: Ids | None
    undated: int
    hides: bool = False

    def allows(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of `ids` are in."""
        if self.allowed is None:
            return np.ones(len(ids), dtype=bool)
        return np.isin(ids, self.allowed)


def resolve(session: Session, filters: Filters) -> Scope:
    """Look the filters up. Raises ValueError for an unknown library (naming those there are) or label."""
    library_id = None if filters.library is None else _library_id(session, filters.library)
    subjects = _subjects(session, filters.labels) if filters.labels else None
    spans, undated = _dated_spans(session, filters, library_id) if filters.dated else (None, 0)
    free = library_id is None and subjects is None and spans is None
    allowed = None if free else _allowed(session, library_id=library_id, subjects=subjects, spans=spans)
    hides = session.scalar(text("SELECT 1 FROM hidden LIMIT 1")) is not None
    return Scope(library_id=library_id, spans=spans, allowed=allowed, undated=undated, hides=hides)


IN_VIEW = (
    "NOT EXISTS (SELECT 1 FROM hidden WHERE hidden.video_id = moment.video_id"
    " AND hidden.run_id = moment.run_id)"
)
"""SQL that is true of a `moment` whose run's answers search shows of its video, and none waits or was
switched away from.
"""


def in_view(session: Session, ids: Ids) -> npt.NDArray[np.bool_]:
    """Which of the moments `ids` there are and are shown."""
    query = text(f"SELECT id FROM moment WHERE id IN (SELECT value FROM json_each(:ids)) AND {IN_VIEW}")
    shown = session.scalars(query, {"ids": json.dumps(ids.tolist())})
    return np.isin(ids, np.fromiter(shown, dtype=np.int64))


def in_library(column: str) -> str:
    """SQL that is true where the video whose id is `column` has a file in library `:library`, or there is
    none.
    """
    inside = f"SELECT 1 FROM file WHERE file.video_id = {column} AND file.library_id = :library"
    return f"(:library IS NULL OR EXISTS ({inside}))"


def _library_id(session: Session, name: str) -> int:
    libraries = {row[0]: int(row[1]) for row in session.execute(text("SELECT name, id FROM library"))}
    if name not in libraries:
        there = ", ".join(sorted(libraries)[:_SHOWN]) or "none yet; run `proofreel index` first"
        raise ValueError(f"there is no library {name[:40]!r}; there are: {there}")
    return libraries[name]


def _subjects(session: Session, labels: Sequence[str]) -> tuple[str, ...]:
    """The claims' subjects that any of `labels` means: in any number and case, and by the vocabulary's
    kinds.
    """
    there = {subject: _meanings(subject) for subject in _all_subjects(session)}
    known = {meaning for meanings in there.values() for meaning in meanings} | set(load_vocabulary().labels)
    chosen: dict[str, None] = {}
    for label in labels:
        wanted = noun(label.strip().casefold())
        if wanted not in known:
            near = difflib.get_close_matches(wanted, sorted(known), n=5) or sorted(there)[:_SHOWN]
            raise ValueError(
                f"nothing is labelled {label[:40]!r}; near that: {', '.join(near) or 'nothing yet'}"
            )
        chosen |= dict.fromkeys(subject for subject, meanings in there.items() if wanted in meanings)
    return tuple(chosen)


def _meanings(subject: str) -> frozenset[str]:
    one = noun(subject.casefold())
    name = load_vocabulary().names.get(one)
    return frozenset(
        [subject.casefold(), one, *(name.labels if name is not None and len(name.labels) == 1 else ())]
    )


def _all_subjects(session: Session) -> list[str]:
    # One look into the index for each different subject, however many claims there are.
    query = text(
        "WITH RECURSIVE each (subject) AS (SELECT min(subject) FROM claim UNION ALL"
        " SELECT (SELECT min(claim.subject) FROM claim WHERE claim.subject > each.subject) FROM each"
        " WHERE each.subject IS NOT NULL) SELECT subject FROM each WHERE subject IS NOT NULL"
    )
    return list(session.scalars(query))


def _allowed(
    session: Session,
    *,
    library_id: int | None,
    subjects: Sequence[str] | None,
    spans: Mapping[int, Sequence[Span]] | None,
) -> Ids:
    conditions = [in_library("moment.video_id"), IN_VIEW]
    values: dict[str, Any] = {"library": library_id}
    if subjects is not None:
        labelled = "SELECT moment_id FROM claim WHERE subject IN (SELECT value FROM json_each(:subjects))"
        conditions.append(f"moment.id IN ({labelled})")
        values["subjects"] = json.dumps(subjects)
    if spans is not None:
        conditions.append("moment.video_id IN (SELECT value FROM json_each(:videos))")
        values["videos"] = json.dumps(list(spans))
    columns = "id" if spans is None else "id, video_id, start_s, end_s"
    query = f"SELECT {columns} FROM moment WHERE {' AND '.join(conditions)} ORDER BY id"
    rows = session.execute(text(query), values)
    if spans is None:
        return np.fromiter((row[0] for row in rows), dtype=np.int64)
    inside = (
        id
        for id, video, start, end in rows
        if any(start < s.end_s and end >= s.start_s for s in spans[video])
    )
    return np.fromiter(inside, dtype=np.int64)


def _dated_spans(
    session: Session, filters: Filters, library_id: int | None
) -> tuple[dict[int, tuple[Span, ...]], int]:
    """For each video, the stretches of its file time within the dates; and how many videos have no date."""
    query = text(f"SELECT id, start_s, end_s, recorded_at FROM video WHERE {in_library('video.id')}")
    spans: dict[int, tuple[Span, ...]] = {}
    undated = 0
    for id, start_s, end_s, recorded in session.execute(query, {"library": library_id}):
        if recorded is None:
            undated += 1
            continue
        known = stored_date(recorded)
        if isinstance(known, datetime):
            found = tuple(_within(filters, recorded=known, start_s=start_s, end_s=end_s))
        elif filters.between is not None:
            undated += 1
            continue
        else:
            found = (Span(start_s, end_s),) if _shares_time(filters, known) else ()
        if found:
            spans[id] = found
    return spans, undated


def _shares_time(filters: Filters, day: date) -> bool:
    """Whether some of the day (UTC) lies within the dates."""
    begin = datetime.combine(day, time(), tzinfo=UTC)
    return (filters.since or _FIRST) < begin + _DAY and begin < (filters.until or _LAST)


def _within(filters: Filters, *, recorded: datetime, start_s: float, end_s: float) -> Iterator[Span]:
    begin = max(recorded, filters.since or _FIRST)
    end = min(recorded + timedelta(seconds=end_s - start_s), filters.until or _LAST)
    stretches = [(begin, end)] if filters.between is None else _daily(filters.between, begin, end)
    for first, last in stretches:
        first, last = max(first, begin), min(last, end)
        if first < last:
            yield Span(
                start_s + (first - recorded).total_seconds(), start_s + (last - recorded).total_seconds()
            )


def _daily(between: tuple[time, time], begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The stretch of each day that touches [begin, end]; one over midnight belongs to the day it starts
    in.
    """
    first, last = between
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0) - _DAY
    while midnight < end:
        starts, ends = (datetime.combine(midnight, clock, tzinfo=UTC) for clock in (first, last))
        yield starts, ends if starts < ends else ends + _DAY
        midnight += _DAY
