"""Everything about the hits that the user sees: files, times as a player shows them, and the claims."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from grounding.evidence import Box
from search.merging import Candidate
from search.results import Evidence, Hit, Part, Why
from storage.clock import stored_date
from storage.listing import listed, paired
from storage.paths import text_to_path

MOST_CLAIMS = 5
"""Claims listed under a hit: the surest of each subject first, then the next of each."""

_MOST_TEXTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A hit before it is described: its best moment, and all its parts by start."""

    leader: Candidate
    parts: tuple[Candidate, ...]
    score: float
    why: tuple[Why, ...]
    unproven: tuple[str, ...]
    fewer: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Video:
    start_s: float
    recorded_at: date | None
    path: str | None
    missing_since: datetime | None
    libraries: tuple[str, ...]


def describe(session: Session, found: Sequence[Found], *, library_id: int | None) -> tuple[Hit, ...]:
    """The hits as they are shown; a video's path is one in `library_id` when that is given."""
    videos = _videos(session, {hit.leader.video_id for hit in found}, library_id=library_id)
    claims = best_claims(session, [[part.id for part in hit.parts] for hit in found])
    return tuple(
        _hit(hit, videos[hit.leader.video_id], *of_hit) for hit, of_hit in zip(found, claims, strict=True)
    )


def _hit(found: Found, video: _Video, claims: tuple[Evidence, ...], num_claims: int) -> Hit:
    start_s = min(part.start_s for part in found.parts)
    end_s = max(part.end_s for part in found.parts)
    return Hit(
        moment=found.leader.id,
        parts=tuple(Part(moment=p.id, start_s=p.start_s, end_s=p.end_s, text=p.text) for p in found.parts),
        video_id=found.leader.video_id,
        path=video.path,
        missing_since=video.missing_since,
        libraries=video.libraries,
        start_s=start_s,
        end_s=end_s,
        player_start_s=start_s - video.start_s,
        player_end_s=end_s - video.start_s,
        recorded_at=_later(video.recorded_at, start_s - video.start_s),
        score=found.score,
        text=_texts(found),
        source=found.leader.source,
        why=found.why,
        unproven=found.unproven,
        fewer=found.fewer,
        claims=claims,
        num_claims=num_claims,
    )


def _later(recorded: date | None, seconds: float) -> date | None:
    """A date without a time of day stays what it is."""
    return recorded + timedelta(seconds=seconds) if isinstance(recorded, datetime) else recorded


def _texts(found: Found) -> str:
    texts = list(dict.fromkeys([found.leader.text, *(part.text for part in found.parts)]))
    more = f"; and {len(texts) - _MOST_TEXTS} more" if len(texts) > _MOST_TEXTS else ""
    return "; ".join(texts[:_MOST_TEXTS]) + more


def _videos(session: Session, ids: set[int], *, library_id: int | None) -> dict[int, _Video]:
    # Files that are there come before those that are gone, older ones before newer ones.
    query = text(
        "SELECT video.id, video.start_s, video.recorded_at, file.path, library.name, file.library_id,"
        " file.missing_since"
        " FROM video LEFT JOIN file ON file.video_id = video.id"
        " LEFT JOIN library ON library.id = file.library_id"
        f" WHERE video.id IN ({listed(session, 'ids')})"
        " ORDER BY video.id, file.missing_since IS NOT NULL, file.id"
    )
    rows: dict[int, list[Sequence[object]]] = {}
    for row in session.execute(query, {"ids": json.dumps(sorted(ids))}):
        rows.setdefault(row[0], []).append(row)
    return {video: _video(files, library_id=library_id) for video, files in rows.items()}


def _video(rows: Sequence[Sequence[object]], *, library_id: int | None) -> _Video:
    wanted = [row for row in rows if library_id is None or row[5] == library_id]
    known = next((row for row in wanted if row[3] is not None), None)
    gone = None if known is None else known[6]
    recorded = rows[0][2]
    return _Video(
        start_s=float(str(rows[0][1])),
        recorded_at=None if recorded is None else stored_date(str(recorded)),
        path=None if known is None else text_to_path(str(known[3])),
        missing_since=None if gone is None else datetime.fromisoformat(str(gone)),
        libraries=tuple(dict.fromkeys(str(row[4]) for row in rows if row[4] is not None)),
    )


def best_claims(
    session: Session, groups: Sequence[Sequence[int]], *, most: int = MOST_CLAIMS
) -> list[tuple[tuple[Evidence, ...], int]]:
    """For each group of moments its surest claims, each subject in its turn, and how many there are in
    all.
    """
    pairs = [(number, moment) for number, moments in enumerate(groups) for moment in moments]
    query = text(
        f"WITH ours (hit, moment) AS ({paired(session, 'pairs')}),"
        " turns AS (SELECT hit, claim.*, count(*) OVER (PARTITION BY hit) AS num,"
        " row_number() OVER (PARTITION BY hit, subject ORDER BY coalesce(confidence, 0.0) DESC, time_s, id)"
        " AS turn FROM ours JOIN claim ON claim.moment_id = ours.moment),"
        " places AS (SELECT *, row_number() OVER (PARTITION BY hit"
        " ORDER BY turn, coalesce(confidence, 0.0) DESC, time_s, id) AS place FROM turns)"
        " SELECT hit, num, id, subject, time_s, pts, confidence FROM places WHERE place <= :most"
        " ORDER BY hit, place"
    )
    rows = session.execute(query, {"pairs": json.dumps(pairs), "most": most}).all()
    boxes = boxes_of(session, [row[2] for row in rows])
    claims: list[list[Evidence]] = [[] for _ in groups]
    totals = [0] * len(groups)
    for hit, total, id, subject, time_s, pts, confidence in rows:
        evidence = Evidence(
            subject=subject, time_s=time_s, pts=pts, confidence=confidence, boxes=boxes.get(id, ())
        )
        claims[hit].append(evidence)
        totals[hit] = total
    return [(tuple(of_hit), total) for of_hit, total in zip(claims, totals, strict=True)]


def boxes_of(session: Session, claims: Sequence[int]) -> Mapping[int, tuple[Box, ...]]:
    """The boxes of each claim, in their order."""
    query = text(
        f"SELECT claim_id, x1, y1, x2, y2 FROM box WHERE claim_id IN ({listed(session, 'claims')})"
        " ORDER BY claim_id, position"
    )
    found: dict[int, tuple[Box, ...]] = {}
    for claim, *corners in session.execute(query, {"claims": json.dumps(list(claims))}):
        found[claim] = (*found.get(claim, ()), Box(*corners))
    return found
