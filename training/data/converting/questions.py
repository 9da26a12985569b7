"""Tracks and events made into questions by templates, with answer, reasoning and evidence.

    When can the {thing} be seen?                     temporal QA          a thing that comes or goes
    When does this happen: {event}?                   temporal QA
    Where does the {thing} go while it is in view?    temporal-spatial QA
    Which is seen first, the {thing} or the {other}?  temporal-spatial QA  things that come one after another
    Where is the {thing}?                             visual QA            one frame of it

A thing is asked about only where its label is nobody else's in the video: else the question would be unclear.
The answers are the tracks' own; nothing in them is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from grounding import Box, Claim, Span, collapse, escape, format_object, format_spans, format_statement
from training.data.converting.footage import Footage
from training.data.converting.tracks import Annotated, Event, Track
from training.data.rows import KeyFrame, Row, STGRTask

MAX_KEY_FRAMES = 4
"""Frames of a track that are evidence."""

LEAST_S = 0.5
"""How long a thing must be in view to be asked about."""

_SIDES = ("on the left", "in the middle", "on the right")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A row, and the frame of which it needs a picture (None for a row about the video)."""

    row: Row
    picture_of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Asks about one video. `source` names the tool; `video` is the media's name in the rows."""

    annotated: Annotated
    footage: Footage
    source: str
    video: str

    def ask(self) -> Iterator[Asked]:
        """All questions, in the order of the templates."""
        things = self._clear_things()
        for thing in things:
            yield from self._when_seen(thing)
        for label, events in self._events().items():
            yield self._when_happens(label, events)
        for thing in things:
            yield from self._where_goes(thing)
        for first, second in pairwise(sorted(things, key=lambda t: (t.stretches[0].first, t.label))):
            yield from self._which_first(first, second)
        for thing in things:
            yield from self._where_is(thing)

    def _clear_things(self) -> list[Track]:
        labels = Counter(track.label.casefold() for track in self.annotated.tracks)
        return [
            track
            for track in self.annotated.tracks
            if labels[track.label.casefold()] == 1 and self._longest(track) >= LEAST_S
        ]

    def _longest(self, track: Track) -> float:
        spans = [self.footage.span(s.first, s.last) for s in track.stretches]
        return max(span.end_s - span.start_s for span in spans)

    def _when_seen(self, thing: Track) -> Iterator[Asked]:
        whole = Span(0.0, round(self.footage.duration_s, 3))
        spans = [self.footage.span(s.first, s.last) for s in thing.stretches]
        if spans == [whole]:
            return
        lines: list[str] = []
        for stretch in thing.stretches:
            lines += [
                self._line("The", self._claim(thing, stretch.first), "comes into view"),
                self._line("The", self._claim(thing, stretch.last), "is seen for the last time"),
            ]
        yield self._about_video(
            "temporal QA",
            thing.label,
            question=f"When can the {collapse(thing.label)} be seen?",
            answer=self._spans(spans),
            lines=lines,
        )

    def _events(self) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = {}
        for event in sorted(self.annotated.events, key=lambda event: event.first):
            found.setdefault(event.label, []).append(event)
        return found

    def _when_happens(self, label: str, events: Sequence[Event]) -> Asked:
        spans = [self.footage.span(event.first, event.last) for event in events]
        lines = [
            format_statement([label], span=span, segment=self._segment, coordinates="relative-1")
            for span in spans
        ]
        return self._about_video(
            "temporal QA",
            f"event {label}",
            question=f"When does this happen: {collapse(label)}?",
            answer=self._spans(spans),
            lines=lines,
        )

    def _where_goes(self, thing: Track) -> Iterator[Asked]:
        stretch = max(thing.stretches, key=lambda s: s.last - s.first)
        if stretch.last == stretch.first:
            return
        steps = min(MAX_KEY_FRAMES, stretch.last - stretch.first + 1) - 1
        frames = [stretch.first + (stretch.last - stretch.first) * k // steps for k in range(steps + 1)]
        sides = [_side(stretch.box_at(frame)) for frame in frames]
        span = self.footage.span(stretch.first, stretch.last)
        stays = all(side == sides[0] for side in sides)
        way = f"stays {sides[0]}" if stays else f"is {', then '.join(_without_repeats(sides))}"
        lines = [
            self._line("The", self._claim(thing, frame), f"is {side}")
            for frame, side in zip(frames, sides, strict=True)
        ]
        yield self._about_video(
            "temporal-spatial free-form QA",
            thing.label,
            question=f"Where does the {collapse(thing.label)} go while it is in view?",
            answer=f"From {span.start_s:g} to {span.end_s:g} s it {way}.",
            lines=lines,
            evidence=[(thing, frame) for frame in frames],
        )

    def _which_first(self, first: Track, second: Track) -> Iterator[Asked]:
        begins, follows = first.stretches[0].first, second.stretches[0].first
        if follows <= begins:
            return
        names = sorted((collapse(first.label), collapse(second.label)))
        yield self._about_video(
            "temporal-spatial free-form QA",
            f"{first.label} before {second.label}",
            question=f"Which is seen first, the {names[0]} or the {names[1]}?",
            answer=f"The {escape(first.label)}.",
            lines=[
                self._line("The", self._claim(first, begins), "is there first"),
                self._line("The", self._claim(second, follows), "comes later"),
            ],
            evidence=[(first, begins), (second, follows)],
        )

    def _where_is(self, thing: Track) -> Iterator[Asked]:
        """In the frame in the middle of its longest stretch. Its label is nobody else's, so one is there."""
        stretch = max(thing.stretches, key=lambda s: s.last - s.first)
        frame = (stretch.first + stretch.last) // 2
        box = stretch.box_at(frame)
        answer = format_object(thing.label, box, coordinates="pixels", frame_size=self.footage.size)
        claim = Claim(subject=thing.label, boxes=(box,), time_s=0.0)
        line = format_statement(
            ["The", claim, f"is {_side(box)}"],
            segment=Span(0.0, 0.0),
            coordinates="pixels",
            frame_size=self.footage.size,
        )
        yield Asked(
            row=Row(
                id=self._id("visual QA", thing.label),
                task="visual QA",
                source=self.source,
                question=f"Where is the {collapse(thing.label)}?",
                answer=answer,
                reasoning_process=line,
                image_path=f"{self.video}.frame-{frame}.png",
                image_size=self.footage.size,
            ),
            picture_of=frame,
        )

    def _about_video(
        self,
        task: STGRTask,
        about: str,
        *,
        question: str,
        answer: str,
        lines: Sequence[str],
        evidence: Sequence[tuple[Track, int]] = (),
    ) -> Asked:
        frames = sorted({frame for _, frame in evidence})
        return Asked(
            row=Row(
                id=self._id(task, about),
                task=task,
                source=self.source,
                question=question,
                answer=answer,
                reasoning_process="\n".join(lines),
                video_path=self.video,
                key_frames=tuple(KeyFrame(idx=frame, time=self.footage.time_s(frame)) for frame in frames),
                key_items={
                    str(frame): {
                        track.label: (_corners(track, frame),) for track, at in evidence if at == frame
                    }
                    for frame in frames
                },
            )
        )

    def _id(self, task: str, about: str) -> str:
        return f"{self.video}: {task}: {collapse(about)}"[:1000]

    def _claim(self, thing: Track, frame: int) -> Claim:
        stretch = thing.stretch_at(frame)
        assert stretch is not None
        return Claim(subject=thing.label, boxes=(stretch.box_at(frame),), time_s=self.footage.time_s(frame))

    def _line(self, *parts: str | Claim) -> str:
        return format_statement(parts, segment=self._segment, coordinates="relative-1")

    def _spans(self, spans: Sequence[Span]) -> str:
        return format_spans(spans, segment=self._segment)

    @property
    def _segment(self) -> Span:
        return Span(0.0, self.footage.duration_s + 0.001)


def _corners(track: Track, frame: int) -> tuple[float, float, float, float]:
    stretch = track.stretch_at(frame)
    assert stretch is not None
    box = stretch.box_at(frame)
    return (box.x1, box.y1, box.x2, box.y2)


def _side(box: Box) -> str:
    """Where the middle of the box is, by thirds of the width."""
    return _SIDES[min(int((box.x1 + box.x2) / 2 * 3), 2)]


def _without_repeats(sides: Sequence[str]) -> list[str]:
    return [side for k, side in enumerate(sides) if k == 0 or side != sides[k - 1]]
