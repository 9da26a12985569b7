"""Data that were looked through, ready to be trained on: the rows that can be used, in little memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from grounding.errors import printable
from training.data.checking import Told, checked_rows, new_report
from training.data.layout import Split, media_path
from training.data.report import NOTES, Report
from training.data.rows import Row

MAX_BROKEN = 0.1
"""The share of rows that may be broken: with more, something is wrong with the data as a whole."""


@dataclass(frozen=True, kw_only=True)
class Data(Sequence[Row]):
    """The usable rows of one split, in the file's order.

    They are kept as text in one piece, which processes that are forked off share. `indices` [N] are the rows'
    places in the file; `fingerprint` is a hash of the rows, hex.
    """

    root: Path
    report: Report
    fingerprint: str
    indices: npt.NDArray[np.int64] = field(repr=False)
    _text: bytes = field(repr=False)
    _ends: npt.NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        start = self._ends[place - 1] if place else 0
        return Row.model_validate_json(self._text[start : self._ends[place]])

    def media(self, row: Row) -> Path:
        """The picture or video of one of its rows."""
        assert row.media is not None
        return media_path(self.root, source=row.source, name=row.media)


def open_data(
    root: Path,
    *,
    split: Split,
    skip_missing: bool = False,
    max_broken: float = MAX_BROKEN,
    told: Told | None = None,
) -> Data:
    """Look a split through, and keep what can be used.

    Rows that are broken are left out, up to a share of `max_broken`; rows whose media aren't there only when
    `skip_missing`. Raises ValueError, with counts, where that is not enough, or nothing is left.
    """
    report = new_report(root, split)
    text, ends, indices = bytearray(), [], []
    for index, row in checked_rows(root, report, told=told):
        text += row.model_dump_json(exclude_defaults=True).encode()
        ends.append(len(text))
        indices.append(index)
    _check_enough(report, skip_missing=skip_missing, max_broken=max_broken)
    return Data(
        root=root,
        report=report,
        fingerprint=hashlib.sha256(text).hexdigest(),
        indices=np.array(indices, dtype=np.int64),
        _text=bytes(text),
        _ends=np.array(ends, dtype=np.int64),
    )


def _check_enough(report: Report, *, skip_missing: bool, max_broken: float) -> None:
    where = printable(report.path)
    if report.missing and not skip_missing:
        by_source = ", ".join(
            f"{name} {count.missing:,} of {count.rows:,}"
            for name, count in sorted(report.by_source.items())
            if count.missing
        )
        raise ValueError(
            f"{where}: the media of {report.missing:,} of {report.rows:,} rows are not there ({by_source}): "
            "fetch them, or train without these rows by --skip-missing"
        )
    if report.broken > max_broken * report.rows:
        first = next(f for f in report.findings if f.kind not in NOTES | {"missing"})
        raise ValueError(
            f"{where}: {report.broken:,} of {report.rows:,} rows can't be used, over the share of "
            f"{max_broken:g}; the first is row {first.index} ({first.id}): {first.what}. "
            "`proofreel train data check` lists them"
        )
    if not report.usable:
        raise ValueError(f"{where}: no row of {report.rows:,} can be used")
