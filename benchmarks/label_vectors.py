"""Embeds the 80 kinds once: `python -m benchmarks.label_vectors` writes engines/data/label-vectors.npz.

Search compares a word that no list knows with the kinds; shipped, their vectors cost it no embedding. A test
compares the file with the text model, and fails when either has changed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import engines
from engines.embedding import TextEmbedder
from engines.spotter.vocabulary import load_vocabulary


def main() -> None:
    """Write the names and vectors [80, 384] float32, and the text model's name."""
    embedder = TextEmbedder()
    labels = load_vocabulary().labels
    path = Path(engines.__file__).parent / "data/label-vectors.npz"
    vectors = embedder.embed(labels)
    np.savez(path, embedder=np.array(embedder.name), labels=np.array(labels), vectors=vectors)
    print(f"{path}: {vectors.shape}")


if __name__ == "__main__":
    main()
