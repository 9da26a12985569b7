"""The JSON documents of `search` and `show`, as `search/schemas/` describes them."""

from __future__ import annotations

from os.path import basename
from typing import TYPE_CHECKING, Any

from grounding.errors import printable
from search.results import Evidence, Hit, SearchResult
from storage.clock import iso, iso_date

if TYPE_CHECKING:
    from search.showing import Shown


def search_document(result: SearchResult) -> dict[str, Any]:
    """`proofreel.search/1`."""
    return {
        "schema": "proofreel.search/1",
        "query": result.query,
        "denied": list(result.denied),
        "searched": {
            "videos": result.searched.videos,
            "seconds": round(result.searched.seconds, 3),
            "pending_seconds": round(result.searched.pending_s, 3),
            "unseen_seconds": round(result.searched.unseen_s, 3),
            "undated_videos": result.searched.undated,
        },
        "results": [_hit(hit) for hit in result.hits],
    }


def show_document(shown: Shown) -> dict[str, Any]:
    """`proofreel.show/1`."""
    return {
        "schema": "proofreel.show/1",
        "moment": shown.moment,
        "video": None if shown.path is None else basename(printable(shown.path)),
        "path": None if shown.path is None else _path(shown.path),
        "missing_since": None if shown.missing_since is None else iso(shown.missing_since),
        "undrawable": shown.undrawable,
        "start": shown.start_s,
        "end": shown.end_s,
        "player_start": round(shown.player_start_s, 6),
        "player_end": round(shown.player_end_s, 6),
        "text": shown.text,
        "claims": [_claim(claim) for claim in shown.claims],
        "frame": None if shown.frame is None else _picture(shown),
        "clip": None if shown.clip is None else {"path": _path(shown.clip)},
    }


def _picture(shown: Shown) -> dict[str, Any]:
    assert shown.frame is not None
    return {"path": _path(shown.frame), "time": shown.frame_time_s, "pts": shown.frame_pts}


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "moment": hit.moment,
        "members": list(hit.members),
        "video": None if hit.path is None else basename(printable(hit.path)),
        "path": None if hit.path is None else _path(hit.path),
        "missing_since": None if hit.missing_since is None else iso(hit.missing_since),
        "libraries": list(hit.libraries),
        "start": hit.start_s,
        "end": hit.end_s,
        "player_start": round(hit.player_start_s, 6),
        "player_end": round(hit.player_end_s, 6),
        "recorded_at": None if hit.recorded_at is None else iso_date(hit.recorded_at),
        "score": round(hit.score, 4),
        "text": hit.text,
        "source": hit.source,
        "why": list(hit.why),
        "unproven": list(hit.unproven),
        "fewer": list(hit.fewer),
        "verdict": None,  # nobody can rule on a moment yet
        "parts": [
            {"moment": part.moment, "start": part.start_s, "end": part.end_s, "text": part.text}
            for part in hit.parts
        ],
        "claims": [_claim(claim) for claim in hit.claims],
        "num_claims": hit.num_claims,
    }


def _claim(claim: Evidence) -> dict[str, Any]:
    return {
        "subject": claim.subject,
        "time": claim.time_s,
        "pts": claim.pts,
        "boxes": [[box.x1, box.y1, box.x2, box.y2] for box in claim.boxes],
        "confidence": claim.confidence,
    }


def _path(path: Any) -> str:
    """As the database writes it: JSON holds no bytes that are not UTF-8."""
    from storage.paths import path_to_text

    return path_to_text(path)
