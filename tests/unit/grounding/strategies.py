"""What the property tests draw: evidence on the lattice that text can express, and hostile texts."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from grounding.coordinates import Coordinates
from grounding.escaping import collapse
from grounding.evidence import Box, Claim, Span

MARKUP = [
    *("<think>", "</think>", "<answer>", "</answer>", "<obj>", "</obj>", "<box>", "</box>", "<t>", "</t>"),
    *("</t>s", "at", "at<t>", "From ", " to ", " and ", "s to ", "[", "]", ",", "[1,2,3,4]", "[9,9,1,1]"),
    *(
        "<obj>dog</obj>",
        "<box>[1,2,3,4]</box>",
        "<box>[1,2,1e999,4]</box>",
        "<box>[[1,2,3,4],[5,6,7,8]]</box>",
    ),
    *("<t>1.5</t>s", "at<t>2</t>s", "at<t>999</t>s", "at<t>nan</t>s", "From <t>1</t>s to <t>2</t>s"),
    *("<bo", "</", "&lt;", "&amp;", "&quot;", "&#32;", "&#46;", "&", '"', "\n", "\r\n", " ", "dog", "\u0663"),
    *(". ", "! ", "(", ")", ":", "-", "Cannot tell", "Cannot tell: ", "Correct Option: B", "A", "J."),
    *("\ud800", "\u2028", "\x00", "\x85"),
]
soup = st.lists(st.sampled_from(MARKUP), max_size=60).map("".join)
any_text = st.one_of(st.text(alphabet=st.characters(), max_size=200), soup)
hostile_line = st.one_of(any_text, st.lists(st.sampled_from(MARKUP), max_size=5).map("".join)).map(collapse)
hostile_name = hostile_line.filter(bool)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A segment and a convention: what writer and reader share."""

    segment: Span
    coordinates: Coordinates
    frame_size: tuple[int, int] | None


settings = st.builds(
    lambda start_ms, length_ms, size: Setting(
        segment=Span(start_ms / 1000, (start_ms + length_ms) / 1000),
        coordinates="pixels" if size else "relative-1000",
        frame_size=size,
    ),
    st.integers(0, 10**8),
    st.integers(0, 10**6),
    st.none() | st.tuples(st.integers(1, 8192), st.integers(1, 8192)),
)


def times(setting: Setting) -> st.SearchStrategy[float]:
    """A file time a whole number of milliseconds into the segment."""
    start_ms, end_ms = round(setting.segment.start_s * 1000), round(setting.segment.end_s * 1000)
    return st.integers(start_ms, end_ms).map(lambda ms: ms / 1000)


def spans(setting: Setting) -> st.SearchStrategy[Span]:
    return st.tuples(times(setting), times(setting)).map(lambda pair: Span(min(pair), max(pair)))


def boxes(setting: Setting) -> st.SearchStrategy[Box]:
    """A box whose corners are whole numbers of the convention."""
    width, height = setting.frame_size or (1000, 1000)
    sides = st.tuples(st.integers(0, width), st.integers(0, width))
    heights = st.tuples(st.integers(0, height), st.integers(0, height))
    return st.builds(
        lambda xs, ys: Box(min(xs) / width, min(ys) / height, max(xs) / width, max(ys) / height),
        sides,
        heights,
    )


def claims(setting: Setting) -> st.SearchStrategy[Claim]:
    return st.builds(
        lambda subject, its_boxes, time_s: Claim(subject=subject, boxes=tuple(its_boxes), time_s=time_s),
        hostile_name,
        st.lists(boxes(setting), min_size=1, max_size=4),
        times(setting),
    )
