"""What an engine said about one window, turned into its segment's rows. Pure: nothing is read or written.

Every time ends on a frame that was there. A claim is kept at the time and pts of the sampled frame that it
speaks of; one that speaks of no sampled frame is a problem, not evidence. No moment reaches into damage: it
is cut there, and what says nothing but of damaged time is a problem. A model's text is not trusted: it is cut
to length here, and counted as a problem when it was cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.contract import Reply, ScreenText, Track
from grounding.evidence import Answer, Claim, Problem, Span
from grounding.geometry import remaining
from indexer.coverage import tile
from indexer.frame_times import FrameTimes, Instant
from storage.rows import (
    AnswerRow,
    ClaimRow,
    MomentRow,
    ScreenTextRows,
    SegmentRows,
    TrackPointRow,
    TrackRows,
)
from video.frames import Clip

MAX_RAW_CHARS = 100_000
MAX_TEXT_CHARS = 2_000
MAX_NAME_CHARS = 200
MAX_PROBLEMS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question as it was put to the window: its id and text in the database, the reply, and as read."""

    question_id: int
    question: str
    reply: Reply
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A moment before its times are set on frames: its claims are indices into `AnswerRow.claims`."""

    moment: MomentRow
    claims: tuple[int, ...]


def segment_rows(clip: Clip, asked: Sequence[Asked], *, interval_s: float) -> SegmentRows:
    """All rows of the segment that `clip` shows, its moments still without vectors.

    `interval_s` is the time between two sampled frames that the engine asked for.
    """
    times = FrameTimes(clip, interval_s=interval_s)
    return SegmentRows(
        answers=tuple(_answer(item, times=times) for item in asked),
        coverage=tile(clip),
        tracks=tuple(_track(track) for item in asked for track in item.reply.tracks),
        screen_texts=tuple(_screen_text(text) for item in asked for text in item.reply.screen_texts),
    )


def _answer(asked: Asked, *, times: FrameTimes) -> AnswerRow:
    reply, answer = asked.reply, asked.answer
    claims, kept, problems = _claims(answer, _confidences(reply, answer), times=times)
    if asked.question:
        drafts, lost = _answer_drafts(asked, claims, kept, times=times)
    else:
        drafts, lost = _statement_drafts(answer, claims, kept, times=times)
    moments = [draft.moment for draft in drafts]
    claims = _assigned(claims, drafts)
    for text in reply.screen_texts:
        span = _around(text, times=times)
        if span is None:
            lost.append(_unseen(text.text, text.span, times=times))
            continue
        claims.append(_screen_claim(text, moment=len(moments)))
        moments.append(_screen_moment(text, span, times=times))
    return AnswerRow(
        question_id=asked.question_id,
        raw=reply.text[:MAX_RAW_CHARS],
        text=_cut(answer.text, MAX_TEXT_CHARS),
        abstained=answer.abstained,
        reason=None if answer.reason is None else _cut(answer.reason, MAX_TEXT_CHARS),
        mean_logprob=_finite(reply.mean_logprob),
        problems=(*_cut_off(reply, answer), *answer.problems, *problems, *lost)[:MAX_PROBLEMS],
        moments=tuple(moments),
        claims=tuple(claims),
    )


def _claims(
    answer: Answer, confidences: Sequence[float | None], *, times: FrameTimes
) -> tuple[list[ClaimRow], dict[int, int], list[Problem]]:
    """The claims that speak of a sampled frame, where each of the answer's went, problems for the rest."""
    rows: list[ClaimRow] = []
    kept: dict[int, int] = {}
    problems: list[Problem] = []
    for index, (claim, confidence) in enumerate(zip(answer.claims, confidences, strict=True)):
        seen = times.sampled(claim.time_s)
        if seen is None:
            problems.append(_unsampled(claim))
        else:
            kept[index] = len(rows)
            rows.append(_claim(claim, seen, confidence))
    return rows, kept, problems


