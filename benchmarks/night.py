"""What a night costs besides looking: `python -m benchmarks.night [PART...]`, each part or all.

`overhead`: scheduling and committing, by workers whose hands give ready-made rows at once, so that nothing is
decoded and nothing seen. `unchanged`: the second run over 100,000 files. `workers`: two workers on two cores
against one worker on one, with the default engine, in turns, so that a busy machine slows both alike.
`machines`: three machines of one core of a Ray cluster against three local workers, in turns too.
Prints one JSON document, and writes it to `benchmarks/results/night.json` with `--write`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from sqlalchemy import insert

from benchmarks.index import _commit, synthetic
from engines.contract import ClipSpec
from grounding.evidence import Box, Span
from indexer.executors import Executor
from indexer.executors.local import LocalExecutor
from indexer.executors.sandbox import without_network
from indexer.identify import Recognised
from indexer.identity import Stamp
from indexer.indexing import index_paths
from indexer.looking import Looker
from indexer.orders import EngineFacts, Examine, Examined, Introduce, Looked, Order, Recognise, Told
from indexer.progress import Silent
from indexer.questions import question_set
from indexer.request import Request
from storage import Database, ensure_library, ensure_run, plan_jobs
from storage.clock import now
from storage.paths import path_to_text
from storage.rows import AnswerRow, ClaimRow, CoverageRow, MomentRow, SegmentRows, VideoFacts
from storage.schema import File, Job, Video

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("av", "numpy", "openvino", "sqlalchemy", "faiss-cpu")
SPEC = ClipSpec(window_s=10.0, overlap_s=0.0, rate_hz=1.0, max_frames=10, max_side=64)
FINGERPRINT = "ready-made"
QUESTIONS = question_set([])


class ReadyMade:
    """A hand that gives rows without opening a file; each video is `windows` windows long."""

    def __init__(self, *, windows: int) -> None:
        self._windows = windows

    def do(self, order: Order) -> Generator[Told, None, None]:
        if isinstance(order, Introduce):
            yield Told(value=EngineFacts(name="ready-made", fingerprint=FINGERPRINT, spec=SPEC))
        elif isinstance(order, Recognise):
            found = order.found
            stamp = Stamp(size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)
            yield Told(value=Recognised(facts=_facts(found.path, windows=self._windows), stamp=stamp))
        elif isinstance(order, Examine):
            spans = tuple(Span(n * SPEC.window_s, (n + 1) * SPEC.window_s) for n in range(self._windows))
            yield Told(value=Examined(windows=spans, note=None))
        else:
            question = order.questions[0].id
            for number, window in enumerate(order.windows):
                yield Told(value=Looked(number=number, rows=_rows(window, question)))

    def close(self) -> None: ...


def _facts(path: Path, *, windows: int) -> VideoFacts:
    return VideoFacts(
        content_hash=hashlib.sha256(os.fsencode(path)).hexdigest(),
        size_bytes=1,
        container="mov,mp4",
        codec="h264",
        width=1920,
        height=1080,
        rotation=0,
        time_base=Fraction(1, 90_000),
        start_s=0.0,
        end_s=windows * SPEC.window_s,
        num_frames=250 * windows,
        has_audio=False,
        recorded_at=datetime(2026, 5, 1, tzinfo=UTC),
    )


def _rows(window: Span, question: int) -> SegmentRows:
    """What a window of a street gives: three moments with a vector each, and five boxes."""
    vector = np.full(384, 384**-0.5, np.float32)
    moments = tuple(
        MomentRow(span=window, start_pts=0, end_pts=1, text=f"{n} persons", source="statement", vector=vector)
        for n in range(3)
    )
    box = Box(0.1, 0.2, 0.3, 0.4)
    claims = tuple(
        ClaimRow(subject="person", time_s=window.start_s, pts=0, boxes=(box,), confidence=0.5, moment=n % 3)
        for n in range(5)
    )
    return SegmentRows(
        answers=[AnswerRow(question_id=question, raw="x" * 400, text="yes", moments=moments, claims=claims)],
        coverage=[CoverageRow(span=window, kind="sampled", num_frames=10)],
        embedder="ready-made",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=[])
    parser.add_argument("--files", type=int, default=100_000, help="of `unchanged`")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "overhead": partial(overhead, runs=options.runs),
        "unchanged": partial(unchanged, num_files=options.files),
        "workers": partial(workers, runs=options.runs),
        "machines": partial(machines, runs=options.runs),
    }
    document: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks.night", *sys.argv[1:]]),
        "commit": _commit(),
        "machine": {"processor": platform.processor(), "cores": psutil.cpu_count()},
        "versions": {"python": platform.python_version(), **{n: metadata.version(n) for n in LIBRARIES}},
    }
    for name in options.parts or parts:
        with tempfile.TemporaryDirectory() as folder:
            load = psutil.getloadavg()[0]
            document[name] = {**parts[name](Path(folder)), "load_before": round(load, 2)}
    print(json.dumps(document, indent=1))
    if options.write:
        (RESULTS / "night.json").write_text(json.dumps(document, indent=1) + "\n")


def overhead(folder: Path, *, runs: int) -> dict[str, Any]:
    """Milliseconds a segment of one long video, and a file of many short ones; start-up is subtracted."""
    many, one = folder / "many", folder / "one"
    for path, count in ((many, 1000), (one, 1)):
        path.mkdir()
        for number in range(count):
            (path / f"{number:06}.mp4").write_bytes(b"x")
    start_up_s = min(_ready_made(one, folder, windows=1) for _ in range(runs))
    segment_ms = [1000 * (_ready_made(one, folder, windows=2000) - start_up_s) / 2000 for _ in range(runs)]
    file_ms = [1000 * (_ready_made(many, folder, windows=1) - start_up_s) / 1000 for _ in range(runs)]
    return {
        "segment_ms": round(statistics.median(segment_ms), 2),
        "file_ms": round(statistics.median(file_ms), 2),
        "fsync_ms": _fsync_ms(folder),
        "runs": runs,
    }


def _ready_made(path: Path, folder: Path, *, windows: int) -> float:
    """Wall seconds of a whole run into a fresh home with one worker."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    started = time.perf_counter()
    _run(path, home, executor=partial(LocalExecutor, partial(ReadyMade, windows=windows), environments=[{}]))
    return time.perf_counter() - started


