"""How fast a search is: `python -m benchmarks.search [MOMENTS]` writes `benchmarks/results/search.json`.

It makes a home of MOMENTS moments (100,000) in temporary storage: texts of many kinds, a few of them very
often, as a camera archive has them. 3,000 different texts are embedded by the real embedder; the vector of a
further one is that of a text that differs in a number or a name, turned a little. Then it times the whole
command, from the start of the process to its last byte of JSON, and the query alone in a process that has
searched before.
"""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from engines.embedding import TextEmbedder
from engines.naming import NameMatcher
from grounding.evidence import Box, Span
from search.finding import Searcher
from storage import AnswerRow, ClaimRow, CoverageRow, Database, MomentRow, SegmentRows, commit_segment
from storage.vectors import build_generation
from tests.rows import add_job

RESULTS = Path(__file__).parent / "results" / "search.json"
A_SEGMENT = 20
SEGMENTS_A_VIDEO = 100
WARMING_ROUNDS = 7
DISTINCT = 3_000
QUERIES = (
    "someone riding a bicycle",
    "a bus in traffic",
    "a submarine",
    "someone riding a horse",
    "forklift near a worker",
    'the words "error 504"',
    "two dogs on a beach",
    "person",
    "a red car parked next to a truck",
    "a woman walking with a suitcase",
    "traffic light",
    "a delivery van in the loading bay",
)
SINGULAR = (
    "person", "bicycle", "car", "motorcycle", "bus", "truck", "boat", "dog", "cat", "horse", "bird",
    "suitcase", "backpack", "umbrella", "chair", "laptop", "bottle", "bench", "train", "airplane",
    "skateboard", "forklift", "van", "ladder", "pallet", "crane",
)  # fmt: skip
ACTIONS = (
    "walking",
    "standing",
    "riding",
    "carrying",
    "waiting",
    "parked",
    "turning left",
    "crossing",
    "loading",
)
PLACES = (
    "on the street", "near the gate", "at the loading bay", "in the yard", "next to a wall",
    "on the platform", "in the car park", "by the door", "in an aisle", "at the crossing",
    "on a beach", "in the warehouse",
)  # fmt: skip
COLOURS = ("red", "blue", "white", "black", "yellow", "green", "silver", "orange")


def sentence(chance: random.Random) -> str:
    """A description in the manner of the default engine (short, often the same) or of a video model."""
    kind = chance.random()
    things = chance.choices(SINGULAR, weights=[30, 8, 20, 4, 5, 5] + [1] * (len(SINGULAR) - 6), k=3)
    if kind < 0.35:
        return f"{chance.randint(2, 5)} {things[0]}s" if chance.random() < 0.5 else f"1 {things[0]}"
    if kind < 0.5:
        return f"{chance.randint(1, 4)} {things[0]}, {chance.randint(1, 4)} {things[1]}"
    if kind < 0.6:
        word = chance.choice(["ERROR", "EXIT", "GATE", "INVOICE", "CAM"])
        return f'text on screen: "{word} {chance.randint(1, 999)}"'
    first = f"A {chance.choice(COLOURS)} {things[0]} {chance.choice(ACTIONS)} {chance.choice(PLACES)}"
    return f"{first} while a {things[1]} is {chance.choice(ACTIONS)}" if kind > 0.85 else first


