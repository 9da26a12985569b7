"""A library as the settings name it: where its files lie, what is asked of them, how, and for how long.

The settings file is read elsewhere; here are its values, and what follows from them.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.rows import Severity, StandingRow

KEY = "proofreel.libraries"
"""Under this the front door hands the libraries of the settings to the commands (`typer.Context.meta`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibrarySettings:
    """One `[libraries.NAME]`. What is None is left to the command's own flags.

    `paths` are absolute folders, files or globs; `packs` names or absolute paths of packs; `severity` maps
    a question (its words, or its name in a pack) to how grave a hit is; `rate_hz` frames a second are
    looked at. Libraries of a higher `priority` come first. `retention_days`: what was made of older files
    is deleted.
    """

    name: str
    paths: tuple[str, ...]
    questions: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=dict)
    engine: str | None = None
    model: str | None = None
    prompts: Path | None = None
    rate_hz: float | None = None
    priority: int = 0
    retention_days: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look now: `paths` that are there (or should be), and the `roots` of globs, below which what is
    not found any more is gone.
    """

    paths: tuple[Path, ...]
    roots: tuple[Path, ...]


def by_priority(libraries: Sequence[LibrarySettings]) -> list[LibrarySettings]:
    """The most urgent first; of the same priority in the order of the file."""
    return sorted(libraries, key=lambda library: -library.priority)


def chosen(libraries: Sequence[LibrarySettings], names: Sequence[str]) -> list[LibrarySettings]:
    """Those of these names (all, without names), by priority. Raises ValueError, naming those there are."""
    known = {library.name: library for library in libraries}
    if not known:
        raise ValueError(
            "name a PATH, or put libraries into proofreel.toml: [libraries.NAME] with paths = [...]"
        )
    for name in names:
        if name not in known:
            raise ValueError(f"the settings name no library {name!r}; there are: {', '.join(known)}")
    return by_priority([known[name] for name in (dict.fromkeys(names) or known)])


def places(library: LibrarySettings) -> Places:
    """What the library's paths and globs stand for now. A glob that matches nothing stands for itself, and is
    told like a folder that is missing.
    """
    paths: list[str] = []
    roots: list[Path] = []
    for text in library.paths:
        if not glob.has_magic(text) or os.path.lexists(text):
            paths.append(text)
            continue
        paths += sorted(glob.glob(text, recursive=True)) or [text]
        roots.append(_fixed_part(Path(text)))
    return Places(paths=tuple(map(Path, dict.fromkeys(paths))), roots=tuple(roots))


def _fixed_part(pattern: Path) -> Path:
    """The folder above the first wildcard."""
    return next(parent for parent in pattern.parents if not glob.has_magic(str(parent)))


def standing(questions: Sequence[str], packs: Sequence[str]) -> list[StandingRow]:
    """The standing questions of these words and packs, each once: a pack's own rules win over bare words.

    Raises ValueError for a question that can't be asked and for a pack that can't be used.
    """
    from indexer.questions import as_question
    from storage.rows import StandingRow

    rows = []
    if packs:
        from indexer.packs.reading import read_pack

        rows += [row for pack in packs for row in read_pack(pack).standing()]
    rows += [StandingRow(task=q.task, text=q.text) for q in map(as_question, questions)]
    first: dict[tuple[str, str], StandingRow] = {}
    for row in rows:
        first.setdefault((row.task, row.text), row)
    return list(first.values())


def standing_of(library: LibrarySettings) -> list[StandingRow]:
    """What the library asks of all its videos, with its own severities.

    Raises ValueError as `standing`, and for a severity of a question that the library doesn't ask.
    """
    try:
        rows = standing(library.questions, library.packs)
    except ValueError as error:
        raise ValueError(f"[libraries.{library.name}]: {error}") from None
    by_key = {key: i for i, row in enumerate(rows) for key in (row.text, row.name) if key}
    for key, severity in library.severity.items():
        words = " ".join(key.split())
        if words not in by_key:
            raise ValueError(
                f"[libraries.{library.name}.severity] names {key!r}, which the library doesn't ask; it asks: "
                f"{', '.join(repr(row.name or row.text) for row in rows) or 'nothing'}"
            )
        at = by_key[words]
        rows[at] = replace(rows[at], severity=severity)
    return rows
