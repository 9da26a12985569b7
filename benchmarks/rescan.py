"""What a night costs in which nothing came: `python -m benchmarks.rescan [FILES] [RUNS]` prints one document.

Makes FILES tiny clips, a thousand a folder, and a home as `index` leaves it after it has looked at them all
(one segment and one moment each); then runs the real command on them, RUNS times each, and gives seconds of
wall clock: `index FOLDER`, `status`, and `index` of the same as a library of the settings with a retention.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from engines import load_engine
from grounding.evidence import Span
from storage import (
    Database,
    FileFacts,
    VideoFacts,
    build_generation,
    commit_segment,
    ensure_library,
    ensure_run,
    ensure_video,
    next_job,
    plan_jobs,
    record_file,
)
from tests.lamps import lamp_clip
from tests.rows import DESCRIBE, EMBEDDER, segment_rows

A_FOLDER = 1000
SETTINGS = """
home = "home"
[libraries.docks]
paths = ["files"]
retention_days = 365
"""


def make_files(root: Path, *, count: int) -> list[Path]:
    """Clips of three frames, no two alike."""
    clip = lamp_clip(root / "tiny.mp4", seconds=0.3).read_bytes()
    paths = [root / f"files/{i // A_FOLDER:04}/{i:07}.mp4" for i in range(count)]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip + i.to_bytes(8, "big"))
    return paths


def fill(db: Database, paths: list[Path]) -> None:
    """The home as the indexer leaves it, in transactions of a folder each."""
    fingerprint = load_engine("spotter").fingerprint
    for at in range(0, len(paths), A_FOLDER):
        with db.writing() as session:
            library = ensure_library(session, "docks")
            run = ensure_run(session, fingerprint=fingerprint, engine="spotter", config={})
            some = paths[at : at + A_FOLDER]
            videos = [_add_file(session, path, at + i, library=library) for i, path in enumerate(some)]
            plan_jobs(session, videos, run_id=run, questions=[DESCRIBE])
            for i, video in enumerate(videos):
                _do_job(session, video, at + i, run=run)


def _add_file(session: Session, path: Path, number: int, *, library: int) -> int:
    status = path.stat()
    video = ensure_video(session, _facts(number, size_bytes=status.st_size))
    facts = FileFacts(path=path, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, video_id=video)
    record_file(session, facts, library_id=library)
    return video


def _do_job(session: Session, video: int, number: int, *, run: int) -> None:
    job = next_job(session, video_id=video, run_id=run, windows=[Span(0.0, 0.3)])
    assert job is not None
    rows = segment_rows(job.questions[0].id, num_moments=1, window=Span(0.0, 0.3), seed=number)
    assert commit_segment(session, job.segments[0].id, rows)


def _facts(number: int, *, size_bytes: int) -> VideoFacts:
    return VideoFacts(
        content_hash=f"{number:064x}",
        size_bytes=size_bytes,
        container="mov,mp4",
        codec="h264",
        width=64,
        height=48,
        rotation=0,
        time_base=Fraction(1, 10),
        start_s=0.0,
        end_s=0.3,
        num_frames=3,
        has_audio=False,
        recorded_at=None,
    )


def timed(*arguments: str, cwd: Path, runs: int) -> dict[str, float]:
    """Wall seconds of the command, a process of its own each time: the median and the slowest."""
    spent = []
    for _ in range(runs):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "proofreel", *arguments, "--json"],
            cwd=cwd, env={**os.environ, "PYTHONPATH": os.getcwd()}, capture_output=True, check=True,
        )  # fmt: skip
        spent.append(time.perf_counter() - start)
        assert json.loads(done.stdout)
    return {"median_s": round(statistics.median(spent), 2), "slowest_s": round(max(spent), 2)}


def measure(folder: Path, *, count: int, runs: int) -> dict[str, Any]:
    paths = make_files(folder, count=count)
    with Database.open(folder / "home", create=True) as db:
        fill(db, paths)
        build_generation(db, db.home, embedder=EMBEDDER)
    found: dict[str, Any] = {
        "index_folder": timed(
            "index", "files", "--library", "docks", "--home", "home", cwd=folder, runs=runs
        ),
        "status": timed("status", "--home", "home", cwd=folder, runs=runs),
    }
    (folder / "proofreel.toml").write_text(SETTINGS)
    found["index_library_with_retention"] = timed("index", cwd=folder, runs=runs)
    found["database_bytes"] = (folder / "home/proofreel.db").stat().st_size
    return found


def main() -> None:
    count, runs = (*map(int, sys.argv[1:]), *(100_000, 3)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), count=count, runs=runs)
    about = {
        "command": f"python -m benchmarks.rescan {count} {runs}",
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "versions": {name: version(name) for name in ("sqlalchemy", "numpy")},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }
    print(json.dumps({**about, "files": count, **found}, indent=2))


if __name__ == "__main__":
    main()
