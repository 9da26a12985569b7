"""Where in the picture a thing is, in words."""

from __future__ import annotations

from engines.spotter.finding import Finding
from engines.spotter.relations import Sighting
from engines.spotter.writing import clearest
from grounding import Box

_MOVES_LEAST = 0.2
"""Share of the picture's width that the middle of a box must cross to be said to move."""


def best_sighting(finding: Finding) -> Sighting:
    """The surest sighting of the first thing asked for, in the clearest frame. There must be a hit."""
    group = next(group for group in clearest(finding.found).members if group)
    return max(group, key=lambda s: s.point.confidence)


def position(finding: Finding) -> str:
    """Words such as "at the top left" or "at the right, moving to the left"; of writing, the first text's."""
    if finding.texts:
        return side(finding.texts[0].box)
    best = best_sighting(finding)
    own = sorted(
        (s for hit in finding.found for s in hit.sightings if s.track == best.track), key=lambda s: s.sample
    )
    beside = next(group for group in clearest(finding.found).members if group)
    if len(beside) > 1:
        return ", ".join(dict.fromkeys(side(s.point.box) for s in beside))
    moved = _middle(own[-1].point.box) - _middle(own[0].point.box)
    if abs(moved) < _MOVES_LEAST:
        return side(best.point.box)
    return f"{side(own[0].point.box)}, moving to the {'right' if moved > 0 else 'left'}"


def side(box: Box) -> str:
    """Which ninth of the picture the middle of the box lies in."""
    x, y = _middle(box), (box.y1 + box.y2) / 2
    across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    down = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    words = " ".join(word for word in (down, across) if word)
    return f"at the {words}" if words else "in the middle"


def _middle(box: Box) -> float:
    return (box.x1 + box.x2) / 2