def _fsync_ms(folder: Path) -> float:
    """What the disk asks for one small synced write: each segment has one."""
    taken = []
    with (folder / "synced").open("wb") as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            started = time.perf_counter()
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    return round(1000 * statistics.median(taken), 2)


def unchanged(folder: Path, *, num_files: int) -> dict[str, Any]:
    """Wall seconds of `index` over files that were all indexed before."""
    archive, home = folder / "archive", folder / "home"
    paths = [archive / f"{number // 1000:03}" / f"{number:06}.mp4" for number in range(num_files)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    _remember(paths, home)
    started = time.perf_counter()
    report = _run(
        archive, home, executor=partial(LocalExecutor, partial(ReadyMade, windows=1), environments=[{}])
    )
    wall_s = time.perf_counter() - started
    assert report["totals"]["unchanged"] == num_files, report["totals"]
    return {"files": num_files, "second_run_s": round(wall_s, 2)}


def _remember(paths: Sequence[Path], home: Path) -> None:
    """Every path as a video of its own whose job is done."""
    with Database.open(home, create=True) as database, database.writing() as session:
        library_id = ensure_library(session, "default")
        run_id = ensure_run(session, fingerprint=FINGERPRINT, engine="ready-made", config={})
        session.execute(insert(Video), [_video(_facts(path, windows=1)) for path in paths])
        ids = list(range(1, len(paths) + 1))
        session.execute(
            insert(File),
            [
                {
                    "library_id": library_id,
                    "video_id": id,
                    "path": path_to_text(path),
                    "size_bytes": 1,
                    "mtime_ns": path.stat().st_mtime_ns,
                    "seen_at": now(),
                }
                for id, path in zip(ids, paths, strict=True)
            ],
        )
        plan_jobs(session, ids, run_id=run_id, questions=[(q.task, q.text) for q in QUESTIONS])
        session.query(Job).update({"state": "done", "finished_at": now()})


def _video(facts: VideoFacts) -> dict[str, Any]:
    given = asdict(facts)
    time_base = given.pop("time_base")
    return {
        **given,
        "time_base_num": time_base.numerator,
        "time_base_den": time_base.denominator,
        "recorded_at": None,
        "created_at": now(),
    }


def workers(folder: Path, *, runs: int) -> dict[str, Any]:
    """x real time of one worker on one core and of two on two, and how many times faster two are."""
    archive, home = _archive(folder), folder / "home"
    cores = sorted(os.sched_getaffinity(0))[:2]
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(runs):
        for count in speeds:
            os.sched_setaffinity(0, cores[:count])
            executor = partial(LocalExecutor, _looker(), environments=[{}] * count)
            speeds[count].append(_speed(archive, home, executor=executor))
    os.sched_setaffinity(0, cores)
    return _compared(one=speeds[1], two=speeds[2])


def machines(folder: Path, *, runs: int) -> dict[str, Any]:
    """x real time of three local workers and of three machines of a cluster that stands already."""
    from indexer.executors.ray import RayExecutor
    from tests.ray_cluster import ray_cluster

    archive, home = _archive(folder), folder / "home"
    speeds: dict[str, list[float]] = {"local": [], "ray": []}
    with ray_cluster([{}] * 3) as (cluster, _):
        for _ in range(runs):
            local = partial(LocalExecutor, _looker(), environments=[{}] * 3)
            speeds["local"].append(_speed(archive, home, executor=local))
            spread = partial(RayExecutor, _looker(), address=cluster.address)
            speeds["ray"].append(_speed(archive, home, executor=spread))
    return _compared(**speeds)


def _archive(folder: Path) -> Path:
    """Eight moving videos of two minutes in 1080p: long beside what workers take to start."""
    archive = folder / "archive"
    archive.mkdir()
    base = synthetic(folder / "base.mp4", moving=True, minutes=2.0)
    for number in range(8):
        # A free box of its own makes each copy a content of its own.
        own = (12).to_bytes(4, "big") + b"free" + number.to_bytes(4, "big")
        (archive / f"{number}.mp4").write_bytes(base.read_bytes() + own)
    return archive


def _looker() -> Callable[[], Looker]:
    """The default engine on one thread."""
    from engines import load_engine
    from engines.embedding import TextEmbedder

    return partial(
        Looker,
        engine=partial(load_engine, "spotter", num_threads=1),
        embedder=partial(TextEmbedder, num_threads=1),
        seal=without_network,
    )


def _speed(archive: Path, home: Path, *, executor: Callable[[], Executor]) -> float:
    """Seconds of video a second, start-up of the workers included."""
    shutil.rmtree(home, ignore_errors=True)
    totals = _run(archive, home, executor=executor)["totals"]
    return float(totals["video_seconds"] / totals["wall_seconds"])


def _compared(**speeds: list[float]) -> dict[str, Any]:
    """The medians of two series of x real time, and of the second over the first in each turn."""
    first, second = speeds.values()
    ratios = [b / a for a, b in zip(first, second, strict=True)]
    return {
        "times_real": {name: round(statistics.median(of), 2) for name, of in speeds.items()},
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
    }


def _run(path: Path, home: Path, *, executor: Callable[[], Executor]) -> dict[str, Any]:
    request = Request(paths=[path], home=home, library="default", questions=QUESTIONS, executor=executor)
    return index_paths(request, reporter=Silent(sys.stderr)).document()


if __name__ == "__main__":
    main()
