"""From which cosine on a vector is a candidate: `python -m benchmarks.search_threshold`.

Queries and texts by hand, in the manner of the default engine and of video models, that mean the same in
other words (the words of most pairs don't meet, or FTS5 would find them), and pairs that only sound related.
It sweeps the threshold over the first half of each and reports the second half at the one that is used. A
candidate is not a hit yet (the name matcher still decides), so that a missed meaning costs more than a text
that is read in vain: the F2 score is what is maximised.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from engines.embedding import TextEmbedder
from search.ranking import LEAST_COSINE

RESULTS = Path(__file__).parent / "results" / "search_threshold.json"
Pairs = Sequence[tuple[str, str]]

SAME: Pairs = (
    ("someone riding a bike", "1 bicycle, 1 person"),
    ("a cyclist", "person riding a bicycle"),
    ("heavy traffic", "bus in traffic with 4 cars"),
    ("a vehicle", "2 cars"),
    ("people waiting", "3 persons standing in line"),
    ("error message on the screen", 'text on screen: "ERROR 504"'),
    ("a forklift close to a worker", "A lift truck drives past a man on foot"),
    ("a man takes his dog out", "person walking a dog on a leash"),
    ("someone fell", "A man lies on the ground after slipping"),
    ("an animal in the yard", "a dog stands on the grass"),
    ("a delivery", "A courier hands over a parcel at the door"),
    ("luggage left behind", "a suitcase stands alone on the platform"),
    ("smoke", "Grey fumes rise from the machine"),
    ("somebody climbing", "A worker goes up a ladder"),
    ("a truck backing up", "A lorry reverses into the loading bay"),
    ("a person on the phone", "woman talking into a mobile phone"),
    ("kids playing", "Two children kick a ball"),
    ("a boat on the water", "A ship sails across the harbour"),
    ("opening the settings", "The preferences window appears"),
    ("login failed", 'text on screen: "Invalid password"'),
    ("two wheels", "1 motorcycle"),
    ("public transport", "A bus stops and passengers get off"),
    ("cleaning the floor", "A man mops the hallway"),
    ("a fight", "Two men push and hit each other"),
    ("eating", "A woman has lunch at a table"),
    ("a pedestrian", "person crossing the street"),
    ("a feline", "1 cat"),
    ("birds in the sky", "a flock of geese flying"),
    ("a car accident", "Two cars collide at the junction"),
    ("working at a computer", "person with a laptop and a keyboard"),
)
OTHER: Pairs = (
    ("someone riding a bike", "3 cars"),
    ("a cyclist", "1 bus"),
    ("heavy traffic", "person walking a dog on a leash"),
    ("a vehicle", "2 persons"),
    ("people waiting", "1 dog"),
    ("error message on the screen", "person riding a bicycle"),
    ("a forklift close to a worker", "1 bicycle, 1 person"),
    ("a man takes his dog out", "1 bus"),
    ("someone fell", "bus in traffic with 4 cars"),
    ("an animal in the yard", 'text on screen: "ERROR 504"'),
    ("a delivery", "2 cars"),
    ("luggage left behind", "A lorry reverses into the loading bay"),
    ("smoke", "A woman has lunch at a table"),
    ("somebody climbing", "The preferences window appears"),
    ("a truck backing up", "1 cat"),
    ("a person on the phone", "Two cars collide at the junction"),
    ("kids playing", "A ship sails across the harbour"),
    ("a boat on the water", "person with a laptop and a keyboard"),
    ("opening the settings", "a dog stands on the grass"),
    ("login failed", "Two children kick a ball"),
    ("two wheels", "person crossing the street"),
    ("public transport", "a flock of geese flying"),
    ("cleaning the floor", "1 motorcycle"),
    ("a fight", "A worker goes up a ladder"),
    ("eating", "a suitcase stands alone on the platform"),
    ("a submarine", "bus in traffic with 4 cars"),
    ("a volcano", "Grey fumes rise from the machine"),
    ("a wedding", "3 persons standing in line"),
    ("an operating theatre", "A man mops the hallway"),
    ("a penguin", "1 person"),
)


def cosines(embedder: TextEmbedder, pairs: Pairs) -> list[float]:
    queries = embedder.embed([query for query, _ in pairs])
    texts = embedder.embed([text for _, text in pairs])
    return [float(cosine) for cosine in (queries * texts).sum(axis=1)]


def quality(same: Sequence[float], other: Sequence[float], *, least: float) -> dict[str, float]:
    """Recall, precision and F2 of "the cosine is at least `least`"."""
    found, wrong = sum(c >= least for c in same), sum(c >= least for c in other)
    recall, precision = found / len(same), found / max(found + wrong, 1)
    f2 = 5 * precision * recall / max(4 * precision + recall, 1e-9)
    return {"recall": round(recall, 3), "precision": round(precision, 3), "f2": round(f2, 3)}


def main() -> None:
    embedder = TextEmbedder()
    same, other = cosines(embedder, SAME), cosines(embedder, OTHER)
    sweep = {
        f"{least / 100:.2f}": quality(same[::2], other[::2], least=least / 100) for least in range(5, 75, 5)
    }
    measured = {
        "command": "python -m benchmarks.search_threshold",
        "embedder": embedder.name,
        "tuning_half": sweep,
        "best": max(sweep, key=lambda least: (sweep[least]["f2"], sweep[least]["precision"])),
        "used": LEAST_COSINE,
        "held_out_half": quality(same[1::2], other[1::2], least=LEAST_COSINE),
        "missed": [pair for pair, c in zip(SAME, same, strict=True) if c < LEAST_COSINE],
        "near_by_mistake": [pair for pair, c in zip(OTHER, other, strict=True) if c >= LEAST_COSINE],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(measured, indent=2) + "\n")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
