"""What storage costs: `python -m benchmarks.storage [MOMENTS]` prints one JSON document.

It commits MOMENTS random moments (50 a segment), builds the vector index, and times what a search does
before and during its work. Medians and the slowest, in milliseconds.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from grounding.evidence import Span
from storage import Database, build_generation, commit_segment, library_totals, open_index
from storage.generations import damage
from tests.rows import EMBEDDER, add_job, segment_rows, unit_vectors

A_SEGMENT = 50
SEGMENTS_A_VIDEO = 100


def timed(work: Callable[[int], object], *, times: int) -> dict[str, float]:
    """Run `work(0)`, `work(1)`, ..; gives the median and the slowest."""
    spent = []
    for i in range(times):
        start = time.perf_counter()
        work(i)
        spent.append((time.perf_counter() - start) * 1e3)
    return {"median_ms": round(statistics.median(spent), 2), "slowest_ms": round(max(spent), 2)}


def fill(db: Database, num_segments: int) -> dict[str, float]:
    """Commit the segments; gives what one commit costs."""
    todo: list[tuple[int, Span]] = []
    with db.writing() as session:
        for video in range(-(-num_segments // SEGMENTS_A_VIDEO)):
            job = add_job(session, f"v{video}", num_segments=SEGMENTS_A_VIDEO)
            todo += [(segment.id, segment.window) for segment in job.segments]
    todo = todo[:num_segments]

    def commit(i: int) -> None:
        with db.writing() as session:
            assert commit_segment(session, todo[i][0], rows)

    spent = []
    for i, (_, window) in enumerate(todo):
        rows = segment_rows(1, num_moments=A_SEGMENT, window=window, seed=i)
        spent.append(timed(lambda _, i=i: commit(i), times=1)["median_ms"])  # type: ignore[misc]
    return {"median_ms": round(statistics.median(spent), 2), "slowest_ms": round(max(spent), 2)}


def measure(home: Path, *, num_moments: int) -> dict[str, Any]:
    """All timings on a home with `num_moments` moments."""
    with Database.open(home, create=True) as db:
        found: dict[str, Any] = {"commit_of_50_moments": fill(db, num_moments // A_SEGMENT)}
        queries = unit_vectors(30, seed=1_000_003)
        without = open_index(db, home, embedder=EMBEDDER)
        found["search_without_index"] = timed(lambda i: without.search(queries[i], 100), times=5)
        found["build_index"] = timed(lambda _: build_generation(db, home, embedder=EMBEDDER), times=1)
    found["open_database"] = timed(lambda _: Database.open(home).close(), times=5)
    with Database.open(home) as db:
        found["open_index"] = timed(lambda _: open_index(db, home, embedder=EMBEDDER), times=5)
        index = open_index(db, home, embedder=EMBEDDER)
        index.search(queries[0], 100)
        found["search_100"] = timed(lambda i: index.search(queries[i], 100), times=30)
        allowed = np.arange(1, num_moments, 3, dtype=np.int64)
        found["search_100_of_a_third"] = timed(
            lambda i: index.search(queries[i], 100, allowed=allowed), times=30
        )
        with db.reading() as session:
            found["library_totals"] = timed(lambda _: library_totals(session), times=5)
        found["index_bytes"] = sum(file.stat().st_size for file in (home / "vectors").iterdir())
        found["database_bytes"] = db.path.stat().st_size
        assert all(damage(g) is None for g in _generations(db, home))
    return found


def _generations(db: Database, home: Path) -> list[Any]:
    from storage.generations import generations

    with db.reading() as session:
        return generations(session, home)


def main() -> None:
    num_moments = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as home:
        found = measure(Path(home), num_moments=num_moments)
    about = {
        "command": f"python -m benchmarks.storage {num_moments}",
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "versions": {name: version(name) for name in ("sqlalchemy", "faiss-cpu", "numpy")},
        "sqlite": sqlite3.sqlite_version,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }
    print(json.dumps({**about, "moments": num_moments, **found}, indent=2))


if __name__ == "__main__":
    main()
