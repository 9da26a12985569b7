"""A folder that is either whole or not there: made beside its final name, and renamed at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.errors import ExportError, printable


@contextmanager
def whole_folder(out: Path, *, mark: str, what: str) -> Iterator[Path]:
    """A new folder that becomes `out` when all went well, in place of an older one known by its `mark`.

    Raises ExportError when `out` is something else that is there already, or can't be written.
    """
    _check_free(out, mark, what)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as made:
            folder = Path(made) / "whole"
            folder.mkdir()
            yield folder
            if out.exists():
                shutil.rmtree(out)
            folder.rename(out)
    except OSError as error:
        raise ExportError(f"{printable(out)} can't be written: {error.strerror or error}") from error


def _check_free(out: Path, mark: str, what: str) -> None:
    """That nothing but an older one of its kind would be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / mark).is_file():
        raise ExportError(f"{printable(out)} is there already and is no {what}; choose another name")
