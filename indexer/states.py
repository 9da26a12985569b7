"""Every second of every video in one state, as documents and people are told it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grounding.plain import plain
from storage.partition import States

TOLD_FROM_S = 0.05
"""Less would be told as 0.0 s."""


def states_document(states: States) -> dict[str, Any]:
    """Seconds in each state, as `status` and `report` write them; the parts add up to "seconds"."""
    return {
        "seconds": round(states.seconds, 3),
        "looked_at": [
            {"engine": engine, "rate_hz": rate_hz, "seconds": round(seconds, 3)}
            for (engine, rate_hz), seconds in states.looked_at_s.items()
        ],
        "skipped": [
            {"reason": reason, "seconds": round(seconds, 3)} for reason, seconds in states.skipped_s.items()
        ],
        "damaged_seconds": round(states.damaged_s, 3),
        "pending_seconds": round(states.pending_s, 3),
    }


def states_lines(states: States) -> Iterator[str]:
    """A line a state, the longest of each kind first; nothing of what there is none of."""
    yield f"of {states.seconds:.1f} s of video:"
    for (engine, rate_hz), seconds in _longest(states.looked_at_s):
        how_often = "" if rate_hz is None else f", {rate_hz:g} frames a second"
        yield f"  {seconds:.1f} s looked at ({plain(engine)}{how_often})"
    for seconds, what in ((states.damaged_s, "damaged"), (states.pending_s, "pending")):
        if seconds >= TOLD_FROM_S:
            yield f"  {seconds:.1f} s {what}"
    for reason, seconds in _longest(states.skipped_s):
        yield f"  {seconds:.1f} s skipped: {plain(reason)}"


def _longest(seconds: dict[Any, float]) -> list[tuple[Any, float]]:
    told = [item for item in seconds.items() if item[1] >= TOLD_FROM_S]
    return sorted(told, key=lambda item: -item[1])