def _claim(claim: Claim, seen: Instant, confidence: float | None) -> ClaimRow:
    return ClaimRow(
        subject=_cut(claim.subject, MAX_NAME_CHARS),
        time_s=seen.time_s,
        pts=seen.pts,
        boxes=claim.boxes,
        confidence=confidence,
    )


def _unsampled(claim: Claim) -> Problem:
    excerpt = f"{claim.subject} at {claim.time_s:.3f} s: no frame was sampled there"
    return Problem(kind="bad_time", offset=0, excerpt=excerpt[:80])


def _confidences(reply: Reply, answer: Answer) -> list[float | None]:
    """One a claim; all unknown where their number does not fit: which belongs to which is then a guess."""
    given = reply.confidences
    if given is None or len(given) != len(answer.claims):
        return [None] * len(answer.claims)
    return [min(max(c, 0.0), 1.0) if math.isfinite(c) else None for c in given]


def _statement_drafts(
    answer: Answer, claims: Sequence[ClaimRow], kept: dict[int, int], *, times: FrameTimes
) -> tuple[list[_Draft], list[Problem]]:
    """A moment a statement, or one a sound part of it; and a problem for each that has no sound part."""
    drafts: list[_Draft] = []
    lost: list[Problem] = []
    for statement in answer.statements:
        span = statement.span
        said = [index for index in statement.claims if index in kept]
        own = tuple(kept[i] for i in said if span is None or _holds(span, answer.claims[i].time_s))
        extent = _extent(span, [claims[index] for index in own], times=times)
        if extent is not None and statement.text.strip():
            parts = _sound_parts(extent, own, claims, times=times)
            if not parts:
                lost.append(_unseen(statement.text, extent, times=times))
            for part, proof in parts:
                drafts.append(_Draft(moment=_moment(part, statement.text, times=times), claims=proof))
    return drafts, lost


def _answer_drafts(
    asked: Asked, claims: Sequence[ClaimRow], kept: dict[int, int], *, times: FrameTimes
) -> tuple[list[_Draft], list[Problem]]:
    """A moment a span, or one over all claims. Its text repeats the question: "Yes" alone finds nothing."""
    if asked.answer.abstained:
        return [], []
    if asked.answer.spans:
        # By the time that was said: the frame on display then may have begun before the span.
        said_s = {place: asked.answer.claims[index].time_s for index, place in kept.items()}
        groups: list[tuple[Span | None, tuple[int, ...]]] = [
            (span, tuple(place for place, t in said_s.items() if _holds(span, t)))
            for span in asked.answer.spans
        ]
    else:
        groups = [(None, tuple(range(len(claims))))]
    text = f"{asked.question} {asked.answer.text}"
    drafts: list[_Draft] = []
    lost: list[Problem] = []
    for span, own in groups:
        extent = _extent(span, [claims[index] for index in own], times=times)
        if extent is None:
            continue
        parts = _sound_parts(extent, own, claims, times=times)
        if not parts:
            lost.append(_unseen(asked.answer.text, extent, times=times))
        for part, proof in parts:
            moment = replace(_moment(part, text, times=times), source="answer")
            drafts.append(_Draft(moment=moment, claims=proof))
    return drafts, lost


def _sound_parts(
    span: Span, own: tuple[int, ...], claims: Sequence[ClaimRow], *, times: FrameTimes
) -> list[tuple[Span, tuple[int, ...]]]:
    """The span without damaged time, as the parts that hold its claims; as all parts where none does.

    There is none of a span without length: no sampled frame was on display in it.
    """
    parts = tuple(part for part in remaining(span, times.damaged) if part.start_s < part.end_s)
    if parts == (span,):
        return [(span, own)]
    seen_s = {index: max(claims[index].time_s, times.window.start_s) for index in own}
    holding = [
        (part, tuple(index for index, t in seen_s.items() if part.start_s <= t <= part.end_s))
        for part in parts
    ]
    proven = [(part, proof) for part, proof in holding if proof]
    return proven or [(part, own) for part in parts]


