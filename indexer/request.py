"""What `index` is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.contract import Question
from indexer.executors import Executor
from storage import Retention, StandingRow

PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be indexed, and how. `executor` is made when the first file is to be opened; its workers'
    hands are `indexer.looking.Looker`s.

    `chosen` is what was chosen of the engine; it is kept with every answer. `database` is the URL of the
    home's database where it is not the one that the home knows. `named`: the user gave these
    very paths, so that one that is no video is a failure; `roots` are folders in which missing files are
    gone, also when they are not among the paths. `standing` questions are kept as such with the library
    and, with `retire_others`, are all that it has; only `questions` are asked. Files past `retention` are
    left out. `beside`: search goes on showing what other runs say of their videos until `proofreel switch`. A
    worker of which nothing comes for `patience_s` and ten times what it took before is ended.
    """

    paths: Sequence[Path]
    home: Path
    library: str
    questions: Sequence[Question]
    executor: Callable[[], Executor]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    database: str | None = None
    retry_quarantined: bool = False
    patience_s: float = PATIENCE_S
    named: bool = True
    roots: Sequence[Path] = ()
    standing: Sequence[StandingRow] = ()
    retire_others: bool = False
    retention: Retention | None = None
    beside: bool = False
