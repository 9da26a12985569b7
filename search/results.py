"""What a search gives: plain values, in seconds of the file and boxes 0..1 of the displayed frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from grounding.evidence import Box

Why = Literal["words", "vector"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A claim: `subject` was seen at `time_s` (the frame with `pts`) in `boxes`; `confidence` 0..1 or
    None.
    """

    subject: str
    time_s: float
    pts: int
    boxes: tuple[Box, ...]
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One stored moment of a hit, with what was said of just that stretch."""

    moment: int
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A stretch of one video that fits the query: one moment, or several that touch and say the same.

    `moment` is the best part's id. `start_s` and `end_s` are the first part's start and the last one's end,
    in file time; `player_start_s` and `player_end_s` count from the video's first frame, as a player shows
    them. `text` joins the parts' different texts, the best first. `claims` are the surest few of
    `num_claims`. `score` (0..1) compares hits of one query; `why` tells which lists found it. `unproven` is
    what the query says and nothing in the best part confirms, `fewer` the things of which the query wants
    more than it counts. `path` is as Python writes it (undecodable bytes as lone surrogates), or None when
    no file of the video is known any more; since `missing_since` no scan has found one. `recorded_at` is when
    the hit starts by the file's recording date, or that date alone when it names no time of day.
    """

    moment: int
    parts: tuple[Part, ...]
    video_id: int
    path: str | None
    missing_since: datetime | None
    libraries: tuple[str, ...]
    start_s: float
    end_s: float
    player_start_s: float
    player_end_s: float
    recorded_at: date | None
    score: float
    text: str
    source: str
    why: tuple[Why, ...]
    unproven: tuple[str, ...]
    fewer: tuple[str, ...]
    claims: tuple[Evidence, ...]
    num_claims: int

    @property
    def members(self) -> tuple[int, ...]:
        """The ids of all parts, in order of time."""
        return tuple(part.moment for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What the search could find things in, within its library and dates.

    `videos` were looked at for `seconds` in all (each second once), `pending_s` are still to do, and
    `unseen_s` can't be known (damaged, skipped or given up). `undated` videos were left out because a filter
    asks for dates or times of day and they name none.
    """

    videos: int
    seconds: float
    pending_s: float
    unseen_s: float
    undated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The hits of a query, best first.

    `denied` is what the query says is not there: no hit proves that, each says so by its own text. `small`:
    the query holds nothing but small words.
    """

    query: str
    denied: tuple[str, ...]
    small: bool
    searched: Searched
    hits: tuple[Hit, ...]
