"""Data looked through row by row before anything is trained on them.

A row with a finding is not used, but for notes on its reasoning; the next one is looked at all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grounding.errors import MediaError, printable
from grounding.evidence import Span
from training.data.layout import Split, media_path, rows_file
from training.data.report import NOTES, Finding, Kind, Report, SourceCount
from training.data.rows import BrokenRow, Row, read_rows
from training.data.texts import reasoning
from training.data.truths import check_times, sides_alike, truth_of
from training.truth import Truth

Told = Callable[[int], None]
"""Told how many rows were looked at."""

_QUIET_PROBLEMS = ("no_answer", "stray_tag", "no_box", "no_time")
"""What a reasoning may have without losing anything: bare times, names without a box."""


def check(root: Path, *, split: Split, media: bool = False, told: Told | None = None) -> Report:
    """Look through one split under `root`. `media`: open each video and picture too, which takes long.

    Raises ValueError where there are no such data, or the document breaks off.
    """
    report = new_report(root, split, media=media)
    for _ in checked_rows(root, report, told=told):
        pass
    return report


def checked_rows(root: Path, report: Report, *, told: Told | None = None) -> Iterator[tuple[int, Row]]:
    """The rows that can be used, with their index, while `report` fills up."""
    checker = _Checker(root=root, split=report.split, opens=report.media_checked)
    for index, row in enumerate(read_rows(report.path)):
        report.rows += 1
        if isinstance(row, BrokenRow):
            report.add(Finding(index=index, id=row.id, kind="row", what=row.what))
            continue
        count = report.by_source.setdefault(row.source, SourceCount())
        count.rows += 1
        findings = [Finding(index=index, id=row.id, kind=k, what=w) for k, w in checker.look(row)]
        for finding in findings:
            report.add(finding)
        wrong = {finding.kind for finding in findings} - NOTES
        if not wrong:
            report.usable += 1
            count.usable += 1
            report.by_task[row.task] += 1
            yield index, row
        elif "missing" in wrong:
            count.missing += 1
        if told is not None:
            told(report.rows)


def new_report(root: Path, split: Split, *, media: bool = False) -> Report:
    """A report with nothing in it yet. Raises ValueError where there are no such data."""
    return Report(split=split, path=rows_file(root, split), media_checked=media)


@dataclass(slots=True, kw_only=True)
class _Checker:
    """What was seen of the rows so far: ids, and what became of each file."""

    root: Path
    split: Split
    opens: bool
    ids: set[str] = field(default_factory=set)
    files: dict[Path, tuple[Kind, str] | _Opened | None] = field(default_factory=dict)

    def look(self, row: Row) -> Iterator[tuple[Kind, str]]:
        """What is wrong with the row, in the order of its fields."""
        if row.id in self.ids:
            yield "duplicate", f"the id {row.id[:100]!r} stands on an earlier row"
        self.ids.add(row.id)
        texts = list(self._texts(row))
        yield from texts
        readable = not any(kind in ("answer", "evidence") for kind, _ in texts)
        yield from self._media(row, readable=readable)

    def _texts(self, row: Row) -> Iterator[tuple[Kind, str]]:
        try:
            truth = truth_of(row)
        except ValueError as error:
            text = str(error)
            yield ("evidence" if text.startswith(("key_items", "key frame")) else "answer"), text
            return
        if self.split == "sft" and not row.reasoning_process and not _needs_no_more(row, truth):
            yield "row", "reasoning_process: it is missing or empty, and SFT needs one"
        if row.reasoning_process:
            for problem in reasoning(row).problems:
                if problem.kind not in _QUIET_PROBLEMS:
                    yield (
                        "reasoning",
                        f"{problem.kind} at character {problem.offset}: {problem.excerpt[:60]!r}",
                    )

    def _media(self, row: Row, *, readable: bool) -> Iterator[tuple[Kind, str]]:
        """What is wrong with its file, or, where the row's own times can be read, doesn't go with it."""
        field_name = "image_path" if row.is_picture else "video_path"
        if row.media is None:
            yield "row", f"{field_name}: it is missing, and a {row.task} row needs one"
            return
        try:
            path = media_path(self.root, source=row.source, name=row.media)
        except ValueError as error:
            yield "row", f"{field_name}: {error}"
            return
        if path not in self.files:
            self.files[path] = self._file(path, is_picture=row.is_picture)
        found = self.files[path]
        if isinstance(found, tuple):
            yield found
        elif found is not None and readable:
            yield from _unfit(row, found)

    def _file(self, path: Path, *, is_picture: bool) -> tuple[Kind, str] | _Opened | None:
        """What is wrong with a file, or what is in it; None where it was not opened."""
        if not path.is_file():
            return "missing", f"{printable(path)} is not there"
        if not self.opens:
            return None
        try:
            return _open_picture(path) if is_picture else _open_video(path)
        except MediaError as error:
            return "media", str(error)


def _needs_no_more(row: Row, truth: Truth) -> bool:
    """Whether a reasoning may be empty, though not missing: a box proves itself, and what the clip doesn't
    tell can't be pointed at.
    """
    return row.reasoning_process is not None and (truth.abstains or truth.box is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """What a file holds: displayed size in px, and seconds (0 for a picture)."""

    size: tuple[int, int]
    duration_s: float


def _open_picture(path: Path) -> _Opened:
    from video.pictures import read_picture

    height, width = read_picture(path).shape[:2]
    return _Opened(size=(width, height), duration_s=0.0)


def _open_video(path: Path) -> _Opened:
    from video.probe import probe

    info = probe(path)
    return _Opened(size=(info.width, info.height), duration_s=info.duration_s)


def _unfit(row: Row, opened: _Opened) -> Iterator[tuple[Kind, str]]:
    """What of the row does not go with its file."""
    duration_s = opened.duration_s
    if row.is_picture:
        if row.image_size is not None and not sides_alike(row.image_size, opened.size):
            yield "media", f"image_size is {row.image_size}, and the picture's sides are {opened.size}"
        return
    try:
        check_times(row, duration_s)
    except ValueError as error:
        yield "time", str(error)
        return
    late = [p for p in reasoning(row, segment=Span(0.0, duration_s)).problems if p.kind == "outside_segment"]
    for problem in late:
        yield "reasoning", f"{problem.excerpt[:40]!r} is after the video's end at {duration_s:.3f} s"