def texts_and_vectors(count: int) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float32]]]:
    """`count` texts and their vectors, [count, 384]."""
    chance, noise = random.Random(0), np.random.default_rng(0)
    texts = [sentence(chance) for _ in range(count)]
    distinct = list(dict.fromkeys(texts))
    real = TextEmbedder().embed(distinct[:DISTINCT])
    row_of = {text: row for row, text in enumerate(distinct)}
    rows = np.array([row_of[text] for text in texts])
    vectors = real[rows % len(real)]
    turned = noise.standard_normal(vectors.shape, dtype=np.float32) * 0.02
    vectors = vectors + np.where((rows >= len(real))[:, None], turned, 0.0).astype(np.float32)
    return texts, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def fill(db: Database, count: int) -> int:
    """Commit the moments; gives how many different texts there are."""
    texts, vectors = texts_and_vectors(count)
    num_segments = -(-count // A_SEGMENT)
    chance = random.Random(1)
    for video in range(-(-num_segments // SEGMENTS_A_VIDEO)):
        with db.writing() as session:
            job = add_job(session, f"v{video}", num_segments=SEGMENTS_A_VIDEO)
            for segment in job.segments:
                first = (video * SEGMENTS_A_VIDEO + segment.position) * A_SEGMENT
                numbers = range(first, min(first + A_SEGMENT, count))
                rows = segment_rows(job.questions[0].id, texts, vectors, numbers, segment.window, chance)
                assert commit_segment(session, segment.id, rows)
    return len(set(texts))


def segment_rows(
    question: int, texts: list[str], vectors: Any, numbers: range, window: Span, chance: random.Random
) -> SegmentRows:
    moments, claims = [], []
    for place, number in enumerate(numbers):
        start = window.start_s + chance.random() * 15
        end = start + chance.random() * 5
        ticks = int(start * 90_000)
        moments.append(
            MomentRow(
                span=Span(start, end), start_pts=ticks, end_pts=int(end * 90_000), text=texts[number],
                source="screen_text" if texts[number].startswith("text on") else "statement",
                vector=vectors[number],
            )
        )  # fmt: skip
        named = [word for word in SINGULAR if word in texts[number]] or ["text"]
        claims += [
            ClaimRow(
                subject=subject, time_s=start, pts=ticks, boxes=(Box(0.1, 0.2, 0.3, 0.4),),
                confidence=round(chance.random(), 3), moment=place,
            )
            for subject in named
        ]  # fmt: skip
    answer = AnswerRow(question_id=question, raw="", text="", moments=tuple(moments), claims=tuple(claims))
    coverage = [CoverageRow(span=window, kind="sampled", num_frames=40)]
    return SegmentRows(answers=[answer], coverage=coverage, embedder=TextEmbedder.name)


def spread(spent_s: list[float]) -> dict[str, float]:
    return {
        "median_ms": round(statistics.median(spent_s) * 1e3, 1),
        "fastest_ms": round(min(spent_s) * 1e3, 1),
        "slowest_ms": round(max(spent_s) * 1e3, 1),
    }


def time_command(home: Path, *, times: int = 5) -> dict[str, Any]:
    """The whole command on a cold process and a warm disk, as a user types it."""
    wall, processor = [], []
    for number in range(times + 1):
        query = QUERIES[number % len(QUERIES)]
        command = [sys.executable, "-m", "proofreel", "search", query, "--home", str(home), "--json"]
        before, start = os.times(), time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=True)
        took, after = time.perf_counter() - start, os.times()
        assert json.loads(done.stdout)["schema"] == "proofreel.search/1"
        if number:  # the first one reads files that nothing has read before
            wall.append(took)
            processor.append(
                after.children_user + after.children_system - before.children_user - before.children_system
            )
    return {"wall": spread(wall), "processor": spread(processor)}


def time_queries(db: Database, home: Path, *, rounds: int = 10) -> dict[str, Any]:
    """Each query alone: in the first round of a process, and once the process has searched for a while.

    The embedder prepares its network well after 64 texts; the rounds before that are not in `steady`.
    """
    embedder = TextEmbedder()
    searcher = Searcher(db, home, embedder=embedder, matcher=NameMatcher(embedder))
    spent: dict[str, list[float]] = {query: [] for query in QUERIES}
    found = {}
    for _ in range(WARMING_ROUNDS + rounds):
        for query in QUERIES:
            start = time.perf_counter()
            result = searcher.find(query)
            spent[query].append(time.perf_counter() - start)
            found[query] = len(result.hits)
    steady = {query: of_query[WARMING_ROUNDS:] for query, of_query in spent.items()}
    return {
        "first_round": spread([of_query[0] for of_query in spent.values()]),
        "steady": spread([seconds for of_query in steady.values() for seconds in of_query]),
        "steady_each": {query: {"hits": found[query], **spread(steady[query])} for query in QUERIES},
    }


def commit_id() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def measure(home: Path, *, num_moments: int) -> dict[str, Any]:
    load_before = round(os.getloadavg()[0], 2)
    with Database.open(home, create=True) as db:
        if not (home / "filled").exists():
            distinct = fill(db, num_moments)
            build_generation(db, home, embedder=TextEmbedder.name)
            (home / "filled").write_text(str(distinct))
        queries = time_queries(db, home)
    return {
        "command": f"python -m benchmarks.search {num_moments}",
        "commit": commit_id(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": {"before": load_before, "after": round(os.getloadavg()[0], 2)},
        "versions": {name: version(name) for name in ("faiss-cpu", "onnxruntime", "sqlalchemy", "numpy")},
        "moments": num_moments,
        "different_texts": int((home / "filled").read_text()),
        "process": time_command(home),
        "query": queries,
    }


def main() -> None:
    num_moments = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if len(sys.argv) > 2:
        measured = measure(Path(sys.argv[2]), num_moments=num_moments)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(Path(folder) / "home", num_moments=num_moments)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(measured, indent=2) + "\n")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
