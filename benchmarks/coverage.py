"""How fast it is told what was looked at: `python -m benchmarks.coverage` writes `results/coverage.json`.

It makes a home of 100,000 videos with ten segments each, a million rows of coverage, and times what every
search and every `status` ask of it. One video in a hundred has a damaged stretch.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search.coverage import searched
from search.filters import Filters
from search.scope import resolve
from storage import Database
from storage.partition import states
from storage.seen import out_of_step

RESULTS = Path(__file__).parent / "results" / "coverage.json"
VIDEOS = 100_000
SEGMENTS = 10
WINDOW_S = 20.0
TIMES = 5


def fill(path: Path) -> None:
    """The rows that the night would have written, without the answers."""
    numbers = range(1, VIDEOS + 1)
    segments = [(number, position) for number in numbers for position in range(SEGMENTS)]
    length_s = SEGMENTS * WINDOW_S
    with closing(sqlite3.connect(path)) as connection, connection:
        run = connection.executemany
        run("INSERT INTO library VALUES (?, 'default', '')", [(1,)])
        run("INSERT INTO run VALUES (?, 'f', 'spotter', '{}', '')", [(1,)])
        run("INSERT INTO question VALUES (?, 'describe', '')", [(1,)])
        run(
            "INSERT INTO video (id, content_hash, size_bytes, container, codec, width, height, rotation,"
            " time_base_num, time_base_den, start_s, end_s, num_frames, has_audio, created_at)"
            f" VALUES (?, ?, 1, '', '', 1, 1, 0, 1, 90000, 0, {length_s}, 1, 0, '')",
            [(n, str(n)) for n in numbers],
        )
        run("INSERT INTO file VALUES (?, 1, ?, ?, 1, 1, NULL, '', NULL)", [(n, n, f"/{n}") for n in numbers])
        run("INSERT INTO job VALUES (?, ?, 'q', 1, 'done', NULL, '', '')", [(n, n) for n in numbers])
        run("INSERT INTO job_question VALUES (?, 1, 0)", [(n,) for n in numbers])
        run(
            "INSERT INTO segment (job_id, position, start_s, end_s, state) VALUES (?, ?, ?, ?, 'done')",
            [(job, p, p * WINDOW_S, (p + 1) * WINDOW_S) for job, p in segments],
        )
        connection.execute(
            "INSERT INTO coverage (segment_id, start_s, end_s, kind, num_frames) SELECT id, start_s, end_s,"
            " CASE WHEN job_id % 100 = 0 AND position = 5 THEN 'damaged' ELSE 'sampled' END, 40 FROM segment"
        )
        tiles = [(n, a, b, kind) for n in numbers for a, b, kind in _tiles(n, length_s)]
        run("INSERT INTO seen VALUES (?, 1, ?, ?, ?, NULL)", tiles)


def _tiles(number: int, length_s: float) -> list[tuple[float, float, str]]:
    if number % 100:
        return [(0.0, length_s, "sampled")]
    first_s, last_s = 5 * WINDOW_S, 6 * WINDOW_S
    return [(0.0, first_s, "sampled"), (first_s, last_s, "damaged"), (last_s, length_s, "sampled")]


def timed(work: Callable[[], object]) -> dict[str, float]:
    spent = []
    for _ in range(TIMES):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return {"median_s": round(statistics.median(spent), 3), "slowest_s": round(max(spent), 3)}


def measure(home: Path) -> dict[str, Any]:
    Database.open(home, create=True).close()
    fill(home / "proofreel.db")
    with Database.open(home) as db, db.reading() as session:
        free, within = (resolve(session, Filters(library=name)) for name in (None, "default"))
        assert out_of_step(session) == []
        return {
            "searched": timed(lambda: searched(session, free)),
            "searched_one_library": timed(lambda: searched(session, within)),
            "every_second_in_one_state": timed(lambda: states(session)),
        }


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        found = measure(Path(home))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    about = {
        "command": "python -m benchmarks.coverage",
        "commit": commit,
        "versions": {name: version(name) for name in ("sqlalchemy", "numpy")},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "videos": VIDEOS,
        "rows_of_coverage": VIDEOS * SEGMENTS,
    }
    RESULTS.write_text(json.dumps({**about, **found}, indent=2) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
