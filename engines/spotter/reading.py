"""When to read the text of a picture, and how long what was read stood there, to the frame.

Reading costs as much as ten looks of the detector. A shot is read once, and again where the picture changed
and came to rest (a dialog), or goes on changing for seconds (a ticker); what things that move by themselves
cover does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt

from engines.contract import ScreenText
from engines.spotter.detector import Detection
from engines.spotter.frames import Seen
from engines.spotter.motion import BLOCKS, changed_blocks
from engines.spotter.settings import SpotterSettings
from engines.spotter.text_models import Line, TextModels
from grounding.evidence import Box, Span
from video.frames import Images

_MOVERS = frozenset(
    {
        "person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "boat", "airplane", "bird", "cat",
        "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
    }
)  # fmt: skip
_ROOM = 0.25  # added around a mover, of its size: arms, shadows
_GONE = 14.0  # mean change of a letter-sized part of a line, of 255, that means that the line is not there
_LEAST_LETTERS = 2
_TOUCHING_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read on sample `index` of shot `shot`."""

    index: int
    shot: int
    lines: tuple[Line, ...]


def read_clip(
    seen: Seen,
    *,
    shots: Sequence[range],
    samples: Sequence[Sequence[Detection]],
    models: TextModels,
    settings: SpotterSettings,
) -> list[Reading]:
    """Read the first sample of each shot, and more where the picture changed since.

    The wait between two reads doubles each time that a shot shows no text, so that a street costs little.
    """
    done: list[Reading] = []
    for number, shot in enumerate(shots):
        last, gap_s = None, settings.read_gap_s
        for index in shot:
            if last is None or _worth_reading(seen, index, last, shot, samples, settings, gap_s=gap_s):
                lines = _read_sample(seen, index, models=models, settings=settings)
                done.append(Reading(index=index, shot=number, lines=lines))
                last = index
                gap_s = settings.read_gap_s if lines else 2 * gap_s
    return done


def _worth_reading(
    seen: Seen,
    index: int,
    last: int,
    shot: range,
    samples: Sequence[Sequence[Detection]],
    settings: SpotterSettings,
    *,
    gap_s: float,
) -> bool:
    waited = seen.clip.times_s[index] - seen.clip.times_s[last]
    if waited < gap_s:
        return False
    now = seen.signatures[index]
    changed = changed_blocks(seen.signatures[last], now, noise=settings.noise)
    changed &= ~_movers(samples[index]) & ~_movers(samples[last])
    if int(changed.sum()) < settings.settled_blocks:
        return False
    if waited >= settings.read_every_s:
        return True
    before = seen.signatures[max(index - 1, shot.start)]
    settled = changed & ~changed_blocks(before, now, noise=settings.noise)
    return int(settled.sum()) >= settings.settled_blocks


def _movers(detections: Sequence[Detection]) -> npt.NDArray[np.bool_]:
    """[75, 75]: the blocks under and around things that move by themselves."""
    covered = np.zeros((BLOCKS, BLOCKS), bool)
    for detection in detections:
        if detection.label in _MOVERS:
            x1, y1, x2, y2 = detection.box
            dx, dy = _ROOM * (x2 - x1), _ROOM * (y2 - y1)
            rows = slice(max(0, int((y1 - dy) * BLOCKS)), int(np.ceil((y2 + dy) * BLOCKS)))
            columns = slice(max(0, int((x1 - dx) * BLOCKS)), int(np.ceil((x2 + dx) * BLOCKS)))
            covered[rows, columns] = True
    return covered


def _read_sample(
    seen: Seen, index: int, *, models: TextModels, settings: SpotterSettings
) -> tuple[Line, ...]:
    """The lines on one sample. A glance at low resolution decides whether a real read is worth it."""
    picture = seen.clip.images[index]
    lines = models.read(picture, models.find(picture, side=settings.glance_side))
    if max(picture.shape[:2]) > settings.glance_side:
        if all(line.confidence < settings.glance_floor for line in lines):
            return ()
        lines = models.read(picture, models.find(picture, side=settings.read_side)) or lines
    return tuple(line for line in lines if _is_text(line, settings))


def _is_text(line: Line, settings: SpotterSettings) -> bool:
    x1, y1, x2, y2 = line.box
    letters = sum(c.isalnum() for c in line.text)
    return line.confidence >= settings.text_floor and letters >= _LEAST_LETTERS and x2 > x1 and y2 > y1