def _around(text: ScreenText, *, times: FrameTimes) -> Span | None:
    """The sound part of a text's span that holds the frame on which it was read."""
    span = times.covering(text.span, shown_pts=[text.pts])
    parts = remaining(span, times.damaged)
    if parts == (span,):
        return span
    read_s = max(text.time_s, times.window.start_s)
    return next((part for part in parts if part.start_s <= read_s <= part.end_s), None)


def _unseen(text: str, span: Span, *, times: FrameTimes) -> Problem:
    """What is said of time in which nothing sound was looked at."""
    instant = span.start_s == span.end_s and remaining(span, times.damaged)
    when = f"{span.start_s:.3f} to {span.end_s:.3f} s"
    why = f"no frame was sampled from {when}" if instant else f"{when} is damaged"
    excerpt = f"{why}: {text.strip()}"
    return Problem(kind="bad_time", offset=0, excerpt=excerpt[:80])


def _moment(span: Span, text: str, *, times: FrameTimes) -> MomentRow:
    start, end = times.snapped(span.start_s), times.snapped(span.end_s)
    return MomentRow(
        span=Span(start.time_s, end.time_s),
        start_pts=start.pts,
        end_pts=end.pts,
        text=_cut(text.strip(), MAX_TEXT_CHARS),
        source="statement",
        vector=None,
    )


def _assigned(claims: Sequence[ClaimRow], drafts: Sequence[_Draft]) -> list[ClaimRow]:
    """The claims with their moment's index; a claim that two moments name belongs to the first."""
    owner = {index: number for number, draft in reversed([*enumerate(drafts)]) for index in draft.claims}
    return [replace(claim, moment=owner.get(index)) for index, claim in enumerate(claims)]


def _holds(span: Span, time_s: float) -> bool:
    return span.start_s <= time_s <= span.end_s


def _extent(span: Span | None, claims: Sequence[ClaimRow], *, times: FrameTimes) -> Span | None:
    """The span that was given, or one from the first claim's frame on, while those frames are on display."""
    if span is None and not claims:
        return None
    first_s = min((max(c.time_s, times.window.start_s) for c in claims), default=0.0)
    return times.covering(span or Span(first_s, first_s), shown_pts=[c.pts for c in claims])


def _screen_moment(text: ScreenText, span: Span, *, times: FrameTimes) -> MomentRow:
    return replace(_moment(span, text.text, times=times), source="screen_text")


def _screen_claim(text: ScreenText, *, moment: int) -> ClaimRow:
    """The proof of a screen text, like all other proof: where it stood on the frame it was read on."""
    return ClaimRow(
        subject=_cut(text.text, MAX_NAME_CHARS),
        time_s=text.time_s,
        pts=text.pts,
        boxes=(text.box,),
        confidence=text.confidence,
        moment=moment,
    )


def _track(track: Track) -> TrackRows:
    points = tuple(
        TrackPointRow(time_s=p.time_s, pts=p.pts, box=p.box, confidence=p.confidence) for p in track.points
    )
    return TrackRows(label=_cut(track.label, MAX_NAME_CHARS), span=track.span, points=points)


def _screen_text(text: ScreenText) -> ScreenTextRows:
    return ScreenTextRows(
        text=_cut(text.text, MAX_TEXT_CHARS),
        span=text.span,
        time_s=text.time_s,
        pts=text.pts,
        box=text.box,
        confidence=text.confidence,
    )


def _cut_off(reply: Reply, answer: Answer) -> list[Problem]:
    """What is said when a text was longer than is kept, unless the parser has said it already."""
    if len(reply.text) <= MAX_RAW_CHARS or any(p.kind == "too_long" for p in answer.problems):
        return []
    excerpt = f"{len(reply.text)} characters, {MAX_RAW_CHARS} kept"
    return [Problem(kind="too_long", offset=MAX_RAW_CHARS, excerpt=excerpt)]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
