"""Chooses the threshold of `engines.naming`: `python -m benchmarks.names` writes results/names.json.

Sweeps the least cosine over the tuning part of tests/data/names.toml: words outside the vocabulary against
the 80 kinds, and queries against what the spotter says about the sample clips. Chosen is the lowest threshold
at which no word and no query gets a wrong name: the spotter never guesses, and synonyms do most of the work.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

from engines import load_engine
from engines.embedding import TextEmbedder
from engines.naming import THRESHOLD, NameMatcher
from tests.named import is_found, moments, part

RESULT = Path(__file__).parent / "results/names.json"
SWEPT = [round(0.40 + 0.01 * step, 2) for step in range(61)]


def main() -> None:
    """Sweep, print the chosen threshold and write the table."""
    listed = part("tuning")
    engine = load_engine("spotter")
    seen = {name: moments(name, engine=engine) for name in listed["clips"]}
    embedder = TextEmbedder()
    matcher = NameMatcher(embedder)
    rows = []
    for threshold in SWEPT:
        matcher.threshold = threshold
        rows.append({"threshold": threshold, **words(listed, matcher), **queries(listed, matcher, seen)})
    chosen = min(row["threshold"] for row in rows if not row["words_wrong"] and not row["absent_found"])
    result = {
        "command": "python -m benchmarks.names",
        "chosen": chosen,
        "in_code": THRESHOLD,
        "embedder": embedder.name,
        "python": platform.python_version(),
        "moments": {name: [text for text, _ in found] for name, found in seen.items()},
        "rows": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"chosen {chosen}, in code {THRESHOLD}; table in {RESULT}")


def words(listed: dict, matcher: NameMatcher) -> dict[str, int]:  # type: ignore[type-arg]
    """How words outside the vocabulary are named at this threshold."""
    same, none = listed["words"]["same"], listed["words"]["none"]
    named = {word: matcher.label(word) for word in (*same, *none)}
    right = sum(named[word] == label for word, label in same.items())
    wrong = sum(named[word] is not None for word in none)
    wrong += sum(named[word] not in (None, label) for word, label in same.items())
    return {"words_right": right, "words_wrong": wrong, "words_with_a_kind": len(same)}


def queries(listed: dict, matcher: NameMatcher, seen: dict) -> dict[str, int]:  # type: ignore[type-arg]
    """How many queries for things in the clips find a moment, and how many for things that aren't do."""
    counts = {"queries_found": 0, "queries": 0, "absent_found": 0, "absent": 0}
    for name, clip in listed["clips"].items():
        for query in clip["found"]:
            counts["queries"] += 1
            counts["queries_found"] += is_found(query, seen[name], matcher=matcher)
        for query in clip["absent"]:
            counts["absent"] += 1
            counts["absent_found"] += is_found(query, seen[name], matcher=matcher)
    return counts


if __name__ == "__main__":
    main()