def screen_texts(
    seen: Seen, readings: Sequence[Reading], *, shots: Sequence[Span], settings: SpotterSettings
) -> list[ScreenText]:
    """One `ScreenText` for each text that stood in a place, its span exact as far as the pixels tell."""
    found: list[ScreenText] = []
    standing: list[ScreenText] = []
    for reading in readings:
        shot = shots[reading.shot]
        ended = [t for t in standing if t.span.end_s < shot.start_s - _TOUCHING_S]
        before = [t for t in standing if t not in ended]
        now = []
        for line in reading.lines:
            text = _screen_text(seen, reading, line, shot)
            earlier = next((t for t in before if _same(t, text, settings)), None)
            if earlier is not None:
                before.remove(earlier)
                text = _joined(earlier, text)
            now.append(text)
        # A text that this reading missed goes on as long as its pixels do, and no further.
        time_s = seen.clip.times_s[reading.index]
        found += ended + [t for t in before if t.span.end_s <= time_s]
        standing = now + [t for t in before if t.span.end_s > time_s]
    return sorted(found + standing, key=lambda t: (t.span.start_s, t.box.y1, t.box.x1))


def _screen_text(seen: Seen, reading: Reading, line: Line, shot: Span) -> ScreenText:
    clip, index = seen.clip, reading.index
    return ScreenText(
        text=line.text,
        span=_standing(seen, index, line.box, shot),
        time_s=float(clip.times_s[index]),
        pts=int(clip.pts[index]),
        box=Box(*line.box),
        confidence=line.confidence,
    )


def _standing(seen: Seen, index: int, box: tuple[float, float, float, float], shot: Span) -> Span:
    """From when to when the pixels of `box` were those of sample `index`, within its shot."""
    inside = np.flatnonzero((seen.times_s >= shot.start_s) & (seen.times_s < shot.end_s))
    here = seen.at[index]
    if here not in inside:
        return _own_display(seen, index, shot)
    same = _unchanged(seen.pictures[inside[0] : inside[-1] + 1], here - int(inside[0]), box)
    place = here - int(inside[0])
    gone_before = np.flatnonzero(~same[:place])
    gone_after = np.flatnonzero(~same[place:])
    first = inside[gone_before[-1] + 1] if len(gone_before) else inside[0]
    last = inside[place + gone_after[0] - 1] if len(gone_after) else inside[-1]
    start = shot.start_s if first == inside[0] else float(seen.times_s[first])
    if not seen.exact:  # between two samples anything may have happened
        start = float(seen.times_s[first])
    return Span(start, min(float(seen.ends_s[last]), shot.end_s))


def _own_display(seen: Seen, index: int, shot: Span) -> Span:
    time_s = float(seen.clip.times_s[index])
    start = min(max(time_s, shot.start_s), shot.end_s)
    return Span(start, max(start, min(time_s + float(seen.clip.durations_s[index]), shot.end_s)))


def _unchanged(pictures: Images, here: int, box: tuple[float, float, float, float]) -> npt.NDArray[np.bool_]:
    """[M]: whether no letter-sized part of `box` differs from picture `here`."""
    import cv2

    side = pictures.shape[1]
    x1, y1 = int(box[0] * side), int(box[1] * side)
    x2, y2 = max(x1 + 1, int(np.ceil(box[2] * side))), max(y1 + 1, int(np.ceil(box[3] * side)))
    part = pictures[:, y1:y2, x1:x2].astype(np.int16)
    columns = np.abs(part - part[here]).mean(axis=(1, 3)).astype(np.float32)  # [M, width]
    letter = max(1, min(x2 - x1, y2 - y1))
    smooth = cv2.blur(columns, (letter, 1), borderType=cv2.BORDER_REPLICATE)
    result: npt.NDArray[np.bool_] = smooth.reshape(len(part), -1).max(axis=1) <= _GONE
    return result


def _same(one: ScreenText, other: ScreenText, settings: SpotterSettings) -> bool:
    a, b = one.box, other.box
    width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    if width <= 0 or height <= 0:
        return False
    smaller = min((a.x2 - a.x1) * (a.y2 - a.y1), (b.x2 - b.x1) * (b.y2 - b.y1))
    alike = SequenceMatcher(None, one.text.casefold(), other.text.casefold(), autojunk=False).ratio()
    return width * height > 0.5 * smaller and alike >= settings.text_same


def _joined(one: ScreenText, other: ScreenText) -> ScreenText:
    span = Span(min(one.span.start_s, other.span.start_s), max(one.span.end_s, other.span.end_s))
    return replace(max(one, other, key=lambda t: t.confidence), span=span)
